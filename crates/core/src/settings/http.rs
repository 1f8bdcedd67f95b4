//! What must hold between the settings of `[http]`: somebody guards the way in.

use crate::plain::mistake::Mistake;
use crate::settings::groups::{HttpSettings, Role};
use crate::settings::reader::Reader;

impl Reader {
    /// The group, when every row has been read. A function has one if requests that reach it are to be let in.
    pub(super) fn http(&mut self) -> Option<HttpSettings> {
        let spool = self.spool();
        if self.role == Role::Function && !self.table.contains_key("source") {
            return None;
        }
        let sources = self.sources();
        self.guarded();
        Some(HttpSettings { sources, spool, ..self.given.http.clone() })
    }

    /// Who may post: `[[source]]`, or `/events` with a token, or `/events` open in writing.
    fn guarded(&mut self) {
        if self.table.contains_key("source") {
            return;
        }
        let http = &self.given.http;
        if http.open && http.token.is_some() {
            self.mistakes.push(Mistake::new(
                "RELAY_AUTH",
                "bearer, or no RELAY_TOKEN, because with none nobody is asked for the token",
            ));
        }
        // A word that says neither is a mistake already.
        let unclear = self.vars.get("RELAY_AUTH").is_some_and(|auth| auth != "bearer");
        if self.role == Role::Http && http.token.is_none() && !unclear {
            let expected = "a bearer token for /events; or [[source]] in the configuration; or RELAY_AUTH=none, if \
                            everybody who reaches the port may post";
            self.mistakes.push(Mistake::new("RELAY_TOKEN", expected));
        }
    }
}
