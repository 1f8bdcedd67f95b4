//! `spool` as a person and a script use it, on a spool that a relay has open and on one that none has.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::{Delivery, Relay, Role, Settings, Watch};
use mdss_relay_spool::{
    Config, Desk, Filter, Pacing, Place, Sender, Spool, StoreThread, SystemClock, Worker,
};
use mdss_sim::{Config as SimConfig, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdss-relay"));
    command.arg("spool").args(args).env_clear().env("RELAY_DATA_DIR", dir);
    command.stdin(Stdio::null()).output().unwrap()
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

/// Two to be sent, one held, one parked.
async fn filled(dir: &Path) -> (Spool, StoreThread) {
    let good = json!({ "Records": [record("b", "one"), record("b", "t%1Bwo"), record("c", "three")] });
    holding(dir, vec![good.to_string(), "<xml>".into()]).await
}

/// A worker that says how MDSS stands, as the server's does.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(spool: &Spool, settings: Settings) -> Self {
        let watch = Arc::new(Watch::default());
        let relay = Arc::new(Relay::new(settings).unwrap().watched(Arc::clone(&watch)));
        let worker =
            Worker::new(spool.clone(), relay, Pacing { rate: 1000, park_after: None }).telling(watch);
        let (stop, stopped) = oneshot::channel::<()>();
        Self { stop, task: tokio::spawn(worker.run(async { drop(stopped.await) })) }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

async fn until(holds: impl AsyncFnMut() -> bool) {
    drive::until("it holds", Duration::from_secs(30), holds).await.unwrap();
}

fn record(bucket: &str, key: &str) -> Value {
    json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key } } })
}

fn settings(endpoint: &str) -> Settings {
    settings_for(endpoint, "key-of-a-test", "unit-1")
}

fn settings_for(endpoint: &str, key: &str, unit: &str) -> Settings {
    let toml = format!("[[route]]\nbucket = \"b\"\nstorage_client_id = {unit:?}");
    let vars = [("APIENDPOINT", endpoint), ("APIKEY", key), ("RELAY_CONFIG_TOML", &toml)];
    let vars = vars.map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Function).finish().unwrap()
}

async fn holding(dir: &Path, bodies: Vec<String>) -> (Spool, StoreThread) {
    let relay = Relay::new(settings("https://mdss.example")).unwrap();
    let (spool, keeping) = Spool::start(
        Config { place: Place::Directory(dir.to_owned()), limit: 1 << 30 },
        Arc::new(SystemClock),
    )
    .unwrap();
    for body in bodies {
        let delivery =
            Delivery { source: Some("s".into()), id: "s-1".into(), body: body.into(), ..Delivery::default() };
        let plan = relay.plan(&delivery);
        spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    }
    (spool, keeping)
}

