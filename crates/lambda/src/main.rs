#![doc = include_str!("../README.md")]

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use mdss_relay_function::{Answers, start_with_requests};
use mdss_relay_host::{Exit, Stream};

const NAME: &str = "mdss-relay-lambda";
const ABOUT: &str =
    "reports objects to MetaDefender Storage Security, as a function on a Lambda-compatible runtime.";

/// Without these `lambda_runtime` 1.5.0 panics (its `Config::from_env`), which tells an operator less than a sentence.
const PLATFORM: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    let (handler, _logs) = match start_with_requests(NAME, ABOUT, Answers::Lambda, Stream::Stderr, missing) {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    let run = lambda_runtime::run(handler);
    // `lambda_runtime` 1.5.0 does not look at the status of an answer to `/next`, and expects its headers: without a request
    // id (`invoke_request_id`) or a deadline (`Context::new`, both in its `types.rs`) it panics. The handler's own panics do not get here.
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(error)) => {
            tracing::error!(error = %error, "the Runtime API cannot be served");
            Exit::Failed
        }
        Err(_) => {
            tracing::error!(
                "the Runtime API cannot be served: its answer to /next is no event (an error's status, or no request id or \
                 deadline in its head); the relay ends, and the platform sends an unanswered event again"
            );
            Exit::Failed
        }
    }
}

/// What the platform has not set, as mistakes.
fn missing(variables: &[(OsString, OsString)]) -> Vec<String> {
    let missing = PLATFORM.iter().filter(|name| !variables.iter().any(|(n, _)| n == **name));
    missing.map(|n| format!("{n}: expected a value, which a Lambda-compatible runtime sets")).collect()
}
