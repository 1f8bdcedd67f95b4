//! Names of metrics are an interface: the guide lists all of them, and no alert asks for another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::path::Path;

use mdss_relay_http::METRICS;

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

#[test]
fn no_alert_asks_for_what_there_is_not_and_each_is_explained() {
    let (alerts, tests, guide) = (
        read("deploy/prometheus/alerts.yml"),
        read("deploy/prometheus/alerts_test.yml"),
        read("docs/operation.md"),
    );
    let names: BTreeSet<_> = METRICS.iter().map(|(name, ..)| *name).collect();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for text in [&alerts, &tests] {
        for found in text.split(|c| !word(c)).filter(|w| w.starts_with("mdss_relay_")) {
            assert!(names.contains(found), "{found} is no metric");
        }
    }
    let declared: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(declared.len() > 5);
    for alert in declared {
        assert!(guide.contains(&format!("| `{alert}` |")), "{alert} is not in the guide");
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} is not tested");
    }
}
