//! What an HTTP server runs with: as it was read, and as it is in force.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use mdss_relay_core::{
    HttpSettings, LedgerPlace, LedgerSettings, MOST_FILE_BYTES, Memory, Mistake, Origin, Relay, ResultKind,
    Role, Settings, SpoolPlace, SpoolSettings, Watch, plain_text,
};
use mdss_relay_gate::{Proxies, Sources};
use mdss_relay_host::{Read, text};
use mdss_relay_reconcile::Schedule;
use mdss_relay_spool::{Config, Database, Place};
use mdss_relay_stores::StoreSettings;
use tokio::sync::Semaphore;

/// Requests of one source under way at once; its further requests wait before their bodies are read. Each source has places of
/// its own: one that stalls, or is open to everybody, must not keep the others waiting.
pub(crate) const MOST_REQUESTS: usize = 32;

/// A relay, its sources, and the proxies before it.
pub struct Configuration {
    relay: Relay,
    http: HttpSettings,
    pub(crate) sources: Sources,
    proxies: Proxies,
    origin: Origin,
    /// Where events are kept, in spooled mode.
    kept: Option<Config>,
    /// The stores whose buckets are to tell us.
    stores: Vec<StoreSettings>,
    /// Buckets that are compared again and again.
    schedules: Vec<Schedule>,
}

/// A configuration as it was read, with every mistake in it.
pub type ReadConfiguration = Read<Configuration>;

impl Configuration {
    /// Reads the settings of an HTTP server from variables, and from what they name.
    pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> ReadConfiguration {
        let variables: Vec<_> = variables.into_iter().collect();
        // https://no-color.org
        let no_colour = variables.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
        let mut draft = Settings::read(variables, Role::Http);
        let sources = Sources::of(&mut draft, Timestamp::now(), &|path| plain_text(path, MOST_FILE_BYTES));
        let proxies = Proxies::trusted(&mut draft);
        // Before the settings of HTTP are taken away: whose routes a store has is a matter of the sources.
        let mut mistakes = Vec::new();
        let stores = StoreSettings::read(&draft.settings, &mut mistakes);
        let schedules = Schedule::read(&draft.settings, &stores, &mut mistakes);
        draft.mistakes.extend(mistakes);
        let http = draft.settings.http.take().expect("every role except a function's has them");
        // Two ports that are one: the system would say only that the address is in use.
        if http.listen.port() != 0 && http.admin_listen == Some(http.listen) {
            let expected = "another port than that of RELAY_LISTEN";
            draft.mistakes.push(Mistake::found("RELAY_ADMIN_LISTEN", &http.listen.to_string(), expected));
        }
        if let (Some(element), None) = (draft.settings.reconciles.first(), &http.spool) {
            let expected =
                "RELAY_MODE=spooled: what is missing goes through the spool, and only then there is a ledger";
            draft.mistakes.push(Mistake::new(element.place.clone(), expected));
        }
        let kept = http.spool.as_ref().map(kept).transpose();
        let kept = kept.map_err(|mistake| draft.mistakes.push(mistake)).ok().flatten();
        if let Some(Place::Database(database)) = kept.as_ref().map(|kept| &kept.place)
            && !database.is_verified()
            && !database.is_local()
        {
            draft.settings.warnings.push(format!(
                "RELAY_SPOOL_URL: sslmode=disable: events, and the password, travel to {} in the clear",
                database.place()
            ));
        }
        if let Err(mistake) = mdss_relay_reconcile::FileApi::of(&http.file_api) {
            draft.mistakes.push(mistake);
        }
        // Until the ledger has tables there.
        if http
            .spool
            .as_ref()
            .and_then(|spool| spool.ledger.as_ref())
            .is_some_and(|ledger| ledger.place == LedgerPlace::Database)
        {
            let expected = "off: with the spool in a database no ledger can be kept yet";
            draft.mistakes.push(Mistake::found("RELAY_LEDGER", "on", expected));
        }
        let shown = http.text_log.then(|| text(!no_colour && std::io::stderr().is_terminal()));
        let origin = std::mem::take(&mut draft.origin);
        let (filter, mut warnings) = (draft.settings.log.clone(), draft.settings.warnings.clone());
        warnings.extend(origin.overridden().iter().map(|(variable, member)| {
            format!("{member} in the configuration has no effect: {variable} says something else, and variables win")
        }));
        let outcome =
            draft.finish().and_then(|settings| Relay::new(settings).map_err(|mistake| vec![mistake]));
        let outcome = outcome
            .map(|relay| Self { relay, http, sources, proxies, origin, kept, stores, schedules })
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect());
        Read { filter, shown, warnings, outcome }
    }

    /// What a record becomes in this mode, if all is well.
    pub(crate) fn takes_as(&self) -> ResultKind {
        if self.http.spool.is_some() { ResultKind::Spooled } else { ResultKind::Accepted }
    }

    /// Where to listen.
    pub fn listen(&self) -> SocketAddr {
        self.http.listen
    }

    /// Where to listen for those who watch the relay, if not on the same port.
    pub fn admin_listen(&self) -> Option<SocketAddr> {
        self.http.admin_listen
    }
}

