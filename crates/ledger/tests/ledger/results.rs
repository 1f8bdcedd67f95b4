//! Results as MDSS posts them: whose they are, and what stays open.

use std::time::Duration;

use mdss_relay_ledger::{
    Became, BucketName, Confidence, Fact, Filter, Found, Keys, Moment, Posted, Sure, Taken, Verdict,
};
use serde_json::{Value, json};

use crate::common::{Bench, START, World, hashed, write};

const HOUR: Duration = Duration::from_secs(3600);

/// A notification about this path, scanned so many seconds after the start.
fn notice(path: &str, second: i64) -> Value {
    json!({
        "FileId": format!("0198f02f-0000-7000-8000-{:012x}", second.unsigned_abs() * 1000 + path.len() as u64), "FilePath": path,
        "FileStatus": "Allowed", "FileState": "Available", "CoreScanResult": "No Threat Detected",
        "ScanCompletedTimeStamp": Moment::from_millis(START + second * 1000).to_string(), "WebhookNotificationType": "FileScanned"
    })
}

fn with(mut notice: Value, member: &str, value: &str) -> Value {
    notice[member] = value.into();
    notice
}

/// An accepted write of this key in a unit and its bucket, so many seconds after the start.
fn told(key: &str, unit: &str, second: u64) -> Fact {
    Fact {
        key: Some(key.into()),
        unit: Some(unit.into()),
        bucket: Some(format!("bucket-{unit}").into()),
        ..write(second)
    }
}

impl Bench {
    async fn tell(&self, facts: impl IntoIterator<Item = Fact>) {
        static NEXT: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1_000_000);
        let next = || NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.append(facts.into_iter().map(|fact| (next(), fact))).await;
    }

    async fn post(&self, notice: &Value) -> Taken {
        self.post_bytes(notice.to_string().as_bytes()).await
    }

    async fn post_bytes(&self, body: &[u8]) -> Taken {
        let posted = Posted { source: "mdss".into(), body: body.to_vec() };
        self.ledger.receive(vec![posted]).await.unwrap().pop().unwrap()
    }

    /// The results of the writes of an object, in their order.
    async fn results(&self, unit: &str, key: &str) -> Vec<Option<(String, String)>> {
        let shown =
            self.ledger.show(&BucketName::new(format!("bucket-{unit}")), key.as_bytes()).await.unwrap();
        let result = |entry: mdss_relay_ledger::Entry| {
            (entry.fact.result.unwrap_or_default(), entry.fact.confidence.unwrap_or_default())
        };
        shown.into_iter().map(|shown| shown.result.map(result)).collect()
    }

    async fn open(&self) -> u64 {
        self.ledger.head().await.unwrap().open
    }
}

fn found(result: &str, confidence: &str) -> Option<(String, String)> {
    Some((result.to_owned(), confidence.to_owned()))
}

pub(crate) async fn l3_the_same_result_twice_is_one_result_and_a_repetition(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("a", "u", 2)]).await;
    bench.clock.set(START + 60_000);
    let one = notice("a", 10);
    assert_eq!(bench.post(&one).await.became, Became::Matched);
    assert_eq!(bench.post(&one).await.became, Became::Repeated);
    let (both, entries) = (bench.results("u", "a").await, bench.ledger.head().await.unwrap().seq);
    assert_eq!(both, [found("allowed", "path"), None], "the second write still waits");
    assert_eq!(bench.post(&one).await.became, Became::Repeated);
    assert_eq!(bench.ledger.head().await.unwrap().seq, entries, "no entry more");
    let counts = bench.ledger.the_loop().await.unwrap().counts;
    assert_eq!((counts.matched, counts.repeated), (1, 2));
    // So is one that is nobody's, and what is not understood.
    for (body, first) in [(notice("z", 1).to_string(), Became::Waiting), ("?".into(), Became::Unreadable)] {
        assert_eq!(bench.post_bytes(body.as_bytes()).await.became, first);
        assert_eq!(bench.post_bytes(body.as_bytes()).await.became, Became::Repeated);
    }
    bench.intact().await;
}

