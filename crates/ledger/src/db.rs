//! Statements, put to whichever database keeps the ledger. They are the same texts for both: tables and columns have the same names, parameters are
//! `?1`, `?2`, and what only one of the two can do has a function here.

mod fault;
mod pack;
mod row;
#[cfg(feature = "postgres")]
mod session;

use rusqlite::{Connection, ToSql, params_from_iter};

pub(crate) use fault::{Fault, trouble};
pub(crate) use row::{Param, Row};
#[cfg(feature = "postgres")]
pub(crate) use session::Session;

use crate::chains::Chain;
use crate::hash::Hash;

/// Where statements go, inside one transaction.
#[derive(Clone, Copy)]
pub(crate) enum Db<'c> {
    /// A file of SQLite.
    File(&'c Connection),
    /// A server of PostgreSQL.
    #[cfg(feature = "postgres")]
    Server(&'c Session),
}

/// The parameters of a statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Param::from($value)),*] };
}
pub(crate) use args;

const INSERT: &str = "INSERT INTO entry (seq, at, kind, hash, place, key, salt, version, etag, size, event_time, received_time, settled_time, attempts,
         correlation_id, origin, actor, count, reason, about, file_id, result, file_state, scan_time, confidence, digest, detail, result_seq)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)";

/// Once in so many rows of an outbox a server looks for those that can be forgotten.
#[cfg(feature = "postgres")]
const TURN: i64 = 4096;

