//! Names of metrics are an interface: the guide lists all of them, and no alert and no dashboard asks for another. They are the same in
//! both modes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use drive::{Program, Server, until};
use mdss_relay_core::{Cause, FailureKind};
use mdss_relay_http::METRICS;
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn the_guide_lists_what_there_is() {
    let guide = read("docs/operation.md");
    let rows: Vec<_> = guide.lines().filter(|line| line.starts_with("| `mdss_relay_")).collect();
    let wanted: Vec<_> =
        METRICS.iter().map(|(name, kind, help)| format!("| `{name}` | {kind} | {help} |")).collect();
    assert_eq!(rows, wanted);
}

/// Names that another release will no longer have.
fn old_names() -> BTreeSet<&'static str> {
    METRICS.iter().filter(|(_, _, help)| help.starts_with("old name of ")).map(|(name, ..)| *name).collect()
}

#[test]
fn nothing_asks_for_what_there_is_not_or_will_not_be() {
    assert_eq!(old_names().len(), 2);
    let names: BTreeSet<_> = METRICS.iter().map(|(name, ..)| *name).collect();
    let current: BTreeSet<_> = names.difference(&old_names()).copied().collect();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for file in ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/mdss-relay.json"] {
        let text = read(&format!("deploy/{file}"));
        let asked: BTreeSet<_> = text.split(|c| !word(c)).filter(|w| w.starts_with("mdss_relay_")).collect();
        assert!(asked.len() > 10, "{file}");
        for name in asked {
            let metric = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let found = current.contains(name) || metric.is_some_and(|metric| current.contains(metric));
            assert!(found, "{file}: {name} is no metric, or an old name");
        }
    }
}

/// Relays with one database report the same items, each of them: a sum over relays would count them as often as there are relays.
#[test]
fn no_panel_counts_what_relays_share_once_for_each() {
    let board: serde_json::Value = serde_json::from_str(&read("deploy/grafana/mdss-relay.json")).unwrap();
    let mut asked = Vec::new();
    let mut left = vec![&board];
    while let Some(value) = left.pop() {
        match value {
            serde_json::Value::Object(members) => {
                asked.extend(members.get("expr").and_then(|expr| expr.as_str()));
                left.extend(members.values());
            }
            serde_json::Value::Array(elements) => left.extend(elements),
            _ => {}
        }
    }
    let summed: Vec<_> = asked.iter().filter(|expr| expr.contains("mdss_relay_spool_items")).collect();
    assert_eq!(summed.len(), 4);
    for expr in summed {
        for part in [
            " unless on (instance) mdss_relay_spool_replicas",
            "max by (job, lane, ",
            " and on (instance) mdss_relay_spool_replicas",
        ] {
            assert!(expr.contains(part), "{expr}");
        }
    }
}

/// Whether `text` is `template` with a word in the place of each label.
fn is_filled_in(template: &str, text: &str) -> bool {
    let mut pieces = template.split("{{ $labels.");
    let mut rest = text.strip_prefix(pieces.next().unwrap());
    for piece in pieces {
        let (_, after) = piece.split_once(" }}").unwrap();
        let word = |text: &str| text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len());
        rest = rest.and_then(|text| text[word(text)..].strip_prefix(after));
    }
    rest == Some("")
}

