//! What `doctor` and `spool check` say of a ledger that does not work, one fault after the other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod set_up;
mod tool;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mdss_relay_core::{Delivery, Role, Settings, plan};
use mdss_relay_ledger::{Database, Fact, Kind, Ledger, Moment, Options, OutboxId, Place};
use mdss_relay_spool::seam::{Outcome, Settlement, Want};
use mdss_relay_spool::{Config, Durability, Sender, Spool, SystemClock};
use serde_json::{Value, json};
use set_up::{GOOD, STRANGER, set_up, write};
use tempfile::TempDir;

/// A set-up whose relay keeps a ledger.
fn kept() -> TempDir {
    set_up(&format!("{GOOD}\n[ledger]\nmode = \"on\"\nlimit = \"10MiB\"\n"))
}

/// Status and sentence of a check.
fn said(checks: &Value, id: &str) -> (String, String) {
    let found: Vec<_> =
        checks["checks"].as_array().unwrap().iter().filter(|check| check["id"] == id).collect();
    assert_eq!(found.len(), 1, "{id} in {checks:#}");
    let text = |name: &str| found[0][name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("found"))
}

fn doctor(dir: &Path) -> Value {
    let config = dir.join("relay.toml");
    let said = tool::run("doctor", &["--offline", "--json", "--config", config.to_str().unwrap()], &[], "");
    assert!(said.status < 2, "{}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", said.stdout, said.stderr))
}

fn facts(count: i64) -> Vec<(OutboxId, Fact)> {
    let fact = |n| Fact {
        bucket: Some("b".into()),
        unit: Some("unit-1".into()),
        key: Some(format!("{n}.pdf").into_bytes()),
        ..Fact::new(Kind::Accepted, Moment::from_millis(1_795_000_000_000 + n))
    };
    (1..=count).map(|n| (OutboxId(n), fact(n))).collect()
}

