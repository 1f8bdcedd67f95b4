//! The findings, for people and for programs. All is well in a line for each group; only trouble is long.

use std::path::Path;

use serde_json::{Value, json};

use mdss_relay_checks::Finding;
use mdss_relay_checks::Status;
use mdss_relay_checks::{DOCS, Group};

/// Where the package lays down the pages (`.ci/packages`).
const INSTALLED: &str = "/usr/share/doc/mdss-relay";

/// How many findings have each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) ok: usize,
    pub(crate) warn: usize,
    pub(crate) fail: usize,
    pub(crate) unknown: usize,
    pub(crate) skipped: usize,
    /// Those of `unknown` that no set-up makes known.
    beyond: usize,
}

impl Counts {
    pub(crate) fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        findings.into_iter().fold(Self::default(), |mut counts, finding| {
            counts.beyond += usize::from(finding.outcome.beyond);
            *match finding.outcome.status {
                Status::Ok => &mut counts.ok,
                Status::Warn => &mut counts.warn,
                Status::Fail => &mut counts.fail,
                Status::Unknown => &mut counts.unknown,
                Status::Skipped(_) => &mut counts.skipped,
            } += 1;
            counts
        })
    }

    /// Whether the exit status is 0: nothing failed; or, if it is `strict`, everything that can be known is known and well.
    pub(crate) fn are_good(self, strict: bool) -> bool {
        self.fail == 0 && (!strict || (self.warn == 0 && self.unknown == self.beyond && self.skipped == 0))
    }

    /// `12 ok, 1 warning`: what there is none of is left out, except what is well.
    fn words(self) -> String {
        let mut words = format!("{} ok", self.ok);
        for (count, one, many) in [
            (self.warn, "warning", "warnings"),
            (self.fail, "failed", "failed"),
            (self.unknown, "unknown", "unknown"),
            (self.skipped, "skipped", "skipped"),
        ] {
            if count > 0 {
                words += &format!(", {count} {}", if count == 1 { one } else { many });
            }
        }
        words
    }

    /// The word in front of a group's line.
    const fn word(self) -> &'static str {
        match self {
            Self { fail: 1.., .. } => "FAIL",
            Self { warn: 1.., .. } => "warn",
            Self { unknown: 1.., .. } => "?",
            Self { skipped: 1.., .. } => "-",
            _ => "ok",
        }
    }
}

/// The checklist: a line for each group, below it what is not well, and a last line with the counts.
pub(crate) fn lines(name: &str, findings: &[Finding], verbose: bool) -> Vec<String> {
    let mut lines = vec![format!("mdss-relay doctor {}: {name}", env!("CARGO_PKG_VERSION"))];
    for group in Group::ALL {
        let of_group: Vec<_> = findings.iter().filter(|finding| finding.check.group == group).collect();
        if of_group.is_empty() {
            continue;
        }
        let counts = Counts::of(of_group.iter().copied());
        lines.push(format!("{:<5} {:<9} {}", counts.word(), group.name(), counts.words()));
        for finding in &of_group {
            trouble(finding, verbose, &mut lines);
        }
        skipped(&of_group, &mut lines);
    }
    if Path::new(INSTALLED).join("doctor.md").exists() {
        lines = lines.iter().map(|line| installed(line)).collect();
    }
    let counts = Counts::of(findings);
    let verdict = match counts {
        Counts { fail: 1.., .. } => "something has to be mended",
        Counts { warn: 1.., .. } | Counts { unknown: 1.., .. } | Counts { skipped: 1.., .. } => {
            "nothing failed"
        }
        _ => "all is well",
    };
    lines.push(format!("{}: {verdict}", counts.words()));
    lines
}

/// What is not well: where, what was found, what was expected, what to do.
fn trouble(finding: &Finding, verbose: bool, lines: &mut Vec<String>) {
    let (outcome, check) = (&finding.outcome, finding.check);
    match outcome.status {
        Status::Ok if verbose => {
            return lines.push(format!("      ok {} ({}): {}", check.id, check.looks_at, outcome.found));
        }
        Status::Ok | Status::Skipped(_) => return,
        Status::Warn | Status::Fail | Status::Unknown => {}
    }
    lines.push(format!("      {} {}: {}", outcome.status.name(), check.id, finding.subject));
    let found = if outcome.status == Status::Unknown { "because" } else { "found" };
    for (word, text) in [(found, &outcome.found), ("expected", &outcome.expected), ("to do", &outcome.remedy)]
    {
        if !text.is_empty() {
            lines.push(format!("        {:<10}{text}", format!("{word}:")));
        }
    }
    lines.push(format!("        {:<10}{}", "more:", check.doc()));
}

