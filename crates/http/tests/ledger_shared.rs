//! Several servers with one ledger in a PostgreSQL, as processes: what MDSS has accepted is in it, once, whoever of them dies in between; and a ledger that
//! breaks stops nothing. Without a PostgreSQL on the machine these are passed over, and say so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drive::{Program, Server};
use mdss_relay_ledger::{
    BucketName, Checkpoint, Clock, Database, Fact, Kind, Ledger, Moment, Options, OutboxId, Place, Rekey,
    Verify,
};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};

const LIMIT: Duration = Duration::from_secs(60);

/// What relays share: MDSS, a database, and the key.
struct World {
    sim: Sim,
    url: String,
    folder: tempfile::TempDir,
}

impl World {
    async fn of(url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), &url).unwrap();
        Self { sim: Sim::start(Config { file_api: true, ..Config::default() }).await.unwrap(), url, folder }
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn program(&self, folder: &Path) -> Program {
        Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
            .env("RELAY_LISTEN", "127.0.0.1:0")
            .env("APIENDPOINT", self.sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("STORAGECLIENTID", units::S3_COMPATIBLE)
            .env("RELAY_AUTH", "none")
            .env("RELAY_MODE", "spooled")
            .env("RELAY_SPOOL_URL_FILE", self.folder.path().join("url"))
            .env("RELAY_SPOOL_DURABILITY", "server")
            .env("RELAY_LEDGER", "on")
            .env("RELAY_LEDGER_DIR", folder)
    }

    async fn start(&self) -> Server {
        Server::start(&self.program(&self.key()), LIMIT).await.unwrap()
    }

    /// Where the ledger is, with the directory of its key for whoever writes.
    fn place(&self, key: Option<PathBuf>) -> Place {
        Place::Database { database: Database::of_url(&self.url).unwrap(), key }
    }

    async fn ledger(&self) -> Option<Ledger> {
        Ledger::open(&self.place(None), Options::reading()).await.ok()
    }

    /// How often each key of the bucket stands in the ledger.
    async fn written(&self) -> BTreeMap<String, usize> {
        let Some(ledger) = self.ledger().await else { return BTreeMap::new() };
        let objects = ledger.writes_from(&BucketName::new("b"), None, 100_000).await.unwrap_or_default();
        let key = |key| String::from_utf8(key).unwrap();
        objects.into_iter().map(|object| (key(object.key), object.writes.len())).collect()
    }

    /// Waits until each of these keys is there, and looks that none is there twice.
    async fn has(&self, what: &str, keys: &[String]) {
        let want: BTreeMap<_, _> = keys.iter().map(|key| (key.clone(), 1)).collect();
        until(what, async || self.written().await.len() >= want.len()).await;
        assert_eq!(self.written().await, want, "{what}");
    }

    /// Verifies every chain, with the checkpoints that stand in these logs, and gives how many chains there are.
    async fn intact(&self, logs: &str) -> usize {
        let ledger = self.ledger().await.unwrap();
        let (published, broken) = Checkpoint::find(logs);
        assert_eq!(broken, 0);
        let chains = ledger.chains().await.unwrap();
        for chain in &chains {
            let checkpoints = published.iter().filter(|one| one.ledger == *chain).copied().collect();
            let asked = Verify { ledger: Some(*chain), checkpoints, ..Verify::default() };
            let verified = ledger.verify(asked).await.unwrap();
            assert_eq!(verified.faults, [], "chain {chain}");
        }
        chains.len()
    }

    async fn ask(&self, sql: &str) -> Vec<String> {
        postgres_rig::ask(&self.url, sql).await.unwrap()
    }

    async fn waits(&self, facts: usize) {
        until("facts wait in the outbox", async || {
            self.ask("SELECT count(*) FROM mdss_relay.outbox").await == [facts.to_string()]
        })
        .await;
    }
}

async fn stop(mut server: Server) -> String {
    server.process.signal("TERM").unwrap();
    assert!(server.process.wait(LIMIT).await.unwrap().success());
    server.process.output()
}

async fn kill(mut server: Server) -> String {
    server.process.signal("KILL").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    server.process.output()
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

async fn healthy(server: &Server, state: f64) {
    until("the metric of the ledger's health", async || {
        metric(server, "mdss_relay_ledger_healthy").await == Some(state)
    })
    .await;
}

async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    drive::until(what, LIMIT, holds).await.unwrap();
}

fn keys(of: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{of}-{n}")).collect()
}

/// A transaction of somebody else, until it is dropped.
async fn holding(url: &str, sql: &str) -> impl Sized {
    let client = postgres_rig::client(url).await.unwrap();
    client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
    client
}

