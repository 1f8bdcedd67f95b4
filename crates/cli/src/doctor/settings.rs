//! Group `settings`: what is written down, looked at without any network. Files with secrets are in `secrets.rs`.

use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::{KEY_IN_CLEAR, Mistake, NOT_VERIFIED, Remark};
use mdss_relay_gate::Sources;

use super::secrets;
use super::subject::Subject;
use super::view::{Access, Want};
use crate::doctor::off_thread::off_thread;
use mdss_relay_checks::Results;
use mdss_relay_checks::{Outcome, Status};

const VALID: &str = "settings.valid";
const READABLE: &str = "settings.secrets_readable";

/// How long connections stay open behind the deadline when the server stops, and how long the spool's file and the last lines may take
/// (`crates/http/src/serve.rs`; docs/operation.md, "Stopping").
const ANSWERS: Duration = Duration::from_secs(10);
const CLOSING: Duration = Duration::from_secs(6);

type Findings = Vec<(String, Outcome)>;

pub(crate) async fn run(subject: &Arc<Subject>, results: &Results) {
    let look = |at: fn(&Subject) -> Findings| {
        let subject = subject.clone();
        off_thread(move || at(&subject))
    };
    let each = |id, at| results.check_each(id, &subject.name, &[], look(at));
    // What a file does not let be read says nothing about what stands in it.
    let text = |id, at: fn(&Subject) -> Findings| async move {
        if subject.unseen.contains_key("RELAY_CONFIG") {
            let skipped = Outcome::skipped(VALID);
            return results.report(id, vec![(subject.name.clone(), skipped, 0)]);
        }
        results.check_each(id, &subject.name, &[], look(at)).await;
    };
    tokio::join!(
        each(VALID, valid),
        text("settings.http_endpoint", http_endpoint),
        text("settings.tls_verify_off", tls_verify_off),
        text("settings.route_overlap", route_overlap),
        text("settings.route_unreachable", route_unreachable),
        text("settings.bucket_without_route", bucket_without_route),
        text("settings.storage_type_default", storage_type_default),
        text("settings.feedback_loop", feedback_loop),
        each(READABLE, secrets::readable),
        each("settings.secrets_mode", secrets::mode),
        text("settings.stop_timeout", stop_timeout),
    );
}

// === settings.valid ===

fn valid(subject: &Subject) -> Findings {
    let mut found = subject.service.as_ref().map(|service| service.faults.clone()).unwrap_or_default();
    if let Some(why) = subject.unseen.get("RELAY_CONFIG") {
        let outcome = Outcome::unknown(why, "run doctor as root");
        found.push(("RELAY_CONFIG".to_owned(), outcome));
        return found;
    }
    let unreadable: Vec<_> = secrets::readable(subject)
        .into_iter()
        .filter(|(_, outcome)| outcome.status == Status::Fail)
        .map(|(place, _)| place)
        .collect();
    let mut left_out = false;
    for mistake in &subject.mistakes {
        if unreadable.contains(&mistake.name) {
            left_out = true;
            continue;
        }
        found.push((mistake.name.clone(), mistaken(subject, mistake)));
    }
    for file in subject.files.iter().filter(|file| !file.is_secret) {
        // What this process cannot read either is a mistake already.
        let Some(path) = file.path().filter(|path| path.exists()) else { continue };
        if let Access::No(why) = subject.access(path, Want::Read) {
            let hidden = subject.service.as_ref().is_some_and(|service| service.hides(path).is_some());
            let remedy = if hidden {
                "move it to where the service sees it, such as /etc/mdss-relay".to_owned()
            } else {
                format!("chmod a+r {}, and a+x for the folders above it", path.display())
            };
            found.push((file.place.clone(), Outcome::fail(why, "a file that the relay may read", remedy)));
        }
    }
    let said = [KEY_IN_CLEAR, NOT_VERIFIED];
    for warning in subject.settings.warnings.iter().filter(|w| !said.iter().any(|said| w.ends_with(said))) {
        let (place, sentence) = warning.split_once(": ").unwrap_or(("settings", warning));
        let outcome = Outcome::warn(
            sentence,
            "",
            "docs/settings.md says what it means; nothing has to be done if it is intended",
        );
        found.push((place.to_owned(), outcome));
    }
    if found.is_empty() {
        let outcome = if left_out { Outcome::skipped(READABLE) } else { Outcome::ok("no mistake") };
        found.push((subject.name.clone(), outcome));
    }
    found
}

