//! What stands around the tables: TLS, poolers, other versions, what is refused.

use std::time::{Duration, Instant};

use mdss_relay_spool::seam::{Outcome, Want};
use mdss_relay_spool::{Database, Durability, Filter, TroubleKind, tables};
use postgres_rig::{Pooler, Server, wrong_clock};

use crate::common::*;
use crate::store::{Store, again, claim, desk, send, settle};

#[tokio::test]
async fn a_pooler_in_transaction_mode_may_stand_in_between() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let Some(pooler) = Pooler::start(&binaries, server).unwrap() else { return };
    let store = Store::open(&pooler.url(name));
    let sends = (0..200).map(async |n| send(&store, &format!("k{n}")).await);
    assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
    for _ in 0..20 {
        let items = claim(&store, 20, Duration::from_secs(60)).await.items;
        settle(&store, items, |_| Outcome::Accepted).await;
    }
    assert!(empty(&store).await);
    store.ready().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_keep_what_is_asked_of_it_is_refused_and_says_why() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let store = Store::of(Database::of_url(&url).unwrap());
    let trouble = send(&store, "k").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unsafe);
    assert!(trouble.detail.contains("synchronous_standby_names is empty"), "{trouble}");
    assert_eq!(store.ready().await.unwrap_err().kind, TroubleKind::Unsafe);
    let standing = tables::examine(&Database::of_url(&url).unwrap()).await.unwrap().standing;
    assert!(standing.holds().is_err() && !standing.fsync && standing.server >= 140_000);
    let knowingly = Database::of_url(&url).unwrap().durable(Durability::Server);
    assert!(tables::examine(&knowingly).await.unwrap().standing.holds().is_ok());
    let knowingly = Store::of(knowingly);
    assert_eq!(send(&knowingly, "k").await.unwrap(), "spooled:-");
}

#[tokio::test]
async fn tables_of_another_version_are_used_as_long_as_they_may_be() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let database = || Database::of_url(&url).unwrap().durable(Durability::Server);
    // Who may not make tables needs somebody who does.
    let store = Store::of(database().migrating(false));
    let trouble = send(&store, "k").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Foreign);
    assert!(trouble.detail.contains("mdss-relay spool migrate"), "{trouble}");
    let found = tables::examine(&database()).await.unwrap();
    assert!(found.standing.tables == 0 && found.may_create && found.missing.is_empty(), "{found:?}");
    let made =
        futures_util::future::join_all((0..4).map(|_| async { tables::migrate(&database()).await.unwrap() }))
            .await;
    assert!(made.iter().all(|(_, after)| *after == tables::NEWEST), "{made:?}");
    until("the tables are there", async || send(&store, "k").await.is_ok()).await;
    // A later relay has added a column, and lets this one go on; then one that does not.
    let later = "ALTER TABLE mdss_relay.item ADD COLUMN colour text; UPDATE mdss_relay.meta SET version = 99";
    postgres_rig::ask(&url, later).await.unwrap();
    let newer = Store::open(&url);
    assert_eq!(send(&newer, "k").await.unwrap(), "skipped:duplicate");
    assert_eq!(claim(&newer, 1, Duration::from_secs(60)).await.items.len(), 1);
    postgres_rig::ask(&url, "UPDATE mdss_relay.meta SET oldest = 99").await.unwrap();
    let trouble = send(&Store::open(&url), "k").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Foreign);
    assert!(desk(&url).stock().await.is_err());
    // By hand, in another database.
    let url = server.database().await.unwrap();
    postgres_rig::ask(&url, &tables::script(0)).await.unwrap();
    let store = Store::of(Database::of_url(&url).unwrap().durable(Durability::Server).migrating(false));
    assert_eq!(send(&store, "k").await.unwrap(), "spooled:-");
}

