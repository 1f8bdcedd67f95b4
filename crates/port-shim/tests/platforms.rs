//! One handler on every platform: what each of them sends, and how each of them hears how it went. `a37`, `tiN`, `hiN` and `yN` are situations
//! of the table in the README; what is a platform's own beyond it is tried with the functions that are deployed there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod function;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use drive::{Answer, HttpPoster};
use function::{LIMIT, running};
use port_shim::{
    ALIBABA_FC, AZURE_FUNCTIONS, HUAWEI_FUNCTIONGRAPH, Profile, TENCENT_SCF, VOLCENGINE_FAAS,
    YANDEX_CONTAINERS,
};
use serde_json::{Value, json};

/// A platform as a caller.
struct Caller {
    profile: &'static Profile,
    path: &'static str,
    /// What each call has.
    headers: &'static [(&'static str, &'static str)],
    /// The header with the id.
    id: &'static str,
    /// The variables or headers that give a call one second.
    variable: Option<(&'static str, &'static str)>,
    header: Option<(&'static str, &'static str)>,
    /// The statuses of a failed call, of a call that took too long, and of what is no call.
    statuses: [u16; 3],
}

const CALLERS: [Caller; 6] = [
    Caller {
        profile: &AZURE_FUNCTIONS,
        path: "/Scan",
        headers: &[],
        id: "X-Azure-Functions-InvocationId",
        variable: Some(("AzureFunctionsJobHost__functionTimeout", "00:00:01")),
        header: None,
        statuses: [500, 504, 404],
    },
    Caller {
        profile: &ALIBABA_FC,
        path: "/invoke",
        headers: &[("x-fc-control-path", "/invoke"), ("x-fc-access-key-secret", "planted")],
        id: "x-fc-request-id",
        variable: None,
        header: Some(("x-fc-function-timeout", "1")),
        statuses: [404, 404, 404],
    },
    Caller {
        profile: &TENCENT_SCF,
        path: "/event-invoke",
        headers: &[("X-Scf-Secret-Key", "planted")],
        id: "X-Scf-Request-Id",
        variable: None,
        header: Some(("X-Scf-Timeout", "1000")),
        statuses: [500, 500, 404],
    },
    Caller {
        profile: &HUAWEI_FUNCTIONGRAPH,
        path: "/invoke",
        headers: &[("x-cff-security-token", "planted")],
        id: "x-cff-request-id",
        variable: Some(("RUNTIME_TIMEOUT", "1")),
        header: None,
        statuses: [500, 500, 404],
    },
    Caller {
        profile: &VOLCENGINE_FAAS,
        path: "/x",
        headers: &[("X-Faas-Event-Type", "cloudevent"), ("X-Faas-Secret-Access-Key", "planted")],
        id: "X-Faas-Request-Id",
        variable: Some(("_FAAS_FUNC_TIMEOUT", "1")),
        header: None,
        statuses: [500, 500, 400],
    },
    Caller {
        profile: &YANDEX_CONTAINERS,
        path: "/",
        headers: &[("X-Forwarded-For", "192.0.2.1")],
        id: "X-Request-Id",
        variable: None,
        header: None,
        statuses: [500, 500, 404],
    },
];

impl Caller {
    /// A call with this event, as the platform makes it.
    async fn call(&self, address: &str, event: &Value, more: &[(&str, &str)]) -> Answer {
        let wrapped = std::ptr::eq(self.profile, &AZURE_FUNCTIONS);
        let body =
            if wrapped { json!({ "Data": { "event": event }, "Metadata": {} }) } else { event.clone() };
        self.send(address, "POST", self.path, body.to_string(), more).await
    }

    async fn send(
        &self,
        address: &str,
        method: &str,
        path: &str,
        body: impl Into<Vec<u8>>,
        more: &[(&str, &str)],
    ) -> Answer {
        let headers = [self.headers, &[(self.id, "id-1")], more].concat();
        let url = format!("http://{address}{path}");
        HttpPoster::new(LIMIT).send(method, &url, &headers, body.into()).await.unwrap()
    }
}

