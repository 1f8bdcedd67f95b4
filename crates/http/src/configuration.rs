//! What a server works with and a new configuration exchanges: all of it at once, and only if nothing is wrong with it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use mdss_relay_core::{HttpSettings, Memory, Relay, Role, Settings};
use tokio::sync::Semaphore;

use crate::door::Doors;
use crate::metrics::Meter;
use crate::proxies::Proxies;

/// Bodies of one source held in memory at once; its further requests wait before theirs is read. Each source has places of
/// its own: one that stalls, or is open to everybody, must not keep the others waiting.
pub(crate) const MOST_REQUESTS: usize = 32;

/// A relay, its sources, and the proxies before it.
pub struct Configuration {
    pub(crate) relay: Arc<Relay>,
    pub(crate) doors: Doors,
    pub(crate) proxies: Proxies,
    pub(crate) places: HashMap<String, Arc<Semaphore>>,
    /// One for the whole life of a server, handed from each configuration to the next.
    pub(crate) meter: Arc<Meter>,
}

/// Settings as they were read, with every mistake in them.
pub struct Reading {
    /// The log filter.
    pub log: String,
    /// What should be seen although it is no mistake.
    pub warnings: Vec<String>,
    /// The configuration, or every mistake.
    pub outcome: Result<Configuration, Vec<String>>,
}

impl Configuration {
    /// Reads the settings of an HTTP server from variables, and from what they name.
    pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Reading {
        let mut draft = Settings::read(variables, Role::Http);
        let doors = Doors::open(&mut draft);
        let proxies = Proxies::trusted(&mut draft);
        let (log, warnings) = (draft.settings.log.clone(), draft.settings.warnings.clone());
        let outcome =
            draft.finish().and_then(|settings| Relay::new(settings).map_err(|mistake| vec![mistake]));
        let outcome = outcome
            .map(|relay| Self::new(relay, doors, proxies))
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect());
        Reading { log, warnings, outcome }
    }

    /// Of parts; the relay's settings are a server's.
    fn new(relay: Relay, doors: Doors, proxies: Proxies) -> Self {
        let places = doors.names().map(|n| (n.to_owned(), Arc::new(Semaphore::new(MOST_REQUESTS)))).collect();
        // Nothing of it is used in spooled mode, where the disk remembers.
        let relay = Arc::new(relay.remembering(Memory::of_server()));
        let meter = Meter::default();
        meter.expect(doors.names());
        Self { relay, doors, proxies, places, meter: Arc::new(meter) }
    }

    /// Takes over what the configuration before has gathered: counts, and what MDSS has accepted.
    pub(crate) fn follow(&mut self, before: &Self) {
        self.meter = before.meter.clone();
        self.meter.expect(self.doors.names());
        // Nobody else has it yet.
        if let Some(relay) = Arc::get_mut(&mut self.relay) {
            relay.remember_as(&before.relay);
        }
    }

    /// Where MDSS is and how it is reached, for the log.
    pub fn way(&self) -> Option<String> {
        self.relay.settings().way()
    }

    /// Where to listen.
    pub fn listen(&self) -> SocketAddr {
        self.http().listen
    }

    /// What only a server has.
    pub(crate) fn http(&self) -> &HttpSettings {
        self.relay.settings().http.as_ref().expect("a configuration is only made of a server's settings")
    }

    /// What differs between this configuration and a newer one that only a new start can exchange.
    pub fn fixed(&self, newer: &Self) -> Vec<&'static str> {
        let (old, new) = (self.relay.settings(), newer.relay.settings());
        let place = |of: &Self| of.http().spool.as_ref().map(|s| (s.dir.clone(), s.limit));
        let mut fixed = Vec::new();
        if self.http().listen != newer.http().listen {
            fixed.push("RELAY_LISTEN");
        }
        if self.http().spool.is_some() != newer.http().spool.is_some() {
            fixed.push("RELAY_MODE");
        } else if place(self) != place(newer) {
            fixed.push("RELAY_DATA_DIR or RELAY_SPOOL_LIMIT");
        }
        if old.log != new.log {
            fixed.push("RELAY_LOG");
        }
        fixed
    }
}
