//! What the promise rests on: what the server does with a commit, asked of it at each connect and then regularly.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::delivery::seconds;
use super::failure::Fault;
use super::schema::TABLES;
use crate::trouble::{Trouble, TroubleKind};
use mdss_relay_postgres::{Durability, Fit, Line};

/// The oldest server whose statements and settings are those that the relay uses.
const OLDEST_SERVER: i32 = 140_000;

/// How a database must keep text for every text to fit: as UTF-8, or as the bytes that come
/// (<https://www.postgresql.org/docs/current/multibyte.html>, "SQL_ASCII"). In any other there are keys that cannot be stored, and whoever chooses such a
/// name would keep his object from being scanned.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];

/// How the server stands, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What a commit must have outlived here.
    pub durability: Durability,
    /// Its version, as `server_version_num` has it: 150018.
    pub server: i32,
    /// The version of the tables; 0: there are none.
    pub tables: i32,
    /// `synchronous_commit` of a session of this role. An accept asks for at least `on`, whatever it is.
    pub synchronous_commit: String,
    /// `default_transaction_isolation` of a session of this role.
    pub isolation: String,
    /// `synchronous_standby_names`; empty: no commit waits for anybody.
    pub standby_names: String,
    /// Synchronous standbys that are connected, as far as this role may see them.
    pub standbys: Option<u32>,
    /// Whether a commit is synced to the server's disk.
    pub fsync: bool,
    /// Whether pages that were half written when the machine died are mended.
    pub full_page_writes: bool,
    /// What the log holds: `minimal` is not enough for a standby.
    pub wal_level: String,
    /// How the database keeps text: `UTF8`.
    pub encoding: String,
    /// The server is a standby itself.
    pub in_recovery: bool,
    /// Rows of items that nobody needs any more and vacuum has not cleared, as the server estimates, and rows that are there.
    pub dead_rows: u64,
    /// See `dead_rows`.
    pub live_rows: u64,
    /// How long the oldest transaction of this database has been open, as far as this role may see it: what came after it cannot be cleared.
    pub oldest_transaction: Duration,
}

impl Standing {
    /// The server's version, for people: 15.18.
    pub fn version(&self) -> String {
        format!("{}.{}", self.server / 10_000, self.server % 10_000)
    }

    /// What was found, in a few words.
    pub fn words(&self) -> String {
        let standbys = match self.standbys {
            Some(1) => "1 synchronous standby connected".to_owned(),
            Some(n) => format!("{n} synchronous standbys connected"),
            None => "this role may not see standbys".to_owned(),
        };
        let on = |is: bool| if is { "on" } else { "off" };
        format!(
            "PostgreSQL {}, tables of version {}, synchronous_commit {}, synchronous_standby_names {:?}, {standbys}, fsync {}, wal_level {}",
            self.version(),
            self.tables,
            self.synchronous_commit,
            self.standby_names,
            on(self.fsync),
            self.wal_level
        )
    }

    /// Whether it can keep what is asked of it.
    ///
    /// # Errors
    /// Why not: events are not accepted then.
    pub fn holds(&self) -> Result<(), Trouble> {
        if self.in_recovery {
            return Err(Trouble::new(
                TroubleKind::Unreachable,
                "the database is a standby, and takes no writes",
            ));
        }
        if !ENCODINGS.contains(&self.encoding.as_str()) {
            let detail = format!(
                "the database keeps text as {}, which has not every character of a key; expected one that was created with ENCODING 'UTF8'",
                self.encoding
            );
            return Err(Trouble::new(TroubleKind::Foreign, detail));
        }
        let refused = |why: &str| {
            let detail = format!("RELAY_SPOOL_DURABILITY=replicated cannot be kept: {why}");
            Err(Trouble::new(TroubleKind::Unsafe, detail))
        };
        match self.durability {
            Durability::Server => Ok(()),
            Durability::Replicated if self.standby_names.is_empty() => {
                refused("synchronous_standby_names is empty, so no commit waits for a standby")
            }
            Durability::Replicated if !self.fsync => {
                refused("fsync is off, so a commit is not on the disk of the server")
            }
            Durability::Replicated if !self.full_page_writes => {
                refused("full_page_writes is off, so a crash may damage what was stored")
            }
            Durability::Replicated if self.wal_level == "minimal" => {
                refused("wal_level is minimal, so no standby can follow")
            }
            Durability::Replicated => Ok(()),
        }
    }

    /// Whether a statement sees what was committed before it, as the tables' functions need it. Under a stricter isolation whoever has waited for another
    /// transaction is refused by the server or sees what was there before it: a sender hears 503 for a repetition, or it is stored once more.
    pub fn reads_committed(&self) -> bool {
        matches!(self.isolation.as_str(), "read committed" | "read uncommitted")
    }

