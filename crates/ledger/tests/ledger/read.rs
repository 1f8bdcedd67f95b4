use std::time::Duration;

use mdss_relay_ledger::{
    BucketName, Fact, Filter, Keys, Kind, MOST_WRITES, Moment, OfSource, Run, RunStart, ScanResult, Sure,
    TroubleKind,
};

use crate::common::{START, World, allowed, hashed, write, writes};

fn bucket() -> BucketName {
    BucketName::new("invoices")
}

pub(crate) async fn l1_one_object_has_every_write_and_its_result(world: World) {
    let bench = world.bench().await;
    let again = Fact { version: Some("second".into()), namespace: Some("n".into()), ..write(2) };
    let parked = Fact { kind: Kind::Parked, reason: Some("mdss_refused".into()), ..write(2) };
    bench.append(writes(1..4).chain([(4, again.clone()), (5, parked)])).await;
    bench.ledger.result(allowed(&[2])).await.unwrap();
    let late = ScanResult { result: Some("Infected".into()), ..allowed(&[2]) };
    bench.ledger.result(late.clone()).await.unwrap();

    let shown = bench.ledger.show(&bucket(), b"incoming/00002.pdf").await.unwrap();
    let seqs: Vec<_> = shown.iter().map(|s| (s.entry.seq, s.entry.fact.kind)).collect();
    assert_eq!(seqs, [(2, Kind::Accepted), (4, Kind::Accepted), (5, Kind::Parked)]);
    let first = &shown[0];
    assert_eq!(Fact { key: write(2).key, ..first.entry.fact.clone() }, write(2));
    let result = first.result.as_ref().unwrap();
    assert_eq!((result.seq, result.fact.result.as_deref()), (7, Some("Infected")), "the newest");
    assert_eq!(result.fact.file_id, late.file_id);
    assert_eq!(shown[1].result, None);
    assert_eq!(shown[1].entry.fact, again);

    let other = BucketName { namespace: Some("m".into()), ..bucket() };
    let of_other = bench.ledger.show(&other, b"incoming/00002.pdf").await.unwrap();
    assert_eq!(of_other.len(), 2, "an event that names no namespace may be of any");
    assert_eq!(bench.ledger.show(&bucket(), b"incoming/0000").await.unwrap(), []);
    bench.intact().await;
}

pub(crate) async fn l2_what_has_no_result_comes_oldest_first_and_by_unit(world: World) {
    let bench = world.bench().await;
    let other = |n| Fact { unit: Some("u-2".into()), ..write(n) };
    bench.append(writes(1..6).chain((6..9).map(|n| (n as i64, other(n))))).await;
    bench.ledger.result(allowed(&[1, 3])).await.unwrap();
    bench.clock.set(START + 3_600_000 + 7_500);

    let filter = Filter { older: Some(Duration::from_secs(3600)), limit: 3, ..Filter::default() };
    let open = bench.ledger.unscanned(&filter).await.unwrap();
    let seqs: Vec<_> = open.writes.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [2, 4, 5]);
    let units: Vec<_> =
        open.units.iter().map(|u| (u.unit.as_deref().unwrap(), u.open, u.results, u.sure)).collect();
    assert_eq!(units, [("u-1", 3, 2, Sure::ToldOnly), ("u-2", 2, 0, Sure::NoResults)], "entry 8 is younger");
    assert_eq!(open.units[1].oldest, Moment::from_millis(START + 6000));

    let filter = Filter { unit: Some("u-2".into()), limit: 10, ..Filter::default() };
    let open = bench.ledger.unscanned(&filter).await.unwrap();
    assert_eq!((open.writes.len(), open.units.len()), (3, 1));
    let filter = Filter { bucket: Some(BucketName::new("other")), limit: 10, ..Filter::default() };
    assert_eq!(bench.ledger.unscanned(&filter).await.unwrap().units, []);
    assert_eq!(bench.ledger.head().await.unwrap().open, 6);
}

