//! Everything a stand-in is told before it starts, as one plain value.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use http::StatusCode;

use crate::rate::Rate;
use crate::step::Batch;
use crate::tls::Tls;
use crate::unit::{Unit, units};

/// The webhook's path below the base URL.
/// Source: OPSWAT, "Event-Based request format",
/// <https://www.opswat.com/docs/mdss/configuration/event-based-request-format>.
pub const WEBHOOK_PATH: &str = "/api/webhook/realtime";

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
    /// Which status goes with which class of answer.
    pub statuses: Statuses,
    /// Requests allowed on the webhook per client address. Default none: no limit.
    pub rate: Option<Rate>,
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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            allow_remote: false,
            prefix: String::new(),
            api_key: DEFAULT_API_KEY.into(),
            units: units::all(),
            statuses: Statuses::default(),
            rate: None,
            tls: None,
            script: Vec::new(),
            keep_requests: 100_000,
            journal: None,
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
