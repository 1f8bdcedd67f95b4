//! The platforms, as facts: paths, headers, variables. What a platform does besides is in `serve.rs` and `invocations.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::invocations::Event;
use crate::id;

pub(super) const FUNCTION_NAME: &str = "driven";
pub(super) const FUNCTION_VERSION: &str = "$LATEST";
const REGION: &str = "us-east-1";
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:driven";

/// The keys that SCF puts into a function's environment, with values of our own.
const TENCENT_KEYS: [(&str, &str); 3] = [
    ("TENCENTCLOUD_SECRETID", "AKID-driven-secret-id"),
    ("TENCENTCLOUD_SECRETKEY", "driven-secret-key"),
    ("TENCENTCLOUD_SESSIONTOKEN", "driven-session-token"),
];

/// The keys that FunctionGraph puts beside each event, with values of our own.
const HUAWEI_KEYS: [(&str, &str); 4] = [
    ("x-cff-access-key", "driven-access-key"),
    ("x-cff-secret-key", "driven-secret-key"),
    ("x-cff-security-token", "driven-security-token"),
    ("x-cff-auth-token", "driven-auth-token"),
];

/// A platform whose functions ask for their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// AWS Lambda: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
    Lambda,
    /// Tencent Cloud's SCF, an event function in `CustomRuntime`: <https://cloud.tencent.com/document/product/583/47274>.
    ///
    /// A function has to say first that it has started, with a body (a Rust runtime notes that an empty one is refused). A result is about the event that was handed
    /// out last; who asks again without one gets the same event.
    TencentScf,
    /// Huawei Cloud's FunctionGraph, an event function in a custom runtime:
    /// <https://support.huaweicloud.com/intl/en-us/usermanual-functiongraph/functiongraph_01_0406.html>.
    HuaweiFunctionGraph,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Ready,
    Next,
    Response(Which),
    Error(Which),
    InitError,
    Register,
    ExtensionNext,
    ExtensionError,
}

/// Which event a result is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Which {
    Id(String),
    /// The one that was handed out last.
    Last,
}