#[tokio::test]
async fn a_relay_that_is_killed_between_outbox_and_ledger_leaves_its_facts_to_another() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let (one, two) = (world.start().await, world.start().await);
    let mut all = keys("both", 20);
    post(&one, &all[..10]).await;
    post(&two, &all[10..]).await;
    world.has("the ledger has what both have sent", &all).await;
    healthy(&one, 1.0).await;
    healthy(&two, 1.0).await;
    // What each says of itself stands in its own chain.
    assert_eq!(world.ledger().await.unwrap().chains().await.unwrap().len(), 2);
    until("the metrics are of all chains", async || {
        metric(&two, "mdss_relay_ledger_unscanned").await == Some(20.0)
            && metric(&two, "mdss_relay_ledger_entries").await >= Some(22.0)
    })
    .await;

    // Nothing can be written into the ledger; the relay that would have done it is killed over it.
    let ledger = holding(&world.url, "LOCK TABLE mdss_relay_ledger.entry IN EXCLUSIVE MODE").await;
    let first = keys("first", 30);
    post(&one, &first).await;
    until("MDSS has them", async || world.sim.accepted_keys().len() == 50).await;
    world.waits(30).await;
    let mut logs = kill(one).await;
    drop(ledger);
    all.extend(first);
    world.has("the other one has taken them over", &all).await;

    // Now the ledger has them, and the outbox has them still: whoever takes them next finds them there.
    let ledger = holding(&world.url, "LOCK TABLE mdss_relay_ledger.entry IN EXCLUSIVE MODE").await;
    let second = keys("second", 30);
    post(&two, &second).await;
    world.waits(30).await;
    let outbox = holding(&world.url, "SELECT FROM mdss_relay.outbox FOR UPDATE").await;
    drop(ledger);
    all.extend(second);
    world.has("the ledger has them", &all).await;
    world.waits(30).await;
    logs += &kill(two).await;
    drop(outbox);
    let three = world.start().await;
    world.waits(0).await;
    world.has("nothing is there twice", &all).await;
    healthy(&three, 1.0).await;
    logs += &stop(three).await;
    assert!(logs.contains("with a ledger in the same database"), "{logs}");
    let chains = world.intact(&logs).await;
    assert!((2..=3).contains(&chains), "{chains}");
}

/// Facts wait, objects do not.
#[tokio::test]
async fn a_ledger_that_cannot_be_written_stops_no_scan() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let relay = world.start().await;
    healthy(&relay, 1.0).await;
    let holder = "SELECT chain || ' ' || holder FROM mdss_relay_ledger.writer ORDER BY chain";
    let before = world.ask(holder).await;
    assert_eq!(before.len(), 1);
    world.ask("ALTER TABLE mdss_relay_ledger.entry RENAME TO away").await;
    let all = keys("a", 25);
    post(&relay, &all).await;
    until("MDSS has them all the same", async || world.sim.accepted_keys().len() == 25).await;
    healthy(&relay, 0.0).await;
    world.waits(25).await;
    world.ask("ALTER TABLE mdss_relay_ledger.away RENAME TO entry").await;
    world.has("what waited is in it", &all).await;
    healthy(&relay, 1.0).await;
    // A trouble that has nothing to do with what the relay is costs it nothing of that: it goes on in its chain.
    assert_eq!(world.ask(holder).await, before);
    world.ask("ALTER TABLE mdss_relay_ledger.entry ADD CONSTRAINT none CHECK (seq < 0) NOT VALID").await;
    post(&relay, &keys("b", 3)).await;
    healthy(&relay, 0.0).await;
    world.waits(3).await;
    world.ask("ALTER TABLE mdss_relay_ledger.entry DROP CONSTRAINT none").await;
    world.waits(0).await;
    healthy(&relay, 1.0).await;
    assert_eq!(world.ask(holder).await, before);
    let log = stop(relay).await;
    assert!(
        log.contains("the ledger cannot be written since") && log.contains("the ledger is written again"),
        "{log}"
    );
    world.intact(&log).await;
}

