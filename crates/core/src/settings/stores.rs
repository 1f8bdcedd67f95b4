//! `[[store]]`: what is asked for what it holds. The core keeps it as plain data: only who lists stores understands it.

use crate::settings::entry::Element;
use crate::settings::groups::Role;
use crate::settings::reader::Reader;

impl Reader {
    /// The stores. A function lists none.
    pub(super) fn stores(&mut self) -> Vec<Element> {
        let entries = self.entries("store");
        if self.role == Role::Function && !entries.is_empty() {
            self.warnings.push("store: has no effect in a function, which lists no bucket".into());
        }
        entries.into_iter().map(|(place, table)| Element { place, table }).collect()
    }
}
