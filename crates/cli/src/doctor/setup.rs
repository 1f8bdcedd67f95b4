//! What the checks look at that a server repeats by itself.

use mdss_relay_checks::Setup;

use super::key;
use super::subject::Subject;

pub(super) fn of(subject: &Subject) -> Setup {
    Setup {
        name: subject.name.clone(),
        settings: subject.settings.clone(),
        http: subject.http.clone(),
        stores: subject.stores.clone(),
        stores_are_wrong: subject.mistakes_in("store"),
        config: subject.config.clone(),
        key_missing: key::missing(subject),
        replace_key: key::replace(subject),
    }
}
