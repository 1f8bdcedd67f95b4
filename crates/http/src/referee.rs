//! Asks MDSS's file API about accepted objects for which no result came in time, where an operator has said at which path it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::fields;
use mdss_relay_ledger::{Found, Ledger};
use mdss_relay_reconcile::{Referee, Said};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::configuration::InForce;
use crate::ledger::Book;

/// From one round to the next, if there was nothing to ask.
const ROUND: Duration = Duration::from_secs(15);

/// The ledger is being opened.
const SOON: Duration = Duration::from_secs(1);

/// After so many answers in a row that say nothing the round ends.
const MOST_WRONG: usize = 3;

/// How often it is said that the API says nothing.
const SAY: Duration = Duration::from_secs(3600);

/// Asks for as long as the server runs.
pub(crate) async fn ask(book: Book, running: watch::Receiver<Arc<InForce>>) {
    let mut said: Option<Instant> = None;
    loop {
        let now = running.borrow().clone();
        // What is wrong with it was a mistake of the settings.
        let referee = Referee::of(now.relay.settings(), &now.http.file_api).ok().flatten();
        let asked = match (referee, book.ledger()) {
            (Some(referee), Some(ledger)) => round(&referee, &ledger, &mut said).await,
            (Some(_), None) => {
                sleep(SOON).await;
                continue;
            }
            (None, _) => 0,
        };
        if asked == 0 {
            sleep(ROUND).await;
        }
    }
}

/// Asks about every write that is due; how many there were.
async fn round(referee: &Referee, ledger: &Ledger, said: &mut Option<Instant>) -> usize {
    let Ok(questions) = ledger.questions().await else { return 0 };
    let (mut answered, mut wrong) = (0, 0);
    for question in &questions {
        let answer = referee.ask(question).await;
        if answer.is_ok() {
            wrong = 0;
        }
        match answer {
            // It may be the other unit's, or not there yet.
            Ok(Said::NotThere { .. }) if question.early => {
                let _ = ledger.put_off(question.seq).await;
            }
            Ok(Said::UnderWay) => {
                let _ = ledger.put_off(question.seq).await;
            }
            // The other questions fare no worse for it, but of this object nothing is known.
            Ok(Said::Unclear { .. }) => {
                if said.is_none_or(|said| said.elapsed() >= SAY) {
                    *said = Some(Instant::now());
                    warn!(
                        { fields::LANE } = question.unit.as_deref(),
                        { fields::BUCKET } = question.bucket.as_deref(),
                        { fields::KEY } = question.key,
                        "MDSS's file API lists a file of this name under another path than this object's: what has no result and only such files stays unknown"
                    );
                }
                let _ = ledger.put_off(question.seq).await;
            }
            Ok(Said::Scanned { file_id, verdict, at }) => {
                let found = Found { file_id, verdict, at };
                if ledger.answered(question.seq, Some(found)).await.is_ok() {
                    answered += 1;
                    info!(
                        { fields::LANE } = question.unit.as_deref(),
                        { fields::BUCKET } = question.bucket.as_deref(),
                        { fields::KEY } = question.key,
                        { fields::RESULT } = verdict.name(),
                        { fields::CONFIDENCE } = "file-api",
                        "scanned: {}, as MDSS says when it is asked; its notification {}",
                        verdict.name(),
                        if question.early { "does not say whose it is" } else { "did not come" }
                    );
                }
            }
            Ok(Said::NotThere { .. }) => match ledger.answered(question.seq, None).await {
                Ok(true) => {
                    answered += 1;
                    error!(
                        { fields::LANE } = question.unit.as_deref(),
                        { fields::BUCKET } = question.bucket.as_deref(),
                        { fields::KEY } = question.key,
                        "never scanned: MDSS has accepted this object, has told of no result, and does not know of a scan, asked twice, an hour apart"
                    );
                }
                Ok(false) => answered += 1,
                Err(_) => {}
            },
            Err(why) => {
                if said.is_none_or(|said| said.elapsed() >= SAY) {
                    *said = Some(Instant::now());
                    warn!(
                        "MDSS's file API says nothing that is understood ({why}): what has no result stays unknown; see RELAY_LOOP_FILE_API"
                    );
                }
                // One file may be the reason, or one name: the others are asked about all the same.
                let _ = ledger.put_off(question.seq).await;
                wrong += 1;
                if wrong == MOST_WRONG {
                    return 0;
                }
            }
        }
    }
    answered
}
