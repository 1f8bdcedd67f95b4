//! A function that has no storage: it answers with what it got, or does what the event asks for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "support of tests, which clippy takes for production code"
)]

use std::net::TcpListener;
use std::time::Duration;

use drive::until;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use port_shim::{Environment, Profile, serve};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A function on this platform, on loopback: its address, and what stops it when it is dropped.
pub(crate) async fn running(
    profile: &'static Profile,
    variables: &[(&str, &str)],
) -> (String, oneshot::Sender<()>) {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let address = free.to_string();
    let variables = [variables, &[("PORT_SHIM_LISTEN", address.as_str())]].concat();
    let environment = Environment::from_vars(profile, variables).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    tokio::spawn(serve(environment, service_fn(answer), shutdown));
    until("it listens", LIMIT, async || TcpStream::connect(&*address).await.is_ok()).await.unwrap();
    (address, stop)
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let (event, context) = event.into_parts();
    assert!(event["panic"].is_null(), "on purpose: planted");
    if let Some(ms) = event["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let failed =
        |why: &str| Diagnostic { error_type: why.to_owned(), error_message: "as you wish".to_owned() };
    if let Some(why) = event["fail"].as_str() {
        return Err(failed(why));
    }
    if event["messages"].as_array().into_iter().flatten().any(|m| m["details"]["object_id"] == "fails") {
        return Err(failed("Refused"));
    }
    Ok(json!({ "event": event, "id": context.request_id, "has_deadline": context.deadline > 0 }))
}
