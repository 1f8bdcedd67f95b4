//! A server that compares a bucket by itself: it says so, forwards what is missing, and counts what it has found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

#[path = "../../reconcile/tests/stand_in/mod.rs"]
mod s3;

use std::path::Path;
use std::time::Duration;

use drive::{Program, Server, until};
use jiff::Timestamp;
use mdss_relay_ledger::{Ledger, Options, Place, RunStart};
use mdss_sim::{Config, Sim};
use s3::{Object, Store};

const LIMIT: Duration = Duration::from_secs(60);

/// A relay with its spool in a file, and these lines of a comparison.
fn program(folder: &Path, sim: &Sim, store: &Store, comparison: &str) -> Program {
    without_place(folder, sim, store, comparison).env("RELAY_DATA_DIR", folder.join("data"))
}

/// The same, when it is not said yet where the spool is.
fn without_place(folder: &Path, sim: &Sim, store: &Store, comparison: &str) -> Program {
    std::fs::write(folder.join("secret"), "not-a-secret\n").unwrap();
    let toml = format!(
        "[[route]]\nname = 'invoices'\nbucket = 'invoices'\nstorage_client_id = '00000000-0000-4000-8000-000000000002'\n\
         storage_type = 's3-compatible'\n[[store]]\nname = 'here'\nkind = 's3'\nbuckets = 'invoices'\nendpoint = '{}'\n\
         region = 'us-east-1'\naccess_key_id = 'id'\nsecret_access_key_file = '{}'\n[[reconcile]]\n{comparison}\n",
        store.url,
        folder.join("secret").display()
    );
    std::fs::write(folder.join("relay.toml"), toml).unwrap();
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("RELAY_TOKEN", "a-token-of-the-tests")
        .env("RELAY_CONFIG", folder.join("relay.toml"))
        .env("RELAY_MODE", "spooled")
        .env("RELAY_LEDGER", "on")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", "test-key")
}

async fn metrics(server: &Server) -> String {
    server.send("GET", "/metrics", &[], Vec::new()).await.unwrap().text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_compared_by_schedule_and_what_is_missing_is_forwarded() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let old = Timestamp::now() - Duration::from_secs(3600);
    let store = Store::of((0..30).map(|n| (format!("in/{n}"), Object::of(old)))).await;
    let folder = tempfile::tempdir().unwrap();
    let program = program(
        folder.path(),
        &sim,
        &store,
        "route = 'invoices'\nevery = '1h'\nforward = true\nfail_under = 99.9",
    );
    let mut server = Server::start(&program, LIMIT).await.unwrap();
    until("what is missing is accepted", LIMIT, async || sim.accepted().len() == 30).await.unwrap();
    let labels = "{store=\"here\",bucket=\"invoices\"}";
    let wanted = [
        format!("mdss_relay_reconcile_failing{labels} 0"),
        format!("mdss_relay_reconcile_listed{labels} 30"),
        format!("mdss_relay_reconcile_missing{labels} 30"),
        format!("mdss_relay_reconcile_coverage_ratio{labels} 0"),
        format!("mdss_relay_reconcile_last_run_timestamp_seconds{labels} "),
    ];
    until("it is counted", LIMIT, async || {
        let text = metrics(&server).await;
        wanted.iter().all(|line| text.contains(line))
    })
    .await
    .unwrap();
    let log = server.process.output();
    assert!(log.contains("is compared with what was accepted"), "{log}");
    let end = log
        .lines()
        .find(|line| line.contains("was compared: 30 listed, 0 covered"))
        .unwrap_or_else(|| panic!("{log}"));
    // Below the limit somebody has to look.
    assert!(end.contains("\"level\":\"ERROR\"") && end.contains("below 99.9 %"), "{end}");
    // The next start knows when the last one was. One that is told to end writes down what MDSS has accepted last; a killed one would send it again.
    ends(&mut server).await;
    sim.forget();
    let mut again = Server::start(&program, LIMIT).await.unwrap();
    // It looks once a second. That nothing happens is what is waited for.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let log = again.process.output();
    assert!(!log.contains("is compared with"), "{log}");
    assert!(sim.requests().is_empty(), "{:?}\n{log}", sim.requests());
    // Nor is what was missing found by a restart.
    let text = metrics(&again).await;
    assert!(wanted.iter().all(|line| text.contains(line)), "{text}");
    // A store that shows nothing of all that is not as good as one that is covered.
    (0..30).for_each(|n| store.remove(&format!("in/{n}")));
    let asked = "route = 'invoices'\nevery = '1h'\nprefix = 'in/'\nfail_under = 99.9";
    self::program(folder.path(), &sim, &store, asked);
    reloads(&mut again).await;
    let bare = "(unknown), 0 missing, 0 forwarded, 0 in flight, 0 undecidable, 0 excluded: nothing was listed, although 30 objects";
    until("it is not well", LIMIT, async || times(&again, bare) == 1).await.unwrap();
}

