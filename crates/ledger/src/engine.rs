//! The seam: what an engine must do for the handle. It is an enum, because the engines are ours and chosen at start.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use crate::asked::{
    Appended, BucketName, Export, Filter, Forget, Forgotten, Glance, Import, Imported, Limits, ObjectWrites,
    OutboxId, Pruned, Run, RunEnd, RunId, RunStart, ScanResult, Shown, Unscanned, Verified, Verify,
};
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Head};
use crate::export::Manifest;
use crate::fact::Fact;
use crate::place::{Options, Place};
use crate::results::{Found, Loop, Posted, Question, Swept, Taken};
use crate::sqlite::Sqlite;
use crate::trouble::Trouble;

/// What keeps a ledger. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Engine {
    /// A file on this machine.
    Sqlite(Sqlite),
}

macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        $(pub(crate) async fn $name(&self, $($argument: $type),*) -> Result<$result, Trouble> {
            match self {
                Self::Sqlite(sqlite) => sqlite.$name($($argument),*).await,
            }
        })+
    };
}

impl Engine {
    pub(crate) async fn open(place: &Place, options: Options) -> Result<Self, Trouble> {
        match place {
            Place::Directory(dir) => Ok(Self::Sqlite(Sqlite::open(dir.clone(), options).await?)),
        }
    }

    pub(crate) fn glance(dir: &Path) -> Glance {
        Sqlite::glance(dir)
    }

    pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, Trouble> {
        Sqlite::set_aside(dir)
    }

    calls! {
        append(rows: Vec<(OutboxId, Fact)>) -> Appended;
        record(fact: Fact) -> Appended;
        checkpoint() -> Option<Checkpoint>;
        unpublished() -> Vec<Checkpoint>;
        published(seq: u64) -> ();
        show(bucket: &BucketName, key: &[u8]) -> Vec<Shown>;
        unscanned(filter: &Filter) -> Unscanned;
        never_scanned(filter: &Filter) -> Vec<Entry>;
        verify(verify: Verify) -> Verified;
        export(export: Export, out: Box<dyn Write + Send>) -> Manifest;
        forget(forget: Forget) -> Forgotten;
        prune(limits: Limits) -> Pruned;
        import(import: Import, lines: Box<dyn BufRead + Send>) -> Imported;
        writes_from(bucket: &BucketName, after: Option<&[u8]>, limit: usize) -> Vec<ObjectWrites>;
        writes_of(bucket: &BucketName, keys: &[Vec<u8>]) -> Vec<ObjectWrites>;
        is_ordered(bucket: &BucketName) -> bool;
        result(result: ScanResult) -> Appended;
        run_begin(start: RunStart) -> RunId;
        run_checkpoint(run: RunId, cursor: Option<&str>, report: &str) -> ();
        run_end(run: RunId, state: &str, report: &str) -> RunEnd;
        last_run(bucket: Option<&str>) -> Option<Run>;
        receive(posted: Vec<Posted>) -> Vec<Taken>;
        sweep() -> Swept;
        the_loop() -> Loop;
        questions() -> Vec<Question>;
        answered(seq: u64, found: Option<Found>) -> bool;
        head() -> Head;
    }
}
