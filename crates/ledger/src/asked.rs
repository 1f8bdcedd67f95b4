//! What is asked of a ledger, and what it answers: the model of the public calls.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Head, LedgerId};
use crate::hash::Hash;
use crate::kind::Origin;
use crate::moment::Moment;

/// The number of a row in an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboxId(pub i64);

/// What was written into the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Entries that are new.
    pub entries: u64,
    /// Rows of the outbox that were there already.
    pub repeated: u64,
    /// Rows that the database has refused for what they are, and its sentence: each of them has a gap in the chain instead.
    pub unfit: Vec<(OutboxId, String)>,
    /// The number of the last entry.
    pub head: u64,
    /// A checkpoint that was due. It counts once it was published: see [`Ledger::published`](crate::Ledger::published).
    pub checkpoint: Option<Checkpoint>,
}

/// A bucket, as events and listings name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketName {
    /// What its name is unique in. `None` is any: an event may not have said it.
    pub namespace: Option<String>,
    /// Its name.
    pub bucket: String,
    /// Which store has it. `None` is any: stores can have buckets of the same name.
    pub of: Option<OfSource>,
}

impl BucketName {
    /// Of whatever namespace, and of whatever store.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self { namespace: None, bucket: bucket.into(), of: None }
    }
}

/// What tells a bucket from one of the same name in another store: the source that its events come through.
///
/// ```
/// use mdss_relay_ledger::OfSource;
///
/// let of = OfSource { source: "minio".into(), others: vec!["ceph".into()], units: vec!["u-1".into()] };
/// assert!(of.has(Some("minio"), Some("u-2")) && !of.has(Some("ceph"), Some("u-1")));
/// assert!(of.has(None, Some("u-1")) && !of.has(None, Some("u-2")) && !of.has(None, None));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OfSource {
    /// That source.
    pub source: String,
    /// The other sources of today's settings. What came through one of them is never of this bucket.
    pub others: Vec<String>,
    /// The storage units that today's settings send the bucket's objects to.
    pub units: Vec<String>,
}

impl OfSource {
    /// Whether what came through a source and went to a unit is of this bucket. A line of a function's log names no source, and one that was renamed is not
    /// known any more: then the unit decides, because MDSS reads a unit's objects from one store.
    pub fn has(&self, source: Option<&str>, unit: Option<&str>) -> bool {
        match source {
            Some(source) if source == self.source => true,
            Some(source) if self.others.iter().any(|other| other == source) => false,
            _ => unit.is_some_and(|unit| self.units.iter().any(|own| own == unit)),
        }
    }
}

/// An object with every write of it that MDSS has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectWrites {
    /// Its key.
    pub key: Vec<u8>,
    /// Its writes, in the order of their acceptance; the newest [`MOST_WRITES`] of them.
    pub writes: Vec<Told>,
}

/// How many writes of one object are given out, at most: whoever overwrites one object a million times must not fill anybody's memory.
pub const MOST_WRITES: usize = 1000;

/// A write that MDSS has accepted, as a comparison needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its version.
    pub version: Option<String>,
    /// Its ETag.
    pub etag: Option<String>,
    /// When the store says that it was written.
    pub event_time: Option<Moment>,
    /// When MDSS has accepted it.
    pub accepted_time: Moment,
    /// Why it was told to MDSS.
    pub origin: Option<Origin>,
}

/// An entry about an object, with the newest result about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The entry.
    pub entry: Entry,
    /// The result.
    pub result: Option<Entry>,
}

/// Which writes without a result are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Accepted for longer than this ago.
    pub older: Option<Duration>,
    /// Of this storage unit.
    pub unit: Option<String>,
    /// Of this bucket.
    pub bucket: Option<BucketName>,
    /// So many of them are given out, the oldest first.
    pub limit: usize,
}

/// What was accepted and has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unscanned {
    /// The oldest of them.
    pub writes: Vec<Entry>,
    /// All of them, by storage unit.
    pub units: Vec<OpenUnit>,
}

/// What one storage unit has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUnit {
    /// The unit's id.
    pub unit: Option<Arc<str>>,
    /// Accepted writes without a result.
    pub open: u64,
    /// When the oldest of them was accepted.
    pub oldest: Moment,
    /// Results that were ever received for writes of the unit.
    pub results: u64,
    /// When the last one was written down.
    pub last_result: Option<Moment>,
    /// How sure this is.
    pub sure: Sure,
}

