#![doc = include_str!("../README.md")]

mod asked;
mod audit;
mod chain;
mod chains;
mod checkpoint;
mod db;
mod engine;
mod entry;
mod export;
mod fact;
mod form;
mod hash;
mod keeper;
mod keyfile;
mod kind;
mod latency;
mod ledger;
mod lessons;
mod matching;
mod moment;
mod notice;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod rekey;
mod results;
mod sql;
mod sqlite;
mod trouble;

pub use asked::{
    Appended, BucketName, Export, Fault, Filter, Forget, Forgotten, Format, Glance, Import, Imported, Limits,
    MOST_WRITES, ObjectWrites, OfSource, OpenUnit, OutboxId, Pruned, Rekey, Rekeyed, Remains, Run, RunEnd,
    RunId, RunStart, ScanResult, Shown, Sure, Told, Unscanned, Verified, Verify, Which,
};
pub use checkpoint::Checkpoint;
pub use entry::{Entry, Genesis, Head, LedgerId, Salt};
pub use export::{COLUMNS, Manifest};
pub use fact::{Fact, MOST_LINE_BYTES, Unreadable};
pub use hash::Hash;
pub use kind::{Keys, Kind, Origin};
pub use latency::Histogram;
pub use ledger::Ledger;
pub use lessons::Counts;
pub use matching::Confidence;
#[cfg(feature = "postgres")]
pub use mdss_relay_postgres::Database;
pub use moment::{Clock, Moment, SystemClock};
pub use notice::Verdict;
pub use place::{Access, Options, Place};
pub use results::{Became, Found, Loop, LoopUnit, MENU, Posted, Question, RAW_DAYS, Swept, Taken};
pub use trouble::{Trouble, TroubleKind};

/// What an operator does with the tables of a ledger in a database.
#[cfg(feature = "postgres")]
pub mod tables {
    pub use crate::postgres::{Examined, NEWEST, examine, migrate, script, version};
}
