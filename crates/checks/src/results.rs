//! Where groups put what they found, and learn what others found.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mdss_relay_core::SETTINGS;
use tokio::sync::watch;

use crate::check::{CHECKS, Check, Group, Worst};
use crate::outcome::{Outcome, Status};

/// The longest that one look may take. What takes longer is unknown, and the others do not wait for it.
pub const LONGEST: Duration = Duration::from_secs(5);

/// What one check says of one subject.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which check.
    pub check: &'static Check,
    /// What was looked at: a file, a host, a route.
    pub subject: String,
    /// What it says.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// The findings of all groups, as they come.
pub struct Results {
    found: Mutex<BTreeMap<&'static str, Ended>>,
    /// Told of each check that has ended.
    changes: watch::Sender<()>,
    longest: Duration,
    live: bool,
}

/// What a check said that has ended.
struct Ended {
    findings: Vec<Finding>,
    /// The check because of which those that need this one are not looked at.
    hinders: Option<&'static str>,
}

impl Results {
    /// None yet. Each look may take `longest`; without `live` no check is made that submits something.
    pub fn new(longest: Duration, live: bool) -> Self {
        Self { found: Mutex::default(), changes: watch::Sender::new(()), longest, live }
    }

    /// Whether a check may be made: those that submit something only with `--live`.
    fn may_be_made(&self, id: &str) -> bool {
        self.live || !Check::of(id).live
    }