pub(crate) async fn what_else_mdss_says_of_a_scan_stands_in_the_chain(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("late", "u", 2)]).await;
    bench.clock.set(START + 60_000);
    // At most 256 bytes of each, and of what the contract does not name nothing: it may be a path.
    let long = "Infected".repeat(1000);
    let infected = with(with(notice("a", 10), "CoreScanResult", &long), "FileName", "a");
    bench.post(&with(infected, "RemediationResult", "Quarantined")).await;
    // One that waits for its write says it, too.
    assert_eq!(
        bench.post(&with(notice("later", 11), "WorkflowName", "Uploads")).await.became,
        Became::Waiting
    );
    bench.tell([told("later", "u", 3)]).await;
    bench.clock.go(Duration::from_secs(5));
    assert_eq!(bench.ledger.sweep().await.unwrap().taken.len(), 1);
    let detail = async |key: &str| -> Value {
        let shown = bench.ledger.show(&BucketName::new("bucket-u"), key.as_bytes()).await.unwrap();
        let result = shown[0].result.as_ref().unwrap();
        serde_json::from_str(result.fact.detail.as_deref().unwrap()).unwrap()
    };
    let want = json!({ "CoreScanResult": long[..256], "RemediationResult": "Quarantined" });
    assert_eq!(detail("a").await, want);
    let want = json!({ "CoreScanResult": "No Threat Detected", "WorkflowName": "Uploads" });
    assert_eq!(detail("later").await, want);
    bench.intact().await;
    // It is hashed like the rest.
    bench.sql("UPDATE entry SET detail = replace(detail, 'Quarantined', 'Released') WHERE kind = 2").await;
    assert_eq!(bench.verify().await.faults.len(), 1);
}

pub(crate) async fn l5_what_was_never_forwarded_is_kept_counted_and_never_matched(world: World) {
    let bench = world.bench().await;
    bench.tell([told("in/a", "u", 1)]).await;
    bench.clock.set(START + 60_000);
    assert_eq!(bench.post(&notice("never.txt", 10)).await.became, Became::Waiting);
    // It is nobody's, however often it is looked at.
    let mut foreign = 0;
    for _ in 0..40 {
        bench.clock.go(Duration::from_secs(60));
        let swept = bench.ledger.sweep().await.unwrap();
        assert_eq!(swept.taken, []);
        foreign += swept.foreign;
    }
    let seen = bench.ledger.the_loop().await.unwrap();
    assert_eq!((foreign, seen.counts.foreign, seen.counts.matched), (1, 1, 0));
    assert_eq!(seen.kept, [(Became::Foreign, 1)]);
    assert_eq!(bench.open().await, 1);
    // Not even if such an object is accepted later: the scan has not seen it.
    bench.tell([told("never.txt", "u", 5000)]).await;
    bench.ledger.sweep().await.unwrap();
    assert_eq!(bench.open().await, 2);
    // Thirty days later it is gone.
    bench.clock.go(24 * 31 * HOUR);
    bench.ledger.sweep().await.unwrap();
    assert_eq!(bench.ledger.the_loop().await.unwrap().kept, []);
}

pub(crate) async fn l6_the_same_key_in_two_units_is_ambiguous(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("a", "v", 2), told("b", "u", 3)]).await;
    bench.clock.set(START + 60_000);
    let taken = bench.post(&notice("a", 10)).await;
    assert_eq!((taken.became, taken.about, taken.unit), (Became::Ambiguous, vec![], None));
    assert_eq!(bench.results("u", "a").await, [None]);
    assert_eq!(bench.results("v", "a").await, [None]);
    assert_eq!(bench.post(&notice("b", 10)).await.became, Became::Matched);
    let seen = bench.ledger.the_loop().await.unwrap();
    assert_eq!((seen.counts.ambiguous, seen.kept.as_slice()), (1, &[(Became::Ambiguous, 1)][..]));
    // It stays so, also when it is looked at again.
    bench.clock.go(HOUR);
    bench.ledger.sweep().await.unwrap();
    assert_eq!(bench.open().await, 2);
}

pub(crate) async fn l7_only_blocked_results_among_a_hundred_writes_are_seen(world: World) {
    let bench = world.bench().await;
    let blocked = |key: &str, second| with(notice(key, second), "FileStatus", "Blocked");
    bench.tell((1..=99).map(|n| told(&format!("k{n}"), "u", n))).await;
    bench.clock.set(START + 200_000);
    let only = |bench: &Bench| {
        let ledger = bench.ledger.clone();
        async move { ledger.the_loop().await.unwrap().blocked_only }
    };
    assert_eq!(bench.post(&blocked("k1", 150)).await.became, Became::Matched);
    bench.tell((1..=98).map(|n| told(&format!("l{n}"), "u", n))).await;
    assert!(!only(&bench).await);
    bench.tell([told("last", "u", 1)]).await;
    assert!(only(&bench).await);
    assert_eq!(bench.post(&notice("l1", 150)).await.became, Became::Matched);
    assert!(!only(&bench).await);
}

