//! What an entry makes of one event of one key.

/// Whether an entry tells of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It does.
    Yes,
    /// It does not; why, as part of a sentence: `its prefix is "in/"`.
    No(String),
    /// It cannot be told; why.
    Unclear(String),
}
