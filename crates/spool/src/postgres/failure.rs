//! Why a statement has not succeeded, as the spool sees it. What an error of the driver means is decided by one table for all that is kept in a database
//! ([`mdss_relay_postgres::meaning`]).

use std::time::Duration;

use mdss_relay_postgres::{Failing, Kind, LATE, NotReady, meaning};
pub(super) use mdss_relay_postgres::{Fate, text};
use tokio_postgres::Error;

use crate::trouble::{Trouble, TroubleKind};

impl From<Kind> for TroubleKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Unreachable => Self::Unreachable,
            Kind::Unwritable => Self::Unwritable,
            Kind::Locked => Self::Locked,
            Kind::Foreign => Self::Foreign,
            Kind::Damaged => Self::Damaged,
            Kind::Internal => Self::Internal,
        }
    }
}

impl From<Failing> for Trouble {
    fn from(failing: Failing) -> Self {
        Self::new(failing.kind.into(), failing.detail)
    }
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// An event whose fate is unknown is not acknowledged; a repetition of it is recognised by its mark.
    pub(super) fate: Fate,
    pub(super) kind: TroubleKind,
    /// The connection is of no more use: its server has gone, or takes no writes any more.
    pub(super) leave: bool,
}

impl From<mdss_relay_postgres::Meaning> for Meaning {
    fn from(meaning: mdss_relay_postgres::Meaning) -> Self {
        Self { fate: meaning.fate, kind: meaning.kind.into(), leave: meaning.leave }
    }
}

/// Why a statement has not succeeded.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(Error),
    /// No answer came within this time.
    Late(Duration),
    /// There was an answer, but not all that is needed with it.
    Unsure(Trouble),
    /// Nothing was asked.
    Ours(Trouble),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Ours(trouble)
    }
}

impl From<NotReady> for Fault {
    fn from(error: NotReady) -> Self {
        match error {
            NotReady::Sql(error) => Self::Sql(error),
            NotReady::Ours(failing) => Self::Ours(failing.into()),
        }
    }
}

impl Fault {
    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Self::Sql(error) => meaning(error).into(),
            Self::Late(_) => LATE.into(),
            Self::Unsure(trouble) => Meaning { fate: Fate::Unknown, kind: trouble.kind, leave: true },
            Self::Ours(trouble) => Meaning { fate: Fate::Refused, kind: trouble.kind, leave: false },
        }
    }

    /// As everybody else knows it.
    pub(super) fn trouble(&self, doing: &str) -> Trouble {
        let detail = match self {
            Self::Sql(error) => format!("{doing}: {}", text(error)),
            Self::Late(after) => format!("{doing}: no answer within {} s", after.as_secs()),
            Self::Unsure(trouble) | Self::Ours(trouble) => return trouble.clone(),
        };
        Trouble::new(self.meaning().kind, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_answered_in_time_may_have_been_done() {
        let late = Fault::Late(Duration::from_secs(10));
        assert_eq!(
            late.meaning(),
            Meaning { fate: Fate::Unknown, kind: TroubleKind::Unreachable, leave: true }
        );
        assert_eq!(late.trouble("x").detail, "x: no answer within 10 s");
    }
}
