//! The TOML configuration: what variables cannot say. Walked by hand, so that every mistake in it is found at once and
//! named by its place.

use crate::plain::file::{MOST_FILE_BYTES, plain_text};
use crate::plain::mistake::Mistake;
use crate::settings::entry::unknown;
use crate::settings::reader::Reader;
use crate::settings::table::SETTINGS;

/// The lists of tables.
const LISTS: [&str; 5] = ["reconcile", "results", "route", "source", "store"];

impl Reader {
    /// Reads the text that `RELAY_CONFIG` or `RELAY_CONFIG_TOML` names.
    pub(super) fn read_table(&mut self) {
        let before = self.mistakes.len();
        self.table_in_text();
        self.unclear = self.mistakes.len() > before;
    }

    fn table_in_text(&mut self) {
        let given = std::mem::take(&mut self.given.configuration);
        let (name, text) = match (given.file, given.text) {
            (None, None) => return,
            (Some(_), Some(_)) => {
                let expected = "no value, because RELAY_CONFIG is set: one of the two";
                return self.mistakes.push(Mistake::new("RELAY_CONFIG_TOML", expected));
            }
            (None, Some(text)) => ("RELAY_CONFIG_TOML".to_owned(), text.expose().to_owned()),
            (Some(path), None) => {
                let shown = path.to_string_lossy().into_owned();
                match plain_text(&path, MOST_FILE_BYTES) {
                    Ok(text) => (shown, text),
                    Err(e) => {
                        let expected = format!("a readable TOML file ({e})");
                        return self.mistakes.push(Mistake::path("RELAY_CONFIG", &shown, expected));
                    }
                }
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.table = table,
            // Its own text would quote the line, which may hold a secret.
            Err(e) => {
                let at = e.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
                let expected = format!("TOML; line {at}: {}", e.message());
                self.mistakes.push(Mistake::new(name, expected));
            }
        }
        self.check_names();
    }

    fn check_names(&mut self) {
        let members: Vec<(&str, &str)> =
            SETTINGS.iter().filter_map(|s| s.toml).filter_map(|path| path.split_once('.')).collect();
        let mut tables: Vec<&str> = members.iter().map(|(table, _)| *table).collect();
        tables.dedup();
        tables.push("keys");
        tables.extend(LISTS);
        let mut mistakes = Vec::new();
        for (name, value) in &self.table {
            match (name.as_str(), value) {
                (list, toml::Value::Array(_)) if LISTS.contains(&list) => {}
                (list, _) if LISTS.contains(&list) => {
                    mistakes.push(Mistake::new(name, format!("[[{name}]], with two brackets")))
                }
                ("keys", toml::Value::Table(_)) => {}
                (table, toml::Value::Table(found)) if tables.contains(&table) => {
                    let known: Vec<_> =
                        members.iter().filter(|(t, _)| *t == table).map(|(_, m)| *m).collect();
                    for member in found.keys().filter(|m| !known.contains(&m.as_str())) {
                        mistakes.push(unknown(&format!("{table}.{member}"), member, &known));
                    }
                }
                (table, _) if tables.contains(&table) => {
                    mistakes.push(Mistake::new(name, format!("a table, [{name}]")))
                }
                _ => mistakes.push(unknown(name, name, &tables)),
            }
        }
        self.mistakes.append(&mut mistakes);
    }

    pub(super) fn entries(&mut self, list: &str) -> Vec<(String, toml::Table)> {
        let Some(toml::Value::Array(entries)) = self.table.get(list) else { return Vec::new() };
        let mut tables = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{list}[{index}]");
            match entry {
                toml::Value::Table(table) => tables.push((place, table.clone())),
                other => self.mistakes.push(Mistake::found(place, other.type_str(), "a table")),
            }
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Role, Settings};

    fn mistakes(vars: &[(&str, &str)]) -> Vec<String> {
        let vars = vars.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::read(vars, Role::Http).mistakes.iter().map(ToString::to_string).collect()
    }

    /// What stands behind a slip is not read, and so is not missing. What is wrong in any case is said all the same.
    #[test]
    fn a_slip_in_the_toml_brings_no_mistakes_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.toml").to_string_lossy().into_owned();
        for (name, value, wants) in [
            ("RELAY_CONFIG_TOML", "[mdss]\nendpoint = ", &["RELAY_CONFIG_TOML: expected TOML; line 2"][..]),
            (
                "RELAY_CONFIG_TOML",
                "[mds]\nendpoint = 'https://mdss.example'",
                &["mds: expected a known name; is mdss meant?"],
            ),
            (
                "RELAY_CONFIG_TOML",
                "[mdss]\nendpont = 'https://mdss.example'",
                &["mdss.endpont: expected a known name; is endpoint"],
            ),
            (
                "RELAY_CONFIG_TOML",
                "[source]\nname = 'a'",
                &["source: expected [[source]], with two brackets"],
            ),
            ("RELAY_CONFIG", &missing, &["RELAY_CONFIG: found "]),
            // Nothing was misunderstood, and everything is missing.
            (
                "RELAY_CONFIG_TOML",
                "[log]\nfilter = 'info'",
                &["APIENDPOINT: ", "APIKEY: ", "RELAY_TOKEN: ", "STORAGECLIENTID: "],
            ),
        ] {
            let found = mistakes(&[(name, value), ("RELAY_DATA_DIR", "/d")]);
            let found: Vec<_> =
                found.iter().filter(|m| !m.starts_with("RELAY_DATA_DIR: expected no value")).collect();
            assert_eq!(found.len(), wants.len(), "{value}: {found:#?}");
            for (found, want) in found.iter().zip(wants) {
                assert!(found.starts_with(want), "{found} {want}");
            }
        }
        let unreadable = dir.path().join("key").to_string_lossy().into_owned();
        let vars = [
            ("RELAY_CONFIG_TOML", "x"),
            ("RELAY_TIMEOUT", "10"),
            ("APIKEY_FILE", unreadable.as_str()),
            ("RELAY_DATA_DIR", "/d"),
        ];
        let found = mistakes(&vars);
        assert_eq!(found.len(), 3, "{found:#?}");
    }
}
