//! What is counted, and what it says.

use std::fs;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::s3::{Object, Store};
use crate::world::{HOUR, LIMIT, UNIT, World, ago, said};

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_dry_run_counts_each_object_once_and_sends_nothing() {
    let store = Store::of([
        ("a-covered".into(), Object::of(ago(HOUR))),
        ("b-missing".into(), Object::of(ago(2 * HOUR))),
        ("c-young".into(), Object::of(ago(60))),
        ("d-archived".into(), Object { class: "GLACIER", ..Object::of(ago(HOUR)) }),
        ("folder/".into(), Object { size: 0, ..Object::of(ago(HOUR)) }),
        ("quarantine/x".into(), Object::of(ago(HOUR))),
        ("z-covered".into(), Object::of(ago(HOUR))),
    ])
    .await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    for key in ["a-covered", "gone", "z-covered"] {
        world.accepted(key, Some("0d73")).await;
    }
    let dry = world.run(&["--route", "invoices", "--json"]).await;
    assert_eq!(dry.status, 0, "{}", dry.stderr);
    let counts = dry.counts();
    let whole = json!({ "listed": 7, "covered": 2, "in_flight": 1, "missing": 1, "missing_newer": 0, "undecidable": 0,
        "excluded": { "archived": 1, "folder_marker": 1, "not_selected": 1 }, "in_spool": {}, "gone": 1, "passed": {},
        "forwarded": 0, "repeated": 0, "unsendable": 0, "refused": 0, "behind": 0 });
    for (name, count) in whole.as_object().unwrap() {
        assert_eq!(&counts[name], count, "{name} in {counts}");
    }
    assert_eq!(dry.json()["first_missing"][0]["key"], "b-missing");
    assert!(dry.json()["coverage"].as_f64().unwrap() - 200.0 / 3.0 < 0.001);
    let people = world.run(&["--route", "invoices"]).await;
    for line in [
        "listed           7",
        "missing          1",
        "coverage         66.666 %",
        "archived 1, folder_marker 1, not_selected 1",
    ] {
        assert!(people.stdout.contains(line), "{line:?} in {}", people.stdout);
    }
    assert!(people.stdout.contains("b-missing") && people.stdout.contains("a dry run"), "{}", people.stdout);
    assert_eq!(world.sim.accepted().len(), 3);
}

