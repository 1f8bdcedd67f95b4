//! From a report to what a platform wants to hear.

use lambda_runtime::Diagnostic;
use mdss_relay_core::{Outcome, Plan, Report, Settings};
use serde_json::value::{RawValue, to_raw_value};

/// The platform's way of taking answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Fn and OCI Functions: there is no dead-letter queue, and a call that fails may be repeated until it succeeds.
    Fn,
    /// Lambda-compatible runtimes: failed calls are repeated a few times and then kept by a failure destination, and a
    /// queue may be told which of its messages failed.
    Lambda,
}

/// `Ok` ends the matter for the platform, `Err` gives the event back to it.
pub(crate) fn reply(
    answers: Answers,
    settings: &Settings,
    plan: &Plan,
    report: &Report,
) -> Result<Box<RawValue>, Diagnostic> {
    if answers == Answers::Lambda
        && settings.function.is_some_and(|function| function.queue_partial)
        && let Some(failures) = report.queue_answer(plan)
    {
        return to_raw_value(&failures).map_err(|_| diagnostic(report));
    }
    let give_back = match (report.outcome, answers) {
        (Outcome::Done, _) => false,
        (Outcome::Transient | Outcome::Config | Outcome::Refused, _) => true,
        (Outcome::Permanent, Answers::Fn) => {
            settings.function.is_some_and(|function| function.fail_on_permanent)
        }
        (Outcome::Permanent, Answers::Lambda) => true,
    };
    if give_back {
        return Err(diagnostic(report));
    }
    RawValue::from_string(report.json()).map_err(|_| diagnostic(report))
}

/// `error_type` is the worst failure's name, stable enough to alarm on; `error_message` is the whole report.
pub(crate) fn diagnostic(report: &Report) -> Diagnostic {
    let error_type = report.worst().map_or("internal", |failure| failure.cause.name()).to_owned();
    Diagnostic { error_type, error_message: report.json() }
}