/// As a store sorts them: by bytes, whatever place they came through.
pub(crate) async fn what_came_through_another_source_is_of_another_bucket(world: World) {
    let bench = world.bench().await;
    let told = |key: &str, source: Option<&str>, unit: &str| Fact {
        key: Some(key.into()),
        source: source.map(Into::into),
        unit: Some(unit.into()),
        ..write(1)
    };
    let facts = [
        told("both", Some("minio-a"), "u-a"),
        told("both", Some("minio-b"), "u-b"),
        told("of-a", Some("minio-a"), "u-a"),
        // The source is what counts, if it is known.
        told("of-a-in-b", Some("minio-a"), "u-b"),
        told("once-elsewhere", Some("minio-b"), "u-old"),
        // Of a function's log, and of a source that was renamed: the unit says which store it is.
        told("log-a", None, "u-a"),
        told("log-b", None, "u-b"),
        told("renamed-a", Some("minio"), "u-a"),
        told("renamed-b", Some("minio"), "u-b"),
    ];
    bench.append((1..).zip(facts)).await;
    let of = OfSource {
        source: "minio-b".into(),
        others: vec!["minio-a".into()],
        units: vec!["u-b".into(), "u-c".into()],
    };
    let of_b = BucketName { of: Some(of), ..bucket() };
    let ours = ["both", "log-b", "once-elsewhere", "renamed-b"];
    let found = bench.ledger.writes_from(&of_b, None, 100).await.unwrap();
    let keys: Vec<_> = found.iter().map(|object| str::from_utf8(&object.key).unwrap()).collect();
    assert_eq!(keys, ours);
    assert_eq!(found[0].writes.len(), 1, "not the other store's");
    let all = bench.ledger.writes_from(&bucket(), None, 100).await.unwrap();
    assert_eq!((all.len(), all[0].writes.len()), (8, 2), "without a source it is of any");
    let keys: Vec<_> = all.iter().map(|object| object.key.clone()).collect();
    let looked_up = bench.ledger.writes_of(&of_b, &keys).await.unwrap();
    let told: Vec<_> = looked_up.iter().filter(|object| !object.writes.is_empty()).collect();
    assert_eq!(told, found.iter().collect::<Vec<_>>());
    assert_eq!(bench.ledger.show(&of_b, b"of-a").await.unwrap(), []);
    assert_eq!(bench.ledger.show(&bucket(), b"of-a").await.unwrap().len(), 1);
}

pub(crate) async fn objects_come_in_the_byte_order_of_their_keys(world: World) {
    let bench = world.bench().await;
    let keys =
        ["a//b", "/lead", "./dot", " lead", "x/../y", "per%2Fcent", "ünï/cö.txt", "a", "Z", "~", "a/b"];
    let fact = |n: usize| Fact {
        key: Some(keys[n].as_bytes().to_vec()),
        source: Some(["s", "t"][n % 2].into()),
        namespace: (n.is_multiple_of(3)).then(|| "n".into()),
        ..write(n as u64)
    };
    bench.append((0..keys.len()).map(|n| (n as i64, fact(n)))).await;
    bench
        .append(
            (0..keys.len())
                .step_by(2)
                .map(|n| (100 + n as i64, Fact { source: Some("t".into()), ..fact(n) })),
        )
        .await;
    let parked = Fact { kind: Kind::Parked, key: Some(b"never accepted".to_vec()), ..write(0) };
    bench.append([(900, parked)]).await;

    let mut want: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    want.sort();
    for page in [1, 3, 100] {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let objects = bench.ledger.writes_from(&bucket(), after.as_deref(), page).await.unwrap();
            after = objects.last().map(|object| object.key.clone()).or(after);
            let last = objects.len() < page;
            found.extend(objects);
            if last {
                break;
            }
        }
        let found_keys: Vec<_> = found.iter().map(|object| object.key.clone()).collect();
        assert_eq!(found_keys, want, "pages of {page}");
        for object in &found {
            let n = keys.iter().position(|key| key.as_bytes() == object.key).unwrap();
            assert_eq!(object.writes.len(), if n % 2 == 0 { 2 } else { 1 });
            assert_eq!(object.writes[0].version, fact(n).version);
        }
        assert_eq!(bench.ledger.writes_of(&bucket(), &want).await.unwrap(), found);
    }
    assert!(bench.ledger.is_ordered(&bucket()).await.unwrap());
}

pub(crate) async fn an_object_that_is_written_all_the_time_fills_no_memory(world: World) {
    let bench = world.bench().await;
    let most = MOST_WRITES as u64;
    let many = (0..3 * most).map(|n| (n as i64, Fact { key: write(0).key, ..write(n) }));
    bench.append(many).await;
    let of = bench.ledger.writes_of(&bucket(), &[write(0).key.unwrap()]).await.unwrap();
    let from = bench.ledger.writes_from(&bucket(), None, 10).await.unwrap();
    assert_eq!(of, from);
    assert_eq!(of[0].writes.len(), MOST_WRITES);
    assert_eq!(of[0].writes.last().unwrap().version, Some(format!("v{}", 3 * most - 1)), "the newest");
    assert_eq!(bench.ledger.show(&bucket(), &write(0).key.unwrap()).await.unwrap().len(), MOST_WRITES);
}