/// An event, as a relay of the first version has stored it.
const STORED: &str = "INSERT INTO mdss_relay.delivery (id, name, method, headers, body, checksum, items) VALUES (1, 'old', 'POST', '[]', '', 0, 1);
    INSERT INTO mdss_relay.item (id, token, delivery, source, path, lane, state, not_before, bytes) VALUES (2, 3, 1, '', '', 'lane', 0, now(), 512)";

/// In an encoding with few characters there are names that cannot be stored: whoever chooses one would keep his object from being scanned. What a relay
/// before has accepted there is sent all the same.
#[tokio::test]
async fn a_database_that_cannot_keep_every_key_takes_nothing_more_and_says_why() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    for (encoding, takes) in [("LATIN1", false), ("EUC_JP", false), ("SQL_ASCII", true), ("UTF8", true)] {
        let other = format!("{name}_{}", encoding.to_lowercase());
        let made = format!(
            "CREATE DATABASE {other} OWNER relay ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        server.ask(&made).await.unwrap();
        let url = url.replace(name, &other);
        let store = Store::open(&url);
        // Plain names as well: better now than with the first other one.
        for key in ["plain", "\u{1F4F7} caf\u{e9} \u{6f22}"] {
            match send(&store, key).await {
                Ok(heard) => assert!(takes && heard == "spooled:-", "{encoding} {key}: {heard}"),
                Err(trouble) => {
                    assert!(!takes && trouble.kind == TroubleKind::Foreign, "{encoding} {key}: {trouble}");
                    assert!(trouble.detail.contains(encoding), "{trouble}");
                    assert!(trouble.detail.contains("ENCODING 'UTF8'"), "{trouble}");
                }
            }
        }
        if takes {
            let listed = desk(&url).list(&Filter::default(), None, 10).await.unwrap();
            assert_eq!(listed[1].key.as_deref(), Some("\u{1F4F7} caf\u{e9} \u{6f22}"), "{encoding}");
        } else {
            let found = tables::examine(&Database::of_url(&url).unwrap()).await.unwrap();
            let trouble = found.standing.holds().unwrap_err();
            assert!(trouble.detail.contains(encoding), "{trouble}");
            postgres_rig::ask(&url, STORED).await.unwrap();
            assert_eq!(claim(&store, 10, Duration::from_secs(60)).await.items.len(), 1, "{encoding}");
        }
    }
}

/// The first version's tables, with an event in them as its relay has stored it.
#[tokio::test]
async fn a_database_of_the_first_version_is_upgraded() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let first = include_str!("../../src/postgres/1.sql");
    let made = format!(
        "CREATE SCHEMA mdss_relay; {first}; INSERT INTO mdss_relay.meta (version, oldest) VALUES (1, 1)"
    );
    postgres_rig::ask(&url, &made).await.unwrap();
    postgres_rig::ask(&url, STORED).await.unwrap();
    let store = Store::open(&url);
    assert_eq!(send(&store, "k").await.unwrap(), "spooled:-");
    assert_eq!(items(&store).await, 2);
    let found =
        postgres_rig::ask(&url, "SELECT version || ' ' || oldest FROM mdss_relay.meta").await.unwrap();
    assert_eq!(found, [format!("{} 6", tables::NEWEST)], "relays that know no lease may not go on");
    postgres_rig::ask(&url, &STORED.replace("(1,", "(11,").replace("(2, 3, 1,", "(12, 3, 11,"))
        .await
        .unwrap();
    assert_eq!(claim(&store, 10, Duration::from_secs(60)).await.items.len(), 3);
}

