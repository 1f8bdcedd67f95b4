//! The database of a spool: which one is meant, and whether a relay can work with it. `spool check` and `doctor` say the same of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mdss_relay_core::{LedgerPlace, Role, Settings, SpoolPlace};
use mdss_relay_ledger::{self as ledger, Ledger, Options, Trouble};
use mdss_relay_spool::{Database, Desk, Durability, Examined, Place, TroubleKind, tables};

use crate::evidence;
use mdss_relay_checks::Outcome;

const LEDGER_TABLES: &str = "database.ledger_tables";

/// A transaction that is open for longer keeps vacuum from clearing rows, and claims slow down.
const LONG: Duration = Duration::from_secs(600);

/// The database that the variables, or the configuration that they name, have for a spool; `None` if they have none. A file of the command line
/// stands for their URL.
///
/// # Errors
/// The mistakes in what they say of it, without its password.
pub(crate) fn meant(
    mut variables: Vec<(OsString, OsString)>,
    url_file: Option<&Path>,
) -> Result<Option<Database>, String> {
    variables.retain(|(name, _)| name != "RELAY_MODE");
    variables.push(("RELAY_MODE".into(), "spooled".into()));
    if let Some(file) = url_file {
        variables.retain(|(name, _)| name != "RELAY_SPOOL_URL" && name != "RELAY_SPOOL_URL_FILE");
        variables.push(("RELAY_SPOOL_URL_FILE".into(), file.into()));
    }
    let draft = Settings::read(variables, Role::Explain);
    let spool = draft.settings.http.as_ref().and_then(|http| http.spool.as_ref());
    let Some(SpoolPlace::Database(database)) = spool.map(|spool| &spool.place) else { return Ok(None) };
    // What else is wrong with the settings concerns nobody here.
    let concerns = |name: &str| name.contains("SPOOL_") || name.contains("spool_");
    let mistakes = draft.mistakes.iter().filter(|mistake| concerns(&mistake.name));
    let mistakes: Vec<_> = mistakes.map(ToString::to_string).collect();
    if !mistakes.is_empty() {
        return Err(mistakes.join("; "));
    }
    Database::of_settings(database).map(Some).map_err(|mistake| mistake.to_string())
}

/// The same variables with a ledger kept, in the database of this file if there is one: whether the relay keeps one now is another question than where it is.
pub(crate) fn with_ledger(
    mut variables: Vec<(OsString, OsString)>,
    url_file: Option<&Path>,
) -> Vec<(OsString, OsString)> {
    variables.retain(|(name, _)| name != "RELAY_MODE" && name != "RELAY_LEDGER");
    variables.extend(
        [("RELAY_MODE", "spooled"), ("RELAY_LEDGER", "on")].map(|(name, value)| (name.into(), value.into())),
    );
    if let Some(file) = url_file {
        variables.retain(|(name, _)| name != "RELAY_SPOOL_URL" && name != "RELAY_SPOOL_URL_FILE");
        variables.push(("RELAY_SPOOL_URL_FILE".into(), file.into()));
    }
    variables
}

/// The directory of `ledger.key` that variables [`with_ledger`] have for a ledger in a database; `None` if they name none.
pub(crate) fn ledger_key_dir(variables: Vec<(OsString, OsString)>) -> Option<PathBuf> {
    let spool = Settings::read(variables, Role::Explain).settings.http?.spool?;
    match spool.ledger?.place {
        LedgerPlace::Database { key } if !key.as_os_str().is_empty() => Some(key),
        _ => None,
    }
}

