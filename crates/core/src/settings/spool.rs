//! What must hold between the settings of the spool: a directory on a disk, or a database.

use std::path::PathBuf;

use crate::plain::mistake::Mistake;
use crate::settings::given::Spool;
use crate::settings::groups::{DatabaseSettings, DatabaseUrl, Role, SpoolPlace, SpoolSettings};
use crate::settings::reader::Reader;

/// Settings that mean something only where the spool is in a database, and are not its URL.
const OF_DATABASES: [&str; 3] = ["RELAY_SPOOL_CA_FILE", "RELAY_SPOOL_DURABILITY", "RELAY_SPOOL_MIGRATE"];

impl Reader {
    /// The spool, if one is asked for.
    pub(super) fn spool(&mut self) -> Option<SpoolSettings> {
        if !self.given.spooled {
            self.no_ledger();
            return None;
        }
        if self.role == Role::Function {
            let name = self.place("RELAY_MODE").unwrap_or_default();
            let expected = "direct: a function has no disk to keep events on";
            self.mistakes.push(Mistake::found(name, "spooled", expected));
            return None;
        }
        let given = std::mem::take(&mut self.given.spool);
        let (limit, rate, park_after) = (given.limit, given.rate, given.park_after);
        let place = match self.database(given) {
            Ok(database) => SpoolPlace::Database(database),
            Err(dir) => SpoolPlace::Directory(self.data_dir(dir)),
        };
        let ledger = self.ledger(&place);
        Some(SpoolSettings { place, limit, rate, park_after, ledger })
    }

    /// The database, if there is to be one; otherwise the directory that is given.
    fn database(&mut self, given: Spool) -> Result<DatabaseSettings, Option<PathBuf>> {
        let url = match (given.url, given.url_file) {
            (None, None) => return Err(given.dir),
            (Some(url), file) => {
                if file.is_some() {
                    let name = self.place("RELAY_SPOOL_URL_FILE").unwrap_or_default();
                    let expected = "no value, because RELAY_SPOOL_URL is set: one of the two";
                    self.mistakes.push(Mistake::new(name, expected));
                }
                DatabaseUrl::Text(url)
            }
            (None, Some(file)) => DatabaseUrl::File(file),
        };
        // The package's unit sets it, so it is no mistake; but who has changed over should know what stays behind.
        if let Some(name) = given.dir.as_ref().and_then(|_| self.place("RELAY_DATA_DIR")) {
            self.warnings.push(format!(
                "{name}: has no effect, because RELAY_SPOOL_URL is set: events go to the database. What waits in the directory \
                 is not sent from there; `mdss-relay spool move` takes it along"
            ));
        }
        Ok(DatabaseSettings {
            url,
            certificates: given.certificates,
            replicated: given.replicated,
            migrate: given.migrate,
            former: given.dir,
        })
    }

    /// The directory, which must be given.
    fn data_dir(&mut self, dir: Option<PathBuf>) -> PathBuf {
        if self.place("RELAY_DATA_DIR").is_none() {
            let expected = "the directory the spool is in, on a disk that outlives the process; or RELAY_SPOOL_URL, the database it is in";
            self.missing("RELAY_DATA_DIR", expected);
        }
        // Whoever writes how durable the database is believes that there is one.
        for variable in OF_DATABASES {
            if let Some(name) = self.place(variable).filter(|_| !self.unclear) {
                self.mistakes.push(Mistake::new(name, "no value without RELAY_SPOOL_URL"));
            }
        }
        dir.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::secret::Secret;
    use crate::settings::{Draft, Settings};

    fn draft(vars: &[(&str, &str)]) -> Draft {
        let mut all = vec![
            ("APIENDPOINT", "https://mdss.example"),
            ("APIKEY", "k"),
            ("STORAGECLIENTID", "u"),
            ("RELAY_TOKEN", "t0ken"),
            ("RELAY_MODE", "spooled"),
        ];
        all.extend(vars);
        Settings::read(all.into_iter().map(|(name, value)| (name.into(), value.into())), Role::Http)
    }

    fn place(draft: &Draft) -> &SpoolPlace {
        &draft.settings.http.as_ref().unwrap().spool.as_ref().unwrap().place
    }

    #[test]
    fn a_spool_is_in_a_directory_or_in_a_database() {
        let url = ("RELAY_SPOOL_URL", "postgres://relay:s3cret@db/mdss_relay");
        let draft_of_url = draft(&[url]);
        assert_eq!(draft_of_url.mistakes, []);
        let want = DatabaseSettings {
            url: DatabaseUrl::Text(Secret::new(url.1)),
            certificates: Vec::new(),
            replicated: true,
            migrate: true,
            former: None,
        };
        assert_eq!(place(&draft_of_url), &SpoolPlace::Database(want.clone()));
        assert!(!format!("{draft_of_url:?}").contains("s3cret"));

        let all = draft(&[
            ("RELAY_SPOOL_URL_FILE", "/run/secrets/url"),
            ("RELAY_SPOOL_DURABILITY", "server"),
            ("RELAY_SPOOL_MIGRATE", "off"),
            ("RELAY_DATA_DIR", "/data"),
        ]);
        assert_eq!(all.mistakes, []);
        let file = DatabaseSettings {
            url: DatabaseUrl::File("/run/secrets/url".into()),
            replicated: false,
            migrate: false,
            former: Some("/data".into()),
            ..want
        };
        assert_eq!(place(&all), &SpoolPlace::Database(file));
        assert!(
            all.settings.warnings[0].starts_with("RELAY_DATA_DIR: has no effect"),
            "{:?}",
            all.settings.warnings
        );
        assert_eq!(place(&draft(&[("RELAY_DATA_DIR", "/data")])), &SpoolPlace::Directory("/data".into()));
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let url = ("RELAY_SPOOL_URL", "postgres://relay:s3cret@db/mdss_relay");
        for (vars, want) in [
            (
                &[url, ("RELAY_SPOOL_URL_FILE", "/f")][..],
                "RELAY_SPOOL_URL_FILE: expected no value, because RELAY_SPOOL_URL is set",
            ),
            (&[], "RELAY_DATA_DIR: expected the directory the spool is in"),
            (
                &[("RELAY_DATA_DIR", "/d"), ("RELAY_SPOOL_DURABILITY", "server")],
                "RELAY_SPOOL_DURABILITY: expected no value without RELAY_SPOOL_URL",
            ),
            (
                &[url, ("RELAY_SPOOL_DURABILITY", "standby")],
                "found \"standby\", expected replicated or server",
            ),
            (&[url, ("RELAY_SPOOL_CA_FILE", "/nonexistent/ca")], "a file of certificates in PEM"),
        ] {
            let mistakes: Vec<_> = draft(vars).mistakes.iter().map(ToString::to_string).collect();
            assert!(
                mistakes.len() == 1 && mistakes[0].contains(want) && !mistakes[0].contains("s3cret"),
                "{vars:?}: {mistakes:?}"
            );
        }
    }
}
