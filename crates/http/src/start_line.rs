//! What runs, in one line: at the start, and again after each exchange of the configuration.

use std::time::Duration;

use mdss_relay_core::{DatabaseSettings, LedgerPlace, SpoolPlace, fields};
use mdss_relay_gate::Takes;
use mdss_relay_spool::{Database, Desk, Glance, Place, Spool, Standing, State};
use tokio::time::timeout;
use tracing::{error, info};

use crate::configuration::InForce;

/// How many routes and sources a line lists; of a configuration with more, the rest is in its file.
const MOST_LISTED: usize = 20;

/// The longest a start waits for the spool to be counted.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

/// What is stored, of all units.
pub(crate) struct Stored {
    pub(crate) waiting: u64,
    pub(crate) held: u64,
    pub(crate) parked: u64,
}

impl Stored {
    /// `None` if the disk does not answer within `limit`, or the spool cannot be read.
    pub(crate) async fn count(spool: &Spool, limit: Duration) -> Option<Self> {
        let stock = timeout(limit, spool.snapshot()).await.ok()?.ok()?.stock;
        let count = |state| stock.depths.iter().filter(|d| d.state == state).map(|d| d.items).sum();
        Some(Self { waiting: count(State::Waiting), held: count(State::Held), parked: count(State::Parked) })
    }
}

/// What a configuration says, in words that show no secret.
struct Words {
    sources: String,
    routes: String,
    endpoint: String,
    proxy: Option<String>,
    /// `2 sources, 3 routes; MDSS at https://mdss.example:443, directly`.
    summary: String,
    configuration: Option<String>,
    overridden: Option<String>,
}

impl Words {
    fn of(running: &InForce) -> Self {
        let settings = running.relay.settings();
        let (endpoint, proxy) = settings.endpoint().unwrap_or_default();
        let sources = running.sources.iter().map(|source| {
            let open = if source.policy.is_none() { " (open to everybody)" } else { "" };
            let results = if source.takes == Takes::Results { " (results of MDSS)" } else { "" };
            format!("{} at {}{results}{open}", source.name, source.place())
        });
        let sources: Vec<_> = sources.collect();
        let routes: Vec<_> = settings.rules.routes().iter().map(ToString::to_string).collect();
        let overridden = running.origin.overridden().into_iter().map(|(variable, _)| variable);
        let overridden = overridden.collect::<Vec<_>>().join(", ");
        let summary = format!(
            "{}, {}; {}",
            number(sources.len() as u64, "source"),
            number(routes.len() as u64, "route"),
            running.way().unwrap_or_default()
        );
        Self {
            sources: listed(sources),
            routes: listed(routes),
            endpoint,
            proxy,
            summary,
            configuration: running.origin.configuration().map(str::to_owned),
            overridden: Some(overridden).filter(|names| !names.is_empty()),
        }
    }
}

/// The line of a start, as soon as it is known what waits.
pub(crate) async fn started(running: &InForce, spool: Option<&Spool>) {
    let Words { sources, routes, endpoint, proxy, summary, configuration, overridden } = Words::of(running);
    let stored = match spool {
        Some(spool) => Stored::count(spool, COUNT_TIMEOUT).await,
        None => None,
    };
    let (dir, database) = match running.kept.as_ref().map(|kept| &kept.place) {
        Some(Place::Directory(dir)) => (Some(dir.display().to_string()), None),
        Some(Place::Database(database)) => (None, Some(database)),
        None => (None, None),
    };
    let ledger = running.ledger().and_then(|ledger| match &ledger.place {
        LedgerPlace::Directory(dir) => Some(dir.display().to_string()),
        LedgerPlace::Database { .. } => None,
    });
    let mode = if spool.is_some() { "spooled" } else { "direct" };
    let place = match (&dir, database) {
        (Some(dir), _) => Some(format!(" in {dir:?}")),
        (None, Some(database)) => {
            let standing = spool.and_then(|spool| spool.engine().standing());
            Some(format!(" in the database {}", in_database(database, standing)))
        }
        (None, None) => None,
    };
    let waits = match (&stored, place) {
        (Some(Stored { waiting, held, parked }), Some(place)) => {
            format!("{place} with {waiting} waiting, {held} held, {parked} parked")
        }
        (None, Some(place)) => format!("{place}, which could not be counted yet"),
        (_, None) => String::new(),
    };
    let kept = match &ledger {
        Some(dir) => format!(", with a ledger in {dir:?}"),
        None if running.ledger().is_some() => ", with a ledger in the same database".to_owned(),
        None => String::new(),
    };
    info!(
        { fields::SERVICE_VERSION } = env!("CARGO_PKG_VERSION"),
        { fields::MODE } = mode,
        { fields::SPOOL_DIR } = dir,
        { fields::SPOOL_DATABASE } = database.map(Database::place),
        { fields::SPOOL_WAITING } = stored.as_ref().map(|stored| stored.waiting),
        { fields::SPOOL_HELD } = stored.as_ref().map(|stored| stored.held),
        { fields::SPOOL_PARKED } = stored.as_ref().map(|stored| stored.parked),
        { fields::LEDGER_DIR } = ledger,
        { fields::SOURCES } = sources,
        { fields::ROUTES } = routes,
        { fields::ENDPOINT } = endpoint,
        { fields::PROXY } = proxy,
        { fields::CONFIGURATION } = configuration,
        { fields::OVERRIDDEN } = overridden,
        "mdss-relay-http {} starts in {mode} mode{waits}{kept}; {summary}",
        env!("CARGO_PKG_VERSION")
    );
}