impl Db<'_> {
    /// Gives each row to `work`, as long as that says true. Nothing else may be asked in between.
    pub(crate) fn each(
        &self,
        sql: &str,
        args: &[Param<'_>],
        mut work: impl FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        match self {
            Self::File(db) => {
                let mut statement = db.prepare_cached(sql)?;
                let mut rows = statement.query(params_from_iter(args))?;
                while let Some(row) = rows.next()? {
                    if !work(&Row::File(row))? {
                        break;
                    }
                }
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.each(sql, args, &mut work),
        }
    }

    /// What `read` makes of each row.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        args: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut all = Vec::new();
        self.each(sql, args, |row| {
            all.push(read(row)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// The same of the first row, if there is one.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        args: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let mut first = None;
        self.each(sql, args, |row| {
            first = Some(read(row)?);
            Ok(false)
        })?;
        Ok(first)
    }

    /// The number in the first column of the first row; 0 if there is none.
    pub(crate) fn number(&self, sql: &str, args: &[Param<'_>]) -> Result<i64, Fault> {
        Ok(self.first(sql, args, |row| row.number(0))?.flatten().unwrap_or(0))
    }

    /// Whether there is a row.
    pub(crate) fn is_there(&self, sql: &str, args: &[Param<'_>]) -> Result<bool, Fault> {
        Ok(self.first(sql, args, |_| Ok(()))?.is_some())
    }

    /// Changes rows, and says how many.
    pub(crate) fn execute(&self, sql: &str, args: &[Param<'_>]) -> Result<u64, Fault> {
        match self {
            Self::File(db) => Ok(db.prepare_cached(sql)?.execute(params_from_iter(args))? as u64),
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.execute(sql, args),
        }
    }

    /// Writes an entry: what [`WRITTEN`] says.
    pub(crate) fn insert_entry(&self, entry: [Param<'_>; 28]) -> Result<(), Fault> {
        match self {
            Self::File(db) => {
                db.prepare_cached(INSERT)?.execute(params_from_iter(entry))?;
                Ok(())
            }
            // One round trip each would take longer than all the rest: they go together before the next statement.
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.insert_entry(entry),
        }
    }

    /// Remembers rows of an outbox by their numbers and what they say, and says of each whether it is new.
    pub(crate) fn remember(&self, rows: &[(i64, i64)]) -> Result<Vec<bool>, Fault> {
        match self {
            Self::File(db) => {
                // One that is there and says the same is not changed.
                let mut remember = db.prepare_cached(
                    "INSERT INTO outbox (id, digest) VALUES (?1, ?2)
                     ON CONFLICT (id) DO UPDATE SET digest = excluded.digest WHERE digest <> excluded.digest",
                )?;
                let mut new = Vec::with_capacity(rows.len());
                for (id, digest) in rows {
                    new.push(remember.execute([id, digest])? > 0);
                }
                Ok(new)
            }
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.remember(rows),
        }
    }

    /// Remembers an entry of no outbox in the same way.
    pub(crate) fn remember_alone(&self, mark: i64, digest: i64) -> Result<bool, Fault> {
        match self {
            Self::File(_) => Ok(self.remember(&[(mark, digest)])? == [true]),
            #[cfg(feature = "postgres")]
            Self::Server(_) => {
                let sql = "INSERT INTO outbox (id, digest) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                Ok(self.execute(sql, args![mark, digest])? > 0)
            }
        }
    }

    /// Forgets rows of an outbox that are further away than so many from the first or the last one of those that were just written.
    pub(crate) fn forget_rows(&self, first: i64, last: i64, away: i64) -> Result<(), Fault> {
        let (before, behind) = (last.saturating_sub(away), last.saturating_add(away));
        match self {
            Self::File(_) => {
                let _ = first;
                self.execute("DELETE FROM outbox WHERE id < ?1 OR id > ?2", args![before, behind]).map(drop)
            }
            // Another relay may have been stopped with rows in hand that were written long ago, or be the one that is far ahead. Neither hands in what it has
            // had for an hour, so what is younger stays. It is looked for now and then: what is near stays however old it is, and would be read each time.
            #[cfg(feature = "postgres")]
            Self::Server(_) if first.div_euclid(TURN) != last.saturating_add(1).div_euclid(TURN) => {
                let old = "at < now() - interval '1 hour'";
                let sql = format!("DELETE FROM handed_in WHERE {old} AND (last < ?1 OR first > ?2)");
                self.execute(&sql, args![before, behind])?;
                let sql = format!("DELETE FROM outbox WHERE {old} AND (id < ?1 OR id > ?2)");
                self.execute(&sql, args![before, behind]).map(drop)
            }
            #[cfg(feature = "postgres")]
            Self::Server(_) => Ok(()),
        }
    }

    /// Erases the keys of entries, of each of which a commitment is left.
    pub(crate) fn erase(&self, entries: &[(i64, Hash)], by: i64) -> Result<(), Fault> {
        match self {
            Self::File(db) => {
                let mut erase = db.prepare_cached(
                    "UPDATE entry SET key = NULL, salt = NULL, commitment = ?2, forgotten_by = ?3 WHERE seq = ?1",
                )?;
                for (number, left) in entries {
                    erase.execute(rusqlite::params![number, left.0, by])?;
                }
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.erase(entries, by),
        }
    }

    /// Has the right to write into a chain until the end of the transaction.
    pub(crate) fn lock(&self, chain: Chain) -> Result<(), Fault> {
        match self {
            // Whoever writes has the file.
            Self::File(_) => {
                let _ = chain;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Server(session) => {
                session.execute("SELECT id FROM chain WHERE id = ?1 FOR UPDATE", args![chain.0]).map(drop)
            }
        }
    }

    /// Has the right to change what belongs to all chains until the end of the transaction. It comes before [`Db::lock`], so that nobody waits in a circle.
    #[cfg(feature = "postgres")]
    pub(crate) fn lock_all(&self) -> Result<(), Fault> {
        match self {
            Self::File(_) => Ok(()),
            Self::Server(session) => session.lock_all(),
        }
    }

    /// What this transaction asks for is a page of a long list, in the order of an index. A server takes a list for short whose table has grown since its last
    /// ANALYZE, and would sort all that is left of it for each page.
    pub(crate) fn reads_pages(&self) -> Result<(), Fault> {
        match self {
            Self::File(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.execute("SET LOCAL enable_sort = off", &[]).map(drop),
        }
    }

    /// Somebody else is told of what is written here: it must outlive the loss of the server, if that has a standby.
    pub(crate) fn must_be_safe(&self) {
        match self {
            Self::File(_) => {}
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.must_be_safe(),
        }
    }

    /// Bytes in use, without what is free.
    pub(crate) fn used(&self) -> Result<u64, Fault> {
        match self {
            Self::File(db) => {
                let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
                let pages = pragma("page_count")? - pragma("freelist_count")?;
                Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or(0))
            }
            #[cfg(feature = "postgres")]
            Self::Server(session) => session.used(),
        }
    }

    /// The condition that a key is another one, such as an index finds it. A server's index has how keys begin, because it cannot have a long one whole.
    pub(crate) fn key_is(&self, key: &str, other: &str) -> String {
        self.key_and(key, "=", other)
    }

    /// The condition that a key is another one or comes after it.
    pub(crate) fn key_from(&self, key: &str, other: &str) -> String {
        self.key_and(key, ">=", other)
    }

    fn key_and(&self, key: &str, is: &str, other: &str) -> String {
        match self {
            Self::File(_) => format!("{key} {is} {other}"),
            #[cfg(feature = "postgres")]
            Self::Server(_) => {
                format!("(substr({key}, 1, 1500) {is} substr({other}, 1, 1500) AND {key} {is} {other})")
            }
        }
    }

    /// What sorts by keys in the order of that index.
    pub(crate) fn key_order(&self) -> &'static str {
        match self {
            Self::File(_) => "key",
            #[cfg(feature = "postgres")]
            Self::Server(_) => "substr(key, 1, 1500), key",
        }
    }

    /// Whether there is a table that says of keys that were replaced: who only reads may meet an older ledger.
    pub(crate) fn has_successions(&self) -> Result<bool, Fault> {
        let sql = match self {
            Self::File(_) => "SELECT 1 FROM sqlite_schema WHERE name = 'succession'",
            #[cfg(feature = "postgres")]
            Self::Server(_) => {
                "SELECT 1 FROM pg_tables WHERE schemaname = 'mdss_relay_ledger' AND tablename = 'succession'"
            }
        };
        self.is_there(sql, &[])
    }

    /// Whether there may be several chains side by side. In a file one comes after the other.
    pub(crate) fn has_chains(&self) -> bool {
        match self {
            Self::File(_) => false,
            #[cfg(feature = "postgres")]
            Self::Server(_) => true,
        }
    }

    /// Whether a text may hold U+0000.
    pub(crate) fn takes_nul(&self) -> bool {
        !self.has_chains()
    }

    /// The number of a row of the table `chain`.
    pub(crate) fn row_of(&self, chain: Chain) -> i64 {
        if self.has_chains() { chain.0 } else { chain.0 + 1 }
    }

    /// The numbers of a chain's entries, of its places, and of whatever else is counted by chain: from the first to the last.
    pub(crate) fn range(&self, chain: Chain) -> (i64, i64) {
        chain.range()
    }

    /// The number among all entries of one of a chain's own.
    pub(crate) fn number_of(&self, chain: Chain, seq: u64) -> i64 {
        chain.number(seq)
    }

    /// The chain that a number belongs to.
    pub(crate) fn chain_of(&self, number: i64) -> Chain {
        Chain::of(number)
    }

    /// The number that an entry has in its own chain.
    pub(crate) fn seq_of(&self, number: i64) -> u64 {
        Chain::seq(number)
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, Value, ValueRef};
        let null = ToSqlOutput::Owned(Value::Null);
        Ok(match self {
            Self::Number(number) => number.map_or(null, |number| ToSqlOutput::Owned(Value::Integer(number))),
            Self::Text(text) => {
                text.map_or(null, |text| ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())))
            }
            Self::Bytes(bytes) => bytes.map_or(null, |bytes| ToSqlOutput::Borrowed(ValueRef::Blob(bytes))),
            Self::Packed(None) => null,
            Self::Packed(Some(text)) => match pack::pack(text) {
                Some(bytes) => ToSqlOutput::Owned(Value::Blob(bytes)),
                None => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            },
        })
    }
}
