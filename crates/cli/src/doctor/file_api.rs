//! `mdss.file_api`: whether MDSS can be asked what became of a file. Its path is on no public page, so it is asked only where an operator has named it.

use std::collections::BTreeSet;

use mdss_relay_checks::{Outcome, Results};
use mdss_relay_reconcile::{Referee, Unheard};

use super::subject::Subject;

/// Units that are asked for, until one has files: each takes an answer, and one with files suffices.
const MOST_UNITS: usize = 4;

pub(super) async fn run(subject: &Subject, results: &Results) {
    const ID: &str = "mdss.file_api";
    let http = &subject.http;
    let Some(path) = &http.file_api.path else {
        // Who keeps no ledger asks MDSS nothing.
        if http.spool.as_ref().is_some_and(|spool| spool.ledger.is_some()) {
            let look = async {
                Outcome::beyond(
                    "MDSS has an API that lists files, and its path and the names in its answer are on no public page; so it is not asked, and whatever has no result stays unknown",
                    "who knows them from the API reference of this installation sets RELAY_LOOP_FILE_API and RELAY_LOOP_FILE_API_NAMES; docs/results.md",
                )
            };
            results.check(ID, &subject.name, &[], look).await;
        }
        return;
    };
    let units: BTreeSet<_> =
        subject.settings.rules.routes().iter().map(|route| route.storage_client_id().as_str()).collect();
    let look = async {
        let Ok(Some(referee)) = Referee::of(&subject.settings, &http.file_api) else {
            return Outcome::skipped("mdss.api");
        };
        let mut heard = Ok(0);
        for unit in units.into_iter().take(MOST_UNITS) {
            heard = referee.files(unit).await;
            if heard != Ok(0) {
                break;
            }
        }
        outcome(heard)
    };
    results.check(ID, path, &["mdss.api", "mdss.key"], look).await;
}

fn outcome(heard: Result<usize, Unheard>) -> Outcome {
    let expected = "a list of files that is understood";
    let name =
        "RELAY_LOOP_FILE_API says another path, as the API reference of this installation has it, or nothing";
    match heard {
        Ok(0) => Outcome::unknown(
            "it answers, and lists no file of these units: what the members of a file are called was not seen",
            "look again when an object was scanned; if there are scanned files, storageId may not be the storage client id here",
        ),
        Ok(files) => {
            Outcome::ok(format!("it lists files of a unit, and each of the first {files} is understood"))
        }
        Err(Unheard::Unreachable(why)) => Outcome::unknown(why, "run doctor again"),
        Err(Unheard::Refused(404)) => {
            Outcome::warn("MDSS answers 404: there is nothing at this path", expected, name)
        }
        Err(Unheard::Refused(status @ (401 | 403))) => Outcome::warn(
            format!("MDSS answers {status}: this API key may not list files"),
            expected,
            "give the user of the API key the right to see files, or take RELAY_LOOP_FILE_API out",
        ),
        Err(Unheard::Refused(status)) => {
            Outcome::unknown(format!("MDSS answers {status}"), "see MDSS's logs")
        }
        Err(Unheard::Unclear(why)) => Outcome::warn(
            why,
            expected,
            "RELAY_LOOP_FILE_API_NAMES says what the members are called; if the answer is a page, the path is another one",
        ),
    }
}

#[cfg(test)]
mod tests {
    use mdss_relay_checks::Status;

    use super::*;

    /// What is not known is never shown as good.
    #[test]
    fn what_mdss_answers_and_what_it_comes_to() {
        for (heard, want) in [
            (Ok(3), Status::Ok),
            (Ok(0), Status::Unknown),
            (Err(Unheard::Unreachable("no answer".into())), Status::Unknown),
            (Err(Unheard::Refused(404)), Status::Warn),
            (Err(Unheard::Refused(403)), Status::Warn),
            (Err(Unheard::Refused(503)), Status::Unknown),
            (Err(Unheard::Unclear("the answer is not JSON".into())), Status::Warn),
        ] {
            let outcome = outcome(heard.clone());
            assert_eq!(outcome.status, want, "{heard:?}");
            assert!(!outcome.beyond, "an operator who has named a path can mend it: {heard:?}");
        }
    }
}
