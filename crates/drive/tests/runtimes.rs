//! The runtime APIs of Tencent's SCF and Huawei's FunctionGraph, asked by hand: what is on the wire.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may; clippy knows only #[test] functions as such"
)]

use std::time::Duration;

use drive::{Answer, DriveError, Fault, HttpPoster, Invocation, Outcome, Runtime, RuntimeApi, Then};

const LIMIT: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(200);
const EVENT: &str = "{\"a\":1}";

struct Poller {
    base: String,
    poster: HttpPoster,
}

async fn listen(runtime: Runtime) -> (RuntimeApi, Poller) {
    let api = runtime.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let poller = Poller { base: format!("http://{}", api.address()), poster: HttpPoster::new(LIMIT) };
    (api, poller)
}

impl Poller {
    async fn send(&self, method: &str, path: &str, body: &'static str) -> Result<Answer, DriveError> {
        self.poster.send(method, &format!("{}{path}", self.base), &[], body).await
    }

    async fn status(&self, method: &str, path: &str, body: &'static str) -> u16 {
        self.send(method, path, body).await.unwrap().status
    }
}

#[tokio::test]
async fn scf_gives_an_event_to_who_has_started_and_takes_one_result() {
    let (api, poller) = listen(Runtime::TencentScf).await;
    let next = "/runtime/invocation/next";
    assert_eq!(poller.status("GET", next, "").await, 403, "before it has started");
    assert_eq!(poller.status("POST", "/runtime/init/ready", "").await, 400, "without a body");
    api.fault(Fault::ReadyStatus(500));
    assert_eq!(poller.status("POST", "/runtime/init/ready", " ").await, 500);
    assert_eq!(poller.status("POST", "/runtime/init/ready", " ").await, 200);
    assert_eq!(poller.status("POST", "/runtime/invocation/response", "{}").await, 400, "to nothing");

    let invoking = api.invoke_with(Invocation::new(EVENT, LIMIT).request_id("r-1"));
    let polling = async {
        // Twice: who has not answered gets the same event again.
        for _ in 0..2 {
            let event = poller.send("GET", next, "").await.unwrap();
            assert_eq!((event.header("request_id"), &event.body[..]), (Some("r-1"), EVENT.as_bytes()));
            assert_eq!(event.header("time_limit_in_ms"), Some("10000"));
            assert_eq!(event.header("memory_limit_in_mb"), Some("128"));
        }
        assert_eq!(poller.status("POST", "/runtime/invocation/error", "not json").await, 200);
        assert_eq!(
            poller.status("POST", "/runtime/invocation/response", "{}").await,
            410,
            "the first is final"
        );
    };
    let (outcome, ()) = tokio::join!(invoking, polling);
    let Outcome::Error { error_type, body, .. } = outcome.unwrap() else { panic!() };
    assert_eq!((&*error_type, &body[..]), ("", &b"not json"[..]));
}

#[tokio::test]
async fn functiongraph_takes_a_result_at_a_path_that_ends_with_the_id() {
    let (api, poller) = listen(Runtime::HuaweiFunctionGraph).await;
    let invoking = api.invoke_with(Invocation::new(EVENT, LIMIT).request_id("a/b?c").header("x-more", "1"));
    let polling = async {
        let event = poller.send("GET", "/v1/runtime/invocation/request", "").await.unwrap();
        assert_eq!((event.header("x-cff-request-id"), event.header("x-more")), (Some("a/b?c"), Some("1")));
        for secret in api.credentials() {
            assert!(event.headers.iter().any(|(_, value)| value == secret), "{secret}");
        }
        // Raw, it is another path; a wrong one is of no invocation.
        assert_eq!(poller.status("POST", "/v1/runtime/invocation/response/a/b?c", "{}").await, 404);
        assert_eq!(poller.status("POST", "/v1/runtime/invocation/response/a", "{}").await, 400);
        assert_eq!(poller.status("POST", "/v1/runtime/invocation/response/a%2Fb%3Fc", "{}").await, 200);
        assert_eq!(poller.status("POST", "/v1/runtime/invocation/error/a%2Fb%3Fc", "{}").await, 410);
    };
    let (outcome, ()) = tokio::join!(invoking, polling);
    assert_eq!(outcome.unwrap(), Outcome::Response("{}".into()));
}

#[tokio::test]
async fn what_is_no_answer_is_said_once_and_the_event_stays() {
    let (api, poller) = listen(Runtime::HuaweiFunctionGraph).await;
    let next = "/v1/runtime/invocation/request";
    let half = b"HTTP/1.1 200 OK\r\nx-cff-request-id: x\r\ncontent-length: 99\r\n\r\n{";
    for then in [Then::Closed, Then::Reset] {
        api.fault(Fault::NextRaw { bytes: half, then });
    }
    api.fault(Fault::NextRaw { bytes: b"no http", then: Then::Closed });
    let invoking = api.invoke(EVENT, LIMIT);
    let polling = async {
        for _ in 0..3 {
            let error = poller.send("GET", next, "").await.unwrap_err();
            assert!(matches!(error, DriveError::Connection { .. }), "{error:?}");
        }
        api.fault(Fault::NextRaw { bytes: half, then: Then::Silent });
        let silent = HttpPoster::new(BRIEFLY).send("GET", &format!("{}{next}", poller.base), &[], "").await;
        assert!(matches!(silent, Err(DriveError::NoAnswer { .. })), "{silent:?}");
        let endless = b"HTTP/1.1 200 OK\r\n\r\n";
        api.fault(Fault::NextRaw { bytes: endless, then: Then::Endless });
        let error = poller.send("GET", next, "").await.unwrap_err();
        assert!(matches!(error, DriveError::TooLong { .. }), "{error:?}");
        let event = poller.send("GET", next, "").await.unwrap();
        let id = event.header("x-cff-request-id").unwrap();
        // A result that is lost ends nothing.
        api.fault(Fault::AnswerClosed);
        let path = format!("/v1/runtime/invocation/response/{id}");
        assert!(poller.send("POST", &path, "{}").await.is_err());
        assert_eq!(poller.status("POST", &path, "{}").await, 200);
    };
    let (outcome, ()) = tokio::join!(invoking, polling);
    assert_eq!(outcome.unwrap(), Outcome::Response("{}".into()));
}

#[tokio::test]
async fn a_header_that_is_none_is_refused_before_anything_is_asked() {
    let (api, _poller) = listen(Runtime::TencentScf).await;
    for (name, value) in [("a b", "x"), ("x", "a\nb"), ("", "x")] {
        let error = api.invoke_with(Invocation::new(EVENT, LIMIT).header(name, value)).await.unwrap_err();
        assert!(matches!(error, DriveError::Usage(_)), "{name:?}: {error:?}");
    }
}
