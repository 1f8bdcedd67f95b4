//! The server with a ledger, as a process: what MDSS has accepted is in it, once, whatever breaks in between; and a ledger that breaks stops nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drive::{Program, Server};
use mdss_relay_ledger::{BucketName, Checkpoint, Kind, Ledger, Options, Place, Rekey, Verified, Verify};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use rusqlite::Connection;

const LIMIT: Duration = Duration::from_secs(60);

fn program(sim: &Sim, folder: &Path) -> Program {
    configured(Program::new(env!("CARGO_BIN_EXE_mdss-relay-http")), sim, folder)
}

fn configured(program: Program, sim: &Sim, folder: &Path) -> Program {
    program
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.join("data"))
        .env("RELAY_LEDGER", "on")
        .env("RELAY_LEDGER_DIR", folder.join("ledger"))
}

async fn start(program: &Program) -> Server {
    Server::start(program, LIMIT).await.unwrap()
}

async fn stop(mut server: Server) -> String {
    server.process.signal("TERM").unwrap();
    assert!(server.process.wait(LIMIT).await.unwrap().success());
    server.process.output()
}

async fn kill(mut server: Server) {
    server.process.signal("KILL").unwrap();
    server.process.wait(LIMIT).await.unwrap();
}

async fn post(server: &Server, keys: &[String]) {
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let body = mdss_sim::created("minio:s3", "b", &keys);
    assert_eq!(server.send("POST", "/events", &[], body).await.unwrap().status, 200);
}

async fn metric(server: &Server, name: &str) -> Option<f64> {
    let text = server.send("GET", "/metrics", &[], "").await.unwrap().text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Waits for the end of a pass over the outbox: what a pass has written can be read before it.
async fn healthy(server: &Server) {
    until("the metric of the ledger's health", async || {
        metric(server, "mdss_relay_ledger_healthy").await == Some(1.0)
    })
    .await;
}

async fn is_ready(server: &Server) -> bool {
    server.send("GET", "/readyz", &[], "").await.unwrap().status == 200
}

async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    drive::until(what, LIMIT, holds).await.unwrap();
}

fn keys(of: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{of}-{n}")).collect()
}

async fn reading(dir: PathBuf) -> Option<Ledger> {
    Ledger::open(&Place::Directory(dir), Options::reading()).await.ok()
}

/// How often each key of the bucket stands in the ledger.
async fn written(dir: PathBuf) -> BTreeMap<String, usize> {
    let Some(ledger) = reading(dir).await else { return BTreeMap::new() };
    let objects = ledger.writes_from(&BucketName::new("b"), None, 100_000).await.unwrap_or_default();
    objects.into_iter().map(|object| (String::from_utf8(object.key).unwrap(), object.writes.len())).collect()
}

async fn verified(dir: PathBuf, checkpoints: Vec<Checkpoint>) -> Verified {
    let ledger = reading(dir).await.unwrap();
    ledger.verify(Verify { checkpoints, ..Verify::default() }).await.unwrap()
}

fn once(keys: &[String]) -> BTreeMap<String, usize> {
    keys.iter().map(|key| (key.clone(), 1)).collect()
}

/// Keeps everybody else from writing a database, until it is dropped.
fn held(file: PathBuf) -> Connection {
    let db = Connection::open(file).unwrap();
    db.busy_timeout(LIMIT).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

#[tokio::test]
async fn l8_what_mdss_has_accepted_is_in_the_ledger_and_what_the_log_publishes_fits() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (dir, keys) = (folder.path().join("ledger"), keys("a", 20));
    let server = start(&program(&sim, folder.path())).await;
    post(&server, &keys).await;
    until("the ledger has all", async || written(dir.clone()).await == once(&keys)).await;
    until("the metrics say so", async || {
        metric(&server, "mdss_relay_ledger_entries").await >= Some(21.0)
            && metric(&server, "mdss_relay_ledger_outbox_rows").await == Some(0.0)
            && metric(&server, "mdss_relay_ledger_unscanned").await == Some(20.0)
    })
    .await;
    healthy(&server).await;
    assert_eq!(metric(&server, "mdss_relay_ledger_gaps_total").await, Some(0.0));
    let ledger = reading(dir.clone()).await.unwrap();
    let shown = ledger.show(&BucketName::new("b"), b"a-7").await.unwrap();
    let fact = &shown[0].entry.fact;
    assert_eq!((fact.kind, fact.unit.as_deref()), (Kind::Accepted, Some(units::S3_COMPATIBLE)));
    assert!(
        fact.correlation_id.is_some() && fact.received_time.is_some() && fact.attempts == Some(1),
        "{fact:?}"
    );
    let output = stop(server).await;
    assert!(output.contains("with a ledger in"), "{output}");
    // The tool signs where it stands, as the relay does each hour.
    let ledger = Ledger::open(&Place::Directory(dir.clone()), Options::default()).await.unwrap();
    ledger.checkpoint().await.unwrap();
    drop(ledger);
    let server = start(&program(&sim, folder.path())).await;
    until("what nobody has published is in the log", async || {
        server.process.output().contains("mdss-relay-checkpoint:")
    })
    .await;
    let (found, broken) = Checkpoint::find(&stop(server).await);
    assert_eq!((found.len(), broken), (1, 0));
    let verified = verified(dir, found).await;
    assert!(verified.faults.is_empty() && verified.foreign == 1, "{verified:?}");
}

