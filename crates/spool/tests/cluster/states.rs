//! What each SQLSTATE does, by a server that answers with it: a trigger stands in for what cannot be brought about.

use std::sync::Arc;
use std::time::Duration;

use mdss_relay_spool::seam::{Outcome, Settlement};
use mdss_relay_spool::{Filter, TroubleKind};

use crate::common::*;
use crate::store::{Store, again, claim, send, settle};

/// A database whose items cannot be stored, as a function says; what raises may look at `NEW` and at the sequence `times`.
struct Failing {
    url: String,
    store: Store,
}

impl Failing {
    async fn new() -> Option<Self> {
        let server = postgres_rig::shared().unwrap()?;
        let url = server.database().await.unwrap();
        let store = Store::open(&url);
        // It makes its tables.
        assert_eq!(send(&store, "first").await.unwrap(), "spooled:-");
        Some(Self { url, store })
    }

    /// From now on an insert does this.
    async fn raise(&self, body: &str) {
        let sql = format!(
            "DROP TRIGGER IF EXISTS raise ON mdss_relay.item; DROP SEQUENCE IF EXISTS times; CREATE SEQUENCE times;
             CREATE OR REPLACE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
             CREATE TRIGGER raise BEFORE INSERT ON mdss_relay.item FOR EACH ROW EXECUTE FUNCTION raise()"
        );
        postgres_rig::ask(&self.url, &sql).await.unwrap();
    }

    async fn mend(&self) {
        postgres_rig::ask(&self.url, "DROP TRIGGER raise ON mdss_relay.item").await.unwrap();
    }

    /// From now on what comes of items cannot be written: the statement on a table does this.
    async fn refuse(&self, what: &str, table: &str, body: &str) {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN {body} IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$;
             CREATE TRIGGER refuse BEFORE {what} ON mdss_relay.{table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        );
        postgres_rig::ask(&self.url, &sql).await.unwrap();
    }

    async fn allow(&self, table: &str) {
        postgres_rig::ask(&self.url, &format!("DROP TRIGGER refuse ON mdss_relay.{table}")).await.unwrap();
    }

    /// These events are stored, and all that are there are held, in settlements with a fact each.
    async fn held(&self, keys: &[String], outcome: Outcome) -> Arc<[Settlement]> {
        for key in keys {
            until("it is stored", async || send(&self.store, key).await.is_ok()).await;
        }
        let (mut held, want) = (Vec::new(), usize::try_from(items(&self.store).await).unwrap());
        until("all are claimed", async || {
            let items = claim(&self.store, want, LEASE).await.items;
            held.extend(items.into_iter().map(|item| item.ticket));
            held.len() == want
        })
        .await;
        let settlement = |(n, ticket)| Settlement {
            ticket,
            outcome: outcome.clone(),
            fact: Some(format!("\"fact {n}\"")),
        };
        held.into_iter().enumerate().map(settlement).collect::<Vec<_>>().into()
    }

    async fn ask(&self, sql: &str) -> Vec<String> {
        postgres_rig::ask(&self.url, sql).await.unwrap()
    }
}

/// Short, because tests wait for its end.
const LEASE: Duration = Duration::from_secs(3);

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| if n == 7 { "poison".into() } else { format!("k{n}") }).collect()
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_by_its_kind_and_stored_when_it_can_be() {
    use TroubleKind::{Damaged, Foreign, Internal, Locked, Unreachable, Unwritable};
    let Some(failing) = Failing::new().await else { return };
    for (n, (state, kind)) in [
        ("40001", Locked),
        ("55P03", Locked),
        ("22021", Internal),
        ("53100", Unwritable),
        ("53200", Unwritable),
        ("25006", Unreachable),
        ("57P01", Unreachable),
        ("08006", Unreachable),
        ("57014", Unreachable),
        ("42P01", Foreign),
        ("42703", Foreign),
        ("42501", Unwritable),
        ("0A000", Internal),
        ("XX001", Damaged),
        ("XX000", Internal),
    ]
    .into_iter()
    .enumerate()
    {
        failing.raise(&format!("RAISE EXCEPTION 'no' USING ERRCODE = '{state}';")).await;
        let key = format!("k{n}");
        let trouble = send(&failing.store, &key).await.unwrap_err();
        assert_eq!(trouble.kind, kind, "{state}: {trouble}");
        assert!(trouble.detail.contains(state), "{state}: {trouble}");
        failing.mend().await;
        // The connection is the old one, or a new one.
        until("it is stored", async || {
            send(&failing.store, &key).await.is_ok_and(|heard| heard == "spooled:-")
        })
        .await;
    }
}