impl Runtime {
    /// What a method and a path ask for; `None` for any other.
    pub(super) fn asked(self, method: &Method, path: &str) -> Option<Asked> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (get, post) = (method == Method::GET, method == Method::POST);
        match (self, &parts[..]) {
            (Self::Lambda, ["2018-06-01", "runtime", "invocation", "next"]) if get => Some(Asked::Next),
            (Self::Lambda, ["2018-06-01", "runtime", "invocation", id, "response"]) if post => {
                Some(Asked::Response(Which::Id((*id).to_owned())))
            }
            (Self::Lambda, ["2018-06-01", "runtime", "invocation", id, "error"]) if post => {
                Some(Asked::Error(Which::Id((*id).to_owned())))
            }
            (Self::Lambda, ["2018-06-01", "runtime", "init", "error"]) if post => Some(Asked::InitError),
            (Self::Lambda, ["2020-01-01", "extension", "register"]) if post => Some(Asked::Register),
            (Self::Lambda, ["2020-01-01", "extension", "event", "next"]) if get => Some(Asked::ExtensionNext),
            (Self::Lambda, ["2020-01-01", "extension", "init" | "exit", "error"]) if post => {
                Some(Asked::ExtensionError)
            }
            (Self::TencentScf, ["runtime", "init", "ready"]) if post => Some(Asked::Ready),
            (Self::TencentScf, ["runtime", "invocation", "next"]) if get => Some(Asked::Next),
            (Self::TencentScf, ["runtime", "invocation", "response"]) if post => {
                Some(Asked::Response(Which::Last))
            }
            (Self::TencentScf, ["runtime", "invocation", "error"]) if post => Some(Asked::Error(Which::Last)),
            (Self::HuaweiFunctionGraph, ["v1", "runtime", "invocation", "request"]) if get => {
                Some(Asked::Next)
            }
            (Self::HuaweiFunctionGraph, ["v1", "runtime", "invocation", "response", id]) if post => {
                decoded(id).map(Asked::Response)
            }
            (Self::HuaweiFunctionGraph, ["v1", "runtime", "invocation", "error", id]) if post => {
                decoded(id).map(Asked::Error)
            }
            _ => None,
        }
    }

    /// Whether a function has to say that it has started before it is given anything.
    pub(super) fn wants_ready(self) -> bool {
        self == Self::TencentScf
    }

    /// Whether who asks again is given the event that it has not answered.
    pub(super) fn hands_out_again(self) -> bool {
        self == Self::TencentScf
    }

    /// Whether it is known what may stand in a request id. Where it is not, a test may put there what it likes.
    pub(super) fn is_request_id(self, id: &str) -> bool {
        match self {
            Self::Lambda => {
                !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            }
            Self::TencentScf | Self::HuaweiFunctionGraph => {
                !id.is_empty() && HeaderValue::from_str(id).is_ok()
            }
        }
    }

    /// The status of a result that was taken. It is not documented except for Lambda.
    pub(super) fn taken(self) -> StatusCode {
        match self {
            Self::Lambda => StatusCode::ACCEPTED,
            Self::TencentScf | Self::HuaweiFunctionGraph => StatusCode::OK,
        }
    }

    /// The head of an event.
    pub(super) fn head(self, event: &Event) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Lambda => lambda(event, &mut headers),
            Self::TencentScf => {
                // The names have underscores: <https://cloud.tencent.com/document/product/583/47274>, "获取调用事件".
                insert(&mut headers, "request_id", &event.request_id);
                insert(&mut headers, "memory_limit_in_mb", "128");
                insert(&mut headers, "time_limit_in_ms", &event.limit.as_millis().to_string());
            }
            Self::HuaweiFunctionGraph => {
                insert(&mut headers, "x-cff-request-id", &event.request_id);
                insert(&mut headers, "x-cff-invoke-type", "async");
                for (name, value) in HUAWEI_KEYS {
                    insert(&mut headers, name, value);
                }
            }
        }
        for (name, value) in &event.headers {
            match value {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => drop(headers.remove(name)),
            }
        }
        headers
    }

    /// The variables that a function's process needs to find the server at this address.
    pub(super) fn env(self, address: SocketAddr) -> Vec<(&'static str, String)> {
        match self {
            // Names: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
            Self::Lambda => vec![
                // No scheme: the platform sends host and port.
                ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
                ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME.to_owned()),
                ("AWS_LAMBDA_FUNCTION_VERSION", FUNCTION_VERSION.to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
                ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{FUNCTION_NAME}")),
                (
                    "AWS_LAMBDA_LOG_STREAM_NAME",
                    "2026/01/01/[$LATEST]00000000000000000000000000000000".to_owned(),
                ),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
                ("AWS_REGION", REGION.to_owned()),
                ("_HANDLER", "bootstrap".to_owned()),
            ],
            // Names: <https://cloud.tencent.com/document/product/583/32748>.
            Self::TencentScf => {
                let host = match address {
                    SocketAddr::V4(address) => address.ip().to_string(),
                    SocketAddr::V6(address) => format!("[{}]", address.ip()),
                };
                let mut variables = vec![
                    ("SCF_RUNTIME_API", host),
                    ("SCF_RUNTIME_API_PORT", address.port().to_string()),
                    ("_HANDLER", "index.main_handler".to_owned()),
                    ("USER_CODE_ROOT", "/var/user/".to_owned()),
                    ("TENCENTCLOUD_RUNENV", "SCF".to_owned()),
                ];
                variables.extend(TENCENT_KEYS.map(|(name, value)| (name, value.to_owned())));
                variables
            }
            // Names: the page of `HuaweiFunctionGraph`.
            Self::HuaweiFunctionGraph => vec![
                ("RUNTIME_API_ADDR", address.to_string()),
                ("RUNTIME_PROJECT_ID", "0123456789abcdef0123456789abcdef".to_owned()),
                ("RUNTIME_FUNC_NAME", FUNCTION_NAME.to_owned()),
                ("RUNTIME_FUNC_VERSION", "latest".to_owned()),
                ("RUNTIME_PACKAGE", "default".to_owned()),
                ("RUNTIME_HANDLER", "bootstrap.main".to_owned()),
                ("RUNTIME_TIMEOUT", HUAWEI_TIMEOUT.as_secs().to_string()),
                ("RUNTIME_USERDATA", "{}".to_owned()),
                ("RUNTIME_CPU", "100".to_owned()),
                ("RUNTIME_MEMORY", "128".to_owned()),
                ("RUNTIME_CODE_ROOT", "/opt/function/code".to_owned()),
            ],
        }
    }

    /// The credentials that the platform hands to a function, in variables and headers. Made up, and to be found in nothing that the function
    /// prints or posts.
    pub(super) fn credentials(self) -> Vec<&'static str> {
        match self {
            Self::Lambda => Vec::new(),
            Self::TencentScf => TENCENT_KEYS.map(|(_, value)| value).to_vec(),
            Self::HuaweiFunctionGraph => HUAWEI_KEYS.map(|(_, value)| value).to_vec(),
        }
    }
}