/// The ledger of a relay that does not run.
async fn ledger(folder: &Path) -> Ledger {
    Ledger::open(&Place::Directory(folder.join("data")), Options::default()).await.unwrap()
}

async fn ends(server: &mut Server) {
    server.process.signal("TERM").unwrap();
    assert!(server.process.wait(LIMIT).await.unwrap().success());
}

/// How often it has said so.
fn times(server: &Server, words: &str) -> usize {
    server.process.output().matches(words).count()
}

async fn reloads(server: &mut Server) {
    let taken = "a new configuration is in force";
    let before = times(server, taken);
    server.process.signal("HUP").unwrap();
    until("it is in force", LIMIT, async || times(server, taken) > before).await.unwrap();
}

/// What an operator has asked of the same bucket, just now: to its end, and broken off.
async fn asked_by_hand(ledger: &Ledger) -> RunStart {
    let start = RunStart {
        actor: "anna".into(),
        store: "here".into(),
        bucket: "invoices".into(),
        route: None,
        question: "{}".into(),
    };
    let whole = ledger.run_begin(start.clone()).await.unwrap();
    ledger.run_end(whole, "complete", "{}").await.unwrap();
    let broken_off = ledger.run_begin(start.clone()).await.unwrap();
    ledger.run_checkpoint(broken_off, Some("ordered in/1"), "{}").await.unwrap();
    start
}

/// Who compares by hand takes no turn of the schedule's, causes none, and goes on where he was.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_compares_moves_no_schedule_and_a_schedule_takes_no_place_of_his() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let old = Timestamp::now() - Duration::from_secs(3600);
    let store = Store::of((0..3).map(|n| (format!("in/{n}"), Object::of(old)))).await;
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), &sim, &store, "route = 'invoices'\nevery = '1h'");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let start = {
        let ledger = ledger(folder.path()).await;
        asked_by_hand(&ledger).await
    };
    let mut server = Server::start(&program, LIMIT).await.unwrap();
    until("it is compared", LIMIT, async || server.process.output().contains("was compared: 3 listed"))
        .await
        .unwrap();
    ends(&mut server).await;
    {
        let ledger = ledger(folder.path()).await;
        let found = ledger.last_run_of(&start).await.unwrap().unwrap();
        assert_eq!((found.end, found.cursor.as_deref()), (None, Some("ordered in/1")));
        asked_by_hand(&ledger).await;
    }
    let again = Server::start(&program, LIMIT).await.unwrap();
    // It looks once a second. That nothing happens is what is waited for.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let log = again.process.output();
    assert!(!log.contains("is compared with"), "{log}");
}