/// A configuration that requests are answered with.
pub(crate) struct InForce {
    pub(crate) relay: Arc<Relay>,
    /// What only a server has.
    pub(crate) http: HttpSettings,
    pub(crate) sources: Arc<Sources>,
    pub(crate) proxies: Proxies,
    /// Where it was read.
    pub(crate) origin: Origin,
    /// Where events are kept, in spooled mode.
    pub(crate) kept: Option<Config>,
    /// The stores whose buckets are to tell us.
    pub(crate) stores: Vec<StoreSettings>,
    /// Buckets that are compared again and again.
    pub(crate) schedules: Vec<Schedule>,
    /// For each source, one for each request that may be under way.
    pub(crate) places: HashMap<String, Arc<Semaphore>>,
}

impl InForce {
    /// The first configuration of a server.
    pub(crate) fn first(configuration: Configuration, watch: Arc<Watch>) -> Self {
        // Nothing of it is used in spooled mode, where the disk remembers.
        Self::of(configuration, |relay| relay.remembering(Memory::of_server()).watched(watch))
    }

    /// One that goes on with what MDSS has accepted under the one before.
    pub(crate) fn after(configuration: Configuration, before: &Self, watch: Arc<Watch>) -> Self {
        if configuration.relay.settings().way() != before.way() {
            watch.moved();
        }
        Self::of(configuration, |mut relay| {
            relay.remember_as(&before.relay);
            relay.watched(watch)
        })
    }

    fn of(configuration: Configuration, remembering: impl FnOnce(Relay) -> Relay) -> Self {
        let Configuration { relay, http, sources, proxies, origin, kept, stores, schedules } = configuration;
        let places = |name: &str| (name.to_owned(), Arc::new(Semaphore::new(MOST_REQUESTS)));
        let places = sources.names().map(places).collect();
        let (relay, sources) = (Arc::new(remembering(relay)), Arc::new(sources));
        Self { relay, http, sources, proxies, origin, kept, stores, schedules, places }
    }

    /// Where MDSS is and how it is reached, for the log.
    pub(crate) fn way(&self) -> Option<String> {
        self.relay.settings().way()
    }

    /// The ledger, if one is to be kept.
    pub(crate) fn ledger(&self) -> Option<&LedgerSettings> {
        self.http.spool.as_ref()?.ledger.as_ref()
    }

    /// What differs between this configuration and a newer one that only a new start can exchange.
    pub(crate) fn fixed(&self, newer: &Configuration) -> Vec<&'static str> {
        let (old, new) = (&self.http, &newer.http);
        let place = |http: &HttpSettings| http.spool.as_ref().map(|s| (s.place.clone(), s.limit));
        let mut fixed = Vec::new();
        if old.listen != new.listen {
            fixed.push("RELAY_LISTEN");
        }
        if old.admin_listen != new.admin_listen {
            fixed.push("RELAY_ADMIN_LISTEN");
        }
        if old.spool.is_some() != new.spool.is_some() {
            fixed.push("RELAY_MODE");
        } else if place(old) != place(new) {
            fixed.push("RELAY_DATA_DIR, RELAY_SPOOL_LIMIT or where the database is");
        }
        if old.spool.as_ref().map(|s| &s.ledger) != new.spool.as_ref().map(|s| &s.ledger) {
            fixed.push("the ledger's settings");
        }
        if self.relay.settings().log != newer.relay.settings().log {
            fixed.push("RELAY_LOG");
        }
        if old.text_log != new.text_log {
            fixed.push("RELAY_LOG_FORMAT");
        }
        fixed
    }
}

/// What the spool needs to know of the settings.
///
/// # Errors
/// The mistake in the URL of the database, or in the file that has it.
fn kept(settings: &SpoolSettings) -> Result<Config, Mistake> {
    let place = match &settings.place {
        SpoolPlace::Directory(dir) => Place::Directory(dir.clone()),
        SpoolPlace::Database(database) => Place::Database(Database::of_settings(database)?),
    };
    Ok(Config { place, limit: settings.limit })
}
