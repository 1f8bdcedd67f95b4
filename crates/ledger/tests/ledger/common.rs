//! A ledger with a clock of its own, facts to write, and the file by hand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mdss_relay_ledger::{
    Access, Appended, Clock, Fact, Keys, Kind, Ledger, Moment, Options, Origin, OutboxId, Place, ScanResult,
    Trouble, Verified, Verify,
};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const START: i64 = 1_795_000_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn go(&self, pause: Duration) {
        self.0.fetch_add(i64::try_from(pause.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Hand,
    pub(crate) options: Options,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::begin(tempfile::tempdir().unwrap(), change).await
    }

    /// Of a directory that is there.
    pub(crate) async fn at(dir: TempDir) -> Self {
        Self::begin(dir, |_| {}).await
    }

    async fn begin(dir: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Hand(Arc::new(AtomicI64::new(START)));
        let mut options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        change(&mut options);
        let ledger = Ledger::open(&Place::Directory(dir.path().into()), options.clone()).await.unwrap();
        Self { dir, ledger, clock, options }
    }

    /// Opens the same directory anew.
    pub(crate) async fn again(&mut self) {
        self.ledger = Ledger::open(&self.place(), self.options.clone()).await.unwrap();
    }

    pub(crate) fn place(&self) -> Place {
        Place::Directory(self.path().into())
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The file, as somebody with `sqlite3` has it.
    pub(crate) fn by_hand(&self) -> Connection {
        let db = Connection::open(self.path().join("ledger.db")).unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        db
    }

    pub(crate) fn sql(&self, sql: &str) -> usize {
        self.by_hand().execute(sql, []).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub(crate) async fn append(&self, facts: impl IntoIterator<Item = (i64, Fact)>) -> Appended {
        let rows = facts.into_iter().map(|(id, fact)| (OutboxId(id), fact)).collect();
        self.ledger.append(rows).await.unwrap()
    }

    pub(crate) async fn verify(&self) -> Verified {
        self.ledger.verify(Verify::default()).await.unwrap()
    }

    /// Of whatever lies in a directory now.
    pub(crate) async fn verify_at(dir: &Path, options: &Options) -> Result<Verified, Trouble> {
        let options = Options { access: Access::Read, ..options.clone() };
        let ledger = Ledger::open(&Place::Directory(dir.into()), options).await?;
        ledger.verify(Verify::default()).await
    }

    pub(crate) async fn intact(&self) -> Verified {
        let verified = self.verify().await;
        assert_eq!(verified.faults, []);
        verified
    }
}

/// An accepted write of object `n`, a second apart.
pub(crate) fn write(n: u64) -> Fact {
    let at = Moment::from_millis(START + i64::try_from(n).unwrap() * 1000);
    Fact {
        source: Some("minio".into()),
        dialect: Some("minio".into()),
        bucket: Some("invoices".into()),
        unit: Some("u-1".into()),
        key: Some(format!("incoming/{n:05}.pdf").into_bytes()),
        version: Some(format!("v{n}")),
        etag: Some(format!("{n:032x}")),
        size: Some(n),
        event_time: Some(at.minus(Duration::from_secs(2))),
        received_time: Some(at.minus(Duration::from_secs(1))),
        attempts: Some(1),
        correlation_id: Some(format!("{n:024x}")),
        origin: Some(Origin::Event),
        ..Fact::new(Kind::Accepted, at)
    }
}

pub(crate) fn writes(range: std::ops::Range<u64>) -> impl Iterator<Item = (i64, Fact)> {
    range.map(|n| (i64::try_from(n).unwrap(), write(n)))
}

pub(crate) fn allowed(about: &[u64]) -> ScanResult {
    ScanResult {
        about: about.to_vec(),
        file_id: Some("0198f02f-0000-7abc-8def-0123456789ab".into()),
        result: Some("No Threat Detected".into()),
        file_state: Some("Allowed".into()),
        scan_time: Some(Moment::from_millis(START + 5)),
        confidence: Some("path".into()),
    }
}

pub(crate) fn hashed(options: &mut Options) {
    options.keys = Keys::Hashed;
}