#[tokio::test]
async fn items_are_listed_shown_retried_and_purged_by_what_they_are() {
    for stopped in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (spool, keeping) = filled(dir.path()).await;
        let mut running = Some(spool);
        if stopped {
            running = None;
            keeping.wait();
        }
        let keys = |args: &[&str]| {
            let output = run(dir.path(), &[&["list", "--json"], args].concat());
            assert_eq!(output.status.code(), Some(0), "{}", err(&output));
            lines(&output).iter().map(|l| l["key"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        for (args, want) in [
            (&[][..], &["one", "t\u{1b}wo", "three", "-"][..]),
            (&["--state", "waiting"], &["one", "t\u{1b}wo"]),
            (&["--state", "held"], &["three"]),
            (&["--lane", "unit-1"], &["one", "t\u{1b}wo"]),
            (&["--bucket", "c"], &["three"]),
            (&["--reason", "unreadable"], &["-"]),
            (&["--older-than", "1h"], &[]),
            (&["--older-than", "0s", "2", "3"], &["t\u{1b}wo", "three"]),
            (&["--limit", "1"], &["one"]),
        ] {
            assert_eq!(keys(args), want, "{args:?}");
        }
        let table = run(dir.path(), &["list", "--limit", "3"]);
        assert!(
            out(&table).contains("\n\nID  STATE    AGE  TRIED  NEXT  LANE      OBJECT"),
            "{}",
            out(&table)
        );
        assert!(
            out(&table).contains("b/t\\u001bwo") && out(&table).contains("\n    no route names bucket"),
            "{}",
            out(&table)
        );
        assert!(err(&table).contains("more than 3 items match"));
        let none = run(dir.path(), &["list", "--bucket", "nowhere"]);
        assert!(err(&none).contains("no item is of bucket \"nowhere\"") && none.status.code() == Some(1));

        let shown = run(dir.path(), &["show", "4", "--json"]);
        let shown = &lines(&shown)[0];
        assert_eq!((shown["body"].as_str(), shown["reason"].as_str()), (Some("<xml>"), Some("unreadable")));
        assert_eq!(run(dir.path(), &["show", "99"]).status.code(), Some(1));

        let stats = &lines(&run(dir.path(), &["stats", "--json"]))[0];
        assert_eq!(stats["depths"].as_array().unwrap().len(), 3);
        assert!(
            out(&run(dir.path(), &["stats"])).contains("unit-1    waiting  -"),
            "{}",
            out(&run(dir.path(), &["stats"]))
        );

        let retried = run(dir.path(), &["retry", "--state", "parked"]);
        assert_eq!(out(&retried), "1 item due now\n");
        assert_eq!(keys(&["--state", "parked"]), [] as [&str; 0]);

        // Nobody is there to say yes.
        let asked = run(dir.path(), &["purge", "--bucket", "b"]);
        assert_eq!(asked.status.code(), Some(1));
        assert!(
            err(&asked).contains(
                "Delete 2 items permanently? Their objects will not be scanned, except those a running relay has"
            ),
            "{}",
            err(&asked)
        );
        let purged = run(dir.path(), &["purge", "--bucket", "b", "--yes", "--json"]);
        assert_eq!(lines(&purged).iter().map(|l| l["id"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(keys(&[]), ["three", "-"]);
        assert_eq!(run(dir.path(), &["purge", "--all", "--yes"]).status.code(), Some(0));
        assert_eq!(keys(&[]), [] as [&str; 0]);
        if let Some(spool) = running {
            assert_eq!(spool.snapshot().await.unwrap().stock.depths, []);
        }
    }
}

#[test]
fn what_is_not_meant_or_not_there_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (args, says) in [
        (&["stats"][..], "spool.db: expected a spool, found no such file"),
        (&["list", "--older-than", "5"], "expected a number with its unit"),
        (&["list", "--state", "lost"], "one of waiting, held, parked"),
        (&["drop"], "unrecognized subcommand"),
    ] {
        let output = run(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(err(&output).contains(says), "{args:?}: {}", err(&output));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    if !Path::new("/var/lib/mdss-relay").exists() {
        let output = run(Path::new(""), &["stats"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("--data-dir or RELAY_DATA_DIR"), "{}", err(&output));
    }
}

#[tokio::test]
async fn a_bare_purge_is_not_everything() {
    let dir = tempfile::tempdir().unwrap();
    let _spool = filled(dir.path()).await;
    for task in ["purge", "retry"] {
        let output = run(dir.path(), &[task]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("--all for every item"), "{}", err(&output));
    }
    assert_eq!(lines(&run(dir.path(), &["list", "--json"])).len(), 4);
}

/// The line is all that is left of what was deleted.
#[tokio::test]
async fn what_cannot_be_written_out_is_not_deleted() {
    for json in [&[] as &[&str], &["--json"]] {
        let dir = tempfile::tempdir().unwrap();
        let _running = filled(dir.path()).await;
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mdss-relay"));
        command.arg("spool").args(json).args(["purge", "--all", "--yes"]);
        command.env_clear().env("RELAY_DATA_DIR", dir.path());
        let status = command.stdin(Stdio::null()).stdout(full).status().unwrap();
        let left = lines(&run(dir.path(), &["list", "--json"])).len();
        assert_eq!((status.success(), left), (false, 4), "{json:?}");
    }
}

/// Whoever reads the lines may take its time; the relay does not wait for it, nor does what another person decides.
#[tokio::test]
async fn what_has_changed_since_its_line_was_written_is_not_deleted() {
    const ITEMS: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let unusable = json!({ "Records": vec![record("b", "%ff"); ITEMS] }).to_string();
    let _running = holding(dir.path(), vec![unusable]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdss-relay"));
    command.args(["spool", "purge", "--state", "parked", "--yes", "--json"]);
    command.env_clear().env("RELAY_DATA_DIR", dir.path()).stdin(Stdio::null());
    let mut purge = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It writes, and has more to write than a pipe takes.
    let mut first = [0];
    purge.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    Desk::open(dir.path()).unwrap().retry(&Filter::default(), None).await.unwrap();
    let output = purge.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).len() > 80_000);
    assert!(
        err(&output).contains("400 items not deleted, because they were gone or had changed"),
        "{}",
        err(&output)
    );
    let left = lines(&run(dir.path(), &["list", "--json", "--state", "waiting", "--limit", "1000"]));
    assert_eq!(left.len(), ITEMS);
}

/// What somebody has named an object shows as it is, and moves nothing on the screen; programs read it unchanged.
#[tokio::test]
async fn no_name_turns_or_moves_what_a_person_reads() {
    let dir = tempfile::tempdir().unwrap();
    let key = "\u{202e}fdp\u{2028}\u{9b}2J\u{7f}\u{1b}";
    let unmapped = record("\u{2067}c", "%E2%80%AEfdp%E2%80%A8%C2%9B2J%7F%1B");
    let _running = holding(dir.path(), vec![json!({ "Records": [unmapped] }).to_string()]).await;
    for task in ["list", "show 1", "stats", "purge --all --yes"] {
        for json in [false, true] {
            if json && task.starts_with("purge") {
                continue;
            }
            let mut args: Vec<_> = task.split(' ').collect();
            args.extend(json.then_some("--json"));
            let output = run(dir.path(), &args);
            let bent = |c: char| c.is_control() && c != '\n' || ('\u{2028}'..='\u{2069}').contains(&c);
            assert!(output.status.success() && !out(&output).contains(bent), "{args:?}: {}", out(&output));
            if task == "stats" {
                continue;
            }
            let shown = r"\u202efdp\u2028\u009b2J\u007f\u001b";
            assert!(out(&output).contains(shown), "{args:?}: {}", out(&output));
            if json {
                assert_eq!(lines(&output)[0]["key"], key);
            }
        }
    }
}

#[tokio::test]
async fn what_fits_nothing_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let (_spool, _keeping) = filled(dir.path()).await;
    let status = |args: &[&str]| {
        let output = run(dir.path(), args);
        (output.status.code(), format!("{}{}", out(&output), err(&output)))
    };
    for (args, code, words) in [
        (&["retry", "999"][..], 1, "there is no item 999"),
        (&["retry", "1", "999"], 1, "1 item due now"),
        (&["retry", "1"], 0, "1 item due now"),
        (&["retry", "--reason", "mdss_unreachabel"], 1, "is mdss_unreachable meant?"),
        (&["list", "--reason", "mdss_unreachabel"], 1, "is mdss_unreachable meant?"),
        (&["list", "--lane", "unit-2"], 1, "no item is in lane \"unit-2\"; is unit-1 meant?"),
        (&["list", "--lane", "unrouted"], 0, "unmapped_bucket"),
        (&["list", "--bucket", "bb"], 1, "no item is of bucket \"bb\"; is b meant?"),
        (&["list", "998"], 1, "there is no item 998"),
        (&["retry", "--reason", "mdss_unreachable"], 1, "0 items due now"),
        (&["retry", "--reason", "unmapped_bucket"], 0, "1 item due now"),
        (&["retry", "--lane", "unit-2"], 1, "no item is in lane \"unit-2\"; is unit-1 meant?"),
        (&["retry", "--lane", "unit-1"], 0, "2 items due now"),
        (&["retry", "--all", "--bucket", "nowhere"], 0, "0 items due now"),
        (&["purge", "--yes", "999"], 1, "there is no item 999"),
        (&["purge", "--yes", "--reason", "zzz"], 1, "spool stats` lists the reasons of the items"),
        (&["purge", "--yes", "--bucket", "nowhere"], 1, "no item matches"),
        (&["purge", "--yes", "--all", "--bucket", "nowhere"], 0, "no item matches"),
        (&["purge", "--yes", "1", "998"], 1, "1 item deleted"),
        (&["purge", "--yes", "--all"], 0, "items deleted"),
        (&["retry", "--all"], 0, "0 items due now"),
    ] {
        let (got, said) = status(args);
        assert!(got == Some(code) && said.contains(words), "{args:?}: {got:?} {said}");
    }
}

/// At three in the night "no such file" reads as "the spool is gone".
#[tokio::test]
async fn another_user_is_told_whose_spool_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (spool, keeping) = filled(&data).await;
    drop(spool);
    keeping.wait();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let is_root = std::fs::metadata(&data).unwrap().uid() == 0;
    for closed in [&data, &data.join("spool.db")] {
        // Root may do everything, so another user looks; anybody else is kept out by the mode alone.
        let program = dir.path().join("tool");
        let mut command = if is_root {
            mode(dir.path(), 0o755);
            mode(&data, if closed == &data { 0o700 } else { 0o755 });
            if !program.exists() {
                std::fs::copy(env!("CARGO_BIN_EXE_mdss-relay"), &program).unwrap();
            }
            let mut command = Command::new(&program);
            command.uid(65534).gid(65534);
            command
        } else {
            mode(closed, 0);
            Command::new(env!("CARGO_BIN_EXE_mdss-relay"))
        };
        command.args(["spool", "list", "--lane", "unit 1"]).env_clear().env("RELAY_DATA_DIR", &data);
        let output = command.current_dir("/").stdin(Stdio::null()).output().unwrap();
        mode(closed, 0o700);
        assert_eq!(output.status.code(), Some(2));
        let command = format!("mdss-relay spool --data-dir {} list --lane 'unit 1'", data.display());
        for words in ["permission denied: run it as the owner of", ": sudo -u ", &command] {
            assert!(err(&output).contains(words), "{words}: {}", err(&output));
        }
    }
}

/// What a person needs first: whether it is MDSS, since when, and what would help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_and_stats_begin_with_how_mdss_stands() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.toml");
    let routes = "[[route]]\nname = \"the invoices\"\nbucket = \"b*\"\nstorage_client_id = \"unit-1\"\n";
    std::fs::write(&config, routes).unwrap();
    let data = dir.path().join("data");
    let (config, tool) =
        (config.to_str().unwrap(), |args: &[&str]| tokio::task::block_in_place(|| run(&data, args)));
    let (spool, keeping) = filled(&data).await;
    assert!(out(&tool(&["stats"])).starts_with("a relay runs here; none has said yet how MDSS stands\n"));

    // Nobody listens there; five objects are enough for the breaker.
    let more: Vec<_> = (0..6).map(|n| record("b", &format!("more-{n}"))).collect();
    let away = settings("http://127.0.0.1:9");
    let relay = Relay::new(away.clone()).unwrap();
    for record in more {
        let body = json!({ "Records": [record] }).to_string();
        let delivery = Delivery { source: Some("s".into()), body: body.into(), ..Delivery::default() };
        let plan = relay.plan(&delivery);
        spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    }
    let worker = Running::start(&spool, away);
    until(async || out(&tool(&["stats"])).contains("breaker of endpoint: ")).await;
    let stats = tool(&["stats", "--config", config]);
    for words in [
        "a relay runs here; as of ",
        "MDSS at http://127.0.0.1:9, directly",
        "endpoint: unreachable since 20",
        "mdss_unreachable: no connection to 127.0.0.1",
        "last answer: never seen; last object accepted: never seen",
        "in the last minute: 10 stored, 0 accepted by MDSS",
        "unit unit-1: the invoices; bucket b*\n",
    ] {
        assert!(out(&stats).contains(words), "{words}: {}", out(&stats));
    }
    let json = &lines(&tool(&["stats", "--json", "--config", config]))[0];
    assert_eq!(
        (json["relay_runs"].as_bool(), json["mdss"]["reachable"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(json["mdss"]["failing"]["reason"], "mdss_unreachable");
    assert_eq!(json["units"]["unit-1"]["names"][0], "the invoices");

    // An item that has not failed itself says what it waits for. One of them may be what MDSS is tried with just then.
    let late: Vec<_> = (0..5).map(|n| record("b", &format!("late-{n}"))).collect();
    let body = json!({ "Records": late }).to_string();
    let delivery = Delivery { source: Some("s".into()), body: body.into(), ..Delivery::default() };
    let plan = relay.plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let list = tool(&["list", "--bucket", "b", "--lane", "the invoices", "--config", config]);
    let is_late = |line: &&str| line.contains("b/late-") && line.ends_with("paused (mdss_unreachable)");
    assert!(out(&list).lines().filter(is_late).count() >= 3, "{}", out(&list));
    let listed = lines(&tool(&["list", "--json", "--bucket", "b"]));
    let late = listed
        .iter()
        .filter(|item| item["key"].as_str().unwrap().starts_with("late-") && item["reason"].is_null());
    let paused: Vec<_> = late.map(|item| item["paused"].as_str()).collect();
    assert!(paused.len() >= 3 && paused.iter().all(|why| *why == Some("mdss_unreachable")), "{paused:?}");
    worker.stop().await;

    drop(spool);
    keeping.wait();
    let gone = tool(&["stats"]);
    assert!(out(&gone).starts_with("no relay runs here; as of "), "{}", out(&gone));
    assert!(!out(&tool(&["list"])).contains("paused ("), "nobody would send it");
}

/// MDSS is back, and what has failed sleeps out its pause: nobody would look for the command that ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_say_what_ends_the_pause_of_items_when_mdss_works() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    sim.push_for("late", vec![Step::Unavailable; 50]);
    let settings = settings_for(&sim.url(), DEFAULT_API_KEY, units::AMAZON_S3);
    let relay = Relay::new(settings.clone()).unwrap();
    let (spool, _keeping) = holding(dir.path(), Vec::new()).await;
    let worker = Running::start(&spool, settings);
    let keep = async |key: &str| {
        let body = json!({ "Records": [record("b", key)] }).to_string();
        let delivery = Delivery { source: Some("s".into()), body: body.into(), ..Delivery::default() };
        let plan = relay.plan(&delivery);
        spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    };
    keep("late").await;
    let mut n = 0;
    until(async || {
        n += 1;
        keep(&format!("good-{n}")).await;
        let stats = tokio::task::block_in_place(|| run(dir.path(), &["stats"]));
        let said = out(&stats);
        said.contains("endpoint: reachable since")
            && said.contains("breakers: all closed")
            && said.contains("`mdss-relay spool retry --all` sends them at once")
    })
    .await;
    worker.stop().await;
}

/// The longest comes last, and a line of it is a line.
#[tokio::test]
async fn a_body_is_shown_last() {
    let dir = tempfile::tempdir().unwrap();
    let (_spool, _keeping) = holding(dir.path(), vec!["<xml>\n\u{1b}</xml>".into()]).await;
    let shown = run(dir.path(), &["show", "1"]);
    assert!(out(&shown).ends_with("\nbody:\n    <xml>\n    \\u001b</xml>\n"), "{}", out(&shown));
}
