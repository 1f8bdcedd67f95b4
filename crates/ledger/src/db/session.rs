//! One transaction on a server. Whoever works in it waits in a thread of his own for each answer.
//!
//! Names of tables have no schema in front, because they are those of a file; the path on which they are found is set for the transaction alone, so a pooler may
//! exchange sessions between transactions. Statements have no names, for the same reason.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use mdss_relay_postgres::{Line, Parameter};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::fault::Fault;
use super::row::{Param, Row, WRITTEN};
use crate::hash::Hash;
use crate::trouble::{Trouble, TroubleKind};

/// How long one answer may take. A statement that reads a whole ledger answers bit by bit.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the server itself holds a writer to, so that one that was stopped in the middle, or has lost its way to the server, keeps no lock for longer. A wait
/// for a lock ends before [`DEADLINE`], so that it leaves no statement behind. The last one is for versions and systems that have it
/// (<https://www.postgresql.org/docs/current/runtime-config-connection.html>, read 2026-11: from 14 on, and on Linux among others).
const LIMITS: &str = "SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s';
    SELECT set_config('client_connection_check_interval', '5s', true)
    WHERE current_setting('client_connection_check_interval', true) IS NOT NULL AND pg_catalog.version() LIKE '%linux%'";

/// Whoever changes what belongs to all chains holds this lock until the end of his transaction: "MDSA".
const ALL: i64 = 0x4d44_5341;

/// Whoever hands in rows of an outbox holds this one, behind that of his chain: "MDSH".
const HANDING_IN: i64 = 0x4d44_5348;

/// Entries that wait to be written together.
const MOST_ENTRIES: usize = 5000;

/// A transaction.
pub(crate) struct Session {
    line: Line,
    runtime: Handle,
    entries: RefCell<Vec<Column>>,
    waiting: Cell<usize>,
    /// Whether what is committed must outlive the server: somebody else is told of it.
    safe: Cell<bool>,
}

/// One column of the entries that wait.
enum Column {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Session {
    /// Begins a transaction: one that sees a single moment, or one that writes.
    pub(crate) fn begin(line: Line, runtime: Handle, writes: bool) -> Result<Self, Fault> {
        let begin = if writes {
            format!("BEGIN ISOLATION LEVEL READ COMMITTED; {LIMITS}")
        } else {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()
        };
        let session = Self {
            line,
            runtime,
            entries: RefCell::default(),
            waiting: Cell::new(0),
            safe: Cell::new(false),
        };
        session.line.listen();
        session.wait(session.line.client.batch_execute(&format!(
            "{begin}; SET LOCAL search_path = mdss_relay_ledger; SET LOCAL client_min_messages = warning"
        )))?;
        Ok(session)
    }

