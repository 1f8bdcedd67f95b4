//! The tables of a database, brought to today's version by their owner.

use mdss_relay_ledger::{Database, Ledger, Options, OutboxId, Rekey, tables};

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