/// One object is accepted by MDSS, and its fact waits; the relay goes.
async fn waits(place: mdss_relay_spool::Place) {
    let vars = [
        ("APIENDPOINT", "https://mdss.example"),
        ("APIKEY", "key-of-a-test"),
        ("RELAY_CONFIG_TOML", "[[route]]\nbucket = \"b\"\nstorage_client_id = \"unit-1\""),
    ];
    let settings = Settings::read(vars.map(|(n, v)| (n.into(), v.into())), Role::Function).finish().unwrap();
    let (spool, keeping) = Spool::start(Config { place, limit: 1 << 30 }, Arc::new(SystemClock)).unwrap();
    let record = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } });
    let delivery = Delivery {
        body: json!({ "Records": [record] }).to_string().into_bytes(),
        id: "delivery".into(),
        ..Delivery::default()
    };
    let plan = plan(&settings.rules, &delivery);
    while spool.engine().outbox_keep(Some(1 << 20)).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let item = spool.engine().claim(Want { most: 1, ..Want::default() }).await.unwrap().items.remove(0);
    let fact = Some("{\"kind\":\"accepted\"}".to_owned());
    let settled = Settlement { ticket: item.ticket, outcome: Outcome::Accepted, fact };
    spool.engine().settle(vec![settled].into()).await.unwrap();
    drop(spool);
    tokio::task::spawn_blocking(move || keeping.wait()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_ledger_in_a_file_is_found() {
    let dir = kept();
    let path = dir.path();
    let at = path.join("spool");
    let checks =
        ["machine.ledger_writable", "machine.ledger_key", "machine.ledger_outbox", "machine.ledger_chain"];
    let new = doctor(path);
    for id in checks {
        assert_eq!(said(&new, id).0, "ok", "before the first start: {new:#}");
    }
    for (id, words) in [("key", "is made when the ledger is begun"), ("outbox", "there is no spool yet")] {
        let (_, why) = said(&new, &format!("machine.ledger_{id}"));
        assert!(why.contains(words), "{id}: {why}");
    }

    let place = Place::Directory(at.clone());
    let ledger = Ledger::open(&place, Options::default()).await.unwrap();
    ledger.append(facts(300)).await.unwrap();
    ledger.checkpoint().await.unwrap().unwrap();
    drop(ledger);
    waits(mdss_relay_spool::Place::Directory(at.clone())).await;
    let found = doctor(path);
    for (id, words) in [
        ("writable", "ledger.db"),
        ("key", "public half"),
        ("chain", "entries fit, and the newest checkpoint"),
    ] {
        let (status, why) = said(&found, &format!("machine.ledger_{id}"));
        assert!(status == "ok" && why.contains(words), "{id}: {status}: {why}");
    }
    // Whether what waits would be written is not known while nobody runs.
    let (status, why) = said(&found, "machine.ledger_outbox");
    assert!(status == "unknown" && why.starts_with("1 facts wait"), "{status}: {why}");

    // The key: readable by others, another ledger's, none at all.
    let key = at.join("ledger.key");
    let mode = |mode| std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    let (status, why) = said(&doctor(path), "machine.ledger_key");
    assert!(status == "warn" && why.contains("every user of this machine may read"), "{status}: {why}");
    mode(0o600);
    let good = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let none = doctor(path);
    let (status, why) = said(&none, "machine.ledger_version");
    assert!(status == "fail" && why.contains("ledger.key"), "{status}: {why}");
    assert_eq!(said(&none, "machine.ledger_key").0, "skipped");
    assert!(Ledger::make_key(&at).unwrap());
    let (status, why) = said(&doctor(path), "machine.ledger_key");
    assert!(status == "fail" && why.contains("another ledger's"), "{status}: {why}");
    std::fs::write(&key, "no key").unwrap();
    let (status, why) = said(&doctor(path), "machine.ledger_key");
    assert!(status == "fail" && why.contains("no file of keys"), "{status}: {why}");
    std::fs::write(&key, good).unwrap();

    // A file that somebody else has made, seen by the service's user.
    if chown(&at, Some(STRANGER), Some(STRANGER)).is_ok() {
        for file in std::fs::read_dir(&at).unwrap() {
            chown(file.unwrap().path(), Some(STRANGER), Some(STRANGER)).unwrap();
        }
        let unit = path.join("mdss-relay-http.service");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        let text = format!(
            "[Service]\nUser={STRANGER}\nExecStart=/usr/bin/mdss-relay-http\nEnvironment=RELAY_CONFIG={}\n",
            path.join("relay.toml").display()
        );
        write(&unit, &text, 0o644);
        let of_unit = || {
            let arguments = ["--offline", "--json", "--unit-file", unit.to_str().unwrap()];
            serde_json::from_str::<Value>(&tool::run("doctor", &arguments, &[], "").stdout).unwrap()
        };
        let good = said(&of_unit(), "machine.ledger_writable");
        chown(at.join("ledger.db"), Some(0), Some(0)).unwrap();
        let (status, why) = said(&of_unit(), "machine.ledger_writable");
        if good.0 == "ok" {
            assert!(status == "fail" && why.contains("may not change"), "{status}: {why}");
        } else {
            assert_eq!(good.0, "unknown", "who the user is may not be known here: {good:?}");
        }
        chown(&at, Some(0), Some(0)).unwrap();
    }

    // One of the last entries is changed; then the file is no database.
    let db = rusqlite::Connection::open(at.join("ledger.db")).unwrap();
    db.execute("UPDATE entry SET size = 7 WHERE seq = 299", []).unwrap();
    drop(db);
    let (status, why) = said(&doctor(path), "machine.ledger_chain");
    assert!(status == "fail" && why.contains("at entry 299"), "{status}: {why}");
    for tail in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(at.join(format!("ledger.db{tail}")));
    }
    std::fs::write(at.join("ledger.db"), "no database".repeat(1000)).unwrap();
    let (status, why) = said(&doctor(path), "machine.ledger_chain");
    assert!(status != "ok", "{status}: {why}");
}

/// How long it waits is told by `spool.db`; whether somebody will carry it over by whoever works on it.
#[tokio::test]
async fn facts_that_wait_for_a_ledger_are_found() {
    let dir = kept();
    let dir = dir.path();
    let outbox = || said(&doctor(dir), "machine.ledger_outbox");
    let place = mdss_relay_spool::Place::Directory(dir.join("spool"));
    let (spool, keeping) = Spool::start(Config { place, limit: 1 << 30 }, Arc::new(SystemClock)).unwrap();
    // The file is made by a thread of the relay.
    let begun = Instant::now();
    while outbox().0 != "warn" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", outbox());
    }
    assert!(outbox().1.contains("the relay that runs keeps no ledger"), "{:?}", outbox());
    // As a relay has it that keeps one, whose ledger has refused a fact for so long.
    let wait_for = |seconds: i64, lost: i64| {
        let db = rusqlite::Connection::open(dir.join("spool/spool.db")).unwrap();
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
            - seconds * 1000;
        let sql = format!(
            "DELETE FROM outbox; INSERT INTO outbox (id, at, body) VALUES (7, {at}, '{{}}');
             UPDATE outbox_state SET room = 268435456, rows = 1, bytes = 2, lost = {lost}"
        );
        db.execute_batch(&sql).unwrap();
    };
    for (seconds, lost, status, words) in [
        (1, 0, "ok", "1 facts wait for the ledger"),
        (100, 0, "warn", "the oldest for 10"),
        (1000, 0, "fail", "the oldest for 16 min"),
        (1, 3, "fail", "3 facts had no room any more"),
    ] {
        wait_for(seconds, lost);
        let (is, why) = outbox();
        assert!(is == status && why.contains(words), "{is}: {why}");
    }
    drop(spool);
    tokio::task::spawn_blocking(move || keeping.wait()).await.unwrap();
    wait_for(1000, 0);
    let (is, why) = outbox();
    assert!(is == "unknown" && why.contains("no relay runs that would write them"), "{is}: {why}");
}

