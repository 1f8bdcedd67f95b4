//! What runs, in one line: at the start, and again after each exchange of the configuration.

use std::time::Duration;

use mdss_relay_core::fields;
use mdss_relay_spool::{Spool, State};
use tokio::time::timeout;
use tracing::info;

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
            format!("{} at {}{open}", source.name, source.place())
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
    let dir = running.http.spool.as_ref().map(|spool| spool.dir.display().to_string());
    let mode = if spool.is_some() { "spooled" } else { "direct" };
    let waits = match (&stored, &dir) {
        (Some(Stored { waiting, held, parked }), Some(dir)) => {
            format!(" in {dir:?} with {waiting} waiting, {held} held, {parked} parked")
        }
        (None, Some(dir)) => format!(" in {dir:?}, which could not be counted yet"),
        (_, None) => String::new(),
    };
    info!(
        { fields::SERVICE_VERSION } = env!("CARGO_PKG_VERSION"),
        { fields::MODE } = mode,
        { fields::SPOOL_DIR } = dir,
        { fields::SPOOL_WAITING } = stored.as_ref().map(|stored| stored.waiting),
        { fields::SPOOL_HELD } = stored.as_ref().map(|stored| stored.held),
        { fields::SPOOL_PARKED } = stored.as_ref().map(|stored| stored.parked),
        { fields::SOURCES } = sources,
        { fields::ROUTES } = routes,
        { fields::ENDPOINT } = endpoint,
        { fields::PROXY } = proxy,
        { fields::CONFIGURATION } = configuration,
        { fields::OVERRIDDEN } = overridden,
        "mdss-relay-http {} starts in {mode} mode{waits}; {summary}",
        env!("CARGO_PKG_VERSION")
    );
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
