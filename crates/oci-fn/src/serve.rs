//! Serving the handler until the platform asks to stop.

use fn_shim::Error;
use mdss_relay_function::Handler;
use mdss_relay_host::{self as host, Exit, Logs};

/// Serves what has been started, under this name.
pub(crate) async fn serve(name: &str, started: Result<(Handler, Logs), Exit>) -> Exit {
    let (handler, _logs) = match started {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    // Spawned: a future passed to `block_on`, as `main` is, is resumed only after tokio has polled the I/O driver, which costs two
    // system calls per invocation.
    match tokio::spawn(fn_shim::run_http(handler)).await {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(Error::Settings(mistake))) => host::settings_failure(name, &[mistake.to_string()]),
        // A panic; its line has been written.
        Err(_) => Exit::Failed,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the function cannot be served");
            Exit::Failed
        }
    }
}
