//! What doctor looks at and a server can look at by itself, again and again: the way to MDSS, MDSS, and whether its buckets tell it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_checks::{Finding, Outcome, Setup, Status, repeated};
use mdss_relay_core::fields;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::configuration::InForce;
use crate::metrics::Counters;

/// From the start to the first look: whoever is started again and again must not ask MDSS each time.
const FIRST: Duration = Duration::from_secs(60);

/// While something fails, it is looked again so soon.
const SOON: Duration = Duration::from_secs(300);

/// How often it is seen whether the settings have changed, where nothing is looked at.
const IDLE: Duration = Duration::from_secs(60);

/// Looks for as long as the server runs.
pub(crate) async fn watch(counters: Arc<Counters>, running: watch::Receiver<Arc<InForce>>) {
    let mut known: BTreeMap<(&'static str, String), Status> = BTreeMap::new();
    let mut pause = running.borrow().http.check_every.map_or(IDLE, |every| every.min(FIRST));
    loop {
        sleep(pause).await;
        let configuration = running.borrow().clone();
        let Some(every) = configuration.http.check_every else {
            counters.checked(BTreeMap::new());
            known.clear();
            pause = IDLE;
            continue;
        };
        let findings = repeated(&setup(&configuration)).await;
        findings.iter().for_each(|finding| tell(finding, known.get(&name(finding))));
        let fails = findings.iter().any(|finding| finding.outcome.status == Status::Fail);
        counters.checked(worst(&findings));
        known = findings.iter().map(|finding| (name(finding), finding.outcome.status)).collect();
        pause = if fails { every.min(SOON) } else { every };
    }
}

fn setup(running: &InForce) -> Setup {
    Setup {
        name: "this relay".to_owned(),
        settings: running.relay.settings().clone(),
        http: running.http.clone(),
        stores: running.stores.clone(),
        // A server with a mistake in its settings does not start.
        stores_are_wrong: false,
        config: running.origin.configuration().filter(|name| *name != "RELAY_CONFIG_TOML").map(Into::into),
        key_missing: Outcome::unknown("the server has no API key", ""),
        replace_key: "put it where APIKEY or APIKEY_FILE has it; mdss-relay doctor says how".to_owned(),
    }
}

fn name(finding: &Finding) -> (&'static str, String) {
    (finding.check.id, finding.subject.clone())
}

/// Of each check the worst that it says of anything, from 0, all is well, to 2, it fails. Of what is unknown there is none.
fn worst(findings: &[Finding]) -> BTreeMap<&'static str, u8> {
    let mut worst = BTreeMap::new();
    for finding in findings {
        let value = match finding.outcome.status {
            Status::Ok => 0,
            Status::Warn => 1,
            Status::Fail => 2,
            Status::Unknown | Status::Skipped(_) => continue,
        };
        let known = worst.entry(finding.check.id).or_insert(value);
        *known = value.max(*known);
    }
    worst
}

/// A line when something becomes bad, and when it is well again.
fn tell(finding: &Finding, before: Option<&Status>) {
    let (id, subject, Outcome { status, found, expected, remedy, .. }) =
        (finding.check.id, finding.subject.as_str(), &finding.outcome);
    if before == Some(status) {
        return;
    }
    let said = || {
        let mut said = format!("check {id} of {subject}: {found}");
        for (word, text) in [("expected", expected), ("to do", remedy)] {
            if !text.is_empty() {
                said.push_str(&format!("; {word}: {text}"));
            }
        }
        said
    };
    match status {
        Status::Fail => error!({ fields::CHECK_ID } = id, "{}", said()),
        Status::Warn => warn!({ fields::CHECK_ID } = id, "{}", said()),
        Status::Ok if matches!(before, Some(Status::Fail | Status::Warn)) => {
            info!({ fields::CHECK_ID } = id, "check {id} of {subject} is well again: {found}");
        }
        Status::Ok | Status::Unknown | Status::Skipped(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use mdss_relay_checks::Check;

    use super::*;

    #[test]
    fn the_worst_of_a_check_counts_and_what_is_unknown_does_not() {
        let finding = |id: &str, outcome: Outcome| Finding {
            check: Check::of(id),
            subject: String::new(),
            outcome,
            ms: 0,
        };
        let findings = [
            finding("bucket.emits", Outcome::ok("")),
            finding("bucket.emits", Outcome::fail("", "", "")),
            finding("bucket.emits", Outcome::warn("", "", "")),
            finding("bucket.list", Outcome::unknown("", "")),
            finding("network.tls", Outcome::ok("")),
            finding("mdss.api", Outcome::skipped("network.tls")),
        ];
        let worst: Vec<_> = worst(&findings).into_iter().collect();
        assert_eq!(worst, [("bucket.emits", 2), ("network.tls", 0)]);
    }
}