/// What it means that no result is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// No result was ever received for this unit: whether MDSS scans is unknown.
    NoResults,
    /// Only results of blocked files have come: MDSS may tell of those alone, and then none comes for a file that it has scanned and allowed.
    BlockedOnly,
    /// Results of this unit do come, not of blocked files alone, and these did not. They are sent once and may be lost, so it is no proof that MDSS has not scanned.
    ToldOnly,
    /// MDSS was asked about each of them, twice, an hour apart, and knows of no scan.
    Asked,
}

/// What is to be verified.
#[derive(Clone, Debug, Default)]
pub struct Verify {
    /// Which chain, where there are several; else the one that this process writes, or the first.
    pub ledger: Option<LedgerId>,
    /// From this entry on. The one before it is taken as it stands.
    pub from: Option<u64>,
    /// So many entries at the end alone, and of the checkpoints those over them and the newest: work of the same size however long the chain is.
    pub last: Option<u64>,
    /// Checkpoints that somebody else has kept.
    pub checkpoints: Vec<Checkpoint>,
}

/// A key that is to be replaced.
#[derive(Clone, Debug)]
pub struct Rekey {
    /// Who asks for it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The old key is gone: nobody can sign the end of the chain.
    pub lost: bool,
}

/// A key was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The public half of the new one.
    pub public_key: [u8; 32],
    /// An earlier command had begun it, and this one has ended it.
    pub resumed: bool,
}

/// What a verification has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose chain.
    pub head: Head,
    /// Entries that were read.
    pub entries: u64,
    /// The first and the last of them.
    pub range: Option<(u64, u64)>,
    /// The public halves of the keys that sign the chain, each with the last entry that it is good for; of the last one that is [`u64::MAX`].
    pub keys: Vec<(u64, [u8; 32])>,
    /// When those were written.
    pub times: Option<(Moment, Moment)>,
    /// The checkpoints of the ledger's own that fit.
    pub checkpoints: u64,
    /// The last one that does.
    pub last_checkpoint: Option<Checkpoint>,
    /// The checkpoints that were handed in and fit.
    pub foreign: u64,
    /// What does not fit, the first hundred in the order of the chain. Empty: intact.
    pub faults: Vec<Fault>,
    /// How many there are.
    pub all_faults: u64,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The entry at which it shows.
    pub seq: u64,
    /// What: lower case, no full stop.
    pub what: String,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line of JSON for each entry; the first line is the manifest.
    #[default]
    Jsonl,
    /// RFC 4180; the manifest is a file beside it.
    Csv,
}

/// What is to be exported: a piece of the chain without gaps.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Of which chain, where there are several; else of the one that this process writes, or of the first.
    pub ledger: Option<LedgerId>,
    /// From the first entry that was written at this moment or later.
    pub from: Option<Moment>,
    /// Up to the last one that was written before this moment.
    pub until: Option<Moment>,
    /// The form.
    pub format: Format,
}

/// Whose keys are to be erased.
#[derive(Clone, Debug)]
pub struct Forget {
    /// In which bucket.
    pub bucket: BucketName,
    /// Which keys.
    pub which: Which,
    /// Why.
    pub reason: String,
    /// Who asks for it.
    pub actor: String,
}

/// Which keys are to be erased.
#[derive(Clone, Debug)]
pub enum Which {
    /// All that begin so; the empty text is all.
    Prefix(Vec<u8>),
    /// This one.
    Key(Vec<u8>),
}

/// What was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Entries whose keys are gone.
    pub entries: u64,
    /// Results that had matched nothing, and were removed.
    pub results: u64,
    /// Where the erased keys can still be found.
    pub remains: Remains,
    /// A checkpoint over it.
    pub checkpoint: Option<Checkpoint>,
}

/// Where keys that were erased can still be found, beside copies that were made before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remains {
    /// Nowhere: what was deleted was written over.
    #[default]
    Nothing,
    /// In `ledger.db-wal`: somebody was reading, so it could not be emptied.
    Log,
    /// In rows of the server's tables that nobody can read any more but that were not removed: it took too long, or this role may not. Where
    /// [`Remains::Database`] says, too.
    Rows,
    /// In the server's log, its archive, and in pages of its tables until they are used again. `VACUUM FULL` writes the tables anew.
    Database,
}

