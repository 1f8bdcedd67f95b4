#![doc = include_str!("../README.md")]

mod api;
mod configured;
mod environment;
mod error;
mod event;
mod pause;
mod poll;
mod profile;

use std::fmt::Debug;
use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::Signals;
use tower::Service;

pub use environment::{Environment, is_here, mistakes};
pub use error::Error;
pub use poll::serve;
pub use profile::{HUAWEI_FUNCTIONGRAPH, Profile, TENCENT_SCF};
pub use shim::{DEADLINE, SettingsError};

/// Asks the platform's server for events and calls `handler` with each until SIGTERM or SIGINT: `lambda_runtime::run` for platforms
/// whose runtime API is another one.
///
/// Reads the platform's variables, once, and from then on behaves as [`serve`] does; the first signal lets the call in flight
/// finish, a second one ends it. The bounds are those of `lambda_runtime::run` 1.5.0 (neither `Send` nor `'static` is asked of
/// the handler), except that the response is anything `Serialize`.
///
/// # Errors
///
/// [`Error::Settings`] if the environment is not the platform's, [`Error::Io`] if the signals cannot be watched, [`Error::NotReady`] if the platform's
/// server does not take it that the function has started, [`Error::Handler`] if the handler's `poll_ready` failed,
/// [`Error::Interrupted`] after a second signal.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled, as `lambda_runtime::run` does.
pub async fn run<A, F, R>(profile: &'static Profile, handler: F) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let environment = Environment::from_vars(profile, std::env::vars_os()).map_err(Error::Settings)?;
    // Watched before anything is asked for, so that a signal is never met by the default action once there can be a call.
    let unwatched = |source| Error::Io { action: "watch SIGTERM and SIGINT".to_owned(), source };
    let mut asked = Signals::watch().map_err(unwatched)?;
    let mut insisted = Signals::watch().map_err(unwatched)?;
    let stop = async move {
        let signal = asked.next().await;
        tracing::info!(signal, "stopping");
    };
    tokio::select! {
        outcome = serve(environment, handler, stop) => outcome,
        () = async { insisted.next().await; insisted.next().await; } => Err(Error::Interrupted),
    }
}
