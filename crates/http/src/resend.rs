//! Puts objects back that were never scanned, for certain, where an operator wants that: each at most once a day.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mdss_relay_core::fields;
use mdss_relay_ledger::Filter;
use mdss_relay_reconcile::{Door, RATE, Resend, Resent, resend};
use mdss_relay_spool::Spool;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::configuration::InForce;
use crate::ledger::Book;

/// How often it is looked for such objects.
const LOOK: Duration = Duration::from_secs(60);

/// The ledger is being opened.
const SOON: Duration = Duration::from_secs(1);

/// Counted from its last acceptance, which is the last time that MDSS was told of it.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// So many at a time.
const MOST: usize = 10_000;

/// Looks for as long as the server runs.
pub(crate) async fn watch(
    spool: Spool,
    book: Book,
    running: watch::Receiver<Arc<InForce>>,
    stop: watch::Receiver<bool>,
) {
    let mut said = String::new();
    loop {
        let configuration = running.borrow().clone();
        let pause = match (configuration.http.file_api.resend, book.ledger()) {
            (true, None) => SOON,
            (true, Some(_)) => {
                let done = once(&configuration, &spool, &book, stop.clone()).await;
                let why = done.err().unwrap_or_default();
                // Once, and not every minute.
                if why != said && !why.is_empty() {
                    error!(
                        { fields::ERROR } = why,
                        "objects that were never scanned could not be put back; it is tried again"
                    );
                }
                said = why;
                LOOK
            }
            (false, _) => LOOK,
        };
        sleep(pause).await;
    }
}

async fn once(
    configuration: &InForce,
    spool: &Spool,
    book: &Book,
    stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let (Some(ledger), Some(kept)) = (book.ledger(), &configuration.kept) else { return Ok(()) };
    let filter = Filter { older: Some(DAY), limit: MOST, ..Filter::default() };
    let writes = ledger.never_scanned(&filter).await.map_err(|trouble| trouble.detail)?;
    if writes.is_empty() {
        return Ok(());
    }
    let door = Door::within(kept.place.clone(), spool.clone()).map_err(|trouble| trouble.to_string())?;
    let means = Resend {
        ledger,
        door,
        rules: &configuration.relay.settings().rules,
        stores: &configuration.stores,
        rate: RATE,
        actor: "mdss-relay-http".to_owned(),
        reason: "never scanned".to_owned(),
    };
    let waits = Mutex::new(false);
    let tell = |_: u64, why: Option<&str>| {
        let mut waiting = waits.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(why) = why.filter(|_| !*waiting) {
            warn!(
                { fields::DETAIL } = why,
                "putting back what was never scanned waits, and goes on by itself"
            );
        }
        *waiting = why.is_some();
    };
    let Resent { resent, passed, .. } =
        resend(means, writes, stop, tell).await.map_err(|trouble| trouble.to_string())?;
    if resent > 0 {
        info!("{resent} objects that were never scanned were put back: MDSS is told of them once more");
    }
    if passed > 0 {
        warn!("{passed} objects that were never scanned were not put back: no route selects them today");
    }
    Ok(())
}