/// What the handler's response, or its failure, is in an answer.
fn said(answer: &Answer) -> Value {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    // Answers have a length on every platform; on one of them others are an error.
    assert!(answer.header("content-length").is_some() && answer.header("transfer-encoding").is_none());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    match (&body["Logs"][0], &body["body"]) {
        (Value::String(text), _) => serde_json::from_str(text).unwrap(),
        (_, Value::String(text)) if body["isBase64Encoded"] == json!(false) => {
            assert_eq!(body["statusCode"], json!(answer.status));
            serde_json::from_str(text).unwrap()
        }
        _ => body,
    }
}

#[tokio::test]
async fn a_call_is_a_call_on_every_platform() {
    for caller in CALLERS {
        let (address, _stop) = running(caller.profile, &[]).await;
        let event = json!({ "hello": "日", "n": [1, 2.5, null] });
        let answer = caller.call(&address, &event, &[]).await;
        let want = json!({ "event": event, "id": "id-1", "has_deadline": std::ptr::eq(caller.profile, &AZURE_FUNCTIONS) });
        assert_eq!((answer.status, said(&answer)), (200, want), "{:?}", caller.profile);
        for (event, error_type) in [(json!({ "fail": "Boom" }), "Boom"), (json!({ "panic": true }), "panic")]
        {
            let answer = caller.call(&address, &event, &[]).await;
            assert_eq!(answer.status, caller.statuses[0], "{:?}", caller.profile);
            assert_eq!(said(&answer)["errorType"], json!(error_type), "{:?}", caller.profile);
            assert!(!answer.text().contains("planted"), "{:?}", caller.profile);
        }
        for body in [&b""[..], b"hello", b"{\"a\":", b"\xff"] {
            let answer = caller.send(&address, "POST", caller.path, body, &[]).await;
            assert!(answer.status >= 400, "{:?}: {}", caller.profile, answer.text());
        }
        assert_eq!(caller.call(&address, &json!({}), &[]).await.status, 200, "{:?}", caller.profile);
    }
}

#[tokio::test]
async fn ti3_what_is_no_call_does_not_reach_the_handler() {
    for caller in CALLERS {
        let (address, _stop) = running(caller.profile, &[]).await;
        for (method, path) in [
            ("PUT", caller.path),
            ("DELETE", "/"),
            ("OPTIONS", "*"),
            ("GET", "/x"),
            ("POST", "/x/../invoke"),
            ("POST", "//"),
        ] {
            if method == "POST" && std::ptr::eq(caller.profile, &VOLCENGINE_FAAS) {
                continue;
            }
            let path = if path == "*" { "/*" } else { path };
            let answer = caller.send(&address, method, path, "{}", &[]).await;
            assert_eq!(answer.status, caller.statuses[2], "{method} {path}: {:?}", caller.profile);
            assert_eq!(said(&answer)["errorType"], json!("unknown_route"), "{method} {path}");
        }
    }
}

