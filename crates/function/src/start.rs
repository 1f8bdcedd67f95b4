//! The start of a function: everything up to its first call.

use std::ffi::OsString;
use std::sync::Arc;

use mdss_relay_core::{Applies, Draft, Memory, Relay, Role, Settings, fields, settings_help};
use mdss_relay_host::{self as host, Exit, Logs, Others, Program, Read, Stream, Writing};

use crate::door::entrance;
use crate::handler::{Entrance, Handler, handler};
use crate::reply::Answers;

/// What becomes of an event that is a whole HTTP request. A pointer is behind it, so that a function that lets none in links nothing of
/// the gate.
#[derive(Clone, Copy, Debug)]
pub struct Requests(fn(&mut Draft) -> Option<Entrance>);

impl Requests {
    /// It is no request here, but an event like any other. `[[source]]` in the configuration means nothing, and a warning says so.
    pub const NONE: Self = Self(nobody);
    /// It stands at the gate's door, if `[[source]]` says who may post.
    pub const AT_THE_DOOR: Self = Self(entrance);
}

fn nobody(draft: &mut Draft) -> Option<Entrance> {
    if draft.settings.http.take().is_some() {
        let warning = "[[source]] means nothing here: this function lets no HTTP requests in";
        draft.settings.warnings.push(warning.to_owned());
    }
    None
}

/// Starts a function, which its log and `--help` know by `name` and `about`, and gives what its runner drives. The log goes to
/// `stream` and is kept until the process ends. `platform` says what is wrong with the variables that the platform ought to have set.
///
/// # Errors
/// The exit code with which the process must end: after `--help` or `--version`, or after every mistake was printed.
pub fn start(
    name: &'static str,
    about: &'static str,
    answers: Answers,
    stream: Stream,
    platform: impl FnOnce(&[(OsString, OsString)]) -> Vec<String>,
) -> Result<(Handler, Logs), Exit> {
    start_as(name, about, answers, Requests::NONE, stream, |variables| platform(variables))
}

/// The same for a function that lets HTTP requests in, if `[[source]]` says who may post.
///
/// # Errors
/// As [`start`].
pub fn start_with_requests(
    name: &'static str,
    about: &'static str,
    answers: Answers,
    stream: Stream,
    platform: impl FnOnce(&[(OsString, OsString)]) -> Vec<String>,
) -> Result<(Handler, Logs), Exit> {
    start_as(name, about, answers, Requests::AT_THE_DOOR, stream, |variables| platform(variables))
}

/// The same, for `requests` of either kind; `platform` may add variables to those of the environment.
pub(crate) fn start_as(
    name: &'static str,
    about: &'static str,
    answers: Answers,
    requests: Requests,
    stream: Stream,
    platform: impl FnOnce(&mut Vec<(OsString, OsString)>) -> Vec<String>,
) -> Result<(Handler, Logs), Exit> {
    let (others, writing) = (Others::Ignored, Writing::Direct(stream));
    let settings: fn() -> String = match answers {
        Answers::Fn => || settings_help(Applies::OciFunction),
        Answers::Lambda => || settings_help(Applies::Lambda),
        Answers::AzureFunctions => || settings_help(Applies::AzureFunctions),
        Answers::Destination => || settings_help(Applies::OtherFunctions),
    };
    let program = Program { name, about, settings, others, writing, filter_name: "RELAY_LOG" };
    let ((relay, entrance), logs) = host::start(&program, |mut variables| {
        let further = platform(&mut variables);
        read(variables, further, requests)
    })?;
    if let Some(way) = relay.settings().way() {
        tracing::info!({ fields::SERVICE_VERSION } = env!("CARGO_PKG_VERSION"), "{way}");
    }
    Ok((handler(Arc::new(relay.remembering(Memory::of_function())), answers, entrance), logs))
}

fn read(
    variables: Vec<(OsString, OsString)>,
    further: Vec<String>,
    requests: Requests,
) -> Read<(Relay, Option<Entrance>)> {
    let mut draft = Settings::read(variables, Role::Function);
    let entrance = (requests.0)(&mut draft);
    let (filter, warnings) = (draft.settings.log.clone(), draft.settings.warnings.clone());
    let mistakes: Vec<_> = draft.mistakes.iter().map(ToString::to_string).chain(further).collect();
    let outcome = if mistakes.is_empty() {
        let relay = Relay::new(draft.settings).map_err(|mistake| vec![mistake.to_string()]);
        relay.map(|relay| (relay, entrance))
    } else {
        Err(mistakes)
    };
    Read { filter, shown: None, warnings, outcome }
}
