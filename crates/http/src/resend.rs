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

/// So many at a time; more where none of those could be put back, so that they hide no others.
const MOST: usize = 10_000;

/// More than this are never looked at together.
const MOST_OF_ALL: usize = 1_000_000;

/// Looks for as long as the server runs.
pub(crate) async fn watch(
    spool: Spool,
    book: Book,
    running: watch::Receiver<Arc<InForce>>,
    stop: watch::Receiver<bool>,
) {
    let (mut said, mut passed_before, mut most) = (String::new(), Resent::default(), MOST);
    loop {
        let configuration = running.borrow().clone();
        let pause = match (configuration.http.file_api.resend, book.ledger()) {
            (true, None) => SOON,
            (true, Some(_)) => {
                let done = once(&configuration, &spool, &book, most, stop.clone()).await;
                let why = match done {
                    Ok(resent) => {
                        let passed = Resent { resent: 0, in_spool: 0, complete: true, ..resent.clone() };
                        tell(&resent, (passed != passed_before).then_some(&passed));
                        let all = resent.in_spool + resent.unselected + resent.unnamed;
                        let hides = resent.resent == 0 && all as usize >= most;
                        most = if hides { (most * 2).min(MOST_OF_ALL) } else { MOST };
                        passed_before = passed;
                        String::new()
                    }
                    Err(why) => why,
                };
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
    most: usize,
    stop: watch::Receiver<bool>,
) -> Result<Resent, String> {
    let nothing = Resent { complete: true, ..Resent::default() };
    let (Some(ledger), Some(kept)) = (book.ledger(), &configuration.kept) else { return Ok(nothing) };
    // Of several relays that share a ledger one does it.
    if !ledger.leads().await.map_err(|trouble| trouble.detail)? {
        return Ok(nothing);
    }
    let filter = Filter { older: Some(DAY), limit: most, ..Filter::default() };
    let writes = ledger.never_scanned(&filter).await.map_err(|trouble| trouble.detail)?;
    if writes.is_empty() {
        return Ok(nothing);
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
    resend(means, writes, stop, tell).await.map_err(|trouble| trouble.to_string())
}

/// What was done; what was passed over only where that is something else than before.
fn tell(done: &Resent, passed: Option<&Resent>) {
    if done.resent > 0 {
        info!(
            "{} objects that were never scanned were put back: MDSS is told of them once more",
            done.resent
        );
    }
    let Some(Resent { unselected, unnamed, .. }) = passed else { return };
    if *unselected > 0 {
        warn!("{unselected} objects that were never scanned were not put back: no route selects them today");
    }
    if *unnamed > 0 {
        warn!(
            "{unnamed} objects that were never scanned were not put back: the ledger does not have their keys"
        );
    }
}