/// Facts wait in the outbox, the relay is killed, and killed again after the ledger has them and the outbox has them still.
#[tokio::test]
async fn a_relay_that_is_killed_between_outbox_and_ledger_loses_nothing_and_writes_nothing_twice() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let program = program(&sim, folder.path());
    let server = start(&program).await;
    healthy(&server).await;
    let ledger = held(dir.join("ledger.db"));
    let (first, second) = (keys("first", 30), keys("second", 30));
    post(&server, &first).await;
    until("MDSS has them", async || sim.accepted_keys().len() == 30).await;
    until("they wait", async || {
        let db = Connection::open(folder.path().join("data/spool.db")).unwrap();
        db.query_row("SELECT rows FROM outbox_state", [], |row| row.get::<_, i64>(0)) == Ok(30)
    })
    .await;
    kill(server).await;
    drop(ledger);
    assert!(written(dir.clone()).await.is_empty());
    let server = start(&program).await;
    until("the ledger has them", async || written(dir.clone()).await == once(&first)).await;
    // Now the outbox cannot let go of what the ledger has.
    let ledger = held(dir.join("ledger.db"));
    post(&server, &second).await;
    until("MDSS has the others", async || sim.accepted_keys().len() == 60).await;
    until("they wait", async || {
        let db = Connection::open(folder.path().join("data/spool.db")).unwrap();
        db.query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0)) == Ok(30)
    })
    .await;
    let spool = held(folder.path().join("data/spool.db"));
    drop(ledger);
    until("the ledger has the others", async || written(dir.clone()).await.len() == 60).await;
    kill(server).await;
    drop(spool);
    let server = start(&program).await;
    until("the outbox is empty", async || {
        metric(&server, "mdss_relay_ledger_outbox_rows").await == Some(0.0)
    })
    .await;
    stop(server).await;
    let all: Vec<_> = first.iter().chain(&second).cloned().collect();
    assert_eq!(written(dir.clone()).await, once(&all));
    assert!(verified(dir, Vec::new()).await.faults.is_empty());
}

/// Writes until nothing fits any more.
fn fill(filler: &Path) {
    let mut file = std::fs::File::create(filler).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// The child sees a disk of its own, which needs user namespaces; a kernel may not give them to everybody.
#[tokio::test]
async fn a_full_disk_of_the_ledger_stops_no_scan_and_is_said() {
    let unshare = ["--map-root-user", "--mount"];
    let status = std::process::Command::new("unshare")
        .args(unshare)
        .args(["mount", "-t", "tmpfs", "x", "/mnt"])
        .status();
    if !drive::available("unshare", status.is_ok_and(|status| status.success())).unwrap() {
        return;
    }
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    std::fs::create_dir(&dir).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=8m tmpfs {0} && exec {1}",
        dir.display(),
        env!("CARGO_BIN_EXE_mdss-relay-http")
    );
    let outer = Program::new("unshare").args(unshare).args(["sh", "-c", &mount]).inherit_env();
    // The line that says where it listens, and errors; a line for each event would push them out of what a test keeps.
    let log = "error,mdss_relay_http=info";
    let server = start(&configured(outer, &sim, folder.path()).env("RELAY_LOG", log)).await;
    let (first, second) = (keys("first", 2000), keys("second", 10));
    healthy(&server).await;
    // Its root is the way to its disk.
    let inside =
        PathBuf::from(format!("/proc/{}/root", server.process.id())).join(dir.strip_prefix("/").unwrap());
    fill(&inside.join("filler"));
    for some in first.chunks(100) {
        post(&server, some).await;
    }
    until("it is said", async || server.process.output().contains("ledger_unwritable")).await;
    until("MDSS has everything", async || sim.accepted_keys().len() == 2000).await;
    post(&server, &second).await;
    until("and goes on to get it", async || sim.accepted_keys().len() == 2010).await;
    assert!(is_ready(&server).await);
    assert_eq!(metric(&server, "mdss_relay_ledger_healthy").await, Some(0.0));
    until("what it has to know waits", async || {
        metric(&server, "mdss_relay_ledger_outbox_rows").await > Some(0.0)
    })
    .await;
    std::fs::remove_file(inside.join("filler")).unwrap();
    until("it is written again", async || server.process.output().contains("the ledger is written again"))
        .await;
    until("all of it", async || metric(&server, "mdss_relay_ledger_outbox_rows").await == Some(0.0)).await;
    healthy(&server).await;
    let all: Vec<_> = first.iter().chain(&second).cloned().collect();
    // SQLite would take the way back out of that root, so a copy is read; it may be cut off in between, and then the next one is not.
    let copy = folder.path().join("copy");
    until("everything is in it", async || {
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir(&copy).unwrap();
        for name in ["ledger.db", "ledger.db-wal"] {
            let _ = std::fs::copy(inside.join(name), copy.join(name));
        }
        written(copy.clone()).await == once(&all)
    })
    .await;
    assert!(verified(copy, Vec::new()).await.faults.is_empty());
}

