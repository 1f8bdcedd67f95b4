//! A key that was lost or has leaked is replaced.

use std::path::Path;

use mdss_relay_ledger::{
    BucketName, Checkpoint, Fault, Filter, Forget, Ledger, OutboxId, Rekey, Rekeyed, Trouble, TroubleKind,
    Verified, Verify, Which,
};

use crate::common::{Bench, World, allowed, hashed, writes};

async fn rekey(bench: &Bench, lost: bool) -> Result<Rekeyed, Trouble> {
    let asked = Rekey { actor: "anna".into(), reason: "it was in a mail".into(), lost };
    Ledger::rekey(&bench.place(), bench.options.clone(), asked).await
}

async fn all(ledger: &Ledger) -> Vec<Verified> {
    let mut all = Vec::new();
    for chain in ledger.chains().await.unwrap() {
        all.push(ledger.verify(Verify { ledger: Some(chain), ..Verify::default() }).await.unwrap());
    }
    all
}

async fn intact(ledger: &Ledger) -> Vec<Verified> {
    let all = all(ledger).await;
    let faults: Vec<&Fault> = all.iter().flat_map(|one| &one.faults).collect();
    assert_eq!(faults, Vec::<&Fault>::new());
    all
}

fn key(dir: &Path) -> std::path::PathBuf {
    dir.join("ledger.key")
}

fn refused(done: Result<impl std::fmt::Debug, Trouble>) {
    let trouble = done.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Key, "{trouble}");
    assert!(trouble.detail.contains("mdss-relay ledger rekey"), "{trouble}");
}

