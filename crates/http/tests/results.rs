//! Results of MDSS, with the server as a process and the stand-in that sends them. The numbers in the names are those of what a ledger promises, L1 to L12.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use drive::{Program, Server};
use mdss_relay_ledger::{Became, BucketName, Fact, Kind, Ledger, Loop, Options, OutboxId, Place};
use mdss_sim::{Away, Config, DEFAULT_API_KEY, FileIdForm, Notify, NotifyHeaders, NotifyMethod, Sim, units};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(60);
const TOKEN: &str = "token-of-mdss-for-results";
const BEARER: (&str, &str) = ("authorization", "Bearer token-of-mdss-for-results");

fn program(mdss: &str, folder: &Path) -> Program {
    let route = |bucket: &str, unit: &str| {
        format!(
            "[[route]]\nbucket = '{bucket}'\nstorage_client_id = '{unit}'\nstorage_type = 's3-compatible'\n"
        )
    };
    let config = format!(
        "{}{}[[source]]\nname = 'minio'\npath = '/minio'\nauth = 'none'\n\
         [[results]]\nname = 'mdss'\npath = '/results'\nauth = {{ bearer = {{ token = '{TOKEN}' }} }}\n",
        route("one", units::S3_COMPATIBLE),
        route("two", SECOND)
    );
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", mdss)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_CONFIG_TOML", config)
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.join("data"))
        .env("RELAY_LEDGER", "on")
}

const SECOND: &str = "00000000-0000-4000-8000-0000000000aa";

struct Stage {
    folder: tempfile::TempDir,
    server: Server,
    sim: Sim,
}

impl Stage {
    async fn new(change: impl FnOnce(Notify) -> Notify) -> Self {
        Self::with(&[], change).await
    }

    /// With more settings. MDSS has a file API.
    async fn with(more: &[(&str, &str)], change: impl FnOnce(Notify) -> Notify) -> Self {
        let (folder, away) = (tempfile::tempdir().unwrap(), Away::new().unwrap());
        let program = program(&away.url(), folder.path()).envs(more.iter().copied());
        let server = Server::start(&program, LIMIT).await.unwrap();
        let url = format!("http://{}/results", server.address).parse().unwrap();
        let headers = NotifyHeaders(vec![format!("Authorization: Bearer {TOKEN}").parse().unwrap()]);
        let notify = change(Notify { headers, ..Notify::to(url) });
        let mut all = units::all();
        all.push(format!("{SECOND}=s3-compatible").parse().unwrap());
        let config = Config { notify: Some(notify), units: all, file_api: true, ..Config::default() };
        let sim = away.back(config).await.unwrap();
        Self { folder, server, sim }
    }

    async fn upload(&self, bucket: &str, keys: &[&str]) {
        let body = mdss_sim::created("minio:s3", bucket, keys);
        assert_eq!(self.server.send("POST", "/minio", &[], body).await.unwrap().status, 200);
    }

    async fn ledger(&self) -> Option<Ledger> {
        Ledger::open(&Place::Directory(self.folder.path().join("data")), Options::reading()).await.ok()
    }

    async fn state(&self) -> Loop {
        match self.ledger().await {
            Some(ledger) => ledger.the_loop().await.unwrap_or_default(),
            None => Loop::default(),
        }
    }

    /// The newest result of each write of an object, with its confidence.
    async fn results(&self, bucket: &str, key: &str) -> Vec<Option<(String, String)>> {
        let shown =
            self.ledger().await.unwrap().show(&BucketName::new(bucket), key.as_bytes()).await.unwrap();
        let word = |text: Option<String>| text.unwrap_or_default();
        let result = |e: mdss_relay_ledger::Entry| (word(e.fact.result), word(e.fact.confidence));
        shown.into_iter().map(|shown| shown.result.map(result)).collect()
    }

    async fn until(&self, what: &str, holds: impl AsyncFn(&Loop) -> bool) {
        drive::until(what, LIMIT, async || holds(&self.state().await).await)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.server.process.output()));
    }

    async fn post(&self, method: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> u16 {
        self.server.send(method, "/results", headers, body.into()).await.unwrap().status
    }

    /// How many results are kept that became this.
    async fn kept(&self, became: Became) -> u64 {
        self.state().await.kept.iter().find(|(kept, _)| *kept == became).map_or(0, |(_, n)| *n)
    }
}

