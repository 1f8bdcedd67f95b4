//! `explain`: what would happen to a delivery, without sending anything.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mdss_relay_core::{Cause, Delivery, Dialect, Door, Failure, Plan, Role, Settings, explain, plan};
use mdss_relay_gate::{Keys, Verdict};
use mdss_relay_http::{Doors, Knock, Knocker, Proxies};

use crate::input::{self, Input};
use crate::visible::visible;

/// Shows what would be sent, skipped or refused, and why; sends nothing.
///
/// Prints one line of JSON per file. Warnings go to standard error. The settings are those of the relay (variables and
/// --config); an endpoint and a key are not needed, and without a route every new object is an unmapped_bucket.
///
/// Exit status: 0 if every file was printed, 2 if a file or a setting could not be read.
#[derive(Args)]
pub(crate) struct Arguments {
    /// TOML configuration to use instead of RELAY_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reads deliveries as this dialect instead of recognising it; a source that is pinned stays so.
    #[arg(long, value_name = "DIALECT", value_parser = |name: &str| name.parse::<Dialect>().map_err(|e| format!("expected {e}")))]
    dialect: Option<Dialect>,
    /// The time that checks of dates see (RFC 3339); now, if it is not given.
    #[arg(long, value_name = "TIME", value_parser = |time: &str| time.parse::<jiff::Timestamp>().map_err(|_| "expected an RFC 3339 time"))]
    at: Option<jiff::Timestamp>,
    /// The address a request comes from, for sources that look at it; without one they refuse.
    #[arg(long, value_name = "ADDRESS", value_parser = |address: &str| address.parse::<IpAddr>().map_err(|_| "expected an IP address"))]
    client: Option<IpAddr>,
    /// Deliveries: a bare body, or {"method","path","headers","body"} where these matter; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let mut draft = Settings::read(input::variables(arguments.config.as_deref()), Role::Explain);
    let doors = Doors::open(&mut draft);
    // Only for its mistakes: whoever asks says from where the request comes.
    Proxies::trusted(&mut draft);
    let settings = match draft.finish() {
        Ok(settings) => settings,
        Err(mistakes) => {
            say(&format!("mdss-relay explain: {} in the settings", count(mistakes.len(), "mistake")));
            for mistake in mistakes {
                say(&format!("- {mistake}"));
            }
            return ExitCode::from(2);
        }
    };
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    let mut all_read = true;
    for file in &arguments.files {
        let name = file.to_string_lossy();
        let bytes = match input::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                say(&format!("mdss-relay explain: {name}: {error}"));
                all_read = false;
                continue;
            }
        };
        let line = line(&name, bytes, arguments, &settings, &doors);
        if writeln!(std::io::stdout(), "{}", visible(&line)).is_err() {
            // Whoever reads has left.
            return ExitCode::from(1);
        }
    }
    ExitCode::from(if all_read { 0 } else { 2 })
}

fn line(name: &str, bytes: Vec<u8>, arguments: &Arguments, settings: &Settings, doors: &Doors) -> String {
    let delivery = match input::parse(bytes) {
        Input::Bare(body) => Delivery { dialect: arguments.dialect, ..Delivery::from_function(body, "") },
        Input::Wrapped(request) => {
            let headers: Vec<(&str, &[u8])> =
                request.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
            let method = request.method.as_str();
            let knocker =
                Knocker { method, target: &request.path, headers: &headers, client: arguments.client };
            let knock = match doors.only() {
                Some(only) if settings.sources.is_empty() => only.judge(&knocker, ""),
                _ => doors.knock(&knocker),
            };
            let source = match knock {
                Knock::Enter(source) => source,
                Knock::Present(_) => return explain(name, &Door::Open(&Plan::default())),
                Knock::Refused(_, refusal) => return unauthorized(name, refusal.check, refusal.why),
                Knock::Unavailable(_, what) => return unauthorized(name, what.check, what.why),
                Knock::UnknownPath => {
                    // A path may hold a secret, or nearly hold one.
                    let detail =
                        "the request's path belongs to no source (it is not shown, it may hold a secret)";
                    return explain(
                        name,
                        &Door::Open(&Plan::refused(Failure::new(Cause::UnknownPath, detail))),
                    );
                }
                Knock::WrongMethod(_) => {
                    let detail = format!("expected a POST, found {method:?}");
                    return explain(
                        name,
                        &Door::Open(&Plan::refused(Failure::new(Cause::MethodNotAllowed, detail))),
                    );
                }
            };
            let now = arguments.at.unwrap_or_else(jiff::Timestamp::now);
            match source.judge_body(&knocker, &request.body, now, &Keys::new()) {
                Verdict::Admitted(_) => {}
                Verdict::Refused(refusal) => return unauthorized(name, refusal.check, refusal.why),
                Verdict::Unavailable(what) => return unauthorized(name, what.check, what.why),
                Verdict::NeedKey(url) => {
                    let why =
                        format!("the key at {url} is needed, and explain fetches nothing; pin it by a file");
                    return unauthorized(name, "a signature", &why);
                }
            }
            let delivery = Delivery {
                source: Some(source.name.clone()),
                dialect: source.dialect.or(arguments.dialect),
                method: request.method,
                headers: request.headers,
                body: request.body,
                id: String::new(),
            };
            match delivery.unpacked(settings.body_limit) {
                Ok(delivery) => delivery,
                Err(failure) => return explain(name, &Door::Open(&Plan::refused(failure))),
            }
        }
    };
    let plan = plan(&settings.rules, &delivery);
    for record in &plan.records {
        for warning in &record.warnings {
            say(&format!("warning: {name}: {}: {warning}", record.item));
        }
    }
    explain(name, &Door::Open(&plan))
}

/// The gate's refusal, with the reason for whoever asks on standard error: nobody is told over HTTP.
fn unauthorized(name: &str, check: &str, why: &str) -> String {
    say(&format!("warning: {name}: refused by {check}: {why}"));
    explain(name, &Door::Unauthorized)
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A line for people; nobody minds if they have gone.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(line));
}
