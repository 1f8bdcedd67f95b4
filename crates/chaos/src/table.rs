//! The result, for people and for programs.

use serde::Serialize;

use crate::oracle::Count;

/// How many names of lost objects are shown.
const EXAMPLES: usize = 5;

/// One fault's row.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) fault: String,
    /// How often the fault was injected.
    pub(crate) injected: u32,
    pub(crate) issued: u64,
    pub(crate) acknowledged: u64,
    pub(crate) given_up: u64,
    pub(crate) unanswered: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicated: u64,
    /// How many duplicates there may be; none if nobody can say.
    pub(crate) duplicates_allowed: Option<u64>,
    pub(crate) lost: u64,
    /// Acknowledged and lost where the operator has chosen that it may be.
    pub(crate) forgone: u64,
    pub(crate) unissued: u64,
    /// Whether an event that was sent afterwards was delivered.
    pub(crate) fresh: bool,
    pub(crate) seconds: f64,
    /// Some of what is lost or was not issued.
    pub(crate) examples: Vec<String>,
    /// What was measured beside the counting.
    pub(crate) notes: Vec<String>,
    /// What went wrong beside the counting.
    pub(crate) trouble: Option<String>,
    /// What the relay has printed, if the row failed.
    #[serde(skip)]
    pub(crate) output: String,
}

impl Row {
    pub(crate) fn new(fault: String) -> Self {
        Self { fault, ..Self::default() }
    }

    pub(crate) fn count(&mut self, count: Count, allowed: Option<u64>) {
        self.issued = count.issued;
        self.acknowledged = count.acknowledged;
        self.given_up = count.given_up;
        self.unanswered = count.unanswered;
        self.accepted = count.accepted;
        self.duplicated = count.duplicated;
        self.duplicates_allowed = allowed;
        self.lost = count.lost.len() as u64;
        self.unissued = count.strangers.len() as u64;
        self.examples = count.lost.into_iter().chain(count.strangers).take(EXAMPLES).collect();
    }

    /// Whether the promise was kept.
    pub(crate) fn ok(&self) -> bool {
        self.lost == 0
            && self.unissued == 0
            && self.fresh
            && self.trouble.is_none()
            && self.duplicates_allowed.is_none_or(|allowed| self.duplicated <= allowed)
    }

    /// What is wrong, in words; empty if nothing is.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.lost > 0 {
            complaints.push(format!("{} acknowledged objects never reached MDSS", self.lost));
        }
        if self.unissued > 0 {
            complaints.push(format!("{} objects reached MDSS that nobody had announced", self.unissued));
        }
        if let Some(allowed) = self.duplicates_allowed
            && self.duplicated > allowed
        {
            complaints.push(format!("{} duplicates, where the faults excuse {allowed}", self.duplicated));
        }
        if !self.fresh {
            complaints.push("no event that was sent after the faults was delivered".to_owned());
        }
        complaints.extend(self.trouble.clone());
        complaints
    }
}

const HEAD: [&str; 11] = [
    "fault",
    "injected",
    "issued",
    "acknowledged",
    "accepted",
    "duplicated",
    "allowed",
    "unissued",
    "lost",
    "recovers",
    "seconds",
];

/// A table in Markdown, with what failed below it.
pub(crate) fn table(rows: &[Row], skipped: &[(String, String)]) -> String {
    let cells: Vec<[String; 11]> = rows
        .iter()
        .map(|row| {
            [
                format!("`{}`", row.fault),
                row.injected.to_string(),
                row.issued.to_string(),
                row.acknowledged.to_string(),
                row.accepted.to_string(),
                row.duplicated.to_string(),
                row.duplicates_allowed.map_or("-".to_owned(), |allowed| allowed.to_string()),
                row.unissued.to_string(),
                row.lost.to_string(),
                if row.fresh { "yes" } else { "no" }.to_owned(),
                format!("{:.0}", row.seconds),
            ]
        })
        .collect();
    let mut text = String::new();
    let width = |column: usize| {
        cells.iter().map(|row| row[column].len()).chain([HEAD[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let mut line = |cells: &[String]| {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let cell = if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") };
            text.push_str(&format!("| {cell} "));
        }
        text.push_str("|\n");
    };
    line(&HEAD.map(str::to_owned));
    line(
        &widths
            .iter()
            .enumerate()
            .map(|(n, width)| if n == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) })
            .collect::<Vec<_>>(),
    );
    for row in &cells {
        line(row);
    }
    for (fault, why) in skipped {
        text.push_str(&format!("\nnot tried: {fault}: {why}"));
    }
    for row in rows {
        for note in &row.notes {
            text.push_str(&format!("\n{}: {note}", row.fault));
        }
    }
    for row in rows.iter().filter(|row| !row.ok()) {
        for complaint in row.complaints() {
            text.push_str(&format!("\n{}: {complaint}", row.fault));
        }
        for example in &row.examples {
            text.push_str(&format!("\n{}: for example {example}", row.fault));
        }
    }
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
    text.push_str(&format!(
        "\nissued {}, acknowledged {}, accepted {}, duplicated {}, lost {}\n",
        sum(|r| r.issued),
        sum(|r| r.acknowledged),
        sum(|r| r.accepted),
        sum(|r| r.duplicated),
        sum(|r| r.lost)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(change: impl FnOnce(&mut Row)) -> Row {
        let mut row = Row { fresh: true, duplicates_allowed: Some(2), duplicated: 2, ..Row::new("x".into()) };
        change(&mut row);
        row
    }

    #[test]
    fn a_row_is_in_order_only_if_everything_is() {
        for (what, row, complaint) in [
            ("nothing", row(|_| {}), None),
            ("lost", row(|r| r.lost = 1), Some("1 acknowledged objects never reached MDSS")),
            ("unissued", row(|r| r.unissued = 1), Some("1 objects reached MDSS that nobody had announced")),
            ("duplicates", row(|r| r.duplicated = 3), Some("3 duplicates, where the faults excuse 2")),
            ("duplicates nobody can judge", row(|r| (r.duplicated, r.duplicates_allowed) = (3, None)), None),
            (
                "not fresh",
                row(|r| r.fresh = false),
                Some("no event that was sent after the faults was delivered"),
            ),
            ("trouble", row(|r| r.trouble = Some("t".into())), Some("t")),
        ] {
            assert_eq!(row.ok(), complaint.is_none(), "{what}");
            let text = table(&[row], &[]);
            match complaint {
                Some(complaint) => assert!(text.contains(&format!("\nx: {complaint}\n")), "{what}: {text}"),
                None => assert!(!text.contains("\nx: "), "{what}: {text}"),
            }
        }
    }
}