fn path(n: usize) -> String {
    json!({ "FilePath": format!("never/{n}"), "FileStatus": "Allowed" }).to_string()
}

#[tokio::test]
async fn each_accepted_object_gets_its_result_in_whatever_order_and_way_it_comes() {
    let stage = Stage::new(|notify| Notify {
        method: NotifyMethod::Put,
        reversed: NonZeroUsize::new(4).unwrap(),
        findings: [".exe=blocked", ".bad=failed", ".lost=never"].map(|text| text.parse().unwrap()).to_vec(),
        ..notify
    })
    .await;
    stage.upload("one", &["a/b", "c.exe", "d.bad", "%C3%BC", "e.lost"]).await;
    stage.until("four results", async |state| state.counts.matched == 4).await;
    for (key, want) in [("a/b", "allowed"), ("c.exe", "blocked"), ("d.bad", "failed"), ("ü", "allowed")] {
        assert_eq!(stage.results("one", key).await, [Some((want.to_owned(), "path".to_owned()))], "{key}");
    }
    assert_eq!(stage.results("one", "e.lost").await, [None]);
    let notified = stage.sim.notified();
    assert!(notified.iter().all(|one| one.status == Some(200)), "{notified:?}");
    let output = stage.server.process.output();
    assert!(output.contains("mdss at /results (results of MDSS)"), "{output}");
    assert!(
        output.contains("scanned: blocked") && output.contains("\"mdss.confidence\":\"path\""),
        "{output}"
    );
    let page = stage.server.send("GET", "/metrics", &[], "").await.unwrap().text();
    assert!(page.contains("mdss_relay_results_total{source=\"mdss\",became=\"matched\"}"), "{page}");
    // How long they took is kept by unit, and shown once the relay has looked again.
    let lane = |name: &str| format!("{name}{{lane=\"{}\"}} 4\n", units::S3_COMPATIBLE);
    let counts = [lane("mdss_relay_loop_result_seconds_count"), lane("mdss_relay_loop_scan_seconds_count")];
    let shown = async || {
        let page = stage.server.send("GET", "/metrics", &[], "").await.unwrap().text();
        counts.iter().all(|count| page.contains(count))
            && page.contains("mdss_relay_loop_result_seconds_bucket{lane=")
    };
    drive::until("four durations of each kind", LIMIT, shown).await.unwrap();
}

#[tokio::test]
async fn l3_a_result_that_comes_twice_is_one_and_a_repetition() {
    let stage = Stage::new(|notify| Notify { times: 2, ..notify }).await;
    stage.upload("one", &["a", "b"]).await;
    stage.until("two and two", async |state| (state.counts.matched, state.counts.repeated) == (2, 2)).await;
    let ledger = stage.ledger().await.unwrap();
    let show = async |key: &[u8]| ledger.show(&BucketName::new("one"), key).await.unwrap();
    for key in [&b"a"[..], b"b"] {
        let result = show(key).await[0].result.clone().unwrap();
        assert_eq!(result.result_seq, None, "there is none before it");
    }
}