/// Neither what is covered nor what does not count is the oldest that is missing, however old it is; and a list of all keys would be no summary.
#[tokio::test(flavor = "multi_thread")]
async fn r1_the_oldest_that_is_missing_and_the_first_ten_keys_are_named() {
    let key = |n: u64| format!("m-{n:02}");
    // The oldest is none of the first ten.
    let age = |n: u64| if n == 11 { 5 * HOUR } else { HOUR + n };
    let missing: Vec<_> = (0..13).map(|n| (key(n), Object::of(ago(age(n))))).collect();
    let oldest = format!("{:.3}", missing[11].1.modified).parse::<Timestamp>().unwrap();
    let others = ["a-covered", "quarantine/x"].map(|key| (key.to_owned(), Object::of(ago(100 * HOUR))));
    let store = Store::of(missing.into_iter().chain(others)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("a-covered", Some("0d73")).await;
    let json = world.run(&["--route", "invoices", "--json"]).await.json();
    assert_eq!((&json["counts"]["missing"], &json["counts"]["covered"]), (&json!(13), &json!(1)), "{json}");
    assert_eq!(json["counts"]["oldest_missing"], oldest.to_string());
    let first: Vec<_> =
        json["first_missing"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect();
    assert_eq!(first, (0..10).map(key).collect::<Vec<_>>());
    let people = world.run(&["--route", "invoices"]).await.stdout;
    for part in [&format!("the oldest last written {oldest}"), "the first 10 of them:", &key(0), &key(9)] {
        assert!(people.contains(part), "{part:?} in {people}");
    }
    assert!(!people.contains(&key(10)), "{people}");
    // What was written again after it was accepted is missing as well, and may be the oldest.
    store.put("a-covered", Object { etag: "other".into(), ..Object::of(ago(50 * HOUR)) });
    let again = world.run(&["--route", "invoices", "--json"]).await.json();
    assert_eq!((&again["counts"]["missing_newer"], &again["missing"]), (&json!(1), &json!(14)), "{again}");
    let written = again["counts"]["oldest_missing"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(written < oldest, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_uploads_while_it_runs_are_in_flight_or_covered_and_never_missing() {
    let store = Store::of((0..50).map(|n| (format!("new-{n:02}"), Object::of(Timestamp::now())))).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    for n in 0..10 {
        world.post(&format!("new-{n:02}"), None).await;
    }
    world.in_ledger("new-09", 1).await;
    let counts = world.run(&["--bucket", "invoices", "--json"]).await.counts();
    assert_eq!(
        (counts["missing"].as_u64(), counts["missing_newer"].as_u64()),
        (Some(0), Some(0)),
        "{counts}"
    );
    assert_eq!(counts["in_flight"].as_u64().unwrap() + counts["covered"].as_u64().unwrap(), 50, "{counts}");
    // Whoever can choose the time of his object must not keep it young.
    store.put("tomorrow", Object::of(Timestamp::now() + Duration::from_secs(24 * HOUR)));
    let counts = world.run(&["--bucket", "invoices", "--json"]).await.counts();
    assert_eq!(counts["missing"], 1, "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_what_was_written_again_after_it_was_accepted_is_missing_as_newer() {
    let store = Store::of([("k".into(), Object::of(ago(HOUR)))]).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("k", Some("0d73")).await;
    let run = async || world.run(&["--bucket", "invoices", "--grace", "0", "--json"]).await.counts();
    assert_eq!(run().await["covered"], 1);
    // Other content, and the same content once more.
    for etag in ["other", "0d73"] {
        store.put("k", Object { etag: etag.into(), ..Object::of(Timestamp::now()) });
        tokio::time::sleep(Duration::from_millis(5)).await;
        let counts = run().await;
        assert_eq!(
            (&counts["missing_newer"], &counts["covered"]),
            (&json!(1), &json!(0)),
            "{etag}: {counts}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_below_the_limit_the_status_is_one() {
    let store = Store::of((0..10).map(|n| (format!("{n}"), Object::of(ago(HOUR))))).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    for n in 0..9 {
        world.post(&n.to_string(), Some("0d73")).await;
    }
    for n in 0..9 {
        world.in_ledger(&n.to_string(), 1).await;
    }
    for (limit, status) in [("90", 0), ("90.01", 1), ("99.99", 1), ("0", 0)] {
        let said = world.run(&["--bucket", "invoices", "--fail-under", limit]).await;
        assert_eq!(said.status, status, "{limit}: {}{}", said.stdout, said.stderr);
        assert_eq!(said.stderr.contains("below"), status == 1, "{}", said.stderr);
    }
    // The last run answers the same question.
    assert_eq!(world.run(&["--last", "--fail-under", "99"]).await.status, 1);
    store.remove("9");
    assert_eq!(world.run(&["--bucket", "invoices", "--fail-under", "100"]).await.status, 0);
    assert_eq!(world.run(&["--bucket", "invoices", "--fail-under", "101"]).await.status, 2);
    // A store that shows nothing of what was there is not known to be covered; where nothing ever was, nothing is to cover.
    for n in 0..9 {
        store.remove(&n.to_string());
    }
    for command in [&["--bucket", "invoices"][..], &["--last"]] {
        let said = world.run(&[command, &["--fail-under", "100"]].concat()).await;
        assert_eq!(said.status, 1, "{command:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains("nothing was listed, although 9 objects"), "{}", said.stderr);
        assert!(!said.stdout.contains("nothing to cover"), "{}", said.stdout);
    }
    let nowhere = ["--bucket", "invoices", "--prefix", "zzz", "--fail-under", "100"];
    assert_eq!(world.run(&nowhere).await.status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_the_last_run_is_an_entry_of_the_chain() {
    let store = Store::of([("k".into(), Object::of(ago(HOUR)))]).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    assert_eq!(world.run(&["--last"]).await.status, 2, "there is no ledger yet");
    world.relay().await;
    world.accepted("other", None).await;
    assert_eq!(world.run(&["--last"]).await.status, 1, "no run yet");
    let run = world.run(&["--route", "invoices", "--json"]).await.json();
    let asked = Instant::now();
    let last = world.run(&["--last", "--json"]).await.json();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    for member in ["run", "store", "bucket", "route", "counts", "entry", "digest"] {
        assert_eq!(last[member], run[member], "{member}");
    }
    assert!(last["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{last}");
    assert_eq!((&last["state"], &last["counts"]["missing"]), (&json!("complete"), &json!(1)));
    assert_eq!(world.run(&["--last", "--route", "invoices", "--json"]).await.json(), last);
    let people = world.run(&["--last"]).await.stdout;
    assert!(people.contains(run["digest"].as_str().unwrap()) && people.contains("complete at"), "{people}");
    // No key stands in what is kept of a run.
    let text = serde_json::to_string(&last).unwrap();
    assert!(!text.contains("\"k\""), "{text}");
    let place = mdss_relay_ledger::Place::Directory(world.data());
    let ledger =
        mdss_relay_ledger::Ledger::open(&place, mdss_relay_ledger::Options::reading()).await.unwrap();
    let verified = ledger.verify(Default::default()).await.unwrap();
    assert_eq!(verified.faults, [], "{verified:?}");
}

/// A tree of directories, as a share that is mounted: no versions, no ETags, files that are none, and times that whoever writes may choose.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_directories_is_compared_by_the_time_that_nobody_chooses() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().join("invoices");
    let write = |name: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "content").unwrap();
        // Years ago, or so it says.
        let time = std::time::SystemTime::now() - Duration::from_secs(3 * 365 * 24 * HOUR);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    for name in ["in/a b+c%20.pdf", "in/ü.pdf", "quarantine/x"] {
        write(name);
    }
    std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
    let store = format!("kind = 'directory'\npath = '{}/{{bucket}}'", tree.path().display());
    let mut world = World::new(&store).await;
    world.relay().await;
    world.accepted("in/ü.pdf", None).await;
    let counts = world.run(&["--route", "invoices", "--json"]).await.counts();
    assert_eq!(
        (&counts["listed"], &counts["in_flight"], &counts["covered"]),
        (&json!(3), &json!(2), &json!(0)),
        "{counts}"
    );
    let said = world.run(&["--route", "invoices", "--json", "--grace", "0"]).await;
    let (counts, json) = (said.counts(), said.json());
    let found = (&counts["missing"], &counts["missing_newer"], &counts["excluded"], &counts["passed"]);
    // Less than five minutes lie between: nothing proves that MDSS has seen this content.
    assert_eq!(
        found,
        (&json!(1), &json!(1), &json!({ "not_selected": 1 }), &json!({ "link": 1 })),
        "{counts}"
    );
    let keys: Vec<&Value> = json["first_missing"].as_array().unwrap().iter().map(|m| &m["key"]).collect();
    assert_eq!(keys, [&json!("in/a b+c%20.pdf"), &json!("in/ü.pdf")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_begun_says_why() {
    let store = Store::of([]).await;
    let world = World::new(&World::s3(&store.url)).await;
    for (arguments, sentence) in [
        (&["--route", "invoice"][..], "is invoices meant?"),
        (&["--store", "nowhere"], "there is none called"),
        (&["--bucket", "others"], "no [[store]] has the bucket"),
        (&["--bucket", "invoices", "--forward"], "there is no spool to put anything into"),
        (&["--undecidable", "--bucket", "invoices"], "--forward"),
        (&["--bucket", "invoices", "--rate", "0"], "--rate"),
    ] {
        let said = world.run(arguments).await;
        assert_eq!(said.status, 2, "{arguments:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(sentence), "{arguments:?}: {}", said.stderr);
    }
    // A store that is away is no start that failed: it can be tried again.
    let away = World::new(&(World::s3("http://127.0.0.1:9") + "\ntimeout = '1s'")).await;
    let said = away.run(&["--bucket", "invoices"]).await;
    assert_eq!((said.status, said.stderr.contains("store \"here\"")), (1, true), "{}", said.stderr);
}

/// MDSS has scanned two objects that nobody has told it of: one after it was last written, one before.
#[tokio::test(flavor = "multi_thread")]
async fn what_mdss_has_scanned_by_itself_is_covered_by_its_own_word() {
    let store = Store::of([
        ("in/by-hand.txt".into(), Object::of(ago(HOUR))),
        ("in/missing.txt".into(), Object::of(ago(HOUR))),
        // As far as the clocks of a store and of MDSS may be apart, nobody knows which was first.
        ("in/written-since.txt".into(), Object::of(ago(60))),
    ])
    .await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    let poster = drive::HttpPoster::new(LIMIT);
    for key in ["in/by-hand.txt", "in/written-since.txt"] {
        let metadata = json!({ "s3": { "object": { "key": key } } }).to_string();
        let submission = json!({ "storageClientId": UNIT, "metadata": metadata }).to_string();
        let headers = [("ApiKey", mdss_sim::DEFAULT_API_KEY), ("content-type", "application/json")];
        assert_eq!(poster.send("POST", &world.sim.url(), &headers, submission).await.unwrap().status, 200);
    }
    let ask = ["--route", "invoices", "--grace", "1s", "--json"];
    let run = async |path: Option<&str>, more: &[&str]| {
        let mut command = world.command(&[&ask[..], more].concat());
        path.map(|path| command.env("RELAY_LOOP_FILE_API", path));
        let child = command.spawn().unwrap();
        tokio::task::spawn_blocking(move || said(child)).await.unwrap()
    };
    let without = run(Some(mdss_sim::FILES_PATH), &[]).await;
    assert_eq!((&without.counts()["by_mdss"], &without.counts()["missing"]), (&json!(0), &json!(3)));
    let asked = run(Some(mdss_sim::FILES_PATH), &["--ask-mdss"]).await;
    assert_eq!(
        (&asked.counts()["by_mdss"], &asked.counts()["missing"]),
        (&json!(1), &json!(2)),
        "{}{}",
        asked.stdout,
        asked.stderr
    );
    assert!((asked.json()["coverage"].as_f64().unwrap() - 100.0 / 3.0).abs() < 0.001);
    // An answer that is not understood is no word at all.
    let wrong = run(Some("/api/nothing"), &["--ask-mdss"]).await;
    assert_eq!((&wrong.counts()["by_mdss"], &wrong.counts()["missing"]), (&json!(0), &json!(3)));
    assert!(wrong.stderr.contains("MDSS's file API says nothing that is understood ("), "{}", wrong.stderr);
    let nobody = run(None, &["--ask-mdss"]).await;
    assert_eq!(nobody.status, 2);
    assert!(nobody.stderr.contains("--ask-mdss needs RELAY_LOOP_FILE_API"), "{}", nobody.stderr);
}