/// The end of a long chain costs as much as that of a short one, and what lies before it is not looked at.
#[tokio::test]
async fn only_the_end_of_a_chain_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().into());
    let ledger = Ledger::open(&place, Options::default()).await.unwrap();
    ledger.append(facts(5000)).await.unwrap();
    ledger.checkpoint().await.unwrap().unwrap();
    let last = || mdss_relay_ledger::Verify { last: Some(1000), ..mdss_relay_ledger::Verify::default() };
    let end = ledger.verify(last()).await.unwrap();
    assert_eq!((end.entries, end.checkpoints, &end.faults), (1000, 1, &vec![]));
    let change = |sql: &str| {
        let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
        db.execute(sql, []).unwrap();
    };
    change("UPDATE entry SET size = 7 WHERE seq = 4");
    assert_eq!(ledger.verify(last()).await.unwrap().faults, []);
    // The entry in front of the end is gone, and the newest checkpoint is another one's.
    change("DELETE FROM entry WHERE seq = 4001");
    let faults = ledger.verify(last()).await.unwrap().faults;
    assert_eq!((faults[0].seq, faults[0].what.as_str()), (4001, "entry 4001 is missing"), "{faults:?}");
    change("UPDATE checkpoint SET at = at + 1");
    let faults = ledger.verify(last()).await.unwrap().faults;
    assert!(faults.iter().any(|fault| fault.what.contains("signature")), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_ledger_in_a_database_is_found() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let change = async |sql: &str| postgres_rig::ask(&server.admin_url(&name), sql).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("url"), folder.path().join("key"));
    write(&file, &url, 0o600);
    let check = |key: &Path| {
        let variables = [("RELAY_SPOOL_DURABILITY", "server"), ("RELAY_LEDGER_DIR", key.to_str().unwrap())];
        let said =
            tool::run("spool", &["check", "--json", "--url-file", file.to_str().unwrap()], &variables, "");
        serde_json::from_str::<Value>(&said.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}{}", said.stdout, said.stderr))
    };
    let database = || Database::of_url(&url).unwrap().durable(Durability::Server);
    waits(mdss_relay_spool::Place::Database(database())).await;
    let of_ledger = |checks: &Value| {
        let all = checks["checks"].as_array().unwrap().iter();
        all.filter(|check| check["id"].as_str().unwrap().starts_with("database.ledger_")).count()
    };
    assert_eq!(of_ledger(&check(&key)), 0, "there is none yet");
    let place = Place::Database { database: database(), key: Some(key.clone()) };
    let ledger = Ledger::open(&place, Options::default()).await.unwrap();
    ledger.append(facts(30)).await.unwrap();
    ledger.checkpoint().await.unwrap().unwrap();
    ledger.close().await;
    let found = check(&key);
    assert_eq!(of_ledger(&found), 4, "{found:#}");
    for id in ["database.ledger_tables", "database.ledger_key", "database.ledger_chain"] {
        assert_eq!(said(&found, id).0, "ok", "{found:#}");
    }
    assert_eq!(said(&found, "database.ledger_outbox").0, "unknown", "no relay runs: {found:#}");

    let other = folder.path().join("other");
    assert!(Ledger::make_key(&other).unwrap());
    let (status, why) = said(&check(&other), "database.ledger_key");
    assert!(status == "fail" && why.contains("another ledger's"), "{status}: {why}");
    assert_eq!(said(&check(&folder.path().join("none")), "database.ledger_key").0, "fail");
    change("REVOKE UPDATE ON mdss_relay_ledger.entry FROM relay; ALTER TABLE mdss_relay_ledger.entry OWNER TO CURRENT_USER; GRANT SELECT ON mdss_relay_ledger.entry TO relay").await;
    let (status, why) = said(&check(&key), "database.ledger_tables");
    assert!(status == "fail" && why.contains("UPDATE on mdss_relay_ledger.entry"), "{status}: {why}");
    change("UPDATE mdss_relay_ledger.entry SET size = 7 WHERE seq = 29").await;
    let (status, why) = said(&check(&key), "database.ledger_chain");
    assert!(status == "fail" && why.contains("at entry 29 of chain"), "{status}: {why}");
    change("UPDATE mdss_relay.outbox_state SET lost = 3").await;
    let (status, why) = said(&check(&key), "database.ledger_outbox");
    assert!(status == "fail" && why.contains("3 facts had no room"), "{status}: {why}");
}
