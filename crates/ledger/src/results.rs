//! What is told to the ledger about results, and what it answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::form::Form;
use crate::latency::Histogram;
use crate::lessons::Counts;
use crate::matching::{Confidence, SKEW};
use crate::moment::Moment;
use crate::notice::Verdict;

/// Results of which it is not known whose they are, and bodies that were not understood, are kept for so long.
pub const RAW_DAYS: u64 = 30;

/// Something that was posted as a result.
#[derive(Clone)]
pub struct Posted {
    /// The source that it was posted to.
    pub source: String,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl fmt::Debug for Posted {
    /// Without the body: whoever may post may write anything into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Posted {{ source: {:?}, {} bytes }}", self.source, self.body.len())
    }
}

/// What became of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Became {
    /// It closes writes that had none.
    Matched,
    /// Its object was scanned once more.
    Again,
    /// It had come before.
    Repeated,
    /// It fits several objects, and is nobody's until MDSS was asked.
    Ambiguous,
    /// It fits one object in a form of the path that is not yet known to be right.
    Unlearned,
    /// It fits nothing yet: what it is about may still be on its way into the ledger.
    Waiting,
    /// It fits nothing: scanned, and not forwarded by us.
    Foreign,
    /// It is about something else than a file.
    Other,
    /// It is not understood.
    Unreadable,
}

impl Became {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Matched,
        Self::Again,
        Self::Repeated,
        Self::Ambiguous,
        Self::Unlearned,
        Self::Waiting,
        Self::Foreign,
        Self::Other,
        Self::Unreadable,
    ];

    /// Its name in logs, metrics and the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Again => "again",
            Self::Repeated => "repeated",
            Self::Ambiguous => "ambiguous",
            Self::Unlearned => "unlearned",
            Self::Waiting => "waiting",
            Self::Foreign => "foreign",
            Self::Other => "other",
            Self::Unreadable => "unreadable",
        }
    }

    pub(crate) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What was made of one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What became of it.
    pub became: Became,
    /// The writes that it is about, as numbers of entries.
    pub about: Vec<u64>,
    /// Their bucket.
    pub bucket: Option<Arc<str>>,
    /// Their storage unit.
    pub unit: Option<Arc<str>>,
    /// The path that MDSS has told, if keys are kept in the clear.
    pub path: Option<String>,
    /// What MDSS calls the file.
    pub file_id: Option<String>,
    /// What it has found.
    pub verdict: Option<Verdict>,
    /// What became of the file there.
    pub state: Option<String>,
    /// How sure it is that it belongs to the writes.
    pub confidence: Option<Confidence>,
    /// Why it is not understood: a sentence without its contents.
    pub why: Option<String>,
    /// Sentences about what was learned from it.
    pub learned: Vec<String>,
}

/// What became of results that waited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Those of which something is known now.
    pub taken: Vec<Taken>,
    /// Those that wait no longer: they are about what we have not forwarded.
    pub foreign: u64,
    /// Those that were removed because there are too many.
    pub dropped: u64,
}

/// MDSS is asked again about a write so much later,
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(3600);

/// and when it has not known of a scan so often, the write was never scanned.
pub(crate) const ASK_TIMES: u32 = 2;

/// A write that MDSS is to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The number of its entry.
    pub seq: u64,
    /// Its storage unit.
    pub unit: Option<Arc<str>>,
    /// Its bucket.
    pub bucket: Option<Arc<str>>,
    /// Its object's key.
    pub key: String,
    /// When MDSS has accepted it.
    pub accepted: Moment,
    /// The form of its unit's paths, if it was learned.
    pub form: Option<String>,
    /// It is asked because a result may be its own or another unit's, and not because none came in time. That MDSS does not know of a scan says nothing then.
    pub early: bool,
}

impl Question {
    /// Whether this is the path of its object, in the form of its unit.
    pub fn is_about(&self, path: &str) -> bool {
        let form = self.form.as_deref().and_then(Form::read).unwrap_or(Form::KEY);
        form.key(path, self.bucket.as_deref()).as_deref() == Some(self.key.as_str())
    }

    /// Whether a scan that ended then can have seen it.
    pub fn was_seen_by(&self, scanned: Moment) -> bool {
        self.accepted <= scanned.plus(SKEW)
    }
}

/// What MDSS has said of a write when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What MDSS calls the file.
    pub file_id: Option<String>,
    /// What it has found.
    pub verdict: Verdict,
    /// When the scan ended.
    pub at: Moment,
}

/// Where it is chosen in MDSS of which files it tells: <https://www.opswat.com/docs/mdss/4.5.0/configuration/file-scanned-notifications>.
pub const MENU: &str = "in MDSS: Settings, Notifications, \"Send a webhook notification when a file is scanned\", all scanned files";

/// The closed loop, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loop {
    /// What became of results, since the ledger began.
    pub counts: Counts,
    /// When the last one came.
    pub last: Option<Moment>,
    /// Whether `FileId` is the `correlationId`; `None` before it is known.
    pub ids: Option<bool>,
    /// Whether only blocked results come, although MDSS has accepted a hundred writes since another one came, or since results are waited for.
    pub blocked_only: bool,
    /// Whether a result has come that was not of a blocked file.
    pub tells_all: bool,
    /// Accepted writes since the last result of a file that was not blocked or, before one has come, since results are waited for; `None`: they never were.
    pub since: Option<u64>,
    /// Accepted writes since the ledger began.
    pub writes: u64,
    /// Results that are kept, by what became of them.
    pub kept: Vec<(Became, u64)>,
    /// By storage unit.
    pub units: Vec<LoopUnit>,
}

/// One storage unit in the loop.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopUnit {
    /// Its id.
    pub unit: Option<Arc<str>>,
    /// The form of its paths, if it was learned.
    pub form: Option<String>,
    /// Writes without a result.
    pub open: u64,
    /// Those of them that have waited for longer than `after`.
    pub unconfirmed: u64,
    /// Those of which MDSS was asked and does not know of a scan: never scanned, for certain.
    pub never: u64,
    /// From when on a write without a result is unconfirmed.
    pub after: Duration,
    /// Whether that was learned from results; if not, it is the fixed hour.
    pub learned: bool,
    /// Results for writes of this unit.
    pub results: u64,
    /// How long it took from the acceptance of its writes to their results.
    pub results_took: Histogram,
    /// How long it took from the acceptance of its writes to the end of their scans, as far as MDSS tells it and there was one write that it can have seen.
    pub scans_took: Histogram,
}
