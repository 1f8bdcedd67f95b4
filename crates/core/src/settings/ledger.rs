//! What must hold between the settings of `[ledger]`: only a relay with a spool keeps one, and a database has it beside the events.

use crate::plain::mistake::Mistake;
use crate::settings::groups::{LedgerPlace, LedgerSettings, SpoolPlace};
use crate::settings::reader::Reader;

impl Reader {
    /// The ledger of a spool at this place, if one is to be kept.
    pub(super) fn ledger(&mut self, place: &SpoolPlace) -> Option<LedgerSettings> {
        let given = std::mem::take(&mut self.given.ledger);
        if !given.on {
            return None;
        }
        let place = match (place, given.dir) {
            (SpoolPlace::Directory(data), dir) => LedgerPlace::Directory(dir.unwrap_or_else(|| data.clone())),
            (SpoolPlace::Database(_), dir) => {
                // Whoever can change rows of the database must not be able to sign them as well.
                if dir.is_none() {
                    let expected = "the directory of ledger.key, because RELAY_SPOOL_URL is set: the ledger is in the same database, and its key is a file that all relays on it have";
                    self.mistakes.push(Mistake::new("RELAY_LEDGER_DIR", expected));
                }
                LedgerPlace::Database { key: dir.unwrap_or_default() }
            }
        };
        Some(LedgerSettings { place, keys: given.keys, days: given.days, limit: given.limit })
    }

    /// Without a spool there is no moment at which a ledger could learn of an object, and nothing would tell that it has missed one.
    pub(super) fn no_ledger(&mut self) {
        if !self.given.ledger.on {
            return;
        }
        let name = self.place("RELAY_LEDGER").unwrap_or_default();
        let expected = "off, or RELAY_MODE=spooled: without a spool the log is the record, and `mdss-relay ledger import` makes a ledger of it";
        self.mistakes.push(Mistake::found(name, "on", expected));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::groups::LedgerKeys;
    use crate::settings::{Draft, Role, Settings};

    fn draft(vars: &[(&str, &str)]) -> Draft {
        let mut all = vec![
            ("APIENDPOINT", "https://mdss.example"),
            ("APIKEY", "k"),
            ("STORAGECLIENTID", "u"),
            ("RELAY_TOKEN", "t0ken"),
            ("RELAY_LEDGER", "on"),
        ];
        all.extend(vars);
        Settings::read(all.into_iter().map(|(name, value)| (name.into(), value.into())), Role::Http)
    }

    #[test]
    fn a_ledger_is_beside_the_events_unless_it_has_a_directory_of_its_own() {
        const SPOOLED: [(&str, &str); 2] = [("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", "/data")];
        let ledger = |vars: &[(&str, &str)]| {
            let draft = draft(vars);
            assert_eq!(draft.mistakes, [], "{vars:?}");
            draft.settings.http.unwrap().spool.unwrap().ledger
        };
        let want = LedgerSettings {
            place: LedgerPlace::Directory("/data".into()),
            keys: LedgerKeys::Clear,
            days: 400,
            limit: 10 << 30,
        };
        assert_eq!(ledger(&SPOOLED).as_ref(), Some(&want));
        let mut vars = SPOOLED.to_vec();
        vars.extend([
            ("RELAY_LEDGER_DIR", "/ledger"),
            ("RELAY_LEDGER_KEYS", "hashed"),
            ("RELAY_LEDGER_DAYS", "30"),
            ("RELAY_LEDGER_LIMIT", "1GiB"),
        ]);
        let other = LedgerSettings {
            place: LedgerPlace::Directory("/ledger".into()),
            keys: LedgerKeys::Hashed,
            days: 30,
            limit: 1 << 30,
        };
        assert_eq!(ledger(&vars), Some(other));
        vars.push(("RELAY_LEDGER", "off"));
        assert_eq!(ledger(&vars), None);
        let database = [
            ("RELAY_MODE", "spooled"),
            ("RELAY_SPOOL_URL", "postgres://relay@db/relay"),
            ("RELAY_LEDGER_DIR", "/key"),
        ];
        assert_eq!(ledger(&database).unwrap().place, LedgerPlace::Database { key: "/key".into() });
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let url = ("RELAY_SPOOL_URL", "postgres://relay@db/relay");
        for (vars, want) in [
            (&[][..], "RELAY_LEDGER: found \"on\", expected off, or RELAY_MODE=spooled"),
            (
                &[("RELAY_MODE", "spooled"), url],
                "RELAY_LEDGER_DIR: expected the directory of ledger.key, because RELAY_SPOOL_URL is set",
            ),
            (
                &[
                    ("RELAY_MODE", "spooled"),
                    ("RELAY_DATA_DIR", "/d"),
                    ("RELAY_LEDGER_KEYS", "off"),
                    ("RELAY_CONFIG_TOML", "[[reconcile]]\nbucket = 'b'\nevery = '24h'\n"),
                ],
                "RELAY_LEDGER_KEYS: found \"off\", expected clear or hashed beside [[reconcile]]",
            ),
        ] {
            let mistakes: Vec<_> = draft(vars).mistakes.iter().map(ToString::to_string).collect();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(want), "{vars:?}: {mistakes:?}");
        }
    }
}
