//! Two relays on one database.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mdss_relay_spool::seam::{Outcome, Want};
use mdss_relay_spool::{Filter, State};

use crate::common::*;
use crate::store::{Store, again, claim, desk, send, settle};

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(200);

/// A database of its own for each test; none where there is no PostgreSQL.
async fn database() -> Option<String> {
    match postgres_rig::shared().unwrap() {
        Some(server) => Some(server.database().await.unwrap()),
        None => None,
    }
}

#[tokio::test]
async fn no_item_is_given_out_twice_within_its_lease() {
    let Some(url) = database().await else { return };
    let stores = [Store::open(&url), Store::open(&url), Store::open(&url)];
    let records: Vec<_> = (0..500).map(|n| record("b", &format!("k{n}"), None)).collect();
    accept(&stores[0], &routed(), delivery(&records)).await.unwrap();
    let (mut given, mut all) = (BTreeMap::new(), Vec::new());
    while given.len() < 500 {
        let claims = futures_util::future::join_all(stores.iter().map(|s| claim(s, 40, MINUTE))).await;
        for item in claims.into_iter().flat_map(|claims| claims.items) {
            *given.entry(item.ticket.id()).or_insert(0) += 1;
            all.push(item);
        }
    }
    assert!(given.values().all(|times| *times == 1), "{given:?}");
    // What one of them lets go is another one's at once.
    let back = all.split_off(490);
    let ids: BTreeSet<_> = back.iter().map(|item| item.ticket.id()).collect();
    drop(back);
    let found = async || {
        let claims = claim(&stores[1], 40, MINUTE).await;
        let found: BTreeSet<_> = claims.items.iter().map(|item| item.ticket.id()).collect();
        (!found.is_empty()).then_some((found, claims))
    };
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    until("all are given out again", async || {
        if let Some((found, claims)) = found().await {
            seen.extend(found);
            kept.push(claims);
        }
        seen == ids
    })
    .await;
}

/// What somebody holds is counted for all of them, as what there is.
#[tokio::test]
async fn leases_are_counted_until_they_end() {
    let Some(url) = database().await else { return };
    let (store, other) = (Store::open(&url), Store::open(&url));
    let records: Vec<_> = (0..10).map(|n| record("b", &format!("k{n}"), None)).collect();
    accept(&store, &routed(), delivery(&records)).await.unwrap();
    let leased = async || desk(&url).stock().await.unwrap().leased;
    assert_eq!(leased().await, Some(0));
    let short = claim(&store, 3, Duration::from_secs(2)).await.items;
    let long = claim(&other, 4, MINUTE).await.items;
    assert_eq!((short.len(), long.len(), leased().await), (3, 4, Some(7)));
    std::mem::forget(short);
    until("three have ended", async || leased().await == Some(4)).await;
    settle(&other, long, |_| Outcome::Accepted).await;
    assert_eq!(leased().await, Some(0));
}

/// A claim begins where the one before has ended; what a relay had that has died stands below.
#[tokio::test]
async fn what_is_due_again_below_the_last_claim_is_found_although_each_claim_brings_enough() {
    const CLAIMED: usize = 4;
    let Some(url) = database().await else { return };
    let (store, dead) = (Store::open(&url), Store::open(&url));
    let records: Vec<_> = (0..1000).map(|n| record("b", &format!("k{n}"), None)).collect();
    accept(&store, &routed(), delivery(&records)).await.unwrap();
    let apart = "UPDATE mdss_relay.item SET not_before = now() - (1000 - o.n) * interval '1 second'
                 FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM mdss_relay.item) o WHERE item.id = o.id";
    postgres_rig::ask(&url, apart).await.unwrap();
    let held = claim(&dead, CLAIMED, Duration::from_secs(1)).await.items;
    let mut lost: BTreeSet<_> = held.iter().map(|item| item.ticket.id()).collect();
    assert_eq!(lost.len(), CLAIMED);
    // The newest of all stands above whatever is claimed.
    lost.pop_last();
    // Nobody gives them back.
    std::mem::forget(held);
    let mut kept = Vec::new();
    until("what the dead relay had is claimed", async || {
        let items = claim(&store, CLAIMED, MINUTE).await.items;
        assert_eq!(items.len(), CLAIMED);
        let found = items.iter().any(|item| lost.contains(&item.ticket.id()));
        kept.extend(items);
        tokio::time::sleep(Duration::from_millis(200)).await;
        found
    })
    .await;
}

