//! The handle.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use crate::asked::{
    Appended, BucketName, Export, Filter, Forget, Forgotten, Glance, Import, Imported, Limits, ObjectWrites,
    OutboxId, Pruned, Rekey, Rekeyed, Run, RunEnd, RunId, RunStart, ScanResult, Shown, Unscanned, Verified,
    Verify,
};
use crate::checkpoint::Checkpoint;
use crate::engine::Engine;
use crate::entry::{Entry, Head, LedgerId};
use crate::export::Manifest;
use crate::fact::Fact;
use crate::place::{Options, Place};
use crate::results::{Found, Loop, Posted, Question, Swept, Taken};
use crate::trouble::Trouble;

/// A ledger. Cheap to clone. Every call may fail with a [`Trouble`], and then it has changed nothing that it does not say.
#[derive(Clone)]
pub struct Ledger {
    engine: Engine,
}

impl Ledger {
    /// Opens the ledger of a place.
    ///
    /// # Errors
    /// [`Trouble`]: none there and only to be read, not ours, damaged, without its key, or held by another process.
    pub async fn open(place: &Place, options: Options) -> Result<Self, Trouble> {
        Ok(Self { engine: Engine::open(place, options).await? })
    }

    /// Leaves the chain of this process to the next writer at once. Without that he waits a few minutes for it, and begins another one meanwhile.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// What can be seen of the ledger of a directory without opening it.
    pub fn glance(dir: &Path) -> Glance {
        Engine::glance(dir)
    }

    /// Makes `ledger.key` in a directory, for a ledger in a database, unless it is there. Says whether it was made.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be made, or what is there is none.
    pub fn make_key(dir: &Path) -> Result<bool, Trouble> {
        Engine::make_key(dir)
    }

    /// Replaces the key of a ledger, and `ledger.key` in its directory: the chains end, signed a last time by the old key unless that is lost, and a new one
    /// begins that says how they ended. Whoever still has the old key is refused from then on. Interrupted, the same call goes on from there.
    ///
    /// # Errors
    /// [`Trouble`]: the old key signs on, unless the sentence says otherwise. [`crate::TroubleKind::Refused`] if the key is said to be lost and is not, or the
    /// other way round, or if a relay that knows nothing of it writes the ledger.
    pub async fn rekey(place: &Place, options: Options, asked: Rekey) -> Result<Rekeyed, Trouble> {
        Engine::rekey(place, options, asked).await
    }

    /// The public half of the key in the `ledger.key` of a directory; `None` if there is no such file.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be read, or is none.
    pub fn public_key(dir: &Path) -> Result<Option<[u8; 32]>, Trouble> {
        Engine::public_key(dir)
    }

    /// Gives a damaged ledger another name, and says which. The next [`Ledger::open`] begins a new one, in which the caller should write a gap.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be renamed.
    pub fn set_aside(dir: &Path) -> Result<PathBuf, Trouble> {
        Engine::set_aside(dir)
    }

    /// Writes rows of an outbox into the chain, in one transaction with one sync. A row that is there already is not written again, so
    /// after an error, or a crash before the rows were deleted, the same rows can be handed in again. A row that a database refuses for what it is has a gap
    /// in its stead, and is named in the answer.
    ///
    /// Where several relays share a ledger, one that was not heard of for too long may have rows in hand that another one has written long ago. It is
    /// refused ([`crate::TroubleKind::Locked`]), and takes rows from the outbox anew: see [`Ledger::beat`].
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn append(&self, rows: Vec<(OutboxId, Fact)>) -> Result<Appended, Trouble> {
        self.engine.append(rows).await
    }