#[tokio::test]
async fn two_transactions_that_meet_are_tried_again_at_once() {
    let Some(failing) = Failing::new().await else { return };
    for (state, stored) in [("40001", true), ("40P01", true)] {
        failing
            .raise(&format!(
                "IF nextval('times') <= 2 THEN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END IF;"
            ))
            .await;
        assert_eq!(send(&failing.store, state).await.is_ok(), stored, "{state}");
    }
}

/// One poisoned record does not take its neighbours along.
#[tokio::test]
async fn of_a_group_only_the_culprit_is_refused() {
    let Some(failing) = Failing::new().await else { return };
    for state in ["22021", "23514", "55P03"] {
        failing
            .raise(&format!(
                "PERFORM pg_sleep(0.02); IF NEW.key = 'poison' THEN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END IF;"
            ))
            .await;
        let keys: Vec<String> =
            (0..20).map(|n| if n == 7 { "poison".into() } else { format!("{state}-{n}") }).collect();
        let heard = futures_util::future::join_all(keys.iter().map(|key| send(&failing.store, key))).await;
        for (key, heard) in keys.iter().zip(heard) {
            assert_eq!(heard.is_ok(), key != "poison", "{state} {key}: {heard:?}");
        }
    }
}

/// After the failover of an asynchronous standby a sequence may go back.
#[tokio::test]
async fn a_number_that_was_given_out_twice_is_neither_a_duplicate_nor_an_outcome_for_another_item() {
    let Some(failing) = Failing::new().await else { return };
    let Failing { url, store } = failing;
    let held = claim(&store, 1, Duration::from_secs(60)).await.items;
    store.close();
    postgres_rig::ask(&url, "ALTER SEQUENCE mdss_relay.ids RESTART").await.unwrap();
    let store = Store::open(&url);
    assert_eq!(send(&store, "second").await.unwrap(), "spooled:-");
    assert_eq!(items(&store).await, 2);
    // The first item and its number are lost, and the number is given to another one.
    let id = held[0].ticket.id();
    let sql =
        format!("DELETE FROM mdss_relay.item WHERE id = {0}; UPDATE mdss_relay.item SET id = {0}", id.get());
    postgres_rig::ask(&url, &sql).await.unwrap();
    settle(&store, held, |_| Outcome::Accepted).await;
    let left = store.engine().list(&Filter::default(), None, 10).await.unwrap();
    assert_eq!((left.len(), left[0].key.as_deref()), (1, Some("second")));
}

/// There is no room for marks: what MDSS has accepted goes all the same, else nothing ever would.
#[tokio::test]
async fn a_full_disk_is_settled_without_marks() {
    let Some(failing) = Failing::new().await else { return };
    let sql = "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$;
               CREATE TRIGGER full BEFORE INSERT ON mdss_relay.done FOR EACH ROW EXECUTE FUNCTION full()";
    postgres_rig::ask(
        &failing.url,
        &sql.replace("full()", "no_room()").replace("TRIGGER full", "TRIGGER no_room"),
    )
    .await
    .unwrap();
    let items = claim(&failing.store, 1, Duration::from_secs(60)).await.items;
    settle(&failing.store, items, |_| Outcome::Accepted).await;
    assert!(empty(&failing.store).await);
}

