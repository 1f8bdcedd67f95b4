//! The table a person reads.

use std::collections::BTreeMap;

use crate::replay::outcome::{Delivered, Row};
use crate::visible::visible;

const HEAD: [&str; 6] = ["DELIVERY", "OBJECT", "RESULT", "REASON", "CORRELATION ID", "MS"];

/// One line an object, the sentence for what failed below it, and the sums at the end.
pub(super) fn table(deliveries: &[Delivered]) -> String {
    let mut lines: Vec<([String; 6], Option<String>)> = vec![(HEAD.map(str::to_owned), None)];
    let (mut outcomes, mut sums) = (Sums::default(), Sums::default());
    for delivered in deliveries {
        outcomes.add(&delivered.outcome.replace('_', " "), 1);
        for (result, count) in &delivered.counts {
            sums.add(result, *count);
        }
        if !delivered.counts.is_empty() {
            let all: usize = delivered.counts.values().sum();
            let what =
                format!("{} of {all} records are listed, of those that failed", delivered.records.len());
            lines.push((cells(&delivered.file, "-", &delivered.outcome, "-", "-", "-"), Some(what)));
        } else if delivered.records.is_empty() {
            lines.push((cells(&delivered.file, "-", "done", "no records", "-", "-"), None));
        }
        for (index, row) in delivered.records.iter().enumerate() {
            let file = if index == 0 { delivered.file.as_str() } else { "" };
            let line = cells(
                file,
                &object(row),
                &row.result,
                row.reason.as_deref().unwrap_or("-"),
                row.correlation_id.as_deref().unwrap_or("-"),
                &row.ms.to_string(),
            );
            lines.push((line, row.detail.as_deref().map(visible)));
            // A row without an item stands for the delivery as a whole.
            if delivered.counts.is_empty() && !row.item.is_empty() {
                sums.add(&row.result, 1);
            }
        }
    }
    let width = |column: usize| lines.iter().map(|(l, _)| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for (line, detail) in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(&format!("{:>5}\n", line[5]));
        if let Some(detail) = detail {
            text.push_str(&format!("    {detail}\n"));
        }
    }
    text + &format!("{}; {}", outcomes.said("delivery", "deliveries"), sums.said("record", "records"))
}

/// How many of what.
#[derive(Default)]
struct Sums(BTreeMap<String, usize>);

impl Sums {
    fn add(&mut self, what: &str, count: usize) {
        *self.0.entry(what.to_owned()).or_default() += count;
    }

    fn said(&self, one: &str, many: &str) -> String {
        let all: usize = self.0.values().sum();
        let parts: Vec<_> = self.0.iter().map(|(what, n)| format!("{n} {}", visible(what))).collect();
        match all {
            0 => format!("no {many}"),
            1 => format!("1 {one}: {}", parts.join(", ")),
            all => format!("{all} {many}: {}", parts.join(", ")),
        }
    }
}

fn cells(file: &str, object: &str, result: &str, reason: &str, id: &str, ms: &str) -> [String; 6] {
    [file, object, result, reason, id, ms].map(visible)
}

/// A name may have a thousand characters; the table has room for the end of it, which tells more than its beginning.
fn object(row: &Row) -> String {
    const MOST: usize = 60;
    let name = name(row);
    let length = name.chars().count();
    if length <= MOST {
        name
    } else {
        std::iter::once('…').chain(name.chars().skip(length - MOST)).collect()
    }
}

fn name(row: &Row) -> String {
    match (&row.bucket, &row.key) {
        (Some(bucket), Some(key)) => format!("{bucket}/{key}"),
        (Some(bucket), None) => format!("{bucket} (item {})", row.item),
        (None, _) if row.item.is_empty() => "-".into(),
        (None, _) => format!("item {}", row.item),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_table() {
        let body = r#"{"outcome":"transient","records":[
            {"item":"0","bucket":"b","key":"a\u001b[31m\n\u202e.","result":"accepted","reason":null,"detail":null,"correlation_id":"67ea","attempts":1,"ms":2},
            {"item":"1","bucket":"b","key":"k","result":"failed","reason":"mdss_unavailable","detail":"MDSS answered 503","correlation_id":null,"attempts":4,"ms":1200}]}"#;
        let deliveries = [
            Delivered::answered("one.json", Some(503), body.as_bytes(), Duration::ZERO),
            Delivered::left_out("two.json", "a whole request"),
            Delivered::answered(
                "three.json",
                Some(200),
                br#"{"outcome":"done","records":[]}"#,
                Duration::ZERO,
            ),
        ];
        insta::assert_snapshot!(table(&deliveries), @r"
        DELIVERY    OBJECT                      RESULT    REASON            CORRELATION ID     MS
        one.json    b/a\u001b[31m\u000a\u202e.  accepted  -                 67ea                2
                    b/k                         failed    mdss_unavailable  -                1200
            MDSS answered 503
        two.json    -                           left out  -                 -                   0
            a whole request
        three.json  -                           done      no records        -                   -
        3 deliveries: 1 done, 1 left out, 1 transient; 2 records: 1 accepted, 1 failed
        ");
    }
}
