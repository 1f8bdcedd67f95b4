//! What "done" is worth: each way in which a database says it although the event may be lost with its server. With a real standby.

use std::time::Duration;

use mdss_relay_spool::{Database, Trouble, TroubleKind};
use postgres_rig::Server;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::common::*;
use crate::store::{Store, send};

/// A primary whose commits wait for its standby, and a database of it.
struct Pair {
    primary: Server,
    standby: Server,
    name: String,
}

impl Pair {
    async fn start() -> Option<Self> {
        let binaries = postgres_rig::binaries().unwrap()?;
        let mut primary = Server::setup(&binaries).fsync(true).start().unwrap();
        let standby = primary.standby("second").unwrap();
        primary.set("synchronous_standby_names", "second").unwrap();
        primary.followed("second", true).await.unwrap();
        let url = primary.database().await.unwrap();
        let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
        Some(Self { primary, standby, name })
    }

    /// Both servers: whoever takes writes is used.
    fn url(&self) -> String {
        let (a, b) = (self.primary.port(), self.standby.port());
        format!("postgres://relay@127.0.0.1:{a},127.0.0.1:{b}/{}?sslmode=disable", self.name)
    }

    fn store(&self) -> Store {
        Store::of(Database::of_url(&self.url()).unwrap())
    }

    /// Sends one while the standby is away, and waits until its commit waits.
    async fn send(&self, store: &Store, key: &'static str) -> JoinHandle<Result<String, Trouble>> {
        let spool = (**store).clone();
        let sent = tokio::spawn(async move { send(&spool, key).await });
        until("the commit waits", async || !self.waiting().await.is_empty()).await;
        sent
    }

    /// Who waits for the standby.
    async fn waiting(&self) -> Vec<String> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        self.primary.ask(sql).await.unwrap()
    }

    async fn tell(&self, function: &str) {
        let sql = format!("SELECT {function}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        self.primary.ask(&sql).await.unwrap();
    }

    /// The keys that are there.
    async fn keys(server: &Server, name: &str) -> Vec<String> {
        let sql = "SELECT key FROM mdss_relay.item ORDER BY key";
        postgres_rig::ask(&server.admin_url(name), sql).await.unwrap()
    }
}

#[tokio::test]
async fn a_wait_that_somebody_ends_is_no_acknowledgement() {
    let Some(mut pair) = Pair::start().await else { return };
    let store = pair.store();
    assert_eq!(send(&store, "before").await.unwrap(), "spooled:-");
    store.ready().await.unwrap();
    pair.standby.stop().unwrap();
    // The server says "ok" with a warning; it says goodbye; it says "ok" and nothing else.
    for (key, function, kind) in [
        ("cancelled", Some("pg_cancel_backend"), TroubleKind::Unsafe),
        ("terminated", Some("pg_terminate_backend"), TroubleKind::Unreachable),
        ("without names", None, TroubleKind::Unsafe),
    ] {
        let sent = pair.send(&store, key).await;
        match function {
            Some(function) => pair.tell(function).await,
            None => pair.primary.set("synchronous_standby_names", "").unwrap(),
        }
        let trouble = sent.await.unwrap().unwrap_err();
        assert_eq!(trouble.kind, kind, "{key}: {trouble}");
    }
    // All three are there, and on the primary alone.
    assert_eq!(Pair::keys(&pair.primary, &pair.name).await.len(), 4);
    assert_eq!(store.engine().sharing().await.unwrap().unknown, 3);
    // Without names nothing is acknowledged any more, and the standing says why.
    until("it is refused", async || {
        send(&store, "refused").await.is_err_and(|trouble| trouble.kind == TroubleKind::Unsafe)
    })
    .await;
    until("it is known", async || store.engine().standing().is_some_and(|s| s.holds().is_err())).await;
    assert!(store.ready().await.is_err());
    // The names are back, and the standby with them.
    pair.primary.set("synchronous_standby_names", "second").unwrap();
    pair.standby.start().unwrap();
    until("it is stored", async || send(&store, "after").await.is_ok()).await;
}

/// The row is visible on the primary, and a repetition finds it. It must wait for the standby like the first one.
#[tokio::test]
async fn a_repetition_is_not_done_before_what_it_repeats_is_safe() {
    let Some(mut pair) = Pair::start().await else { return };
    let store = pair.store();
    send(&store, "before").await.unwrap();
    pair.standby.stop().unwrap();
    let sent = pair.send(&store, "trap").await;
    pair.tell("pg_terminate_backend").await;
    assert!(sent.await.unwrap().is_err());
    assert_eq!(Pair::keys(&pair.primary, &pair.name).await, ["before", "trap"]);
    // No answer, and certainly none that says "duplicate".
    for _ in 0..2 {
        let heard = timeout(Duration::from_secs(1), send(&store, "trap")).await;
        assert!(heard.is_err(), "{heard:?}");
    }
    pair.primary.kill().unwrap();
    pair.standby.start().unwrap();
    pair.standby.promote().await.unwrap();
    pair.standby.set("synchronous_standby_names", "").unwrap();
    // The sender comes again, and the event was not lost by being taken for a repetition.
    assert_eq!(Pair::keys(&pair.standby, &pair.name).await, ["before"]);
    let server = Database::of_url(&pair.url()).unwrap().durable(mdss_relay_spool::Durability::Server);
    let after = Store::of(server);
    until("it is stored", async || send(&after, "trap").await.is_ok_and(|heard| heard == "spooled:-")).await;
    assert_eq!(send(&after, "before").await.unwrap(), "skipped:duplicate");
}