/// A plan that was made for few events, and while nothing had been accepted yet, is kept. It must not read all marks for each group later.
#[tokio::test]
async fn the_plan_that_is_kept_reads_no_table_from_end_to_end() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let store = Store::open(&url);
    for n in 0..10 {
        assert_eq!(send(&store, &format!("a{n}")).await.unwrap(), "spooled:-");
    }
    let marks =
        "INSERT INTO mdss_relay.done (mark) SELECT sha256(n::text::bytea) FROM generate_series(1, 1000) n";
    postgres_rig::ask(&url, marks).await.unwrap();
    let sends = (0..100).map(async |n| send(&store, &format!("b{n}")).await);
    assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
    // What a session has counted is seen by others after a second, or when it ends.
    store.close();
    let looked_up =
        "SELECT idx_scan >= 220 FROM pg_stat_user_tables WHERE relid = 'mdss_relay.done'::regclass";
    until("each mark was looked up twice in the index", async || {
        postgres_rig::ask(&url, looked_up).await.unwrap().first().is_some_and(|all| all == "t")
    })
    .await;
}

/// The plans of a claim and of what settles it are kept, whether they were made for few items or for many. They are for any number, and so dear by
/// estimate that the server would merge with a whole index, and compile them.
#[tokio::test]
async fn what_is_claimed_and_settled_is_looked_up_by_number_and_nothing_is_compiled_for_it() {
    const ITEMS: usize = 2000;
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    for few in [true, false] {
        let url = server.database().await.unwrap();
        let filler = Store::open(&url);
        until("the tables are there", async || send(&filler, "first").await.is_ok()).await;
        let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
        // What asks for a function's rows is cheaper than the first of these, and what the function does is dearer.
        let compiled =
            [("jit_above_cost", 1000), ("jit_inline_above_cost", 0), ("jit_optimize_above_cost", 0)]
                .map(|(price, most)| format!("ALTER DATABASE {name} SET {price} = {most};"));
        let alone = "ALTER TABLE mdss_relay.item SET (autovacuum_enabled = off);";
        postgres_rig::ask(&server.admin_url(name), &(compiled.concat() + alone)).await.unwrap();
        // Only its sessions know of the prices.
        let store = Store::open(&url);
        let round = async |most: usize| {
            let begin = Instant::now();
            let items = claim(&store, most, Duration::from_secs(60)).await.items;
            let took = begin.elapsed();
            assert_eq!(items.len(), most);
            settle(&store, items, |_| Outcome::Accepted).await;
            took
        };
        if few {
            round(1).await;
            postgres_rig::ask(&url, "VACUUM ANALYZE mdss_relay.item").await.unwrap();
            send(&filler, "second").await.unwrap();
            round(1).await;
        }
        let keys: Vec<_> = (0..ITEMS).map(|n| format!("k{n}")).collect();
        for some in keys.chunks(500) {
            let sends = some.iter().map(async |key| send(&filler, key).await);
            assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
        }
        if !few {
            postgres_rig::ask(&url, "ANALYZE").await.unwrap();
        }
        let mut quickest = Duration::MAX;
        for _ in 0..5 {
            quickest = quickest.min(round(20).await);
        }
        // Compiled, it takes a second.
        assert!(quickest < Duration::from_millis(100), "a claim took {quickest:?} at least");
        let read =
            "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = 'mdss_relay.item'::regclass";
        store.close();
        let read = async || postgres_rig::ask(&url, read).await.unwrap()[0].parse::<usize>().unwrap();
        // Found, claimed, locked and deleted, a hundred each. What a session has counted is seen when it ends.
        until("the server's own count", async || read().await >= 400).await;
        let read = read().await;
        assert!(read < ITEMS, "{read} entries of indexes were read for 100 items");
    }
}

