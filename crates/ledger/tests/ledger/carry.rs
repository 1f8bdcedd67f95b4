//! What goes out and what comes in: exports, and logs that are read in.

use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

use mdss_relay_ledger::{
    COLUMNS, Export, Fact, Format, Import, Imported, Keys, Kind, Manifest, Moment, Origin, TroubleKind,
};
use serde_json::Value;

use crate::common::{Bench, START, World, allowed, write, writes};

async fn export(bench: &Bench, export: Export) -> (Manifest, String) {
    let path: PathBuf = bench.path().join("export");
    let out = std::fs::File::create(&path).unwrap();
    let manifest = bench.ledger.export(export, out).await.unwrap();
    (manifest, std::fs::read_to_string(path).unwrap())
}

/// Both forms have the same columns, so the same digest; nothing in a cell is a formula.
pub(crate) async fn l11_jsonl_and_csv_of_a_period_have_the_same_digest(world: World) {
    let bench = world.bench().await;
    bench.append(writes(1..4)).await;
    bench.clock.go(Duration::from_secs(60));
    let key = |n: u64, key: &str| (n as i64, Fact { key: Some(key.into()), ..write(n) });
    bench
        .append([
            key(4, "=HYPERLINK(\"http://x\")"),
            key(5, "+a;=1+1"),
            key(6, "a,\"b\"\r\n=1"),
            key(7, "plain/ü.pdf"),
        ])
        .await;
    bench.ledger.result(allowed(&[4])).await.unwrap();
    let checkpoint = bench.ledger.checkpoint().await.unwrap().unwrap();
    bench.clock.go(Duration::from_secs(60));
    bench.append(writes(8..10)).await;

    let period = |format| Export {
        ledger: None,
        from: Some(Moment::from_millis(START + 1)),
        until: Some(Moment::from_millis(START + 120_000)),
        format,
    };
    let (manifest, jsonl) = export(&bench, period(Format::Jsonl)).await;
    let (again, csv) = export(&bench, period(Format::Csv)).await;
    assert_eq!(manifest, again);
    assert_eq!((manifest.range, manifest.entries, manifest.writes), (Some((4, 9)), 6, 4));
    assert_eq!(manifest.checkpoints, [checkpoint]);

    let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], manifest.to_json());
    assert_eq!(lines[0]["columns"], Value::from(COLUMNS.to_vec()));
    assert_eq!(lines[1]["key"], "=HYPERLINK(\"http://x\")", "JSONL is untouched");
    assert_eq!(lines[5]["about"], 4);
    assert_eq!(lines[1]["latency_ms"], 1000);
    assert_eq!(lines[1]["event_time"], write(4).event_time.unwrap().to_string());
    assert_eq!(lines.last().unwrap()["hash"], manifest.last.to_string());
    let asked = "seq,ledger,kind,bucket,namespace,key,version,etag,size,source,dialect,event_time,received_time,accepted_time,attempts,latency_ms,unit,\
                 correlation_id,file_id,result,file_state,scan_completed_time,confidence,origin,actor,subject,hash,";
    assert!(csv.starts_with(asked));
    assert_eq!(csv.matches("\r\n").count(), 7, "an entry is a line");
    for start in [",=", ",\"=", ";", ",+", ",@", "\t"] {
        let body = csv.split_once("\r\n").unwrap().1;
        assert!(!body.contains(start), "{start}");
    }
    assert!(csv.contains("plain/ü.pdf"));
    assert!(csv.contains("\"%3DHYPERLINK(\"\"http://x\"\")\""), "{csv}");

    let (all, _) = export(&bench, Export::default()).await;
    assert_eq!(all.range, Some((1, 11)));
    let none = Export { from: Some(Moment::from_millis(START * 2)), ..Export::default() };
    let (none, text) = export(&bench, none).await;
    assert_eq!((none.range, none.entries, text.lines().count()), (None, 0, 1));
}

/// Somebody else's program verifies an export, from the README alone; and it finds what was changed.
pub(crate) async fn an_export_is_verified_without_this_program(world: World) {
    let python = std::process::Command::new("python3").arg("--version").output();
    if !drive::available("python3", python.is_ok_and(|done| done.status.success())).unwrap() {
        return;
    }
    let bench = world.with(|options| options.checkpoint_entries = 20).await;
    for n in 0..3 {
        let odd = |n: u64| Fact {
            key: Some(format!("ü \"{n}\"\\\u{7}\u{2028}").into_bytes()),
            namespace: Some("n".into()),
            ..write(n)
        };
        bench.append((n * 20..n * 20 + 20).map(|n| (n as i64, odd(n)))).await;
    }
    bench.ledger.result(allowed(&[2, 3, 3])).await.unwrap();
    let which = mdss_relay_ledger::Which::Key("ü \"7\"\\\u{7}\u{2028}".into());
    let bucket = mdss_relay_ledger::BucketName::new("invoices");
    let forget = mdss_relay_ledger::Forget { bucket, which, reason: "r".into(), actor: "a".into() };
    assert_eq!(bench.ledger.forget(forget).await.unwrap().entries, 1);
    bench
        .ledger
        .record(Fact {
            event_time: Some(Moment::from_millis(-1)),
            ..Fact::new(Kind::Gap, Moment::from_millis(0))
        })
        .await
        .unwrap();
    let (manifest, text) = export(&bench, Export::default()).await;
    assert_eq!(manifest.checkpoints.len(), 4);

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verify_export.py");
    let kept = bench.path().join("kept");
    std::fs::write(&kept, format!("{{\"x\":\"{}\"}}", manifest.checkpoints[1])).unwrap();
    let verify = |text: &str| {
        let path = bench.path().join("given");
        std::fs::write(&path, text).unwrap();
        let done = std::process::Command::new("python3").arg(script).arg(&path).arg(&kept).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    };
    let (intact, said) = verify(&text);
    assert!(intact && said.starts_with(&format!("intact: {} entries", manifest.entries)), "{said}");
    for (what, with, said_of) in [
        ("\"attempts\":1", "\"attempts\":2", "entry 1 does not fit"),
        ("\\\"5\\\"", "\\\"6\\\"", "entry 6 does not fit"),
        ("\"confidence\":\"path\"", "\"confidence\":\"id\"", " does not fit"),
    ] {
        assert!(text.contains(what), "{what}");
        let (intact, said) = verify(&text.replacen(what, with, 1));
        assert!(!intact && said.contains(said_of), "{what}: {said}");
    }
    let cut: Vec<&str> =
        text.lines().filter(|line| !line.contains("\"seq\":9,") && !line.contains("\"seq\":9}")).collect();
    let (intact, said) = verify(&(cut.join("\n") + "\n"));
    assert!(!intact && said.contains("entry 9 does not fit"), "{said}");
}