/// As long as claims bring all there is, each reads on from a little below the last one.
#[tokio::test]
async fn what_is_due_again_below_the_last_claim_is_found_although_each_claim_brings_all_there_is() {
    let Some(url) = database().await else { return };
    let (store, dead) = (Store::open(&url), Store::open(&url));
    send(&dead, "lost").await.unwrap();
    let held = claim(&dead, 10, Duration::from_secs(1)).await.items;
    let lost = held[0].ticket.id();
    // Nobody gives it back.
    std::mem::forget(held);
    let (mut kept, begin) = (Vec::new(), Instant::now());
    until("what the dead relay had is claimed", async || {
        send(&store, &format!("k{}", kept.len())).await.unwrap();
        let items = claim(&store, 10, MINUTE).await.items;
        assert!(!items.is_empty(), "nobody else takes what has come");
        let found = items.iter().any(|item| item.ticket.id() == lost);
        kept.extend(items);
        tokio::time::sleep(Duration::from_millis(20)).await;
        found
    })
    .await;
    assert!(begin.elapsed() < Duration::from_secs(3), "it took {:?}", begin.elapsed());
}

/// With an odd number of places two lanes are asked for one more than all together may have.
#[tokio::test]
async fn a_lane_for_which_there_was_no_place_left_is_not_taken_for_empty() {
    const EACH: usize = 40;
    let Some(url) = database().await else { return };
    let store = Store::open(&url);
    let records: Vec<_> =
        ["b", "c"].iter().flat_map(|b| (0..EACH).map(|n| record(b, &format!("k{n}"), None))).collect();
    accept(&store, &routed(), delivery(&records)).await.unwrap();
    let apart = "UPDATE mdss_relay.item SET not_before = now() - (1000 - o.n) * interval '1 second'
                 FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM mdss_relay.item) o WHERE item.id = o.id";
    postgres_rig::ask(&url, apart).await.unwrap();
    let mut kept = Vec::new();
    for round in 0..5 {
        // The turn gives the newest two places of five.
        let want = Want { most: 9, turn: 3, lease: Some(MINUTE), ..Want::default() };
        let items = store.engine().claim(want).await.unwrap().items;
        let lanes: BTreeSet<_> = items.iter().map(|item| item.lane.clone()).collect();
        assert_eq!((items.len(), lanes.len()), (9, 2), "round {round}");
        kept.extend(items);
    }
}

/// A relay that has died, or sleeps: its items are due again when their lease ends.
#[tokio::test]
async fn what_nobody_renews_is_given_to_others_and_a_late_failure_changes_nothing() {
    let Some(url) = database().await else { return };
    let (first, second) = (Store::open(&url), Store::open(&url));
    for key in ["done", "failed", "renewed"] {
        send(&first, key).await.unwrap();
    }
    let key = |path: &str| path.to_owned();
    let late = claim(&first, 10, MOMENT).await.items;
    assert_eq!((late.len(), key(&late[0].path)), (3, "0".into()));
    let engine = second.engine();
    let entries = engine.list(&Filter::default(), None, 10).await.unwrap();
    let id = |of: &str| entries.iter().find(|entry| entry.key.as_deref() == Some(of)).unwrap().id;
    let mut young = Vec::new();
    until("the leases end", async || {
        young.extend(claim(&second, 10, MINUTE).await.items);
        young.len() == 3
    })
    .await;
    assert!(late.iter().all(|item| !item.ticket.lasts(Duration::ZERO)));
    // The second one has failed with one of them by now, for good; and the first one hears of all that it had asked for.
    let (failed, held): (Vec<_>, Vec<_>) =
        young.into_iter().partition(|item| item.ticket.id() == id("failed"));
    settle(&second, failed, |_| Outcome::Parked { reason: "x", detail: String::new(), attempted: true })
        .await;
    let done = id("done");
    let settled = settle(&first, late, |item| match item.ticket.id() {
        of if of == done => Outcome::Accepted,
        _ => again(Duration::ZERO),
    })
    .await;
    assert_eq!(settled.fenced, 2);
    let left: Vec<_> = engine.list(&Filter::default(), None, 10).await.unwrap();
    let word =
        |e: &mdss_relay_spool::Entry| format!("{} {} {}", e.key.as_deref().unwrap(), e.state, e.attempts);
    // MDSS has the one: that is written, whoever holds it.
    assert_eq!(left.iter().map(word).collect::<Vec<_>>(), ["failed parked 1", "renewed waiting 0"]);
    // What the second one was told by MDSS of the item that is gone is late as well.
    let settled = settle(&second, held, |_| again(Duration::ZERO)).await;
    assert_eq!(settled.fenced, 1);
    assert_eq!(first.engine().sharing().await.unwrap().fenced, 2);
}