/// What was accepted before the first result counts, if it was waited for then: with "blocked only" that one may come late, or never.
pub(crate) async fn l7_with_blocked_only_no_result_is_unknown_and_no_proof(world: World) {
    let bench = world.bench().await;
    let blocked = |key: &str, second| with(notice(key, second), "FileStatus", "Blocked");
    let state = async || bench.ledger.the_loop().await.unwrap();
    let sure = async || {
        let found = bench.ledger.unscanned(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
        found.units.iter().map(|unit| unit.sure).collect::<Vec<_>>()
    };
    bench.tell([told("early", "u", 1)]).await;
    assert_eq!(state().await.since, None);
    for _ in 0..2 {
        bench.ledger.expect_results().await.unwrap();
        assert_eq!(state().await.since, Some(0));
    }
    bench.tell((1..=98).map(|n| told(&format!("k{n}"), "u", n))).await;
    bench.clock.set(START + 200_000);
    let seen = state().await;
    assert_eq!((seen.since, seen.last, seen.blocked_only, seen.tells_all), (Some(98), None, false, false));
    assert_eq!(sure().await, [Sure::NoResults]);

    bench.ledger.expect_results().await.unwrap();
    assert_eq!(bench.post(&blocked("k1", 150)).await.became, Became::Matched);
    assert!(!state().await.blocked_only && !state().await.tells_all);
    assert_eq!(sure().await, [Sure::BlockedOnly], "one result, of a blocked file");
    bench.tell([told("l1", "u", 1), told("l2", "u", 1)]).await;
    let seen = state().await;
    assert_eq!(
        (seen.since, seen.blocked_only),
        (Some(100), true),
        "it counts from when results are waited for"
    );

    assert_eq!(bench.post(&notice("k2", 151)).await.became, Became::Matched);
    assert!(!state().await.blocked_only && state().await.tells_all);
    assert_eq!(sure().await, [Sure::ToldOnly]);
}

pub(crate) async fn a_result_that_is_faster_than_the_ledger_finds_its_write(world: World) {
    let bench = world.bench().await;
    bench.clock.set(START + 60_000);
    assert_eq!(bench.post(&notice("a", 10)).await.became, Became::Waiting);
    bench.tell([told("a", "u", 9)]).await;
    bench.clock.go(Duration::from_secs(2));
    let swept = bench.ledger.sweep().await.unwrap();
    assert_eq!(swept.taken.iter().map(|taken| taken.became).collect::<Vec<_>>(), [Became::Matched]);
    assert_eq!(bench.results("u", "a").await, [found("allowed", "path")]);
    assert_eq!(bench.post(&notice("a", 10)).await.became, Became::Repeated);
}

pub(crate) async fn a_scan_that_ended_before_the_write_does_not_close_it(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 100), told("a", "u", 200)]).await;
    bench.clock.set(START + 600_000);
    // Out of order: the later scan is told of first.
    for (second, want) in [(300, Became::Matched), (150, Became::Again), (50, Became::Waiting)] {
        assert_eq!(bench.post(&notice("a", second)).await.became, want, "{second}");
    }
    assert_eq!(bench.results("u", "a").await, [found("allowed", "path"), None]);
    // A clock that runs ahead closes nothing in advance.
    bench.tell([told("b", "u", 700)]).await;
    assert_eq!(bench.post(&notice("b", 9999)).await.became, Became::Waiting);
}

pub(crate) async fn failed_scans_are_results(world: World) {
    let bench = world.bench().await;
    bench.tell(["a", "b", "c", "d"].map(|key| told(key, "u", 1))).await;
    bench.clock.set(START + 60_000);
    for (key, status, state, want) in [
        ("a", "", "Failed", "failed"),
        ("b", "Allowed", "Canceled", "failed"),
        ("c", "Blocked", "FailedRemediation", "blocked"),
        ("d", "Odd", "Available", "unknown"),
    ] {
        let body = with(with(notice(key, 10), "FileStatus", status), "FileState", state);
        assert_eq!(bench.post(&body).await.became, Became::Matched, "{key}");
        assert_eq!(bench.results("u", key).await, [found(want, "path")], "{key}");
    }
    assert_eq!(bench.open().await, 0);
}

