//! What an error of the driver means: the one table of it. Decided by the SQLSTATE, never by a text
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>, read 2026-11).

use std::error::Error as _;
use std::fmt;

use tokio_postgres::Error;

/// What has become of a statement that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may have been done.
    Unknown,
    /// Nothing was done, and the same may succeed at once: two transactions have met.
    Again,
    /// Nothing was done, because of one of the rows, or of a row that somebody else holds: the others may succeed without it.
    Smaller,
    /// Nothing was done, because a number was given out twice: others are needed.
    Renumber,
    /// Nothing was done, and for now nothing will be.
    Refused,
}

/// Which kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server does not answer, or takes no writes.
    Unreachable,
    /// Its disk, its memory or a right does not allow it.
    Unwritable,
    /// Somebody else holds what is needed.
    Locked,
    /// The tables are those of another version, or gone.
    Foreign,
    /// The server has found damage.
    Damaged,
    /// A statement failed that never should: a defect.
    Internal,
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What has become of the statement.
    pub fate: Fate,
    /// Which kind of trouble it is.
    pub kind: Kind,
    /// The connection is of no more use: its server has gone, or takes no writes any more.
    pub leave: bool,
}

/// What it means that no answer came in time.
pub const LATE: Meaning = Meaning { fate: Fate::Unknown, kind: Kind::Unreachable, leave: true };

/// A kind of trouble, with its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Which kind.
    pub kind: Kind,
    /// The sentence: lower case, no full stop.
    pub detail: String,
}

impl Failing {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// What an error of the driver means.
pub fn meaning(error: &Error) -> Meaning {
    match error.as_db_error() {
        Some(found) => of_state(found.code().code(), found.constraint()),
        None => without_state(error),
    }
}

/// The server's sentence, without the row that it may quote in its detail.
pub fn text(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(found), _) => format!("{} (SQLSTATE {})", found.message(), found.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// The connection broke, or the driver does not understand what came.
fn without_state(error: &Error) -> Meaning {
    let broke = error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>());
    let kind = if broke { Kind::Unreachable } else { Kind::Internal };
    Meaning { fate: Fate::Unknown, kind, leave: true }
}

/// The table. What is not in it may have been done.
fn of_state(state: &str, constraint: Option<&str>) -> Meaning {
    use Fate::{Again, Refused, Renumber, Smaller, Unknown};
    use Kind::{Damaged, Foreign, Internal, Locked, Unreachable, Unwritable};
    let (fate, kind, leave) = match state {
        // Two transactions have met, and this one was taken back.
        "40001" | "40P01" => (Again, Locked, false),
        // Another connection of a dead group may hold its marks for a while.
        "55P03" => (Smaller, Locked, false),
        // A row is larger than the server can keep it, or its place in an index.
        "54000" => (Smaller, Unwritable, false),
        "23505" if constraint.is_some_and(|name| name.ends_with("_pkey")) => (Renumber, Internal, false),
        // A server that does not write (any more), or not yet.
        "25006" | "57P03" | "3D000" => (Refused, Unreachable, true),
        // The tables are another version's, or gone: the next connection looks at them anew.
        "42P01" | "42703" | "42883" | "3F000" => (Refused, Foreign, true),
        // A right is missing.
        "42501" => (Refused, Unwritable, true),
        // A pooler that keeps statements, or a server that knows too little.
        "26000" | "42P05" | "0A000" => (Refused, Internal, true),
        "XX001" | "XX002" => (Refused, Damaged, true),
        // The statement was cancelled, or its server is going down: it may have been done all the same.
        "57014" | "40003" | "25P03" => (Unknown, Unreachable, true),
        _ => match state.get(..2) {
            Some("08") => (Unknown, Unreachable, true),
            Some("57") => (Unknown, Unreachable, true),
            Some("28") => (Refused, Unreachable, true),
            Some("22" | "23") => (Smaller, Internal, false),
            Some("53" | "54" | "58") => (Refused, Unwritable, false),
            Some("42") => (Refused, Internal, true),
            _ => (Unknown, Internal, true),
        },
    };
    Meaning { fate, kind, leave }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state that PostgreSQL knows by a name of its own in the driver, and what it means here.
    #[test]
    fn each_state_means_one_thing() {
        use Fate::{Again, Refused, Renumber, Smaller, Unknown};
        use Kind::{Damaged, Foreign, Internal, Locked, Unreachable, Unwritable};
        for (states, fate, kind, leave) in [
            ("40001 40P01", Again, Locked, false),
            ("55P03", Smaller, Locked, false),
            ("22000 22001 22003 22021 22P02 22P05 23000 23502 23505 23514", Smaller, Internal, false),
            ("25006 57P03 3D000 28000 28P01", Refused, Unreachable, true),
            ("42P01 42703 42883 3F000", Refused, Foreign, true),
            ("42501", Refused, Unwritable, true),
            ("26000 42P05 0A000 42601 42804", Refused, Internal, true),
            ("XX001 XX002", Refused, Damaged, true),
            ("54000", Smaller, Unwritable, false),
            (
                "53000 53100 53200 53300 53400 54001 54011 54023 58000 58030 58P01 58P02",
                Refused,
                Unwritable,
                false,
            ),
            (
                "08000 08001 08003 08004 08006 08007 08P01 57000 57014 57P01 57P02 57P04 57P05 40003 25P03",
                Unknown,
                Unreachable,
                true,
            ),
            (
                "40000 40002 25000 25P02 55000 55006 XX000 P0001 HV000 99999 ab \u{fc}\u{fc}",
                Unknown,
                Internal,
                true,
            ),
        ] {
            for state in states.split(' ') {
                assert_eq!(of_state(state, None), Meaning { fate, kind, leave }, "{state}");
                assert_eq!(of_state(state, Some("item_mark")), of_state(state, None), "{state}");
            }
        }
        assert_eq!(of_state("23505", Some("item_pkey")).fate, Renumber);
        assert_eq!(of_state("23514", Some("item_pkey")).fate, Smaller);
    }
}
