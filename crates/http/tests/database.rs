//! The server with its spool in a PostgreSQL, as a process: what hears 200 is in the database, and what is there reaches MDSS, by whichever relay.
//! Without a PostgreSQL on the machine these are passed over, and say so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use drive::{Program, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// In each URL of these tests; nobody may ever see it.
const PASSWORD: &str = "s3cret-of-the-test";

/// A file with the URL of a database, with a password in it. The servers of the rig ask for none, so any is right.
fn url_file(folder: &Path, url: &str) -> std::path::PathBuf {
    let file = folder.join("url");
    std::fs::write(&file, url.replacen("relay@", &format!("relay:{PASSWORD}@"), 1) + "\n").unwrap();
    file
}

/// One that sends to `endpoint`, and has no spool yet.
fn bare(endpoint: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", endpoint)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_MODE", "spooled")
}

fn program(sim: &Sim, folder: &Path, url: &str) -> Program {
    bare(&sim.url())
        .env("RELAY_SPOOL_URL_FILE", url_file(folder, url))
        .env("RELAY_SPOOL_DURABILITY", "server")
}

/// Ends it, and gives everything it has said.
async fn stop(mut server: Server) -> String {
    server.process.signal("TERM").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    server.process.output()
}

async fn start(program: Program) -> Server {
    Server::start(&program, LIMIT).await.unwrap()
}

async fn post(server: &Server, keys: &[&str]) -> u16 {
    server.send("POST", "/events", &[], mdss_sim::created("minio:s3", "b", keys)).await.unwrap().status
}

async fn page(server: &Server, path: &str) -> (u16, String) {
    let answer = server.send("GET", path, &[], "").await.unwrap();
    (answer.status, answer.text())
}

async fn metric(server: &Server, name: &str) -> Option<f64> {
    let (_, text) = page(server, "/metrics").await;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    drive::until(what, LIMIT, holds).await.unwrap();
}

#[tokio::test]
async fn two_relays_on_one_database_deliver_each_object_once() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let one = start(program(&sim, folder.path(), &url)).await;
    let two = start(program(&sim, folder.path(), &url)).await;
    let mut keys = BTreeSet::new();
    for n in 0..60 {
        let key = format!("k{n}");
        assert_eq!(post(if n % 2 == 0 { &one } else { &two }, &[&key]).await, 200);
        keys.insert(key);
    }
    until("all are delivered", async || sim.accepted_keys().len() >= keys.len()).await;
    // Sixty in a minute, whoever of the two has sent them.
    until("both say at which rate all are sent", async || {
        let rate = async |relay| metric(relay, "mdss_relay_spool_rate").await;
        (rate(&one).await, rate(&two).await) == (Some(1.0), Some(1.0))
    })
    .await;
    // The same event again, at the other relay, is a duplicate, and neither sends it.
    assert_eq!(post(&two, &["k0"]).await, 200);
    until("both are heard of", async || {
        let text = page(&two, "/metrics").await.1;
        text.contains("settings=\"same\"} 2\n")
    })
    .await;
    until("the count is that of an empty spool", async || {
        let text = page(&one, "/metrics").await.1;
        !text.contains("mdss_relay_spool_items{") && text.contains("mdss_relay_spool_stock_age_seconds ")
    })
    .await;
    let accepted = sim.accepted_keys();
    assert_eq!((accepted.len(), accepted.into_iter().collect::<BTreeSet<_>>()), (keys.len(), keys));
    for name in
        ["durability_kept", "unknown_total", "fenced_total", "reconnects_total", "commit_seconds_count"]
    {
        assert!(metric(&one, &format!("mdss_relay_spool_{name}")).await.is_some(), "{name}");
    }
    assert_eq!(metric(&one, "mdss_relay_spool_durability_kept").await, Some(1.0));

    let mut logs = String::new();
    for relay in [one, two] {
        let (_, metrics) = page(&relay, "/metrics").await;
        logs += &metrics;
        logs += &stop(relay).await;
    }
    assert!(!logs.contains(PASSWORD), "{logs}");
    let start: Value = serde_json::from_str(
        logs.lines()
            .find(|line| line.contains("\"mode\"") || line.contains("starts in spooled mode"))
            .unwrap(),
    )
    .unwrap();
    let text = start.to_string();
    for piece in ["127.0.0.1:", "RELAY_SPOOL_DURABILITY=server", "PostgreSQL ", "fsync", "0 waiting"] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
}