/// Keys that are hashed can be looked up, and are not in the file.
pub(crate) async fn hashed_keys_are_found_by_who_knows_them(world: World) {
    let mut bench = world.with(hashed).await;
    bench.append(writes(1..4)).await;
    let key = b"incoming/00002.pdf".to_vec();
    assert_eq!(bench.ledger.show(&bucket(), &key).await.unwrap()[0].entry.seq, 2);
    assert!(!bench.ledger.is_ordered(&bucket()).await.unwrap());
    assert_eq!(bench.ledger.writes_from(&bucket(), None, 10).await.unwrap(), []);
    // Nor does a comparison leave the last one that was listed.
    let run =
        bench.ledger.run_begin(RunStart { bucket: "invoices".into(), ..RunStart::default() }).await.unwrap();
    bench.ledger.run_checkpoint(run, Some("ordered incoming/00002.pdf"), "{}").await.unwrap();
    assert_eq!(bench.ledger.last_run(None).await.unwrap().unwrap().cursor, None);
    assert_eq!(bench.holds(b"00002.pdf").await, Vec::<String>::new());
    // From now on they are kept as they are; both are found.
    bench.options.keys = Keys::Clear;
    bench.again().await;
    bench.append([(9, Fact { version: Some("clear".into()), ..write(2) })]).await;
    let of = bench.ledger.writes_of(&bucket(), &[key, b"no such".to_vec()]).await.unwrap();
    assert_eq!(
        of[0].writes.iter().map(|w| w.version.as_deref().unwrap()).collect::<Vec<_>>(),
        ["v2", "clear"]
    );
    assert_eq!(of[1].writes, []);
    bench.options.keys = Keys::Off;
    bench.again().await;
    bench.append([(10, write(3))]).await;
    assert_eq!(bench.intact().await.entries, 5);
    assert_eq!(bench.ask("SELECT count(*) FROM entry WHERE length(key) <> 32").await, ["1"]);
    assert_eq!(bench.ask("SELECT count(*) FROM entry WHERE key IS NULL").await, ["1"]);
}

