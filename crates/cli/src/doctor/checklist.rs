//! The findings, for people and for programs. All is well in a line for each group; only trouble is long.

use serde_json::{Value, json};

use crate::doctor::check::Group;
use crate::doctor::outcome::Status;
use crate::doctor::results::Finding;

/// How many findings have each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) ok: usize,
    pub(crate) warn: usize,
    pub(crate) fail: usize,
    pub(crate) unknown: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    pub(crate) fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        findings.into_iter().fold(Self::default(), |mut counts, finding| {
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

    /// Whether the exit status is 0: nothing failed; or, if it is `strict`, everything is known and well.
    pub(crate) fn are_good(self, strict: bool) -> bool {
        self.fail == 0 && (!strict || (self.warn == 0 && self.unknown == 0 && self.skipped == 0))
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
        for finding in of_group {
            trouble(finding, verbose, &mut lines);
        }
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
        Status::Ok => return,
        Status::Skipped(by) => {
            return lines.push(format!("      skipped {}: because of {by}", check.id));
        }
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
