//! What is looked at: the set-up of one server, as its process would read it.

use std::ffi::OsString;
use std::path::Path;

use jiff::Timestamp;
use mdss_relay_core::{HttpSettings, MOST_FILE_BYTES, Mistake, Relay, Role, Settings, plain_text};
use mdss_relay_gate::{Proxies, Sources};

use crate::input;

/// The set-up of one server. Where there is a mistake in it, the default stands, so that the other checks can be made.
pub(crate) struct Subject {
    /// Where it is from, for the head line: a unit, a file, or the variables.
    pub(crate) name: String,
    /// The variables that the server's process has.
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) settings: Settings,
    pub(crate) http: HttpSettings,
    /// Everything for which the server would not start.
    pub(crate) mistakes: Vec<Mistake>,
}

impl Subject {
    /// Reads the set-up that this process has itself.
    pub(crate) fn of_this_process(config: Option<&Path>) -> Self {
        let variables = input::variables(config);
        let named = |name: &str| variables.iter().find(|(n, v)| n == name && !v.is_empty());
        let name = named("RELAY_CONFIG").map_or_else(
            || "the variables of this process".to_owned(),
            |(_, path)| path.to_string_lossy().into_owned(),
        );
        Self::read(name, variables)
    }

    fn read(name: String, variables: Vec<(OsString, OsString)>) -> Self {
        // As `mdss-relay-http` reads it (`crates/http/src/configuration.rs`).
        let mut draft = Settings::read(variables.clone(), Role::Http);
        Sources::of(&mut draft, Timestamp::now(), &|path| plain_text(path, MOST_FILE_BYTES));
        Proxies::trusted(&mut draft);
        let http = draft.settings.http.take().expect("every role except a function's has them");
        let (settings, mut mistakes) = (draft.settings, draft.mistakes);
        if mistakes.is_empty() {
            mistakes.extend(Relay::new(settings.clone()).err());
        }
        Self { name, variables, settings, http, mistakes }
    }
}
