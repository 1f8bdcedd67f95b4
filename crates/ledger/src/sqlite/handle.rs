//! The calls.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use crate::asked::{
    Appended, BucketName, Export, Filter, Forget, Forgotten, Glance, Import, Imported, Limits, ObjectWrites,
    OutboxId, Pruned, Run, RunEnd, RunId, RunStart, ScanResult, Shown, Unscanned, Verified, Verify,
};
use crate::checkpoint::Checkpoint;
use crate::entry::Head;
use crate::export::Manifest;
use crate::fact::Fact;
use crate::place::Options;
use crate::trouble::{Trouble, TroubleKind};

#[derive(Clone)]
pub(crate) struct Sqlite {}

fn not_yet<T>() -> Result<T, Trouble> {
    Err(Trouble::new(TroubleKind::Internal, "not yet"))
}

macro_rules! stubs {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        $(#[allow(unused_variables, clippy::unused_async)]
        pub(crate) async fn $name(&self, $($argument: $type),*) -> Result<$result, Trouble> { not_yet() })+
    };
}

impl Sqlite {
    #[allow(clippy::unused_async)]
    pub(crate) async fn open(_dir: PathBuf, _options: Options) -> Result<Self, Trouble> {
        Err(Trouble::stopped())
    }

    pub(crate) fn glance(_dir: &Path) -> Glance {
        Glance { version: None, ours: false, bytes: 0, key: false, set_aside: Vec::new() }
    }

    pub(crate) fn set_aside(_dir: &Path) -> Result<PathBuf, Trouble> {
        not_yet()
    }

    stubs! {
        append(rows: Vec<(OutboxId, Fact)>) -> Appended;
        record(fact: Fact) -> Appended;
        checkpoint() -> Option<Checkpoint>;
        unpublished() -> Vec<Checkpoint>;
        published(seq: u64) -> ();
        show(bucket: &BucketName, key: &[u8]) -> Vec<Shown>;
        unscanned(filter: &Filter) -> Unscanned;
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
        head() -> Head;
    }
}
