//! `[[store]]`, what is asked for what it holds, and `[[reconcile]]`, how often. The core keeps both as plain data: only who lists stores
//! understands them.

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

    /// The buckets that a server compares by itself.
    pub(super) fn reconciles(&mut self) -> Vec<Element> {
        let entries = self.entries("reconcile");
        if self.role == Role::Function && !entries.is_empty() {
            self.warnings
                .push("reconcile: has no effect in a function, which lives as long as one call".into());
        }
        entries.into_iter().map(|(place, table)| Element { place, table }).collect()
    }
}