pub(crate) async fn other_forms_of_paths_are_learned_by_unit_and_stand_in_the_chain(world: World) {
    for (form, path) in [
        ("/key", (|key| format!("/{key}")) as fn(&str) -> String),
        ("container", |key| format!("bucket-u/{key}")),
        ("/container", |key| format!("/bucket-u/{key}")),
        ("below:inbox/2026/", |key| key.trim_start_matches("inbox/2026/").to_owned()),
        ("/below:inbox/2026/", |key| key.trim_start_matches("inbox/2026").to_owned()),
    ] {
        let bench = world.bench().await;
        let key = |n: u64| format!("inbox/2026/{n}.txt");
        bench.tell((1..=25).map(|n| told(&key(n), "u", n))).await;
        // Another unit is none of this.
        bench.tell((1..=2).map(|n| told(&format!("other{n}"), "v", n))).await;
        bench.clock.set(START + 60_000);
        for n in 1..=19 {
            let taken = bench.post(&notice(&path(&key(n)), 30)).await;
            assert_eq!((taken.became, taken.learned.len()), (Became::Unlearned, 0), "{form} {n}");
        }
        assert_eq!(bench.open().await, 27, "{form}: nothing is attributed by guess");
        let taken = bench.post(&notice(&path(&key(20)), 30)).await;
        assert_eq!((taken.became, taken.learned.len()), (Became::Matched, 1), "{form}");
        assert!(taken.learned[0].contains(&format!("have the form {form}: ")), "{:?}", taken.learned);
        // What had waited for it is decided now.
        let swept = bench.ledger.sweep().await.unwrap();
        assert_eq!(swept.taken.len(), 19, "{form}");
        assert_eq!(bench.open().await, 7, "{form}");
        assert_eq!(bench.post(&notice(&path(&key(21)), 30)).await.became, Became::Matched, "{form}");
        let seen = bench.ledger.the_loop().await.unwrap();
        assert_eq!(seen.units[0].form.as_deref(), Some(form));
        let detail = bench.ask("SELECT detail FROM entry WHERE reason = 'results_form'").await;
        assert_eq!(serde_json::from_str::<Value>(&detail[0]).unwrap(), json!({ "form": form }));
        // The plain key is another object's now.
        assert_ne!(bench.post(&notice(&key(22), 30)).await.became, Became::Matched, "{form}");
        assert_eq!(bench.post(&notice("other1", 30)).await.became, Became::Matched);
        bench.intact().await;
    }
}

pub(crate) async fn ids_are_used_once_a_hundred_pairs_were_equal(world: World) {
    let bench = world.bench().await;
    let id = |n: u64| write(n).correlation_id.unwrap();
    bench.tell((1..=100).map(|n| told(&format!("k{n}"), "u", n))).await;
    // Two units have one key, and the path cannot tell which.
    bench.tell([told("same", "u", 200), told("same", "v", 201), told("same", "v", 202)]).await;
    bench.clock.set(START + 900_000);
    let of_v = with(notice("same", 300), "FileId", &id(202));
    assert_eq!(bench.post(&of_v).await.became, Became::Ambiguous);
    for n in 1..=100 {
        let taken = bench.post(&with(notice(&format!("k{n}"), 300), "FileId", &id(n))).await;
        assert_eq!(taken.became, Became::Matched);
        assert_eq!(
            taken.learned.len(),
            usize::from(n == 20) + usize::from(n == 100),
            "{n}: the form, then the ids"
        );
    }
    assert_eq!(bench.ledger.the_loop().await.unwrap().ids, Some(true));
    let swept = bench.ledger.sweep().await.unwrap();
    assert_eq!((swept.taken.len(), swept.taken[0].unit.as_deref()), (1, Some("v")));
    assert_eq!(bench.results("u", "same").await, [None]);
    assert_eq!(bench.results("v", "same").await, [found("allowed", "id"), found("allowed", "id")]);
    // A second scan of what has its result is that of this one, and not of the one that waits.
    let blocked = with(with(notice("same", 400), "FileId", &id(202)), "FileStatus", "Blocked");
    let again = bench.post(&blocked).await;
    assert_eq!((again.became, again.unit.as_deref()), (Became::Again, Some("v")));
    assert_eq!(again.confidence, Some(Confidence::Id));
    assert_eq!(bench.results("v", "same").await, [found("allowed", "id"), found("blocked", "id")]);
    // An id that none of them has is nobody's, though only one waits.
    let unknown = with(notice("same", 500), "FileId", &id(999));
    assert_eq!(bench.post(&unknown).await.became, Became::Ambiguous);
    assert_eq!(bench.results("u", "same").await, [None]);
    assert_eq!(bench.post(&with(notice("same", 600), "FileId", &id(200))).await.became, Became::Matched);
    assert_eq!(bench.results("u", "same").await, [found("allowed", "id")]);
    bench.intact().await;
}