/// MDSS scans for a while, tells later, tells everything twice and the last first, and the relay was killed between the acceptance and the result: each object has its
/// own result, once, and how late it was is known.
#[tokio::test]
async fn l3_results_that_come_late_twice_and_out_of_order_are_their_objects_own() {
    let (scan, delay) = (Duration::from_millis(700), Duration::from_millis(1500));
    let mut stage = Stage::new(|notify| Notify {
        scan,
        delay,
        times: 2,
        reversed: NonZeroUsize::new(3).unwrap(),
        findings: [".exe=blocked", ".bad=failed"].map(|text| text.parse().unwrap()).to_vec(),
        ..notify
    })
    .await;
    // Of these two MDSS tells nothing before there is a third one.
    stage.upload("one", &["a.txt", "b.exe"]).await;
    stage.until("both are written", async |state| state.writes == 2).await;
    stage.server.process.signal("KILL").unwrap();
    stage.server.process.wait(LIMIT).await.unwrap();
    let address = stage.server.address.clone();
    let program = program(&stage.sim.url(), stage.folder.path()).env("RELAY_LISTEN", address);
    stage.server = Server::start(&program, LIMIT).await.unwrap();
    assert_eq!(stage.results("one", "a.txt").await, [None]);
    stage.upload("one", &["c.bad"]).await;
    stage
        .until("three and three", async |state| (state.counts.matched, state.counts.repeated) == (3, 3))
        .await;
    let told: Vec<_> = stage.sim.notified().into_iter().map(|one| (one.path, one.status)).collect();
    let order = ["c.bad", "c.bad", "b.exe", "b.exe", "a.txt", "a.txt"];
    assert_eq!(told, order.map(|path| (path.to_owned(), Some(200))));
    for (key, want) in [("a.txt", "allowed"), ("b.exe", "blocked"), ("c.bad", "failed")] {
        assert_eq!(stage.results("one", key).await, [Some((want.to_owned(), "path".to_owned()))], "{key}");
    }
    assert_eq!(stage.ledger().await.unwrap().head().await.unwrap().open, 0);
    // All three took the scan and the delay, at least; the scan alone is known as well, from what MDSS says of its end.
    let state = stage.state().await;
    let unit = state.units.iter().find(|unit| unit.unit.as_deref() == Some(units::S3_COMPATIBLE)).unwrap();
    assert!(unit.results_took.seconds >= 3.0 * (scan + delay).as_secs_f64() * 0.9, "{:?}", unit.results_took);
    assert!(unit.scans_took.seconds >= 3.0 * scan.as_secs_f64() * 0.9, "{:?}", unit.scans_took);
    assert!(unit.scans_took.seconds + 2.0 * delay.as_secs_f64() < unit.results_took.seconds, "{unit:?}");
}

#[tokio::test]
async fn l4_a_stranger_posts_no_result_and_nothing_is_recorded() {
    let stage = Stage::new(|notify| Notify { times: 0, ..notify }).await;
    stage.upload("one", &["a"]).await;
    stage.until("the write is there", async |state| state.writes == 1).await;
    let body = json!({ "FilePath": "a", "FileStatus": "Allowed" }).to_string();
    for (method, headers, want) in [
        ("POST", &[][..], 401),
        ("PUT", &[("authorization", "Bearer another-token-of-mdss")], 401),
        ("GET", &[BEARER], 405),
    ] {
        assert_eq!(stage.post(method, headers, body.clone()).await, want, "{method}");
    }
    let state = stage.state().await;
    assert_eq!((state.last, state.counts, state.kept.as_slice()), (None, Default::default(), &[][..]));
    assert_eq!(stage.results("one", "a").await, [None]);
    assert_eq!(stage.post("PUT", &[BEARER], body).await, 200);
    assert_eq!(stage.state().await.counts.matched, 1, "it is synced when it is answered");
}

#[tokio::test]
async fn l5_garbage_and_what_was_never_forwarded_is_kept_and_counted_and_too_much_is_refused() {
    let stage = Stage::new(|notify| notify).await;
    stage.until("the ledger is there", async |_| stage.ledger().await.is_some()).await;
    drive::until("it takes results", LIMIT, async || stage.post("POST", &[BEARER], "garbage").await == 200)
        .await
        .unwrap();
    assert_eq!(stage.kept(Became::Unreadable).await, 1);
    assert_eq!(stage.post("POST", &[BEARER], vec![b'x'; 64 * 1024 + 1]).await, 413);
    assert_eq!(stage.post("POST", &[BEARER], vec![b'x'; 64 * 1024]).await, 200);
    assert_eq!(stage.kept(Became::Unreadable).await, 2);
    for n in 0..100 {
        assert_eq!(stage.post("POST", &[BEARER], path(n)).await, 200);
    }
    let state = stage.state().await;
    assert_eq!((state.counts.matched, stage.kept(Became::Waiting).await), (0, 100));
}

#[tokio::test]
async fn l6_the_same_key_in_two_units_is_nobodys_result() {
    let stage = Stage::new(|notify| Notify { reversed: NonZeroUsize::new(3).unwrap(), ..notify }).await;
    stage.upload("one", &["same"]).await;
    stage.upload("two", &["same"]).await;
    stage.until("both are written", async |state| state.writes == 2).await;
    stage.upload("one", &["other"]).await;
    stage
        .until("three results", async |state| (state.counts.matched, state.counts.ambiguous) == (1, 2))
        .await;
    assert_eq!(stage.results("one", "same").await, [None]);
    assert_eq!(stage.results("two", "same").await, [None]);
    assert_eq!(stage.kept(Became::Ambiguous).await, 2);
    assert!(stage.server.process.output().contains("a result fits objects of several units"));
}

