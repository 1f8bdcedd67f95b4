//! A relay with its spool and its ledger, an MDSS, and the command beside them: each a process, or a socket on loopback.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drive::{Process, Program, Server};
use jiff::Timestamp;
use mdss_relay_ledger::{BucketName, Database, Ledger, Options, Place, Shown};
use mdss_relay_spool::{Desk, Filter};
use mdss_sim::{Config, Sim};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::s3::Object;

pub(crate) const UNIT: &str = "00000000-0000-4000-8000-000000000002";
/// The unit of the second of two stores.
pub(crate) const OTHER: &str = "00000000-0000-4000-8000-000000000003";
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const HOUR: u64 = 3600;
const TOKEN: &str = "a-token-of-the-tests";

pub(crate) struct World {
    dir: TempDir,
    pub(crate) sim: Sim,
    relay: Option<Server>,
    /// Of the database that has spool and ledger; `None`: they are files.
    url: Option<String>,
    /// Whether the relay is given its bearer token in the environment.
    token: bool,
    /// More settings, of the relay and of the command.
    more: Vec<(&'static str, String)>,
}

/// What the command has said.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }

    pub(crate) fn counts(&self) -> Value {
        self.json()["counts"].clone()
    }
}

impl World {
    /// Everything but the relay. `store` is the store's lines, without its name.
    pub(crate) async fn new(store: &str) -> Self {
        Self::with(store, "").await
    }