    /// Makes one check of one subject: when each check that it `needs` has ended, and unless one of them hinders it. A check hinders if it
    /// failed or was skipped itself.
    pub async fn check(
        &self,
        id: &'static str,
        subject: impl Into<String>,
        needs: &[&'static str],
        look: impl Future<Output = Outcome>,
    ) -> Status {
        if !self.may_be_made(id) {
            return Status::Skipped(id);
        }
        let subject = subject.into();
        let (outcome, ms) = match self.hindrance(needs).await {
            Some(by) => (Outcome::skipped(by), 0),
            None => self.timed(look).await,
        };
        let status = outcome.status;
        self.report(id, vec![(subject, outcome, ms)]);
        status
    }

    /// Makes one check that has several subjects, or none, and finds them while it looks. The same bound holds for all of them together.
    pub async fn check_each(
        &self,
        id: &'static str,
        subject: &str,
        needs: &[&'static str],
        look: impl Future<Output = Vec<(String, Outcome)>>,
    ) {
        if !self.may_be_made(id) {
            return;
        }
        if let Some(by) = self.hindrance(needs).await {
            return self.report(id, vec![(subject.to_owned(), Outcome::skipped(by), 0)]);
        }
        let start = Instant::now();
        let Ok(found) = tokio::time::timeout(self.longest, look).await else {
            return self.report(id, vec![(subject.to_owned(), self.too_long(), millis(start))]);
        };
        let ms = millis(start);
        self.report(id, found.into_iter().map(|(subject, outcome)| (subject, outcome, ms)).collect());
    }

    /// Puts down what a check found that has looked by itself. One that warns at most does not fail.
    pub fn report(&self, id: &'static str, found: Vec<(String, Outcome, u64)>) {
        let check = Check::of(id);
        let finding = |(subject, mut outcome, ms): (String, Outcome, u64)| {
            if check.worst == Worst::Warn && outcome.status == Status::Fail {
                outcome.status = Status::Warn;
            }
            for text in [&mut outcome.expected, &mut outcome.remedy] {
                *text = with_members(text);
            }
            Finding { check, subject, outcome, ms }
        };
        let findings: Vec<_> = found.into_iter().map(finding).collect();
        let hinders = findings.iter().find_map(|finding| match finding.outcome.status {
            Status::Fail => Some(id),
            Status::Skipped(by) => Some(by),
            Status::Ok | Status::Warn | Status::Unknown => None,
        });
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // A check may look at more than one thing, and report each by itself.
        let ended = found.entry(id).or_insert(Ended { findings: Vec::new(), hinders: None });
        ended.findings.extend(findings);
        ended.hinders = ended.hinders.or(hinders);
        drop(found);
        self.changes.send_replace(());
    }

    /// Ends a group: who needs a check that it has not made need not wait for it.
    pub fn end(&self, group: Group) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for check in CHECKS.iter().filter(|check| check.group == group) {
            found.entry(check.id).or_insert(Ended { findings: Vec::new(), hinders: None });
        }
        drop(found);
        self.changes.send_replace(());
    }

    /// What was found, in the order of the table.
    pub fn findings(self) -> Vec<Finding> {
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        CHECKS.iter().filter_map(|check| found.remove(check.id)).flat_map(|ended| ended.findings).collect()
    }

    /// Waits for what a check needs, and says what hinders it.
    async fn hindrance(&self, needs: &[&'static str]) -> Option<&'static str> {
        let mut changes = self.changes.subscribe();
        loop {
            {
                let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(by) = needs.iter().find_map(|id| found.get(id)?.hinders) {
                    return Some(by);
                }
                if needs.iter().all(|id| found.contains_key(id)) {
                    return None;
                }
            }
            // One that nobody makes keeps nobody waiting for ever.
            if tokio::time::timeout(self.longest * 3, changes.changed()).await.is_err() {
                return None;
            }
        }
    }

    async fn timed(&self, look: impl Future<Output = Outcome>) -> (Outcome, u64) {
        let start = Instant::now();
        let outcome = tokio::time::timeout(self.longest, look).await;
        (outcome.unwrap_or_else(|_| self.too_long()), millis(start))
    }

    fn too_long(&self) -> Outcome {
        let why = format!("no answer within {} s", self.longest.as_secs_f64());
        Outcome::unknown(why, "run doctor again; if it stays so, the disk or the network hangs")
    }
}

/// A sentence that has, beside each variable, the member of the TOML that says the same: `RELAY_CA_FILE (ca_file in [mdss])`.
fn with_members(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    while let Some(start) = rest.find(is_of_name) {
        let length = rest[start..].find(|c| !is_of_name(c)).unwrap_or(rest.len() - start);
        let (before, after) = rest.split_at(start + length);
        told.push_str(before);
        let setting = SETTINGS.iter().find(|setting| setting.variable == &before[start..]);
        if let Some((table, member)) = setting.and_then(|setting| setting.toml?.split_once('.'))
            && !after.starts_with('=')
        {
            told.push_str(&format!(" ({member} in [{table}])"));
        }
        rest = after;
    }
    told + rest
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_its_member_beside_it() {
        for (text, want) in [
            ("the port in APIENDPOINT, or", "the port in APIENDPOINT (endpoint in [mdss]), or"),
            ("name it in RELAY_CA_FILE", "name it in RELAY_CA_FILE (ca_file in [mdss])"),
            ("RELAY_TLS_VERIFY=on, which", "RELAY_TLS_VERIFY=on, which"),
            ("MY_APIENDPOINT and ÄAPIKEY_X", "MY_APIENDPOINT and ÄAPIKEY_X"),
        ] {
            assert_eq!(with_members(text), want);
        }
    }

    fn statuses(results: Results) -> Vec<(&'static str, Status)> {
        results.findings().iter().map(|finding| (finding.check.id, finding.outcome.status)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_needs_a_failed_check_is_skipped_because_of_it() {
        let results = Results::new(LONGEST, false);
        let fails = async { Outcome::fail("a", "b", "c") };
        let never = async { panic!("it was not to be looked at") };
        let unneeded = async { panic!("it was not to be looked at, either") };
        // Those that wait come first.
        tokio::join!(
            results.check("mdss.api", "", &["network.tls"], unneeded),
            async {
                tokio::join!(
                    results.check("network.tls", "", &["network.dns"], never),
                    results.check("network.dns", "", &[], fails),
                );
                results.end(Group::Network);
            },
            results.check("relay.ready", "", &["network.proxy"], async { Outcome::ok("") }),
            // In a group that does not end.
            results.check("relay.oldest", "", &["relay.held"], async { Outcome::ok("") }),
        );
        let want = [
            ("network.dns", Status::Fail),
            ("network.tls", Status::Skipped("network.dns")),
            ("mdss.api", Status::Skipped("network.dns")),
            ("relay.ready", Status::Ok),
            ("relay.oldest", Status::Ok),
        ];
        assert_eq!(statuses(results), want, "in the order of the table");
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_unknown_and_keeps_nobody_waiting() {
        let results = Results::new(LONGEST, false);
        let start = tokio::time::Instant::now();
        tokio::join!(
            results.check("network.dns", "", &[], std::future::pending()),
            results.check_each("settings.valid", "all", &[], std::future::pending()),
            results.check("network.connect", "", &["network.dns"], async { Outcome::ok("") }),
        );
        assert_eq!(start.elapsed(), LONGEST);
        let want = [
            ("settings.valid", Status::Unknown),
            ("network.dns", Status::Unknown),
            ("network.connect", Status::Ok),
        ];
        assert_eq!(statuses(results), want);
    }

    #[tokio::test]
    async fn nothing_is_submitted_without_being_asked_for_and_a_warning_never_fails() {
        for (live, made) in [(false, 0), (true, 1)] {
            let results = Results::new(LONGEST, live);
            results.check("mdss.real_time", "", &[], async { Outcome::ok("") }).await;
            assert_eq!(results.findings().len(), made);
        }
        let results = Results::new(LONGEST, false);
        results.check("machine.open_files", "", &[], async { Outcome::fail("", "", "") }).await;
        assert_eq!(statuses(results), [("machine.open_files", Status::Warn)]);
    }
}
