//! The calls. Each runs in a thread for work that waits: a sync, or the reading of a whole ledger.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::File;
use super::look::Sought;
use super::{
    append, export, forget, glance, import, look, open, prune, referee, results, runs, verify, view,
};
use crate::asked::{
    Appended, BucketName, Export, Filter, Forget, Forgotten, Glance, Import, Imported, Limits, ObjectWrites,
    OutboxId, Pruned, Run, RunEnd, RunId, RunStart, ScanResult, Shown, Unscanned, Verified, Verify,
};
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Head};
use crate::export::Manifest;
use crate::fact::Fact;
use crate::kind::Keys;
use crate::place::Options;
use crate::results::{Found, Loop, Posted, Question, Swept, Taken};
use crate::trouble::{Trouble, TroubleKind};

const WRITING: &str = "writing to the ledger";

/// A ledger in a directory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sqlite {
    file: Arc<File>,
}

/// Runs what waits where waiting is no harm.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) if e.is_panic() => {
            Err(Trouble::new(TroubleKind::Internal, "the ledger's thread has panicked"))
        }
        Err(_) => Err(Trouble::stopped()),
    }
}

impl Sqlite {
    pub(crate) async fn open(dir: PathBuf, options: Options) -> Result<Self, Trouble> {
        aside(move || Ok(Self { file: Arc::new(File::open(&dir, options)?) })).await
    }

    pub(crate) fn glance(dir: &Path) -> Glance {
        glance::glance(dir)
    }

    pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, Trouble> {
        glance::set_aside(dir)
    }

