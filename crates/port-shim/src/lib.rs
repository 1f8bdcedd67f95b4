#![doc = include_str!("../README.md")]

mod answer;
mod bare;
mod batch;
mod cloudevent;
mod custom_handler;
mod environment;
mod error;
mod lines;
mod platform;
mod profile;
mod route;
mod serve;

use std::fmt::Debug;
use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::Signals;
use tower::Service;

pub use batch::unpack;
pub use custom_handler::{Event, unwrap};
pub use environment::{Environment, is_told_where, mistakes};
pub use error::Error;
pub use platform::alibaba_fc::ALIBABA_FC;
pub use platform::azure_functions::AZURE_FUNCTIONS;
pub use platform::huawei_functiongraph::HUAWEI_FUNCTIONGRAPH;
pub use platform::tencent_scf::TENCENT_SCF;
pub use platform::volcengine_faas::VOLCENGINE_FAAS;
pub use platform::yandex_containers::YANDEX_CONTAINERS;
pub use profile::Profile;
pub use serve::serve;
pub use shim::{DEADLINE, Refusal, SettingsError};

/// Serves `handler` on the port that the platform names until SIGTERM or SIGINT: `lambda_runtime::run` for platforms that call a
/// function over HTTP.
///
/// Reads the platform's variables, once, and from then on behaves as [`serve`] does; the first signal lets the calls in flight
/// finish, a second one ends them. The bounds are those of `lambda_runtime::run` 1.5.0 (neither `Send` nor `'static` is asked of
/// the handler), except that the response is anything `Serialize`: an answer has a status, and that is known only at the end.
///
/// # Errors
///
/// [`Error::Settings`] if the environment is not the platform's, [`Error::Io`] if the port cannot be listened on or the signals
/// cannot be watched, [`Error::Handler`] if the handler's `poll_ready` failed, [`Error::Interrupted`] after a second signal.
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
    // Watched before the port is open, so that a signal is never met by the default action once a call can come.
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
