//! Group `relay`: the server that runs with this set-up, as its own pages show it. What is on disk is read from the spool's file where no
//! server answers.

mod copies;
mod page;
mod stored;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drive::HttpPoster;
use mdss_relay_core::HttpSettings;
use mdss_relay_spool::Desk;

use crate::doctor::off_thread::off_thread;
use crate::doctor::subject::Subject;
use crate::evidence::age;
use mdss_relay_checks::Results;
use mdss_relay_checks::{CHECKS, Group};
use mdss_relay_checks::{Outcome, Status};
use page::Page;
use stored::Stored;

/// The longest for one page: it comes from this machine, and `/metrics` waits 2 s for a disk.
const LONGEST_PAGE: Duration = Duration::from_secs(4);

/// After this long without MDSS's acceptance the relay itself raises an alarm (`crates/spool/src/worker/lines.rs`).
const LATE: Duration = Duration::from_secs(900);

/// After this long without an event somebody should look whether the bucket still tells. Many buckets are silent over a weekend, so it
/// is a warning at most.
const SILENT: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(subject: &Subject, results: &Results) {
    let http = &subject.http;
    if http.sources.is_empty() && http.token.is_none() && !http.open {
        // Nobody may post, so no server would start with these settings: it is a function's set-up, or an unfinished one.
        for check in CHECKS.iter().filter(|check| check.group == Group::Relay) {
            results.report(check.id, vec![(subject.name.clone(), Outcome::skipped("settings.valid"), 0)]);
        }
        return;
    }
    let place = pages(http);
    let server = format!("http://{place}");
    let poster = HttpPoster::new(LONGEST_PAGE);

    let mut page = None;
    let look = async {
        match get(&poster, &server, "/metrics").await {
            Ok((status, text)) => {
                let read = Page::read(&text);
                let version = read.label("mdss_relay_build_info", "version");
                match version {
                    Some(version) if status == 200 => {
                        let outcome = Outcome::ok(format!("mdss-relay {version}"));
                        page = Some(read);
                        outcome
                    }
                    _ => Outcome::fail(
                        format!("something else answers there, with {status}"),
                        "mdss-relay-http",
                        "compare RELAY_LISTEN, and RELAY_ADMIN_LISTEN if it is set, with what listens: ss -ltnp",
                    ),
                }
            }
            Err(why) => silent(&why, subject).await,
        }
    };
    let running = results.check("relay.running", &server, &[], look).await;
    if running == Status::Warn {
        // Nothing runs, and that is no fault: there is nothing to ask.
        for id in ["relay.ready", "relay.reloaded", "relay.breaker", "relay.last_event"] {
            results.report(id, vec![(server.clone(), Outcome::skipped("relay.running"), 0)]);
        }
    } else {
        let look = async { ready(get(&poster, &server, "/readyz").await) };
        results.check("relay.ready", &server, &["relay.running"], look).await;
        let look = async { reloaded(page.as_ref(), subject, &server) };
        results.check_each("relay.reloaded", &server, &["relay.running"], look).await;
        breaker(page.as_ref(), subject, &server, results).await;
        let look = async { last_event(page.as_ref()) };
        results.check("relay.last_event", &server, &["relay.running"], look).await;
    }

    let stored = Stored::of(page.as_ref(), subject).await;
    let late = async { stored.oldest(subject, LATE) };
    results.check_each("relay.oldest", "the spool", &[], late).await;
    results.check_each("relay.held", "the spool", &[], async { stored.held(subject) }).await;
    results.check_each("relay.parked", "the spool", &[], async { stored.parked(subject) }).await;
}

/// Nothing answers. That is a fault where a relay has run before: a spool shows it, and direct mode leaves nothing behind.
async fn silent(why: &str, subject: &Subject) -> Outcome {
    let expected = "a relay that runs with this set-up";
    let unit = subject.unit().unwrap_or_else(|| "mdss-relay-http".to_owned());
    let Some(spool) = &subject.http.spool else {
        return Outcome::warn(
            format!(
                "nothing answers ({why}): no relay runs now. Before the first start this is expected; direct mode leaves nothing on disk that would tell whether one has run"
            ),
            expected,
            format!("start it: systemctl enable --now {unit}; if it was started: systemctl status {unit}"),
        );
    };
    let Some(dir) = spool.place.dir().map(Path::to_owned) else {
        return Outcome::warn(
            format!("nothing answers ({why}): no relay runs here now; others may share the database"),
            expected,
            format!("start it: systemctl enable --now {unit}; if it was started: systemctl status {unit}"),
        );
    };
    let spool = off_thread(move || Desk::glance(&dir)).await;
    if matches!(spool.version, Ok(None)) && spool.set_aside.is_empty() {
        return Outcome::warn(
            format!(
                "nothing answers ({why}): no relay runs yet, which is expected before the first start (there is no spool file)"
            ),
            expected,
            format!("start it: systemctl enable --now {unit}"),
        );
    }
    Outcome::fail(
        format!("nothing answers: {why}"),
        expected,
        format!("systemctl status {unit}; journalctl -u {unit} says why it ended"),
    )
}

