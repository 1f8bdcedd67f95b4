//! The calls. Each runs in a thread for work that waits: a sync, an answer of a server, or the reading of a whole ledger.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::asked::{
    Appended, BucketName, Export, Filter, Forget, Forgotten, Glance, Import, Imported, Limits, ObjectWrites,
    OutboxId, Pruned, Rekey, Rekeyed, Run, RunEnd, RunId, RunStart, ScanResult, Shown, Unscanned, Verified,
    Verify,
};
use crate::chains::Reach;
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Head, LedgerId};
use crate::export::Manifest;
use crate::fact::Fact;
use crate::keeper::Keeper;
use crate::keyfile::KeyFile;
use crate::kind::Keys;
use crate::place::{Options, Place};
use crate::results::{Found, Loop, Posted, Question, Swept, Taken};
use crate::sql::look::{self, Sought};
use crate::sql::{append, export, forget, import, open, prune, referee, results, runs, verify, view};
use crate::sqlite;
use crate::trouble::{Trouble, TroubleKind};

const WRITING: &str = "writing to the ledger";

/// Steps of one call that removes old entries, so that a call has an end and whoever appends has its turn.
const STEPS: usize = 100;

/// An open ledger. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine {
    keeper: Arc<Keeper>,
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

impl Engine {
    pub(crate) async fn open(place: &Place, options: Options) -> Result<Self, Trouble> {
        let place = place.clone();
        aside(move || Ok(Self { keeper: Arc::new(Keeper::open(&place, options)?) })).await
    }

    pub(crate) async fn close(&self) {
        let _ = self.with(Keeper::close).await;
    }

    pub(crate) fn glance(dir: &Path) -> Glance {
        sqlite::glance(dir)
    }

    pub(crate) fn make_key(dir: &Path) -> Result<bool, Trouble> {
        if KeyFile::read(dir)?.is_some() {
            return Ok(false);
        }
        KeyFile::make(dir).map(|_| true)
    }

    pub(crate) fn public_key(dir: &Path) -> Result<Option<[u8; 32]>, Trouble> {
        Ok(KeyFile::read(dir)?.map(|key| key.public()))
    }

    pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, Trouble> {
        sqlite::set_aside(dir)
    }

    pub(crate) async fn rekey(place: &Place, options: Options, asked: Rekey) -> Result<Rekeyed, Trouble> {
        let place = place.clone();
        aside(move || Keeper::rekey(&place, options, &asked)).await
    }

