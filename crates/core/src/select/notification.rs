//! Notification configurations: the document in which a bucket says which events it reports to whom.

mod document;
mod parse;
mod write;
mod xml;

pub use document::{Address, Affix, Field, Miss, Notification, NotificationVerdict, Rule, Store, Target};

#[cfg(test)]
mod tests;