    /// What an operator should know although nothing is refused for it; `None`: nothing.
    pub fn doubt(&self) -> Option<String> {
        let doubts = [
            (
                !self.reads_committed(),
                "transactions of the role are stricter than read committed: those that meet are refused, or store a repetition once more",
            ),
            (!self.fsync, "fsync is off"),
            (!self.full_page_writes, "full_page_writes is off"),
            (
                self.standby_names.is_empty(),
                "no standby is waited for: the loss of the server's disk is the loss of what waits",
            ),
            (
                self.durability == Durability::Replicated && self.standbys == Some(0),
                "no synchronous standby is connected",
            ),
        ];
        let said: Vec<_> = doubts.iter().filter(|(there, _)| *there).map(|(_, what)| *what).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// What was seen last, and when.
pub(super) struct Watched {
    durability: Durability,
    seen: Mutex<Option<(Standing, Instant)>>,
    /// Whether the tables are still for this relay.
    pub(super) fit: Fit,
}

impl Watched {
    pub(super) fn new(durability: Durability) -> Self {
        Self { durability, seen: Mutex::default(), fit: Fit::new(TABLES) }
    }

    /// What was seen last; `None`: the server has not been reached yet.
    pub(super) fn last(&self) -> Option<(Standing, Instant)> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Whether events may be accepted by what was seen last.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn holds(&self) -> Result<(), Trouble> {
        match &*self.seen.lock().unwrap_or_else(|e| e.into_inner()) {
            Some((standing, _)) => standing.holds(),
            None => Err(Trouble::new(TroubleKind::Unreachable, "the database has not been reached yet")),
        }
    }
}

/// Asks the server how it stands.
///
/// # Errors
/// If that cannot be read, or the server is too old, or the tables are for later relays.
pub(super) async fn look(line: &Line, watched: &Watched) -> Result<(), Fault> {
    let tables = watched.fit.look(line).await?;
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'),
               current_setting('synchronous_standby_names'), current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
               current_setting('wal_level'), pg_is_in_recovery(),
               (SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
               pg_has_role(current_user, 'pg_monitor', 'USAGE') OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
               s.n_dead_tup, s.n_live_tup,
               (SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()), current_setting('default_transaction_isolation'),
               current_setting('server_encoding')
               FROM (SELECT) one LEFT JOIN pg_stat_user_tables s ON s.relid = to_regclass('mdss_relay.item')";
    let row = line.client.query_typed_one(sql, &[]).await?;
    let standbys: i32 = row.try_get(7)?;
    let rows =
        |column: usize| row.try_get::<_, Option<i64>>(column).map(|n| n.unwrap_or(0).max(0).unsigned_abs());
    let sees: bool = row.try_get(8)?;
    let standing = Standing {
        durability: watched.durability,
        server: row.try_get(0)?,
        tables: tables.version,
        synchronous_commit: row.try_get(1)?,
        isolation: row.try_get(12)?,
        standby_names: row.try_get(2)?,
        standbys: sees.then(|| u32::try_from(standbys).unwrap_or(0)),
        fsync: row.try_get(3)?,
        full_page_writes: row.try_get(4)?,
        wal_level: row.try_get(5)?,
        encoding: row.try_get(13)?,
        in_recovery: row.try_get(6)?,
        dead_rows: rows(9)?,
        live_rows: rows(10)?,
        oldest_transaction: seconds(row.try_get(11)?),
    };
    if standing.server < OLDEST_SERVER {
        let detail =
            format!("the server has version {}; expected PostgreSQL 14 or newer", standing.server / 10_000);
        return Err(Trouble::new(TroubleKind::Foreign, detail).into());
    }
    *watched.seen.lock().unwrap_or_else(|e| e.into_inner()) = Some((standing, Instant::now()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Standing {
        Standing {
            durability: Durability::Replicated,
            server: 150_018,
            tables: 1,
            synchronous_commit: "on".into(),
            isolation: "read committed".into(),
            standby_names: "*".into(),
            standbys: Some(1),
            fsync: true,
            full_page_writes: true,
            wal_level: "replica".into(),
            encoding: "UTF8".into(),
            in_recovery: false,
            dead_rows: 0,
            live_rows: 0,
            oldest_transaction: Duration::ZERO,
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_nothing_else() {
        let server = |standing: Standing| Standing { durability: Durability::Server, ..standing };
        for (standing, refused) in [
            (good(), None),
            (Standing { synchronous_commit: "off".into(), ..good() }, None),
            (Standing { standby_names: String::new(), ..good() }, Some("synchronous_standby_names")),
            (Standing { fsync: false, ..good() }, Some("fsync")),
            (Standing { full_page_writes: false, ..good() }, Some("full_page_writes")),
            (Standing { wal_level: "minimal".into(), ..good() }, Some("wal_level")),
            (Standing { in_recovery: true, ..good() }, Some("standby")),
            (server(Standing { standby_names: String::new(), fsync: false, ..good() }), None),
            (server(Standing { in_recovery: true, ..good() }), Some("standby")),
        ] {
            let held = standing.holds();
            match refused {
                None => assert_eq!(held, Ok(()), "{standing:?}"),
                Some(why) => assert!(held.unwrap_err().detail.contains(why), "{standing:?}"),
            }
        }
        assert_eq!(good().doubt(), None);
        assert!(Standing { standbys: Some(0), ..good() }.doubt().is_some());
        let strict = Standing { isolation: "repeatable read".into(), ..good() };
        assert!(strict.holds().is_ok() && strict.doubt().unwrap().contains("read committed"));
        assert!(server(Standing { fsync: false, ..good() }).doubt().is_some());
    }
}
