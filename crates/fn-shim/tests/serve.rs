//! What needs another handler than the example's: bounds, readiness, panics in odd places.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for production code")]

mod container;

use std::cell::Cell;
use std::future::{Future, Ready, pending, ready};
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use container::{agent_call, deadline_in};
use fn_shim::{Environment, Error, serve};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tower::Service;

fn environment(folder: &TempDir) -> Environment {
    let listener = format!("unix:{}", folder.path().join("lsnr.sock").display());
    Environment::from_vars([("FN_LISTENER", listener)]).unwrap()
}

/// Calls on a connection of its own, waiting for the socket first. Status and body.
async fn call(folder: &Path, headers: &str, body: &str) -> (u16, Value) {
    let mut stream = loop {
        match UnixStream::connect(folder.join("lsnr.sock")).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    stream.write_all(&agent_call(&format!("Connection: close\r\n{headers}"), body)).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn is_empty(folder: &TempDir) -> bool {
    std::fs::read_dir(folder.path()).unwrap().count() == 0
}

/// Fails, instead of hanging, if this takes far longer than anything here should.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

async fn join<S, T>(one: impl Future<Output = S>, other: impl Future<Output = T>) -> (S, T) {
    tokio::join!(one, other)
}

/// Serves while `client` runs, then asks to stop.
async fn served<A, F, T>(handler: F, folder: &TempDir, client: impl Future<Output = T>) -> T
where
    F: Service<LambdaEvent<A>, Response = Value>,
    F::Future: Future<Output = Result<Value, F::Error>>,
    F::Error: Into<Diagnostic> + std::fmt::Debug,
    A: for<'de> Deserialize<'de>,
{
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap_or_default() };
    let client = async {
        let outcome = client.await;
        stop.send(()).unwrap();
        outcome
    };
    let (ended, outcome) = within(join(serve(environment(folder), handler, shutdown), client)).await;
    ended.unwrap();
    assert!(is_empty(folder));
    outcome
}

#[tokio::test]
async fn handler_need_be_neither_send_nor_static() {
    let folder = tempfile::tempdir().unwrap();
    let local = Cell::new(0);
    let counted = &local;
    let shared = Rc::new(Cell::new(0));
    let handler = service_fn(|_: LambdaEvent<Value>| {
        let shared = Rc::clone(&shared);
        async move {
            counted.set(counted.get() + 1);
            tokio::task::yield_now().await;
            shared.set(shared.get() + 1);
            Ok::<_, lambda_runtime::Error>(json!(shared.get()))
        }
    });
    let replies = served(handler, &folder, async {
        [call(folder.path(), "", "1").await, call(folder.path(), "", "2").await]
    });
    assert_eq!(replies.await, [(200, json!(1)), (200, json!(2))]);
    assert_eq!(local.get(), 2);
}

#[tokio::test]
async fn payload_of_the_wrong_shape_does_not_reach_the_handler() {
    #[derive(Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "it is the shape that counts")]
        amount: u32,
    }
    let folder = tempfile::tempdir().unwrap();
    let handler = service_fn(async |_: LambdaEvent<Order>| Ok::<_, Diagnostic>(json!("ran")));
    let replies = served(handler, &folder, async {
        let wrong = call(folder.path(), "", "{\"amount\":\"secret\"}").await;
        [wrong, call(folder.path(), "", "{\"amount\":1}").await]
    });
    let refusal = json!({
        "errorType": "body_not_readable",
        "errorMessage": "the body is not what the function takes, line 1 column 18",
    });
    assert_eq!(replies.await, [(502, refusal), (200, json!("ran"))]);
}