pub(crate) async fn ids_that_are_not_equal_are_never_used(world: World) {
    let bench = world.bench().await;
    bench.tell((1..=101).map(|n| told(&format!("k{n}"), "u", n))).await;
    bench.tell([told("x", "u", 300)]).await;
    bench.clock.set(START + 900_000);
    for n in 1..=101 {
        assert_eq!(bench.post(&notice(&format!("k{n}"), 300)).await.became, Became::Matched);
    }
    assert_eq!(bench.ledger.the_loop().await.unwrap().ids, Some(false));
    let chance = with(notice("never", 400), "FileId", &write(300).correlation_id.unwrap());
    assert_eq!(bench.post(&chance).await.became, Became::Waiting);
}

pub(crate) async fn a_write_is_unconfirmed_after_its_units_limit(world: World) {
    let bench = world.bench().await;
    bench.tell([told("never", "u", 0), told("late", "v", 1)]).await;
    let unconfirmed = |bench: &Bench| {
        let ledger = bench.ledger.clone();
        async move {
            let seen = ledger.the_loop().await.unwrap();
            seen.units
                .into_iter()
                .map(|unit| (unit.unconfirmed, unit.after, unit.learned))
                .collect::<Vec<_>>()
        }
    };
    bench.clock.set(START + 3_600_000);
    assert_eq!(unconfirmed(&bench).await, [(0, HOUR, false), (0, HOUR, false)]);
    bench.clock.set(START + 3_600_500);
    assert_eq!(unconfirmed(&bench).await, [(1, HOUR, false), (0, HOUR, false)]);
    // Results of v take an hour each, so that is no news there any more.
    bench.tell((2..=101).map(|n| told(&format!("k{n}"), "v", n))).await;
    bench.clock.set(START + 3_700_000);
    for n in 2..=101 {
        assert_eq!(bench.post(&notice(&format!("k{n}"), 200)).await.became, Became::Matched);
    }
    let [(late_u, ..), (late_v, after, learned)] = unconfirmed(&bench).await[..] else { panic!() };
    assert!(late_u == 1 && late_v == 0 && learned && after > 4 * HOUR, "{late_v} {after:?}");
}

pub(crate) async fn hashed_keys_are_found_and_never_written_down(world: World) {
    let bench = world.with(hashed).await;
    bench.tell([told("secret-name", "u", 1)]).await;
    bench.clock.set(START + 60_000);
    let early = bench.post(&notice("secret-early", 30)).await;
    assert_eq!((early.became, early.path), (Became::Waiting, None));
    bench.post_bytes(b"{\"FilePath\": \"secret-broken\"").await;
    assert_eq!(bench.post(&notice("secret-name", 30)).await.became, Became::Matched);
    bench.tell([told("secret-early", "u", 2)]).await;
    bench.clock.go(Duration::from_secs(2));
    assert_eq!(bench.ledger.sweep().await.unwrap().taken.len(), 1);
    assert_eq!(bench.open().await, 0);
    assert_eq!(bench.holds(b"secret-").await, Vec::<String>::new());
}

pub(crate) async fn without_keys_nothing_is_matched_by_path(world: World) {
    let bench = world.with(|options| options.keys = Keys::Off).await;
    bench.tell([told("a", "u", 1)]).await;
    bench.clock.set(START + 60_000);
    assert_eq!(bench.post(&notice("a", 30)).await.became, Became::Waiting);
    assert_eq!(bench.open().await, 1);
}

