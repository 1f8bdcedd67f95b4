//! Waiting for what the relay, or several, must do by themselves.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::mdss::Mdss;
use crate::oracle::Unit;
use crate::sender::Sender;

/// Nothing more comes when nothing has come for this long.
const QUIET: Duration = Duration::from_millis(500);

/// Waits until senders are refused, so that a fault has not been injected in vain.
pub(crate) async fn refused(sender: &Sender, patience: Duration, otherwise: &str) -> Result<(), String> {
    let (begin, before) = (Instant::now(), sender.book.refusals());
    while sender.book.refusals() < before + 5 {
        if begin.elapsed() > patience {
            return Err(otherwise.to_owned());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Announces a fresh object until it is acknowledged, and waits until MDSS has it.
pub(crate) async fn fresh(
    sender: &Sender,
    mdss: &mut Mdss,
    unit: Unit,
    patience: Duration,
) -> Result<bool, String> {
    let begin = Instant::now();
    let object = sender.book.issue(unit, true);
    let body = sender.body(&[object], &[]);
    while !sender.tell(&[object], body.clone()).await {
        if begin.elapsed() > patience {
            return Ok(false);
        }
        sleep(Duration::from_millis(50)).await;
    }
    let name = (unit.id().to_owned(), sender.book.key(object));
    loop {
        mdss.look()?;
        if mdss.tally.contains_key(&name) {
            return Ok(true);
        }
        if begin.elapsed() > patience {
            return Ok(false);
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until everything that was acknowledged has arrived, or nothing has for as long as patience lasts; and then until
/// nothing more comes. Gives the moment of the last arrival.
pub(crate) async fn drain(sender: &Sender, mdss: &mut Mdss, patience: Duration) -> Result<Instant, String> {
    let mut last = Instant::now();
    loop {
        if mdss.look()? {
            last = Instant::now();
        }
        let quiet = last.elapsed();
        let complete = quiet > QUIET && sender.book.compare(&mdss.tally).lost.is_empty();
        if complete || quiet > patience {
            return Ok(last);
        }
        sleep(Duration::from_millis(50)).await;
    }
}