/// Buckets of one name in two stores are two buckets.
#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_stores_with_a_bucket_of_the_same_name_has_its_turn() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let store = Store::of([]).await;
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let two = format!(
        "store = 'here'\nbucket = 'invoices'\nevery = '1h'\n[[reconcile]]\nstore = 'there'\nbucket = 'invoices'\nevery = '1h'\n\
         [[store]]\nname = 'there'\nkind = 'directory'\nbuckets = 'invoices'\npath = '{}'",
        tree.display()
    );
    let program = program(folder.path(), &sim, &store, &two);
    let server = Server::start(&program, LIMIT).await.unwrap();
    until("both are compared", LIMIT, async || {
        let log = server.process.output();
        ["here", "there"].iter().all(|name| log.contains(&format!("of store \\\"{name}\\\" was compared")))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_says_another_time_holds_from_then_on() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let store = Store::of([]).await;
    let folder = tempfile::tempdir().unwrap();
    let every =
        |every: &str| program(folder.path(), &sim, &store, &format!("route = 'invoices'\nevery = '{every}'"));
    let mut server = Server::start(&every("1h"), LIMIT).await.unwrap();
    let compared = "was compared: ";
    until("it is compared", LIMIT, async || times(&server, compared) == 1).await.unwrap();
    // Ten minutes go by.
    let ledger = rusqlite::Connection::open(folder.path().join("data/ledger.db")).unwrap();
    ledger.busy_timeout(LIMIT).unwrap();
    ledger.execute("UPDATE run SET begun = begun - 600000", []).unwrap();
    every("30m");
    reloads(&mut server).await;
    // It looks once a second. That nothing happens is what is waited for.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(times(&server, compared), 1, "{}", server.process.output());
    every("5m");
    reloads(&mut server).await;
    until("it is compared again", Duration::from_secs(15), async || times(&server, compared) == 2)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_schedule_is_a_mistake_at_start() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let store = Store::of([]).await;
    for (comparison, sentence) in [
        ("bucket = 'invoices'", "reconcile[0].every"),
        ("bucket = 'others'\nevery = '24h'", "no [[store]] has the bucket"),
        ("route = 'invoice'\nevery = '24h'", "is invoices meant?"),
        ("bucket = 'invoices'\nevery = '5s'", "reconcile[0].every"),
        ("bucket = 'invoices'\nevery = '24h'\nforward = 'yes'", "reconcile[0].forward"),
        ("bucket = 'invoices'\nevery = '24h'\nevry = 1", "reconcile[0].evry"),
        ("bucket = 'invoices'\nevery = '24h'\nfail_under = 101", "reconcile[0].fail_under"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = program(folder.path(), &sim, &store, comparison).start().unwrap();
        let status = process.wait(LIMIT).await.unwrap();
        assert_eq!(status.code(), Some(2), "{comparison}: {}", process.output());
        assert!(process.output().contains(sentence), "{comparison}: {}", process.output());
    }
    let folder = tempfile::tempdir().unwrap();
    let direct = program(folder.path(), &sim, &store, "bucket = 'invoices'\nevery = '24h'");
    let mut process = direct.env("RELAY_MODE", "direct").env("RELAY_LEDGER", "off").start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(process.output().contains("RELAY_MODE=spooled"), "{}", process.output());
}

/// Without a PostgreSQL on the machine it is passed over, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn of_relays_with_one_ledger_one_compares_and_another_goes_on_when_it_is_killed() {
    let Some(database) = postgres_rig::shared().unwrap() else { return };
    let url = database.database().await.unwrap();
    let ask = async |sql: &str| postgres_rig::ask(&url, sql).await.unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let old = Timestamp::now() - Duration::from_secs(3600);
    let store = Store::of((0..40).map(|n| (format!("in/{n}"), Object::of(old)))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), &url).unwrap();
    let comparison = "route = 'invoices'\nevery = '1h'\nforward = true\nrate = 2";
    let program = without_place(folder.path(), &sim, &store, comparison)
        .env("RELAY_SPOOL_URL_FILE", folder.path().join("url"))
        .env("RELAY_SPOOL_DURABILITY", "server")
        .env("RELAY_LEDGER_DIR", folder.path().join("key"));
    let compares = |server: &Server| server.process.output().matches("is compared with").count();
    // By the time the others would have seen that the one that was first is gone.
    let time_goes_by = async || {
        ask("UPDATE mdss_relay_ledger.run SET updated = updated - 100000").await;
    };

    let mut first = Server::start(&program, LIMIT).await.unwrap();
    until("the first one compares", LIMIT, async || compares(&first) == 1).await.unwrap();
    let second = Server::start(&program, LIMIT).await.unwrap();
    until("it forwards", LIMIT, async || sim.accepted().len() >= 4).await.unwrap();
    assert_eq!(compares(&second), 0);
    first.process.signal("KILL").unwrap();
    first.process.wait(LIMIT).await.unwrap();
    // Its chain is free now, for whoever comes: that one is the first of all from here on.
    let chain = ask("SELECT min(chain) FROM mdss_relay_ledger.writer").await.concat();
    ask(&format!("UPDATE mdss_relay_ledger.writer SET until = clock_timestamp() WHERE chain = {chain}"))
        .await;
    time_goes_by().await;
    until("the second one goes on", LIMIT, async || compares(&second) == 1).await.unwrap();
    let third = Server::start(&program, LIMIT).await.unwrap();
    until("the third one has the first chain", LIMIT, async || {
        ask("SELECT min(chain) FROM mdss_relay_ledger.writer WHERE until > clock_timestamp()").await
            == [chain.as_str()]
    })
    .await
    .unwrap();
    // It looks once a second. That nothing happens is what is waited for.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(compares(&third), 0, "{}", third.process.output());

    let ended = "bucket \\\"invoices\\\" of store \\\"here\\\" was compared: 40 listed";
    until("it comes to its end", LIMIT, async || second.process.output().contains(ended)).await.unwrap();
    until("MDSS is told of all", LIMIT, async || {
        sim.accepted_keys().into_iter().collect::<std::collections::BTreeSet<_>>().len() == 40
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!((compares(&second), compares(&third)), (1, 0), "not again before its time");
    // Whoever of them is asked knows what was found.
    until("the other one counts it", LIMIT, async || {
        metrics(&third).await.contains("mdss_relay_reconcile_listed{store=\"here\",bucket=\"invoices\"} 40")
    })
    .await
    .unwrap();
    assert_eq!(ask("SELECT count(*) FROM mdss_relay_ledger.run").await, ["1"]);
}
