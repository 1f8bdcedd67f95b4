#![doc = include_str!("../README.md")]

use std::sync::Arc;

use mdss_relay_core::{Memory, Relay, Role, Settings, fields};
use mdss_relay_function::{Answers, handler};
use mdss_relay_host::{self as host, Exit, Others, Writing};

const NAME: &str = "mdss-relay-oci-fn";
const ABOUT: &str = "reports objects to MetaDefender Storage Security, as a function on OCI Functions (Fn).";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    if let Some(exit) = host::arguments(NAME, ABOUT, Others::Ignored, std::env::args_os().skip(1)) {
        return exit;
    }
    let draft = Settings::read(std::env::vars_os(), Role::Function);
    let mistakes = draft.mistakes.iter().map(ToString::to_string).collect();
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
    // Spawned: the future passed to `block_on` is resumed only after tokio has polled the I/O driver, which costs two system
    // calls per invocation.
    match tokio::spawn(fn_shim::run(handler(relay, Answers::Fn))).await {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(fn_shim::Error::Settings(mistake))) => host::settings_failure(NAME, &[mistake.to_string()]),
        // A panic; its line has been written.
        Err(_) => Exit::Failed,
        Ok(Err(error)) => {
            tracing::error!(
                { fields::ERROR } = &error as &dyn std::error::Error,
                "the function cannot be served"
            );
            Exit::Failed
        }
    }
}