#[tokio::test]
async fn a_damaged_ledger_is_set_aside_and_the_new_one_begins_with_a_gap() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let program = program(&sim, folder.path());
    let server = start(&program).await;
    let (first, second) = (keys("first", 200), keys("second", 5));
    post(&server, &first).await;
    until("the ledger has them", async || written(dir.clone()).await.len() == 200).await;
    stop(server).await;
    let file = std::fs::OpenOptions::new().write(true).open(dir.join("ledger.db")).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in 1..pages {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
    let server = start(&program).await;
    post(&server, &second).await;
    until("it is said", async || {
        server.process.output().contains("the ledger was damaged and was set aside")
    })
    .await;
    until("MDSS has the others", async || sim.accepted_keys().len() == 205).await;
    until("the new one has them", async || written(dir.clone()).await == once(&second)).await;
    assert!(is_ready(&server).await);
    assert_eq!(metric(&server, "mdss_relay_ledger_gaps_total").await, Some(1.0));
    stop(server).await;
    let aside = std::fs::read_dir(&dir)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"));
    assert!(aside.count() >= 1);
    assert!(verified(dir, Vec::new()).await.faults.is_empty());
}

#[tokio::test]
async fn l9_a_row_that_is_edited_by_hand_is_named() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let server = start(&program(&sim, folder.path())).await;
    let keys = keys("a", 9);
    post(&server, &keys).await;
    until("the ledger has them", async || written(dir.clone()).await.len() == 9).await;
    stop(server).await;
    assert!(verified(dir.clone(), Vec::new()).await.faults.is_empty());
    let db = Connection::open(dir.join("ledger.db")).unwrap();
    db.execute("UPDATE entry SET correlation_id = 'another' WHERE seq = 5", []).unwrap();
    drop(db);
    let verified = verified(dir, Vec::new()).await;
    assert_eq!(verified.faults.first().map(|fault| fault.seq), Some(5), "{verified:?}");
}

/// What is in the outbox when a relay stops is there for the next start.
#[tokio::test]
async fn a_stop_leaves_what_the_ledger_has_not_got_for_the_next_start() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let program = program(&sim, folder.path());
    let server = start(&program).await;
    healthy(&server).await;
    let ledger = held(dir.join("ledger.db"));
    let keys = keys("a", 3);
    post(&server, &keys).await;
    until("MDSS has them", async || sim.accepted_keys().len() == 3).await;
    stop(server).await;
    drop(ledger);
    let server = start(&program).await;
    until("the ledger has them", async || written(dir.clone()).await == once(&keys)).await;
    // A start is an entry, and so are other settings.
    server_says(&dir, Kind::Settings, 2).await;
    stop(server).await;
}

/// Whatever has changed it: what cannot be read holds nothing up, and is missed once.
#[tokio::test]
async fn a_fact_that_cannot_be_read_becomes_a_gap_and_the_others_go_on() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let program = program(&sim, folder.path());
    let server = start(&program).await;
    healthy(&server).await;
    let ledger = held(dir.join("ledger.db"));
    post(&server, &keys("a", 3)).await;
    until("MDSS has them", async || sim.accepted_keys().len() == 3).await;
    stop(server).await;
    let spool = Connection::open(folder.path().join("data/spool.db")).unwrap();
    let sql = "UPDATE outbox SET body = 'a secret, no fact' WHERE id = (SELECT min(id) + 1 FROM outbox)";
    assert_eq!(spool.execute(sql, []).unwrap(), 1);
    drop((spool, ledger));
    let server = start(&program).await;
    until("the ledger has the others", async || written(dir.clone()).await.len() == 2).await;
    until("nothing waits", async || metric(&server, "mdss_relay_ledger_outbox_rows").await == Some(0.0))
        .await;
    server_says(&dir, Kind::Gap, 1).await;
    let output = stop(server).await;
    assert!(output.contains("of the outbox cannot be read") && !output.contains("a secret"), "{output}");
    assert!(verified(dir, Vec::new()).await.faults.is_empty());
}

