//! Everything a stand-in is told before it starts, as one plain value.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;
use jiff::SignedDuration;

use crate::notify::Notify;
use crate::rate::Rate;
use crate::step::Batch;
use crate::tls::Tls;
use crate::unit::{Unit, by_name, units};

/// The webhook's path below the base URL.
/// Source: OPSWAT, "Event-Based request format",
/// <https://www.opswat.com/docs/mdss/configuration/event-based-request-format>.
pub const WEBHOOK_PATH: &str = "/api/webhook/realtime";

/// The path of the list of storage units below the base URL ([`StorageList`] has the source).
pub const STORAGES_PATH: &str = "/api/Storage/all";

/// The path of the file API below the base URL. **Made up here**: the documents give the API's filters and not its path.
pub const FILES_PATH: &str = "/api/files";

/// The API key of [`Config::default`].
pub const DEFAULT_API_KEY: &str = "test-key";

/// What to serve, where, and how to answer.
///
/// ```
/// use mdss_sim::{Config, StorageType, Unit};
///
/// let unit = Unit::new("0c5454e3-d576-44c5-8ce4-cdc078011d0b", StorageType::Oracle);
/// let config = Config { api_key: "k-1".into(), units: vec![unit], ..Config::default() };
/// assert!(!format!("{config:?}").contains("k-1"));
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 lets the system choose. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Permits an address that is not loopback. Off by default, because `/_sim/` asks for no key.
    pub allow_remote: bool,
    /// What stands before [`WEBHOOK_PATH`]: empty (the default), or `/mdss`, without a slash at its end.
    pub prefix: String,
    /// The key a request must carry in its `ApiKey` header. Default [`DEFAULT_API_KEY`].
    pub api_key: ApiKey,
    /// The storage units that exist. Default [`units::all`].
    pub units: Vec<Unit>,
    /// Takes objects of units that do not exist, too. Default off. No page says that MDSS ever does this; a tool that asks after
    /// an unknown unit must notice it.
    pub any_unit: bool,
    /// Whether the key or the unit is looked at first. Default [`KeyCheck::First`].
    pub key_check: KeyCheck,
    /// Who is given the list of storage units. Default [`StorageList::KeyOrBearer`].
    pub storage_list: StorageList,
    /// The `Date` header of answers. Default [`Date::Now`].
    pub date: Date,
    /// How long every connection waits before its TLS handshake (without TLS: before its first byte is read). Default not at all.
    /// More than a client waits is a handshake that hangs.
    pub handshake_delay: Duration,
    /// Which status goes with which class of answer.
    pub statuses: Statuses,
    /// Requests allowed on the webhook per client address. Default none: no limit.
    pub rate: Option<Rate>,
    /// Requests a second that the webhook works off, one after the other: the more wait, the later each is answered. Default none: all at
    /// once.
    pub capacity: Option<NonZeroU32>,
    /// The certificate to serve HTTPS with. Default none: plain HTTP, as MDSS is installed.
    pub tls: Option<Tls>,
    /// Steps that are queued before the first connection.
    pub script: Vec<Batch>,
    /// How many requests are remembered; the oldest are forgotten first. Default 100 000. Accepted
    /// objects are always counted, whatever this says.
    pub keep_requests: usize,
    /// A file to which every accepted object is appended, one line of JSON each, before it is answered: what the
    /// stand-in has accepted is then known after it was killed. An object that cannot be written there is answered
    /// 503. Default none.
    pub journal: Option<PathBuf>,
    /// Who is told of every file that was scanned. Default nobody.
    pub notify: Option<Notify>,
    /// Answers the file API, in a form of its own. Default off: then its path is a page of the web interface, as any other.
    pub file_api: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            allow_remote: false,
            prefix: String::new(),
            api_key: DEFAULT_API_KEY.into(),
            units: units::all(),
            any_unit: false,
            key_check: KeyCheck::First,
            storage_list: StorageList::KeyOrBearer,
            date: Date::Now,
            handshake_delay: Duration::ZERO,
            statuses: Statuses::default(),
            rate: None,
            capacity: None,
            tls: None,
            script: Vec::new(),
            keep_requests: 100_000,
            journal: None,
            notify: None,
            file_api: false,
        }
    }
}

