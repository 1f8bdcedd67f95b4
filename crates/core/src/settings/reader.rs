//! Goes through the rows: finds each setting among the variables or in the TOML, and fills its field.
//!
//! A mistake found one at a time costs an operator a restart each, so all of them are collected, with the name, the value
//! seen (unless it may be a secret) and what was expected. A name that is almost ours is a mistake, too: a time-out nobody
//! reads is worse than none.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::plain::mistake::{Mistake, nearest};
use crate::settings::applies::Applies;
use crate::settings::given::Given;
use crate::settings::groups::{Listed, Role};
use crate::settings::keys;
use crate::settings::proxies::PROXY_VARIABLES;
use crate::settings::table::{Holds, Reads, SETTINGS, Setting, Without};

/// Where the server listens.
const LISTEN: &str = "RELAY_LISTEN";

/// The variable in which a platform of containers says where it posts, which whoever runs a container there cannot choose:
/// <https://yandex.cloud/en/docs/serverless-containers/concepts/runtime#environment-variables>,
/// <https://cloud.google.com/run/docs/container-contract#port>.
const PORT: &str = "PORT";

/// How `RELAY_LISTEN` names it. No program before the relay replaces it: the image has no shell. Without these words the variable counts
/// for nothing, because many a shell has one, and a server that listens elsewhere than it was told is one that somebody finds.
const PLATFORMS_PORT: &str = ":$PORT";

/// A setting that was found, and the name under which it was.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) value: String,
}

/// Settings that are being read.
pub(super) struct Reader {
    pub(super) role: Role,
    pub(super) vars: BTreeMap<String, String>,
    pub(super) table: toml::Table,
    /// Whether something in the TOML was not understood. What is missing may then stand there, so nothing is said to be missing.
    pub(super) unclear: bool,
    pub(super) given: Given,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<String>,
}

impl Reader {
    pub(super) fn new(role: Role, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut reader = Self {
            role,
            vars: BTreeMap::new(),
            table: toml::Table::new(),
            unclear: false,
            given: Given::blank(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
        };
        reader.take(vars);
        reader
    }

    fn take(&mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut port = None;
        for (name, value) in vars {
            let Some(name) = name.to_str() else { continue };
            if name == PORT {
                port = value.to_str().map(str::to_owned);
            }
            let known = SETTINGS.iter().any(|s| s.variable == name) || keys::is_rule(name);
            if !known && !name.starts_with("RELAY_") && !PROXY_VARIABLES.contains(&name) {
                continue;
            }
            if !known && name.starts_with("RELAY_") {
                // The value is not shown: nobody knows whether it is a secret.
                self.mistakes.push(Mistake::new(name, unknown_name(name)));
                continue;
            }
            match value.to_str() {
                // An empty variable is one that was not set, as templates leave them.
                Some(value) if value.trim().is_empty() => {}
                Some(value) => {
                    self.vars.insert(name.to_owned(), value.trim().to_owned());
                }
                None => self.mistakes.push(Mistake::new(name, "a value in UTF-8")),
            }
        }
        if self.role == Role::Http {
            self.listen_at(port.as_deref());
        }
    }

    /// Puts the platform's port where `RELAY_LISTEN` names it.
    fn listen_at(&mut self, port: Option<&str>) {
        let Some(listen) = self.vars.get_mut(LISTEN) else { return };
        let Some(host) = listen.strip_suffix(PLATFORMS_PORT) else { return };
        match port.and_then(|port| port.trim().parse::<u16>().ok()) {
            Some(port) => *listen = format!("{host}:{port}"),
            None => {
                self.vars.remove(LISTEN);
                let expected = "a port, because RELAY_LISTEN ends in :$PORT";
                self.mistakes.push(match port {
                    Some(found) => Mistake::found(PORT, found, expected),
                    None => Mistake::new(PORT, expected),
                });
            }
        }
    }

    /// Fills the fields of some rows.
    pub(super) fn fill(&mut self, rows: impl Fn(&Setting) -> bool) {
        for setting in SETTINGS.iter().filter(|setting| rows(setting)) {
            let filled = match setting.reads {
                Reads::Value { fill, .. } => self.fill_value(setting, fill),
                Reads::List { fill, .. } => self.list(setting).map(|listed| fill(listed, &mut self.given)),
            };
            self.mistakes.extend(filled.err());
        }
    }

    fn fill_value(
        &mut self,
        setting: &Setting,
        fill: fn(&str, &mut Given) -> Result<(), String>,
    ) -> Result<(), Mistake> {
        let found = self.value(setting);
        if let Ok(Some(Found { name, value })) = &found {
            match fill(value, &mut self.given) {
                Ok(()) => return Ok(()),
                Err(expected) => self.mistakes.push(setting.mistake(name, value, expected)),
            }
        }
        if let Without::Value(text) = setting.without {
            fill(text, &mut self.given).map_err(|expected| Mistake::new(setting.variable, expected))?;
        }
        found.map(|_| ())
    }

    /// The variable, or the TOML member that stands for it. Variables win.
    fn value(&self, setting: &Setting) -> Result<Option<Found>, Mistake> {
        if let Some(value) = self.vars.get(setting.variable) {
            return Ok(Some(Found { name: setting.variable.to_owned(), value: value.clone() }));
        }
        let Some((path, value)) = self.member(setting) else { return Ok(None) };
        let value = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => if *flag { "on" } else { "off" }.to_owned(),
            other => return Err(Mistake::found(path, other.type_str(), "a text or a number")),
        };
        Ok(Some(Found { name: path.to_owned(), value }))
    }