/// Where the database is, how safe an event is to be there, and what of it the server says it keeps.
fn in_database(database: &Database, standing: Option<Standing>) -> String {
    let (place, durability) = (database.place(), database.durability().name());
    let found = standing.map_or_else(
        || "not reached yet".to_owned(),
        |standing| match standing.holds() {
            Ok(()) => standing.words(),
            Err(trouble) => format!("{}; events are refused: {trouble}", standing.words()),
        },
    );
    format!("{place} (RELAY_SPOOL_DURABILITY={durability}; {found})")
}

/// Says what an earlier relay has left in a data directory that is still named, because nobody sends it from there.
pub(crate) async fn left_behind(running: &InForce) {
    let settings = running.http.spool.as_ref().map(|spool| &spool.place);
    let Some(SpoolPlace::Database(DatabaseSettings { former: Some(dir), .. })) = settings else { return };
    let looked = dir.clone();
    let count = tokio::task::spawn_blocking(move || {
        // Another version is left alone: opening it would change it.
        if !matches!(Desk::glance(&looked).version, Ok(Some(Glance::NEWEST))) {
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
        let stock = runtime.block_on(Desk::open(&looked).ok()?.stock()).ok()?;
        Some(stock.depths.iter().map(|depth| depth.items).sum::<u64>())
    });
    if let Ok(Ok(Some(items @ 1..))) = timeout(COUNT_TIMEOUT, count).await {
        error!(
            { fields::SPOOL_DIR } = %dir.display(),
            { fields::SPOOL_ITEMS } = items,
            "{} in {dir:?}, from where nobody sends them, because this relay's spool is in a database: mdss-relay spool move takes them there",
            if items == 1 { "1 item waits".to_owned() } else { format!("{items} items wait") }
        );
    }
}

/// The line of an exchanged configuration.
pub(crate) fn exchanged(before: &InForce, running: &InForce) {
    let Words { sources, routes, endpoint, proxy, summary, configuration, overridden } = Words::of(running);
    let mut changed = running.origin.changed(&before.origin);
    // It is not in the configuration, but in the file that the configuration names.
    if !running.relay.settings().has_key_of(before.relay.settings()) {
        changed.push("the API key".to_owned());
    }
    let changed = Some(changed.join(", ")).filter(|names| !names.is_empty());
    let told = match &changed {
        Some(names) => format!("changed: {names}"),
        None => "nothing in it has changed, and the files it names were read again".to_owned(),
    };
    info!(
        { fields::CHANGED } = changed,
        { fields::SOURCES } = sources,
        { fields::ROUTES } = routes,
        { fields::ENDPOINT } = endpoint,
        { fields::PROXY } = proxy,
        { fields::CONFIGURATION } = configuration,
        { fields::OVERRIDDEN } = overridden,
        "a new configuration is in force; {told}; {summary}"
    );
}

/// `1 source`, `3 sources`.
pub(crate) fn number(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn listed(mut parts: Vec<String>) -> String {
    let more = parts.len().saturating_sub(MOST_LISTED);
    parts.truncate(MOST_LISTED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    parts.join(", ") + &more
}
