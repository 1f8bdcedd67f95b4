//! Settings: read once, at start, as a value. The process environment is never read anywhere else.
//!
//! A settings mistake found one at a time costs an operator a restart each, so all of them are collected, with the
//! name, the value seen (unless it may be a secret) and what was expected. A name that is almost ours is a mistake
//! too: a time-out nobody reads is worse than none.

mod file;
mod table;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use crate::mdss::client::{self, ApiKey, Client, Endpoint};
use crate::mdss::trust;
use crate::mdss::way::{self, Proxies};
use crate::model::dialect::{Dialect, KeyRules};
use crate::model::event::UnknownEvents;
use crate::model::unit::{StorageClientId, StorageType};
use crate::plain::file::{MOST_FILE_BYTES, plain_file, plain_text};
use crate::plain::mistake::{Mistake, nearest};
use crate::plain::secret::Secret;
use crate::select::route::Route;
use crate::select::rules::Rules;

pub use table::{SETTINGS, Setting};

/// The documented path of the webhook (OPSWAT `mdss/configuration/event-based-request-format`).
const WEBHOOK_PATH: &str = "/api/webhook/realtime";

/// Paths the HTTP server keeps for itself.
const RESERVED_PATHS: &[&str] = &["/healthz", "/readyz", "/metrics"];

/// Who reads the settings: not everybody needs everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `explain`: sends nothing, so it needs no endpoint, key or guard.
    Explain,
    /// A function: the platform decides who may call; `[[source]]` means nothing.
    Function,
    /// The HTTP server.
    Http,
}

/// One `[[source]]`: who may post where.
#[derive(Clone)]
pub struct Source {
    /// Its name, in routes and logs.
    pub name: String,
    /// The path it posts to; with a secret in the path, what stands before the secret.
    pub path: String,
    /// The path as its sender sees it, where a proxy rewrites it: signatures cover that one.
    pub public_path: Option<String>,
    /// The dialect it is pinned to.
    pub dialect: Option<Dialect>,
    /// How it proves who it is, as plain data: the gate understands it. `None` is a mistake that is told already.
    pub auth: Option<toml::Value>,
    /// Whether it repeats an event without end until it hears a 2xx.
    pub redelivers_forever: bool,
    /// The topics whose subscriptions are confirmed by visiting their URL; none by default.
    pub confirm_topics: Vec<String>,
}

impl fmt::Debug for Source {
    /// `auth` may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// What an operator can choose about the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its directory.
    pub dir: PathBuf,
    /// Bytes it may hold, about.
    pub limit: u64,
    /// Requests to MDSS a second, at most.
    pub rate: u32,
    /// After how long an object that MDSS does not take is parked; `None`: never.
    pub park_after: Option<Duration>,
}

/// Everything an operator can choose, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) endpoint: Option<Endpoint>,
    /// What planning needs: routes, key encodings, and what becomes of unknown events.
    pub rules: Rules,
    pub(crate) attempts: Option<u32>,
    /// Requests to MDSS under way at once, at most.
    pub concurrency: usize,
    /// The longest a delivery may take from its receipt.
    pub deadline: Duration,
    /// On OCI: whether an event that can never be used fails the call.
    pub fail_on_permanent: bool,
    /// Whether a queue hears which messages failed, instead of failing the whole batch.
    pub queue_partial: bool,
    /// The largest body the HTTP server takes, in bytes.
    pub body_limit: usize,
    /// Where the HTTP server listens.
    pub listen: SocketAddr,
    /// The bearer token of `/events`.
    pub token: Option<Secret>,
    /// Whether `/events` is open to everybody, in writing.
    pub open: bool,
    /// The HTTP sources; empty: `/events` alone.
    pub sources: Vec<Source>,
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Listed,
    /// The durable hand-off, if events are to be on disk before their sender hears "done".
    pub spool: Option<SpoolSettings>,
    /// The log filter.
    pub log: String,
    /// What should be seen at start although it is no mistake.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    /// What the documentation calls the defaults: no endpoint, no route.
    fn default() -> Self {
        Self {
            endpoint: None,
            rules: Rules::default(),
            attempts: None,
            concurrency: 16,
            deadline: Duration::from_secs(25),
            fail_on_permanent: false,
            queue_partial: false,
            body_limit: 6 << 20,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token: None,
            open: false,
            sources: Vec::new(),
            trusted_proxies: Listed::default(),
            spool: None,
            log: "info".into(),
            warnings: Vec::new(),
        }
    }
}

