//! Lines that would say the same again.
//!
//! A sender that repeats a failed event without a pause, hundreds of times a second, would fill a disk with the same line. What failed
//! is written once, then once a minute, with the number of times in between; likewise that a write is known already.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::deliver::report::{Record, Report, ResultKind};
use crate::plain::fields;
use crate::plan::plan::{Plan, Planned};
use crate::plan::skip::SkipReason;

/// For so long a line speaks for those that would say the same.
const MINUTE: Duration = Duration::from_secs(60);

/// Lines that are remembered; of more different ones, the oldest are written again.
const MOST: usize = 4096;

/// What was written of late.
#[derive(Default)]
pub(crate) struct Repeats {
    hasher: RandomState,
    recent: Mutex<RecentLines>,
}

#[derive(Default)]
struct RecentLines {
    lines: HashMap<u64, Line>,
    /// In the order in which they were written.
    order: VecDeque<u64>,
}

struct Line {
    written: Instant,
    /// How often it was left out since.
    left_out: u64,
    /// What it is about, for the line with the number.
    about: About,
}

/// What is said of lines that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    source: Option<String>,
    bucket: Option<String>,
    key: Option<String>,
    reason: Option<&'static str>,
}

impl About {
    fn log(&self, times: u64) {
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    { fields::SOURCE } = self.source,
                    { fields::BUCKET } = self.bucket,
                    { fields::KEY } = self.key,
                    { fields::REASON } = self.reason,
                    { fields::TIMES } = times,
                    "the same came again; lines left out within a minute"
                )
            };
        }
        if self.reason == Some(SkipReason::Duplicate.name()) { line!(info) } else { line!(warn) }
    }
}

impl Repeats {
    /// Marks the records of a report whose lines were written of late, and logs how many were left out where a minute is
    /// over.
    pub(crate) fn quieten(&self, plan: &Plan, report: &mut Report) {
        let now = Instant::now();
        let mut over = Vec::new();
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.forget(now, &mut over);
            for (planned, record) in plan.records.iter().zip(&mut report.records) {
                if says_something_again(record) {
                    let line = self.hash(plan, planned, record);
                    record.quiet = !recent.note(line, now, || about(plan, record), &mut over);
                }
            }
        }
        over.iter().for_each(|(about, times)| about.log(*times));
    }

    /// A write of an object is known by bucket, key, ETag and time, and what it fails for by its name. Of a record without them one is distinguished
    /// from the next by all that it says.
    fn hash(&self, plan: &Plan, planned: &Planned, record: &Record) -> u64 {
        let place = (plan.source.as_deref(), record.reason, record.bucket.as_deref());
        match &record.key {
            Some(key) => {
                let (etag, time) =
                    (&planned.details.etag, planned.details.time.map(|time| time.as_nanosecond()));
                self.hasher.hash_one((place, key, etag, time))
            }
            None => {
                let details = format!("{:?}", planned.details);
                self.hasher.hash_one((place, &record.item, &record.detail, details))
            }
        }
    }
}

/// Failures, which their sender repeats, and what it repeats beside them. Not what can never be used and names no object: two of these are
/// alike and may be two objects, and the line is all there is of them.
fn says_something_again(record: &Record) -> bool {
    let nameless = record.is_unusable() && record.key.is_none();
    (record.result == ResultKind::Failed && !nameless) || record.reason == Some(SkipReason::Duplicate.name())
}

fn about(plan: &Plan, record: &Record) -> About {
    let (bucket, key) = (record.bucket.clone(), record.key.clone());
    About { source: plan.source.clone(), bucket, key, reason: record.reason }
}

impl RecentLines {
    /// Remembers a line. True if it is to be written: it was not of late.
    fn note(
        &mut self,
        line: u64,
        now: Instant,
        about: impl FnOnce() -> About,
        over: &mut Vec<(About, u64)>,
    ) -> bool {
        if let Some(known) = self.lines.get_mut(&line) {
            known.left_out += 1;
            return false;
        }
        self.lines.insert(line, Line { written: now, left_out: 0, about: about() });
        self.order.push_back(line);
        while self.order.len() > MOST {
            self.forget_oldest(over);
        }
        true
    }

    fn forget(&mut self, now: Instant, over: &mut Vec<(About, u64)>) {
        let is_over = |line: &Line| now.duration_since(line.written) >= MINUTE;
        while self.order.front().is_some_and(|oldest| self.lines.get(oldest).is_none_or(is_over)) {
            self.forget_oldest(over);
        }
    }

    fn forget_oldest(&mut self, over: &mut Vec<(About, u64)>) {
        if let Some(line) = self.order.pop_front().and_then(|oldest| self.lines.remove(&oldest))
            && line.left_out > 0
        {
            over.push((line.about, line.left_out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: u32) -> About {
        About {
            source: None,
            bucket: Some("b".into()),
            key: Some(n.to_string()),
            reason: Some("unmapped_bucket"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn once_a_minute_and_then_how_often() {
        let (mut recent, mut over) = (RecentLines::default(), Vec::new());
        let start = Instant::now();
        assert!(recent.note(1, start, || object(1), &mut over));
        for n in 0..100 {
            let now = start + Duration::from_millis(n * 500);
            recent.forget(now, &mut over);
            assert!(!recent.note(1, now, || object(1), &mut over), "{n}");
            assert_eq!(recent.note(2, now, || object(2), &mut over), n == 0, "{n}");
        }
        assert!(over.is_empty());
        recent.forget(start + MINUTE, &mut over);
        assert_eq!(over, [(object(1), 100), (object(2), 99)]);
        assert!(recent.note(1, start + MINUTE, || object(1), &mut over), "written again");
        // What did not come again has nothing more to be said of it.
        over.clear();
        recent.forget(start + 2 * MINUTE, &mut over);
        assert!(over.is_empty() && recent.lines.is_empty() && recent.order.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let (mut recent, mut over) = (RecentLines::default(), Vec::new());
        let now = Instant::now();
        assert!(recent.note(0, now, || object(0), &mut over));
        assert!(!recent.note(0, now, || object(0), &mut over));
        for n in 1..=u64::try_from(MOST).unwrap() {
            assert!(recent.note(n, now, || object(1), &mut over));
        }
        assert_eq!((recent.lines.len(), recent.order.len(), over.len()), (MOST, MOST, 1));
        assert!(recent.note(0, now, || object(0), &mut over), "forgotten, so written again");
    }
}