/// A long transaction keeps what was claimed and settled in the index. A drain must not read past all of it with each claim.
#[tokio::test]
async fn a_long_drain_reads_past_nothing_that_it_has_taken() {
    const CLAIMS: usize = 100;
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let filler = Store::open(&url);
    until("the tables are there", async || send(&filler, "first").await.is_ok()).await;
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let counted = format!(
        "ALTER DATABASE {name} SET track_functions = 'pl'; ALTER TABLE mdss_relay.item SET (autovacuum_enabled = off);"
    );
    postgres_rig::ask(&server.admin_url(name), &counted).await.unwrap();
    let keys: Vec<_> = (1..CLAIMS * 20).map(|n| format!("k{n}")).collect();
    for some in keys.chunks(500) {
        let sends = some.iter().map(async |key| send(&filler, key).await);
        assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
    }
    // Seconds apart, as they are after a long time without MDSS.
    let apart = "UPDATE mdss_relay.item SET not_before = now() - (5000 - o.n) * interval '10 seconds'
                 FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM mdss_relay.item) o WHERE item.id = o.id; VACUUM mdss_relay.item; ANALYZE mdss_relay.item";
    for statement in apart.split(';') {
        postgres_rig::ask(&url, statement).await.unwrap();
    }
    // It holds the oldest, too: so whoever looks for lanes finds this one at its first item.
    let other = postgres_rig::client(&url).await.unwrap();
    other
        .batch_execute("BEGIN; SELECT FROM mdss_relay.item ORDER BY not_before LIMIT 1 FOR UPDATE; DECLARE old CURSOR FOR SELECT FROM mdss_relay.done")
        .await
        .unwrap();
    let store = Store::open(&url);
    for n in 0..CLAIMS {
        let items = claim(&store, 20, Duration::from_secs(60)).await.items;
        assert_eq!(items.len(), if n + 1 < CLAIMS { 20 } else { 19 }, "claim {n}");
        settle(&store, items, |_| Outcome::Accepted).await;
    }
    store.close();
    let read =
        "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelid = 'mdss_relay.item_due'::regclass";
    let looked = "SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = 'lanes'";
    let count = async |sql: &str| postgres_rig::ask(&url, sql).await.unwrap()[0].parse::<usize>().unwrap();
    // What a session has counted is seen when it ends.
    until("the server's own count", async || count(looked).await > 0).await;
    let (read, looked) = (count(read).await, count(looked).await);
    assert!(read < 10 * CLAIMS * 20, "{read} entries of the index were read for {} items", CLAIMS * 20);
    assert!(looked < CLAIMS / 2, "the lanes were looked up {looked} times for {CLAIMS} claims");
    let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'mdss_relay.item'::regclass";
    let (hot, claimed) = (count(hot).await, CLAIMS * 20);
    assert!(hot > claimed * 9 / 10, "{hot} of {claimed} claims left the indexes alone");
}

/// The same where claims bring all there is, which is mostly so: each would read to the end of what was settled.
#[tokio::test]
async fn what_comes_and_goes_at_once_is_not_looked_for_in_all_that_was_settled() {
    const CLAIMS: usize = 100;
    const EACH: usize = 20;
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let filler = Store::open(&url);
    until("the tables are there", async || send(&filler, "first").await.is_ok()).await;
    postgres_rig::ask(&url, "ALTER TABLE mdss_relay.item SET (autovacuum_enabled = off)").await.unwrap();
    // As long as it looks at what was there nothing goes from the index.
    let other = postgres_rig::client(&url).await.unwrap();
    other.batch_execute("BEGIN; DECLARE old CURSOR FOR SELECT FROM mdss_relay.done").await.unwrap();
    let store = Store::open(&url);
    for n in 0..CLAIMS {
        let keys: Vec<_> = (0..EACH).map(|k| format!("{n}.{k}")).collect();
        let sends = keys.iter().map(async |key| send(&filler, key).await);
        assert!(futures_util::future::join_all(sends).await.iter().all(Result::is_ok));
        let items = claim(&store, 10 * EACH, Duration::from_secs(60)).await.items;
        assert_eq!(items.len(), if n == 0 { EACH + 1 } else { EACH }, "claim {n}");
        settle(&store, items, |_| Outcome::Accepted).await;
    }
    store.close();
    let read =
        "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelid = 'mdss_relay.item_due'::regclass";
    let read = async || postgres_rig::ask(&url, read).await.unwrap()[0].parse::<usize>().unwrap();
    // What a session has counted is seen when it ends.
    until("the server's own count", async || read().await >= CLAIMS * EACH).await;
    // To read on to the end is to read half of all on average, with each claim: for the lanes, which a slow machine looks up each time, for the oldest,
    // and for the newest.
    let (read, half) = (read().await, CLAIMS * CLAIMS * EACH / 2);
    assert!(read < half * 9 / 5, "{read} entries of the index were read in {CLAIMS} claims of {EACH}");
}

