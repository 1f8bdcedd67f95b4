//! `explain`: what would happen to a delivery, without sending anything.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mdss_relay_core::{
    Decision, Delivery, Dialect, Door, Failure, MOST_FILE_BYTES, Plan, Role, Rules, Settings, SkipReason,
    explain_by, plain_text, plan,
};
use mdss_relay_gate::{Answered, DoorVerdict, Entered, Keys, Proxies, Sources, Takes};

use crate::input::{self, Input, Request};
use crate::visible::visible;

const EXAMPLES: &str = r#"Examples:
  mdss-relay explain event.json
  mdss-relay explain --strict --config relay.toml events/*.json
  mdss-relay explain - <<'END'
  {"Records":[{"eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put",
               "s3":{"bucket":{"name":"invoices"},"object":{"key":"a.pdf"}}}]}
  END
  mdss-relay explain - <<'END'
  {"method":"POST","path":"/minio","headers":{"authorization":"Bearer …"},"body":"{\"Records\":[…]}"}
  END"#;

/// Shows what would be sent, skipped or refused, and why; sends nothing.
///
/// Prints one line of JSON per file. Warnings go to standard error. The settings are those of the relay (variables and
/// --config); an endpoint and a key are not needed, and without a route every new object is an unmapped_bucket.
///
/// Exit status: 0 if every file was printed, 2 if a file or a setting could not be read. With --strict also 1, if a delivery was refused
/// (by the gate, its method or its path), or if one of its records fails, or is skipped as not_selected. Other skips are in order: a
/// deletion, a folder, a test event, a handshake.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// TOML configuration to use instead of RELAY_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reads deliveries as this dialect instead of recognising it; a source's own dialect takes precedence.
    #[arg(long, value_name = "DIALECT", value_parser = |name: &str| name.parse::<Dialect>().map_err(|e| format!("expected {e}")))]
    dialect: Option<Dialect>,
    /// The time of receipt, for checks of dates (RFC 3339). Default: now.
    #[arg(long, value_name = "TIME", value_parser = |time: &str| time.parse::<jiff::Timestamp>().map_err(|_| "expected an RFC 3339 time"))]
    at: Option<jiff::Timestamp>,
    /// The address that a request comes from, for sources that check it. Without one they refuse.
    #[arg(long, value_name = "ADDRESS", value_parser = |address: &str| address.parse::<IpAddr>().map_err(|_| "expected an IP address"))]
    client: Option<IpAddr>,
    /// Status 1 unless every record is sent, or skipped for another reason than not_selected: for CI.
    #[arg(long)]
    strict: bool,
    /// Files with what a provider delivers: a bare body, or {"method","path","headers","body"} where these matter; - is standard input.
    /// With `[[source]]`, an event that holds an HTTP request (of a function URL, a gateway, a load balancer) is taken for that request.
    #[arg(value_name = "EVENT", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let mut draft = Settings::read(input::variables(arguments.config.as_deref()), Role::Explain);
    let now = jiff::Timestamp::now();
    let sources = Sources::of(&mut draft, now, &|path| plain_text(path, MOST_FILE_BYTES));
    // Only for its mistakes: whoever asks says from where the request comes.
    Proxies::trusted(&mut draft);
    let http = draft.settings.http.take().expect("every role except a function's has them");
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
    // Without `[[source]]` there is nothing to choose from, so a request needs no path.
    let has_sources = !http.sources.is_empty();
    let sources = if has_sources { sources } else { sources.at_any_path() };
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    let (mut all_read, mut all_good) = (true, true);
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
        let Explained { line, good } =
            explained(&name, bytes, arguments, (&settings.rules, http.body_limit), (&sources, has_sources));
        all_good &= good;
        if writeln!(std::io::stdout(), "{}", visible(&line)).is_err() {
            // Whoever reads has left.
            return ExitCode::from(1);
        }
    }
    ExitCode::from(match (all_read, all_good) {
        (false, _) => 2,
        (true, false) if arguments.strict => 1,
        (true, _) => 0,
    })
}

/// A file's line, and whether everything in it is taken, or left out for a reason that nobody has to look at.
struct Explained {
    line: String,
    good: bool,
}

impl Explained {
    fn of(rules: &Rules, name: &str, plan: &Plan) -> Self {
        let good = |decision: &Decision| match decision {
            Decision::Send(_) => true,
            Decision::Skip(reason) => *reason != SkipReason::NotSelected,
            Decision::Fail(_) => false,
        };
        Self {
            line: explain_by(rules, name, &Door::Open(plan)),
            good: plan.records.iter().all(|record| good(&record.decision)),
        }
    }

    fn refused(name: &str, failure: Failure) -> Self {
        Self::of(&Rules::default(), name, &Plan::refused(failure))
    }
}

fn explained(
    name: &str,
    bytes: Vec<u8>,
    arguments: &Arguments,
    (rules, body_limit): (&Rules, usize),
    (sources, has_sources): (&Sources, bool),
) -> Explained {
    let input = match input::parse(bytes) {
        // Without `[[source]]` a function does not let it in, and the plan says so.
        Input::Bare(body) if has_sources => match Request::carried(&body) {
            None => Input::Bare(body),
            Some(Ok(request)) => Input::Wrapped(request),
            Some(Err(failure)) => return Explained::refused(name, failure),
        },
        input => input,
    };
    let delivery = match input {
        Input::Bare(body) => Delivery { dialect: arguments.dialect, ..Delivery::from_function(body, "") },
        Input::Wrapped(mut request) => {
            let entered = match enter(name, &request, arguments, sources) {
                Ok(entered) => entered,
                Err(explained) => return explained,
            };
            let body = std::mem::take(&mut request.body);
            let headers = request.headers();
            let delivery = entered.delivery(&request.head(&headers, arguments.client), body);
            let delivery = Delivery { dialect: delivery.dialect.or(arguments.dialect), ..delivery };
            match delivery.unpacked(body_limit) {
                Ok(delivery) => delivery,
                Err(failure) => return Explained::refused(name, failure),
            }
        }
    };
    let plan = plan(rules, &delivery);
    for record in &plan.records {
        for warning in &record.warnings {
            say(&format!("warning: {name}: {}: {warning}", record.item));
        }
    }
    Explained::of(rules, name, &plan)
}

/// The walk through the door, or the line about a request that ends there.
fn enter(
    name: &str,
    request: &Request,
    arguments: &Arguments,
    sources: &Sources,
) -> Result<Entered, Explained> {
    let headers = request.headers();
    let head = request.head(&headers, arguments.client);
    let now = arguments.at.unwrap_or_else(jiff::Timestamp::now);
    match sources.enter(&head, Some(&request.body), now, &Keys::new()) {
        DoorVerdict::Entered(entered) if entered.source.takes == Takes::Results => {
            say(&format!("{name}: a result of MDSS: it goes into the ledger, and nothing is sent"));
            Err(Explained::of(&Rules::default(), name, &Plan::default()))
        }
        DoorVerdict::Entered(entered) => Ok(entered),
        DoorVerdict::NeedBody(_) => unreachable!("there is a body"),
        DoorVerdict::NeedKey { url, .. } => {
            let why = format!(
                "it needs the key at {url}, and explain fetches nothing: pin the key with certificate_file, or with jwks_file"
            );
            Err(unauthorized(name, "a signature", &why))
        }
        DoorVerdict::Answered(_, answered) => Err(match answered {
            Answered::Present => Explained::of(&Rules::default(), name, &Plan::default()),
            Answered::Refused(refusal) => unauthorized(name, refusal.check, refusal.why),
            Answered::Unavailable(what) => unauthorized(name, what.check, what.why),
            Answered::WrongMethod(failure) => Explained::refused(name, failure),
            Answered::UnknownPath { failure, hint } => {
                say(&format!("warning: {name}: {hint}"));
                Explained::refused(name, failure)
            }
        }),
    }
}

/// The gate's refusal. The reason goes to standard error, for the operator; over HTTP no sender learns it.
fn unauthorized(name: &str, check: &str, why: &str) -> Explained {
    say(&format!("warning: {name}: refused by {check}: {why}"));
    Explained { line: explain_by(&Rules::default(), name, &Door::Unauthorized), good: false }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A line for people; nobody minds if they have gone.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(line));
}