#[test]
fn each_alert_is_tested_and_has_what_somebody_needs_at_night() {
    let (alerts, tests, guide) = (
        read("deploy/prometheus/alerts.yml"),
        read("deploy/prometheus/alerts_test.yml"),
        read("docs/operation.md"),
    );
    let declared: Vec<_> = alerts.split("      - alert: ").skip(1).collect();
    assert!(declared.len() > 10);
    for alert in declared {
        let name = alert.lines().next().unwrap();
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} fires in no test");
        assert!(tests.contains(&format!("alertname: {name}}}")), "{name} is silent in no test");
        let anchor = format!("runbook: docs/operation.md#{}\n", name.to_lowercase());
        assert!(alert.contains(&anchor), "{name}: {anchor}");
        let (_, section) =
            guide.split_once(&format!("\n### {name}\n")).unwrap_or_else(|| panic!("{name}: no section"));
        assert!(
            guide.contains(&format!("| [`{name}`](#{}) |", name.to_lowercase())),
            "{name} is in no table"
        );
        let annotation = |key: &str| {
            let line = alert.lines().find_map(|line| line.trim().strip_prefix(key));
            line.unwrap_or_else(|| panic!("{name} has no {key}")).to_owned()
        };
        assert!(annotation("summary: ").contains("{{ $labels.instance }}"), "{name}: on which machine?");
        annotation("action: ");
        // The guide's blocks are run as they are printed (crates/cli/tests/guides), so the alert's command is one of those that run.
        let command = annotation("command: ").trim_matches('"').replace("\\\"", "\"");
        let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split_once("\n```")).unwrap().0;
        assert!(is_filled_in(&command, block), "{name}:\n{command}\n{block}");
    }
    for section in guide.lines().filter_map(|line| line.strip_prefix("### MdssRelay")) {
        assert!(alerts.contains(&format!("- alert: MdssRelay{section}\n")), "{section} is no alert");
    }
}

/// The alert on events that fail in direct mode is about those that wait for an operator, and so names all such reasons.
#[test]
fn the_alert_on_failing_events_names_every_reason_that_an_operator_has_to_mend() {
    let alerts = read("deploy/prometheus/alerts.yml");
    let alert =
        alerts.split("- alert: ").find(|alert| alert.starts_with("MdssRelayEventsFailing\n")).unwrap();
    let wanted: Vec<_> = Cause::ALL
        .iter()
        .filter(|cause| cause.kind() == FailureKind::Config)
        .map(|cause| cause.name())
        .collect();
    let wanted = format!("reason=~\"{}\"", wanted.join("|"));
    assert!(alert.contains(&wanted), "{wanted}");
}

const LIMIT: Duration = Duration::from_secs(30);

fn program(sim: &Sim, key: &Path) -> Program {
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY_FILE", key)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
}

async fn page(server: &Server) -> String {
    server.send("GET", "/metrics", &[], "").await.unwrap().text()
}

