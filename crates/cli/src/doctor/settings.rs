//! Group `settings`: what is written down, looked at without any network.

use std::sync::Arc;

use crate::doctor::outcome::Outcome;
use crate::doctor::results::Results;
use crate::doctor::subject::Subject;

pub(crate) async fn run(subject: &Arc<Subject>, results: &Results) {
    results.check_each("settings.valid", &subject.name, &[], valid(subject)).await;
}

async fn valid(subject: &Subject) -> Vec<(String, Outcome)> {
    if subject.mistakes.is_empty() {
        return vec![(subject.name.clone(), Outcome::ok("no mistake"))];
    }
    let outcome = |mistake: &mdss_relay_core::Mistake| {
        let found = mistake
            .found
            .as_ref()
            .map_or_else(|| "nothing that fits".to_owned(), |found| format!("{found:?}"));
        (
            mistake.name.clone(),
            Outcome::fail(found, &mistake.expected, "mend it; docs/settings.md lists every setting"),
        )
    };
    subject.mistakes.iter().map(outcome).collect()
}
