//! What each SQLSTATE does, by a server that answers with it: a trigger stands in for what cannot be brought about.

use mdss_relay_spool::seam::Outcome;
use mdss_relay_spool::{Filter, TroubleKind};

use crate::common::*;
use crate::store::{Store, claim, send, settle};

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
    let held = claim(&store, 1, std::time::Duration::from_secs(60)).await.items;
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
    let items = claim(&failing.store, 1, std::time::Duration::from_secs(60)).await.items;
    settle(&failing.store, items, |_| Outcome::Accepted).await;
    assert!(empty(&failing.store).await);
}