fn mistaken(subject: &Subject, mistake: &Mistake) -> Outcome {
    if let Some(why) = subject.unseen.get(&mistake.name) {
        return Outcome::unknown(why, "");
    }
    let found = match &mistake.found {
        Some(found) => format!("{found:?}"),
        None => "no value that fits".to_owned(),
    };
    let is_file = subject.files.iter().any(|file| file.place == mistake.name);
    let remedy = match (&subject.config, &subject.service) {
        _ if is_file => "make the file, or correct the path; the relay does not start before".to_owned(),
        (None, None) => without_settings().unwrap_or_else(|| {
            "set it; docs/settings.md lists every setting. --config FILE and --unit-file FILE check another set-up than this process's".to_owned()
        }),
        _ => "correct it; docs/settings.md lists every setting. The relay does not start before".to_owned(),
    };
    Outcome::fail(found, &mistake.expected, remedy)
}

/// Where the set-up probably is, if the variables of an operator's shell were looked at instead.
fn without_settings() -> Option<String> {
    let units = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];
    let units = units.map(|folder| format!("{folder}/mdss-relay-http.service"));
    let unit = units.iter().find(|unit| std::path::Path::new(unit).exists())?;
    Some(format!("to check the service: mdss-relay doctor --unit-file {unit}"))
}

// === The way to MDSS ===

fn one(subject: &Subject, outcome: Outcome) -> Findings {
    vec![(subject.name.clone(), outcome)]
}

/// The warning that the relay itself prints at its start, if it does.
fn warned(subject: &Subject, said: &str) -> Option<(String, String)> {
    let warning = subject.settings.warnings.iter().find(|warning| warning.ends_with(said))?;
    let (place, sentence) = warning.split_once(": ")?;
    Some((place.to_owned(), sentence.to_owned()))
}

fn http_endpoint(subject: &Subject) -> Findings {
    match warned(subject, KEY_IN_CLEAR) {
        None => one(subject, Outcome::ok("the API key does not travel in the clear")),
        Some((place, sentence)) => vec![(
            place,
            Outcome::warn(
                sentence,
                "an https:// address",
                "give MDSS's https:// address, and a private authority in RELAY_CA_FILE",
            ),
        )],
    }
}

fn tls_verify_off(subject: &Subject) -> Findings {
    match warned(subject, NOT_VERIFIED) {
        None => one(subject, Outcome::ok("certificates are checked")),
        Some((_, sentence)) => vec![(
            "RELAY_TLS_VERIFY".to_owned(),
            Outcome::warn(
                sentence,
                "RELAY_TLS_VERIFY=on, which holds without it",
                "remove RELAY_TLS_VERIFY, and name the file of MDSS's authority in RELAY_CA_FILE",
            ),
        )],
    }
}

// === Routes ===

/// `route[1], bucket "invoices-*"`.
fn route(subject: &Subject, index: usize) -> String {
    let Some(route) = subject.settings.rules.routes().get(index) else { return format!("route[{index}]") };
    if is_single_unit(subject) {
        return "STORAGECLIENTID".to_owned();
    }
    format!("route[{index}], bucket {:?}", route.bucket())
}

/// Whether the one route is that of `STORAGECLIENTID`.
fn is_single_unit(subject: &Subject) -> bool {
    subject.variables.iter().any(|(name, value)| name == "STORAGECLIENTID" && !value.is_empty())
}

/// Routes with a mistake in them are missing, and the others then have other numbers.
fn on_whole_routes(subject: &Subject, look: impl FnOnce() -> Findings, well: &str) -> Findings {
    if !subject.routes_are_whole {
        return one(subject, Outcome::skipped(VALID));
    }
    let found = look();
    if found.is_empty() { one(subject, Outcome::ok(well)) } else { found }
}

fn route_overlap(subject: &Subject) -> Findings {
    let look = || {
        let remarks = subject.settings.rules.survey().into_iter();
        let overlaps = remarks.filter_map(|remark| match remark {
            Remark::Overlap { first, second } => Some((first, second)),
            Remark::Unreachable { .. } | Remark::Unselective(_) => None,
        });
        let outcome = |(first, second)| {
            let found = format!(
                "{} comes first and gets the objects that both can take, and they name different units",
                route(subject, first)
            );
            let outcome = Outcome::warn(
                found,
                "routes of which at most one takes an object, or of which the narrower one comes first",
                "make one of them narrower; if the order is meant so, nothing has to be done",
            );
            (route(subject, second), outcome)
        };
        overlaps.map(outcome).collect()
    };
    on_whole_routes(subject, look, "no two routes compete for an object")
}

fn route_unreachable(subject: &Subject) -> Findings {
    let look = || {
        let remarks = subject.settings.rules.survey().into_iter();
        let lost = remarks.filter_map(|remark| match remark {
            Remark::Unreachable { route, by } => Some((route, by)),
            Remark::Overlap { .. } | Remark::Unselective(_) => None,
        });
        let outcome = |(lost, by)| {
            let found = format!("{} comes first and takes all its objects", route(subject, by));
            let outcome = Outcome::warn(
                found,
                "a route that gets an object",
                "move it before that route, or remove it: the first route that takes an object has it",
            );
            (route(subject, lost), outcome)
        };
        lost.map(outcome).collect()
    };
    on_whole_routes(subject, look, "each route can get an object")
}

