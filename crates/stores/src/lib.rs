#![doc = include_str!("../README.md")]

mod client;
mod cursor;
mod kind;
mod list;
mod listing;
mod notifies;
mod page;
mod patience;
mod raw;
mod settings;
mod sign;
mod source;
mod store;
mod tree;
mod trouble;
mod watch;
mod wire;

#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use kind::Kind;
pub use listing::Listing;
pub use notifies::{
    DeadLetter, Entry, OciBucket, OciRule, Selects, Switch, Takes, Tells, Test, Tests, Verdict, created_only,
    dead_letter, emits, filter, notifies, tells,
};
pub use page::{Listed, Order, Page, Passed, PassedWhy};
pub use settings::{MEMBERS, Member, Plus, StoreSettings, Style};
pub use sign::Service;
pub use store::Store;
pub use trouble::{Trouble, TroubleKind};
pub use wire::Answer;
