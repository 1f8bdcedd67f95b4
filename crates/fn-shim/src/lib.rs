#![doc = include_str!("../README.md")]

mod answer;
mod call;
mod deadline;
mod environment;
mod error;
mod gateway;
mod logframe;
mod serve;
mod socket;

use std::fmt::Debug;
use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::Signals;
use tower::Service;

use call::Translate;

pub use environment::{Environment, Mistake, SettingsError};
pub use error::Error;
pub use serve::{serve, serve_http};
pub use shim::DEADLINE;

/// Serves `handler` as an Fn function until SIGTERM or SIGINT: `lambda_runtime::run` for Fn and OCI
/// Functions.
///
/// Reads the `FN_*` variables of the process, once, and from then on behaves as [`serve`] does; a signal lets
/// the call in flight finish. The bounds are those of `lambda_runtime::run` 1.5.0 (neither `Send` nor
/// `'static` is asked of the handler), except that the response is anything `Serialize`: a streaming response
/// does not compile here, because an Fn answer has a status, and that is known only at the end.
///
/// # Errors
///
/// [`Error::Settings`] if the environment is not that of an Fn container: the Fn contract requires that the
/// process then ends with an error (fn-docs, `fn/develop/fn-format.md`). [`Error::Io`] if the socket cannot
/// be made or the signals cannot be watched. [`Error::Handler`] if the handler's `poll_ready` failed.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled, as `lambda_runtime::run` does.
pub async fn run<A, F, R>(handler: F) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    run_calls(handler, Translate::Nothing).await
}

/// [`run`] for a handler of HTTP requests, in the form that Amazon's API Gateway has for HTTP APIs (payload
/// format 2.0), behind an HTTP trigger of Fn or OCI's API Gateway.
///
/// A call with `Fn-Intent: httprequest` is translated both ways, as the README's section "HTTP requests" says.
/// Any other call reaches the handler as it is, and its response leaves as it is: [`run`] does no different.
/// With [`run`] itself, all calls are such.
///
/// # Errors
///
/// As [`run`].
///
/// # Panics
///
/// As [`run`].
pub async fn run_http<A, F, R>(handler: F) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    run_calls(handler, Translate::HttpRequests).await
}

async fn run_calls<A, F, R>(handler: F, translate: Translate) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let environment = Environment::from_vars(std::env::vars_os()).map_err(Error::Settings)?;
    // Watched before the socket exists, so that a signal is never met by the default action once a call can
    // come: as process 1 of a container there would be none, and the process could only be killed.
    let unwatched = |source| Error::Io { action: "watch SIGTERM and SIGINT".to_owned(), source };
    let mut signals = Signals::watch().map_err(unwatched)?;
    let signalled = async move {
        let signal = signals.next().await;
        tracing::info!(signal, "stopping");
    };
    serve::serve_calls(environment, handler, signalled, translate).await
}
