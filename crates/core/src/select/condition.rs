//! Conditions: the filter language of OCI Events rules, for the records of any dialect.

mod filter;
mod matching;
mod parse;
mod suggest;
mod verdict;

pub use suggest::suggest;
pub(crate) use verdict::{Comparisons, ConditionVerdict};
pub use verdict::{Condition, Mismatch};

#[cfg(test)]
mod tests;