async fn import(bench: &Bench, text: &[u8]) -> Imported {
    let import = Import { actor: "anna".into(), name: "relay.log".into() };
    bench.ledger.import(import, Cursor::new(text.to_vec())).await.unwrap()
}

fn line(n: u64) -> String {
    format!(
        r#"{{"timestamp":"2026-11-21T18:57:{n:02}.123456Z","level":"INFO","message":"object accepted by MDSS","faas.document.collection":"invoices","faas.document.name":"k{n}","mdss.correlation_id":"c{n}"}}"#
    )
}

pub(crate) async fn a_log_is_read_in_once_and_nothing_of_it_is_dropped_in_silence(world: World) {
    let mut bench = world.bench().await;
    let other = r#"{"timestamp":"2026-11-21T18:57:00Z","level":"INFO","message":"event skipped"}"#;
    let long = format!("{{\"message\":\"{}\"}}", "x".repeat(300_000));
    let text = [
        line(1).as_str(),
        other,
        "",
        "settings: RELAY_X is no setting",
        &line(2),
        &long,
        "{\"message\":\"object accepted by MDSS\"}",
        &line(3),
    ]
    .join("\n");
    let imported = import(&bench, text.as_bytes()).await;
    assert_eq!(
        (imported.lines, imported.entries, imported.repeated, imported.others, imported.bad),
        (8, 3, 0, 2, 3)
    );
    let bad: Vec<_> = imported.first_bad.iter().map(|(n, _)| *n).collect();
    assert_eq!(bad, [4, 6, 7]);
    assert!(imported.first_bad[1].1.contains("expected at most"), "{:?}", imported.first_bad);
    let head = bench.ledger.head().await.unwrap();
    assert_eq!((head.seq, head.writes), (4, 3), "and an entry that says who has read it in");

    let again = import(&bench, format!("{text}\n{}", line(4)).as_bytes()).await;
    assert_eq!((again.entries, again.repeated), (1, 3));
    assert_eq!(import(&bench, text.as_bytes()).await.entries, 0);
    assert_eq!(bench.ledger.head().await.unwrap().seq, 6);
    let shown = bench.ledger.show(&mdss_relay_ledger::BucketName::new("invoices"), b"k2").await.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].entry.fact.origin, Some(Origin::Log));

    bench.options.keys = Keys::Hashed;
    bench.again().await;
    assert_eq!(import(&bench, line(4).as_bytes()).await.repeated, 1);
    assert_eq!(
        (import(&bench, line(5).as_bytes()).await.entries, import(&bench, line(5).as_bytes()).await.entries),
        (1, 0)
    );
    bench.options.keys = Keys::Off;
    bench.again().await;
    let refused =
        bench.ledger.import(Import { actor: "a".into(), name: "n".into() }, Cursor::new(vec![])).await;
    assert_eq!(refused.unwrap_err().kind, TroubleKind::Refused);
    bench.intact().await;
}

/// What the relay has written into its ledger is in its log, too.
pub(crate) async fn the_log_of_a_relay_that_keeps_a_ledger_adds_nothing(world: World) {
    let bench = world.bench().await;
    let row = line(1)
        .replace("\"message\":\"object accepted by MDSS\"", "\"kind\":\"accepted\",\"mdss.source\":\"s\"");
    bench.append([(1, Fact::read(row.as_bytes()).unwrap())]).await;
    let imported = import(&bench, line(1).as_bytes()).await;
    assert_eq!((imported.entries, imported.repeated), (0, 1));
    // A line takes a round trip or two there.
    let lines = if bench.url.is_some() { 300 } else { 2500 };
    let many: String = (0..lines).map(|n| line(n % 50).replace("\"k", &format!("\"{n}-")) + "\n").collect();
    assert_eq!(import(&bench, many.as_bytes()).await.entries, lines, "more than one transaction");
    let last = bench.ledger.head().await.unwrap().seq;
    assert_eq!(bench.verify().await.entries, last);
    assert_eq!(Kind::read("imported"), Some(Kind::Imported));
}