/// There is no room for a row that is written anew: what is put off, or inherits the bytes of one that goes. What goes makes room, so nothing may keep it.
#[tokio::test]
async fn on_a_full_disk_what_is_put_off_keeps_nothing_from_going() {
    let Some(failing) = Failing::new().await else { return };
    // Three of one delivery, and one alone besides the first.
    let three = ["a", "b", "c"].map(|key| record("b", key, Some("01")));
    accept(&failing.store, &routed(), delivery(&three)).await.unwrap();
    assert_eq!(send(&failing.store, "alone").await.unwrap(), "spooled:-");
    let full = "IF NEW.not_before <> OLD.not_before OR NEW.bytes <> OLD.bytes OR NEW.state <> OLD.state THEN
                    RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END IF;";
    failing.refuse("UPDATE", "item", full).await;
    let items = claim(&failing.store, 10, LEASE).await.items;
    assert_eq!(items.len(), 5);
    let n = std::cell::Cell::new(0);
    // The first, one of the three: they go; the others stay.
    let outcome = |_: &mdss_relay_spool::seam::Claimed| {
        n.set(n.get() + 1);
        match n.get() {
            1 | 2 => Outcome::Accepted,
            3 => Outcome::Parked { reason: "mdss_refused", detail: String::new(), attempted: true },
            _ => again(Duration::from_secs(600)),
        }
    };
    settle(&failing.store, items, outcome).await;
    assert_eq!(failing.ask("SELECT key FROM mdss_relay.item ORDER BY key").await, ["alone", "b", "c"]);
    // They come again with their leases' end, and go when they can.
    let mut back = Vec::new();
    until("they are claimed again", async || {
        back.extend(claim(&failing.store, 10, LEASE).await.items);
        back.len() == 3
    })
    .await;
    settle(&failing.store, back, |_| Outcome::Accepted).await;
    assert!(empty(&failing.store).await);
}

/// A breaker that cannot be told of must not take the requests away that would close it.
#[tokio::test]
async fn on_a_full_disk_requests_are_granted_although_no_breaker_can_be_written() {
    let Some(failing) = Failing::new().await else { return };
    let ask = mdss_relay_spool::seam::Ask { wish: 5, most: 100, open: vec![(String::new(), "x".into())] };
    failing.refuse("INSERT", "breaker", "RAISE EXCEPTION 'no' USING ERRCODE = '53100';").await;
    let engine = failing.store.engine();
    assert_eq!(engine.share(ask.clone()).await.unwrap().unwrap().tokens, 1, "the first one");
    failing.allow("breaker").await;
    let held = "SELECT holder IS NOT NULL FROM mdss_relay.breaker";
    assert!(failing.ask(held).await.is_empty());
    engine.share(ask.clone()).await.unwrap();
    assert_eq!(failing.ask(held).await, ["t"]);
    // What could not be taken back is taken back later.
    failing.refuse("DELETE", "breaker", "RAISE EXCEPTION 'no' USING ERRCODE = '53100';").await;
    let closed = mdss_relay_spool::seam::Ask { open: Vec::new(), ..ask };
    engine.share(closed.clone()).await.unwrap();
    failing.allow("breaker").await;
    engine.share(closed).await.unwrap();
    assert!(failing.ask(held).await.is_empty());
}