/// Whose a result is MDSS can say, and it is asked at once, not in an hour.
#[tokio::test]
async fn l6_of_an_ambiguous_result_mdss_names_the_unit() {
    let stage = Stage::with(&[("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH)], |notify| Notify {
        reversed: NonZeroUsize::new(3).unwrap(),
        findings: vec!["same=blocked".parse().unwrap()],
        ..notify
    })
    .await;
    stage.upload("one", &["same"]).await;
    stage.upload("two", &["same"]).await;
    stage.until("both are written", async |state| state.writes == 2).await;
    stage.upload("one", &["other"]).await;
    stage.until("both are ambiguous", async |state| state.counts.ambiguous == 2).await;
    for bucket in ["one", "two"] {
        drive::until("MDSS is asked", LIMIT, async || {
            stage.results(bucket, "same").await == [Some(("blocked".into(), "file-api".into()))]
        })
        .await
        .unwrap_or_else(|error| panic!("{bucket}: {error}\n{}", stage.server.process.output()));
    }
    assert_eq!(stage.kept(Became::Ambiguous).await, 0, "what was ambiguous is theirs");
    stage.until("the other one has its own", async |state| state.counts.matched == 1).await;
    assert_eq!(stage.ledger().await.unwrap().head().await.unwrap().open, 0);
}

/// That MDSS knows of no scan is no vote for "never scanned" before the object's time: the scan that was told of is not in its list yet.
#[tokio::test]
async fn l6_a_question_before_its_time_counts_for_nothing() {
    let stage = Stage::with(&[("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH)], |notify| Notify {
        findings: vec![".lost=never".parse().unwrap()],
        ..notify
    })
    .await;
    stage.upload("one", &["a.lost"]).await;
    stage.upload("two", &["a.lost"]).await;
    stage.until("both are written", async |state| state.writes == 2).await;
    let told = json!({ "FileId": "f", "FilePath": "a.lost", "FileStatus": "Allowed", "WebhookNotificationType": "FileScanned" });
    assert_eq!(stage.post("POST", &[BEARER], told.to_string()).await, 200);
    stage.until("it is ambiguous", async |state| state.counts.ambiguous == 1).await;
    let asked = || {
        let db = rusqlite::Connection::open(stage.folder.path().join("data/ledger.db")).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        db.query_row("SELECT count(*), coalesce(max(times), 0) FROM asked", [], row).unwrap()
    };
    drive::until("MDSS was asked about both", LIMIT, async || asked().0 == 2).await.unwrap();
    assert_eq!(asked(), (2, 0));
}

/// A file API that writes paths in another form than is believed says nothing of an object: it is not taken for one that was never scanned, however often MDSS is asked.
#[tokio::test]
async fn l6_a_file_of_the_name_under_another_path_is_no_word_that_there_is_none() {
    let stage = Stage::with(&[("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH)], |notify| Notify {
        times: 0,
        paths: vec![mdss_sim::UnitPath { unit: None, form: mdss_sim::PathForm::In("one".into()) }],
        ..notify
    })
    .await;
    stage.upload("one", &["in/a.pdf"]).await;
    stage.until("it is written", async |state| state.writes == 1).await;
    let db = rusqlite::Connection::open(stage.folder.path().join("data/ledger.db")).unwrap();
    db.busy_timeout(LIMIT).unwrap();
    // No result has come in time.
    db.execute("UPDATE entry SET settled_time = settled_time - 18000000 WHERE kind = 1", []).unwrap();
    let asked = || -> Option<(i64, i64)> {
        db.query_row("SELECT times, last FROM asked", [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    };
    for _ in 0..2 {
        drive::until("MDSS was asked", LIMIT, async || asked().is_some_and(|(_, last)| last > 1))
            .await
            .unwrap();
        assert_eq!(asked().unwrap().0, 0, "{}", stage.server.process.output());
        db.execute("UPDATE asked SET last = 1", []).unwrap();
    }
    let log = stage.server.process.output();
    assert!(!log.contains("never scanned"), "{log}");
    assert_eq!(log.matches("lists a file of this name under another path").count(), 1, "{log}");
}

/// Told to stop, the relay records what it says 200 to, and says nothing to what has not come whole.
#[tokio::test]
async fn a_result_that_is_under_way_at_the_end_is_recorded_or_not_taken() {
    let mut stage = Stage::new(|notify| Notify { times: 0, ..notify }).await;
    stage.upload("one", &["whole", "half"]).await;
    stage.until("both are written", async |state| state.writes == 2).await;
    let body =
        |key: &str| json!({ "FilePath": key, "FileStatus": "Allowed", "FileState": "Available" }).to_string();
    let request = |key: &str| {
        let (host, body) = (&stage.server.address, body(key));
        format!(
            "POST /results HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (whole, half) = (request("whole"), request("half"));
    let send = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&stage.server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    };
    // Somebody else has the ledger, so that the whole one waits.
    let db = rusqlite::Connection::open(stage.folder.path().join("data/ledger.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut streams = [send(whole.as_bytes()).await, send(&half.as_bytes()[..half.len() - 10]).await];
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.server.process.signal("TERM").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    db.execute_batch("COMMIT").unwrap();
    let mut answers = Vec::new();
    for stream in &mut streams {
        let mut answer = Vec::new();
        // One that is reset has said nothing either.
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap();
        answers.push(String::from_utf8(answer).unwrap());
    }
    assert!(stage.server.process.wait(LIMIT).await.unwrap().success());
    assert!(answers[0].starts_with("HTTP/1.1 200 "), "{answers:?}");
    assert!(!answers[1].starts_with("HTTP/1.1 200 "), "{answers:?}");
    assert_eq!(stage.results("one", "whole").await, [Some(("allowed".into(), "path".into()))]);
    assert_eq!(stage.results("one", "half").await, [None]);
}

#[tokio::test]
async fn l7_blocked_only_is_warned_of_with_the_menu_path() {
    let stage = Stage::new(|notify| Notify {
        blocked_only: true,
        findings: vec!["-0=blocked".parse().unwrap()],
        ..notify
    })
    .await;
    let first: Vec<_> = (0..1).map(|n| format!("k-{n}")).collect();
    stage.upload("one", &first.iter().map(String::as_str).collect::<Vec<_>>()).await;
    stage.until("the blocked one", async |state| state.counts.matched == 1).await;
    let keys: Vec<_> = (1..=100).map(|n| format!("k-1{n}")).collect();
    stage.upload("one", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    stage.until("it is seen", async |state| state.blocked_only).await;
    drive::until("it is said", LIMIT, async || {
        let output = stage.server.process.output();
        output.contains("Settings, Notifications, \\\"Send a webhook notification when a file is scanned\\\"")
    })
    .await
    .unwrap();
}

/// With "blocked only" and nothing blocked nothing comes. It is neither shown as good nor forgotten: the first blocked result finds the hundred counted.
#[tokio::test]
async fn l7_blocked_only_with_nothing_blocked_is_unknown_until_the_first_blocked_file() {
    let stage = Stage::new(|notify| Notify {
        blocked_only: true,
        findings: vec!["-0=blocked".parse().unwrap()],
        ..notify
    })
    .await;
    stage.until("results are waited for", async |state| state.since.is_some()).await;
    let keys: Vec<_> = (1..=101).map(|n| format!("k-1{n}x")).collect();
    stage.upload("one", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    drive::until("it is said that nothing comes, and what may be the cause", LIMIT, async || {
        let output = stage.server.process.output();
        output.contains("no result has ever come")
            && output.contains("none was blocked. Choose all scanned files")
    })
    .await
    .unwrap();
    let page = stage.server.send("GET", "/metrics", &[], "").await.unwrap().text();
    assert!(
        page.contains("\nmdss_relay_loop_unconfirmed{") && !page.contains("\nmdss_relay_loop_blocked_only"),
        "{page}"
    );
    stage.upload("one", &["k-0"]).await;
    stage.until("one blocked file suffices", async |state| state.blocked_only).await;
}

#[tokio::test]
async fn other_forms_of_paths_and_equal_ids_are_learned_from_what_mdss_sends() {
    let stage = Stage::new(|notify| Notify {
        paths: vec![format!("{}=in:one", units::S3_COMPATIBLE).parse().unwrap(), "slash".parse().unwrap()],
        file_id: FileIdForm::Correlation,
        ..notify
    })
    .await;
    let keys: Vec<_> = (0..60).map(|n| format!("f/{n}.txt")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let others: Vec<_> = (0..60).map(|n| format!("g/{n}.txt")).collect();
    let others: Vec<_> = others.iter().map(String::as_str).collect();
    stage.upload("one", &keys).await;
    stage.upload("two", &others).await;
    stage.until("all have theirs", async |state| state.counts.matched == 120).await;
    let state = stage.state().await;
    let forms: Vec<_> = state.units.iter().map(|unit| unit.form.as_deref()).collect();
    assert_eq!((state.ids, forms), (Some(true), vec![Some("container"), Some("/key")]));
    stage.upload("two", &["last"]).await;
    stage.until("one more", async |state| state.counts.matched == 121).await;
    assert_eq!(stage.results("two", "last").await, [Some(("allowed".into(), "id".into()))]);
}

/// A ledger in which MDSS has accepted objects of the first bucket two hours ago, and has told of no result.
async fn accepted_long_ago(folder: &Path, keys: &[&str]) {
    let before = mdss_relay_ledger::Moment::from_millis(jiff::Timestamp::now().as_millisecond() - 7_200_000);
    std::fs::create_dir(folder.join("data")).unwrap();
    let ledger = Ledger::open(&Place::Directory(folder.join("data")), Options::default()).await.unwrap();
    let accepted = |(n, key): (usize, &&str)| {
        let fact = Fact {
            bucket: Some("one".into()),
            unit: Some(units::S3_COMPATIBLE.into()),
            key: Some((*key).into()),
            ..Fact::new(Kind::Accepted, before)
        };
        (OutboxId(-1 - i64::try_from(n).unwrap()), fact)
    };
    ledger.append(keys.iter().enumerate().map(accepted).collect()).await.unwrap();
}

/// Tells MDSS of an object, without the relay.
async fn scanned(sim: &Sim, key: &str) {
    let metadata = json!({ "s3": { "object": { "key": key } } }).to_string();
    let submission = json!({ "storageClientId": units::S3_COMPATIBLE, "metadata": metadata }).to_string();
    let headers = [("ApiKey", DEFAULT_API_KEY), ("content-type", "application/json")];
    let poster = drive::HttpPoster::new(LIMIT);
    assert_eq!(poster.send("POST", &sim.url(), &headers, submission).await.unwrap().status, 200);
}

/// What MDSS knows of a scan, it says when it is asked: at a path, and with names, that only an operator can know.
#[tokio::test]
async fn an_accepted_object_without_a_result_in_time_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::start(Config { file_api: true, ..Config::default() }).await.unwrap();
    accepted_long_ago(folder.path(), &["in/never.txt", "in/late.txt"]).await;
    scanned(&sim, "in/late.txt").await;
    let program = program(&sim.url(), folder.path()).env("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH);
    let server = Server::start(&program, LIMIT).await.unwrap();
    let stage = Stage { folder, server, sim };
    drive::until("it is asked about", LIMIT, async || {
        stage.results("one", "in/late.txt").await == [Some(("allowed".into(), "file-api".into()))]
    })
    .await
    .unwrap();
    assert_eq!(stage.results("one", "in/never.txt").await, [None]);
    let asked = stage.sim.requests().into_iter().filter(|request| request.path == mdss_sim::FILES_PATH);
    let asked: Vec<_> = asked.map(|request| request.time).collect();
    assert!(
        asked.windows(2).all(|two| two[1].duration_since(two[0]).unwrap() >= Duration::from_millis(200)),
        "{asked:?}"
    );
    // The line comes after the entry.
    let said = async || stage.server.process.output().contains("as MDSS says when it is asked");
    drive::until("a line says so", LIMIT, said).await.unwrap();
}

/// What MDSS gives no answer about is asked about later, and keeps nothing else from being asked about as soon as there are answers again.
#[tokio::test]
async fn what_mdss_gives_no_answer_about_does_not_hold_up_the_rest() {
    let (folder, away) = (tempfile::tempdir().unwrap(), Away::new().unwrap());
    let keys = ["in/a.txt", "in/b.txt", "in/c.txt", "in/d.txt", "in/e.txt"];
    accepted_long_ago(folder.path(), &keys).await;
    let program = program(&away.url(), folder.path()).env("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH);
    let server = Server::start(&program, LIMIT).await.unwrap();
    let complains =
        || server.process.output().matches("MDSS's file API says nothing that is understood").count();
    drive::until("nobody answers, and a line says so", LIMIT, async || complains() == 1).await.unwrap();
    let ledger = rusqlite::Connection::open(folder.path().join("data/ledger.db")).unwrap();
    let put_off = || ledger.query_row("SELECT count(*) FROM asked", [], |row| row.get(0)).unwrap_or(0);
    drive::until("the round is over", LIMIT, async || put_off() == 3).await.unwrap();
    let sim = away.back(Config { file_api: true, ..Config::default() }).await.unwrap();
    for key in keys {
        scanned(&sim, key).await;
    }
    let stage = Stage { folder, server, sim };
    let found = async || {
        let mut found = Vec::new();
        for key in keys {
            if stage.results("one", key).await != [None] {
                found.push(key);
            }
        }
        found
    };
    // Those three are asked about an hour later.
    drive::until("the others are asked about", LIMIT, async || found().await.len() == 2).await.unwrap();
    let asked = stage.sim.requests().into_iter().filter(|request| request.path == mdss_sim::FILES_PATH);
    assert_eq!(asked.count(), 2);
    assert_eq!(stage.server.process.output().matches("says nothing that is understood").count(), 1);
}

/// A clock that stands still.
struct Past(mdss_relay_ledger::Moment);

impl mdss_relay_ledger::Clock for Past {
    fn now(&self) -> mdss_relay_ledger::Moment {
        self.0
    }
}

/// MDSS was asked about an object a day ago, twice, and knows of no scan; of another one this was found out an hour ago.
#[tokio::test]
async fn what_was_never_scanned_is_put_back_once_a_day_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::start(Config { file_api: true, ..Config::default() }).await.unwrap();
    let place = Place::Directory(folder.path().join("data"));
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let ago = |hours: i64| {
        mdss_relay_ledger::Moment::from_millis(jiff::Timestamp::now().as_millisecond() - hours * 3_600_000)
    };
    for (key, hours) in [("in/day.txt", 30), ("in/today.txt", 5)] {
        let fact = Fact {
            dialect: Some("minio".into()),
            bucket: Some("one".into()),
            unit: Some(units::S3_COMPATIBLE.into()),
            key: Some(key.into()),
            ..Fact::new(Kind::Accepted, ago(hours))
        };
        for asked in [hours - 2, hours - 4] {
            let clock = std::sync::Arc::new(Past(ago(asked)));
            let ledger = Ledger::open(&place, Options { clock, ..Options::default() }).await.unwrap();
            ledger.append(vec![(OutboxId(-hours), fact.clone())]).await.unwrap();
            let question = ledger.questions().await.unwrap().into_iter().find(|asked| asked.key == key);
            ledger.answered(question.unwrap().seq, None).await.unwrap();
        }
    }
    let program = program(&sim.url(), folder.path())
        .env("RELAY_LOOP_FILE_API", mdss_sim::FILES_PATH)
        .env("RELAY_LOOP_RESEND", "on");
    let server = Server::start(&program, LIMIT).await.unwrap();
    let stage = Stage { folder, server, sim };
    let origins = async |key: &str| {
        let shown = match stage.ledger().await {
            Some(ledger) => ledger.show(&BucketName::new("one"), key.as_bytes()).await.unwrap(),
            None => Vec::new(),
        };
        let accepted = shown.into_iter().filter(|shown| shown.entry.fact.kind == Kind::Accepted);
        accepted.map(|shown| shown.entry.fact.origin).collect::<Vec<_>>()
    };
    let told = [None, Some(mdss_relay_ledger::Origin::Reconcile)];
    drive::until("it is told once more", LIMIT, async || origins("in/day.txt").await == told).await.unwrap();
    assert_eq!(origins("in/today.txt").await, [None], "a day has not passed");
    let keys = stage.sim.accepted_keys();
    assert_eq!(keys, ["in/day.txt"]);
    let output = stage.server.process.output();
    assert!(output.contains("1 objects that were never scanned were put back"), "{output}");
}
