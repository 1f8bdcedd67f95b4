//! Watches a listing from outside: whether its keys come in order, and whether it leads in a circle. What a store says of itself is
//! not believed, because a listing that never ends, or that leaves keys out, would not be noticed otherwise. Memory is flat.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::page::{Listed, Order};

/// So many pages in succession may be empty: stores that sort by themselves pass over deleted keys so.
const MOST_EMPTY: u32 = 1000;

/// What has been seen of a listing.
pub(crate) struct Watch {
    last: Option<Vec<u8>>,
    order: Order,
    empty: u32,
    pages: Circle,
    tokens: Circle,
}

impl Watch {
    /// Of a listing that goes on after a key, or begins.
    pub(crate) fn new(after: Option<&[u8]>) -> Self {
        let last = after.filter(|key| !key.is_empty()).map(<[u8]>::to_vec);
        Self { last, order: Order::Bytes, empty: 0, pages: Circle::default(), tokens: Circle::default() }
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// The last key.
    pub(crate) fn last(&self) -> &[u8] {
        self.last.as_deref().unwrap_or_default()
    }

    /// Takes note of a page.
    ///
    /// # Errors
    /// That the listing does not get further.
    pub(crate) fn see<'k>(
        &mut self,
        objects: &[Listed],
        passed: impl Iterator<Item = &'k [u8]>,
        next: Option<&str>,
    ) -> Result<(), &'static str> {
        for object in objects {
            // The same key twice is no order either.
            if self.last.as_deref().is_some_and(|last| last >= object.key.as_slice()) {
                self.order = Order::None;
            }
            self.last = Some(object.key.clone());
        }
        // Where there is a last path, what is not listed counts as well.
        for key in passed {
            if self.last.as_deref().is_none_or(|last| last < key) {
                self.last = Some(key.to_vec());
            }
        }
        if objects.is_empty() {
            self.empty += 1;
            if self.empty > MOST_EMPTY {
                return Err("gives one empty page after the other");
            }
        } else {
            self.empty = 0;
            let keys = (objects.first().map(|o| &o.key), objects.last().map(|o| &o.key), objects.len());
            if self.pages.closes(keys) {
                return Err("gives a page again that it has given before");
            }
        }
        if next.is_some_and(|token| self.tokens.closes(token)) {
            return Err("sends the listing to a place where it has been before");
        }
        Ok(())
    }
}

/// Notices that something comes again, with one remembered thing: Brent's way to find a cycle.
#[derive(Default)]
struct Circle {
    remembered: Option<u64>,
    steps: u64,
    limit: u64,
}

impl Circle {
    fn closes(&mut self, thing: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        let thing = hasher.finish();
        if self.remembered == Some(thing) {
            return true;
        }
        self.steps += 1;
        if self.steps > self.limit {
            self.remembered = Some(thing);
            self.steps = 0;
            self.limit = (self.limit * 2).max(1);
        }
        false
    }
}
