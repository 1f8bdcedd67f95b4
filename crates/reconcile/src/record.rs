//! The record of a run in the ledger: where it goes on after a crash, and in the end an entry of the chain.

use std::time::Duration;

use mdss_relay_ledger::{Hash, Ledger, Moment, Run, RunId, RunStart};
use mdss_relay_stores::Cursor;
use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::question::Question;
use crate::trouble::Trouble;

/// A run that was broken off longer ago is not gone on with: its counts would be of two different days.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// What is written of a run. No key is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filed {
    /// The counts.
    pub counts: Counts,
    /// How much of what ought to be covered is, in percent.
    pub coverage: Option<f64>,
    /// Whether the store has listed in order, so that a run could be gone on with.
    pub ordered: bool,
}

impl Filed {
    pub(crate) fn new(counts: &Counts, ordered: bool) -> Self {
        Self { counts: counts.clone(), coverage: counts.coverage(), ordered }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A run that was broken off, and goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    /// When it began.
    pub begun: Moment,
    /// When it was last heard of.
    pub heard: Moment,
    /// What it had found until then.
    pub filed: Filed,
    /// Where it goes on; `None`: it begins again.
    pub cursor: Option<Cursor>,
}

/// How a run stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The number of the entry.
    pub seq: u64,
    /// SHA-256 of the report.
    pub digest: Hash,
}

/// A run in the ledger. Without a ledger nothing is written, and nothing can be gone on with.
pub(crate) struct Record {
    ledger: Option<(Ledger, RunId)>,
}

impl Record {
    /// Begins a run, or goes on with the last one of the bucket if it was asked the same.
    pub(crate) async fn begin(
        ledger: Option<&Ledger>,
        store: &str,
        question: &Question,
        now: Moment,
    ) -> Result<(Self, Option<Resumed>), Trouble> {
        let Some(ledger) = ledger else { return Ok((Self { ledger: None }, None)) };
        let start = RunStart {
            actor: question.actor.clone(),
            store: store.to_owned(),
            bucket: question.bucket.clone(),
            route: question.route.as_ref().map(|(name, _)| name.clone()),
            question: question.text(),
        };
        let last = ledger.last_run(Some(&question.bucket)).await?;
        if let Some(run) = last.filter(|run| goes_on(run, &start, now)) {
            let filed: Filed = serde_json::from_str(&run.report).unwrap_or_default();
            // A cursor that nobody can read is none, and so is one into a listing without an order: then it begins again.
            let cursor = run.cursor.as_deref().and_then(|text| text.parse::<Cursor>().ok());
            let cursor = cursor.filter(|_| filed.ordered);
            let resumed = Resumed { begun: run.begun, heard: run.updated, filed, cursor };
            return Ok((Self { ledger: Some((ledger.clone(), run.id)) }, Some(resumed)));
        }
        let id = ledger.run_begin(start).await?;
        Ok((Self { ledger: Some((ledger.clone(), id)) }, None))
    }

    /// Notes that everything before the cursor is done: what was to be forwarded is on disk.
    pub(crate) async fn note(&self, cursor: Option<&Cursor>, filed: &Filed) -> Result<(), Trouble> {
        let Some((ledger, id)) = &self.ledger else { return Ok(()) };
        let cursor = cursor.map(ToString::to_string);
        Ok(ledger.run_checkpoint(*id, cursor.as_deref(), &filed.text()).await?)
    }

    /// Ends it with an entry of the chain.
    pub(crate) async fn end(&self, filed: &Filed) -> Result<Option<Entered>, Trouble> {
        let Some((ledger, id)) = &self.ledger else { return Ok(None) };
        let end = ledger.run_end(*id, "complete", &filed.text()).await?;
        Ok(Some(Entered { seq: end.seq, digest: end.digest }))
    }

    /// Its number.
    pub(crate) fn number(&self) -> Option<i64> {
        self.ledger.as_ref().map(|(_, id)| id.0)
    }
}

/// Whoever asks may be another one.
fn goes_on(run: &Run, start: &RunStart, now: Moment) -> bool {
    let same = RunStart { actor: run.start.actor.clone(), ..start.clone() };
    run.end.is_none() && run.start == same && now.since(run.updated) < STALE
}