fn bucket_without_route(subject: &Subject) -> Findings {
    let look = || {
        let sources = subject.http.sources.iter().map(|source| source.name.as_str());
        let sources: Vec<_> =
            if subject.http.sources.is_empty() { vec![Sources::DEFAULT] } else { sources.collect() };
        let left = sources.into_iter().filter(|source| !subject.settings.rules.has_route_of(source));
        let outcome = |source: &str| {
            let outcome = Outcome::warn(
                "no route belongs to this source, so each of its objects fails with unmapped_bucket",
                "a [[route]] with this source, or without source",
                format!("add [[route]] source = {source:?}, or remove the source"),
            );
            (format!("source {source:?}"), outcome)
        };
        left.map(outcome).collect()
    };
    on_whole_routes(
        subject,
        look,
        "each source has a route; an object of a bucket that no route names fails with unmapped_bucket",
    )
}

fn storage_type_default(subject: &Subject) -> Findings {
    let look = || {
        let sources = &subject.http.sources;
        // Where the dialect is pinned the type follows from it, and not from what an event looks like.
        let guessed = |route: &mdss_relay_core::Route| {
            let open = sources.iter().filter(|source| source.dialect.is_none() && route.is_of(&source.name));
            let open: Vec<_> = open.map(|source| source.name.as_str()).collect();
            if sources.is_empty() {
                Some("/events".to_owned())
            } else {
                (!open.is_empty()).then(|| open.join(", "))
            }
        };
        let routes = subject.settings.rules.routes().iter().enumerate();
        let untyped = routes.filter(|(_, route)| route.storage_type().is_none());
        let guessed = untyped.filter_map(|(index, route)| Some((index, guessed(route)?)));
        let outcome = |(index, sources)| {
            let found = format!(
                "no storage type, and {sources} takes events of every dialect: MDSS is told of an object as of the store that the event looks like"
            );
            let outcome = Outcome::warn(
                found,
                "the type with which the unit is registered in MDSS",
                "set storage_type in the route (RELAY_STORAGE_TYPE without routes), or dialect in the source",
            );
            (route(subject, index), outcome)
        };
        guessed.map(outcome).collect()
    };
    on_whole_routes(
        subject,
        look,
        "each route's storage type is written down, or follows from a dialect that is",
    )
}

fn feedback_loop(subject: &Subject) -> Findings {
    let look = || {
        let remarks = subject.settings.rules.survey().into_iter();
        let all = remarks.filter_map(|remark| match remark {
            Remark::Unselective(index) => Some(index),
            Remark::Overlap { .. } | Remark::Unreachable { .. } => None,
        });
        let outcome = |index| {
            let outcome = Outcome::warn(
                "it takes every object of its buckets, also what MDSS writes back (sanitised copies, quarantine), which is then scanned again and \
                 again",
                "exclude_prefix, or buckets into which MDSS does not write",
                "if MDSS writes into these buckets, set exclude_prefix = [\"quarantine/\"] or whatever the folder is; if it does not, nothing has to \
                 be done",
            );
            (route(subject, index), outcome)
        };
        all.map(outcome).collect()
    };
    on_whole_routes(subject, look, "each route selects objects")
}

// === Stopping ===

/// Only the unit says how long systemd waits.
fn stop_timeout(subject: &Subject) -> Findings {
    let Some(service) = &subject.service else { return Vec::new() };
    let deadline = subject.settings.mdss.deadline;
    let once = deadline + ANSWERS;
    let needed = CLOSING + if subject.http.spool.is_some() { once * 2 } else { once };
    let outcome = match service.stop_timeout {
        Some(given) if given < needed => Outcome::warn(
            format!(
                "TimeoutStopSec is {} s, and RELAY_DEADLINE {} s",
                given.as_secs_f64(),
                deadline.as_secs_f64()
            ),
            format!(
                "at least {} s: what the relay may need to stop with this deadline",
                needed.as_secs_f64()
            ),
            format!(
                "set TimeoutStopSec={} in the unit. The time-outs of a proxy in front have to be at least {} s as well",
                needed.as_secs() + 4,
                once.as_secs_f64()
            ),
        ),
        Some(given) => Outcome::ok(format!(
            "{} s, and stopping takes at most {} s",
            given.as_secs_f64(),
            needed.as_secs_f64()
        )),
        None => Outcome::ok("systemd waits as long as stopping takes"),
    };
    vec![(service.name.clone(), outcome)]
}
