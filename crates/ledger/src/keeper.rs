//! What keeps a ledger: an enum, because the kinds are ours and chosen at start. It opens transactions, and the statements in them are the same for all.

use crate::asked::{Rekey, Rekeyed, Remains};
use crate::chains::{Chain, Reach};
use crate::db::{Db, Fault};
use crate::place::{Options, Place};
#[cfg(feature = "postgres")]
use crate::postgres::Server;
use crate::sql::Pen;
use crate::sqlite::File;
use crate::trouble::Trouble;

/// An open ledger.
pub(crate) enum Keeper {
    /// A file on this machine.
    File(File),
    /// Tables in a database that relays share.
    #[cfg(feature = "postgres")]
    Server(Server),
}

macro_rules! each {
    ($keeper:expr, $kept:ident => $do:expr) => {
        match $keeper {
            Self::File($kept) => $do,
            #[cfg(feature = "postgres")]
            Self::Server($kept) => $do,
        }
    };
}

impl Keeper {
    pub(crate) fn open(place: &Place, options: Options) -> Result<Self, Trouble> {
        match place {
            Place::Directory(dir) => Ok(Self::File(File::open(dir, options)?)),
            #[cfg(feature = "postgres")]
            Place::Database { database, key } => {
                Ok(Self::Server(Server::open(database, key.as_deref(), options)?))
            }
        }
    }

    pub(crate) fn rekey(place: &Place, options: Options, asked: &Rekey) -> Result<Rekeyed, Trouble> {
        match place {
            Place::Directory(dir) => File::rekey(dir, &options, asked),
            #[cfg(feature = "postgres")]
            Place::Database { database, key } => Server::rekey(database, key.as_deref(), options, asked),
        }
    }

    pub(crate) fn options(&self) -> &Options {
        each!(self, kept => &kept.options)
    }

    /// The chain that this process writes; `None`: it only reads, or there is one alone.
    pub(crate) fn own(&self) -> Option<Chain> {
        match self {
            Self::File(_) => None,
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.own(),
        }
    }

    /// Says that whoever writes is still there.
    pub(crate) fn beat(&self) -> Result<(), Trouble> {
        match self {
            Self::File(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.beat(),
        }
    }

    /// Waits until whatever was written before outlives the server.
    pub(crate) fn secure(&self) -> Result<(), Trouble> {
        match self {
            Self::File(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.secure(),
        }
    }

    /// Whether this is the first of those that write: what one of them is to do is his.
    pub(crate) fn leads(&self) -> Result<bool, Trouble> {
        match self {
            Self::File(_) => Ok(true),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.leads(),
        }
    }

    /// Says that whoever writes goes.
    pub(crate) fn close(&self) -> Result<(), Trouble> {
        match self {
            Self::File(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.close(),
        }
    }

    /// Does some work in one transaction. If it fails nothing is kept of it.
    pub(crate) fn write<T>(
        &self,
        doing: &str,
        reach: Reach,
        work: impl FnOnce(&mut Pen<'_>) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        match self {
            Self::File(file) => {
                // There is one chain.
                let _ = reach;
                file.write(doing, work)
            }
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.write(doing, reach, work),
        }
    }

    /// Reads one moment of the ledger, beside whoever writes.
    pub(crate) fn read<T>(&self, work: impl FnOnce(Db<'_>) -> Result<T, Fault>) -> Result<T, Trouble> {
        each!(self, kept => kept.read(work))
    }

    /// What is kept of a key instead of it, if the key of the site is there.
    pub(crate) fn hashed(&self, key: &[u8]) -> Option<Vec<u8>> {
        each!(self, kept => kept.hashed(key))
    }

    /// Removes what is left of what was erased, as far as that can be done.
    pub(crate) fn clear_away(&self, doing: &str) -> Result<Remains, Trouble> {
        match self {
            Self::File(file) => Ok(if file.empty_log(doing)? { Remains::Nothing } else { Remains::Log }),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.clear_away(doing),
        }
    }
}
