//! `spool` on a database, and the move of a spool from a directory into one and back, with a real server. Without a PostgreSQL on the machine these are
//! passed over, and say so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::{Delivery, Report, Role, Settings, plan};
use mdss_relay_spool::seam::{Outcome, Settlement, Want};
use mdss_relay_spool::{Config, Database, Durability, Place, Sender, Spool, SystemClock};
use postgres_rig::Server;
use serde_json::{Value, json};

/// In each URL of these tests; nobody may ever see it.
const PASSWORD: &str = "s3cret-of-the-test";

fn url_file(folder: &Path, url: &str) -> PathBuf {
    let file = folder.join("url");
    std::fs::write(&file, url.replacen("relay@", &format!("relay:{PASSWORD}@"), 1) + "\n").unwrap();
    file
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdss-relay"));
    command.arg("spool").args(args).env_clear().env("RELAY_SPOOL_DURABILITY", "server").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    let output = command(args).output().unwrap();
    let said = format!("{}{}", out(&output), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains(PASSWORD), "{args:?}: {said}");
    output
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn settings() -> Settings {
    let toml = "[[route]]\nbucket = \"b\"\nstorage_client_id = \"unit-1\"";
    let vars =
        [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "key-of-a-test"), ("RELAY_CONFIG_TOML", toml)];
    Settings::read(vars.map(|(n, v)| (OsString::from(n), OsString::from(v))), Role::Function)
        .finish()
        .unwrap()
}

/// A record; one with a request id is known again, one without is not.
fn record(bucket: &str, key: &str, marked: bool) -> Value {
    let mut record = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key } } });
    if marked {
        record["s3"]["object"]["sequencer"] = key.into();
    }
    record
}

/// Fills a spool with `count` deliveries, each of two records, and one that nobody can read.
async fn fill(place: Place, count: usize) {
    let (spool, keeping) = Spool::start(Config { place, limit: 1 << 30 }, Arc::new(SystemClock)).unwrap();
    let settings = settings();
    let bodies = (0..count).map(|n| {
        let bucket = if n % 5 == 0 { "elsewhere" } else { "b" };
        let records = [record(bucket, &format!("m{n}"), true), record("b", &format!("n{n}"), false)];
        json!({ "Records": records }).to_string()
    });
    let stored = bodies.chain(["<xml>".to_owned()]).map(|body| {
        let delivery = Delivery { body: body.into_bytes(), id: fastrand_id(), ..Delivery::default() };
        let plan = plan(&settings.rules, &delivery);
        let spool = spool.clone();
        async move { spool.accept(delivery, &plan, Sender::Proven).await.unwrap() }
    });
    for stored in stored {
        stored.await;
    }
    drop(spool);
    tokio::task::spawn_blocking(move || keeping.wait()).await.unwrap();
}