/// A request of which hyper cannot read the head, and what comes back until the connection is closed.
fn unreadable(address: &str, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    // The other side may have enough before it has read everything.
    let _ = connection.write_all(request);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a37_a_head_that_cannot_be_read_is_a_failure_as_the_platform_knows_one() {
    for (caller, status, sign) in [
        (&CALLERS[0], 400, "content-type: application/json"),
        (&CALLERS[1], 404, "x-fc-status: 404"),
        (&CALLERS[2], 500, "content-type: application/json"),
        (&CALLERS[3], 500, "content-type: application/json"),
        (&CALLERS[4], 500, "x-faas-response-error-code: function_execution_error"),
        (&CALLERS[5], 500, "content-type: application/json"),
    ] {
        let (address, _stop) = running(caller.profile, &[]).await;
        let head = |more: &str| format!("POST {} HTTP/1.1\r\nHost: x\r\n{more}\r\n", caller.path);
        for request in [
            "nonsense\r\n\r\n".to_owned(),
            head(&(0..150).map(|number| format!("Caller-{number}: x\r\n")).collect::<String>()),
            format!("POST /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000)),
        ] {
            let answer = unreadable(&address, request.as_bytes());
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{:?}: {answer}", caller.profile);
            for line in [sign, "connection: close", &format!("content-length: {}", body.len())] {
                assert!(head.contains(&format!("\r\n{line}")), "{line}: {:?}: {answer}", caller.profile);
            }
            let body: Value = serde_json::from_str(body).unwrap();
            let body = body["body"].as_str().map_or(body.clone(), |text| serde_json::from_str(text).unwrap());
            assert_eq!(body["errorType"], json!("malformed_request"), "{:?}", caller.profile);
        }
        assert_eq!(caller.call(&address, &json!({}), &[]).await.status, 200, "{:?}", caller.profile);
    }
}

#[tokio::test]
async fn a_time_limit_is_the_platform_s_wherever_it_stands() {
    for caller in CALLERS {
        if caller.variable.is_none() && caller.header.is_none() {
            continue;
        }
        let variables: Vec<_> = caller.variable.into_iter().collect();
        let headers: Vec<_> = caller.header.into_iter().collect();
        let (address, _stop) = running(caller.profile, &variables).await;
        let started = Instant::now();
        let answer = caller.call(&address, &json!({ "sleep_ms": 5000 }), &headers).await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert_eq!((answer.status, &said(&answer)["errorType"]), (caller.statuses[1], &json!("deadline")));
        let answer = caller.call(&address, &json!({}), &headers).await;
        assert_eq!(said(&answer)["has_deadline"], json!(true), "{:?}", caller.profile);
    }
}

#[tokio::test]
async fn odd_limits_and_ids_say_nothing_and_harm_nobody() {
    let long = "9".repeat(5000);
    for caller in CALLERS {
        let Some((name, _)) = caller.header else { continue };
        let (address, _stop) = running(caller.profile, &[]).await;
        for value in ["0", "-1", "abc", "1.5", "", " ", "999999999", "99999999999999999999", "\u{e9}", &long]
        {
            let answer = caller.call(&address, &json!({}), &[(name, value)]).await;
            assert_eq!(
                (answer.status, &said(&answer)["has_deadline"]),
                (200, &json!(false)),
                "{name}: {value}"
            );
        }
    }
    let (address, _stop) = running(&TENCENT_SCF, &[]).await;
    for (id, want) in [("a b\t\u{e9}", "a?b???"), (long.as_str(), &long[..128])] {
        let url = format!("http://{address}/event-invoke");
        let answer =
            HttpPoster::new(LIMIT).send("POST", &url, &[("X-Scf-Request-Id", id)], "{}").await.unwrap();
        assert_eq!(said(&answer)["id"], json!(want));
    }
}

#[tokio::test]
async fn hi1_an_image_is_initialised_by_a_request_of_its_own() {
    let (address, _stop) = running(&HUAWEI_FUNCTIONGRAPH, &[]).await;
    let answer = CALLERS[3].send(&address, "POST", "/init", "", &[]).await;
    let want = json!({ "isBase64Encoded": false, "statusCode": 200, "headers": {}, "body": "" });
    assert_eq!((answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap()), (200, want));
}

/// A trigger's messages.
fn messages(kinds: &[(&str, &str)]) -> Value {
    let message = |(kind, key): &(&str, &str)| {
        json!({
            "event_metadata": {
                "event_id": "bb1", "event_type": kind, "created_at": "2026-01-02T03:04:05Z", "cloud_id": "c", "folder_id": "f",
            },
            "details": { "bucket_id": "in", "object_id": key },
        })
    };
    json!({ "messages": kinds.iter().map(message).collect::<Vec<_>>() })
}

#[tokio::test]
async fn y1_to_y4_a_trigger_s_messages_reach_the_handler_and_one_that_fails_is_the_whole_call() {
    const CREATE: &str = "yandex.cloud.events.storage.ObjectCreate";
    let (address, _stop) = running(&YANDEX_CONTAINERS, &[]).await;
    for (kinds, status) in [
        (&[(CREATE, "a b/中.bin")][..], 200),
        (&[("yandex.cloud.events.storage.ObjectUpdate", "a")], 200),
        (&[(CREATE, "a"), (CREATE, "fails")], 500),
        (&[("yandex.cloud.events.serverless.triggers.TimerMessage", "")], 200),
    ] {
        let event = messages(kinds);
        let answer = CALLERS[5].call(&address, &event, &[]).await;
        assert_eq!(answer.status, status, "{kinds:?}");
        for name in ["transfer-encoding", "via", "proxy-authenticate"] {
            assert_eq!(answer.header(name), None, "{kinds:?}");
        }
        if status == 200 {
            assert_eq!(said(&answer)["event"], event);
        }
    }
}