pub(crate) async fn r12_the_end_of_a_run_is_an_entry_and_the_last_one_is_known(world: World) {
    let mut bench = world.bench().await;
    let start = RunStart {
        actor: "anna".into(),
        store: "s3".into(),
        bucket: "invoices".into(),
        route: Some("invoices".into()),
        question: r#"{"forward":true}"#.into(),
    };
    let run = bench.ledger.run_begin(start.clone()).await.unwrap();
    bench.ledger.run_checkpoint(run, Some("key-17"), r#"{"listed":17}"#).await.unwrap();
    bench.again().await;
    let found = bench.ledger.last_run(Some("invoices")).await.unwrap().unwrap();
    assert_eq!((found.id, &found.start, found.cursor.as_deref()), (run, &start, Some("key-17")));
    assert_eq!((found.report.as_str(), found.end), (r#"{"listed":17}"#, None));
    let end = bench.ledger.run_end(run, "complete", r#"{"listed":30,"missing":0}"#).await.unwrap();
    let found = bench.ledger.last_run(None).await.unwrap().unwrap();
    assert_eq!(found.end.as_ref(), Some(&end));
    assert_eq!(found.report, r#"{"listed":30,"missing":0}"#);
    assert_eq!(bench.ledger.last_run(Some("other")).await.unwrap(), None);
    let twice = bench.ledger.run_end(run, "complete", "{}").await.unwrap_err();
    assert_eq!(twice.kind, TroubleKind::Refused);
    bench.intact().await;
    bench.sql("UPDATE run SET report = '{\"listed\":30,\"missing\":1}'").await;
    let faults = bench.verify().await.faults;
    assert_eq!((faults.len(), faults[0].seq), (1, end.seq), "{faults:?}");
}

/// A cursor is a key. Once another run has begun that was asked the same nobody goes on with the ones before, so none of them keeps its place. Whoever has asked
/// something else keeps it, of whichever store, and so does a person beside a schedule, for as long as he can go on.
pub(crate) async fn a_new_run_forgets_how_far_earlier_ones_with_its_question_have_come(world: World) {
    let mut bench = world.bench().await;
    let begin = |store: &str, bucket: &str, actor: &str, question: &str| RunStart {
        actor: actor.into(),
        store: store.into(),
        bucket: bucket.into(),
        route: (store == "routed").then(|| "invoices".into()),
        question: question.into(),
    };
    let asked = [
        begin("one", "invoices", "anna", "{}"),
        begin("two", "invoices", "anna", "{}"),
        begin("routed", "invoices", "anna", "{}"),
        begin("one", "invoices", RunStart::SCHEDULE, "{}"),
        begin("one", "invoices", "anna", "{\"forward\":true}"),
        begin("one", "others", "anna", "{}"),
    ];
    let mut runs = Vec::new();
    for (n, start) in asked.iter().enumerate() {
        let run = bench.ledger.run_begin(start.clone()).await.unwrap();
        bench.ledger.run_checkpoint(run, Some(&format!("ordered {n}")), "{}").await.unwrap();
        runs.push(run);
    }
    let places = "SELECT id FROM run WHERE cursor IS NOT NULL ORDER BY id";
    let but = |without: &[usize]| -> Vec<String> {
        let kept = runs.iter().enumerate().filter(|(n, _)| !without.contains(n));
        kept.map(|(_, run)| run.0.to_string()).collect()
    };
    assert_eq!(bench.ask(places).await, but(&[]));
    // Any person may go on with what another one has asked.
    let next = bench.ledger.run_begin(begin("one", "invoices", "bert", "{}")).await.unwrap();
    assert_eq!(bench.ask(places).await, but(&[0]));
    bench.ledger.run_begin(asked[3].clone()).await.unwrap();
    assert_eq!(bench.ask(places).await, but(&[0, 3]));
    bench.again().await;
    let last = async |n: usize| bench.ledger.last_run_of(&asked[n]).await.unwrap().unwrap();
    assert_eq!((last(0).await.id, last(0).await.cursor), (next, None));
    for n in [1, 2, 4, 5] {
        let found = last(n).await;
        assert_eq!((found.id, found.cursor), (runs[n], Some(format!("ordered {n}"))), "{n}");
    }
    // One that nobody goes on with any more has no use for its place.
    bench.clock.go(Run::STALE * 2);
    bench.ledger.run_begin(begin("three", "invoices", "anna", "{}")).await.unwrap();
    assert_eq!(bench.ask(places).await, but(&[0, 1, 2, 3, 4]));
}

/// What a person compares is no turn of a schedule, nor is what is compared in a bucket of that name elsewhere; of relays with one ledger each sees the turns of all.
pub(crate) async fn the_last_run_of_a_schedule_is_its_own(world: World) {
    let mut bench = world.bench().await;
    let scheduled = RunStart {
        actor: RunStart::SCHEDULE.into(),
        store: "one".into(),
        bucket: "invoices".into(),
        route: None,
        question: "{}".into(),
    };
    assert_eq!(bench.ledger.last_run_of(&scheduled).await.unwrap(), None);
    let run = bench.ledger.run_begin(scheduled.clone()).await.unwrap();
    let begun = bench.ledger.last_run_of(&scheduled).await.unwrap().unwrap().updated;
    for other in [
        RunStart { actor: "anna".into(), ..scheduled.clone() },
        RunStart { store: "two".into(), ..scheduled.clone() },
        RunStart { question: "{\"prefix\":\"zzz\"}".into(), ..scheduled.clone() },
        RunStart { route: Some("invoices".into()), ..scheduled.clone() },
    ] {
        assert_eq!(bench.ledger.last_run_of(&other).await.unwrap(), None);
        bench.ledger.run_begin(other).await.unwrap();
    }
    // That it is still under way is said of it, and not of the one that began last.
    bench.clock.go(Duration::from_secs(30));
    bench.ledger.run_heard(&scheduled).await.unwrap();
    bench.again().await;
    let found = bench.ledger.last_run_of(&scheduled).await.unwrap().unwrap();
    assert_eq!((found.id, found.updated.since(begun)), (run, Duration::from_secs(30)));
    assert_eq!(found.start, scheduled);
    assert_eq!(bench.ledger.last_run(None).await.unwrap().unwrap().updated, begun);
    // What was found last stays known while the next one is under way.
    assert_eq!(bench.ledger.last_complete_run_of(&scheduled).await.unwrap(), None);
    bench.ledger.run_end(run, "complete", "{}").await.unwrap();
    let next = bench.ledger.run_begin(scheduled.clone()).await.unwrap();
    assert_eq!(bench.ledger.last_run_of(&scheduled).await.unwrap().unwrap().id, next);
    assert_eq!(bench.ledger.last_complete_run_of(&scheduled).await.unwrap().unwrap().id, run);
}
