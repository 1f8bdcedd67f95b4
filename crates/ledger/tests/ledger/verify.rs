use mdss_relay_ledger::{Checkpoint, Fact, Kind, RunStart, Verify};

use crate::common::{Bench, World, allowed, write, writes};

/// A ledger with an entry of most kinds and three checkpoints. Its checkpoints are given.
async fn full(world: World) -> (Bench, Vec<Checkpoint>) {
    let bench = world.with(|options| options.checkpoint_entries = 20).await;
    let mut checkpoints = Vec::new();
    for n in 0..3 {
        checkpoints.extend(bench.append(writes(n * 20..n * 20 + 20)).await.checkpoint);
    }
    bench.append([(100, Fact { unit: Some("u-2".into()), ..write(100) })]).await;
    bench.ledger.result(allowed(&[2, 3])).await.unwrap();
    bench.ledger.result(allowed(&[3])).await.unwrap();
    let start = RunStart { actor: "anna".into(), bucket: "invoices".into(), ..RunStart::default() };
    let run = bench.ledger.run_begin(start).await.unwrap();
    bench.ledger.run_end(run, "complete", "{}").await.unwrap();
    assert_eq!(checkpoints.len(), 3);
    (bench, checkpoints)
}

pub(crate) async fn l8_an_intact_ledger_says_what_was_read(world: World) {
    let (bench, checkpoints) = full(world).await;
    let verified = bench.intact().await;
    assert_eq!(verified.entries, verified.head.seq);
    assert_eq!(verified.range, Some((1, verified.head.seq)));
    assert_eq!((verified.checkpoints, verified.last_checkpoint), (3, Some(checkpoints[2])));
    let from = Verify { from: Some(30), checkpoints: checkpoints.clone(), ..Verify::default() };
    let verified = bench.ledger.verify(from).await.unwrap();
    assert_eq!((verified.faults, verified.range.unwrap().0, verified.foreign), (vec![], 30, 3));
}