/// Nothing is forgotten of a batch that cannot be written: it is the same when it is written again.
#[tokio::test]
async fn what_came_of_items_is_written_when_it_can_be() {
    use TroubleKind::{Damaged, Foreign, Internal, Locked, Unreachable, Unwritable};
    let Some(failing) = Failing::new().await else { return };
    for (n, (state, kind)) in [
        ("40001", Locked),
        // Somebody holds a row: none of the others is at fault, and whoever asks for each waits for each.
        ("55P03", Locked),
        ("53100", Unwritable),
        ("53200", Unwritable),
        // Of a server that gives no numbers to transactions any more.
        ("54000", Unwritable),
        ("25006", Unreachable),
        ("57P01", Unreachable),
        ("57014", Unreachable),
        ("42P01", Foreign),
        ("42501", Unwritable),
        ("XX001", Damaged),
        ("XX000", Internal),
    ]
    .into_iter()
    .enumerate()
    {
        let batch = failing.held(&[0, 1, 2].map(|k| format!("{n}.{k}")), Outcome::Accepted).await;
        failing.refuse("DELETE", "item", &format!("RAISE EXCEPTION 'no' USING ERRCODE = '{state}';")).await;
        let trouble = failing.store.engine().settle(Arc::clone(&batch)).await.unwrap_err();
        assert_eq!(trouble.kind, kind, "{state}: {trouble}");
        assert!(trouble.detail.contains(state), "{state}: {trouble}");
        assert_eq!(items(&failing.store).await, batch.len() as u64, "{state}");
        failing.allow("item").await;
        until("it is written", async || failing.store.engine().settle(Arc::clone(&batch)).await.is_ok())
            .await;
        assert!(empty(&failing.store).await, "{state}");
        assert_eq!(
            failing.ask("DELETE FROM mdss_relay.outbox RETURNING 1").await.len(),
            batch.len(),
            "{state}"
        );
    }
}

/// An outcome that the server refuses for what it is keeps no other from being written, and is heard of again.
#[tokio::test]
async fn of_outcomes_only_the_culprit_waits_for_the_end_of_its_lease() {
    let Some(failing) = Failing::new().await else { return };
    let put_off = again(Duration::from_secs(600));
    for (state, what, outcome, left) in [
        ("22021", "DELETE", Outcome::Accepted, 1),
        ("23514", "UPDATE", put_off, 12),
        ("22003", "DELETE", Outcome::Accepted, 1),
    ] {
        failing.ask("DELETE FROM mdss_relay.item; DELETE FROM mdss_relay.delivery; DELETE FROM mdss_relay.outbox; DELETE FROM mdss_relay.done").await;
        assert_eq!(send(&failing.store, "first").await.unwrap(), "spooled:-");
        let batch = failing.held(&keys(11), outcome).await;
        // A claim writes no attempt.
        let attempt = if what == "UPDATE" { "AND NEW.attempts > OLD.attempts" } else { "" };
        let body = format!(
            "IF OLD.key = 'poison' {attempt} THEN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END IF;"
        );
        failing.refuse(what, "item", &body).await;
        failing.store.engine().settle(batch).await.unwrap();
        assert_eq!(items(&failing.store).await, left, "{state}");
        let untouched = "SELECT key FROM mdss_relay.item WHERE claim IS NOT NULL";
        assert_eq!(failing.ask(untouched).await, ["poison"], "{state}");
        assert_eq!(failing.ask("SELECT id FROM mdss_relay.outbox").await.len(), 11, "{state}");
        failing.allow("item").await;
        until("it is given out again", async || claim(&failing.store, 20, LEASE).await.items.len() == 1)
            .await;
    }
}

/// A fact that cannot be written costs neither its neighbours nor its item anything: the ledger is told that one is missing.
#[tokio::test]
async fn a_fact_that_the_server_refuses_is_counted_as_lost_and_its_item_goes() {
    let Some(failing) = Failing::new().await else { return };
    let batch = failing.held(&keys(11), Outcome::Accepted).await;
    let body = "IF NEW.body LIKE '%fact 4%' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22P05'; END IF;";
    failing.refuse("INSERT", "outbox", body).await;
    failing.store.engine().settle(batch).await.unwrap();
    assert!(empty(&failing.store).await);
    assert_eq!(failing.ask("SELECT id FROM mdss_relay.outbox").await.len(), 11);
    assert_eq!(failing.ask("SELECT lost FROM mdss_relay.outbox_state").await, ["1"]);
}