    /// Does some work with the file.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let file = Arc::clone(&self.file);
        aside(move || work(&file)).await
    }

    pub(crate) async fn append(&self, rows: Vec<(OutboxId, Fact)>) -> Result<Appended, Trouble> {
        self.with(move |file| file.write(WRITING, |pen| append::append(pen, &rows))).await
    }

    pub(crate) async fn record(&self, fact: Fact) -> Result<Appended, Trouble> {
        self.with(move |file| file.write(WRITING, |pen| append::record(pen, &fact))).await
    }

    pub(crate) async fn result(&self, result: ScanResult) -> Result<Appended, Trouble> {
        self.with(move |file| file.write(WRITING, |pen| append::result(pen, &result))).await
    }

    pub(crate) async fn checkpoint(&self) -> Result<Option<Checkpoint>, Trouble> {
        self.with(|file| file.write(WRITING, |pen| pen.checkpoint(true))).await
    }

    pub(crate) async fn unpublished(&self) -> Result<Vec<Checkpoint>, Trouble> {
        self.with(|file| file.read(|db| append::unpublished(db))).await
    }

    pub(crate) async fn published(&self, seq: u64) -> Result<(), Trouble> {
        self.with(move |file| file.write(WRITING, |pen| append::published(pen, seq))).await
    }

    pub(crate) async fn show(&self, bucket: &BucketName, key: &[u8]) -> Result<Vec<Shown>, Trouble> {
        let (bucket, key) = (bucket.clone(), key.to_vec());
        self.with(move |file| {
            let sought = Sought { hashed: file.hashed(&key), clear: &key };
            file.read(|db| look::show(db, &bucket, &sought))
        })
        .await
    }

    pub(crate) async fn unscanned(&self, filter: &Filter) -> Result<Unscanned, Trouble> {
        let filter = filter.clone();
        self.with(move |file| {
            let now = file.options.clock.now();
            file.read(|db| open::unscanned(db, &filter, now))
        })
        .await
    }

    pub(crate) async fn never_scanned(&self, filter: &Filter) -> Result<Vec<Entry>, Trouble> {
        let filter = filter.clone();
        self.with(move |file| {
            let now = file.options.clock.now();
            file.read(|db| open::never_scanned(db, &filter, now))
        })
        .await
    }

    pub(crate) async fn writes_from(
        &self,
        bucket: &BucketName,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<ObjectWrites>, Trouble> {
        let (bucket, after) = (bucket.clone(), after.map(<[u8]>::to_vec));
        self.with(move |file| file.read(|db| look::writes_from(db, &bucket, after.as_deref(), limit))).await
    }

    pub(crate) async fn writes_of(
        &self,
        bucket: &BucketName,
        keys: &[Vec<u8>],
    ) -> Result<Vec<ObjectWrites>, Trouble> {
        let (bucket, keys) = (bucket.clone(), keys.to_vec());
        self.with(move |file| {
            let sought = keys.iter().map(|key| Sought { hashed: file.hashed(key), clear: key });
            let sought: Vec<_> = sought.collect();
            file.read(|db| look::writes_of(db, &bucket, &sought))
        })
        .await
    }

    pub(crate) async fn is_ordered(&self, bucket: &BucketName) -> Result<bool, Trouble> {
        let bucket = bucket.clone();
        self.with(move |file| {
            file.read(|db| Ok(look::places(db, &bucket)?.iter().all(|(_, keys)| *keys == Keys::Clear)))
        })
        .await
    }

    pub(crate) async fn run_begin(&self, start: RunStart) -> Result<RunId, Trouble> {
        self.with(move |file| file.write(WRITING, |pen| runs::begin(pen, &start))).await
    }

    pub(crate) async fn run_checkpoint(
        &self,
        run: RunId,
        cursor: Option<&str>,
        report: &str,
    ) -> Result<(), Trouble> {
        let (cursor, report) = (cursor.map(str::to_owned), report.to_owned());
        self.with(move |file| {
            file.write(WRITING, |pen| runs::checkpoint(pen, run, cursor.as_deref(), &report))
        })
        .await
    }

    pub(crate) async fn run_end(&self, run: RunId, state: &str, report: &str) -> Result<RunEnd, Trouble> {
        let (state, report) = (state.to_owned(), report.to_owned());
        self.with(move |file| file.write(WRITING, |pen| runs::end(pen, run, &state, &report))).await
    }

    pub(crate) async fn last_run(&self, bucket: Option<&str>) -> Result<Option<Run>, Trouble> {
        let bucket = bucket.map(str::to_owned);
        self.with(move |file| file.read(|db| runs::last(db, bucket.as_deref()))).await
    }

    pub(crate) async fn receive(&self, posted: Vec<Posted>) -> Result<Vec<Taken>, Trouble> {
        self.with(move |file| file.write(WRITING, |pen| results::receive(pen, &posted))).await
    }

    pub(crate) async fn sweep(&self) -> Result<Swept, Trouble> {
        self.with(|file| file.write(WRITING, results::sweep)).await
    }

    pub(crate) async fn the_loop(&self) -> Result<Loop, Trouble> {
        self.with(|file| {
            let now = file.options.clock.now();
            file.read(|db| view::the_loop(db, now))
        })
        .await
    }

    pub(crate) async fn questions(&self) -> Result<Vec<Question>, Trouble> {
        self.with(|file| {
            let now = file.options.clock.now();
            file.read(|db| referee::questions(db, now))
        })
        .await
    }

    pub(crate) async fn answered(&self, seq: u64, found: Option<Found>) -> Result<bool, Trouble> {
        self.with(move |file| file.write(WRITING, |pen| referee::answered(pen, seq, found.as_ref()))).await
    }

    pub(crate) async fn head(&self) -> Result<Head, Trouble> {
        self.with(|file| file.read(|db| look::head(db))).await
    }

    pub(crate) async fn verify(&self, verify: Verify) -> Result<Verified, Trouble> {
        self.with(|file| file.read(|db| verify::verify(db, verify))).await
    }

    pub(crate) async fn export(
        &self,
        export: Export,
        out: Box<dyn Write + Send>,
    ) -> Result<Manifest, Trouble> {
        self.with(move |file| file.read(|db| export::export(db, &export, out))).await
    }

    pub(crate) async fn forget(&self, forget: Forget) -> Result<Forgotten, Trouble> {
        self.with(move |file| forget::forget(file, &forget)).await
    }

    pub(crate) async fn prune(&self, limits: Limits) -> Result<Pruned, Trouble> {
        self.with(move |file| prune::prune(file, limits)).await
    }

    pub(crate) async fn import(
        &self,
        import: Import,
        lines: Box<dyn BufRead + Send>,
    ) -> Result<Imported, Trouble> {
        self.with(move |file| import::import(file, &import, lines)).await
    }
}
