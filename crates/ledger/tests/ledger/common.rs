//! A ledger with a clock of its own, facts to write, and the file by hand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mdss_relay_ledger::{
    Access, Appended, Clock, Database, Fact, Keys, Kind, Ledger, Moment, Options, Origin, OutboxId, Place,
    ScanResult, Trouble, Verified, Verify,
};
use postgres_rig::Server;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, SimpleQueryMessage};

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

/// Where ledgers are kept.
#[derive(Clone, Copy)]
pub(crate) enum World {
    File,
    Database(&'static Server),
}

impl World {
    pub(crate) fn file() -> Self {
        Self::File
    }

    /// Databases on a server that all tests share; `None` where there is no PostgreSQL, and a line says so.
    pub(crate) fn database() -> Option<Self> {
        postgres_rig::shared().unwrap().map(Self::Database)
    }

    pub(crate) async fn bench(self) -> Bench {
        self.with(|_| {}).await
    }

    pub(crate) async fn with(self, change: impl FnOnce(&mut Options)) -> Bench {
        let url = match self {
            Self::File => None,
            Self::Database(server) => Some(server.database().await.unwrap()),
        };
        Bench::begin(tempfile::tempdir().unwrap(), url, change).await
    }
}

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    /// Of the database; `None`: it is a file.
    pub(crate) url: Option<String>,
    client: OnceCell<Client>,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Hand,
    pub(crate) options: Options,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        World::File.bench().await
    }

    /// Of a directory that is there.
    pub(crate) async fn at(dir: TempDir) -> Self {
        Self::begin(dir, None, |_| {}).await
    }

    async fn begin(dir: TempDir, url: Option<String>, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Hand(Arc::new(AtomicI64::new(START)));
        let mut options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        change(&mut options);
        let place = place(dir.path(), url.as_deref());
        let ledger = Ledger::open(&place, options.clone()).await.unwrap();
        Self { dir, url, client: OnceCell::new(), ledger, clock, options }
    }

    /// Opens the same ledger anew.
    pub(crate) async fn again(&mut self) {
        self.ledger.close().await;
        self.ledger = Ledger::open(&self.place(), self.options.clone()).await.unwrap();
    }

    pub(crate) fn place(&self) -> Place {
        place(self.path(), self.url.as_deref())
    }

    /// Where the file is, and the key.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The file, as somebody with `sqlite3` has it.
    pub(crate) fn by_hand(&self) -> Connection {
        let db = Connection::open(self.path().join("ledger.db")).unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        db
    }

    /// Changes rows by hand.
    pub(crate) async fn sql(&self, sql: &str) {
        match &self.url {
            None => self.by_hand().execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}")),
            Some(_) => drop(self.ask(sql).await),
        }
    }

    /// The first column of what a statement gives, as text; NULL is an empty one.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        match &self.url {
            None => {
                let db = self.by_hand();
                let mut statement = db.prepare(sql).unwrap();
                let text = |row: &rusqlite::Row<'_>| {
                    Ok(match row.get_ref(0)? {
                        ValueRef::Null => String::new(),
                        ValueRef::Integer(number) => number.to_string(),
                        other => String::from_utf8_lossy(other.as_bytes()?).into_owned(),
                    })
                };
                statement.query_map([], text).unwrap().map(Result::unwrap).collect()
            }
            Some(url) => {
                let begin = async || {
                    let client = postgres_rig::client(url).await.unwrap();
                    client.batch_execute("SET search_path = mdss_relay_ledger").await.unwrap();
                    client
                };
                let client = self.client.get_or_init(begin).await;
                let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
                let first = |message| match message {
                    SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                    _ => None,
                };
                messages.into_iter().filter_map(first).collect()
            }
        }
    }

    /// So many bytes, as a statement has them.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.url.is_some() { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") }
    }

    /// Where these bytes can be found: in which files; in a database, in which tables.
    pub(crate) async fn holds(&self, needle: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        if self.url.is_none() {
            for entry in std::fs::read_dir(self.path()).unwrap() {
                let path = entry.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                if bytes.windows(needle.len()).any(|window| window == needle) {
                    found.push(path.file_name().unwrap().to_string_lossy().into_owned());
                }
            }
            return found;
        }
        let hex: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = String::from_utf8_lossy(needle);
        for table in self.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'mdss_relay_ledger'").await
        {
            let sql = format!(
                "SELECT 1 FROM {table} t WHERE t::text LIKE '%{text}%' OR t::text LIKE '%{hex}%' LIMIT 1"
            );
            if !self.ask(&sql).await.is_empty() {
                found.push(table);
            }
        }
        found
    }

    pub(crate) async fn append(&self, facts: impl IntoIterator<Item = (i64, Fact)>) -> Appended {
        let rows = facts.into_iter().map(|(id, fact)| (OutboxId(id), fact)).collect();
        self.ledger.append(rows).await.unwrap()
    }

    pub(crate) async fn verify(&self) -> Verified {
        self.ledger.verify(Verify::default()).await.unwrap()
    }

    /// Of whatever is there now, by somebody who opens it.
    pub(crate) async fn verify_anew(&self) -> Result<Verified, Trouble> {
        let options = Options { access: Access::Read, ..self.options.clone() };
        let ledger = Ledger::open(&self.place(), options).await?;
        ledger.verify(Verify::default()).await
    }

    pub(crate) async fn intact(&self) -> Verified {
        let verified = self.verify().await;
        assert_eq!(verified.faults, []);
        verified
    }
}

pub(crate) fn place(dir: &Path, url: Option<&str>) -> Place {
    match url {
        None => Place::Directory(dir.into()),
        Some(url) => Place::Database { database: Database::of_url(url).unwrap(), key: Some(dir.to_owned()) },
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
        detail: Some(r#"{"CoreScanResult":"No Threat Detected"}"#.into()),
    }
}

pub(crate) fn hashed(options: &mut Options) {
    options.keys = Keys::Hashed;
}