#[tokio::test]
async fn a_renewed_lease_holds_and_one_that_is_lost_is_known_to_be() {
    let Some(url) = database().await else { return };
    let (first, second) = (Store::open(&url), Store::open(&url));
    for key in ["kept", "lost"] {
        send(&first, key).await.unwrap();
    }
    let lease = Duration::from_millis(1500);
    let kept = claim(&first, 1, lease).await.items;
    let lost = claim(&first, 1, MOMENT).await.items;
    until("one is lost", async || {
        // As a worker does every second; here more often.
        let holds: Vec<_> = kept.iter().filter_map(|item| item.ticket.to_renew()).collect();
        let count = holds.len();
        assert_eq!(first.engine().renew(holds).await.unwrap(), count);
        let found = claim(&second, 10, MINUTE).await.items;
        assert!(found.iter().all(|item| item.ticket.id() == lost[0].ticket.id()));
        !found.is_empty()
    })
    .await;
    let begin = std::time::Instant::now();
    while begin.elapsed() < 2 * lease {
        let holds: Vec<_> = kept.iter().filter_map(|item| item.ticket.to_renew()).collect();
        first.engine().renew(holds).await.unwrap();
        assert!(kept[0].ticket.lasts(Duration::from_millis(1)));
        let found = claim(&second, 10, MINUTE).await.items;
        assert!(found.iter().all(|item| item.ticket.id() == lost[0].ticket.id()), "{found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(first.engine().sharing().await.unwrap().renewed >= 2);
}

/// Senders repeat an event at several relays at once.
#[tokio::test]
async fn the_same_writes_at_two_relays_are_kept_once() {
    let Some(url) = database().await else { return };
    let stores = [Store::open(&url), Store::open(&url)];
    let relay = routed();
    let sends = (0..200).map(|n| {
        let (spool, relay) = (&stores[n % 2], &relay);
        // In another order at each: they would wait for each other.
        let mut records: Vec<_> =
            (0..10).map(|m| record("b", &format!("k{}", (n / 8) * 10 + m), Some("01"))).collect();
        if n % 2 == 1 {
            records.reverse();
        }
        async move { results(&accept(spool, relay, delivery(&records)).await.unwrap()) }
    });
    let heard = futures_util::future::join_all(sends).await.concat();
    let count = |what: &str| heard.iter().filter(|heard| *heard == what).count();
    assert_eq!((count("spooled:-"), count("skipped:duplicate")), (250, 1750));
    assert_eq!(items(&stores[0]).await, 250);
}

/// An event is repeated while a relay settles it: the item is gone, and its mark is kept, when the one that waited for that goes on.
#[tokio::test]
async fn what_is_settled_while_it_is_repeated_is_a_duplicate() {
    let Some(url) = database().await else { return };
    let store = Store::open(&url);
    let relay = routed();
    for (round, others) in [0, 2].into_iter().enumerate() {
        let key = format!("settled-{round}");
        send(&store, &key).await.unwrap();
        // As a relay settles, and holds its transaction.
        let settling = postgres_rig::client(&url).await.unwrap();
        let settled = "BEGIN; INSERT INTO mdss_relay.done (mark) SELECT mark FROM mdss_relay.item; DELETE FROM mdss_relay.item; DELETE FROM mdss_relay.delivery";
        settling.batch_execute(settled).await.unwrap();
        let mut records = vec![record("b", &key, Some("01"))];
        records.extend((0..others).map(|n| record("b", &format!("new-{n}"), Some("01"))));
        let repeated = accept(&store, &relay, delivery(&records));
        let committed = async {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            until("the repetition waits", async || postgres_rig::ask(&url, waits).await.unwrap() == ["1"])
                .await;
            settling.batch_execute("COMMIT").await.unwrap();
        };
        let (repeated, ()) = tokio::join!(repeated, committed);
        let mut want = vec!["skipped:duplicate".to_owned()];
        want.extend((0..others).map(|_| "spooled:-".to_owned()));
        assert_eq!(results(&repeated.unwrap()), want);
        let left = "SELECT (SELECT count(*) FROM mdss_relay.item) || ' ' || (SELECT coalesce(sum(items), 0) FROM mdss_relay.delivery)";
        assert_eq!(postgres_rig::ask(&url, left).await.unwrap(), [format!("{others} {others}")]);
    }
}

/// The last two items of a delivery leave at the same time, at two relays.
#[tokio::test]
async fn a_delivery_goes_with_its_last_item_whoever_settles_it() {
    let Some(url) = database().await else { return };
    let stores = [Store::open(&url), Store::open(&url)];
    for round in 0..20 {
        let records: Vec<_> = (0..2).map(|n| record("b", &format!("{round}-{n}"), None)).collect();
        accept(&stores[0], &routed(), delivery(&records)).await.unwrap();
        let one = claim(&stores[0], 1, MINUTE).await.items;
        let other = claim(&stores[1], 1, MINUTE).await.items;
        assert_eq!((one.len(), other.len()), (1, 1));
        tokio::join!(
            settle(&stores[0], one, |_| Outcome::Accepted),
            settle(&stores[1], other, |_| Outcome::Skipped)
        );
    }
    let left = postgres_rig::ask(&url, "SELECT count(*) FROM mdss_relay.delivery").await.unwrap();
    assert_eq!(left, ["0"]);
}

/// The new relay has made everything due at its start; what the old one takes after that would wait for an hour, or for somebody to act.
#[tokio::test]
async fn what_a_plan_holds_from_the_beginning_is_put_off_while_another_relay_plans_otherwise() {
    let Some(url) = database().await else { return };
    let (old, new) = (Store::open(&url), Store::open(&url));
    let rules = |relay: &mdss_relay_core::Relay| relay.settings().rules.clone();
    old.engine().begin(&rules(&routed())).await.unwrap();
    new.engine().begin(&rules(&relay(NOWHERE, &[]))).await.unwrap();
    let take = async |key: &str| {
        let records = [record("nobody-has-named-it", key, None), record("b", &format!("{key} good"), None)];
        accept(&old, &routed(), delivery(&records)).await.unwrap();
    };
    take("early").await;
    let found = states(&old).await;
    assert_eq!(
        (&*found["early"], &*found["early good"]),
        ("waiting settings_differ", "waiting -"),
        "{found:?}"
    );
    // The other one has gone.
    new.close();
    take("late").await;
    let found = states(&old).await;
    assert_eq!((&*found["late"], &*found["late good"]), ("held unmapped_bucket", "waiting -"), "{found:?}");
    old.close();
}

/// In an upgrade: what the relay of yesterday does not want, or cannot read, may be what today's has accepted.
#[tokio::test]
async fn a_plan_decides_nothing_while_another_relay_plans_otherwise() {
    let Some(url) = database().await else { return };
    let (old, new) = (Store::open(&url), Store::open(&url));
    let rules = |relay: &mdss_relay_core::Relay| relay.settings().rules.clone();
    let (yesterday, today) = (rules(&routed()), rules(&relay(NOWHERE, &[])));
    assert!(old.engine().begin(&yesterday).await.unwrap(), "it makes everything due");
    assert!(!new.engine().begin(&yesterday).await.unwrap(), "one of several does");
    assert!(new.engine().begin(&today).await.unwrap(), "other settings may be the mended ones");
    for key in ["skipped", "held", "parked", "accepted", "refused"] {
        send(&new, key).await.unwrap();
    }
    let entries = old.engine().list(&Filter::default(), None, 10).await.unwrap();
    let key = move |id| entries.iter().find(|e| e.id == id).unwrap().key.clone().unwrap();
    let plan = |item: &mdss_relay_spool::seam::Claimed| {
        let (reason, detail) = ("x", String::new());
        match key(item.ticket.id()).as_str() {
            "skipped" => Outcome::Skipped,
            "held" => Outcome::Again { state: State::Held, pause: MINUTE, reason, detail, attempted: false },
            "parked" => Outcome::Parked { reason, detail, attempted: false },
            "accepted" => Outcome::Accepted,
            // MDSS itself has said so.
            _ => Outcome::Parked { reason, detail, attempted: true },
        }
    };
    let claims = claim(&old, 10, MINUTE).await.items;
    settle(&old, claims, &plan).await;
    let differ = "waiting settings_differ".to_owned();
    let want =
        [("held", &differ), ("parked", &differ), ("refused", &"parked x".to_owned()), ("skipped", &differ)];
    let want: BTreeMap<_, _> = want.map(|(key, word)| (key.to_owned(), word.clone())).into();
    assert_eq!(states(&old).await, want);
    assert_eq!(old.engine().replicas().await.unwrap().iter().filter(|r| r.differs).count(), 1);
    // The other one has gone.
    new.close();
    desk(&url)
        .retry(&Filter { reason: Some("settings_differ".into()), ..Filter::default() }, None)
        .await
        .unwrap();
    let claims = claim(&old, 10, MINUTE).await.items;
    settle(&old, claims, &plan).await;
    let want = [("held", "held x"), ("parked", "parked x"), ("refused", "parked x")];
    let want: BTreeMap<_, _> = want.map(|(key, word)| (key.to_owned(), word.to_owned())).into();
    assert_eq!(states(&old).await, want);
}

/// An operator does not take from a relay what it has under way.
#[tokio::test]
async fn a_retry_leaves_alone_what_is_under_way_and_says_so() {
    let Some(url) = database().await else { return };
    let store = Store::open(&url);
    for key in ["away", "here"] {
        send(&store, key).await.unwrap();
    }
    let under_way = claim(&store, 1, MINUTE).await.items;
    let batch = desk(&url).retry(&Filter::default(), None).await.unwrap();
    let keys = |entries: &[mdss_relay_spool::Entry]| -> Vec<_> { entries.iter().map(|e| e.id).collect() };
    assert_eq!((keys(&batch.entries).len(), keys(&batch.busy)), (1, vec![under_way[0].ticket.id()]));
    // A purge deletes it all the same: it may be accepted until then.
    assert_eq!(desk(&url).purge(&Filter::default(), None).await.unwrap().entries.len(), 2);
    settle(&store, under_way, |_| Outcome::Accepted).await;
    assert!(empty(&store).await);
}

/// One database, two workers in two engines, one MDSS.
#[tokio::test]
async fn two_relays_send_each_object_once() {
    let Some(url) = database().await else { return };
    let sim = sim().await;
    let stores = [Store::open(&url), Store::open(&url)];
    let relay = relay_for(&sim, &[("RELAY_CONCURRENCY", "4")]);
    let workers: Vec<_> = stores.iter().map(|store| Running::start(store, &relay)).collect();
    for n in 0..200 {
        keep(&stores[n % 2], &relay, &format!("k{n}")).await;
    }
    until("everything is sent", async || empty(&stores[0]).await).await;
    for worker in workers {
        worker.stop().await;
    }
    let got = accepted(&sim);
    assert!(got.len() == 200 && got.values().all(|times| *times == 1), "{got:?}");
}

/// Each sees the other's item as long as that is not committed, and gives it the bytes of its own. So one waits for the other before it begins, and
/// not both for each other when they are half done.
#[tokio::test]
async fn two_relays_that_settle_the_last_two_items_of_a_delivery_leave_nothing_of_it() {
    let Some(url) = database().await else { return };
    let stores = [Store::open(&url), Store::open(&url)];
    let records = [record("b", "k0", Some("1")), record("b", "k1", Some("2"))];
    accept(&stores[0], &routed(), delivery(&records)).await.unwrap();
    let mut halves = Vec::new();
    for store in &stores {
        halves.push(claim(store, 1, MINUTE).await.items);
    }
    assert!(halves.iter().all(|half| half.len() == 1), "one each");
    // Long enough that both are at it at the same time.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN OLD; END $$;
                CREATE TRIGGER slow AFTER DELETE ON mdss_relay.item FOR EACH ROW EXECUTE FUNCTION slow()";
    postgres_rig::ask(&url, slow).await.unwrap();
    let settled = stores.iter().zip(halves).map(|(store, half)| settle(store, half, |_| Outcome::Accepted));
    futures_util::future::join_all(settled).await;
    let left =
        "SELECT (SELECT count(*) FROM mdss_relay.item) || ' ' || (SELECT count(*) FROM mdss_relay.delivery)";
    assert_eq!(postgres_rig::ask(&url, left).await.unwrap(), ["0 0"]);
    stores.into_iter().for_each(Store::close);
    // A session's counts are there for all once it has ended.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    until("their sessions have ended", async || postgres_rig::ask(&url, sessions).await.unwrap() == ["0"])
        .await;
    let met = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(postgres_rig::ask(&url, met).await.unwrap(), ["0"]);
}

/// Such a batch, of items each alone in its delivery, is settled in a statement of its own.
#[tokio::test]
async fn what_goes_alone_takes_its_delivery_along_unless_it_is_late() {
    let Some(url) = database().await else { return };
    let (first, second) = (Store::open(&url), Store::open(&url));
    for key in ["done", "late", "skipped"] {
        send(&first, key).await.unwrap();
    }
    let engine = second.engine();
    let entries = engine.list(&Filter::default(), None, 10).await.unwrap();
    let id = |of: &str| entries.iter().find(|entry| entry.key.as_deref() == Some(of)).unwrap().id;
    let (done, skipped) = (id("done"), id("skipped"));
    let late = claim(&first, 10, MOMENT).await.items;
    let mut young = Vec::new();
    until("the leases end", async || {
        young.extend(claim(&second, 10, MINUTE).await.items);
        young.len() == 3
    })
    .await;
    // MDSS has the one, whoever holds it; that the others are not wanted is for whoever holds them to say.
    let outcome = |item: &mdss_relay_spool::seam::Claimed| match item.ticket.id() {
        of if of == done => Outcome::Accepted,
        _ => Outcome::Skipped,
    };
    assert_eq!(settle(&first, late, outcome).await.fenced, 2);
    let deliveries = "SELECT count(*) FROM mdss_relay.delivery";
    assert_eq!(postgres_rig::ask(&url, deliveries).await.unwrap(), ["2"]);
    assert_eq!(postgres_rig::ask(&url, "SELECT count(*) FROM mdss_relay.done").await.unwrap(), ["1"]);
    let holds: Vec<_> = young.into_iter().filter(|item| item.ticket.id() == skipped).collect();
    assert_eq!(settle(&second, holds, outcome).await.fenced, 0);
    assert_eq!(postgres_rig::ask(&url, deliveries).await.unwrap(), ["1"]);
    assert_eq!(postgres_rig::ask(&url, "SELECT count(*) FROM mdss_relay.done").await.unwrap(), ["1"]);
}

/// What an operator purges is what he has looked for: an item that somebody else has made due meanwhile is none of it any more.
#[tokio::test]
async fn a_purge_leaves_what_was_retried_between_its_look_and_its_deletion() {
    let Some(url) = database().await else { return };
    let store = Store::open(&url);
    for key in ["stays parked", "is retried"] {
        send(&store, key).await.unwrap();
    }
    let parked = |_: &_| Outcome::Parked { reason: "mdss_refused", detail: String::new(), attempted: true };
    settle(&store, claim(&store, 10, MINUTE).await.items, parked).await;
    let other = postgres_rig::client(&url).await.unwrap();
    let retried = "BEGIN; UPDATE mdss_relay.item SET state = 0, not_before = now() WHERE key = 'is retried'";
    other.batch_execute(retried).await.unwrap();
    let desk = desk(&url);
    let purge = tokio::spawn(async move {
        desk.purge(&Filter { state: Some(State::Parked), ..Filter::default() }, None).await
    });
    until("the purge waits for it", async || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        postgres_rig::ask(&url, waits).await.unwrap() != ["0"]
    })
    .await;
    other.batch_execute("COMMIT").await.unwrap();
    let purged = purge.await.unwrap().unwrap();
    assert_eq!(
        purged.entries.iter().map(|entry| entry.key.as_deref()).collect::<Vec<_>>(),
        [Some("stays parked")]
    );
    let left = "SELECT key FROM mdss_relay.item";
    assert_eq!(postgres_rig::ask(&url, left).await.unwrap(), ["is retried"]);
}