    /// Waits for an answer.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        match self.runtime.block_on(async { timeout(DEADLINE, answer).await }) {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::Late(DEADLINE)),
        }
    }

    /// Keeps what was done, and gives the connection back.
    pub(crate) fn commit(self) -> Result<Line, Fault> {
        self.flush()?;
        // A role, a database or a pooler may have lowered it. Facts alone need no standby: they leave the outbox later in the same log, so a standby that has
        // lost them has them in the outbox still.
        let wanted = if self.safe.get() {
            "CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
        } else {
            "'local'"
        };
        let sql = format!("SELECT set_config('synchronous_commit', {wanted}, true); COMMIT");
        match self.wait(self.line.client.batch_execute(&sql)) {
            Ok(()) => {}
            Err(fault) => {
                if matches!(fault, Fault::Late(_)) {
                    self.line.abandon(&self.runtime);
                }
                return Err(fault);
            }
        }
        if self.safe.get() && self.line.was_warned() {
            let detail = "it is not known whether a standby has what was written";
            return Err(Trouble::new(TroubleKind::Unreachable, detail).into());
        }
        Ok(self.line)
    }

    /// Takes back what was done, and gives the connection back if it is still of use.
    pub(crate) fn roll_back(self, fault: &Fault) -> Option<Line> {
        let leave = match fault {
            Fault::Server(error) => mdss_relay_postgres::meaning(error).leave,
            Fault::Late(_) => {
                self.line.abandon(&self.runtime);
                return None;
            }
            Fault::Sql(_) | Fault::Ours(_) => false,
        };
        if leave {
            return None;
        }
        self.wait(self.line.client.batch_execute("ROLLBACK")).ok()?;
        Some(self.line)
    }

    /// What is committed here must outlive the server.
    pub(super) fn must_be_safe(&self) {
        self.safe.set(true);
    }

    pub(super) fn each(
        &self,
        sql: &str,
        args: &[Param<'_>],
        work: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        self.flush()?;
        let sql = translated(sql);
        let parameters: Vec<Parameter<'_>> =
            args.iter().map(|arg| (arg as &(dyn ToSql + Sync), type_of(arg))).collect();
        let rows = self.wait(self.line.client.query_typed_raw(&sql, parameters))?;
        let mut rows = pin!(rows);
        let mut wanted = true;
        // Whatever comes behind the last one that is wanted is read all the same: the next answer stands behind it.
        loop {
            let next = self.runtime.block_on(async { timeout(DEADLINE, rows.next()).await });
            match next {
                Ok(Some(row)) => {
                    let row = row?;
                    if wanted {
                        wanted = work(&Row::Server(&row))?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => return Err(Fault::Late(DEADLINE)),
            }
        }
    }

    pub(super) fn execute(&self, sql: &str, args: &[Param<'_>]) -> Result<u64, Fault> {
        self.flush()?;
        let parameters: Vec<Parameter<'_>> =
            args.iter().map(|arg| (arg as &(dyn ToSql + Sync), type_of(arg))).collect();
        self.wait(self.line.client.execute_typed(&translated(sql), &parameters))
    }

    pub(super) fn insert_entry(&self, entry: [Param<'_>; WRITTEN.len()]) -> Result<(), Fault> {
        let mut entries = self.entries.borrow_mut();
        if entries.is_empty() {
            entries.extend(entry.iter().map(|param| match param {
                Param::Number(_) => Column::Numbers(Vec::new()),
                Param::Text(_) | Param::Packed(_) => Column::Texts(Vec::new()),
                Param::Bytes(_) => Column::Bytes(Vec::new()),
            }));
        }
        for (column, param) in entries.iter_mut().zip(entry) {
            match (column, param) {
                (Column::Numbers(column), Param::Number(number)) => column.push(number),
                (Column::Texts(column), Param::Text(text) | Param::Packed(text)) => {
                    column.push(text.map(str::to_owned));
                }
                (Column::Bytes(column), Param::Bytes(bytes)) => column.push(bytes.map(<[u8]>::to_vec)),
                _ => return Err(Trouble::new(TroubleKind::Internal, "an entry has other columns").into()),
            }
        }
        drop(entries);
        self.waiting.set(self.waiting.get() + 1);
        if self.waiting.get() >= MOST_ENTRIES { self.flush() } else { Ok(()) }
    }

    /// Writes the entries that wait.
    fn flush(&self) -> Result<(), Fault> {
        if self.waiting.get() == 0 {
            return Ok(());
        }
        self.waiting.set(0);
        let columns = self.entries.take();
        // What no entry says is left out: most kinds say little, and each column costs something for each row.
        let (names, parameters): (Vec<_>, Vec<Parameter<'_>>) = WRITTEN
            .into_iter()
            .zip(&columns)
            .filter_map(|(name, column)| match column {
                Column::Numbers(column) => said(name, column, Type::INT8_ARRAY),
                Column::Texts(column) => said(name, column, Type::TEXT_ARRAY),
                Column::Bytes(column) => said(name, column, Type::BYTEA_ARRAY),
            })
            .unzip();
        // Functions of sets beside each other in a list of columns need no tables of their own, as they do behind FROM.
        let sets: Vec<_> = (1..=names.len()).map(|n| format!("unnest(${n})")).collect();
        let sql = format!("INSERT INTO entry ({}) SELECT {}", names.join(", "), sets.join(", "));
        self.wait(self.line.client.execute_typed(&sql, &parameters)).map(drop)
    }

    pub(super) fn remember(&self, rows: &[(i64, i64)]) -> Result<Vec<bool>, Fault> {
        let Some((first, last)) =
            rows.iter().map(|(id, _)| (*id, *id)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        else {
            return Ok(Vec::new());
        };
        self.execute("SELECT pg_advisory_xact_lock(?1)", &[Param::from(HANDING_IN)])?;
        // Asked in a statement of its own, so that it sees what was committed while this one waited for the lock.
        let sql = "SELECT ids, digests FROM handed_in WHERE last >= $1 AND first <= $2
                   UNION ALL SELECT array_agg(id), array_agg(digest) FROM outbox WHERE id BETWEEN $1 AND $2 HAVING count(*) > 0";
        let parameters: [Parameter<'_>; 2] = [(&first, Type::INT8), (&last, Type::INT8)];
        let mut seen = HashSet::new();
        for row in self.wait(self.line.client.query_typed(sql, &parameters))? {
            let (ids, digests): (Vec<i64>, Vec<i64>) = (row.try_get(0)?, row.try_get(1)?);
            seen.extend(ids.into_iter().zip(digests).filter(|(id, _)| (first..=last).contains(id)));
        }
        // The first one of two that are the same in one batch is new.
        let new: Vec<bool> = rows.iter().map(|row| seen.insert(*row)).collect();
        let (ids, digests): (Vec<i64>, Vec<i64>) =
            rows.iter().zip(&new).filter(|(_, new)| **new).map(|(row, _)| *row).unzip();
        if !ids.is_empty() {
            let sql = "INSERT INTO handed_in (first, last, ids, digests) VALUES ($1, $2, $3, $4)";
            let parameters: [Parameter<'_>; 4] = [
                (&first, Type::INT8),
                (&last, Type::INT8),
                (&ids, Type::INT8_ARRAY),
                (&digests, Type::INT8_ARRAY),
            ];
            self.wait(self.line.client.execute_typed(sql, &parameters))?;
        }
        Ok(new)
    }

    pub(super) fn erase(&self, entries: &[(i64, Hash)], by: i64) -> Result<(), Fault> {
        self.flush()?;
        let (numbers, left): (Vec<i64>, Vec<&[u8]>) =
            entries.iter().map(|(number, left)| (*number, &left.0[..])).unzip();
        let sql = "UPDATE entry SET key = NULL, salt = NULL, commitment = l.commitment, forgotten_by = $3
                   FROM unnest($1, $2) AS l (seq, commitment) WHERE entry.seq = l.seq";
        let parameters: [Parameter<'_>; 3] =
            [(&numbers, Type::INT8_ARRAY), (&left, Type::BYTEA_ARRAY), (&by, Type::INT8)];
        self.wait(self.line.client.execute_typed(sql, &parameters)).map(drop)
    }

    pub(super) fn lock_all(&self) -> Result<(), Fault> {
        self.must_be_safe();
        self.execute("SELECT pg_advisory_xact_lock(?1)", &[Param::from(ALL)]).map(drop)
    }

    /// About: tables do not become smaller when rows are deleted, so it is rows that are counted, each as wide as the server's statistics have it.
    pub(super) fn used(&self) -> Result<u64, Fault> {
        let sql = "SELECT CAST(r.rows * (coalesce(w.width, 500) + 150) AS bigint) FROM (
                SELECT coalesce(sum(greatest((SELECT max(e.seq) FROM entry e WHERE e.seq >= c.id << 40 AND e.seq < (c.id + 1) << 40)
                    - (c.id << 40) - c.base, 0)), 0) AS rows FROM chain c) r,
            (SELECT sum(avg_width * (1 - null_frac)) + sum(avg_width * (1 - null_frac)) FILTER (WHERE attname = 'key') AS width
             FROM pg_stats WHERE schemaname = 'mdss_relay_ledger' AND tablename = 'entry') w";
        let row = self.wait(self.line.client.query_typed_one(sql, &[]))?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0))
    }
}

/// A column and its name, if any entry has it.
fn said<'c, T>(
    name: &'static str,
    column: &'c Vec<Option<T>>,
    of: Type,
) -> Option<(&'static str, Parameter<'c>)>
where
    Vec<Option<T>>: ToSql + Sync,
{
    column.iter().any(Option::is_some).then_some((name, (column as &(dyn ToSql + Sync), of)))
}

/// The text of a statement as a server wants it.
fn translated(sql: &str) -> String {
    sql.replace('?', "$").replace("instr(", "strpos(")
}

fn type_of(param: &Param<'_>) -> Type {
    match param {
        Param::Number(_) => Type::INT8,
        Param::Text(_) | Param::Packed(_) => Type::TEXT,
        Param::Bytes(_) => Type::BYTEA,
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Number(number) => number.to_sql(of, out),
            Self::Text(text) | Self::Packed(text) => text.to_sql(of, out),
            Self::Bytes(bytes) => bytes.to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