    pub(crate) async fn with(store: &str, more: &str) -> Self {
        let sim = Sim::start(Config { file_api: true, ..Config::default() }).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "not-a-secret\n").unwrap();
        let config = format!(
            "[[route]]\nname = 'invoices'\nbucket = 'invoices'\nexclude_prefix = 'quarantine/'\nstorage_client_id = '{UNIT}'\n\
             storage_type = 's3-compatible'\n{more}\n[[store]]\nname = 'here'\nbuckets = 'invoices'\n{}\n",
            store.replace("SECRET", secret.to_str().unwrap())
        );
        std::fs::write(dir.path().join("relay.toml"), config).unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        Self { dir, sim, relay: None, url: None, token: true, more: Vec::new() }
    }

    /// With spool and ledger in a database.
    pub(crate) async fn shared(store: &str, url: String) -> Self {
        let world = Self::new(store).await;
        std::fs::write(world.dir.path().join("url"), &url).unwrap();
        Self { url: Some(url), ..world }
    }

    /// Two stores that have a bucket of the same name, each with a source and a unit of its own: `/a` and [`UNIT`], `/b` and [`OTHER`].
    pub(crate) async fn of_two(a: &str, b: &str) -> Self {
        let mut world = Self::new(&Self::s3(a)).await;
        let secret = world.dir.path().join("secret");
        let config: String = [("a", a, UNIT, "s3-compatible"), ("b", b, OTHER, "alibaba")]
            .iter()
            .map(|(name, url, unit, kind)| {
                let store = Self::s3(url).replace("SECRET", secret.to_str().unwrap());
                format!(
                    "[[source]]\nname = 'minio-{name}'\npath = '/{name}'\nauth = {{ bearer = {{ token = '{TOKEN}' }} }}\n\
                     [[route]]\nname = 'of-{name}'\nsource = 'minio-{name}'\nbucket = 'invoices'\nstorage_client_id = '{unit}'\n\
                     storage_type = '{kind}'\n\
                     [[store]]\nname = '{name}'\nsource = 'minio-{name}'\nbuckets = 'invoices'\n{store}\n"
                )
            })
            .collect();
        std::fs::write(world.dir.path().join("relay.toml"), config).unwrap();
        world.token = false;
        world
    }

    /// Sets something for the relay and for the command, from their next start on.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// Where the ledger is.
    pub(crate) fn ledger(&self) -> Place {
        match &self.url {
            None => Place::Directory(self.data()),
            Some(url) => Place::Database { database: Database::of_url(url).unwrap(), key: Some(self.data()) },
        }
    }

    /// The lines of a store that is asked over HTTP.
    pub(crate) fn s3(url: &str) -> String {
        format!(
            "kind = 's3'\nendpoint = '{url}'\nregion = 'us-east-1'\nstyle = 'path'\naccess_key_id = 'id'\nsecret_access_key_file = 'SECRET'"
        )
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let data = self.data().display().to_string();
        let mut place = vec![("RELAY_DATA_DIR", data.clone())];
        if self.url.is_some() {
            place = vec![
                ("RELAY_SPOOL_URL_FILE", self.dir.path().join("url").display().to_string()),
                ("RELAY_SPOOL_DURABILITY", "server".into()),
                ("RELAY_LEDGER_DIR", data),
            ];
        }
        place.extend([
            ("RELAY_CONFIG", self.dir.path().join("relay.toml").display().to_string()),
            ("RELAY_MODE", "spooled".into()),
            ("RELAY_LEDGER", "on".into()),
            ("APIENDPOINT", self.sim.url()),
            ("APIKEY", "test-key".into()),
        ]);
        place.extend(self.more.iter().cloned());
        place
    }

    /// Starts the relay, or starts it again.
    pub(crate) async fn relay(&mut self) -> &Server {
        self.relay = None;
        let path = command().with_file_name("mdss-relay-http");
        assert!(
            path.is_file(),
            "{} is missing; 'cargo build --package mdss-relay-http' makes it",
            path.display()
        );
        let token = self.token.then_some(("RELAY_TOKEN", TOKEN.to_owned()));
        let program = Program::new(path)
            .env("RELAY_LISTEN", "127.0.0.1:0")
            .envs(token.into_iter().chain(self.variables()));
        self.relay.insert(Server::start(&program, LIMIT).await.unwrap())
    }

    /// Posts the event of a new object, and waits until MDSS has it and the ledger knows.
    pub(crate) async fn accepted(&self, key: &str, etag: Option<&str>) {
        self.post(key, etag).await;
        self.in_ledger(key, 1).await;
    }

    /// How many of the objects whose keys begin so are in the spool.
    pub(crate) async fn in_spool(&self, prefix: &str) -> usize {
        let entries = Desk::open(&self.data()).unwrap().list(&Filter::default(), None, 10_000).await.unwrap();
        entries.iter().filter(|entry| entry.key.as_ref().is_some_and(|key| key.starts_with(prefix))).count()
    }

    pub(crate) async fn post(&self, key: &str, etag: Option<&str>) {
        self.post_to("/events", key, etag).await;
    }

    /// The same through the source of this path.
    pub(crate) async fn post_to(&self, path: &str, key: &str, etag: Option<&str>) {
        let object = json!({ "key": key, "eTag": etag, "size": 7, "sequencer": Timestamp::now().as_nanosecond().to_string() });
        let record = json!({ "eventSource": "minio:s3", "eventName": "ObjectCreated:Put", "eventTime": Timestamp::now().to_string(),
                             "s3": { "bucket": { "name": "invoices" }, "object": object } });
        self.deliver_to(path, json!({ "Records": [record] }).to_string().into_bytes()).await;
    }

    /// Posts a delivery.
    pub(crate) async fn deliver(&self, body: Vec<u8>) {
        self.deliver_to("/events", body).await;
    }

    async fn deliver_to(&self, path: &str, body: Vec<u8>) {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str())];
        let relay = self.relay.as_ref().unwrap();
        let answer = relay.send("POST", path, &headers, body).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Waits until the ledger has so many entries about an object.
    pub(crate) async fn in_ledger(&self, key: &str, count: usize) -> Vec<Shown> {
        let bucket = BucketName::new("invoices");
        let end = std::time::Instant::now() + LIMIT;
        loop {
            // The relay has not begun it right away.
            if let Ok(ledger) = Ledger::open(&self.ledger(), Options::reading()).await {
                let found = ledger.show(&bucket, key.as_bytes()).await.unwrap_or_default();
                if found.len() >= count {
                    return found;
                }
            }
            assert!(std::time::Instant::now() < end, "{key:?} is not in the ledger");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.tool(&["reconcile"], arguments)
    }

    /// Another command of the tool.
    pub(crate) fn tool(&self, name: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(command());
        command.args(name).args(arguments).env_clear().envs(self.variables());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let child = self.start(arguments);
        tokio::task::spawn_blocking(move || said(child)).await.unwrap()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Starts the command so that what it says can be read while it runs.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Process {
        let command = self.command(arguments);
        let mut program = Program::new(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            program = program.env(name, value.unwrap_or_default());
        }
        program.start().unwrap()
    }
}

/// The command, as it was built for the tests or as it is shipped.
fn command() -> PathBuf {
    drive::binary(env!("CARGO_BIN_EXE_mdss-relay"))
}

pub(crate) fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// So long ago.
pub(crate) fn ago(seconds: u64) -> Timestamp {
    Timestamp::now() - Duration::from_secs(seconds)
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    drive::until(what, LIMIT, async || holds()).await.unwrap();
}

/// So many objects that were written an hour ago, called `o/000000` and so on.
pub(crate) fn objects(count: usize) -> impl Iterator<Item = (String, Object)> {
    (0..count).map(|n| (format!("o/{n:06}"), Object::of(ago(HOUR))))
}