/// Somebody else takes what is in the outbox, or facts come in all the time: what there was no room for is told of as soon as there is some.
#[tokio::test]
async fn what_the_outbox_had_no_room_for_is_told_of_beside_what_waits() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let relay = world.start().await;
    post(&relay, &["first".to_owned()]).await;
    world.has("the first", &["first".to_owned()]).await;
    world
        .ask(
            "UPDATE mdss_relay.outbox_state SET holder = gen_random_uuid(), until = now() + interval '1 hour', lost = 5, lost_from = now(), lost_to = now()",
        )
        .await;
    post(&relay, &["second".to_owned()]).await;
    until("a gap stands in the outbox", async || {
        let gaps =
            "SELECT body::json->>'mdss.count' FROM mdss_relay.outbox WHERE body::json->>'kind' = 'gap'";
        world.ask(gaps).await == ["5"]
    })
    .await;
    assert_eq!(world.ask("SELECT lost FROM mdss_relay.outbox_state").await, ["0"]);
    world.ask("UPDATE mdss_relay.outbox_state SET until = now()").await;
    world.has("the second, too", &["first".to_owned(), "second".to_owned()]).await;
    stop(relay).await;
}

#[tokio::test]
async fn a_database_that_is_frozen_or_started_again_costs_the_ledger_nothing() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let mut server = postgres_rig::Server::setup(&binaries).start().unwrap();
    let world = World::of(server.database().await.unwrap()).await;
    let (one, two) = (world.start().await, world.start().await);
    healthy(&one, 1.0).await;
    healthy(&two, 1.0).await;
    let mut all = keys("before", 20);
    post(&one, &all).await;
    until("MDSS has them", async || world.sim.accepted_keys().len() == 20).await;
    server.freeze().unwrap();
    // Long enough for a pass of each relay to meet it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.thaw().unwrap();
    world.has("what was on its way is in it", &all).await;
    server.kill().unwrap();
    server.start().unwrap();
    until("there is a database again", async || {
        two.send("GET", "/readyz", &[], "").await.unwrap().status == 200
    })
    .await;
    let after = keys("after", 20);
    post(&two, &after).await;
    all.extend(after);
    world.has("and what came after it", &all).await;
    let logs = stop(one).await + &stop(two).await;
    assert_eq!(world.intact(&logs).await, 2);
}

/// Whoever has another key would sign what nobody could verify.
#[tokio::test]
async fn a_relay_with_another_key_says_so_and_goes_on() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let one = world.start().await;
    healthy(&one, 1.0).await;
    let elsewhere = tempfile::tempdir().unwrap();
    Ledger::make_key(elsewhere.path()).unwrap();
    let two = Server::start(&world.program(elsewhere.path()), LIMIT).await.unwrap();
    healthy(&two, 0.0).await;
    let all = keys("a", 5);
    post(&two, &all).await;
    world.has("the first one writes what the second has sent", &all).await;
    let log = stop(two).await;
    assert!(log.contains("ledger_key") && log.contains("mdss-relay ledger rekey"), "{log}");
    world.intact(&stop(one).await).await;
}

/// The key is replaced while two relays run: the one beside the key goes on by itself, the other says that it has the old one until it is given the new
/// one. Neither is started anew.
#[tokio::test]
async fn running_relays_take_a_new_key_up() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let one = world.start().await;
    healthy(&one, 1.0).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = || std::fs::copy(world.key().join("ledger.key"), elsewhere.path().join("ledger.key")).unwrap();
    copy();
    let two = Server::start(&world.program(elsewhere.path()), LIMIT).await.unwrap();
    let mut all = keys("before", 10);
    post(&one, &all[..5]).await;
    post(&two, &all[5..]).await;
    world.has("both have written", &all).await;

    let place = world.place(Some(world.key()));
    let asked = Rekey { actor: "anna".into(), reason: "it was in a mail".into(), lost: false };
    let new = Ledger::rekey(&place, Options::default(), asked).await.unwrap().public_key;
    healthy(&two, 0.0).await;
    let after = keys("after", 10);
    post(&one, &after[..5]).await;
    post(&two, &after[5..]).await;
    all.extend(after);
    world.has("the one beside the key has written what both have sent", &all).await;
    copy();
    healthy(&two, 1.0).await;
    healthy(&one, 1.0).await;
    let last = keys("last", 10);
    post(&one, &last[..5]).await;
    post(&two, &last[5..]).await;
    all.extend(last);
    world.has("and both go on", &all).await;
    let (one, two) = (stop(one).await, stop(two).await);
    assert!(two.contains("ledger_key") && two.contains("the ledger is written again"), "{two}");
    let (published, _) = Checkpoint::find(&format!("{one}{two}"));
    assert!(published.iter().any(|one| one.public_key == new), "{one}{two}");
    world.intact(&format!("{one}{two}")).await;
}