    /// Does some work with whatever keeps the ledger.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keeper) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let keeper = Arc::clone(&self.keeper);
        aside(move || work(&keeper)).await
    }

    pub(crate) async fn append(&self, rows: Vec<(OutboxId, Fact)>) -> Result<Appended, Trouble> {
        self.with(move |keeper| {
            let write = |rows: &[_]| keeper.write(WRITING, Reach::Heard, |pen| append::append(pen, rows));
            let mut appended = Appended::default();
            let mut parts = vec![rows];
            while let Some(mut rows) = parts.pop() {
                let part = match (write(&rows), rows.first()) {
                    (Ok(part), _) => part,
                    // One row that cannot be kept must not keep the others out, so they are parted until it stands alone.
                    (Err(trouble), Some(_)) if trouble.kind == TroubleKind::Unfit && rows.len() > 1 => {
                        let rest = rows.split_off(rows.len() / 2);
                        parts.extend([rest, rows]);
                        continue;
                    }
                    (Err(trouble), Some((id, fact))) if trouble.kind == TroubleKind::Unfit => {
                        let part = write(&[(*id, append::gap(*id, fact))])?;
                        appended.unfit.push((*id, trouble.detail));
                        part
                    }
                    (Err(trouble), _) => return Err(trouble),
                };
                appended.entries += part.entries;
                appended.repeated += part.repeated;
                appended.head = part.head;
                appended.checkpoint = part.checkpoint.or(appended.checkpoint);
            }
            Ok(appended)
        })
        .await
    }

    pub(crate) async fn beat(&self) -> Result<(), Trouble> {
        self.with(Keeper::beat).await
    }

    pub(crate) async fn record(&self, fact: Fact) -> Result<Appended, Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::Own, |pen| append::record(pen, &fact))).await
    }

    pub(crate) async fn result(&self, result: ScanResult) -> Result<Appended, Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::All, |pen| append::result(pen, &result))).await
    }

    pub(crate) async fn checkpoint(&self) -> Result<Option<Checkpoint>, Trouble> {
        self.with(|keeper| keeper.write(WRITING, Reach::All, append::sign)).await
    }

    pub(crate) async fn unpublished(&self) -> Result<Vec<Checkpoint>, Trouble> {
        self.with(|keeper| {
            keeper.beat()?;
            let all = keeper.read(append::unpublished)?;
            // Whoever has signed them may not have waited until a standby had them, and once they are told they must be there.
            if !all.is_empty() {
                keeper.secure()?;
            }
            Ok(all)
        })
        .await
    }

    pub(crate) async fn published(&self, checkpoint: Checkpoint) -> Result<(), Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::All, |pen| append::published(pen, &checkpoint)))
            .await
    }

    pub(crate) async fn show(&self, bucket: &BucketName, key: &[u8]) -> Result<Vec<Shown>, Trouble> {
        let (bucket, key) = (bucket.clone(), key.to_vec());
        self.with(move |keeper| {
            let sought = Sought { hashed: keeper.hashed(&key), clear: &key };
            keeper.read(|db| look::show(db, &bucket, &sought))
        })
        .await
    }

    pub(crate) async fn unscanned(&self, filter: &Filter) -> Result<Unscanned, Trouble> {
        let filter = filter.clone();
        self.with(move |keeper| {
            let now = keeper.options().clock.now();
            keeper.read(|db| open::unscanned(db, &filter, now))
        })
        .await
    }

    pub(crate) async fn never_scanned(&self, filter: &Filter) -> Result<Vec<Entry>, Trouble> {
        let filter = filter.clone();
        self.with(move |keeper| {
            let now = keeper.options().clock.now();
            keeper.read(|db| open::never_scanned(db, &filter, now))
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
        self.with(move |keeper| keeper.read(|db| look::writes_from(db, &bucket, after.as_deref(), limit)))
            .await
    }

    pub(crate) async fn writes_of(
        &self,
        bucket: &BucketName,
        keys: &[Vec<u8>],
    ) -> Result<Vec<ObjectWrites>, Trouble> {
        let (bucket, keys) = (bucket.clone(), keys.to_vec());
        self.with(move |keeper| {
            let sought: Vec<_> =
                keys.iter().map(|key| Sought { hashed: keeper.hashed(key), clear: key }).collect();
            keeper.read(|db| look::writes_of(db, &bucket, &sought))
        })
        .await
    }

    pub(crate) async fn is_ordered(&self, bucket: &BucketName) -> Result<bool, Trouble> {
        let bucket = bucket.clone();
        self.with(move |keeper| {
            let places = keeper.read(|db| look::places(db, &bucket))?;
            Ok(places.iter().all(|(_, keys)| *keys == Keys::Clear))
        })
        .await
    }

    pub(crate) async fn run_begin(&self, start: RunStart) -> Result<RunId, Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::Own, |pen| runs::begin(pen, &start))).await
    }

    pub(crate) async fn run_checkpoint(
        &self,
        run: RunId,
        cursor: Option<&str>,
        report: &str,
    ) -> Result<(), Trouble> {
        let (cursor, report) = (cursor.map(str::to_owned), report.to_owned());
        self.with(move |keeper| {
            keeper.write(WRITING, Reach::Own, |pen| runs::checkpoint(pen, run, cursor.as_deref(), &report))
        })
        .await
    }

    pub(crate) async fn run_heard(&self, start: RunStart) -> Result<(), Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::Own, |pen| runs::heard(pen, &start))).await
    }

    pub(crate) async fn run_end(&self, run: RunId, state: &str, report: &str) -> Result<RunEnd, Trouble> {
        let (state, report) = (state.to_owned(), report.to_owned());
        self.with(move |keeper| keeper.write(WRITING, Reach::All, |pen| runs::end(pen, run, &state, &report)))
            .await
    }

    pub(crate) async fn last_run(&self, bucket: Option<&str>) -> Result<Option<Run>, Trouble> {
        let bucket = bucket.map(str::to_owned);
        self.with(move |keeper| keeper.read(|db| runs::last(db, bucket.as_deref()))).await
    }

    pub(crate) async fn last_run_of(&self, start: RunStart) -> Result<Option<Run>, Trouble> {
        self.with(move |keeper| keeper.read(|db| runs::last_of(db, &start))).await
    }

    pub(crate) async fn last_complete_run_of(&self, start: RunStart) -> Result<Option<Run>, Trouble> {
        self.with(move |keeper| keeper.read(|db| runs::last_complete(db, &start))).await
    }

    pub(crate) async fn receive(&self, posted: Vec<Posted>) -> Result<Vec<Taken>, Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::All, |pen| results::receive(pen, &posted))).await
    }

    pub(crate) async fn expect_results(&self) -> Result<(), Trouble> {
        self.with(|keeper| keeper.write(WRITING, Reach::All, results::expect)).await
    }

    pub(crate) async fn sweep(&self) -> Result<Swept, Trouble> {
        self.with(|keeper| keeper.write(WRITING, Reach::All, results::sweep)).await
    }

    pub(crate) async fn the_loop(&self) -> Result<Loop, Trouble> {
        self.with(|keeper| {
            let now = keeper.options().clock.now();
            keeper.read(|db| view::the_loop(db, now))
        })
        .await
    }

    pub(crate) async fn questions(&self) -> Result<Vec<Question>, Trouble> {
        self.with(|keeper| {
            // MDSS is asked by one of several relays.
            if !keeper.leads()? {
                return Ok(Vec::new());
            }
            let now = keeper.options().clock.now();
            keeper.read(|db| referee::questions(db, now))
        })
        .await
    }

    pub(crate) async fn put_off(&self, seq: u64) -> Result<(), Trouble> {
        self.with(move |keeper| keeper.write(WRITING, Reach::All, |pen| referee::put_off(pen, seq))).await
    }

    pub(crate) async fn answered(&self, seq: u64, found: Option<Found>) -> Result<bool, Trouble> {
        self.with(move |keeper| {
            keeper.write(WRITING, Reach::All, |pen| referee::answered(pen, seq, found.as_ref()))
        })
        .await
    }

    pub(crate) async fn leads(&self) -> Result<bool, Trouble> {
        self.with(Keeper::leads).await
    }

    pub(crate) async fn chains(&self) -> Result<Vec<LedgerId>, Trouble> {
        self.with(|keeper| keeper.read(look::chains)).await
    }

    pub(crate) async fn signing_key(&self) -> Result<Option<[u8; 32]>, Trouble> {
        self.with(|keeper| keeper.read(look::signing_key)).await
    }

    pub(crate) async fn head(&self, of: Option<LedgerId>) -> Result<Head, Trouble> {
        self.with(move |keeper| {
            let own = keeper.own();
            keeper.read(|db| look::head(db, look::named(db, of, own)?))
        })
        .await
    }

    pub(crate) async fn verify(&self, verify: Verify) -> Result<Verified, Trouble> {
        self.with(move |keeper| {
            let own = keeper.own();
            keeper.read(|db| verify::verify(db, look::named(db, verify.ledger, own)?, verify))
        })
        .await
    }

    pub(crate) async fn export(
        &self,
        export: Export,
        out: Box<dyn Write + Send>,
    ) -> Result<Manifest, Trouble> {
        self.with(move |keeper| {
            let own = keeper.own();
            keeper.read(|db| export::export(db, look::named(db, export.ledger, own)?, &export, out))
        })
        .await
    }

    pub(crate) async fn forget(&self, forget: Forget) -> Result<Forgotten, Trouble> {
        const DOING: &str = "erasing keys";
        self.with(move |keeper| {
            let mut forgotten = Forgotten::default();
            loop {
                let (erased, checkpoint) = keeper.write(DOING, Reach::All, |pen| {
                    let erased = forget::step(pen, &forget)?;
                    Ok((erased, if erased == forget::STEP { None } else { append::sign(pen)? }))
                })?;
                forgotten.entries += erased as u64;
                forgotten.checkpoint = checkpoint;
                if erased < forget::STEP {
                    break;
                }
            }
            forgotten.results = keeper.write(DOING, Reach::All, |pen| forget::elsewhere(pen, &forget))?;
            forgotten.remains = keeper.clear_away(DOING)?;
            Ok(forgotten)
        })
        .await
    }

    pub(crate) async fn prune(&self, limits: Limits) -> Result<Pruned, Trouble> {
        const DOING: &str = "removing old entries";
        self.with(move |keeper| {
            let mut pruned = Pruned::default();
            for _ in 0..STEPS {
                let step = keeper.write(DOING, Reach::All, |pen| prune::step(pen, limits))?;
                pruned.base = step.base;
                pruned.unpublished = step.unpublished;
                if step.entries == 0 {
                    return Ok(pruned);
                }
                pruned.entries += step.entries;
                pruned.writes += step.writes;
                pruned.open += step.open;
            }
            pruned.more = true;
            Ok(pruned)
        })
        .await
    }

    pub(crate) async fn import(
        &self,
        import: Import,
        lines: Box<dyn BufRead + Send>,
    ) -> Result<Imported, Trouble> {
        self.with(move |keeper| {
            if keeper.options().keys == Keys::Off {
                let detail =
                    "keys are not kept, so a line that was read in before could not be told from a new one";
                return Err(Trouble::new(TroubleKind::Refused, detail));
            }
            import::import(&import, lines, |work| {
                keeper.write("reading in a log", Reach::All, |pen| work(pen))
            })
        })
        .await
    }
}
