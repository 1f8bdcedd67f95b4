//! What goes away: keys that somebody wants to be forgotten, and entries of long ago.

use std::time::Duration;

use mdss_relay_ledger::{
    BucketName, Fact, Filter, Forget, Limits, Options, Remains, RunId, RunStart, TroubleKind, Verify, Which,
};

use crate::common::{Bench, World, allowed, hashed, write, writes};

fn forget(which: Which) -> Forget {
    Forget { bucket: BucketName::new("invoices"), which, reason: "Art. 17".into(), actor: "anna".into() }
}

/// One that has come as far as a key.
async fn run(bench: &Bench) -> RunId {
    let start = RunStart {
        actor: "anna".into(),
        store: "s".into(),
        bucket: "invoices".into(),
        route: None,
        question: "{}".into(),
    };
    let run = bench.ledger.run_begin(start).await.unwrap();
    bench.ledger.run_checkpoint(run, Some("ordered people/person-smith/1.pdf"), "{}").await.unwrap();
    run
}

pub(crate) async fn l12_keys_that_are_forgotten_are_gone_and_the_chain_fits(world: World) {
    let bench = world.bench().await;
    // In no order, so that pages of the index are split and what was on them moves.
    let key = |n: u64| {
        format!(
            "people/person-{}/{:08x}.pdf",
            if n.is_multiple_of(3) { "smith" } else { "jones" },
            n.wrapping_mul(2_654_435_761) % (1 << 32)
        )
    };
    for batch in 0..10_u64 {
        let facts = (batch * 300..batch * 300 + 300)
            .map(|n| (n as i64, Fact { key: Some(key(n).into_bytes()), ..write(n) }));
        bench.append(facts).await;
    }
    bench.ledger.result(allowed(&[1, 2, 3])).await.unwrap();
    bench.sql(&format!(
        "INSERT INTO result_raw (at, path, why, body) VALUES (1, 'x/people/person-smith/a', 'w', {}), (1, 'person-jones', 'w', {})",
        bench.bytes(b"person-smith"), bench.bytes(b"\0")
    )).await;
    // A comparison that was broken off, and one that has ended.
    let runs = [run(&bench).await, run(&bench).await];
    bench.ledger.run_end(runs[0], "complete", "{}").await.unwrap();
    let open = bench.ledger.last_run(Some("invoices")).await.unwrap().unwrap();
    assert_eq!(open.cursor.as_deref(), Some("ordered people/person-smith/1.pdf"));
    assert!(!bench.holds(b"person-smith").await.is_empty());

    let forgotten =
        bench.ledger.forget(forget(Which::Prefix(b"people/person-smith/".to_vec()))).await.unwrap();
    assert_eq!((forgotten.entries, forgotten.results), (1000, 1));
    let remains = if bench.url.is_some() { Remains::Database } else { Remains::Nothing };
    assert_eq!(forgotten.remains, remains);
    assert!(forgotten.checkpoint.is_some());
    assert_eq!(bench.holds(b"person-smith").await, Vec::<String>::new());
    assert!(!bench.holds(b"person-jones").await.is_empty());

    let verified = bench.intact().await;
    let last = bench.ledger.show(&BucketName::new("invoices"), key(1).as_bytes()).await.unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(bench.ledger.show(&BucketName::new("invoices"), key(0).as_bytes()).await.unwrap(), []);
    let said = bench.ask("SELECT actor || ', ' || reason || ', ' || count FROM entry WHERE kind = 13").await;
    assert_eq!(said, ["anna, Art. 17, 1000"]);
    // What was accepted is still to be scanned, whoever's it was.
    let open = bench.ledger.unscanned(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
    assert_eq!(open.units[0].open, 2997);
    assert_eq!(verified.entries, 3000 + 3 + 1 + 2);

    let nothing = bench.ledger.forget(forget(Which::Prefix(b"people/person-smith/".to_vec()))).await.unwrap();
    assert_eq!(nothing.entries, 0);

    // A key that is erased in the name of that entry, or taken out of its count, is named.
    bench.sql(&format!("UPDATE entry SET key = NULL, salt = NULL, commitment = {}, forgotten_by = (SELECT seq FROM entry WHERE kind = 13) WHERE seq = 2", bench.bytes(&[0; 32]))).await;
    let faults = bench.verify().await.faults;
    assert!(
        faults
            .iter()
            .any(|fault| fault.what.contains("it has erased the keys of 1000 entries, and 1001 say so")),
        "{faults:?}"
    );
}

pub(crate) async fn l12_more_keys_than_one_transaction_takes_are_all_erased(world: World) {
    let bench = world.bench().await;
    for batch in 0..6_u64 {
        bench.append(writes(batch * 2000..batch * 2000 + 2000)).await;
    }
    let forgotten = bench.ledger.forget(forget(Which::Prefix(b"incoming/".to_vec()))).await.unwrap();
    assert_eq!(forgotten.entries, 12_000);
    assert_eq!(bench.holds(b"incoming/").await, Vec::<String>::new());
    bench.intact().await;
}

pub(crate) async fn hashed_keys_are_forgotten_one_by_one(world: World) {
    let bench = world.with(hashed).await;
    bench.append(writes(1..4)).await;
    let prefix = bench.ledger.forget(forget(Which::Prefix(b"incoming/".to_vec()))).await.unwrap_err();
    assert_eq!(prefix.kind, TroubleKind::Refused);
    let one = bench.ledger.forget(forget(Which::Key(b"incoming/00002.pdf".to_vec()))).await.unwrap();
    assert_eq!(one.entries, 1);
    let all = bench.ledger.forget(forget(Which::Prefix(Vec::new()))).await.unwrap();
    assert_eq!(all.entries, 2);
    bench.intact().await;
}

fn small(options: &mut Options) {
    options.checkpoint_entries = 10;
}

pub(crate) async fn old_entries_are_removed_up_to_a_published_checkpoint(world: World) {
    let mut bench = world.with(small).await;
    for n in 0..5 {
        bench.append(writes(n * 20..n * 20 + 20)).await;
        bench.clock.go(Duration::from_secs(24 * 3600));
    }
    bench.ledger.result(allowed(&[1, 30, 90])).await.unwrap();
    let days = Limits { age: Some(Duration::from_secs(3 * 24 * 3600)), bytes: None };
    let kept = bench.ledger.prune(days).await.unwrap();
    assert_eq!((kept.entries, kept.unpublished), (0, true), "nobody has a checkpoint yet");

    let published = bench.ledger.unpublished().await.unwrap();
    bench.ledger.published(&published[1]).await.unwrap();
    let pruned = bench.ledger.prune(days).await.unwrap();
    assert_eq!((pruned.entries, pruned.writes, pruned.open), (41, 40, 38));
    assert_eq!((pruned.base, pruned.unpublished, pruned.more), (published[1].seq, false, false));
    let verified =
        bench.ledger.verify(Verify { checkpoints: published.clone(), ..Verify::default() }).await.unwrap();
    assert_eq!(verified.faults, []);
    assert_eq!((verified.range.unwrap().0, verified.foreign), (published[1].seq + 1, 6));
    let head = bench.ledger.head().await.unwrap();
    assert_eq!((head.writes, head.base), (100, published[1].seq));
    assert_eq!(head.open, 100 - 40 - 1);

    // What goes on from there fits, also after another start, and nothing can be cut off at the front by hand.
    bench.again().await;
    bench.append(writes(200..230)).await;
    bench.intact().await;
    bench.sql(&format!("DELETE FROM entry WHERE seq <= {}", published[2].seq)).await;
    bench.sql(&format!("UPDATE chain SET base = {}", published[2].seq)).await;
    let faults = bench.verify().await.faults;
    assert!(faults.iter().any(|fault| fault.what.contains("begins behind this entry")), "{faults:?}");
}

pub(crate) async fn a_ledger_that_is_too_large_loses_its_oldest_entries(world: World) {
    let bench = world.with(|options| options.checkpoint_entries = 1000).await;
    for n in 0..10 {
        let checkpoint = bench.append(writes(n * 1000..n * 1000 + 1000)).await.checkpoint.unwrap();
        bench.ledger.published(&checkpoint).await.unwrap();
    }
    let before = bench.ledger.head().await.unwrap().bytes;
    let limits = Limits { age: None, bytes: Some(before / 2) };
    let pruned = bench.ledger.prune(limits).await.unwrap();
    assert!((4000..8000).contains(&pruned.writes), "{pruned:?}");
    assert!(bench.ledger.head().await.unwrap().bytes <= before / 2);
    assert_eq!(bench.ledger.prune(limits).await.unwrap().entries, 0);
    bench.intact().await;
    // The old checkpoints stay, and none of them can be taken away.
    assert_eq!(bench.ask("SELECT min(seq) FROM checkpoint").await, ["1000"]);
    bench.sql("DELETE FROM checkpoint WHERE seq = 1000").await;
    assert!(
        bench.verify().await.faults.iter().any(|fault| fault.what.contains("are not those that were kept"))
    );
}