/// Anything may panic: reading the payload, `call` itself, and the future when it is dropped at the deadline.
#[tokio::test]
async fn panics_end_the_call_only() {
    struct Touchy(u32);
    impl<'de> Deserialize<'de> for Touchy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let number = u32::deserialize(deserializer)?;
            assert_ne!(number, 1, "deserialize");
            Ok(Self(number))
        }
    }
    struct Grudge;
    impl Drop for Grudge {
        fn drop(&mut self) {
            panic!("drop");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let handler = service_fn(|event: LambdaEvent<Touchy>| {
        let Touchy(number) = event.payload;
        assert_ne!(number, 2, "call");
        async move {
            if number == 3 {
                let _grudge = Grudge;
                pending::<()>().await;
            }
            Ok::<_, Diagnostic>(json!(number))
        }
    });
    let replies = served(handler, &folder, async {
        let panicked = json!({"errorType": "panic", "errorMessage": "the function panicked"});
        assert_eq!(call(folder.path(), "", "1").await, (502, panicked.clone()));
        assert_eq!(call(folder.path(), "", "2").await, (502, panicked));
        assert_eq!(call(folder.path(), &deadline_in(600), "3").await.0, 504);
        call(folder.path(), "", "4").await
    });
    assert_eq!(replies.await, (200, json!(4)));
}

/// Ready for so many calls, and then never again.
struct Tired(u32);

impl Service<LambdaEvent<Value>> for Tired {
    type Response = Value;
    type Error = Diagnostic;
    type Future = Ready<Result<Value, Diagnostic>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Diagnostic>> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Poll::Ready(Ok(()))
            }
            None => {
                Poll::Ready(Err(Diagnostic { error_type: "Tired".into(), error_message: "enough".into() }))
            }
        }
    }

    fn call(&mut self, event: LambdaEvent<Value>) -> Self::Future {
        ready(Ok(event.payload))
    }
}

#[tokio::test]
async fn handler_no_longer_ready_answers_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let calls = async { [call(folder.path(), "", "1").await, call(folder.path(), "", "2").await] };
    let (ended, replies) = within(join(serve(environment(&folder), Tired(1), pending()), calls)).await;
    assert!(
        matches!(&ended, Err(Error::Handler(diagnostic)) if diagnostic.error_type == "Tired"),
        "{ended:?}"
    );
    let last = json!({"errorType": "Tired", "errorMessage": "enough"});
    assert_eq!(replies, [(200, json!(1)), (502, last)]);
    assert!(is_empty(&folder));
}

/// For so long a handler blocks its thread.
const BLOCKED: Duration = Duration::from_secs(3);

/// On a runtime with more than one thread, even a handler that blocks its own cannot hold up the 504.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_handler_is_504_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let handler = service_fn(async |event: LambdaEvent<Value>| {
        std::thread::sleep(BLOCKED);
        Ok::<_, Diagnostic>(event.payload)
    });
    let path = folder.path().to_owned();
    let client = tokio::spawn(async move {
        let sent = Instant::now();
        (call(&path, &deadline_in(1000), "1").await.0, sent.elapsed())
    });
    let (status, took) = served(handler, &folder, async { client.await.unwrap() }).await;
    assert_eq!(status, 504);
    // The handler's thread is not free before; the deadline is one second earlier.
    assert!(took < BLOCKED, "{took:?}");
}

/// As `lambda_runtime::run`: whether the future can be moved to another thread is the handler's matter alone.
#[tokio::test]
async fn future_is_send_if_the_handler_is() {
    let folder = tempfile::tempdir().unwrap();
    let handler = service_fn(async |event: LambdaEvent<Value>| Ok::<_, Diagnostic>(event.payload));
    let path = folder.path().to_owned();
    let shutdown = async move { assert_eq!(call(&path, "", "1").await, (200, json!(1))) };
    tokio::spawn(serve(environment(&folder), handler, shutdown)).await.unwrap().unwrap();
}

#[tokio::test]
async fn dropping_the_future_removes_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let handler = service_fn(async |event: LambdaEvent<Value>| Ok::<_, Diagnostic>(event.payload));
    tokio::select! {
        ended = serve(environment(&folder), handler, pending()) => panic!("{ended:?}"),
        reply = call(folder.path(), "", "1") => assert_eq!(reply, (200, json!(1))),
    }
    assert!(is_empty(&folder));
}