/// An administrator may bring the tables further than a relay that is connected knows them.
#[tokio::test]
async fn a_relay_that_is_at_work_stops_when_the_tables_are_for_later_ones_and_goes_on_when_they_are_not() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let store = Store::open(&url);
    until("the tables are there", async || send(&store, "key").await.is_ok()).await;
    let set = async |oldest: &str| {
        let sql = format!("UPDATE mdss_relay.meta SET oldest = {oldest}");
        postgres_rig::ask(&url, &sql).await.unwrap();
    };
    let claim = async || store.engine().claim(Want { most: 1, ..Want::default() }).await;
    claim().await.unwrap();
    set("version + 99").await;
    let mut why = None;
    until("the connection that it has is given up", async || {
        why = claim().await.err();
        why.is_some()
    })
    .await;
    for why in [why.unwrap(), send(&store, "late").await.unwrap_err()] {
        assert_eq!(why.kind, TroubleKind::Foreign, "{why:?}");
        assert!(why.detail.contains("are for relays of version"), "{why:?}");
    }
    set("version").await;
    until("it goes on", async || send(&store, "again").await.is_ok()).await;
}

/// What a relay does every second takes each connection, whether it has anything to ask or not. A new one costs its handshakes, and the plans that a session keeps.
#[tokio::test]
async fn a_relay_keeps_its_connections() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let store = Store::open(&url);
    until("the tables are there", async || send(&store, "key").await.is_ok()).await;
    let items = claim(&store, 1, Duration::from_secs(60)).await.items;
    settle(&store, items, |_| Outcome::Accepted).await;
    let connections = async || {
        let sql = "SELECT pid || ' since ' || backend_start FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        postgres_rig::ask(&url, sql).await.unwrap()
    };
    let before = connections().await;
    assert!(before.len() > 2, "{before:?}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after = connections().await;
    let lost: Vec<_> = before.iter().filter(|one| !after.contains(one)).collect();
    assert!(lost.is_empty(), "{lost:?} of {before:?} are {after:?}");
    store.close();
}

/// A server whose clock is an hour ahead, and a database of it.
async fn an_hour_ahead() -> Option<(Server, String)> {
    let binaries = postgres_rig::binaries().unwrap()?;
    let ahead = wrong_clock(3600);
    if !drive::available("faketime", ahead.is_some()).unwrap() {
        return None;
    }
    let mut server = Server::setup(&binaries).fsync(false).start().unwrap();
    server.stop().unwrap();
    server.env(ahead.unwrap());
    server.start().unwrap();
    let url = server.database().await.unwrap();
    Some((server, url))
}

/// From here on it goes right.
fn set_back(server: &mut Server) {
    server.stop().unwrap();
    server.env(Vec::new());
    server.start().unwrap();
}

/// Pauses and leases end at moments of the database's clock. Set back by an hour, it would come to them an hour late.
#[tokio::test]
async fn nothing_waits_or_is_held_for_longer_because_the_databases_clock_has_gone_back() {
    let Some((mut server, url)) = an_hour_ahead().await else { return };
    let store = Store::open(&url);
    for key in ["held", "paused"] {
        until("it is stored", async || send(&store, key).await.is_ok()).await;
    }
    let minute = Duration::from_secs(60);
    let mut items = claim(&store, 2, minute).await.items;
    let paused = items.split_off(1);
    assert_eq!((items.len(), paused.len()), (1, 1));
    settle(&store, paused, |_| again(minute)).await;
    let heard = "SELECT count(*) FROM mdss_relay.replica WHERE seen > now() - interval '10 seconds'";
    let count = async |sql: &str| postgres_rig::ask(&url, sql).await.is_ok_and(|rows| rows == ["1"]);
    until("the relay has heard the clock", async || count(heard).await).await;
    set_back(&mut server);
    let is_mended = "SELECT count(*) FROM (SELECT max(not_before) <= now() AND max(leased) <= now() + interval '1 minute' AS is FROM mdss_relay.item) i WHERE i.is";
    until("both are mended", async || count(is_mended).await).await;
    drop(items);
}

