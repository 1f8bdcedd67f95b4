//! What one lister gives, and where it is to begin.

use crate::page::{Listed, Passed};

/// One page as a store has given it.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) objects: Vec<Listed>,
    pub(crate) passed: Vec<Passed>,
    /// The store's own word for what comes next.
    pub(crate) token: Option<String>,
    /// Whether anything comes next.
    pub(crate) more: bool,
}

/// Where a page begins.
#[derive(Clone, Debug)]
pub(crate) enum Begin {
    /// At the first key.
    First,
    /// Where the store's token says. `last` is the key before it, for stores whose tokens are none.
    Token { token: String, last: Vec<u8> },
    /// After a key.
    After(Vec<u8>),
}

/// How many objects a page is asked to have.
pub(crate) const PAGE: usize = 1000;

/// How many a page may have all the same: some stores take the number for a wish.
pub(crate) const MOST_OBJECTS: usize = 10_000;