/// What one of them would skip or hold by the rules of yesterday the other may send, so until they agree nobody decides it for both.
#[tokio::test]
async fn a_new_configuration_heals_what_is_held_whichever_relay_has_it_first() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let route = |bucket: &str| {
        format!(
            "[[source]]\nname = \"open\"\npath = \"/events\"\nauth = \"none\"\n\
             [[route]]\nbucket = \"{bucket}\"\nstorage_client_id = \"{}\"\n",
            units::S3_COMPATIBLE
        )
    };
    let config = |name: &str| folder.path().join(name);
    let program = |name: &str| {
        std::fs::write(config(name), route("elsewhere")).unwrap();
        Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
            .env("RELAY_LISTEN", "127.0.0.1:0")
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("RELAY_MODE", "spooled")
            .env("RELAY_CONFIG", config(name))
            .env("RELAY_SPOOL_URL_FILE", url_file(folder.path(), &url))
            .env("RELAY_SPOOL_DURABILITY", "server")
    };
    let (mut new, mut old) = (start(program("new.toml")).await, start(program("old.toml")).await);
    let items = async |what: &str| {
        let count = "SELECT coalesce(string_agg(key || ' ' || state || ' ' || reason, ',' ORDER BY key), '') FROM mdss_relay.item";
        postgres_rig::ask(&url, count).await.unwrap() == [what]
    };
    assert_eq!(post(&old, &["k0"]).await, 200);
    assert!(items("k0 1 unmapped_bucket").await, "it is held");
    // A wrong one is not taken, and nothing changes.
    std::fs::write(config("new.toml"), route("b").replace(units::S3_COMPATIBLE, "two words")).unwrap();
    new.process.signal("HUP").unwrap();
    new.process.wait_for_line("is not used", LIMIT).await.unwrap();
    std::fs::write(config("new.toml"), route("b")).unwrap();
    new.process.signal("HUP").unwrap();
    new.process.wait_for_line("a new configuration is in force", LIMIT).await.unwrap();
    until("they are known to differ", async || {
        page(&old, "/metrics")
            .await
            .1
            .contains("mdss_relay_spool_replicas{version=\"0.1.0\",settings=\"other\"} 1")
    })
    .await;
    // By the old rules nobody wants it, and it is neither skipped nor held for an operator.
    assert_eq!(post(&old, &["k1"]).await, 200);
    let sent = async |key: &str| sim.accepted_keys().iter().any(|accepted| accepted == key);
    assert!(
        sent("k1").await
            || items("k1 0 settings_differ").await
            || items("k0 0 settings_differ,k1 0 settings_differ").await
    );
    std::fs::write(config("old.toml"), route("b")).unwrap();
    old.process.signal("HUP").unwrap();
    old.process.wait_for_line("a new configuration is in force", LIMIT).await.unwrap();
    // The minute for which it is put off passes.
    postgres_rig::ask(&url, "UPDATE mdss_relay.item SET not_before = now()").await.unwrap();
    until("both are sent", async || sent("k0").await && sent("k1").await).await;
    until("nothing is left", async || items("").await).await;
    assert_eq!(metric(&new, "mdss_relay_reloads_total{outcome=\"refused\"}").await, Some(1.0));
    assert_eq!(sim.accepted_keys().len(), 2);
}

#[tokio::test]
async fn a_relay_outlives_its_database() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = postgres_rig::Server::setup(&binaries).start().unwrap();
    let url = server.database().await.unwrap();
    server.stop().unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // It starts although there is no database.
    let relay = start(program(&sim, folder.path(), &url)).await;
    assert_eq!(page(&relay, "/readyz").await.0, 503);
    assert_eq!(post(&relay, &["early"]).await, 503);
    assert_eq!(metric(&relay, "mdss_relay_spool_up").await, Some(0.0));
    server.start().unwrap();
    until("it is ready by itself", async || page(&relay, "/readyz").await.0 == 200).await;
    assert_eq!(post(&relay, &["k1"]).await, 200);
    until("k1", async || sim.accepted_keys() == ["k1"]).await;
    server.stop().unwrap();
    until("senders are asked to come again", async || post(&relay, &["k2"]).await == 503).await;
    server.start().unwrap();
    until("and are let in", async || post(&relay, &["k2"]).await == 200).await;
    until("k2", async || sim.accepted_keys().contains(&"k2".to_owned())).await;
    let said = stop(relay).await;
    assert!(said.contains("not reached yet") && !said.contains(PASSWORD), "{said}");
}

