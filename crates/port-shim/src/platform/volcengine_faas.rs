//! A native function of Volcengine's veFaaS.

use std::net::Ipv4Addr;

use http::{Method, StatusCode};
use shim::{Refusal, Turns};

use crate::profile::{Body, Calls, Errors, Hook, Marks, Port, Profile, Signs, Time, Wrapping};

/// The platform's own requests have it.
const INTERNAL: (&str, &str) = ("x-faas-internal-request", "true");

/// A native function of Volcengine's veFaaS (runtime `native/v1`).
///
/// Contract: Volcengine's own runtime for Go, volcengine/vefaas-golang-runtime (`vefaas/entry.go`, `vefaas/cloudevent_handler.go`,
/// `utils/response.go`), and its pages (<https://www.volcengine.com/docs/6662>).
pub static VOLCENGINE_FAAS: Profile = Profile {
    caller: "veFaaS",
    address: Ipv4Addr::UNSPECIFIED,
    // 8000 is what a native function is given ("Native functions"); the runtime for Go falls back to 5000.
    port: Port { variables: &["_FAAS_RUNTIME_PORT"], without: Some(8000) },
    hooks: &[
        // Everything is initialised before the port is open.
        Hook { methods: &[Method::POST], path: "/v1/initialize", mark: Some(INTERNAL), line: None },
        Hook { methods: &[Method::GET], path: "/v1/version", mark: Some(INTERNAL), line: None },
        // Volcengine's samples of native functions answer it, with the mark or without.
        Hook { methods: &[Method::GET, Method::HEAD], path: "/v1/ping", mark: None, line: None },
    ],
    // A request of an HTTP trigger, whatever headers its sender has added, is `http`.
    calls: Calls::Marked(Marks {
        kind: "x-faas-event-type",
        event: "cloudevent",
        request: "http",
        internal: INTERNAL,
    }),
    served: "POST with an event (X-Faas-Event-Type: cloudevent)",
    request_id: &["x-faas-request-id"],
    time: Time::Seconds { variable: "_FAAS_FUNC_TIMEOUT" },
    // A function may be given several calls at once.
    turns: Turns::AtOnce(64),
    // **Inference:** what the other clouds' functions take. No page says it.
    body_limit: 6 * 1024 * 1024,
    // In the order of the runtime for Go (`utils/http_event.go` in versions with batches, `GetBatchEventsVersionFromRequest`).
    body: Body::CloudEvent { batch: &["x-bytefaas-batch-events-version", "x-faas-batch-events-version"] },
    answer: Wrapping::Bare,
    signs: Signs {
        // **Inference:** which statuses are called again for is not published; 4xx is taken for final. So it is only for what is no event.
        failure: |_, refusal| match code(refusal) {
            NO_EVENT | NO_CALL => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        status: None,
        error: Some(Errors {
            code: "x-faas-response-error-code",
            name: code,
            message: "x-faas-response-error-message",
            duration: "x-faas-execution-duration",
        }),
    },
    lines: None,
    stopped: 0,
};

const NO_CALL: &str = "invalid_event_type";
const NO_EVENT: &str = "invalid_cloud_event";

/// What the runtime for Go calls a failure (`utils/response.go`). What was not seen whole may be an event: that it broke off, or is larger than
/// what is taken here, says nothing against it.
fn code(refusal: Option<&Refusal>) -> &'static str {
    match refusal {
        Some(Refusal::Route(_)) => NO_CALL,
        Some(Refusal::NotUtf8 | Refusal::Unreadable(_) | Refusal::NotWrapped(_)) => NO_EVENT,
        Some(Refusal::Panicked) => "function_panic",
        Some(Refusal::Unwritable | Refusal::NotAReply(_)) => "function_no_response",
        None
        | Some(
            Refusal::Malformed
            | Refusal::TooLarge(_)
            | Refusal::BodyBroken
            | Refusal::Stopping
            | Refusal::Deadline,
        ) => "function_execution_error",
    }
}