/// A commit that waits for the standby does not notice that its client has gone. While the standby is away, for however long, a relay must not take one
/// connection after the other from everybody else on that server.
#[tokio::test]
async fn while_the_standby_is_away_a_relay_keeps_to_its_connections() {
    let Some(mut pair) = Pair::start().await else { return };
    let store = pair.store();
    send(&store, "before").await.unwrap();
    pair.standby.stop().unwrap();
    let mine = "SELECT pid FROM pg_stat_activity WHERE usename = 'relay' AND datname IS NOT NULL";
    let before = pair.primary.ask(mine).await.unwrap().len();
    let (until_then, mut most) = (tokio::time::Instant::now() + Duration::from_secs(45), 0);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let spool = (*store).clone();
            tokio::spawn(async move {
                for n in 0.. {
                    if tokio::time::Instant::now() >= until_then {
                        break;
                    }
                    let heard = send(&spool, &format!("{sender}-{n}")).await;
                    assert!(heard.is_err(), "{heard:?}");
                }
            })
        })
        .collect();
    while tokio::time::Instant::now() < until_then {
        tokio::time::sleep(Duration::from_millis(500)).await;
        most = most.max(pair.primary.ask(mine).await.unwrap().len());
    }
    for sender in senders {
        sender.await.unwrap();
    }
    // Not all of the six were needed before; and one that is being given up may be there beside the one that takes its place.
    assert!(most <= before.max(6) + 2, "{most} connections after {before}");
    pair.standby.start().unwrap();
    until("it is stored", async || send(&store, "after").await.is_ok()).await;
}

/// A role's setting must not weaken the commit of an event.
#[tokio::test]
async fn a_session_that_waits_for_nobody_waits_for_the_standby_all_the_same() {
    let Some(mut pair) = Pair::start().await else { return };
    pair.primary.ask("ALTER ROLE relay SET synchronous_commit = off").await.unwrap();
    let store = pair.store();
    assert_eq!(send(&store, "before").await.unwrap(), "spooled:-");
    assert_eq!(store.engine().standing().unwrap().synchronous_commit, "off");
    pair.standby.stop().unwrap();
    let heard = timeout(Duration::from_secs(1), send(&store, "waits")).await;
    assert!(heard.is_err(), "{heard:?}");
    // What is there is settled meanwhile, and the standby need not be there for it.
    let claims = crate::store::claim(&store, 10, Duration::from_secs(60)).await.items;
    let settled = crate::store::settle(&store, claims, |_| mdss_relay_spool::seam::Outcome::Accepted);
    timeout(Duration::from_secs(5), settled).await.unwrap();
}

/// What is between the spool and the ledger holds one row, for which settlements wait where there is no room: it must not wait for the standby itself.
#[tokio::test]
async fn what_goes_to_the_ledger_does_not_wait_for_the_standby() {
    let Some(mut pair) = Pair::start().await else { return };
    let store = pair.store();
    store.engine().outbox_keep(Some(1 << 20)).await.unwrap();
    for key in ["a", "b"] {
        send(&store, key).await.unwrap();
    }
    let claims = crate::store::claim(&store, 10, Duration::from_secs(60)).await.items;
    let told = |item: mdss_relay_spool::seam::Claimed| mdss_relay_spool::seam::Settlement {
        ticket: item.ticket,
        outcome: mdss_relay_spool::seam::Outcome::Accepted,
        fact: Some("{}".to_owned()),
    };
    store.engine().settle(claims.into_iter().map(told).collect::<Vec<_>>().into()).await.unwrap();
    pair.standby.stop().unwrap();
    let work = async {
        let rows = store.engine().outbox_take(10).await.unwrap();
        assert_eq!(rows.len(), 2);
        store.engine().outbox_drop(rows.iter().map(|row| row.id).collect()).await.unwrap();
        // What was lost becomes a fact.
        let lost = "UPDATE mdss_relay.outbox_state SET lost = 3, lost_from = now(), lost_to = now()";
        let lost = format!("SET synchronous_commit = local; {lost}");
        postgres_rig::ask(&pair.primary.admin_url(&pair.name), &lost).await.unwrap();
        store.engine().outbox_drop(Vec::new()).await.unwrap();
        assert_eq!(store.engine().outbox_take(10).await.unwrap().len(), 1);
        store.engine().outbox_keep(None).await.unwrap();
    };
    timeout(Duration::from_secs(5), work).await.unwrap();
    let waits = pair.waiting().await;
    assert!(waits.is_empty(), "{waits:?}");
    // The row is nobody's when it goes.
    store.close();
    assert!(pair.waiting().await.is_empty());
}

/// The primary is killed while events come in, and its standby takes its place.
#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_with_the_primary() {
    let Some(mut pair) = Pair::start().await else { return };
    let store = pair.store();
    send(&store, "first").await.unwrap();
    let spool = (*store).clone();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (spool, stopped) = (spool.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0.. {
                    let key = format!("{sender}-{n}");
                    match send(&spool, &key).await {
                        Ok(_) => done.push(key),
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                    if *stopped.borrow() {
                        return done;
                    }
                }
                done
            })
        })
        .collect();
    let count = async |server: &Server| Pair::keys(server, &pair.name).await.len();
    until("events come in", async || count(&pair.primary).await > 100).await;
    pair.primary.kill().unwrap();
    pair.standby.promote().await.unwrap();
    // A new standby is not the point here.
    let standing = Pair::keys(&pair.standby, &pair.name).await;
    stop.send(true).unwrap();
    let _ = stopped.changed().await;
    for sender in senders {
        for key in sender.await.unwrap() {
            assert!(standing.contains(&key), "{key} was acknowledged and is not there");
        }
    }
}
