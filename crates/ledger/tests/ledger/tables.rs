//! The tables of a database, brought to today's version by their owner.

use std::time::{Duration, Instant};

use mdss_relay_ledger::{Database, Filter, Ledger, Options, OutboxId, Rekey, Trouble, TroubleKind, tables};

use crate::common::{World, place, writes};

/// Relays may have a role that makes no tables: docs/kubernetes.md.
#[tokio::test]
async fn whoever_may_write_the_older_tables_may_write_the_newer_ones() {
    let Some(World::Database(server)) = World::database() else { return };
    let owners = server.database().await.unwrap();
    let (_, database) = owners.split_once("127.0.0.1:").unwrap();
    let name = database.split(['/', '?']).nth(1).unwrap();
    let (role, others) =
        (format!("app_of_{name}"), server.url(name).replace("relay@", &format!("app_of_{name}@")));
    let script = tables::script(0);
    let (first, _) = script.split_once("COMMIT;\n").unwrap();
    postgres_rig::client(&owners).await.unwrap().batch_execute(&format!("{first}COMMIT")).await.unwrap();
    server.ask(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    for right in [
        "USAGE ON SCHEMA mdss_relay_ledger",
        "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mdss_relay_ledger",
    ] {
        postgres_rig::ask(&owners, &format!("GRANT {right} TO {role}")).await.unwrap();
    }
    let database = Database::of_url(&owners).unwrap();
    assert_eq!(tables::migrate(&database).await.unwrap(), (1, tables::NEWEST));

    let (dir, options) = (tempfile::tempdir().unwrap(), Options::default());
    let theirs = place(dir.path(), Some(&others));
    let ledger = Ledger::open(&theirs, options.clone()).await.unwrap();
    for (entries, repeated) in [(3, 0), (0, 3)] {
        let rows = writes(1..4).map(|(id, fact)| (OutboxId(id), fact)).collect();
        let appended = ledger.append(rows).await.unwrap();
        assert_eq!((appended.entries, appended.repeated), (entries, repeated));
    }
    ledger.close().await;
    let asked = Rekey { actor: "anna".into(), reason: "it was in a mail".into(), lost: false };
    Ledger::rekey(&theirs, options, asked).await.unwrap();
    // And nobody else may.
    let may = "SELECT string_agg(DISTINCT grantee, ' ' ORDER BY grantee) FROM information_schema.role_table_grants WHERE table_schema = 'mdss_relay_ledger'";
    let may = postgres_rig::ask(&owners, may).await.unwrap();
    assert_eq!(may, [format!("{role} relay")]);
}

/// A relay keeps its connections for as long as it runs, so a later one can bring the tables further under it. It must not write into them any more.
#[tokio::test]
async fn a_writer_that_is_at_work_stops_when_the_tables_are_for_later_ones_and_goes_on_when_they_are_not() {
    let Some(world) = World::database() else { return };
    let bench = world.bench().await;
    let reader = Ledger::open(&bench.place(), Options::reading()).await.unwrap();
    let append = async |id: i64| {
        let rows = writes(id.unsigned_abs()..id.unsigned_abs() + 1).map(|(id, fact)| (OutboxId(id), fact));
        bench.ledger.append(rows.collect()).await.map(|appended| appended.entries)
    };
    let read = async || reader.unscanned(&Filter { limit: 9, ..Filter::default() }).await.map(|_| 1);
    assert_eq!((append(1).await.unwrap(), read().await.unwrap()), (1, 1));

    // Calls at the same time have a connection each, which are kept.
    let filter = Filter { limit: 9, ..Filter::default() };
    let one = || bench.ledger.unscanned(&filter);
    let (first, second, third) = tokio::join!(one(), one(), one());
    for read in [first, second, third] {
        read.unwrap();
    }
    let lines = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let kept = bench.ask(lines).await;
    assert!(kept[0].parse::<u8>().unwrap() > 2, "{kept:?}: those of the writer, and of the reader");
    bench.sql("UPDATE meta SET oldest = version + 99").await;
    refused("a write", async || append(1).await).await;
    refused("a look", read).await;
    // Whatever was kept is given up, and no new one is believed either.
    for _ in 0..3 {
        assert_eq!(append(2).await.unwrap_err().kind, TroubleKind::Foreign);
    }
    assert_eq!(bench.ask("SELECT count(*) FROM entry").await, ["1"]);

    bench.sql("UPDATE meta SET oldest = version").await;
    assert_eq!((append(2).await.unwrap(), read().await.unwrap()), (1, 1));
}

/// Waits until the tables are not worked on any more: who is at work looks at them once a second.
async fn refused(what: &str, work: impl AsyncFn() -> Result<u64, Trouble>) {
    let begun = Instant::now();
    loop {
        match work().await {
            Err(why) => {
                assert_eq!(why.kind, TroubleKind::Foreign, "{why:?}");
                assert!(why.detail.contains("are for relays of version"), "{why:?}");
                return;
            }
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(20), "{what} is done still"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
