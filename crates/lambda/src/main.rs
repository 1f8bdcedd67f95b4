#![doc = include_str!("../README.md")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use mdss_relay_core::{Memory, Relay, Role, Settings, fields};
use mdss_relay_function::{Answers, handler};
use mdss_relay_host::{self as host, Exit, Others, Writing};

const NAME: &str = "mdss-relay-lambda";
const ABOUT: &str =
    "reports objects to MetaDefender Storage Security, as a function on a Lambda-compatible runtime.";

/// Without these `lambda_runtime` 1.5.0 panics (its `Config::from_env`); a sentence is kinder.
const PLATFORM: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    if let Some(exit) = host::arguments(NAME, ABOUT, Others::Ignored, std::env::args_os().skip(1)) {
        return exit;
    }
    let variables: Vec<_> = std::env::vars_os().collect();
    let missing = PLATFORM.iter().filter(|name| !variables.iter().any(|(n, _)| n == **name));
    let missing = missing.map(|n| format!("{n}: expected a value, which a Lambda-compatible runtime sets"));
    let draft = Settings::read(variables.iter().cloned(), Role::Function);
    let mistakes = draft.mistakes.iter().map(ToString::to_string).chain(missing).collect();
    let _logs = match host::start(NAME, "RELAY_LOG", &draft.settings.log, Writing::Direct, mistakes) {
        Ok(logs) => logs,
        Err(exit) => return exit,
    };
    for warning in &draft.settings.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(way) = draft.settings.way() {
        tracing::info!("{way}");
    }
    let relay = match Relay::new(draft.settings) {
        Ok(relay) => Arc::new(relay.remembering(Memory::of_function())),
        Err(mistake) => return host::settings_failure(NAME, &[mistake.to_string()]),
    };
    let run = lambda_runtime::run(handler(relay, Answers::Lambda));
    // `lambda_runtime` 1.5.0 does not look at the status of an answer to `/next`, and expects its headers: without a request
    // id (`invoke_request_id`) or a deadline (`Context::new`, both in its `types.rs`) it panics. The handler's own panics do not get here.
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(error)) => {
            tracing::error!({ fields::ERROR } = %error, "the Runtime API cannot be served");
            Exit::Failed
        }
        Err(_) => {
            tracing::error!(
                "the Runtime API cannot be served: its answer to /next is no event (an error's status, or no request id or \
                 deadline in its head); whatever it has handed out is not answered, and the platform tells it again"
            );
            Exit::Failed
        }
    }
}