/// One line for each check that is the cause.
fn skipped(findings: &[&Finding], lines: &mut Vec<String>) {
    let mut causes: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings {
        let Status::Skipped(by) = finding.outcome.status else { continue };
        let id = finding.check.id;
        match causes.iter_mut().find(|(cause, _)| *cause == by) {
            Some((_, ids)) if ids.contains(&id) => {}
            Some((_, ids)) => ids.push(id),
            None => causes.push((by, vec![id])),
        }
    }
    for (by, ids) in causes {
        lines.push(format!("      skipped, because of {by}: {}", ids.join(", ")));
    }
}

/// A line in which pages are called as the package has laid them down.
fn installed(line: &str) -> String {
    let word = |word: &str| match word.strip_prefix(DOCS) {
        Some(page) if !page.is_empty() => format!("{INSTALLED}/{page}"),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The same for programs: one object with the checks in order. Its members and the ids stay as they are; more may come.
pub(crate) fn json(name: &str, findings: &[Finding]) -> Value {
    let counts = Counts::of(findings);
    let check = |finding: &Finding| {
        let Finding { check, subject, outcome, ms } = finding;
        let by = match outcome.status {
            Status::Skipped(by) => Some(by),
            _ => None,
        };
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        json!({
            "id": check.id,
            "status": outcome.status.name(),
            "by": by,
            "subject": subject,
            "found": outcome.found,
            "expected": some(&outcome.expected),
            "remedy": some(&outcome.remedy),
            "doc": check.doc(),
            "ms": ms,
        })
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "subject": name,
        "checks": findings.iter().map(check).collect::<Vec<_>>(),
        "counts": {
            "ok": counts.ok,
            "warn": counts.warn,
            "fail": counts.fail,
            "unknown": counts.unknown,
            "skipped": counts.skipped,
        },
    })
}

#[cfg(test)]
mod tests {
    use mdss_relay_checks::Check;
    use mdss_relay_checks::Outcome;

    use super::*;

    #[test]
    fn one_line_for_each_cause_of_what_was_skipped() {
        let finding = |id, by| Finding {
            check: Check::of(id),
            subject: "s".into(),
            outcome: Outcome::skipped(by),
            ms: 0,
        };
        let findings = [
            finding("network.dns", "settings.valid"),
            finding("network.tls", "network.proxy"),
            finding("network.tls", "network.proxy"),
            finding("network.clock", "settings.valid"),
        ];
        let lines = lines("n", &findings, false);
        assert_eq!(
            lines[2..4],
            [
                "      skipped, because of settings.valid: network.dns, network.clock",
                "      skipped, because of network.proxy: network.tls"
            ]
        );
    }

    #[test]
    fn strict_passes_over_what_no_set_up_makes_known_and_over_nothing_else() {
        let finding = |id, outcome| Finding { check: Check::of(id), subject: "s".into(), outcome, ms: 0 };
        let known = || finding("network.dns", Outcome::ok("o"));
        let beyond = || finding("loop.canary", Outcome::beyond("w", "r"));
        for (findings, good) in [
            (vec![known(), beyond()], true),
            (vec![known(), beyond(), finding("mdss.key", Outcome::unknown("w", "r"))], false),
        ] {
            let counts = Counts::of(&findings);
            assert_eq!((counts.are_good(true), counts.are_good(false)), (good, true));
            // It is shown all the same, and never as good.
            let lines = lines("n", &findings, false);
            assert!(lines.iter().any(|line| line.contains("unknown loop.canary")), "{lines:?}");
            assert!(!lines.last().unwrap().contains("all is well"), "{lines:?}");
        }
    }

    #[test]
    fn pages_are_called_as_they_are_installed() {
        for (line, want) in [
            ("  more:  docs/doctor.md#mdss.key", "  more:  /usr/share/doc/mdss-relay/doctor.md#mdss.key"),
            ("see docs/answers.md, then", "see /usr/share/doc/mdss-relay/answers.md, then"),
            ("/home/me/docs/relay.toml docs/", "/home/me/docs/relay.toml docs/"),
        ] {
            assert_eq!(installed(line), want);
        }
    }
}
