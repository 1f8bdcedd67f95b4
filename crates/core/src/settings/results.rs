//! `[[results]]`: where MDSS tells which files it has scanned.

use crate::plain::mistake::Mistake;
use crate::settings::entry::Entry;
use crate::settings::groups::{ResultsSource, Role, Source};
use crate::settings::reader::Reader;
use crate::settings::sources::{PATH, RESERVED_PATHS, is_path};

const RESULTS: &[&str] = &["name", "path", "auth"];

/// The source that there is without `[[source]]`: its name, and its path with a slash.
const DEFAULT_SOURCE: &str = "events";

impl Reader {
    /// The sources of results; `sources` are those of events, whose names and paths are taken.
    pub(super) fn results(&mut self, sources: &[Source]) -> Vec<ResultsSource> {
        let entries = self.entries("results");
        if self.role == Role::Function && !entries.is_empty() {
            let expected = "no [[results]]: a function has no ledger to keep results in";
            self.mistakes.push(Mistake::new("results", expected));
            return Vec::new();
        }
        let events = [(DEFAULT_SOURCE, "/events")];
        let without = if self.table.contains_key("source") { &[][..] } else { &events };
        let of_events = sources.iter().map(|source| (source.name.as_str(), source.path.as_str()));
        let mut taken: Vec<(String, String)> =
            of_events.chain(without.iter().copied()).map(|(name, path)| (name.into(), path.into())).collect();
        let mut results = Vec::new();
        for (place, table) in entries {
            let mut entry = Entry { place, table, mistakes: &mut self.mistakes };
            entry.check_names(RESULTS);
            let name = entry.required("name", "a name for the log and the metrics").unwrap_or_default();
            let path =
                entry.required("path", "the path that MDSS posts to, such as /results").unwrap_or_default();
            if !path.is_empty() && !is_path(&path) {
                entry.mistake("path", &path, PATH);
            } else if RESERVED_PATHS.contains(&path.as_str()) {
                let expected = format!(
                    "a path other than {}, which the server answers itself",
                    RESERVED_PATHS.join(", ")
                );
                entry.mistake("path", &path, &expected);
            } else if !path.is_empty() && taken.iter().any(|(_, other)| *other == path) {
                entry.mistake("path", &path, "a path that no other source has");
            }
            if !name.is_empty() && taken.iter().any(|(other, _)| *other == name) {
                entry.mistake("name", &name, "a name that no other source has");
            }
            let auth = entry.table.get("auth").cloned();
            if auth.is_none() {
                let expected = "how MDSS proves who it is: { bearer = { token_file = \"…\" } } for a header that MDSS is given, \
                                { path_secret = { … } }, another check, several of them, or \"none\" in writing";
                entry.mistakes.push(Mistake::new(format!("{}.auth", entry.place), expected));
            }
            taken.push((name.clone(), path.clone()));
            results.push(ResultsSource { name, path, auth });
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Role, Settings};

    fn mistakes(role: Role, config: &str) -> Vec<String> {
        mistakes_with(role, config, "on")
    }

    fn mistakes_with(role: Role, config: &str, ledger: &str) -> Vec<String> {
        let vars = [
            ("RELAY_LEDGER", ledger),
            ("APIENDPOINT", "https://mdss.example"),
            ("APIKEY", "k"),
            ("STORAGECLIENTID", "u"),
            ("RELAY_TOKEN", "t0ken"),
            ("RELAY_MODE", "spooled"),
            ("RELAY_DATA_DIR", "/d"),
            ("RELAY_CONFIG_TOML", config),
        ];
        let of_server = |name: &str| ["RELAY_MODE", "RELAY_LEDGER"].contains(&name);
        let vars = vars.into_iter().filter(|(name, _)| role == Role::Http || !of_server(name));
        Settings::read(vars.map(|(name, value)| (name.into(), value.into())), role)
            .mistakes
            .iter()
            .map(ToString::to_string)
            .filter(|mistake| mistake.starts_with("results"))
            .collect()
    }

    #[test]
    fn a_results_source_has_a_name_a_path_and_a_proof() {
        let full = "[[results]]\nname = 'mdss'\npath = '/results'\nauth = { bearer = { token = 't' } }\n";
        assert_eq!(mistakes(Role::Http, full), Vec::<String>::new());
        for (config, want) in [
            ("[results]\nname = 'm'".to_owned(), "results: expected [[results]], with two brackets"),
            (
                "[[results]]\nname = 'm'\npath = '/r'\n".to_owned(),
                "results[0].auth: expected how MDSS proves who it is",
            ),
            (
                full.replace("/results", "/events"),
                "results[0].path: found \"/events\", expected a path that no other source has",
            ),
            (
                full.replace("'mdss'", "'events'"),
                "results[0].name: found \"events\", expected a name that no other source has",
            ),
            (
                full.replace("/results", "/readyz"),
                "results[0].path: found \"/readyz\", expected a path other than",
            ),
            (
                full.replace("/results", "results"),
                "results[0].path: found \"results\", expected a path that begins with /",
            ),
            (format!("{full}{full}").replacen("'mdss'", "'other'", 1), "results[1].path: found \"/results\""),
            (format!("{full}dialect = 'minio'\n"), "results[0].dialect: "),
        ] {
            let found = mistakes(Role::Http, &config);
            assert!(found.len() == 1 && found[0].starts_with(want), "{config}: {found:?}");
        }
        let found = mistakes_with(Role::Http, full, "off");
        assert_eq!(
            found,
            [
                "results: expected RELAY_LEDGER=on, and RELAY_MODE=spooled, beside [[results]]: results are kept in the ledger"
            ]
        );
        let found = mistakes(Role::Function, full);
        assert_eq!(found, ["results: expected no [[results]]: a function has no ledger to keep results in"]);
    }
}