impl Config {
    /// Says what is wrong with the values taken together, everything at once.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if !self.listen.ip().is_loopback() && !self.allow_remote {
            mistakes.push(format!(
                "listen address {} is not loopback, and the control path /_sim/ needs no key: expected 127.0.0.1, ::1, or remote access allowed on purpose",
                self.listen
            ));
        }
        if !self.prefix.is_empty() && (!self.prefix.starts_with('/') || self.prefix.ends_with('/')) {
            mistakes.push(format!("prefix {:?}, expected nothing, or a path like \"/mdss\"", self.prefix));
        }
        if self.api_key.0.is_empty() {
            mistakes.push("the API key is empty, expected at least one character".into());
        }
        mistakes.extend(self.notify.as_ref().and_then(Notify::mistake));
        for (index, unit) in self.units.iter().enumerate() {
            let id = &unit.storage_client_id;
            if self.units[..index].iter().any(|earlier| earlier.storage_client_id == *id) {
                mistakes.push(format!("storage unit {id} is given twice, expected once"));
            }
        }
        mistakes
    }

    pub(crate) fn webhook_path(&self) -> String {
        format!("{}{WEBHOOK_PATH}", self.prefix)
    }

    pub(crate) fn files_path(&self) -> String {
        format!("{}{FILES_PATH}", self.prefix)
    }

    pub(crate) fn storages_path(&self) -> String {
        format!("{}{STORAGES_PATH}", self.prefix)
    }
}

/// When a request's key is looked at. No page says in which order MDSS does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// Before anything else, as a gateway before the API would.
    First,
    /// After the unit: an unknown unit is answered with "The storage could not be found", whatever the key. Then nobody can
    /// learn from an unknown unit whether his key is right.
    AfterUnit,
}

impl FromStr for KeyCheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("key check", &[Self::First, Self::AfterUnit], |one| one.name(), text)
    }
}

impl KeyCheck {
    /// `first` or `after-unit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::AfterUnit => "after-unit",
        }
    }
}

/// Who is given the list of storage units, `GET /api/Storage/all`.
///
/// The call is known from one example, which sends the token of a log-in as bearer (`OPSWAT/metadefender-k8s`,
/// `terraform/mdss-tf-config-examples/main.tf`). That an API key will do as well is likely, not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageList {
    /// Whoever sends the API key, in its header or as bearer.
    KeyOrBearer,
    /// Whoever sends the API key in its header.
    Key,
    /// Whoever sends the API key as bearer.
    Bearer,
    /// Nobody, not even with the right key: 403.
    Forbidden,
    /// Nobody: the web interface answers, as it does for a path that the API does not have.
    WebPage,
}

impl StorageList {
    const ALL: [Self; 5] = [Self::KeyOrBearer, Self::Key, Self::Bearer, Self::Forbidden, Self::WebPage];

    /// `key-or-bearer`, `key`, `bearer`, `forbidden` or `web-page`.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyOrBearer => "key-or-bearer",
            Self::Key => "key",
            Self::Bearer => "bearer",
            Self::Forbidden => "forbidden",
            Self::WebPage => "web-page",
        }
    }
}

impl FromStr for StorageList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("storage list", &Self::ALL, |one| one.name(), text)
    }
}

/// The `Date` header of answers that arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Date {
    /// The machine's time.
    Now,
    /// A clock that is wrong by so much.
    Off(SignedDuration),
    /// No header.
    Absent,
}

impl FromStr for Date {
    type Err = String;

    /// `now`, `none`, or by how much the clock is wrong: `-5m`, `90s`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            "none" => Ok(Self::Absent),
            off => off.parse().map(Self::Off).map_err(|_| {
                format!("date {text:?}, expected now, none, or by how much the clock is wrong, such as -5m")
            }),
        }
    }
}

/// The statuses of the answers.
///
/// They are settings because no page documents any of them; a forwarder has to cope with all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// With `correlationId`. Default 200.
    pub accepted: StatusCode,
    /// With `responseKey` and `responseMessage`. Default 400.
    pub refused: StatusCode,
    /// For a body that breaks the contract. Default 400.
    pub malformed: StatusCode,
    /// For a missing or wrong API key. Default 401.
    pub unauthorized: StatusCode,
}

impl Default for Statuses {
    fn default() -> Self {
        Self {
            accepted: StatusCode::OK,
            refused: StatusCode::BAD_REQUEST,
            malformed: StatusCode::BAD_REQUEST,
            unauthorized: StatusCode::UNAUTHORIZED,
        }
    }
}

/// An API key that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    pub(crate) fn is(&self, sent: &[u8]) -> bool {
        self.0.as_bytes() == sent
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl From<String> for ApiKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::StorageType;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let unit = Unit::new("u", StorageType::Oracle);
        let config = Config {
            listen: "0.0.0.0:0".parse().unwrap(),
            prefix: "mdss/".into(),
            api_key: "".into(),
            units: vec![unit.clone(), unit],
            ..Config::default()
        };
        assert_eq!(config.mistakes().len(), 4, "{:?}", config.mistakes());
        assert_eq!(Config::default().mistakes(), Vec::<String>::new());
        assert_eq!(
            Config { listen: "0.0.0.0:0".parse().unwrap(), allow_remote: true, ..Config::default() }
                .mistakes(),
            Vec::<String>::new()
        );
    }
}