/// The value of a metric, with its labels as they stand.
fn value(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn attempts_and_the_state_of_mdss_have_the_same_names_in_both_modes() {
    for mode in ["direct", "spooled"] {
        let sim = Sim::start(Config::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("api-key");
        std::fs::write(&key, "a-wrong-key").unwrap();
        let mut program = program(&sim, &key).env("RELAY_MODE", mode);
        if mode == "spooled" {
            program = program.env("RELAY_DATA_DIR", folder.path().join("data"));
        }
        let mut server = Server::start(&program, LIMIT).await.unwrap();
        let since = "mdss_relay_endpoint_failing_since_timestamp_seconds";
        let last = |what: &str| format!("mdss_relay_endpoint_last_{what}_timestamp_seconds");
        let outcome = |outcome: &str| {
            format!("mdss_relay_attempts_total{{lane=\"{}\",outcome=\"{outcome}\"}}", units::S3_COMPATIBLE)
        };
        let before = page(&server).await;
        assert_eq!((value(&before, since), value(&before, &last("attempt"))), (Some(0.0), None), "{before}");
        // An alert sees a source whose first record is not selected only if the counter was there at 0.
        for (result, reason) in
            [("skipped", "not_selected"), (if mode == "direct" { "accepted" } else { mode }, "")]
        {
            let zero = format!(
                "mdss_relay_records_total{{source=\"events\",result=\"{result}\",reason=\"{reason}\"}}"
            );
            assert_eq!(value(&before, &zero), Some(0.0), "{mode} {zero}");
        }

        let event = mdss_sim::created("minio:s3", "b", &["k"]);
        let answer = server.send("POST", "/events", &[], event.clone()).await.unwrap();
        assert_eq!(answer.status, if mode == "direct" { 500 } else { 200 }, "{}", answer.text());
        until("the refusal", LIMIT, async || {
            value(&page(&server).await, &outcome("mdss_unauthorized")).is_some()
        })
        .await
        .unwrap();
        let failing = page(&server).await;
        assert!(value(&failing, since).unwrap() > 1.7e9, "{failing}");
        assert!(value(&failing, &last("attempt")) >= value(&failing, since), "{failing}");
        // A proxy would have answered as well: an answer is no acceptance.
        assert!(value(&failing, &last("answer")).is_some() && value(&failing, &last("accepted")).is_none());

        std::fs::write(&key, DEFAULT_API_KEY).unwrap();
        if mode == "direct" {
            assert_eq!(server.send("POST", "/events", &[], event).await.unwrap().status, 200);
        } else {
            // The held object is tried again at once.
            server.process.signal("HUP").unwrap();
        }
        until("the acceptance", LIMIT, async || {
            value(&page(&server).await, &outcome("accepted")) == Some(1.0)
        })
        .await
        .unwrap();
        let well = page(&server).await;
        assert_eq!(value(&well, since), Some(0.0), "{well}");
        assert!(value(&well, &last("accepted")).is_some());
        let all: f64 = well
            .lines()
            .filter(|line| line.starts_with("mdss_relay_attempts_total{"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum();
        assert_eq!(value(&well, "mdss_relay_attempt_seconds_count"), Some(all));
        assert_eq!(value(&well, "mdss_relay_attempt_seconds_bucket{le=\"+Inf\"}"), Some(all));
        // The old names show what the new ones do.
        let old = outcome("accepted").replace("relay_attempts", "relay_spool_attempts");
        assert_eq!(value(&well, &old), (mode == "spooled").then_some(1.0));
        for name in ["stored", "accepted"] {
            let stored = value(&well, &format!("mdss_relay_spool_{name}_total"));
            assert_eq!(stored, (mode == "spooled").then_some(1.0), "{name}");
        }
    }
}

/// What doctor would say, the server says by itself: as a metric, and in a line when it changes. It submits nothing, and tries no wrong key.
#[tokio::test]
async fn a_server_looks_at_its_set_up_again_and_again() {
    const LIMIT: Duration = Duration::from_secs(60);
    let away = mdss_sim::Away::new().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("RELAY_TOKEN", "a-token-of-the-tests")
        .env("APIENDPOINT", away.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_STORAGE_TYPE", "s3-compatible")
        .env("RELAY_CHECK_EVERY", "1s");
    let server = Server::start(&program, LIMIT).await.unwrap();
    let says = async |id: &str, value: Option<u8>| {
        let page = server.send("GET", "/metrics", &[], Vec::new()).await.unwrap().text();
        let name = format!("mdss_relay_check{{id=\"{id}\"}} ");
        let found = page.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned);
        found == value.map(|value| value.to_string())
    };
    until("it fails", LIMIT, async || says("network.connect", Some(2)).await).await.unwrap();
    assert!(says("mdss.api", None).await, "what was not looked at says nothing");
    let sim = away.back(Config::default()).await.unwrap();
    until("it is well again", LIMIT, async || says("network.connect", Some(0)).await).await.unwrap();
    until("MDSS was asked", LIMIT, async || says("mdss.api", Some(0)).await).await.unwrap();
    assert!(says("mdss.key", None).await, "without a wrong key beside it nobody can tell");
    assert_eq!(sim.accepted().len(), 0);
    let mut posted = sim.requests().into_iter().filter(|request| request.method == "POST").peekable();
    assert!(posted.peek().is_some() && posted.all(|request| request.authorized), "no wrong key");
    let output = server.process.output();
    let lines = |what: &str| output.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("check network.connect of "), 2, "once bad, once well again: {output}");
    assert_eq!(lines("is well again"), 1, "{output}");
}
