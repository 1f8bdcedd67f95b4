//! One attack's row: what was sent, what it cost, and whether others got through.

use serde::Serialize;

use super::victim::{Heard, Victim};

/// Megabytes that the relay may have in memory, whatever is sent: a quarter of the smallest machine it is meant for.
pub(super) const MOST_MEMORY: u64 = 200;

/// How many log bytes beside the bound are the neighbour's: each of its events has two lines.
const LINES: u64 = 2048;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) attack: String,
    /// Requests, or connections where none was made.
    pub(crate) requests: u64,
    /// Bytes sent, heads included.
    pub(crate) bytes: u64,
    /// Megabytes that the relay had in memory at most.
    pub(crate) peak_mb: u64,
    /// Bytes of its log; none if nobody could count them.
    pub(crate) log_bytes: Option<u64>,
    /// Events that somebody else has posted meanwhile, and those answered with 200.
    pub(crate) posted: u64,
    pub(crate) served: u64,
    /// Milliseconds that the slowest of these, or of the questions for its health, took.
    pub(crate) slowest_ms: u64,
    pub(crate) seconds: f64,
    /// What is wrong; nothing if the attack was withstood.
    pub(crate) complaints: Vec<String>,
}

impl Row {
    pub(super) fn new(attack: String) -> Self {
        Self { attack, ..Self::default() }
    }

    pub(crate) fn ok(&self) -> bool {
        self.complaints.is_empty()
    }

    pub(super) fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    pub(super) fn sent(&mut self, request: &[u8]) {
        self.requests += 1;
        self.bytes += request.len() as u64;
    }

    /// Notes what somebody with a good event, and whoever asks for its health, has heard.
    pub(super) fn neighbour(&mut self, heard: Heard) {
        self.posted += heard.posted;
        self.served += heard.served;
        self.slowest_ms = self.slowest_ms.max(u64::try_from(heard.slowest.as_millis()).unwrap_or(u64::MAX));
        if heard.posted == 0 {
            self.complain("the good sender posted no event meanwhile".to_owned());
        }
        self.complaints.extend(heard.complaints);
    }

    /// Notes how much it has in memory at most.
    ///
    /// # Errors
    /// If the system does not say.
    pub(super) fn memory(&mut self, victim: &Victim) -> Result<(), String> {
        self.peak_mb = victim.peak()?;
        if self.peak_mb > MOST_MEMORY {
            self.complain(format!(
                "the relay had {} MB in memory, expected at most {MOST_MEMORY}",
                self.peak_mb
            ));
        }
        Ok(())
    }

    /// Notes how much it has logged; `most` is for the attack, beside what the neighbour's events cost.
    ///
    /// # Errors
    /// If the log cannot be looked at.
    pub(super) fn log_within(&mut self, victim: &Victim, most: u64) -> Result<(), String> {
        let bytes = victim.logged()?;
        self.log_bytes = Some(bytes);
        let most = most + LINES * (self.posted + 8);
        if bytes > most {
            self.complain(format!("the relay wrote {bytes} bytes of log, expected at most {most}"));
        }
        Ok(())
    }

    fn cells(&self) -> [String; 9] {
        [
            format!("`{}`", self.attack),
            self.requests.to_string(),
            format!("{:.1}", self.bytes as f64 / 1e6),
            self.peak_mb.to_string(),
            MOST_MEMORY.to_string(),
            self.log_bytes.map_or("-".to_owned(), |bytes| format!("{:.2}", bytes as f64 / 1e6)),
            format!("{} of {}", self.served, self.posted),
            format!("{:.1}", self.slowest_ms as f64 / 1e3),
            if self.ok() { "withstood" } else { "HARM DONE" }.to_owned(),
        ]
    }
}

const HEAD: [&str; 9] =
    ["attack", "requests", "MB sent", "peak MB", "bound", "MB of log", "others served", "slowest s", ""];

/// A table in Markdown, with what is wrong below it.
pub(super) fn table(rows: &[Row]) -> String {
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let width =
        |n: usize| cells.iter().map(|row| row[n].len()).chain([HEAD[n].len()]).max().unwrap_or_default();
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let line = |cells: [String; 9]| {
        let cells: Vec<_> = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(n, (cell, width))| {
                    if n == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(HEAD.map(str::to_owned));
    let mut rule = 0;
    text.push_str(&line([(); 9].map(|()| {
        rule += 1;
        if rule == 1 { "-".repeat(widths[0]) } else { format!("{}:", "-".repeat(widths[rule - 1] - 1)) }
    })));
    cells.into_iter().for_each(|row| text.push_str(&line(row)));
    for row in rows {
        for complaint in &row.complaints {
            text.push_str(&format!("\n{}: {complaint}", row.attack));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_is_in_order_only_if_others_were_served() {
        let heard = |posted, complaints: &[&str]| Heard {
            posted,
            served: posted,
            slowest: Duration::from_millis(1500),
            complaints: complaints.iter().map(|text| (*text).to_owned()).collect(),
        };
        for (heard, complaint) in [
            (heard(3, &[]), None),
            (heard(0, &[]), Some("the good sender posted no event meanwhile")),
            (heard(3, &["/healthz: no answer"]), Some("/healthz: no answer")),
        ] {
            let mut row = Row::new("a".to_owned());
            row.neighbour(heard);
            assert_eq!(row.complaints.first().map(String::as_str), complaint);
            let text = table(&[row]);
            assert!(text.starts_with("| attack | requests |"), "{text}");
            assert_eq!(text.contains("withstood"), complaint.is_none(), "{text}");
        }
    }
}
