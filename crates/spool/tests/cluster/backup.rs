//! What a backup of the database is good for: the events that waited at its moment come back and are sent, and no others.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::Relay;
use mdss_relay_spool::Filter;
use mdss_relay_spool::seam::Outcome;
use postgres_rig::Server;

use crate::common::*;
use crate::store::{Store, claim, desk, settle};

const EACH: usize = 25;

/// A store, and the keys that wait in it.
struct Life {
    url: String,
    store: Store,
    relay: Arc<Relay>,
}

impl Life {
    async fn new(url: &str) -> Self {
        let store = Store::open(url);
        until("the tables are there", async || store.ready().await.is_ok()).await;
        Self { url: url.to_owned(), store, relay: relay(NOWHERE, &[]) }
    }

    async fn keep(&self, keys: &BTreeSet<String>) {
        for key in keys {
            keep(&self.store, &self.relay, key).await;
        }
    }

    /// MDSS accepts some of them.
    async fn sent(&self, most: usize) {
        let items = claim(&self.store, most, Duration::from_secs(60)).await.items;
        assert_eq!(items.len(), most);
        settle(&self.store, items, |_| Outcome::Accepted).await;
    }

    async fn waiting(&self) -> BTreeSet<String> {
        let listed = self.store.engine().list(&Filter::default(), None, 10 * EACH).await.unwrap();
        listed.into_iter().filter_map(|entry| entry.key).collect()
    }
}

fn keys(name: &str) -> BTreeSet<String> {
    (0..EACH).map(|n| format!("{name}-{n} \u{1F4F7}")).collect()
}

/// What happened before the moment that is gone back to.
async fn before(life: &Life) -> BTreeSet<String> {
    life.keep(&keys("early")).await;
    life.sent(5).await;
    life.waiting().await
}

/// And what after it: more came, all of it was accepted but some, and an operator has purged what he should not have.
async fn after(life: &Life) {
    life.keep(&keys("late")).await;
    life.sent(30).await;
    let filter = Filter::default();
    let mut next = None;
    loop {
        next = desk(&life.url).purge(&filter, next).await.unwrap().next;
        if next.is_none() {
            break;
        }
    }
    assert!(life.waiting().await.is_empty());
}

/// What waited at that moment is sent, once each, and nothing else; what MDSS had accepted before is still known.
async fn restored(url: &str, waited: &BTreeSet<String>) {
    let (sim, store) = (sim().await, Store::open(url));
    let relay = relay_for(&sim, &[]);
    until("the tables are read", async || store.ready().await.is_ok()).await;
    let worker = Running::start(&store, &relay);
    until("all of it is sent", async || empty(&store).await).await;
    worker.stop().await;
    let sent = accepted(&sim);
    assert_eq!(sent.keys().cloned().collect::<BTreeSet<_>>(), *waited);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    // New numbers begin above the old ones.
    keep(&store, &relay, "new").await;
    assert_eq!(items(&store).await, 1);
}

/// As docs/operation.md says: a dump, a new database, and the dump in it.
#[tokio::test]
async fn a_dump_that_is_restored_into_a_new_database_has_what_waited_then() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let life = Life::new(&url).await;
    let waited = before(&life).await;
    assert_eq!(waited.len(), EACH - 5);
    let dir = tempfile::tempdir().unwrap();
    let dump = std::fs::File::create(dir.path().join("relay.dump")).unwrap();
    run(binaries
        .command("pg_dump")
        .args(["--format=custom", "--dbname", &server.admin_url(&name)])
        .stdout(dump));
    after(&life).await;
    let new = format!("{name}_restored");
    server.named_database(&new).await.unwrap();
    let dump = std::fs::File::open(dir.path().join("relay.dump")).unwrap();
    run(binaries
        .command("pg_restore")
        .args(["--exit-on-error", "--single-transaction", "--no-owner", "--role", "relay"])
        .args(["--dbname", &server.admin_url(&new)])
        .stdin(dump));
    restored(&server.url(&new), &waited).await;
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A base backup, and the log that was archived after it: any moment that it reaches.
#[tokio::test]
async fn a_base_backup_and_the_log_after_it_give_a_moment_back() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let archive = tempfile::tempdir().unwrap();
    // The server runs as another user than the tests, where these run as root.
    std::fs::set_permissions(archive.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let server = Server::setup(&binaries)
        .setting("archive_mode", "on")
        .setting("archive_command", &format!("cp %p {}/%f", archive.path().display()))
        .start()
        .unwrap();
    let url = server.database().await.unwrap();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let life = Life::new(&url).await;
    // A copy that does not follow any more is a backup.
    let mut copy = server.standby("copy").unwrap();
    let recover = format!("cp {}/%f %p", archive.path().display());
    for (setting, value) in [
        ("archive_mode", "off"),
        ("restore_command", recover.as_str()),
        ("recovery_target_name", "before"),
        ("recovery_target_action", "promote"),
    ] {
        copy.set(setting, value).unwrap();
    }
    copy.stop().unwrap();
    let waited = before(&life).await;
    server.ask("SELECT pg_create_restore_point('before')").await.unwrap();
    after(&life).await;
    let last = server.ask("SELECT pg_walfile_name(pg_switch_wal())").await.unwrap().remove(0);
    until("the log is archived", async || archive.path().join(&last).exists()).await;
    let signal = |name: &str| copy.data().join(name);
    std::fs::rename(signal("standby.signal"), signal("recovery.signal")).unwrap();
    copy.start().unwrap();
    until("the moment is reached", async || {
        copy.ask("SELECT pg_is_in_recovery()").await.is_ok_and(|rows| rows == ["f"])
    })
    .await;
    restored(&copy.url(&name), &waited).await;
}
