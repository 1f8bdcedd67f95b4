//! What must hold between the settings of `[http]`: somebody guards the way in.

use std::time::Duration;

use crate::mdss::client::MOST_KEY_FILE;
use crate::model::dialect::Dialect;
use crate::plain::file::plain_text;
use crate::plain::mistake::Mistake;
use crate::plain::secret::Secret;
use crate::settings::groups::{HttpSettings, LedgerKeys, Role, Source, SpoolSettings};
use crate::settings::reader::Reader;

impl Reader {
    /// The group, when every row has been read; a delivery may take as long as `deadline`. A function has one if requests that reach
    /// it are to be let in.
    pub(super) fn http(&mut self, deadline: Duration) -> Option<HttpSettings> {
        let spool = self.spool();
        if self.role == Role::Function && !self.table.contains_key("source") {
            self.results(&[]);
            return None;
        }
        let sources = self.sources();
        let results = self.results(&sources);
        let has_ledger = spool.as_ref().is_some_and(|spool| spool.ledger.is_some());
        if self.role == Role::Http && !results.is_empty() && !has_ledger && !self.unclear {
            let expected =
                "RELAY_LEDGER=on, and RELAY_MODE=spooled, beside [[results]]: results are kept in the ledger";
            self.mistakes.push(Mistake::new("results", expected));
        }
        let keeps_no_keys = |spool: &SpoolSettings| {
            spool.ledger.as_ref().is_some_and(|ledger| ledger.keys == LedgerKeys::Off)
        };
        if self.role == Role::Http
            && self.table.contains_key("reconcile")
            && spool.as_ref().is_some_and(keeps_no_keys)
        {
            let expected = "clear or hashed beside [[reconcile]]: without keys everything that a bucket holds would count as missing";
            let name = self.place("RELAY_LEDGER_KEYS").unwrap_or_default();
            self.mistakes.push(Mistake::found(name, "off", expected));
        }
        if let Some(name) = self.place("RELAY_LOOP_FILE_API").filter(|_| self.given.spooled && !has_ledger) {
            let expected = "no value without RELAY_LEDGER=on: what MDSS says is kept in the ledger";
            self.mistakes.push(Mistake::new(name, expected));
        }
        if self.given.http.file_api.resend && self.given.http.file_api.path.is_none() && !self.unclear {
            let expected = "off without RELAY_LOOP_FILE_API: nothing is known to be never scanned where MDSS is not asked";
            let name = self.place("RELAY_LOOP_RESEND").unwrap_or_default();
            self.mistakes.push(Mistake::found(name, "on", expected));
        }
        self.guarded();
        match self.role {
            Role::Http if spool.is_none() => {
                self.impatient(&sources, deadline, "without RELAY_MODE=spooled,")
            }
            Role::Function => self.impatient(&sources, deadline, "a function has no disk, so"),
            Role::Http | Role::Explain => {}
        }
        Some(HttpSettings { sources, results, spool, ..self.given.http.clone() })
    }

    /// Sources whose senders do not wait for MDSS, or do not come again: without a disk what MDSS does not take at once is lost. `here`
    /// says why there is none.
    fn impatient(&mut self, sources: &[Source], deadline: Duration, here: &str) {
        for (index, source) in sources.iter().enumerate() {
            let objection = |dialect: Dialect| Some((dialect, dialect.patience().objection(deadline)?));
            if let Some((dialect, objection)) = source.dialect.and_then(objection) {
                self.warnings.push(format!(
                    "source[{index}].dialect: the sender of {dialect} {objection}: {here} an event that MDSS \
                     does not take at once can be lost (RELAY_DEADLINE is {} s)",
                    deadline.as_secs_f64()
                ));
            }
        }
    }

    /// Who may post: `[[source]]`, or `/events` with a token, or `/events` open in writing.
    fn guarded(&mut self) {
        if self.table.contains_key("source") {
            return;
        }
        self.token_in_its_file();
        let http = &self.given.http;
        if http.open && http.token.is_some() {
            self.mistakes.push(Mistake::new(
                "RELAY_AUTH",
                "bearer, or no RELAY_TOKEN, because with none nobody is asked for the token",
            ));
        }
        // A word that says neither is a mistake already.
        let unclear = self.vars.get("RELAY_AUTH").is_some_and(|auth| auth != "bearer");
        // What is wrong with the file is said already.
        let unclear = unclear || self.given.token_file.is_some();
        if self.role == Role::Http && http.token.is_none() && !unclear {
            let expected = "a bearer token for /events; or [[source]] in the configuration; or RELAY_AUTH=none, if \
                            everybody who reaches the port may post";
            self.missing("RELAY_TOKEN", expected);
        }
    }