/// The server that takes over has another clock, and all relays start anew with it: none has seen the clock go back.
#[tokio::test]
async fn a_clock_that_went_back_while_no_relay_was_there_is_seen_by_what_it_has_left() {
    let Some((mut server, url)) = an_hour_ahead().await else { return };
    let store = Store::open(&url);
    until("it is stored", async || send(&store, "held").await.is_ok()).await;
    store.close();
    // A relay that was killed.
    let killed = "UPDATE mdss_relay.item SET claim = 1, leased = now() + interval '1 minute';
        INSERT INTO mdss_relay.replica (id, name, version, settings) VALUES (gen_random_uuid(), 'killed', '1', 'other');
        UPDATE mdss_relay.outbox_state SET holder = gen_random_uuid(), until = now() + interval '10 seconds';
        INSERT INTO mdss_relay.stock (at, took, counted) VALUES (now(), '1 second', '[]')
            ON CONFLICT (one) DO UPDATE SET at = excluded.at, took = excluded.took";
    postgres_rig::ask(&url, killed).await.unwrap();
    set_back(&mut server);
    let store = Store::open(&url);
    let later = "SELECT count(*) FROM mdss_relay.item, mdss_relay.outbox_state o, mdss_relay.stock s
        WHERE leased > now() + interval '1 minute' OR o.until > now() + interval '10 seconds' OR s.at > now()
           OR EXISTS (SELECT FROM mdss_relay.replica WHERE seen > now())";
    until("nothing of it is ahead of the clock", async || {
        postgres_rig::ask(&url, later).await.is_ok_and(|rows| rows == ["0"])
    })
    .await;
    store.close();
}

#[tokio::test]
async fn a_server_is_believed_by_its_certificate_for_its_name() {
    let Some(binaries) = postgres_rig::binaries().unwrap() else { return };
    let Some(shared) = postgres_rig::shared().unwrap() else { return };
    // The second version's programs are built without (https://www.postgresql.org/docs/current/runtime-config-preset.html, ssl_library).
    let library = shared.ask("SHOW ssl_library").await.unwrap().concat();
    if !drive::available("postgres-tls", !library.is_empty()).unwrap() {
        return;
    }
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = Server::setup(&binaries)
        .file("server.crt", made.cert.pem())
        .file("server.key", made.signing_key.serialize_pem())
        .setting("ssl", "on")
        .start()
        .unwrap();
    let name =
        server.database().await.unwrap().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let url = |host: &str| format!("postgres://relay@{host}:{}/{name}", server.port());
    let trusting = |host: &str| {
        Database::of_url(&url(host))
            .unwrap()
            .durable(Durability::Server)
            .trusting(vec![made.cert.der().clone()])
            .unwrap()
    };
    let store = Store::of(trusting("localhost"));
    assert_eq!(send(&store, "k").await.unwrap(), "spooled:-");
    let sql =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'relay'";
    let ssl = postgres_rig::ask(&server.admin_url(&name), sql).await.unwrap();
    assert_eq!(ssl, ["t"]);
    for (what, database) in [
        ("another name", trusting("127.0.0.1")),
        ("nobody's certificate", Database::of_url(&url("localhost")).unwrap()),
    ] {
        let trouble = tables::examine(&database).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "{what}");
        assert!(trouble.detail.contains("certificate"), "{what}: {trouble}");
    }
}