/// How much is to be kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// For how long.
    pub age: Option<Duration>,
    /// Bytes in use.
    pub bytes: Option<u64>,
}

/// What was removed because of its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Entries.
    pub entries: u64,
    /// Those of them that were accepted writes.
    pub writes: u64,
    /// Those of these that no result was known of.
    pub open: u64,
    /// The last of them.
    pub base: u64,
    /// More would be due, but no published checkpoint covers it.
    pub unpublished: bool,
    /// There is more to remove; the next call goes on.
    pub more: bool,
}

/// Lines of a log to be read in.
#[derive(Clone, Debug)]
pub struct Import {
    /// Who does it.
    pub actor: String,
    /// What the lines are called in the entry about it: the name of a file.
    pub name: String,
}

/// What was read in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Lines that were read.
    pub lines: u64,
    /// Entries that are new.
    pub entries: u64,
    /// Accepted objects that the ledger had already.
    pub repeated: u64,
    /// Lines of a log about something else.
    pub others: u64,
    /// Lines that are none of a log, or of an accepted object that cannot be used.
    pub bad: u64,
    /// The first hundred of them, by number and with what is wrong.
    pub first_bad: Vec<(u64, String)>,
    /// The last checkpoint that was due meanwhile.
    pub checkpoint: Option<Checkpoint>,
}

/// A comparison of a bucket that begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStart {
    /// Who does it: a person, or the schedule.
    pub actor: String,
    /// The store that is listed.
    pub store: String,
    /// Which bucket.
    pub bucket: String,
    /// The name of the route, if it was asked for by that.
    pub route: Option<String>,
    /// What makes it another run than that with another question: a text of JSON. A run is resumed only with the same.
    pub question: String,
}

impl RunStart {
    /// The actor of runs that a server makes by itself. No person is called so.
    pub const SCHEDULE: &str = "schedule";

    /// Whether a server makes it by itself.
    pub fn is_scheduled(&self) -> bool {
        self.actor == Self::SCHEDULE
    }
}

/// The number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(pub i64);

/// A run, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What it was begun with.
    pub start: RunStart,
    /// When.
    pub begun: Moment,
    /// When it was last heard of.
    pub updated: Moment,
    /// Where it goes on: whatever the lister needs.
    pub cursor: Option<String>,
    /// Its counts, a text of JSON without keys.
    pub report: String,
    /// How it ended; `None` if it did not.
    pub end: Option<RunEnd>,
}

impl Run {
    /// One that was broken off longer ago is not gone on with: its counts would be of two different days.
    pub const STALE: Duration = Duration::from_secs(24 * 3600);
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// `complete`, or why not: a token.
    pub state: String,
    /// When.
    pub ended: Moment,
    /// Its entry in the chain.
    pub seq: u64,
    /// SHA-256 of the report, which the entry has too.
    pub digest: Hash,
}

/// A result for writes that it was found to belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// The entries of those writes, by [`Entry::number`].
    pub about: Vec<u64>,
    /// What MDSS calls the file.
    pub file_id: Option<String>,
    /// What it has found.
    pub result: Option<String>,
    /// What became of the file there.
    pub file_state: Option<String>,
    /// When it was scanned.
    pub scan_time: Option<Moment>,
    /// How sure it is that it belongs to them.
    pub confidence: Option<String>,
    /// What else MDSS has said of the scan: a text of JSON with short texts, no path among them.
    pub detail: Option<String>,
}

/// What can be seen of the ledger of a directory without opening it.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The version of its tables; `None` if there is no ledger.
    pub version: Option<i64>,
    /// The version that this program writes, and brings older ones to.
    pub newest: i64,
    /// Whether the file is one of ours.
    pub ours: bool,
    /// Bytes of its file.
    pub bytes: u64,
    /// Whether the file of its keys is there.
    pub key: bool,
    /// Files that were set aside as damaged, with their bytes.
    pub set_aside: Vec<(PathBuf, u64)>,
}
