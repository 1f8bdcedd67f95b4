//! From a report to what a platform wants to hear.

use aws_lambda_events::sqs::SqsBatchResponse;
use lambda_runtime::Diagnostic;
use mdss_relay_core::{Outcome, Plan, Report, Settings};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// The platform's way of taking answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Fn and OCI Functions: there is no dead-letter queue, and a call that fails may be repeated until it succeeds.
    Fn,
    /// Lambda-compatible runtimes: failed calls are repeated a few times and then kept by a failure destination, and a
    /// queue may be told which of its messages failed.
    Lambda,
    /// Azure Functions: a call that fails is repeated as its trigger says, and at the end a queue's message is kept in another queue, an
    /// Event Grid event only if its subscription has a dead-letter container.
    AzureFunctions,
    /// Functions of other clouds, where a call that fails is repeated a few times, and its event then handed to a destination, if the
    /// function has one: Alibaba Cloud's Function Compute, Tencent Cloud's SCF, Huawei Cloud's FunctionGraph, Volcengine's veFaaS.
    Destination,
}

/// What a call that does not fail is answered with. It is written into the runner's own buffer, once.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// What became of the records.
    Report(Report),
    /// What the platform has a form for.
    Formed(Box<RawValue>),
}

/// `Ok` ends the matter for the platform, `Err` gives the event back to it.
pub(crate) fn reply(
    answers: Answers,
    settings: &Settings,
    plan: &Plan,
    report: Report,
) -> Result<Reply, Diagnostic> {
    if answers == Answers::Lambda
        && settings.function.is_some_and(|function| function.queue_partial)
        && let Some(failed) = report.failed_messages(plan)
    {
        let mut response = SqsBatchResponse::default();
        response.set_failures(failed);
        return to_raw_value(&response).map(Reply::Formed).map_err(|_| diagnostic(&report));
    }
    let give_back = match (report.outcome, answers) {
        (Outcome::Done, _) => false,
        (Outcome::Transient | Outcome::Config | Outcome::Refused, _) => true,
        (Outcome::Permanent, Answers::Fn | Answers::AzureFunctions) => {
            settings.function.is_some_and(|function| function.fail_on_permanent)
        }
        (Outcome::Permanent, Answers::Lambda | Answers::Destination) => true,
    };
    if give_back {
        return Err(diagnostic(&report));
    }
    Ok(Reply::Report(report))
}

/// `error_type` is the worst failure's name, stable enough to alarm on; `error_message` is the whole report.
pub(crate) fn diagnostic(report: &Report) -> Diagnostic {
    let error_type = report.worst().map_or("internal", |failure| failure.cause.name()).to_owned();
    Diagnostic { error_type, error_message: report.json() }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use mdss_relay_core::{Deadline, Delivery, Memory, Relay, Role};

    use super::*;

    fn settings(partial: &str) -> Settings {
        let vars = [
            ("APIENDPOINT", "http://127.0.0.1:9"),
            ("APIKEY", "k"),
            ("STORAGECLIENTID", "u"),
            ("RELAY_QUEUE_PARTIAL", partial),
        ];
        let vars = vars.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Settings::read(vars, Role::Function).finish().unwrap()
    }

    /// Byte for byte: it is the one answer that a platform parses.
    #[tokio::test]
    async fn a_queue_hears_the_document_that_explain_shows() {
        let message = |id: &str, body: &str| {
            format!(
                r#"{{"messageId":{id},"eventSource":"aws:sqs","eventSourceARN":"arn:q","body":{body:?}}}"#
            )
        };
        for (records, want) in [
            (vec![message(r#""m1""#, "{}")], r#"{"batchItemFailures":[{"itemIdentifier":"m1"}]}"#),
            (
                vec![
                    message(r#""m\"1ü""#, "{}"),
                    message(r#""m2""#, r#"{"Records":[]}"#),
                    message(r#""m3""#, "x"),
                ],
                r#"{"batchItemFailures":[{"itemIdentifier":"m\"1ü"},{"itemIdentifier":"m3"}]}"#,
            ),
            (vec![message("7", "{}")], r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#),
            (vec![message(r#""m1""#, r#"{"Records":[]}"#)], r#"{"batchItemFailures":[]}"#),
        ] {
            let body = format!(r#"{{"Records":[{}]}}"#, records.join(","));
            let relay = Relay::new(settings("on")).unwrap().remembering(Memory::of_function());
            let plan = relay.plan(&Delivery::from_function(body, "call"));
            let deadline = Deadline::new(None, relay.settings().mdss.deadline);
            let report = relay.deliver(&plan, deadline, "call").await;
            let answer = reply(Answers::Lambda, relay.settings(), &plan, report.clone()).unwrap();
            assert_eq!(serde_json::to_string(&answer).unwrap(), want);
            assert_eq!(plan.queue_answer().unwrap().to_string(), want);
            // Anywhere else, and unless it is allowed, the worst record decides.
            let fails = want.contains("itemIdentifier");
            let whole = reply(Answers::Lambda, &settings("off"), &plan, report.clone());
            assert_eq!(whole.is_err(), fails, "{whole:?}");
            for answers in [Answers::Fn, Answers::AzureFunctions] {
                let elsewhere = reply(answers, relay.settings(), &plan, report.clone()).unwrap();
                assert_eq!(serde_json::to_string(&elsewhere).unwrap(), report.json());
            }
            // Where the event of a failed call is kept, also one that can never be used is a failed call, and no queue is spoken to.
            let kept = reply(Answers::Destination, relay.settings(), &plan, report.clone());
            assert_eq!(kept.is_err(), fails, "{kept:?}");
        }
    }
}