/// A list as plain data, and the name of the setting it stands in: somebody else understands it, and tells its mistakes.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The variable, or the member of the TOML.
    pub name: String,
    /// The texts.
    pub texts: Vec<String>,
}

/// Settings as read, with every mistake found so far. Adapters add theirs before anything is printed.
#[derive(Debug)]
pub struct Draft {
    /// The settings; where there is a mistake, the default.
    pub settings: Settings,
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

impl Draft {
    /// The settings, if nothing is wrong with them.
    ///
    /// # Errors
    /// Every mistake.
    pub fn finish(self) -> Result<Settings, Vec<Mistake>> {
        if self.mistakes.is_empty() { Ok(self.settings) } else { Err(self.mistakes) }
    }
}

impl Settings {
    /// Reads name and value pairs (`std::env::vars_os()` in a process, an array in a test) and the files they name.
    pub fn read(vars: impl IntoIterator<Item = (OsString, OsString)>, role: Role) -> Draft {
        let mut reader = Reader { vars: BTreeMap::new(), table: toml::Table::new(), mistakes: Vec::new() };
        reader.take(vars);
        reader.read_table();
        let settings = reader.settings(role);
        Draft { settings, mistakes: reader.mistakes }
    }

    /// Where MDSS is and how it is reached, for a line at start; `None` without an endpoint.
    pub fn way(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        let way =
            endpoint.way.proxy().map_or_else(|| "directly".to_owned(), |proxy| format!("through {proxy}"));
        Some(format!("MDSS at {}, {way}", way::place(&endpoint.url)))
    }

    /// A connection to MDSS.
    ///
    /// # Errors
    /// A [`Mistake`] if no endpoint is set.
    pub fn client(&self) -> Result<Client, Mistake> {
        let endpoint = self.endpoint.clone().ok_or_else(|| Mistake::new("APIENDPOINT", ENDPOINT))?;
        Client::new(endpoint).map_err(|expected| Mistake::new("APIKEY", expected))
    }
}

const ENDPOINT: &str = "the webhook's URL, such as https://mdss.example/api/webhook/realtime";

/// Where a value came from, and the value.
struct Found {
    name: String,
    value: String,
}

struct Reader {
    vars: BTreeMap<String, String>,
    table: toml::Table,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn take(&mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in vars {
            let Some(name) = name.to_str() else { continue };
            let known =
                SETTINGS.iter().any(|s| s.variable == name) || key_rule(name).is_some_and(|r| r.is_ok());
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
    }

    /// The variable, or the TOML member that stands for it. Variables win.
    fn find(&mut self, variable: &str) -> Option<Found> {
        if let Some(value) = self.vars.get(variable) {
            return Some(Found { name: variable.to_owned(), value: value.clone() });
        }
        let path = SETTINGS.iter().find(|s| s.variable == variable)?.toml?;
        let (table, member) = path.split_once('.')?;
        let value = self.table.get(table)?.as_table()?.get(member)?;
        let value = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => if *flag { "on" } else { "off" }.to_owned(),
            other => {
                let found = other.type_str();
                self.mistakes.push(Mistake::found(path, found, "a text or a number"));
                return None;
            }
        };
        Some(Found { name: path.to_owned(), value })
    }

