//! Settings: read once, at start, as a value. The process environment is never read anywhere else.
//!
//! One setting is one row (`table.rs`), which also says where it means something (`applies.rs`). The reader goes through the rows and fills their fields (`reader.rs`); then each
//! group says what must hold between its settings (`mdss.rs`, `http.rs`, `spool.rs`, `sources.rs`, `routes.rs`).

mod applies;
mod document;
mod entry;
mod given;
mod groups;
mod help;
mod http;
mod keys;
mod ledger;
mod mdss;
mod origin;
mod proxies;
mod reader;
mod results;
mod routes;
mod sources;
mod spool;
mod stores;
mod table;
mod value;

use std::ffi::OsString;

use crate::plain::mistake::Mistake;
use crate::select::rules::Rules;
use reader::Reader;

pub use applies::Applies;
pub use entry::{Element, Entry};
pub use groups::{
    DatabaseSettings, DatabaseUrl, FileApiSettings, FunctionSettings, HttpSettings, LedgerKeys, LedgerPlace,
    LedgerSettings, Listed, MdssSettings, ResultsSource, Role, Settings, Source, SpoolPlace, SpoolSettings,
};
pub use help::settings_help;
pub use mdss::{KEY_IN_CLEAR, NOT_VERIFIED};
pub use origin::Origin;
pub use table::{SETTINGS, Setting, Without};
pub use value::{certificates_in, duration_in};

/// Requests to MDSS at the same time. A function has what one call brings, and there are many of it.
const CONCURRENCY: usize = 16;

/// In spooled mode there is one relay, with a pace that finds itself: 10,000 a second, of which each takes 10 ms, are a hundred at a time.
const SPOOLED_CONCURRENCY: usize = 128;

/// Settings as read, with every mistake found so far. Adapters add theirs before anything is printed.
#[derive(Debug)]
pub struct Draft {
    /// The settings; where there is a mistake, the default.
    pub settings: Settings,
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
    /// Where they were read.
    pub origin: Origin,
}

impl Draft {
    /// The settings, if nothing is wrong with them.
    ///
    /// # Errors
    /// Every mistake.
    pub fn finish(self) -> Result<Settings, Vec<Mistake>> {
        if self.mistakes.is_empty() { Ok(self.settings) } else { Err(self.mistakes) }
    }
}

impl Settings {
    /// Reads name and value pairs (`std::env::vars_os()` in a process, an array in a test) and the files they name.
    pub fn read(vars: impl IntoIterator<Item = (OsString, OsString)>, role: Role) -> Draft {
        let mut reader = Reader::new(role, vars);
        // What has no place in the TOML comes first: it says where the TOML is.
        reader.fill(|setting| setting.toml.is_none());
        reader.read_table();
        reader.fill(|setting| setting.toml.is_some());
        reader.misplaced();
        let mut mdss = reader.mdss();
        let http = reader.http(mdss.deadline);
        if mdss.concurrency == 0 {
            let spooled = http.as_ref().is_some_and(|http| http.spool.is_some());
            mdss.concurrency = if spooled { SPOOLED_CONCURRENCY } else { CONCURRENCY };
        }
        let routes = reader.routes(http.as_ref().map_or(&[], |http| &http.sources));
        let mut keys = keys::rules(&reader.table, &reader.vars, &mut reader.mistakes);
        let (stores, reconciles) = (reader.stores(), reader.reconciles());
        let Reader { given, mistakes, warnings, vars, table, .. } = reader;
        keys.set_buckets_folder(given.seaweedfs_buckets);
        let settings = Self {
            mdss,
            function: (role == Role::Function).then_some(given.function),
            http,
            rules: Rules { routes, keys, unknown_events: given.unknown_events },
            log: given.log,
            stores,
            reconciles,
            warnings,
        };
        Draft { settings, mistakes, origin: Origin::new(vars, table) }
    }
}

impl Default for Settings {
    /// What the documentation calls the defaults: no endpoint, no route.
    fn default() -> Self {
        Self::read([], Role::Explain).settings
    }
}

#[cfg(test)]
mod tests;