/// One change by hand, anywhere: the entry, or the row's place in the chain, is named.
pub(crate) async fn l9_any_row_that_is_changed_deleted_moved_or_put_in_is_named(world: World) {
    let (bench, _) = full(world).await;
    let head = bench.ledger.head().await.unwrap().seq;
    let clean = keep(&bench).await;
    let columns = async |table: &str| {
        let sql = match &bench.url {
            None => format!("SELECT name FROM pragma_table_info('{table}')"),
            Some(_) => format!(
                "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
            ),
        };
        bench.ask(&sql).await
    };
    let (hash, salt, signature) = (bench.bytes(&[0; 32]), bench.bytes(&[0; 16]), bench.bytes(&[0; 64]));
    // Statement, and the entry that has to be named.
    let mut changes: Vec<(String, u64)> = Vec::new();
    for column in columns("entry").await {
        // How entries are read is the same for both, and a change takes longer in a database.
        for seq in if bench.url.is_some() { &[30, 66][..] } else { &[7, 30, 66, 67] } {
            let seq = *seq;
            let value = match column.as_str() {
                "seq" => continue,
                "hash" | "digest" | "commitment" => &hash,
                "salt" | "key" => &salt,
                "place" => "CASE place WHEN 2 THEN 1 ELSE 2 END",
                _ => "'9'",
            };
            changes.push((format!("UPDATE entry SET {column} = {value} WHERE seq = {seq}"), seq));
        }
    }
    for column in columns("checkpoint").await.into_iter().filter(|c| c != "published" && c != "seq") {
        let value = if ["hash", "signature"].contains(&column.as_str()) { &hash } else { "'9'" };
        changes.push((format!("UPDATE checkpoint SET {column} = {value} WHERE seq = 20"), 20));
    }
    for column in columns("run")
        .await
        .into_iter()
        .filter(|c| !["id", "updated", "cursor", "ended"].contains(&c.as_str()))
    {
        let named = if column == "seq" { 9 } else { head };
        changes.push((format!("UPDATE run SET {column} = '9'"), named));
    }
    for column in ["source", "dialect", "bucket", "namespace", "unit", "keys"] {
        changes.push((format!("UPDATE place SET {column} = '3' WHERE unit = 'u-2'"), 64));
    }
    changes.push(("UPDATE place SET keys = 9 WHERE unit = 'u-2'".into(), 64));
    for column in ["ledger", "created", "public_key"] {
        let value = if column == "created" { "9" } else { &salt };
        changes.push((format!("UPDATE chain SET {column} = {value}"), 1));
    }
    changes.extend([
        ("UPDATE chain SET base = 5".into(), 1),
        ("UPDATE chain SET writes = writes + 1".into(), head),
        ("UPDATE place SET open = open + 1 WHERE unit = 'u-2'".into(), 0),
        ("DELETE FROM entry WHERE seq = 1".into(), 1),
        ("DELETE FROM entry WHERE seq = 30".into(), 30),
        ("DELETE FROM entry WHERE seq BETWEEN 30 AND 40".into(), 30),
        ("DELETE FROM checkpoint WHERE seq = 20".into(), 20),
        ("DELETE FROM run".into(), head),
        ("DELETE FROM place WHERE unit = 'u-2'".into(), 64),
        // Moved: two change places, also with their hashes.
        (
            "UPDATE entry SET key = (SELECT key FROM entry e WHERE e.seq = 61 - entry.seq), salt = (SELECT salt FROM entry e WHERE e.seq = 61 - entry.seq) WHERE seq IN (30, 31)".into(),
            30,
        ),
        ("UPDATE entry SET seq = CASE seq WHEN 30 THEN -31 ELSE -30 END WHERE seq IN (30, 31)".into(), 30),
        // Erased by hand, as forgetting does it, but with no word by whom.
        (format!("UPDATE entry SET key = NULL, salt = NULL, commitment = {hash} WHERE seq = 8"), 8),
        ("UPDATE entry SET key = NULL, salt = NULL WHERE seq = 8".into(), 8),
        // Put in: at the end with some hash, before the beginning, and a place, a run, a checkpoint of nobody.
        (format!("INSERT INTO entry (seq, at, kind, hash, place) SELECT max(seq) + 1, 1, 10, {hash}, 1 FROM entry"), head + 1),
        (format!("INSERT INTO entry (seq, at, kind, hash, place) VALUES (0, 1, 10, {hash}, 1)"), 0),
        ("INSERT INTO place (id, source, keys) SELECT max(id) + 1, 'x', 1 FROM place".into(), 0),
        ("INSERT INTO run (actor, store, bucket, question, begun, updated, report, state, seq) VALUES ('', '', '', '', 1, 1, '', 'complete', 12)".into(), 12),
        (format!("INSERT INTO checkpoint (seq, at, writes, hash, signature) VALUES (33, 1, 1, {hash}, {signature})"), 33),
    ]);
    let mut unseen = Vec::new();
    for (sql, named) in &changes {
        restore(&bench, &clean).await;
        // What is changed into what it was is no change.
        let before = rows(&bench).await;
        bench.sql(sql).await;
        if rows(&bench).await == before {
            continue;
        }
        let verified = bench.verify_anew().await;
        match verified {
            Ok(verified) if verified.faults.iter().any(|fault| fault.seq == *named) => {
                // And nothing else is, but what it is about.
                assert!(verified.faults.len() <= 11 || sql.contains("chain"), "{sql}: {:?}", verified.faults);
            }
            Ok(verified) => unseen.push(format!("{sql}: expected {named}, found {:?}", verified.faults)),
            Err(trouble) => unseen.push(format!("{sql}: {trouble}")),
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

pub(crate) async fn l10_a_cut_end_is_told_by_a_checkpoint_that_somebody_has_kept(world: World) {
    let (bench, checkpoints) = full(world).await;
    let kept: String = checkpoints.iter().map(|c| format!("{{\"x\":\"{c}\"}}\n")).collect();
    let (kept, broken) = Checkpoint::find(&kept);
    assert_eq!((kept.len(), broken), (3, 0));
    let verify = || Verify { checkpoints: kept.clone(), ..Verify::default() };
    assert_eq!(bench.ledger.verify(verify()).await.unwrap().foreign, 3);

    // Whoever cuts takes everything that speaks of it.
    let last = checkpoints[2].seq;
    bench.sql(&format!(
        "DELETE FROM entry WHERE seq >= {last}; DELETE FROM checkpoint WHERE seq >= {last}; DELETE FROM run; DELETE FROM place WHERE id NOT IN (SELECT place FROM entry);
         UPDATE entry SET result_seq = NULL; UPDATE place SET results = 0, open = (SELECT count(*) FROM entry WHERE kind = 1 AND place = place.id);
         UPDATE chain SET writes = (SELECT count(*) FROM entry WHERE kind = 1)"
    )).await;
    assert_eq!(bench.verify().await.faults, [], "it cannot be told from the ledger itself");
    let verified = bench.ledger.verify(verify()).await.unwrap();
    assert_eq!(verified.faults.len(), 1);
    assert_eq!(verified.faults[0].seq, last);
    assert!(verified.faults[0].what.contains("its end was cut off"), "{}", verified.faults[0].what);

    // And whoever writes on from there has other hashes.
    bench.append(writes(200..260)).await;
    let verified = bench.ledger.verify(verify()).await.unwrap();
    assert_eq!(verified.faults.len(), 1);
    assert!(verified.faults[0].what.contains("was changed since"), "{}", verified.faults[0].what);

    // A ledger that was begun anew is another one.
    let other = world.bench().await;
    other.append(writes(0..70)).await;
    let verified = other.ledger.verify(verify()).await.unwrap();
    assert_eq!(verified.faults.len(), 3);
    assert!(verified.faults[0].what.contains("of another ledger"));
    let mut forged = kept[0];
    forged.hash.0[0] ^= 1;
    let verified =
        bench.ledger.verify(Verify { checkpoints: vec![forged], ..Verify::default() }).await.unwrap();
    assert!(verified.faults[0].what.contains("signature"), "{:?}", verified.faults);
}

const COVERED: [&str; 5] = ["chain", "place", "entry", "checkpoint", "run"];

/// The rows of the tables that the chain covers, as text.
async fn rows(bench: &Bench) -> String {
    let mut all = String::new();
    if bench.url.is_some() {
        let each = |table| format!("SELECT '{table}' AS name, t::text AS row FROM {table} t");
        let sql = COVERED.map(each).join(" UNION ALL ");
        return bench
            .ask(&format!("SELECT string_agg(row, '|' ORDER BY name, row) FROM ({sql}) a"))
            .await
            .concat();
    }
    let db = bench.by_hand();
    for table in COVERED {
        let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..width {
                all.push_str(&format!("{:?},", row.get_ref(column).unwrap()));
            }
            all.push('\n');
        }
    }
    all
}

/// Keeps everything as it is now.
async fn keep(bench: &Bench) -> Vec<u8> {
    if bench.url.is_some() {
        for table in COVERED {
            bench.sql(&format!("CREATE TABLE clean_{table} AS TABLE {table}")).await;
        }
        return Vec::new();
    }
    bench.by_hand().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    std::fs::read(bench.path().join("ledger.db")).unwrap()
}

async fn restore(bench: &Bench, clean: &[u8]) {
    if bench.url.is_some() {
        let each = |table| {
            format!("DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE clean_{table}")
        };
        bench.sql(&COVERED.map(each).join("; ")).await;
        return;
    }
    for tail in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(bench.path().join(format!("ledger.db{tail}")));
    }
    // A file of its own each time: nobody may go on with the one before.
    let path = bench.path().join("ledger.db");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, clean).unwrap();
}

