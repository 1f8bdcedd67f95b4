//! What a column holds, whatever it is. SQLite checks neither types nor UTF-8 when it reads, and pages have no checksums: a byte
//! that was flipped on the disk must not make a whole answer fail, only the row be what it is.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql};

use crate::item::State;

/// A value as it is in the file. Text need not be UTF-8, and is written and compared as it was read.
pub(super) enum Cell {
    Text(Vec<u8>),
    Other(Value),
}

impl Cell {
    pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        Ok(match row.get_ref(column)? {
            ValueRef::Text(text) => Self::Text(text.to_vec()),
            ValueRef::Null => Self::Other(Value::Null),
            ValueRef::Integer(number) => Self::Other(number.into()),
            ValueRef::Real(number) => Self::Other(number.into()),
            ValueRef::Blob(bytes) => Self::Other(bytes.to_vec().into()),
        })
    }

    /// To be shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Other(_) => String::new(),
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => Ok(ToSqlOutput::Borrowed(ValueRef::Text(text))),
            Self::Other(value) => value.to_sql(),
        }
    }
}

/// The bytes of a text or a blob; none of anything else.
pub(super) fn bytes<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r [u8]> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    })
}

/// A text to be shown: what is not UTF-8 in it is replaced.
pub(super) fn shown(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(bytes(row, column)?).into_owned())
}

/// The same, of a column that may be NULL.
pub(super) fn maybe_shown(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        _ => Some(shown(row, column)?),
    })
}

/// A text to be used, so only as it was written; `None` is NULL.
pub(super) fn exact(
    row: &Row<'_>,
    column: usize,
    what: &str,
) -> rusqlite::Result<Result<Option<String>, String>> {
    Ok(match (row.get_ref(column)?, std::str::from_utf8(bytes(row, column)?)) {
        (ValueRef::Null, _) => Ok(None),
        (_, Ok(text)) => Ok(Some(text.to_owned())),
        (_, Err(_)) => Err(format!(
            "{what}: expected UTF-8, found {:?}; something other than the relay has changed the file",
            shown(row, column)?
        )),
    })
}

/// A number; 0 for anything else.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => number,
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => 0,
    })
}

/// Where an item stands. The column's constraint lets no other word in; a damaged page might.
pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    Ok(shown(row, column)?.parse().unwrap_or(State::Waiting))
}

/// As `json_each` reads them: a statement has a fixed number of parameters.
pub(super) fn numbers(numbers: &[i64]) -> String {
    serde_json::Value::from(numbers).to_string()
}