    /// A setting that is a list: texts with commas between them, or in the TOML a list of texts.
    fn listed(&mut self, variable: &str) -> Listed {
        let path = SETTINGS.iter().find(|s| s.variable == variable).and_then(|s| s.toml);
        if let Some((table, member)) = path.and_then(|p| p.split_once('.'))
            && !self.vars.contains_key(variable)
            && let Some(toml::Value::Array(list)) = self.table.get(table).and_then(|t| t.get(member))
        {
            let name = format!("{table}.{member}");
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned)).collect();
            return match texts {
                Some(texts) => Listed { name, texts },
                None => {
                    self.mistakes.push(Mistake::new(name, "a text or a list of texts"));
                    Listed::default()
                }
            };
        }
        let Some(Found { name, value }) = self.find(variable) else { return Listed::default() };
        Listed { name, texts: value.split(',').map(|text| text.trim().to_owned()).collect() }
    }

    /// A setting with a default; a value that cannot be read is a mistake.
    fn setting<T>(&mut self, variable: &str, default: T, read: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some(found) = self.find(variable) else { return default };
        match read(&found.value) {
            Ok(value) => value,
            Err(expected) => {
                self.mistakes.push(Mistake::found(found.name, &found.value, expected));
                default
            }
        }
    }

    fn settings(&mut self, role: Role) -> Settings {
        let base = Settings::default();
        let mut warnings = Vec::new();
        // Half a second of it is kept back for the answer.
        let deadline = self.setting("RELAY_DEADLINE", base.deadline, |v| match value::duration(v)? {
            time if time < Duration::from_secs(1) => Err("a duration of at least 1s, such as 25s".into()),
            time => Ok(time),
        });
        let endpoint = self.endpoint(role, &mut warnings);
        let mut settings = Settings {
            endpoint,
            attempts: self.setting("RELAY_ATTEMPTS", None, |v| value::number(v, 1, 1000).map(Some)),
            concurrency: self.setting("RELAY_CONCURRENCY", base.concurrency, |v| value::number(v, 1, 1000)),
            deadline,
            fail_on_permanent: self.setting("RELAY_ON_PERMANENT", false, |v| value::choice(v, "fail", "ok")),
            queue_partial: self.setting("RELAY_QUEUE_PARTIAL", false, |v| value::choice(v, "on", "off")),
            trusted_proxies: self.listed("RELAY_TRUSTED_PROXIES"),
            body_limit: self.setting("RELAY_BODY_LIMIT", base.body_limit, value::bytes),
            listen: self.setting("RELAY_LISTEN", base.listen, |v| {
                v.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8080 or [::1]:8080".into())
            }),
            log: self.setting("RELAY_LOG", base.log.clone(), |v| Ok(v.to_owned())),
            rules: Rules {
                routes: Vec::new(),
                keys: self.key_rules(),
                unknown_events: self.setting("RELAY_UNKNOWN_EVENTS", UnknownEvents::Fail, str::parse),
            },
            ..base
        };
        settings.spool = self.spool(role);
        if role != Role::Function {
            self.guard(role, &mut settings);
        }
        settings.rules.routes = self.routes(role, &settings.sources, &mut warnings);
        settings.warnings = warnings;
        settings
    }

    /// The spool, if it is asked for; its settings are a mistake where it is not.
    fn spool(&mut self, role: Role) -> Option<SpoolSettings> {
        let mode = self.find("RELAY_MODE");
        let spooled = self.setting("RELAY_MODE", false, |v| match v {
            "direct" => Ok(false),
            "spooled" if role == Role::Function => {
                Err("direct: a function has no disk to keep events on".into())
            }
            "spooled" => Ok(true),
            _ => Err("direct or spooled".into()),
        });
        let settings = SpoolSettings {
            dir: self.find("RELAY_DATA_DIR").map(|found| PathBuf::from(found.value)).unwrap_or_default(),
            limit: self.setting("RELAY_SPOOL_LIMIT", 4 << 30, |v| value::size(v, 1 << 20, 1 << 44)),
            rate: self.setting("RELAY_SPOOL_RATE", 1000, |v| value::number(v, 1, 10_000)),
            park_after: self.setting("RELAY_PARK_AFTER", None, value::days_or_never),
        };
        let asked = spooled || mode.is_some_and(|mode| mode.value == "spooled");
        if !asked {
            for name in ["RELAY_DATA_DIR", "RELAY_SPOOL_LIMIT", "RELAY_SPOOL_RATE", "RELAY_PARK_AFTER"] {
                if let Some(found) = self.find(name) {
                    self.mistakes.push(Mistake::new(found.name, "nothing without RELAY_MODE=spooled"));
                }
            }
        } else if settings.dir.as_os_str().is_empty() {
            let expected = "the directory the spool is in, on a disk that outlives the process";
            self.mistakes.push(Mistake::new("RELAY_DATA_DIR", expected));
        }
        asked.then_some(settings)
    }

    fn endpoint(&mut self, role: Role, warnings: &mut Vec<String>) -> Option<Endpoint> {
        let required = role != Role::Explain;
        let url = self.url(required, warnings);
        let (api_key, api_key_file) = self.api_key(required);
        let ca_file = self.find("RELAY_CA_FILE");
        let listed_certificates = ca_file.map_or_else(Vec::new, |found| {
            let roots = plain_file(&found.value, MOST_FILE_BYTES).map_err(|e| e.to_string());
            roots.and_then(|pem| trust::certificates(&pem)).unwrap_or_else(|why| {
                let expected = format!("a file of certificates in PEM ({why})");
                self.mistakes.push(Mistake::found(found.name, &found.value, expected));
                Vec::new()
            })
        });
        let verify_certificates = self.setting("RELAY_TLS_VERIFY", true, |v| value::choice(v, "on", "off"));
        if !verify_certificates {
            warnings.push(
                "RELAY_TLS_VERIFY is off: anybody between here and MDSS can read the API key and swallow events; give the \
                 server's authority in RELAY_CA_FILE instead"
                    .into(),
            );
        }
        let connect_timeout = self.setting("RELAY_CONNECT_TIMEOUT", Duration::from_secs(3), value::duration);
        let timeout = self.setting("RELAY_TIMEOUT", Duration::from_secs(10), value::duration);
        let proxies = self.proxies();
        let url = url?;
        let way = proxies.way(&url);
        Some(Endpoint {
            url,
            api_key: api_key?,
            api_key_file,
            listed_certificates,
            verify_certificates,
            connect_timeout,
            timeout,
            way,
        })
    }

    fn url(&mut self, required: bool, warnings: &mut Vec<String>) -> Option<Url> {
        let Some(found) = self.find("APIENDPOINT") else {
            if required {
                self.mistakes.push(Mistake::new("APIENDPOINT", format!("{ENDPOINT}; it is not set")));
            }
            return None;
        };
        let mistake = match Url::parse(&found.value) {
            Ok(url)
                if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) =>
            {
                ENDPOINT
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "a URL without a user name or password in it"
            }
            Ok(url) if url.fragment().is_some() => "a URL without a fragment (#…)",
            Ok(mut url) => {
                // Users of the vendor's samples have the full URL, everybody else tries the base first.
                if matches!(url.path(), "" | "/") {
                    url.set_path(WEBHOOK_PATH);
                }
                if url.scheme() == "http" {
                    warnings.push(format!(
                        "{}: http, so the API key, which opens almost the whole of MDSS, travels in the clear; use https",
                        found.name
                    ));
                }
                return Some(url);
            }
            Err(_) => ENDPOINT,
        };
        // A URL can hold a password or a token.
        let secret = found.value.contains(['@', '?', '#']);
        self.mistakes.push(if secret {
            Mistake::new(found.name, mistake)
        } else {
            Mistake::found(found.name, &found.value, mistake)
        });
        None
    }

    fn api_key(&mut self, required: bool) -> (Option<Secret>, Option<PathBuf>) {
        const EXPECTED: &str = client::API_KEY;
        let file = self.find("APIKEY_FILE");
        let (name, key, path) = match (self.vars.get("APIKEY").map(|k| Secret::new(k)), file) {
            (Some(_), Some(_)) => {
                self.mistakes.push(Mistake::new("APIKEY_FILE", "nothing beside APIKEY: one of the two"));
                return (None, None);
            }
            (None, None) => {
                if required {
                    self.mistakes.push(Mistake::new(
                        "APIKEY",
                        format!("{EXPECTED}; neither it nor APIKEY_FILE is set"),
                    ));
                }
                return (None, None);
            }
            (Some(key), None) => ("APIKEY".to_owned(), key, None),
            (None, Some(found)) => match plain_text(&found.value, client::MOST_KEY_FILE) {
                Ok(text) => (found.name, Secret::new(&text), Some(PathBuf::from(found.value))),
                Err(e) => {
                    let expected = format!("a readable file with an API key ({e})");
                    self.mistakes.push(Mistake::path(found.name, &found.value, expected));
                    return (None, None);
                }
            },
        };
        match ApiKey::new(key.clone()) {
            Ok(_) => (Some(key), path),
            Err(_) => {
                self.mistakes.push(Mistake::new(name, EXPECTED));
                (None, None)
            }
        }
    }

    /// The usual variables, lower case first, as curl reads them. An address may hold a password and is not shown.
    fn proxies(&mut self) -> Proxies {
        let mut address = |names: [&str; 4]| {
            let (name, value) = names.iter().find_map(|n| self.vars.get_key_value(*n))?;
            let text = if value.contains("://") { value.clone() } else { format!("http://{value}") };
            match Url::parse(&text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
                _ => {
                    self.mistakes
                        .push(Mistake::new(name, "the address of an HTTP proxy, such as http://proxy:3128"));
                    None
                }
            }
        };
        Proxies {
            http: address(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: address(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            exempt: ["no_proxy", "NO_PROXY"].iter().find_map(|n| self.vars.get(*n)).cloned(),
        }
    }

    fn key_rules(&mut self) -> KeyRules {
        let mut rules = KeyRules::default();
        let from_table: Vec<_> = self
            .table
            .get("keys")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .map(|(name, value)| {
                (format!("keys.{name}"), name.clone(), value.as_str().unwrap_or("?").to_owned())
            })
            .collect();
        let from_vars: Vec<_> = self
            .vars
            .iter()
            .filter_map(|(name, value)| {
                Some((name.clone(), key_rule(name)?.ok()?.name().to_owned(), value.clone()))
            })
            .collect();
        for (place, dialect, encoding) in from_table.into_iter().chain(from_vars) {
            let dialect = match dialect.parse::<Dialect>() {
                Ok(dialect) if dialect.key_encoding().is_some() => dialect,
                Ok(dialect) => {
                    self.mistakes
                        .push(Mistake::new(place, format!("no rule: {dialect} is an envelope without keys")));
                    continue;
                }
                Err(expected) => {
                    self.mistakes.push(Mistake::found(place, &dialect, expected));
                    continue;
                }
            };
            match encoding.parse() {
                Ok(encoding) => rules.set(dialect, encoding),
                Err(expected) => self.mistakes.push(Mistake::found(place, &encoding, expected)),
            }
        }
        rules
    }

    /// Who may post: `[[source]]`, or `/events` with a token, or `/events` open in writing.
    fn guard(&mut self, role: Role, settings: &mut Settings) {
        settings.sources = self.sources();
        settings.token = self.vars.get("RELAY_TOKEN").map(|t| Secret::new(t));
        let auth = self.find("RELAY_AUTH");
        settings.open = match auth.as_ref().map(|a| a.value.as_str()) {
            Some("none") => true,
            Some("bearer") | None => false,
            Some(_) => {
                // Not shown: it may be a token in the wrong place.
                self.mistakes.push(Mistake::new("RELAY_AUTH", "none or bearer"));
                false
            }
        };
        let chosen = settings.token.is_some() || auth.as_ref().is_some_and(|a| a.value != "bearer");
        let has_sources = self.table.contains_key("source");
        if has_sources && (settings.token.is_some() || auth.is_some()) {
            let name = if settings.token.is_some() { "RELAY_TOKEN" } else { "RELAY_AUTH" };
            let expected = "nothing beside [[source]]: it guards /events, which exists only without sources";
            self.mistakes.push(Mistake::new(name, expected));
        } else if settings.open && settings.token.is_some() {
            self.mistakes.push(Mistake::new(
                "RELAY_AUTH",
                "bearer, or no RELAY_TOKEN: a token guards nothing that is open",
            ));
        } else if role == Role::Http && !has_sources && !chosen {
            let expected = "a bearer token for /events; or [[source]] in the configuration; or RELAY_AUTH=none, if \
                            everybody who reaches the port may post";
            self.mistakes.push(Mistake::new("RELAY_TOKEN", expected));
        }
    }

    fn routes(&mut self, role: Role, sources: &[Source], warnings: &mut Vec<String>) -> Vec<Route> {
        let has_routes = self.table.contains_key("route");
        if has_routes {
            for variable in ["STORAGECLIENTID", "RELAY_STORAGE_TYPE", "RELAY_SCAN_ID"] {
                if self.vars.contains_key(variable) {
                    let expected = "nothing beside [[route]]: write it into the routes";
                    self.mistakes.push(Mistake::new(variable, expected));
                }
            }
            // The entries as they stand, also those that make no route: every mistake is told, under its own number.
            for (place, table) in self.entries("route") {
                let place = format!("{place}.source");
                let source = table.get("source").and_then(toml::Value::as_str).map(str::trim);
                let known = |name: &str| {
                    sources.iter().any(|s| s.name == name) || (sources.is_empty() && name == "events")
                };
                let mistake = match source {
                    None if sources.len() > 1 => Mistake::new(
                        place,
                        "the name of a source: with more than one, a weak source must not reach a strong source's unit",
                    ),
                    Some(name) if !known(name) && (role == Role::Http || !sources.is_empty()) => {
                        let names: Vec<_> = sources.iter().map(|s| s.name.as_str()).collect();
                        let hint = if names.is_empty() { "events".into() } else { names.join(", ") };
                        Mistake::found(place, name, format!("the name of a source ({hint})"))
                    }
                    _ => continue,
                };
                match role {
                    Role::Http => self.mistakes.push(mistake),
                    Role::Explain => warnings.push(format!("{mistake} (the HTTP server would not start)")),
                    Role::Function => {}
                }
            }
            return self.table_routes(warnings);
        }
        let storage_type = self.setting("RELAY_STORAGE_TYPE", None, |v| v.parse::<StorageType>().map(Some));
        let scan_id = self.find("RELAY_SCAN_ID").map(|f| f.value);
        match self.find("STORAGECLIENTID") {
            Some(found) => match StorageClientId::new(&found.value) {
                Some(id) => vec![Route { storage_type, scan_id, ..Route::everything(id) }],
                None => {
                    self.mistakes.push(Mistake::found(found.name, &found.value, file::STORAGE_CLIENT_ID));
                    Vec::new()
                }
            },
            None => {
                if role != Role::Explain {
                    let expected = format!("{}; or [[route]] in the configuration", file::STORAGE_CLIENT_ID);
                    self.mistakes.push(Mistake::new("STORAGECLIENTID", expected));
                }
                Vec::new()
            }
        }
    }
}

const PROXY_VARIABLES: &[&str] = &[
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// The dialect of a `RELAY_KEYS_…` name; `None` for other names, an error for a name of no dialect.
fn key_rule(variable: &str) -> Option<Result<Dialect, ()>> {
    let wanted = variable.strip_prefix("RELAY_KEYS_")?;
    let named = |d: &&Dialect| d.name().replace('-', "_").eq_ignore_ascii_case(wanted);
    Some(Dialect::ALL.iter().find(named).copied().ok_or(()))
}

fn unknown_name(name: &str) -> String {
    let rules = Dialect::ALL.iter().filter(|d| d.key_encoding().is_some());
    let rules = rules.map(|d| format!("RELAY_KEYS_{}", d.name().replace('-', "_").to_ascii_uppercase()));
    let known: Vec<String> = SETTINGS.iter().map(|s| s.variable.to_owned()).chain(rules).collect();
    match nearest(name, known.iter().map(String::as_str)) {
        Some(nearest) => format!("a known name; is {nearest} meant?"),
        None => "a known name; the README lists them".into(),
    }
}

#[cfg(test)]
mod tests;