/// What one relay has accepted, and of which another hears the result, is one story, in whatever order and however often it is told.
#[tokio::test]
async fn a_result_comes_to_any_relay_and_is_one() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let config = "[[source]]\nname = 'minio'\npath = '/events'\nauth = 'none'\n\
                  [[results]]\nname = 'mdss'\npath = '/results'\nauth = { bearer = { token = 'token-of-mdss-for-results' } }\n";
    let program = world.program(&world.key()).env("RELAY_AUTH", "").env("RELAY_CONFIG_TOML", config);
    let (one, two) =
        (Server::start(&program, LIMIT).await.unwrap(), Server::start(&program, LIMIT).await.unwrap());
    let (a, b) = (keys("a", 20), keys("b", 20));
    post(&one, &a).await;
    post(&two, &b).await;
    let all = [a.clone(), b].concat();
    world.has("both have written", &all).await;
    let tell = async |server: &Server, key: &str, n: usize| {
        let body = serde_json::json!({ "FileId": format!("file-{n}"), "FilePath": key, "FileStatus": "Allowed", "FileState": "Available",
            "ScanCompletedTimeStamp": jiff::Timestamp::now().to_string(), "WebhookNotificationType": "FileScanned" });
        let header = [("authorization", "Bearer token-of-mdss-for-results")];
        (server.send("POST", "/results", &header, body.to_string()).await.unwrap().status, body.to_string())
    };
    // The newest first, each by the relay that has not accepted it; then the very same by both.
    for (n, key) in all.iter().enumerate().rev() {
        let (other, own) = if a.contains(key) { (&two, &one) } else { (&one, &two) };
        let (status, body) = tell(other, key, n).await;
        assert_eq!(status, 200);
        for again in [own, other] {
            let header = [("authorization", "Bearer token-of-mdss-for-results")];
            assert_eq!(again.send("POST", "/results", &header, body.clone()).await.unwrap().status, 200);
        }
    }
    let state = async || world.ledger().await.unwrap().the_loop().await.unwrap();
    until("each has its result", async || state().await.counts.matched == 40).await;
    let state = state().await;
    assert_eq!((state.counts.repeated, state.kept.as_slice()), (80, &[][..]));
    assert_eq!(state.units.iter().map(|unit| (unit.open, unit.results)).collect::<Vec<_>>(), [(0, 40)]);
    // Each stands in the chain of the write that it is about.
    let elsewhere = "SELECT count(*) FROM mdss_relay_ledger.entry r JOIN mdss_relay_ledger.entry w ON w.result_seq = r.seq
                     WHERE r.kind = 2 AND r.seq >> 40 <> w.seq >> 40";
    assert_eq!(world.ask(elsewhere).await, ["0"]);
    let logs = format!("{}{}", stop(one).await, stop(two).await);
    world.intact(&logs).await;
}

/// A clock that stands still.
struct Past(Moment);

impl Clock for Past {
    fn now(&self) -> Moment {
        self.0
    }
}

/// What was never scanned is told once more, by one of the relays.
#[tokio::test]
async fn what_was_never_scanned_is_put_back_by_one_relay() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let world = World::of(server.database().await.unwrap()).await;
    let ago = |hours: i64| Moment::from_millis(jiff::Timestamp::now().as_millisecond() - hours * 3_600_000);
    let place = world.place(Some(world.key()));
    std::fs::create_dir_all(world.key()).unwrap();
    let fact = |n: i64| Fact {
        dialect: Some("minio".into()),
        bucket: Some("b".into()),
        unit: Some(units::S3_COMPATIBLE.into()),
        key: Some(format!("never-{n}").into()),
        ..Fact::new(Kind::Accepted, ago(30))
    };
    for asked in [28, 26] {
        let options = Options { clock: Arc::new(Past(ago(asked))), ..Options::default() };
        let ledger = Ledger::open(&place, options).await.unwrap();
        if asked == 28 {
            ledger.append((1..=5).map(|n| (OutboxId(-n), fact(n))).collect()).await.unwrap();
        }
        for question in ledger.questions().await.unwrap() {
            ledger.answered(question.seq, None).await.unwrap();
        }
        ledger.close().await;
    }
    let program = world
        .program(&world.key())
        .env("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH)
        .env("RELAY_LOOP_RESEND", "on");
    let mut relays = Vec::new();
    for _ in 0..3 {
        relays.push(Server::start(&program, LIMIT).await.unwrap());
    }
    until("they are told once more", async || world.sim.accepted_keys().len() == 5).await;
    // Whoever else would do it as well does it within his first look.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(world.sim.accepted().iter().all(|object| object.times == 1));
    let mut logs = String::new();
    for relay in relays {
        logs += &stop(relay).await;
    }
    assert_eq!(logs.matches("objects that were never scanned were put back").count(), 1, "{logs}");
}