pub(crate) async fn a_key_that_leaked_is_replaced_and_both_chains_are_one_ledger(world: World) {
    let mut bench = world.bench().await;
    bench.append(writes(1..6)).await;
    let leaked = std::fs::read(key(bench.path())).unwrap();
    let old = bench.ledger.signing_key().await.unwrap().unwrap();
    let kept = bench.ledger.checkpoint().await.unwrap().unwrap();
    let done = rekey(&bench, false).await.unwrap();
    assert!(!done.resumed && done.public_key != old);

    // A relay that runs with the old key is refused, and so is one that starts with it. What it had is written by the next one.
    let rows: Vec<_> = writes(6..9).map(|(id, fact)| (OutboxId(id), fact)).collect();
    refused(bench.ledger.append(rows.clone()).await);
    refused(bench.ledger.checkpoint().await);
    let new = std::fs::read(key(bench.path())).unwrap();
    std::fs::write(key(bench.path()), &leaked).unwrap();
    refused(Ledger::open(&bench.place(), bench.options.clone()).await.map(drop));
    std::fs::write(key(bench.path()), &new).unwrap();
    bench.again().await;
    assert_eq!(bench.ledger.append(rows).await.unwrap().entries, 3);

    // Each chain says by which key.
    let chains = intact(&bench.ledger).await;
    assert_eq!(chains.len(), 2);
    let end = chains[0].range.unwrap().1;
    assert_eq!(chains[0].keys, [(end, old), (u64::MAX, done.public_key)]);
    assert_eq!(chains[1].keys, [(u64::MAX, done.public_key)]);
    assert_eq!(chains[0].last_checkpoint.unwrap().public_key, old, "the old key signed the end");
    let reason = "SELECT reason FROM entry WHERE kind = 7 ORDER BY seq";
    assert_eq!(bench.ask(reason).await, ["chain_ends", "chain_succeeds"]);
    assert_eq!(
        bench.ask("SELECT seq FROM entry WHERE reason = 'chain_succeeds'").await,
        [(1_u64 << 40 | 1).to_string()]
    );

    // A result about a write of the old chain, and keys that are erased in both.
    let bucket = BucketName::new("invoices");
    let shown = bench.ledger.show(&bucket, b"incoming/00002.pdf").await.unwrap();
    bench.ledger.result(allowed(&[shown[0].entry.number])).await.unwrap();
    let shown = bench.ledger.show(&bucket, b"incoming/00002.pdf").await.unwrap();
    assert!(shown[0].result.is_some());
    assert_eq!(bench.ledger.show(&bucket, b"incoming/00007.pdf").await.unwrap().len(), 1);
    let open = bench.ledger.unscanned(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    assert_eq!(open.writes.len(), 7, "of both chains");
    let which = Which::Prefix(b"incoming/".to_vec());
    let forget = Forget { bucket: bucket.clone(), which, reason: "17".into(), actor: "anna".into() };
    assert_eq!(bench.ledger.forget(forget).await.unwrap().entries, 8);
    bench.ledger.checkpoint().await.unwrap();
    let chains = intact(&bench.ledger).await;
    assert_eq!(chains[0].last_checkpoint.unwrap().public_key, done.public_key, "what came later");

    // Checkpoints that were kept before and after fit. One that the leaked key makes today does not.
    let asked = |checkpoint: Checkpoint| Verify {
        ledger: Some(checkpoint.ledger),
        checkpoints: vec![checkpoint],
        ..Verify::default()
    };
    for checkpoint in [kept, chains[0].last_checkpoint.unwrap(), chains[1].last_checkpoint.unwrap()] {
        let verified = bench.ledger.verify(asked(checkpoint)).await.unwrap();
        assert_eq!((verified.foreign, verified.faults), (1, vec![]));
    }
    let forged = Checkpoint { public_key: old, ..chains[0].last_checkpoint.unwrap() };
    let faults = bench.ledger.verify(asked(forged)).await.unwrap().faults;
    assert!(faults[0].what.contains("signed with another key"), "{faults:?}");

    // Once more: three chains.
    rekey(&bench, false).await.unwrap();
    bench.again().await;
    bench.append(writes(9..11)).await;
    bench.ledger.checkpoint().await.unwrap();
    let chains = intact(&bench.ledger).await;
    assert_eq!(chains.iter().map(|chain| chain.keys.len()).collect::<Vec<_>>(), [3, 2, 1]);
}

pub(crate) async fn a_key_that_is_lost_is_replaced_and_nobody_has_signed_the_end(world: World) {
    let mut bench = world.bench().await;
    bench.append(writes(1..6)).await;
    // In the wrong order: it is not lost.
    let trouble = rekey(&bench, true).await.unwrap_err();
    assert!(trouble.kind == TroubleKind::Refused && trouble.detail.contains("not lost"), "{trouble}");
    let next = bench.path().join("ledger.key.next");
    assert!(!next.exists(), "nothing is left of what was refused");
    std::fs::remove_file(key(bench.path())).unwrap();
    let trouble = rekey(&bench, false).await.unwrap_err();
    assert!(trouble.kind == TroubleKind::Refused && trouble.detail.contains("--lost"), "{trouble}");
    // Another key stands there: whose it is nobody knows.
    Ledger::make_key(bench.path()).unwrap();
    refused(Ledger::open(&bench.place(), bench.options.clone()).await.map(drop));
    assert!(rekey(&bench, false).await.unwrap_err().detail.contains("--lost"));
    std::fs::remove_file(key(bench.path())).unwrap();

    rekey(&bench, true).await.unwrap();
    bench.again().await;
    bench.append(writes(6..8)).await;
    let chains = intact(&bench.ledger).await;
    assert_eq!((chains[0].last_checkpoint, chains[0].entries), (None, 6));
    let detail = bench.ask("SELECT detail FROM entry WHERE reason = 'chain_succeeds'").await;
    assert!(detail[0].contains("\"signed\":false"), "{detail:?}");
    // What comes later is signed, the end that nobody signed is not.
    let shown = bench.ledger.show(&BucketName::new("invoices"), b"incoming/00002.pdf").await.unwrap();
    assert_eq!(
        bench.ledger.checkpoint().await.unwrap().map(|made| made.ledger),
        Some(chains[1].head.genesis.ledger)
    );
    assert_eq!(intact(&bench.ledger).await[0].last_checkpoint, None);
    bench.ledger.result(allowed(&[shown[0].entry.number])).await.unwrap();
    bench.ledger.checkpoint().await.unwrap();
    assert!(intact(&bench.ledger).await[0].last_checkpoint.is_some());
}

pub(crate) async fn a_replacement_that_was_interrupted_goes_on(world: World) {
    let mut bench = world.with(hashed).await;
    bench.append(writes(1..3)).await;
    // Killed before the transaction: the new key lies beside the old one, with which the relay works on.
    let other = tempfile::tempdir().unwrap();
    Ledger::make_key(other.path()).unwrap();
    let next = bench.path().join("ledger.key.next");
    std::fs::copy(key(other.path()), &next).unwrap();
    bench.again().await;
    bench.append(writes(3..4)).await;
    let _ = std::fs::remove_file(&next);
    let old = std::fs::read(key(bench.path())).unwrap();
    let first = rekey(&bench, false).await.unwrap();
    // Killed after it: the new key is not in its place yet.
    std::fs::rename(key(bench.path()), &next).unwrap();
    for there in [true, false] {
        let _ = std::fs::remove_file(key(bench.path()));
        if there {
            std::fs::write(key(bench.path()), &old).unwrap();
            refused(Ledger::open(&bench.place(), bench.options.clone()).await.map(drop));
        }
        let again = rekey(&bench, false).await.unwrap();
        assert_eq!(again, Rekeyed { public_key: first.public_key, resumed: true });
        assert!(!next.exists());
        std::fs::copy(key(bench.path()), &next).unwrap();
    }
    std::fs::remove_file(&next).unwrap();
    bench.again().await;
    bench.append(writes(4..6)).await;
    assert_eq!(intact(&bench.ledger).await.len(), 2);
    // The secret of hashed keys is the same, so objects of both chains are found.
    for name in ["incoming/00001.pdf", "incoming/00005.pdf"] {
        assert_eq!(bench.ledger.show(&BucketName::new("invoices"), name.as_bytes()).await.unwrap().len(), 1);
    }
}

pub(crate) async fn a_forged_link_is_named(world: World) {
    let cut = "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry WHERE seq < 1000);
               DELETE FROM place WHERE id NOT IN (SELECT place FROM entry)";
    // Where nobody has signed the end of the old chain only the successor says where it was.
    for (lost, forged) in [
        "UPDATE succession SET seq = seq - 1",
        "UPDATE succession SET hash = public_key",
        "UPDATE succession SET public_key = hash",
        "DELETE FROM succession",
        "UPDATE entry SET detail = replace(detail, '\"seq\":', '\"seq\":1') WHERE reason = 'chain_succeeds'",
        "DELETE FROM entry WHERE reason = 'chain_succeeds'",
        cut,
    ]
    .map(|forged| (false, forged))
    .into_iter()
    .chain([(true, cut)])
    {
        let mut bench = world.bench().await;
        bench.append(writes(1..6)).await;
        if lost {
            std::fs::remove_file(key(bench.path())).unwrap();
        }
        rekey(&bench, lost).await.unwrap();
        bench.again().await;
        bench.append(writes(6..8)).await;
        intact(&bench.ledger).await;
        bench.sql(forged).await;
        let faults: Vec<_> = all(&bench.ledger).await.into_iter().flat_map(|one| one.faults).collect();
        assert!(!faults.is_empty(), "{lost} {forged}");
    }
}