async fn post(spool: &Spool, key: &str) -> Report {
    let body = json!({ "Records": [record("b", key, true)] }).to_string();
    let delivery = Delivery { body: body.into_bytes(), id: fastrand_id(), ..Delivery::default() };
    let plan = plan(&settings().rules, &delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap()
}

/// MDSS accepts one object more of a directory.
async fn settle(dir: &str, key: &str) {
    let place = Place::Directory(dir.into());
    let (spool, keeping) = Spool::start(Config { place, limit: 1 << 30 }, Arc::new(SystemClock)).unwrap();
    post(&spool, key).await;
    let claims = spool.engine().claim(Want { most: 10_000, ..Want::default() }).await.unwrap();
    let one = claims.items.into_iter().max_by_key(|item| item.ticket.id()).unwrap();
    let settled = Settlement { ticket: one.ticket, outcome: Outcome::Accepted, fact: None };
    spool.engine().settle(vec![settled].into()).await.unwrap();
    drop(spool);
    tokio::task::spawn_blocking(move || keeping.wait()).await.unwrap();
}

fn fastrand_id() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("delivery-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

fn in_database(url: &str) -> Place {
    Place::Database(Database::of_url(url).unwrap().durable(Durability::Server))
}

/// What an item is, whatever its number.
fn items(args: &[&str]) -> Vec<String> {
    let listed = run(&[args, &["list", "--json", "--limit", "100000"]].concat());
    let mut items: Vec<_> = lines(&listed)
        .into_iter()
        .map(|mut item| {
            let all = item.as_object_mut().unwrap();
            all.remove("id");
            item.to_string()
        })
        .collect();
    items.sort();
    items
}

/// Runs a move again and again, killed (-9) at different moments, until one ends; gives how often it was killed after it had moved something.
fn killed_until_done(args: &[&str], behind: impl Fn() -> usize) -> usize {
    let (mut killed, mut before) = (0, behind());
    // From a moment at which it has hardly started to one at which it is done.
    for delay in (0..).map(|n| Duration::from_millis(20 + 15 * n)) {
        let mut child = command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() >= delay {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        match status {
            Some(status) => {
                let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
                assert!(status.success(), "{said}");
                return killed;
            }
            None => {
                let now = behind();
                killed += usize::from(now < before);
                before = now;
            }
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_moves_into_a_database_and_back_through_kills_and_is_the_same() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (data, back) = (folder.path().join("data"), folder.path().join("back"));
    let (data, back) = (data.to_str().unwrap(), back.to_str().unwrap());
    let file = url_file(folder.path(), &url);
    let file = file.to_str().unwrap();
    fill(Place::Directory(data.into()), 1500).await;
    settle(data, "done").await;
    let config = folder.path().join("relay.toml");
    std::fs::write(&config, "[[route]]\nbucket = \"b\"\nstorage_client_id = \"unit-1\"").unwrap();
    let config = config.to_str().unwrap();
    let before = items(&["--data-dir", data]);
    assert_eq!(before.len(), 3001);
    let left = |args: &[&str]| lines(&run(&[args, &["list", "--json", "--limit", "100000"]].concat())).len();
    let there = ["move", "--from", data, "--to-url-file", file];
    let killed = killed_until_done(&there, || left(&["--data-dir", data]));
    assert!(killed > 0, "no move was killed while it moved");
    assert_eq!(left(&["--data-dir", data]), 0);
    assert_eq!(items(&["--url-file", file]), before);

    let again = ["--config", config, "move", "--from-url-file", file, "--to", back];
    let killed = killed_until_done(&again, || left(&["--url-file", file]));
    assert!(killed > 0, "no move back was killed while it moved");
    assert_eq!(left(&["--url-file", file]), 0);
    assert_eq!(items(&["--data-dir", back]), before);
    // The file knows its events again, by the marks that it would have given them itself.
    let place = Place::Directory(back.into());
    let (spool, keeping) = Spool::start(Config { place, limit: 1 << 30 }, Arc::new(SystemClock)).unwrap();
    // Also those that MDSS had accepted before the first move.
    for key in ["m1", "done"] {
        let report = post(&spool, key).await;
        assert_eq!(report.records[0].reason, Some("duplicate"), "{report:?}");
    }
    // A relay works there.
    let refused = run(&["move", "--from", back, "--to-url-file", file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("another relay works on"), "{}", err(&refused));
    drop(spool);
    tokio::task::spawn_blocking(move || keeping.wait()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_step_is_not_there_twice() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let file = url_file(folder.path(), &url);
    let file = file.to_str().unwrap();
    fill(Place::Directory(data.clone()), 3).await;
    // What a step leaves that was cut between the two commits: everything is in both places.
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(data.join("spool.db"), copy.join("spool.db")).unwrap();
    let before = items(&["--data-dir", data.to_str().unwrap()]);
    let moved = run(&["--json", "move", "--from", data.to_str().unwrap(), "--to-url-file", file]);
    assert_eq!(out(&moved), "{\"left\":0,\"marks\":0,\"moved\":7,\"there_already\":0}\n", "{}", err(&moved));
    let moved = run(&["--json", "move", "--from", copy.to_str().unwrap(), "--to-url-file", file]);
    assert_eq!(out(&moved), "{\"left\":0,\"marks\":0,\"moved\":0,\"there_already\":7}\n", "{}", err(&moved));
    assert_eq!(err(&moved), "", "there is no ledger");
    std::fs::write(copy.join("ledger.db"), "").unwrap();
    let moved = run(&["move", "--from", copy.to_str().unwrap(), "--to-url-file", file]);
    assert!(err(&moved).contains("ledger.db: the ledger stays where it is"), "{}", err(&moved));
    assert_eq!(items(&["--url-file", file]), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_changes_what_is_in_a_database() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = url_file(folder.path(), &url);
    let file = file.to_str().unwrap();
    fill(in_database(&url), 5).await;
    let on = |args: &[&str]| run(&[&["--url-file", file], args].concat());
    let listed = lines(&on(&["list", "--json"]));
    assert_eq!(listed.len(), 11);
    let states: BTreeSet<_> = listed.iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!(states, BTreeSet::from(["held", "parked", "waiting"]));
    let parked = listed.iter().find(|item| item["state"] == "parked").unwrap()["id"].to_string();
    let shown = on(&["show", &parked, "--json"]);
    assert_eq!(lines(&shown)[0]["body"], "<xml>");
    let stats = &lines(&on(&["stats", "--json"]))[0];
    assert_eq!((&stats["relay_runs"], stats["relays"].as_array().unwrap().len()), (&json!(false), 0));
    assert!(stats["database"]["server"].as_str().is_some_and(|v| v.contains('.')), "{stats}");
    let stats = on(&["stats"]);
    assert!(out(&stats).starts_with("no relay works on 127.0.0.1:"), "{}", out(&stats));
    assert_eq!(out(&on(&["retry", &parked])), "1 item due now\n");
    let purged = on(&["purge", "--state", "held", "--yes", "--json"]);
    assert_eq!(lines(&purged).len(), 1);
    assert_eq!(lines(&on(&["list", "--json"])).len(), 10);
    // The variables say the same, and the directory that is named wins.
    let output = command(&["list", "--json"]).env("RELAY_SPOOL_URL_FILE", file).output().unwrap();
    assert_eq!(lines(&output).len(), 10);
    let output = command(&["list", "--json"]).env("RELAY_SPOOL_URL", &url).output().unwrap();
    assert_eq!(lines(&output).len(), 10);
    let output =
        command(&["--data-dir", "/nonexistent", "list"]).env("RELAY_SPOOL_URL", &url).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let wrong =
        command(&["list"]).env("RELAY_SPOOL_URL", format!("postgres://r:{PASSWORD}@h")).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(err(&wrong).contains("RELAY_SPOOL_URL: ") && !err(&wrong).contains(PASSWORD), "{}", err(&wrong));
}

fn checks(output: &Output) -> Vec<(String, String)> {
    let all = &lines(output)[0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all["checks"].as_array().unwrap().iter().map(|c| (text(&c["id"]), text(&c["status"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_checked_and_its_tables_are_made_by_whoever_may() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = Server::setup(&binaries).start().unwrap();
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = url_file(folder.path(), &url);
    let file = file.to_str().unwrap();
    let on = |args: &[&str]| run(&[&["--url-file", file], args].concat());
    let printed = on(&["migrate", "--print"]);
    assert!(out(&printed).starts_with("BEGIN;\n") && out(&printed).contains("CREATE TABLE mdss_relay.item"));
    let first = on(&["check"]);
    assert_eq!(first.status.code(), Some(0), "{}", out(&first));
    assert!(out(&first).contains("version 0; the next start makes version"), "{}", out(&first));
    let off =
        command(&["--url-file", file, "check", "--json"]).env("RELAY_SPOOL_MIGRATE", "off").output().unwrap();
    assert_eq!(off.status.code(), Some(1));
    assert!(checks(&off).contains(&("database.tables".into(), "fail".into())), "{}", out(&off));
    assert!(out(&on(&["migrate"])).contains("the tables were made"));
    assert!(out(&on(&["migrate"])).contains("already"));
    assert!(out(&on(&["migrate", "--print"])).contains("nothing to do"));
    // What one server promises is not what a standby does.
    let replicated = || {
        let mut command = command(&["--url-file", file, "check", "--json"]);
        command.env("RELAY_SPOOL_DURABILITY", "replicated").output().unwrap()
    };
    let refused = replicated();
    assert_eq!(refused.status.code(), Some(1));
    assert!(out(&refused).contains("synchronous_standby_names is empty"), "{}", out(&refused));
    server.set("synchronous_standby_names", "*").unwrap();
    let named = replicated();
    assert_eq!((named.status.code(), checks(&named).len()), (Some(0), 6), "{}", out(&named));
    server.set("synchronous_standby_names", "").unwrap();
    // There are names that it cannot keep.
    let few =
        "CREATE DATABASE few OWNER relay ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
    postgres_rig::ask(&server.admin_url("postgres"), few).await.unwrap();
    let there = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let other = folder.path().join("few");
    std::fs::write(&other, url.replace(there, "few")).unwrap();
    let few = run(&["--url-file", other.to_str().unwrap(), "check", "--json"]);
    assert_eq!(few.status.code(), Some(1));
    assert!(checks(&few).contains(&("database.tables".into(), "fail".into())), "{}", out(&few));
    assert!(out(&few).contains("keeps text as LATIN1"), "{}", out(&few));
    // A role that may not write.
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let revoke =
        "REVOKE INSERT ON mdss_relay.item FROM relay; ALTER TABLE mdss_relay.item OWNER TO CURRENT_USER;
         ALTER FUNCTION mdss_relay.accept OWNER TO CURRENT_USER; REVOKE EXECUTE ON FUNCTION mdss_relay.accept FROM PUBLIC, relay";
    postgres_rig::ask(&server.admin_url(&name), revoke).await.unwrap();
    let poor = on(&["check"]);
    assert_eq!(poor.status.code(), Some(1));
    for right in ["INSERT on mdss_relay.item", "EXECUTE on mdss_relay.accept"] {
        assert!(out(&poor).contains(right), "{right}: {}", out(&poor));
    }
    // Nobody is there.
    server.stop().unwrap();
    let away = on(&["check", "--json"]);
    assert_eq!(
        (away.status.code(), checks(&away)),
        (Some(1), vec![("database.reached".into(), "fail".into())])
    );
    assert_eq!(run(&["check"]).status.code(), Some(2));
}

/// The findings of doctor's group, and all that it has said.
fn doctor(config: &Path) -> (Vec<(String, String)>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mdss-relay"))
        .args(["doctor", "--json", "--config", config.to_str().unwrap()])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", out(&output), err(&output));
    assert!(!said.contains(PASSWORD), "{said}");
    let found = checks(&output).into_iter().filter(|(id, _)| id.starts_with("database.")).collect();
    (found, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_looks_at_the_database_as_the_relay_would() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = Server::setup(&binaries).start().unwrap();
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    url_file(folder.path(), &url);
    let config = folder.path().join("relay.toml");
    let written = |durability: &str, more: &str| {
        let text = format!(
            "[mdss]\nendpoint = \"http://127.0.0.1:1\"\napi_key_file = \"DIR/key\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\nmode = \"spooled\"\nspool_url_file = \"DIR/url\"\nspool_durability = \"{durability}\"\n\
             [[source]]\nname = \"s\"\npath = \"/s\"\nauth = \"none\"\n[[route]]\nbucket = \"b\"\nstorage_client_id = \"unit-1\"\n{more}"
        );
        std::fs::write(folder.path().join("key"), "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::write(&config, text.replace("DIR", folder.path().to_str().unwrap())).unwrap();
    };
    let status = |found: &[(String, String)], id: &str| {
        found.iter().find(|(of, _)| of == &format!("database.{id}")).map(|(_, status)| status.clone())
    };
    written("server", "");
    assert_eq!(
        run(&["--url-file", folder.path().join("url").to_str().unwrap(), "migrate"]).status.code(),
        Some(0)
    );
    let (found, said) = doctor(&config);
    assert!(
        found.len() == 6 && found.iter().all(|(_, status)| status == "ok" || status == "unknown"),
        "{said}"
    );
    assert!(said.contains("PostgreSQL "), "{said}");
    // A role whose transactions are stricter than the tables' functions expect.
    server.ask("ALTER ROLE relay SET default_transaction_isolation = 'repeatable read'").await.unwrap();
    let (found, said) = doctor(&config);
    assert_eq!(status(&found, "durability").as_deref(), Some("warn"), "{said}");
    server.ask("ALTER ROLE relay RESET default_transaction_isolation").await.unwrap();
    // A ledger: what a relay would find, before and after one has begun it.
    written("server", "[ledger]\nmode = \"on\"\ndir = \"DIR/keys\"\n");
    let keys = folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let of_ledger = |found: &[(String, String)]| -> Vec<String> {
        ["tables", "key", "outbox", "chain"]
            .map(|id| status(found, &format!("ledger_{id}")).unwrap())
            .to_vec()
    };
    let (found, said) = doctor(&config);
    assert_eq!(
        (found.len(), of_ledger(&found)),
        (10, ["ok", "ok", "unknown", "ok"].map(String::from).to_vec()),
        "{said}"
    );
    let place = |dir: &Path| mdss_relay_ledger::Place::Database {
        database: mdss_relay_ledger::Database::of_url(&url).unwrap(),
        key: Some(dir.to_owned()),
    };
    let ledger = mdss_relay_ledger::Ledger::open(&place(&keys), Default::default()).await.unwrap();
    let fact = mdss_relay_ledger::Fact::new(
        mdss_relay_ledger::Kind::Accepted,
        mdss_relay_ledger::Moment::from_millis(1),
    );
    ledger.append((1..=30).map(|n| (mdss_relay_ledger::OutboxId(n), fact.clone())).collect()).await.unwrap();
    ledger.close().await;
    let (found, said) = doctor(&config);
    assert_eq!(of_ledger(&found), ["ok", "ok", "unknown", "ok"], "{said}");
    let admin = server.admin_url(url.rsplit('/').next().unwrap().split('?').next().unwrap());
    for (change, id, words) in [
        (
            "UPDATE mdss_relay_ledger.entry SET detail = 'another' WHERE seq % 1000 = 20",
            "ledger_chain",
            "the first at entry 20 of chain",
        ),
        (
            "ALTER TABLE mdss_relay_ledger.entry OWNER TO CURRENT_USER; REVOKE INSERT ON mdss_relay_ledger.entry FROM relay; GRANT SELECT ON mdss_relay_ledger.entry TO relay",
            "ledger_tables",
            "INSERT on mdss_relay_ledger.entry",
        ),
    ] {
        postgres_rig::ask(&admin, change).await.unwrap();
        let (found, said) = doctor(&config);
        assert_eq!(status(&found, id).as_deref(), Some("fail"), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
    std::fs::remove_file(keys.join("ledger.key")).unwrap();
    let (found, said) = doctor(&config);
    assert_eq!(status(&found, "ledger_key").as_deref(), Some("fail"), "{said}");
    // There is no standby.
    written("replicated", "");
    let (found, said) = doctor(&config);
    assert_eq!(status(&found, "durability").as_deref(), Some("fail"), "{said}");
    assert!(said.contains("synchronous_standby_names is empty"), "{said}");
    // One is named, and is not there; who may see that is told so.
    server.set("synchronous_standby_names", "*").unwrap();
    server.ask("GRANT pg_monitor TO relay").await.unwrap();
    let (found, said) = doctor(&config);
    assert_eq!(status(&found, "standbys").as_deref(), Some("warn"), "{said}");
    // Nobody answers: what rests on an answer is passed over.
    server.stop().unwrap();
    let (found, said) = doctor(&config);
    assert_eq!(status(&found, "reached").as_deref(), Some("fail"), "{said}");
    assert_eq!(found.iter().filter(|(_, status)| status == "skipped").count(), 5, "{said}");
}
