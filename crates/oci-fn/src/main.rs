#![doc = include_str!("../README.md")]

use mdss_relay_function::{Answers, start};
use mdss_relay_host::{self as host, Exit, Stream};

const NAME: &str = "mdss-relay-oci-fn";
const ABOUT: &str = "reports objects to MetaDefender Storage Security, as a function on OCI Functions (Fn).";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    let (handler, _logs) = match start(NAME, ABOUT, Answers::Fn, Stream::Stderr, |_| Vec::new()) {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    // Spawned: a future passed to `block_on`, as `main` is, is resumed only after tokio has polled the I/O driver, which costs two
    // system calls per invocation.
    match tokio::spawn(fn_shim::run(handler)).await {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(fn_shim::Error::Settings(mistake))) => host::settings_failure(NAME, &[mistake.to_string()]),
        // A panic; its line has been written.
        Err(_) => Exit::Failed,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the function cannot be served");
            Exit::Failed
        }
    }
}