    /// Says that this process is still there. To be called before rows are taken from an outbox; it asks the database every twenty seconds at most.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn beat(&self) -> Result<(), Trouble> {
        self.engine.beat().await
    }

    /// Writes one entry of no outbox: a gap, a change of the settings, a jump of the clock. The same fact, to the millisecond, is written once: after an error it
    /// can be handed in again, until rows of an outbox are.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn record(&self, fact: Fact) -> Result<Appended, Trouble> {
        self.engine.record(fact).await
    }

    /// Signs the chain as it stands. `None` if it has nothing new since the last checkpoint. Of several chains each is signed that has something new, and
    /// that of the chain that this process writes is given; [`Ledger::unpublished`] has the others.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, Trouble> {
        self.engine.checkpoint().await
    }

    /// The checkpoints that nobody has said to be published, the oldest first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn unpublished(&self) -> Result<Vec<Checkpoint>, Trouble> {
        self.engine.unpublished().await
    }

    /// Notes that this checkpoint, and those of its chain before it, were published. Only up to there anything may be pruned.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn published(&self, checkpoint: &Checkpoint) -> Result<(), Trouble> {
        self.engine.published(*checkpoint).await
    }

    /// Everything about one object, the oldest entry first. Of more than [`MOST_WRITES`](crate::MOST_WRITES) the newest.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn show(&self, bucket: &BucketName, key: &[u8]) -> Result<Vec<Shown>, Trouble> {
        self.engine.show(bucket, key).await
    }

    /// What was accepted and has no result.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn unscanned(&self, filter: &Filter) -> Result<Unscanned, Trouble> {
        self.engine.unscanned(filter).await
    }

    /// The objects that were never scanned, for certain: MDSS was asked about them, twice, an hour apart, and knows of no scan. Of each one the newest
    /// accepted write, if that is such a one; the oldest first. `filter.older` counts from that write's acceptance.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn never_scanned(&self, filter: &Filter) -> Result<Vec<Entry>, Trouble> {
        self.engine.never_scanned(filter).await
    }

    /// Whether this process is the first of those that write into the ledger: what only one of several relays is to do is done by that one.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn leads(&self) -> Result<bool, Trouble> {
        self.engine.leads().await
    }

    /// The names of the chains, in the order in which they were begun: one for each writer, where several relays share a ledger.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn chains(&self) -> Result<Vec<LedgerId>, Trouble> {
        self.engine.chains().await
    }

    /// Reads a whole chain and says what does not fit.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be read. What does not fit is no error.
    pub async fn verify(&self, verify: Verify) -> Result<Verified, Trouble> {
        self.engine.verify(verify).await
    }

    /// Writes a piece of the chain out. The manifest of JSONL is its first line, too; that of CSV is for a file beside it.
    ///
    /// # Errors
    /// [`Trouble`] if the ledger cannot be read or `out` not be written.
    pub async fn export(
        &self,
        export: Export,
        out: impl Write + Send + 'static,
    ) -> Result<Manifest, Trouble> {
        self.engine.export(export, Box::new(out)).await
    }

    /// Erases keys.
    ///
    /// # Errors
    /// [`Trouble`]; what was erased until then stays erased, and has its entry.
    pub async fn forget(&self, forget: Forget) -> Result<Forgotten, Trouble> {
        self.engine.forget(forget).await
    }

    /// Removes entries of long ago, up to a published checkpoint, a piece at a time.
    ///
    /// # Errors
    /// [`Trouble`]; what was removed until then has its entry.
    pub async fn prune(&self, limits: Limits) -> Result<Pruned, Trouble> {
        self.engine.prune(limits).await
    }

    /// Reads in the log of a relay that keeps no ledger. The same lines twice are the same entries once.
    ///
    /// # Errors
    /// [`Trouble`]; what was read in until then stays.
    pub async fn import(
        &self,
        import: Import,
        lines: impl BufRead + Send + 'static,
    ) -> Result<Imported, Trouble> {
        self.engine.import(import, Box::new(lines)).await
    }

    /// The objects of a bucket behind this key, with their accepted writes, in the byte order of keys; fewer than `limit` are the last.
    /// Only keys that are kept in the clear have an order: see [`Ledger::is_ordered`].
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn writes_from(
        &self,
        bucket: &BucketName,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<ObjectWrites>, Trouble> {
        self.engine.writes_from(bucket, after, limit).await
    }

    /// The accepted writes of these keys, in their order; an object without any has an empty list. Finds hashed keys, too.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn writes_of(
        &self,
        bucket: &BucketName,
        keys: &[Vec<u8>],
    ) -> Result<Vec<ObjectWrites>, Trouble> {
        self.engine.writes_of(bucket, keys).await
    }

    /// Whether all keys of a bucket are kept in the clear, so that [`Ledger::writes_from`] gives every object.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn is_ordered(&self, bucket: &BucketName) -> Result<bool, Trouble> {
        self.engine.is_ordered(bucket).await
    }

    /// Writes down a result for the writes it belongs to, an entry for each.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown. [`crate::TroubleKind::Refused`] if an entry is no accepted write.
    pub async fn result(&self, result: ScanResult) -> Result<Appended, Trouble> {
        self.engine.result(result).await
    }

    /// Begins a comparison.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn run_begin(&self, start: RunStart) -> Result<RunId, Trouble> {
        self.engine.run_begin(start).await
    }

    /// Notes how far it has come: its counts so far, as a text of JSON without keys.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn run_checkpoint(
        &self,
        run: RunId,
        cursor: Option<&str>,
        report: &str,
    ) -> Result<(), Trouble> {
        self.engine.run_checkpoint(run, cursor, report).await
    }

    /// Says that [the last run that was asked so](Ledger::last_run_of) is still under way: [`Run::updated`](crate::Run::updated) is now. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn run_heard(&self, start: &RunStart) -> Result<(), Trouble> {
        self.engine.run_heard(start.clone()).await
    }

    /// Ends it: the report becomes an entry of the chain.
    ///
    /// # Errors
    /// [`Trouble`]. [`crate::TroubleKind::Refused`] if there is no such run, or it has ended.
    pub async fn run_end(&self, run: RunId, state: &str, report: &str) -> Result<RunEnd, Trouble> {
        self.engine.run_end(run, state, report).await
    }

    /// The last run, of this bucket if one is named.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn last_run(&self, bucket: Option<&str>) -> Result<Option<Run>, Trouble> {
        self.engine.last_run(bucket).await
    }

    /// The last run with the same question, of the same bucket of the same store: for [a schedule](RunStart::SCHEDULE) the schedule's own, for a person that of any person.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn last_run_of(&self, start: &RunStart) -> Result<Option<Run>, Trouble> {
        self.engine.last_run_of(start.clone()).await
    }

    /// The last of these that has ended as `complete`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn last_complete_run_of(&self, start: &RunStart) -> Result<Option<Run>, Trouble> {
        self.engine.last_complete_run_of(start.clone()).await
    }

    /// Takes results that were posted, in one transaction with one sync: each is attributed to the writes that it is certain to be about, or kept.
    /// One that comes again is known, so after an error the same ones can be handed in again.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn receive(&self, posted: Vec<Posted>) -> Result<Vec<Taken>, Trouble> {
        self.engine.receive(posted).await
    }

    /// Writes down that somebody waits for results from now on, if nobody has yet: [`Loop::since`] counts from there.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn expect_results(&self) -> Result<(), Trouble> {
        self.engine.expect_results().await
    }

    /// Looks again at results that waited, and removes those that are too old or too many. To be called every second or so.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn sweep(&self) -> Result<Swept, Trouble> {
        self.engine.sweep().await
    }

    /// What is known of the closed loop.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn the_loop(&self) -> Result<Loop, Trouble> {
        self.engine.the_loop().await
    }

    /// Accepted writes without a result in time that MDSS may be asked about, the oldest first: each at most twice, an hour apart. Of several relays the first
    /// one asks, and the others have no questions.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn questions(&self) -> Result<Vec<Question>, Trouble> {
        self.engine.questions().await
    }

    /// MDSS has said nothing of one of them that settles it: it is due again in an hour.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn put_off(&self, seq: u64) -> Result<(), Trouble> {
        self.engine.put_off(seq).await
    }

    /// Writes down what MDSS has said of one of them; `None`: it knows of no scan. `true` if it is settled by this that there was none.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written, or the outcome is unknown.
    pub async fn answered(&self, seq: u64, found: Option<Found>) -> Result<bool, Trouble> {
        self.engine.answered(seq, found).await
    }

    /// The public half of the key that signs the ledger now; `None` if no chain was begun.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn signing_key(&self) -> Result<Option<[u8; 32]>, Trouble> {
        self.engine.signing_key().await
    }

    /// Where the chain ends now: of several, the one that this process writes, or the first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn head(&self) -> Result<Head, Trouble> {
        self.engine.head(None).await
    }

    /// The same of a chain by its name.
    ///
    /// # Errors
    /// [`Trouble`]. [`crate::TroubleKind::Refused`] if there is none of that name.
    pub async fn head_of(&self, chain: LedgerId) -> Result<Head, Trouble> {
        self.engine.head(Some(chain)).await
    }
}