/// The time limit that a function on FunctionGraph is told once, in a variable.
const HUAWEI_TIMEOUT: Duration = Duration::from_secs(60);

/// An id as it stands in a path.
fn decoded(id: &str) -> Option<Which> {
    percent_decode_str(id).decode_utf8().ok().map(|id| Which::Id(id.into_owned()))
}

/// Headers: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next>. The type is JSON unless the
/// invoker says otherwise (`renderInvokeHeaders` in the emulator's `rendering/rendering.go`), and AWS's Python runtime
/// does not survive its absence. The invocation id is of 2026:
/// <https://github.com/aws/aws-lambda-rust-runtime/issues/1155>.
fn lambda(event: &Event, headers: &mut HeaderMap) {
    let trace =
        format!("Root=1-{:08x}-{};Sampled=0", event.deadline_ms / 1000, &id::uuid().replace('-', "")[..24]);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(event.deadline_ms));
    headers.insert("lambda-runtime-invoked-function-arn", HeaderValue::from_static(FUNCTION_ARN));
    insert(headers, "lambda-runtime-aws-request-id", &event.request_id);
    insert(headers, "lambda-runtime-invocation-id", &event.nonce);
    insert(headers, "lambda-runtime-trace-id", &trace);
}

/// Values are made of what can stand in a header, the request id by a check when it comes in.
fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_its_own_paths() {
        let id = |id: &str| Which::Id(id.to_owned());
        let (lambda, tencent, huawei) = (Runtime::Lambda, Runtime::TencentScf, Runtime::HuaweiFunctionGraph);
        for (runtime, method, path, want) in [
            (lambda, "GET", "/2018-06-01/runtime/invocation/next", Some(Asked::Next)),
            (lambda, "POST", "/2018-06-01/runtime/invocation/a/error", Some(Asked::Error(id("a")))),
            (lambda, "GET", "/runtime/invocation/next", None),
            (tencent, "POST", "/runtime/init/ready", Some(Asked::Ready)),
            (tencent, "GET", "/runtime/init/ready", None),
            (tencent, "GET", "/runtime/invocation/next", Some(Asked::Next)),
            (tencent, "POST", "/runtime/invocation/response", Some(Asked::Response(Which::Last))),
            (tencent, "POST", "/runtime/invocation/error", Some(Asked::Error(Which::Last))),
            (tencent, "POST", "/runtime/invocation/a/error", None),
            (tencent, "POST", "/runtime/invocation/error/a", None),
            (huawei, "GET", "/v1/runtime/invocation/request", Some(Asked::Next)),
            (huawei, "GET", "/v1/runtime/invocation/next", None),
            (huawei, "POST", "/v1/runtime/invocation/response/a%2Fb%3Fc", Some(Asked::Response(id("a/b?c")))),
            (huawei, "POST", "/v1/runtime/invocation/error/a", Some(Asked::Error(id("a")))),
            // An id that was put there raw.
            (huawei, "POST", "/v1/runtime/invocation/error/a/b", None),
        ] {
            assert_eq!(runtime.asked(&method.parse().unwrap(), path), want, "{runtime:?} {method} {path}");
        }
    }
}