pub(crate) async fn a_flood_of_unmatched_results_is_bounded(world: World) {
    let bench = world.bench().await;
    bench.clock.set(START + 60_000);
    let body = |n: usize| format!("flood {n}").into_bytes();
    let mut posted_all = 25;
    if bench.url.is_some() {
        // All of them take a while there.
        posted_all = 1;
        bench.sql("INSERT INTO result_raw (at, why, body) SELECT 1, 'unreadable', ''::bytea FROM generate_series(1, 24000)").await;
        bench.sql(&format!("UPDATE result_raw SET at = {START}")).await;
    }
    for chunk in 0..posted_all {
        let posted = (0..1000).map(|n| Posted { source: "mdss".into(), body: body(chunk * 1000 + n) });
        bench.ledger.receive(posted.collect()).await.unwrap();
    }
    let swept = bench.ledger.sweep().await.unwrap();
    assert_eq!(swept.dropped, 5000);
    let seen = bench.ledger.the_loop().await.unwrap();
    assert_eq!(
        (seen.kept.as_slice(), seen.counts.unreadable, seen.counts.dropped),
        (&[(Became::Unreadable, 20_000)][..], posted_all as u64 * 1000, 5000)
    );
    // A long one is kept in part.
    bench.post_bytes(&[b'x'; 60_000]).await;
    assert_eq!(bench.ask("SELECT max(length(body)) FROM result_raw").await, ["4096"]);
}

pub(crate) async fn what_is_not_a_files_result_is_kept_raw_and_counted(world: World) {
    let bench = world.bench().await;
    let other = with(notice("a", 1), "WebhookNotificationType", "ScanCompleted");
    assert_eq!(bench.post(&other).await.became, Became::Other);
    let taken = bench.post_bytes(b"\xff\x00garbage").await;
    assert_eq!((taken.became, taken.why.as_deref()), (Became::Unreadable, Some("not JSON")));
    let counts = bench.ledger.the_loop().await.unwrap().counts;
    assert_eq!((counts.other, counts.unreadable), (1, 1));
    let body = bench.bytes(b"\xff\x00garbage");
    let kept = format!("SELECT count(*) FROM result_raw WHERE why = 'unreadable' AND body = {body}");
    assert_eq!(bench.ask(&kept).await, ["1"]);
}

pub(crate) async fn how_sure_it_is_that_something_is_missing_follows_from_results(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("b", "u", 2), told("a", "v", 3)]).await;
    bench.clock.set(START + 60_000);
    let taken = bench.post(&notice("b", 30)).await;
    assert_eq!((taken.became, taken.verdict), (Became::Matched, Some(Verdict::Allowed)));
    let open = bench.ledger.unscanned(&Filter { limit: 10, ..Filter::default() }).await.unwrap();
    let sure: Vec<_> = open.units.iter().map(|unit| (unit.open, unit.sure)).collect();
    assert_eq!(sure, [(1, Sure::ToldOnly), (1, Sure::NoResults)]);
}