    /// Texts with commas between them, or in the TOML a list of texts.
    fn list(&self, setting: &Setting) -> Result<Listed, Mistake> {
        if !self.vars.contains_key(setting.variable)
            && let Some((path, toml::Value::Array(list))) = self.member(setting)
        {
            let texts: Option<_> = list.iter().map(|text| text.as_str().map(str::to_owned)).collect();
            let texts = texts.ok_or_else(|| Mistake::new(path, "a text or a list of texts"))?;
            return Ok(Listed { name: path.to_owned(), texts });
        }
        let Some(Found { name, value }) = self.value(setting)? else { return Ok(Listed::default()) };
        Ok(Listed { name, texts: value.split(',').map(|text| text.trim().to_owned()).collect() })
    }

    fn member(&self, setting: &Setting) -> Option<(&'static str, &toml::Value)> {
        let path = setting.toml?;
        let (table, member) = path.split_once('.')?;
        Some((path, self.table.get(table)?.as_table()?.get(member)?))
    }

    /// Where a setting of the table was found; `None` if it is not set.
    pub(super) fn place(&self, variable: &str) -> Option<String> {
        let setting = SETTINGS.iter().find(|setting| setting.variable == variable)?;
        if self.vars.contains_key(variable) {
            return Some(variable.to_owned());
        }
        self.member(setting).map(|(path, _)| path.to_owned())
    }

    /// A mistake in what is not there.
    pub(super) fn missing(&mut self, name: &str, expected: impl Into<String>) {
        if !self.unclear {
            self.mistakes.push(Mistake::new(name, expected));
        }
    }

    /// A mistake for each setting that stands where it means nothing.
    pub(super) fn misplaced(&mut self) {
        let routes = self.table.contains_key("route");
        let sources = self.role != Role::Function && self.table.contains_key("source");
        for setting in SETTINGS {
            let why = match setting.applies {
                Applies::WithoutRoutes if routes => {
                    ", because the configuration has [[route]]: write it into the routes"
                }
                Applies::HttpWithoutSources if sources => {
                    ", because the configuration has [[source]]: it guards /events, which exists only without sources"
                }
                Applies::Spooled if !self.given.spooled && !self.unclear => " without RELAY_MODE=spooled",
                _ => continue,
            };
            // Of that one it is said what there is instead (`ledger.rs`).
            if setting.variable == "RELAY_LEDGER" && self.given.ledger.on {
                continue;
            }
            let Some(name) = self.place(setting.variable) else { continue };
            // Somebody who has written the other mode out knows what he does; who has not may believe that his events are on disk.
            if setting.applies == Applies::Spooled && self.place("RELAY_MODE").is_some() {
                self.warnings.push(format!("{name}: has no effect{why}"));
            } else {
                self.mistakes.push(Mistake::new(name, format!("no value{why}")));
            }
        }
    }
}

impl Setting {
    /// The mistake in a value, which is shown only if it cannot be a secret.
    #[cold]
    pub(super) fn mistake(&self, name: &str, value: &str, expected: String) -> Mistake {
        match self.holds {
            Holds::Plain => Mistake::found(name, value, expected),
            Holds::Path => Mistake::path(name, value, expected),
            Holds::Url if !value.contains(['@', '?', '#']) => Mistake::found(name, value, expected),
            Holds::Url | Holds::Secret => Mistake::new(name, expected),
        }
    }
}

fn unknown_name(name: &str) -> String {
    let known: Vec<String> =
        SETTINGS.iter().map(|s| s.variable.to_owned()).chain(keys::variables()).collect();
    match nearest(name, known.iter().map(String::as_str)) {
        Some(nearest) => format!("a known name; is {nearest} meant?"),
        None => "a known name; docs/settings.md lists them".into(),
    }
}
