//! The record of a run in the ledger: where it goes on after a crash, and in the end an entry of the chain.

use mdss_relay_ledger::{Hash, Ledger, Moment, Run, RunId};
use mdss_relay_stores::Cursor;
use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::question::Question;
use crate::trouble::Trouble;

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
    /// Begins a run, or goes on with the last one that was asked the same. Other ones of the bucket stay as they are.
    pub(crate) async fn begin(
        ledger: Option<&Ledger>,
        store: &str,
        question: &Question,
        now: Moment,
    ) -> Result<(Self, Option<Resumed>), Trouble> {
        let Some(ledger) = ledger else { return Ok((Self { ledger: None }, None)) };
        let start = question.start(store);
        let last = ledger.last_run_of(&start).await?;
        if let Some(run) = last.filter(|run| goes_on(run, now)) {
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

fn goes_on(run: &Run, now: Moment) -> bool {
    run.end.is_none() && now.since(run.updated) < Run::STALE
}