/// What one check found.
pub(crate) type Checked = (&'static str, Outcome);

/// Looks at a database as a relay would, and changes nothing.
pub(crate) async fn examine(database: &Database) -> Vec<Checked> {
    let found = match tables::examine(database).await {
        Ok(found) => found,
        Err(trouble) => {
            let id =
                if trouble.kind == TroubleKind::Foreign { "database.tables" } else { "database.reached" };
            let remedy = "see the server's log, and RELAY_SPOOL_URL; a standby, or a server with another certificate, is not taken";
            return vec![(
                id,
                Outcome::fail(trouble.detail, "a PostgreSQL, 14 or newer, that takes writes", remedy),
            )];
        }
    };
    vec![
        ("database.reached", reached(database, &found)),
        ("database.tables", tables(&found)),
        ("database.rights", rights(&found)),
        ("database.durability", durability(&found)),
        ("database.standbys", standbys(&found)),
        ("database.vacuum", vacuum(&found)),
    ]
}

/// Looks at the ledger in a database as a relay would, and changes nothing. `key` is the directory of `ledger.key`, where one is named.
pub(crate) async fn examine_ledger(database: &Database, key: Option<&Path>) -> Vec<Checked> {
    let found = match ledger::tables::examine(database).await {
        Ok(found) => found,
        Err(trouble) => {
            let remedy = "see the server's log";
            return vec![(
                LEDGER_TABLES,
                Outcome::fail(trouble.detail, "tables that can be looked at", remedy),
            )];
        }
    };
    let mut all = vec![(LEDGER_TABLES, ledger_tables(database, &found))];
    let place = ledger::Place::Database { database: database.clone().migrating(false), key: None };
    let opened = match found.version {
        0 => Err(Trouble { kind: ledger::TroubleKind::Absent, detail: "there is no ledger yet".to_owned() }),
        _ => Ledger::open(&place, Options::reading()).await,
    };
    let signing = match &opened {
        Ok(ledger) => ledger.signing_key().await,
        Err(trouble) if trouble.kind == ledger::TroubleKind::Absent => Ok(None),
        Err(trouble) => Err(trouble.clone()),
    };
    all.push((
        "database.ledger_key",
        match (key, signing) {
            (None, _) => {
                Outcome::unknown("no directory of ledger.key is named", "name it in RELAY_LEDGER_DIR")
            }
            (_, Err(trouble)) => Outcome::unknown(trouble.detail, "see database.ledger_tables"),
            (Some(dir), Ok(signing)) => evidence::key(dir, &Ledger::public_key(dir), signing),
        },
    ));
    all.push(("database.ledger_outbox", outbox(database).await));
    let ends = match &opened {
        Ok(ledger) => evidence::ends(ledger).await,
        Err(trouble) => Err(trouble.clone()),
    };
    all.push(("database.ledger_chain", evidence::chains(&ends, LEDGER_TABLES)));
    all
}

/// Whether somebody keeps a ledger with the spool of a database, as far as that can be told.
pub(crate) async fn has_ledger(database: &Database) -> bool {
    ledger::tables::version(database).await.is_ok_and(|version| version > 0)
        && match Desk::at(&Place::Database(database.clone().migrating(false))) {
            Ok(desk) => desk.outbox().await.is_ok_and(|size| size.limit.is_some() || size.rows > 0),
            Err(_) => false,
        }
}

fn ledger_tables(database: &Database, found: &ledger::tables::Examined) -> Outcome {
    let newest = ledger::tables::NEWEST;
    let version = found.version;
    let expected =
        format!("tables of version {newest}, with select, insert, update and delete for the relay's role");
    if let Err(trouble) = &found.fits {
        return Outcome::fail(&trouble.detail, expected, "install a newer mdss-relay");
    }
    if !found.missing.is_empty() {
        let remedy = "GRANT ... ON ALL TABLES IN SCHEMA mdss_relay_ledger TO the role (docs/kubernetes.md)";
        return Outcome::fail(format!("missing: {}", found.missing.join(", ")), expected, remedy);
    }
    match version {
        _ if version == newest => Outcome::ok(format!("version {version}")),
        _ if version > newest => {
            Outcome::ok(format!("version {version}, of a later relay, which lets this one work"))
        }
        _ if database.migrates() && found.may_create => {
            Outcome::ok(format!("version {version}; the next start makes version {newest}"))
        }
        _ => Outcome::fail(
            format!(
                "version {version}, and {}",
                if database.migrates() { "the role may not create" } else { "RELAY_SPOOL_MIGRATE is off" }
            ),
            expected,
            "mdss-relay spool migrate, with a role that may create; --print shows the statements",
        ),
    }
}

/// What waits in the database for the ledger.
async fn outbox(database: &Database) -> Outcome {
    let asked = async {
        let desk = Desk::at(&Place::Database(database.clone().migrating(false)))?;
        Ok((desk.outbox().await?, !desk.replicas().await?.is_empty()))
    };
    let asked: Result<_, mdss_relay_spool::Trouble> = asked.await;
    match asked {
        Ok((size, runs)) => evidence::outbox(&size, runs),
        Err(trouble) => Outcome::unknown(trouble.detail, "see database.tables and database.rights"),
    }
}

fn reached(database: &Database, found: &Examined) -> Outcome {
    let place = format!("{}, PostgreSQL {}", database.place(), found.standing.version());
    if found.standing.in_recovery {
        return Outcome::fail(
            format!("{place}: a standby"),
            "a server that takes writes",
            "list all hosts of the cluster in the URL: host1,host2; the relay takes the one that takes writes",
        );
    }
    if !database.is_verified() && !database.is_local() {
        return Outcome::warn(
            format!("{place}, without TLS"),
            "TLS: events and the password travel in the clear",
            "take sslmode=disable out of the URL; RELAY_SPOOL_CA_FILE names an authority of your own",
        );
    }
    Outcome::ok(place)
}

fn tables(found: &Examined) -> Outcome {
    let (there, newest) = (found.standing.tables, tables::NEWEST);
    let migrate = "mdss-relay spool migrate, with a role that may create; --print shows the statements";
    if let Err(trouble) = &found.fits {
        return Outcome::fail(
            &trouble.detail,
            format!("tables for version {newest}"),
            "install a newer mdss-relay",
        );
    }
    if let Err(trouble) = found.standing.holds()
        && trouble.kind == TroubleKind::Foreign
    {
        return Outcome::fail(
            trouble.detail,
            "a database that can keep every key",
            "make one with createdb --encoding UTF8 --template template0; what waits in this one is still sent",
        );
    }
    match there {
        _ if there == newest => Outcome::ok(format!("version {there}")),
        _ if there > newest => {
            Outcome::ok(format!("version {there}, of a later relay, which lets this one work"))
        }
        _ if found.migrates && found.may_create => {
            Outcome::ok(format!("version {there}; the next start makes version {newest}"))
        }
        _ => Outcome::fail(
            format!(
                "version {there}, and {}",
                if found.migrates { "the role may not create" } else { "RELAY_SPOOL_MIGRATE is off" }
            ),
            format!("version {newest}"),
            migrate,
        ),
    }
}

fn rights(found: &Examined) -> Outcome {
    if found.missing.is_empty() {
        return Outcome::ok("the role may do what a relay does");
    }
    Outcome::fail(
        format!("missing: {}", found.missing.join(", ")),
        "select, insert, update and delete on the tables of the schema mdss_relay, usage on its sequences, execute on its functions",
        "GRANT ... ON ALL TABLES IN SCHEMA mdss_relay TO the role, USAGE ON ALL SEQUENCES and EXECUTE ON ALL FUNCTIONS too (docs/kubernetes.md)",
    )
}

fn durability(found: &Examined) -> Outcome {
    let standing = &found.standing;
    let words = format!("RELAY_SPOOL_DURABILITY={}; {}", standing.durability.name(), standing.words());
    match standing.holds() {
        // A standby has a finding of its own.
        Err(trouble) if trouble.kind == TroubleKind::Unsafe => Outcome::fail(
            format!("{} ({words})", trouble.detail),
            "a commit that waits for a synchronous standby",
            "set synchronous_standby_names and the rest on the server; or RELAY_SPOOL_DURABILITY=server, if what the one server or its storage promises is enough",
        ),
        _ if !standing.fsync || !standing.full_page_writes => Outcome::warn(
            words,
            "fsync and full_page_writes on",
            "turn them on: a crash of the server's machine loses or damages what waits",
        ),
        _ if !standing.reads_committed() => Outcome::warn(
            format!("default_transaction_isolation is {:?} for this role", standing.isolation),
            "read committed: under a stricter one transactions that meet are refused, or a repetition is stored once more",
            "ALTER ROLE ... SET default_transaction_isolation = 'read committed'",
        ),
        _ if standing.durability == Durability::Server && standing.standby_names.is_empty() => {
            Outcome::ok(format!(
                "{words}: the loss of the server's disk is the loss of what waits, unless its storage is replicated"
            ))
        }
        _ => Outcome::ok(words),
    }
}

fn standbys(found: &Examined) -> Outcome {
    let standing = &found.standing;
    match standing.standbys {
        _ if standing.standby_names.is_empty() => Outcome::ok("no commit waits for one"),
        Some(0) => Outcome::warn(
            "no synchronous standby is connected: commits wait, and senders hear 503",
            "a standby in sync",
            "start the standby; SELECT * FROM pg_stat_replication",
        ),
        Some(n) => Outcome::ok(format!("{n} in sync")),
        None => Outcome::unknown("the role may not see them", "GRANT pg_monitor TO the role"),
    }
}

fn vacuum(found: &Examined) -> Outcome {
    let standing = &found.standing;
    let (oldest, dead, live) = (standing.oldest_transaction, standing.dead_rows, standing.live_rows);
    let words = format!("oldest transaction {} s, {dead} dead rows beside {live}", oldest.as_secs());
    if oldest > LONG {
        return Outcome::warn(
            words,
            format!("no transaction of this database that is older than {} min", LONG.as_secs() / 60),
            "end it (pg_stat_activity); give the relay a database of its own",
        );
    }
    if dead > 100_000 && dead > live.saturating_mul(10) {
        return Outcome::warn(
            words,
            "fewer dead rows than ten times the live ones",
            "VACUUM mdss_relay.item; see what holds autovacuum up",
        );
    }
    Outcome::ok(words)
}