/// Where the pages for operators are: on a port of their own, if there is one. A server that listens on every address is asked on this machine.
fn pages(http: &HttpSettings) -> SocketAddr {
    let listen = http.admin_listen.unwrap_or(http.listen);
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn get(poster: &HttpPoster, server: &str, path: &str) -> Result<(u16, String), String> {
    let answer = poster.send("GET", &format!("{server}{path}"), &[], "").await;
    answer.map(|answer| (answer.status, answer.text())).map_err(|error| innermost(&error))
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

fn ready(answer: Result<(u16, String), String>) -> Outcome {
    let remedy = "mend what it says; journalctl -u mdss-relay-http has more";
    match answer {
        Ok((200, _)) => Outcome::ok("ready"),
        Ok((status, why)) => {
            let why: String = why.trim().chars().take(300).collect();
            Outcome::fail(format!("{status}: {why}"), "200: it takes events", remedy)
        }
        Err(why) => Outcome::fail(why, "200: it takes events", remedy),
    }
}

/// Whether the configuration that runs is the one on disk, and whether the secrets are.
fn reloaded(page: Option<&Page>, subject: &Subject, server: &str) -> Vec<(String, Outcome)> {
    let read_at = page.and_then(|page| page.value("mdss_relay_configuration_timestamp_seconds"));
    let mut found = vec![(server.to_owned(), configuration(read_at, subject))];
    if let Some(since) = read_at.and_then(|read_at| Duration::try_from_secs_f64(read_at).ok()) {
        found.extend(UNIX_EPOCH.checked_add(since).into_iter().flat_map(|at| copies::old(subject, at)));
    }
    found
}

fn configuration(read_at: Option<f64>, subject: &Subject) -> Outcome {
    let Some(path) = &subject.config else {
        return Outcome::ok("the settings are variables, which a process reads when it starts");
    };
    let Some(read_at) = read_at else {
        return Outcome::unknown("the relay does not say when it read its configuration", "");
    };
    let written = std::fs::metadata(path).and_then(|found| found.modified());
    let written = match written {
        Ok(written) => written.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        Err(error) => return Outcome::unknown(format!("{}: {error}", path.display()), ""),
    };
    if written > read_at {
        let by = Duration::from_secs_f64((written - read_at).min(1e9));
        return Outcome::warn(
            format!("{} was changed {} after the relay read it", path.display(), age(by)),
            "a relay that runs with the configuration on disk",
            "systemctl reload mdss-relay-http; a line in its log says whether the new one is used",
        );
    }
    Outcome::ok("the relay runs with the configuration on disk")
}

async fn breaker(page: Option<&Page>, subject: &Subject, server: &str, results: &Results) {
    let look = async {
        let Some(page) = page else { return vec![] };
        if subject.http.spool.is_none() {
            return vec![(server.to_owned(), Outcome::ok("direct mode has none: each event is tried"))];
        }
        let open = page.all("mdss_relay_spool_breaker_open").filter(|(_, value)| *value > 0.0);
        let found: Vec<_> = open
            .map(|(lane, _)| {
                let lane = lane("lane").unwrap_or_default();
                let (who, see) = match lane {
                    "-" => ("MDSS".to_owned(), "see the groups network and mdss"),
                    lane => (stored::unit_name(lane, subject), "see mdss.unit, and the unit in MDSS"),
                };
                let found = "sending is paused, because several objects failed in a row";
                (who, Outcome::warn(found, "objects that MDSS takes", see))
            })
            .collect();
        if found.is_empty() {
            vec![(server.to_owned(), Outcome::ok("closed: objects are sent"))]
        } else {
            found
        }
    };
    results.check_each("relay.breaker", server, &["relay.running"], look).await;
}

/// When the last event came, whatever became of it.
fn last_event(page: Option<&Page>) -> Outcome {
    let last = page.into_iter().flat_map(|page| page.all("mdss_relay_last_event_timestamp_seconds"));
    let last = last.map(|(_, value)| value).fold(0.0, f64::max);
    let remedy = "write an object, and see whether it comes; the store's guide in docs/ says how the bucket is made to tell";
    if last == 0.0 {
        return Outcome::unknown("no event has come since the relay was started", remedy);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let ago = Duration::from_secs_f64((now - last).clamp(0.0, 1e9));
    if ago > SILENT {
        return Outcome::warn(format!("{} ago", age(ago)), "an event in the last 24 h", remedy);
    }
    Outcome::ok(format!("{} ago", age(ago)))
}
