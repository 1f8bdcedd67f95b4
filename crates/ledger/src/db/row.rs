//! A parameter and a row, for either database. A row is read whatever it holds: a value that somebody has put there must make the chain fail to fit, not
//! the reader.

use rusqlite::types::ValueRef;
#[cfg(feature = "postgres")]
use tokio_postgres::types::Type;

use super::fault::Fault;
use super::pack::unpack;

/// Columns of an entry as it is first written, in the order of [`Db::insert_entry`](super::Db::insert_entry), which takes one value for each.
#[cfg(feature = "postgres")]
pub(crate) const WRITTEN: [&str; 28] = [
    "seq",
    "at",
    "kind",
    "hash",
    "place",
    "key",
    "salt",
    "version",
    "etag",
    "size",
    "event_time",
    "received_time",
    "settled_time",
    "attempts",
    "correlation_id",
    "origin",
    "actor",
    "count",
    "reason",
    "about",
    "file_id",
    "result",
    "file_state",
    "scan_time",
    "confidence",
    "digest",
    "detail",
    "result_seq",
];

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Param<'p> {
    Number(Option<i64>),
    Text(Option<&'p str>),
    Bytes(Option<&'p [u8]>),
    /// A text that is mostly hexadecimal: a file keeps such a one as its bytes.
    Packed(Option<&'p str>),
}

macro_rules! from {
    ($($from:ty => $name:ident $convert:expr;)+) => {
        $(impl<'p> From<$from> for Param<'p> {
            fn from(value: $from) -> Self {
                let convert: fn($from) -> _ = $convert;
                Self::$name(convert(value))
            }
        })+
    };
}

from! {
    i64 => Number |n| Some(n);
    Option<i64> => Number |n| n;
    u64 => Number |n| Some(n.cast_signed());
    Option<u64> => Number |n| n.map(u64::cast_signed);
    u32 => Number |n| Some(i64::from(n));
    usize => Number |n| Some(i64::try_from(n).unwrap_or(i64::MAX));
    &'p str => Text |text| Some(text);
    Option<&'p str> => Text |text| text;
    &'p String => Text |text| Some(text.as_str());
    &'p Option<String> => Text |text| text.as_deref();
    &'p [u8] => Bytes |bytes| Some(bytes);
    Option<&'p [u8]> => Bytes |bytes| bytes;
    &'p Vec<u8> => Bytes |bytes| Some(bytes.as_slice());
    &'p crate::hash::Hash => Bytes |hash| Some(&hash.0[..]);
    Option<&'p crate::hash::Hash> => Bytes |hash| hash.map(|hash| &hash.0[..]);
    crate::moment::Moment => Number |moment| Some(moment.as_millis());
    Option<crate::moment::Moment> => Number |moment| moment.map(crate::moment::Moment::as_millis);
}

/// A row of an answer.
pub(crate) enum Row<'r> {
    File(&'r rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Server(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// A number; `None` for anything else.
    pub(crate) fn number(&self, column: usize) -> Result<Option<i64>, Fault> {
        match self {
            Self::File(row) => Ok(match row.get_ref(column)? {
                ValueRef::Integer(number) => Some(number),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
            }),
            #[cfg(feature = "postgres")]
            Self::Server(row) => Ok(match *type_of(row, column) {
                Type::INT8 => row.try_get(column)?,
                Type::INT4 => row.try_get::<_, Option<i32>>(column)?.map(i64::from),
                Type::BOOL => row.try_get::<_, Option<bool>>(column)?.map(i64::from),
                _ => None,
            }),
        }
    }

    /// The same where one stands; 0 for anything else.
    pub(crate) fn count(&self, column: usize) -> Result<i64, Fault> {
        Ok(self.number(column)?.unwrap_or(0))
    }

    /// The bytes of a text or a blob; `None` for anything else.
    pub(crate) fn bytes(&self, column: usize) -> Result<Option<&[u8]>, Fault> {
        match self {
            Self::File(row) => Ok(match row.get_ref(column)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
            }),
            #[cfg(feature = "postgres")]
            Self::Server(row) => Ok(match *type_of(row, column) {
                Type::BYTEA => row.try_get(column)?,
                Type::TEXT => row.try_get::<_, Option<&str>>(column)?.map(str::as_bytes),
                _ => None,
            }),
        }
    }

    /// A text; of a blob the text that it is short for. What is not UTF-8 is replaced, so that it does not fit.
    pub(crate) fn text(&self, column: usize) -> Result<Option<String>, Fault> {
        match self {
            Self::File(row) => Ok(match row.get_ref(column)? {
                ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                ValueRef::Blob(bytes) => Some(unpack(bytes)),
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(format!("number {number}")),
                ValueRef::Real(number) => Some(format!("number {number}")),
            }),
            #[cfg(feature = "postgres")]
            Self::Server(row) => Ok(match *type_of(row, column) {
                Type::TEXT => row.try_get(column)?,
                _ => None,
            }),
        }
    }

    /// Thirty-two bytes. Anything else but NULL is a hash that fits nothing.
    pub(crate) fn hash(&self, column: usize) -> Result<Option<crate::hash::Hash>, Fault> {
        Ok(self.bytes(column)?.map(|bytes| crate::hash::Hash(bytes.try_into().unwrap_or_default())))
    }
}

#[cfg(feature = "postgres")]
fn type_of(row: &tokio_postgres::Row, column: usize) -> &Type {
    row.columns().get(column).map_or(&Type::UNKNOWN, |column| column.type_())
}