/// Waits until so many entries are of a kind.
async fn server_says(dir: &Path, kind: Kind, count: usize) {
    let number = match kind {
        Kind::Settings => 7,
        Kind::Gap => 10,
        Kind::ClockJump => 11,
        other => panic!("the number of {other} in the file"),
    };
    until("the entries are there", async || {
        let db = Connection::open(dir.join("ledger.db")).unwrap();
        let sql = "SELECT count(*) FROM entry WHERE kind = ?1";
        db.query_row(sql, [number], |row| row.get::<_, i64>(0)).unwrap() == count as i64
    })
    .await;
}

/// Where libfaketime is not installed it is passed over, and says so.
#[tokio::test]
async fn a_clock_that_jumps_under_a_running_relay_is_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, dir) = (folder.path().join("clock"), folder.path().join("ledger"));
    std::fs::write(&clock, "+0").unwrap();
    let vars = postgres_rig::jumping_clock(&clock);
    if !drive::available("faketime", vars.is_some()).unwrap() {
        return;
    }
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(&program(&sim, folder.path()).envs(vars.unwrap())).await;
    healthy(&server).await;
    // It is compared with the time since the start; an hour ahead, and an hour back.
    for (jump, count) in [("+3600", 1), ("+0", 2)] {
        std::fs::write(&clock, jump).unwrap();
        server_says(&dir, Kind::ClockJump, count).await;
    }
    stop(server).await;
    let db = Connection::open(dir.join("ledger.db")).unwrap();
    let mut statement = db.prepare("SELECT detail FROM entry WHERE kind = 11 ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let jumps = rows.map(|row| serde_json::from_str::<serde_json::Value>(&row.unwrap()).unwrap());
    let hours = jumps
        .map(|jump| ["ahead_ms", "behind_ms"].map(|way| jump[way].as_u64().unwrap().div_ceil(3_500_000)));
    assert_eq!(hours.collect::<Vec<_>>(), [[2, 0], [0, 2]]);
    assert!(verified(dir, Vec::new()).await.faults.is_empty());
}

/// Neither a restart nor a reload is needed, and what came in the meantime is in the new chain.
#[tokio::test]
async fn a_running_relay_takes_a_new_key_up_by_itself() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let server = start(&program(&sim, folder.path())).await;
    let mut all = keys("before", 5);
    post(&server, &all).await;
    until("the ledger has all", async || written(dir.clone()).await == once(&all)).await;
    let asked = Rekey { actor: "anna".into(), reason: "it was in a mail".into(), lost: false };
    let place = Place::Directory(dir.clone());
    let new = Ledger::rekey(&place, Options::default(), asked).await.unwrap().public_key;
    let after = keys("after", 5);
    post(&server, &after).await;
    all.extend(after);
    until("it writes with the new key", async || written(dir.clone()).await == once(&all)).await;
    healthy(&server).await;
    let log = stop(server).await;
    assert!(log.contains("ledger_key") && log.contains("the ledger is written again"), "{log}");

    let (published, broken) = Checkpoint::find(&log);
    assert_eq!(broken, 0);
    let ledger = reading(dir).await.unwrap();
    let chains = ledger.chains().await.unwrap();
    assert_eq!(chains.len(), 2);
    for chain in &chains {
        let checkpoints: Vec<_> = published.iter().filter(|one| one.ledger == *chain).copied().collect();
        assert!(!checkpoints.is_empty(), "{log}");
        let asked = Verify { ledger: Some(*chain), checkpoints, ..Verify::default() };
        assert_eq!(ledger.verify(asked).await.unwrap().faults, []);
    }
    assert!(published.iter().filter(|one| one.ledger == chains[1]).all(|one| one.public_key == new));
}

#[tokio::test]
async fn without_a_ledger_there_is_no_trace_of_one() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = start(&program(&sim, folder.path()).env("RELAY_LEDGER", "off")).await;
    post(&server, &keys("a", 3)).await;
    until("MDSS has them", async || sim.accepted_keys().len() == 3).await;
    assert_eq!(metric(&server, "mdss_relay_ledger_healthy").await, None);
    stop(server).await;
    assert!(!folder.path().join("ledger").exists());
    let db = Connection::open(folder.path().join("data/spool.db")).unwrap();
    assert_eq!(db.query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0)), Ok(0));
}
