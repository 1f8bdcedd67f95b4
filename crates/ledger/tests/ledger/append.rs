use std::time::Duration;

use mdss_relay_ledger::{Fact, Kind, Ledger, Moment, OutboxId, Place, TroubleKind};

use crate::common::{Bench, START, World, write, writes};

/// Whoever feeds the ledger may die after the rows are there and before it has deleted them.
pub(crate) async fn a_row_that_is_handed_in_twice_is_there_once(world: World) {
    let mut bench = world.bench().await;
    let first = bench.append(writes(1..6)).await;
    assert_eq!((first.entries, first.repeated, first.head), (5, 0, 5));
    bench.again().await;
    let again = bench.append(writes(3..8)).await;
    assert_eq!((again.entries, again.repeated, again.head), (2, 3, 7));
    assert_eq!(bench.intact().await.entries, 7);
}

/// Numbers are given before rows are committed: one may come between those that were handed in already. And a batch need not begin and end where another one did.
pub(crate) async fn rows_that_come_late_in_between_are_new_and_others_are_not(world: World) {
    let bench = world.bench().await;
    let of = |ids: &[u64]| ids.iter().map(|n| (i64::try_from(*n).unwrap(), write(*n))).collect::<Vec<_>>();
    for (ids, new) in [
        (&[10_u64, 12, 19][..], 3),
        (&[11, 20], 2),
        (&[9, 10, 11, 13], 2),
        (&[19, 14, 20, 14], 1),
        (&[9, 10, 11, 12, 13, 14, 19, 20], 0),
        (&[1, 30], 2),
        (&[13, 15], 1),
    ] {
        let appended = bench.append(of(ids)).await;
        assert_eq!((appended.entries, appended.repeated), (new, ids.len() as u64 - new), "{ids:?}");
    }
    assert_eq!(bench.intact().await.entries, 11);
}

/// A spool that was put back from a backup, or begun anew, gives its numbers again: what they stand for now must not be taken for what it was.
pub(crate) async fn a_number_that_stands_for_something_else_now_is_written(world: World) {
    let bench = world.bench().await;
    bench.append(writes(1..4)).await;
    let other = bench.append([(1, write(101)), (2, write(2))]).await;
    assert_eq!((other.entries, other.repeated), (1, 1));
}

pub(crate) async fn an_entry_that_only_the_ledger_writes_is_refused(world: World) {
    let bench = world.bench().await;
    for kind in Kind::ALL.iter().filter(|kind| kind.is_our_own()) {
        let refused = bench.ledger.record(Fact::new(*kind, Moment::from_millis(START))).await;
        assert_eq!(refused.unwrap_err().kind, TroubleKind::Refused, "{kind}");
    }
    let gap = Fact {
        count: Some(17),
        reason: Some("outbox_full".into()),
        detail: Some(r#"{"from":"2026-11-27T02:00:00Z"}"#.into()),
        ..Fact::new(Kind::Gap, Moment::from_millis(START))
    };
    assert_eq!(bench.ledger.record(gap).await.unwrap().head, 1);
    bench.intact().await;
}

/// Whoever does not know whether an entry was written hands it in again; two relays that say the same at once have both said it.
pub(crate) async fn an_entry_of_no_outbox_is_there_once(world: World) {
    let bench = world.bench().await;
    let gap = |n: i64| Fact { count: Some(17), ..Fact::new(Kind::Gap, Moment::from_millis(START + n)) };
    let first = bench.ledger.record(gap(0)).await.unwrap();
    let again = bench.ledger.record(gap(0)).await.unwrap();
    assert_eq!((first.entries, again.entries, again.repeated, again.head), (1, 0, 1, 1));
    assert_eq!(bench.ledger.record(gap(1)).await.unwrap().entries, 1);
    if bench.url.is_some() {
        let other = Ledger::open(&bench.place(), bench.options.clone()).await.unwrap();
        assert_eq!(other.record(gap(0)).await.unwrap().entries, 1);
    }
    assert_eq!(bench.intact().await.entries, 2);
}

/// A checkpoint comes after so many entries, or after an hour if there is anything new, and on request.
pub(crate) async fn a_checkpoint_is_signed_when_it_is_due(world: World) {
    let bench = world.with(|options| options.checkpoint_entries = 10).await;
    assert_eq!(bench.append(writes(1..6)).await.checkpoint, None);
    let due = bench.append(writes(6..12)).await.checkpoint.unwrap();
    assert_eq!((due.seq, due.writes), (11, 11));
    assert!(due.is_signed());
    assert_eq!(
        bench.append(writes(12..13)).await.checkpoint,
        None,
        "the entry about a checkpoint counts for none"
    );
    bench.clock.go(Duration::from_secs(3600));
    let hour = bench.append(writes(13..14)).await.checkpoint.unwrap();
    assert_eq!((hour.seq, hour.writes), (14, 13));
    assert_eq!(bench.ledger.checkpoint().await.unwrap(), None, "nothing new");
    bench.append(writes(14..15)).await;
    let asked = bench.ledger.checkpoint().await.unwrap().unwrap();
    assert_eq!(bench.ledger.unpublished().await.unwrap(), [due, hour, asked]);
    bench.ledger.published(&hour).await.unwrap();
    assert_eq!(bench.ledger.unpublished().await.unwrap(), [asked]);
    let verified = bench.intact().await;
    assert_eq!((verified.checkpoints, verified.last_checkpoint), (3, Some(asked)));
}

/// The operator's tool writes while a relay does: each reads where the chain ends before it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_write_one_chain() {
    let bench = Bench::new().await;
    let other = Ledger::open(&bench.place(), bench.options.clone()).await.unwrap();
    let (mut a, mut b) = (bench.ledger.clone(), other);
    for n in 0..20_u64 {
        let rows = |from: u64| writes(from..from + 5).map(|(id, fact)| (OutboxId(id), fact)).collect();
        let (one, two) = tokio::join!(a.append(rows(n * 10)), b.append(rows(n * 10 + 5)));
        one.unwrap();
        two.unwrap();
        std::mem::swap(&mut a, &mut b);
    }
    assert_eq!(bench.intact().await.entries, 200);
    let head = bench.ledger.head().await.unwrap();
    assert_eq!((head.seq, head.writes, head.open), (200, 200, 200));
}

#[tokio::test]
async fn the_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new().await;
    bench.append(writes(1..3)).await;
    for name in ["ledger.db", "ledger.db-wal", "ledger.key"] {
        let mode = std::fs::metadata(bench.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let inner = bench.path().join("inner");
    Ledger::open(&Place::Directory(inner.clone()), bench.options.clone()).await.unwrap();
    assert_eq!(std::fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
}

/// In CSV an empty text is as good as none, so it is none everywhere.
pub(crate) async fn an_empty_member_is_none(world: World) {
    let bench = world.bench().await;
    let empty =
        Fact { version: Some(String::new()), namespace: Some("".into()), key: Some(Vec::new()), ..write(1) };
    bench.append([(1, empty)]).await;
    let open =
        bench.ledger.unscanned(&mdss_relay_ledger::Filter { limit: 1, ..Default::default() }).await.unwrap();
    let fact = &open.writes[0].fact;
    assert_eq!((&fact.version, &fact.namespace, &fact.key), (&None, &None, &None));
    bench.intact().await;
}
