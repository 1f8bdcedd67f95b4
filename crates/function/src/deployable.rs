//! A function that a shim runs, from its command line to its exit status: what is left to a `main` is who it is.

use std::ffi::OsString;
use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;

use mdss_relay_core::fields;
use mdss_relay_host::{Exit, Stream};

use crate::handler::Handler;
use crate::reply::Answers;
use crate::start::{Requests, start_as};

/// A function that a shim runs.
#[derive(Clone, Copy, Debug)]
pub struct Deployable {
    /// Its name, for `--help` and for its log.
    pub name: &'static str,
    /// What it does, to follow the name in `--help`.
    pub about: &'static str,
    /// What its platform wants to hear.
    pub answers: Answers,
    /// What becomes of whole HTTP requests.
    pub requests: Requests,
    /// Where its log goes.
    pub stream: Stream,
    /// The exit status after a stop that was asked for.
    pub stopped: u8,
}

impl Deployable {
    /// Starts the function and drives its handler until its platform's runner ends, and gives the process's exit status:
    /// [`Deployable::stopped`] if the runner gave `Ok`, 1 after its error or panic, 2 if settings have mistakes.
    ///
    /// `platform` looks at the environment's variables: it says what is wrong with those that the platform ought to have set, and
    /// adds settings that the platform hands over in another way. `run` is the platform's runner.
    pub async fn run<F, E>(
        self,
        platform: impl FnOnce(&mut Vec<(OsString, OsString)>) -> Vec<String>,
        run: impl FnOnce(Handler) -> F,
    ) -> ExitCode
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let Self { name, about, answers, requests, stream, stopped } = self;
        // The log is kept until the end.
        let (handler, _logs) = match start_as(name, about, answers, requests, stream, platform) {
            Ok(started) => started,
            Err(exit) => return exit.into(),
        };
        match tokio::spawn(run(handler)).await {
            Ok(Ok(())) => ExitCode::from(stopped),
            Ok(Err(error)) => {
                tracing::error!({ fields::ERROR } = %error, "the function cannot be served");
                Exit::Failed.into()
            }
            // A panic; its line has been written.
            Err(_) => Exit::Failed.into(),
        }
    }
}