pub(crate) async fn what_a_later_version_has_written_is_named_too(world: World) {
    let bench = world.bench().await;
    bench.append(writes(1..4)).await;
    bench.sql("UPDATE entry SET kind = 99 WHERE seq = 2").await;
    let faults = bench.verify().await.faults;
    assert_eq!((faults.len(), faults[0].seq), (1, 2), "{faults:?}");
    assert_eq!(Kind::read("nothing"), None);
}

/// As doctor does: the last entries, wherever they begin, and the newest checkpoint.
pub(crate) async fn the_end_of_a_chain_is_verified_by_itself(world: World) {
    let (bench, checkpoints) = full(world).await;
    let head = bench.ledger.head().await.unwrap().seq;
    let end = async |last: u64| {
        bench.ledger.verify(Verify { last: Some(last), ..Verify::default() }).await.unwrap()
    };
    for last in 1..head + 3 {
        let verified = end(last).await;
        let want = (vec![], last.min(head), Some(checkpoints[2]));
        assert_eq!((verified.faults, verified.entries, verified.last_checkpoint), want, "the last {last}");
    }
    // What was changed is found by who reads as far.
    let changed = head - 9;
    bench.sql(&format!("UPDATE entry SET etag = 'another' WHERE seq = {changed}")).await;
    assert_eq!(end(9).await.faults, []);
    assert_eq!(end(10).await.faults[0].seq, changed);
    // So is one that is missing, also the one just before them.
    bench.sql(&format!("DELETE FROM entry WHERE seq = {changed}")).await;
    assert!(
        end(9).await.faults[0].what.contains(&format!("entry {changed} is missing")),
        "{:?}",
        end(9).await.faults
    );
    // A checkpoint that nobody has signed.
    let (bench, _) = full(world).await;
    let forge = match bench.url {
        None => "UPDATE checkpoint SET signature = zeroblob(64)",
        Some(_) => "UPDATE checkpoint SET signature = decode(repeat('00', 64), 'hex')",
    };
    bench.sql(&format!("{forge} WHERE seq = (SELECT max(seq) FROM checkpoint)")).await;
    let verified = bench.ledger.verify(Verify { last: Some(1), ..Verify::default() }).await.unwrap();
    assert!(!verified.faults.is_empty(), "{verified:?}");
}