pub(crate) async fn what_mdss_says_when_it_is_asked_settles_a_write(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("a", "v", 2), told("b", "u", 3)]).await;
    bench.clock.set(START + 60_000);
    assert_eq!(bench.post(&notice("a", 10)).await.became, Became::Ambiguous);
    let keys = |bench: &Bench| {
        let ledger = bench.ledger.clone();
        async move {
            let asked = ledger.questions().await.unwrap().into_iter().filter(|asked| !asked.early);
            asked.map(|asked| (asked.seq, asked.unit.unwrap().to_string())).collect::<Vec<_>>()
        }
    };
    assert_eq!(keys(&bench).await, [], "nothing is late yet");
    bench.clock.go(HOUR);
    let [(u, _), (v, _), (b, _)] = &keys(&bench).await[..] else { panic!() };
    let found = Found {
        file_id: Some("f".into()),
        verdict: Verdict::Blocked,
        at: Moment::from_millis(START + 10_000),
    };
    assert!(!bench.ledger.answered(*v, Some(found)).await.unwrap());
    assert_eq!(bench.results("v", "a").await, [found_by("blocked")]);
    assert_eq!(bench.results("u", "a").await, [None]);
    // Once is not enough, and an hour has to pass.
    assert!(!bench.ledger.answered(*u, None).await.unwrap());
    assert!(!bench.ledger.answered(*b, None).await.unwrap());
    assert_eq!(keys(&bench).await, []);
    bench.clock.go(HOUR);
    assert_eq!(keys(&bench).await.len(), 2);
    assert!(bench.ledger.answered(*b, None).await.unwrap(), "never scanned, for certain");
    let never = |filter: Filter| {
        let ledger = bench.ledger.clone();
        async move {
            let never = ledger.never_scanned(&filter).await.unwrap();
            never.iter().map(|entry| entry.seq).collect::<Vec<_>>()
        }
    };
    let none = Vec::<u64>::new();
    let any = || Filter { limit: 9, ..Filter::default() };
    assert_eq!(never(any()).await, [*b]);
    assert_eq!(never(Filter { unit: Some("v".into()), ..any() }).await, none);
    assert_eq!(never(Filter { bucket: Some(BucketName::new("bucket-u")), ..any() }).await, [*b]);
    assert_eq!(never(Filter { bucket: Some(BucketName::new("bucket-v")), ..any() }).await, none);
    assert_eq!(never(Filter { limit: 0, ..any() }).await, none);
    assert_eq!(never(Filter { older: Some(2 * HOUR + Duration::from_secs(3600)), ..any() }).await, none);
    assert_eq!(never(Filter { older: Some(HOUR), ..any() }).await, [*b]);
    bench.clock.go(HOUR);
    assert_eq!(keys(&bench).await, [(*u, "u".to_owned())], "what is settled is not asked about");
    // How sure it is that they were not scanned: of one of two MDSS was asked twice, then of both.
    let sure = |bench: &Bench| {
        let ledger = bench.ledger.clone();
        async move {
            let filter = Filter { limit: 1, ..Filter::default() };
            ledger
                .unscanned(&filter)
                .await
                .unwrap()
                .units
                .into_iter()
                .map(|unit| unit.sure)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(sure(&bench).await, [Sure::NoResults]);
    let units = bench.ledger.the_loop().await.unwrap().units;
    assert_eq!(units.iter().map(|unit| (unit.unconfirmed, unit.never)).collect::<Vec<_>>(), [(2, 1), (0, 0)]);
    assert!(bench.ledger.answered(*u, None).await.unwrap());
    assert_eq!(sure(&bench).await, [Sure::Asked]);
    // Whoever has it told once more has it accepted through another place, and waits for that.
    assert_eq!(never(any()).await, [*u, *b]);
    let again = Fact { dialect: Some("reconcile".into()), ..told("a", "u", 3 * 3600) };
    bench.tell([again]).await;
    assert_eq!(never(any()).await, [*b]);
    // MDSS's own word is stronger, whenever it comes.
    assert_eq!(bench.post(&notice("b", 9000)).await.became, Became::Matched);
    assert_eq!(bench.ledger.the_loop().await.unwrap().units[0].never, 1);
    bench.intact().await;
}

/// A bucket of another store may have the same name: what is accepted there later does not stand in for this one's.
pub(crate) async fn what_was_never_scanned_is_not_hidden_by_another_stores_object(world: World) {
    let bench = world.bench().await;
    let of = |source: Option<&str>, unit: &str, second| Fact {
        source: source.map(Into::into),
        bucket: Some("same".into()),
        ..told("a", unit, second)
    };
    bench.tell([of(Some("s"), "u", 1), of(Some("t"), "v", 2)]).await;
    bench.clock.set(START + 60_000);
    for _ in 0..2 {
        bench.clock.go(HOUR);
        for asked in bench.ledger.questions().await.unwrap() {
            bench.ledger.answered(asked.seq, None).await.unwrap();
        }
    }
    let never = async || {
        let never = bench.ledger.never_scanned(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
        never.iter().map(|entry| entry.fact.unit.as_deref().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(never().await, ["u", "v"]);
    // A later write hides one of the same unit, whoever has told of it, and one of the same source that went to another unit since.
    bench.tell([of(None, "u", 3 * 3600), of(Some("t"), "w", 3 * 3600)]).await;
    assert_eq!(never().await, [""; 0]);
}

fn found_by(result: &str) -> Option<(String, String)> {
    found(result, "file-api")
}

pub(crate) async fn l6_what_is_ambiguous_is_asked_about_at_once_and_again(world: World) {
    let mut bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("a", "u", 3), told("a", "v", 2), told("b", "w", 1)]).await;
    bench.clock.set(START + 60_000);
    assert_eq!(bench.ledger.questions().await.unwrap(), []);
    let one = notice("a", 10);
    assert_eq!(bench.post(&one).await.became, Became::Ambiguous);
    // The oldest write of each unit, and nothing else.
    let due = async |bench: &Bench| {
        let due = bench.ledger.questions().await.unwrap().into_iter().filter(|asked| asked.early);
        due.map(|asked| (asked.unit.unwrap().to_string(), asked.seq)).collect::<Vec<_>>()
    };
    let asked = due(&bench).await;
    assert_eq!(bench.ledger.questions().await.unwrap().len(), 2);
    assert_eq!(asked.iter().map(|(unit, _)| unit.as_str()).collect::<Vec<_>>(), ["u", "v"]);
    // MDSS does not know of it yet: it is asked after as long as the result has waited, at most an hour, and that is known after a restart.
    let mut waited = Vec::new();
    for _ in 0..11 {
        for (_, seq) in due(&bench).await {
            bench.ledger.put_off(seq).await.unwrap();
        }
        bench.again().await;
        let mut seconds = 0;
        while due(&bench).await.is_empty() {
            bench.clock.go(Duration::from_secs(5));
            seconds += 5;
        }
        waited.push(seconds);
        if waited.iter().sum::<u64>() > 3600 {
            break;
        }
    }
    assert_eq!(waited, [15, 15, 30, 60, 120, 240, 480, 960, 1920]);
    // From its limit on a write is asked about as others are, and then an answer counts.
    let all = bench.ledger.questions().await.unwrap();
    assert_eq!(all.iter().filter(|asked| asked.early).count(), 2, "an hour after the last question");
    assert!(all.iter().any(|asked| asked.key == "b" && !asked.early));
    // MDSS names the unit: the notification was about that write, and the other unit's waits for its own.
    let found = Found {
        file_id: one["FileId"].as_str().map(str::to_owned),
        verdict: Verdict::Allowed,
        at: Moment::from_millis(START + 10_000),
    };
    let of_u = asked.iter().find(|(unit, _)| unit == "u").unwrap().1;
    bench.ledger.answered(of_u, Some(found)).await.unwrap();
    assert_eq!(bench.results("u", "a").await, [found_by("allowed"), None]);
    assert_eq!(bench.results("v", "a").await, [None]);
    assert_eq!(bench.ledger.the_loop().await.unwrap().kept, []);
    assert_eq!(bench.post(&one).await.became, Became::Repeated);
    // So is its notification if it comes only then; a later scan of the same file is another one.
    let late = with(notice("a", 11), "FileId", "the-file-of-v");
    let of_v = asked.iter().find(|(unit, _)| unit == "v").unwrap().1;
    let found = Found {
        file_id: Some("the-file-of-v".into()),
        verdict: Verdict::Blocked,
        at: Moment::from_millis(START + 11_400),
    };
    bench.ledger.answered(of_v, Some(found)).await.unwrap();
    assert_eq!(bench.post(&late).await.became, Became::Repeated);
    assert_eq!(bench.results("v", "a").await, [found_by("blocked")]);
    let again = with(notice("a", 5000), "FileId", "the-file-of-v");
    assert_ne!(bench.post(&again).await.became, Became::Repeated);
    assert!(bench.ledger.questions().await.unwrap().iter().all(|asked| !asked.early));
    bench.intact().await;
}

pub(crate) async fn what_says_nothing_is_asked_again_in_an_hour_and_counts_for_nothing(world: World) {
    let bench = world.bench().await;
    bench.tell([told("a", "u", 1), told("b", "u", 2)]).await;
    bench.clock.set(START + 60_000);
    bench.clock.go(HOUR);
    let due = async || {
        let due = bench.ledger.questions().await.unwrap();
        due.into_iter().map(|question| (question.seq, question.key)).collect::<Vec<_>>()
    };
    let [(a, _), (b, _)] = &due().await[..] else { panic!() };
    bench.ledger.put_off(*a).await.unwrap();
    assert_eq!(due().await, [(*b, "b".to_owned())], "the other one is asked about");
    bench.clock.go(HOUR);
    assert_eq!(due().await.len(), 2);
    // It has been asked about once by now, and not twice.
    assert!(!bench.ledger.answered(*a, None).await.unwrap());
    bench.clock.go(HOUR);
    assert!(bench.ledger.answered(*a, None).await.unwrap());
    bench.ledger.put_off(999).await.unwrap();
}
