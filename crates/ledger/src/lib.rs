#![doc = include_str!("../README.md")]

mod asked;
mod audit;
mod chain;
mod checkpoint;
mod engine;
mod entry;
mod export;
mod fact;
mod hash;
mod keyfile;
mod kind;
mod ledger;
mod moment;
mod place;
mod sqlite;
mod trouble;

pub use asked::{
    Appended, BucketName, Export, Fault, Filter, Forget, Forgotten, Format, Glance, Import, Imported, Limits,
    MOST_WRITES, ObjectWrites, OpenUnit, OutboxId, Pruned, Run, RunEnd, RunId, RunStart, ScanResult, Shown,
    Sure, Told, Unscanned, Verified, Verify, Which,
};
pub use checkpoint::Checkpoint;
pub use entry::{Entry, Genesis, Head, LedgerId, Salt};
pub use export::{COLUMNS, Manifest};
pub use fact::{Fact, MOST_LINE_BYTES, Unreadable};
pub use hash::Hash;
pub use kind::{Keys, Kind, Origin};
pub use ledger::Ledger;
pub use moment::{Clock, Moment, SystemClock};
pub use place::{Access, Options, Place};
pub use trouble::{Trouble, TroubleKind};