    /// The token of `/events`, if a file has it.
    fn token_in_its_file(&mut self) {
        let Some(path) = self.given.token_file.as_deref() else { return };
        let name = "RELAY_TOKEN_FILE";
        let mistake = if self.given.http.token.is_some() {
            Mistake::new(name, "no value, because RELAY_TOKEN is set: one of the two")
        } else {
            let read = plain_text(path, MOST_KEY_FILE);
            match read.as_ref().map(|text| text.trim_end_matches(['\r', '\n'])) {
                Ok(token) if !token.is_empty() => {
                    self.given.http.token = Some(Secret::new(token));
                    return;
                }
                Ok(_) => Mistake::path(name, &path.to_string_lossy(), "a file with a token (it is empty)"),
                Err(e) => {
                    let expected = format!("a readable file with a token ({e})");
                    Mistake::path(name, &path.to_string_lossy(), expected)
                }
            }
        };
        self.mistakes.push(mistake);
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Role, Settings};

    #[test]
    fn the_token_of_events_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let drafted = |vars: &[(&str, &str)]| {
            let mut all =
                vec![("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("STORAGECLIENTID", "u")];
            all.extend(vars);
            Settings::read(all.into_iter().map(|(name, value)| (name.into(), value.into())), Role::Http)
        };
        let token = file("token", "t0ken-t0ken\r\n");
        let draft = drafted(&[("RELAY_TOKEN_FILE", &token)]);
        assert_eq!(draft.mistakes, []);
        assert_eq!(draft.settings.http.unwrap().token.unwrap().expose(), "t0ken-t0ken");

        let (empty, none) = (file("empty", "\n"), folder.path().join("none").to_str().unwrap().to_owned());
        for (vars, expected) in [
            (&[("RELAY_TOKEN_FILE", &*empty)][..], "a file with a token (it is empty)"),
            (&[("RELAY_TOKEN_FILE", &*none)], "a readable file with a token (No such file"),
            (
                &[("RELAY_TOKEN_FILE", &*token), ("RELAY_TOKEN", "t0ken")],
                "because RELAY_TOKEN is set: one of the two",
            ),
            (&[("RELAY_TOKEN_FILE", &*token), ("RELAY_AUTH", "none")], "bearer, or no RELAY_TOKEN"),
        ] {
            let mistakes: Vec<_> = drafted(vars).mistakes.iter().map(ToString::to_string).collect();
            assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{vars:?}: {mistakes:?}");
        }
    }

    #[test]
    fn a_sender_that_does_not_wait_for_mdss_is_warned_about_in_direct_mode() {
        let warnings_in = |role: Role, dialect: &str, more: &[(&str, &str)]| {
            let config = format!(
                "[[route]]\nbucket = \"b\"\nstorage_client_id = \"u\"\n[[source]]\nname = \"s\"\npath = \"/s\"\nauth = \"none\"\n\
                 dialect = \"{dialect}\"\n"
            );
            let mut vars = vec![
                ("APIENDPOINT", "https://mdss.example"),
                ("APIKEY", "k"),
                ("RELAY_CONFIG_TOML", &config),
            ];
            vars.extend(more);
            Settings::read(vars.into_iter().map(|(n, v)| (n.into(), v.into())), role)
                .settings
                .warnings
                .join("\n")
        };
        let warnings = |dialect: &str, more: &[(&str, &str)]| warnings_in(Role::Http, dialect, more);
        let in_a_function = warnings_in(Role::Function, "b2", &[]);
        assert!(
            in_a_function.contains("for an answer: a function has no disk, so an event that"),
            "{in_a_function}"
        );
        for (dialect, more, want) in [
            (
                "b2",
                &[][..],
                "source[0].dialect: the sender of b2 waits 3 s for an answer: without RELAY_MODE=spooled, an event that MDSS \
                             does not take at once can be lost (RELAY_DEADLINE is 25 s)",
            ),
            ("b2", &[("RELAY_DEADLINE", "2s")], ""),
            ("b2", &[("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", "/d")], ""),
            ("tigris", &[("RELAY_DEADLINE", "9s")], ""),
            (
                "seaweedfs",
                &[("RELAY_DEADLINE", "1500ms")],
                "source[0].dialect: the sender of seaweedfs is not known to post an event again that was \
                             not taken: without RELAY_MODE=spooled, an event that MDSS does not take at once can be lost (RELAY_DEADLINE is 1.5 s)",
            ),
            ("azure-blob", &[], ""),
            (
                "azure-blob",
                &[("RELAY_DEADLINE", "30s")],
                "source[0].dialect: the sender of azure-blob waits 30 s for an answer: without \
                             RELAY_MODE=spooled, an event that MDSS does not take at once can be lost (RELAY_DEADLINE is 30 s)",
            ),
            ("minio", &[], ""),
        ] {
            assert_eq!(warnings(dialect, more), want, "{dialect} {more:?}");
        }
    }
}