/// A database that hangs keeps its connections, and answers nothing.
#[tokio::test]
async fn beside_a_frozen_database_senders_hear_503_in_time_and_nothing_is_lost() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = postgres_rig::Server::setup(&binaries).start().unwrap();
    let url = server.database().await.unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let relay = start(program(&sim, folder.path(), &url).env("RELAY_DEADLINE", "1s")).await;
    assert_eq!(post(&relay, &["before"]).await, 200);
    until("it is delivered", async || sim.accepted_keys() == ["before"]).await;
    server.freeze().unwrap();
    let (keys, begun) = (["k0", "k1", "k2", "k3"], Instant::now());
    let heard =
        futures_util::future::join_all(keys.iter().map(|key| post(&relay, std::slice::from_ref(key)))).await;
    assert_eq!(heard, [503; 4]);
    // The database itself has ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!(page(&relay, "/healthz").await.0, 200, "the process is well");
    server.thaw().unwrap();
    for key in keys {
        until("the sender comes again", async || post(&relay, &[key]).await == 200).await;
    }
    let all: BTreeSet<_> = keys.iter().copied().chain(["before"]).map(str::to_owned).collect();
    until("all are delivered", async || all.iter().all(|key| sim.accepted_keys().contains(key))).await;
    until("it is ready by itself", async || page(&relay, "/readyz").await.0 == 200).await;
    stop(relay).await;
}

/// What is stored behind a sender's deadline is stored once: he comes again, and is known.
#[tokio::test]
async fn a_sender_beside_a_slow_database_hears_503_at_his_deadline_and_is_known_when_he_comes_again() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let relay = start(program(&sim, folder.path(), &url).env("RELAY_DEADLINE", "1s")).await;
    until("it is ready", async || page(&relay, "/readyz").await.0 == 200).await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(4); RETURN NEW; END $$;
                CREATE TRIGGER slow BEFORE INSERT ON mdss_relay.item FOR EACH ROW EXECUTE FUNCTION slow()";
    postgres_rig::ask(&url, slow).await.unwrap();
    let mut record = mdss_sim::created_record("minio:s3", "b", "k");
    // What tells this write from others.
    record["s3"]["object"]["sequencer"] = "01".into();
    let event = serde_json::json!({ "Records": [record] }).to_string();
    let send = async || relay.send("POST", "/events", &[], event.clone()).await.unwrap().status;
    let begun = Instant::now();
    assert_eq!(send().await, 503);
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    // This waits for the insert that is under way.
    postgres_rig::ask(&url, "DROP TRIGGER slow ON mdss_relay.item").await.unwrap();
    until("k is delivered although nobody was told so", async || sim.accepted_keys() == ["k"]).await;
    until("its outcome is written", async || {
        postgres_rig::ask(&url, "SELECT count(*) FROM mdss_relay.item").await.unwrap() == ["0"]
    })
    .await;
    assert_eq!(send().await, 200);
    assert_eq!(post(&relay, &["last"]).await, 200);
    until("last is delivered", async || sim.accepted_keys().contains(&"last".to_owned())).await;
    let times: Vec<_> = sim.accepted().into_iter().map(|object| (object.key, object.times)).collect();
    assert_eq!(times, [("k".to_owned(), 1), ("last".to_owned(), 1)]);
    assert_eq!(metric(&relay, "mdss_relay_spool_duplicates_total").await, Some(1.0));
    stop(relay).await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_what_was_left_behind_is_said() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // MDSS is away. A relay of before, with a directory, leaves something there.
    let away = || bare("http://127.0.0.1:1").env("RELAY_DATA_DIR", folder.path().join("data"));
    let before = start(away()).await;
    assert_eq!(post(&before, &["old"]).await, 200);
    stop(before).await;
    // The server of the tests has no standby.
    let relay = away().env("RELAY_SPOOL_URL_FILE", url_file(folder.path(), &url));
    let relay = start(relay).await;
    assert_eq!(post(&relay, &["k"]).await, 503);
    let (status, why) = page(&relay, "/readyz").await;
    assert!(status == 503 && why.contains("synchronous_standby_names is empty"), "{why}");
    assert_eq!(metric(&relay, "mdss_relay_spool_durability_kept").await, Some(0.0));
    let said = stop(relay).await;
    for piece in ["RELAY_DATA_DIR: has no effect", "1 item waits in", "mdss-relay spool move"] {
        assert!(said.contains(piece), "{piece}: {said}");
    }
}

#[tokio::test]
async fn a_wrong_url_ends_the_start_and_stays_unseen() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (url, want) in [
        ("postgres://relay@127.0.0.1:1", "no database in it"),
        ("mysql://relay@127.0.0.1:1/d", "expected postgres://"),
    ] {
        let program = program(&sim, folder.path(), url);
        let error = Server::start(&program, LIMIT).await.map(drop).unwrap_err().to_string();
        assert!(error.contains("RELAY_SPOOL_URL_FILE") && error.contains(want), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    }
}
