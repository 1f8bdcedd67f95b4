//! Settings, grouped as the TOML is. Who reads them for a function gets no group of the server, and the other way round.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use url::Url;

use crate::mdss::client::{API_KEY, Client, ENDPOINT, Endpoint};
use crate::mdss::look::Approach;
use crate::mdss::way::{self, Proxies, Way};
use crate::model::answers::Redelivers;
use crate::model::dialect::Dialect;
use crate::plain::mistake::Mistake;
use crate::plain::secret::Secret;
use crate::select::rules::Rules;
use crate::settings::entry::Element;

/// Who reads the settings: not everybody needs everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `explain`: sends nothing, so it needs no endpoint, key or guard. It stands at the server's door.
    Explain,
    /// A function: the platform decides who may call it; `[[source]]` says who may post, where HTTP requests reach it.
    Function,
    /// The HTTP server.
    Http,
}

/// Everything an operator can choose, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where MDSS is and how it is asked (`[mdss]`).
    pub mdss: MdssSettings,
    /// What only a function has (`[function]`); `None` in every other role.
    pub function: Option<FunctionSettings>,
    /// What whoever takes HTTP requests has (`[http]` and `[[source]]`); `None` for a function without `[[source]]`.
    pub http: Option<HttpSettings>,
    /// What planning needs: routes, key encodings, and what becomes of unknown events.
    pub rules: Rules,
    /// The log filter.
    pub log: String,
    /// What is asked for what it holds (`[[store]]`), as plain data.
    pub stores: Vec<Element>,
    /// Which buckets a server compares by itself, and how often (`[[reconcile]]`), as plain data.
    pub reconciles: Vec<Element>,
    /// What should be seen at start although it is no mistake.
    pub warnings: Vec<String>,
}

/// Where MDSS is, and how it is asked.
#[derive(Clone, Default)]
pub struct MdssSettings {
    /// The webhook; only `explain` can do without.
    pub(crate) url: Option<Url>,
    pub(crate) api_key: Option<Secret>,
    /// Where the key came from, if it came from a file: read again when MDSS refuses it.
    pub(crate) api_key_file: Option<PathBuf>,
    /// Authorities, and servers, that are trusted beside the public authorities.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) verify_certificates: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) attempts: Option<u32>,
    pub(crate) proxies: Proxies,
    /// The longest a delivery may take from its receipt.
    pub deadline: Duration,
    /// Requests to MDSS under way at once, at most.
    pub concurrency: usize,
}

/// What only a function has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionSettings {
    /// On OCI: whether an event that can never be used fails the call.
    pub fail_on_permanent: bool,
    /// On Lambda: whether a queue hears which messages failed, instead of failing the whole batch.
    pub queue_partial: bool,
}

/// What whoever takes HTTP requests has. A function needs no more of it than the sources and the limit of a body.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the pages for operators are, if not there as well.
    pub admin_listen: Option<SocketAddr>,
    /// The largest body it takes, in bytes.
    pub body_limit: usize,
    /// The bearer token of `/events`.
    pub token: Option<Secret>,
    /// Whether `/events` is open to everybody, in writing.
    pub open: bool,
    /// Who may post where; empty: `/events` alone.
    pub sources: Vec<Source>,
    /// Where MDSS tells which files it has scanned.
    pub results: Vec<ResultsSource>,
    /// How MDSS is asked what became of a file.
    pub file_api: FileApiSettings,
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Listed,
    /// Whether its log is lines for people instead of JSON.
    pub text_log: bool,
    /// From one look at the way to MDSS, at MDSS and at the buckets to the next; `None`: the server does not look by itself.
    pub check_every: Option<Duration>,
    /// The durable hand-off, if events are to be on disk before their sender hears "done".
    pub spool: Option<SpoolSettings>,
}

/// What an operator can choose about the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Where it is.
    pub place: SpoolPlace,
    /// Bytes it may hold, about.
    pub limit: u64,
    /// Requests to MDSS a second, at most.
    pub rate: u32,
    /// After how long an object that MDSS does not take is parked; `None`: never.
    pub park_after: Option<Duration>,
    /// The ledger of what has become of the events, if one is kept.
    pub ledger: Option<LedgerSettings>,
}

/// What an operator can choose about the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Where it is.
    pub place: LedgerPlace,
    /// How the keys of objects are kept.
    pub keys: LedgerKeys,
    /// For how many days its entries are kept.
    pub days: u32,
    /// Bytes it may have, about.
    pub limit: u64,
}

/// Where a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerPlace {
    /// A directory on a disk of this machine.
    Directory(PathBuf),
    /// The database of the spool.
    Database,
}

/// How a ledger keeps the keys of objects, which can be personal data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LedgerKeys {
    /// As they are.
    #[default]
    Clear,
    /// As a keyed hash: an object is found by its whole key, and by nothing else.
    Hashed,
    /// Not at all.
    Off,
}

/// Where a spool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolPlace {
    /// A directory on a disk of this machine, for this relay alone.
    Directory(PathBuf),
    /// A database that several relays may share.
    Database(DatabaseSettings),
}

impl SpoolPlace {
    /// The directory, if it is one.
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Self::Directory(dir) => Some(dir),
            Self::Database(_) => None,
        }
    }
}

/// A database for the spool, as plain data: the spool understands its URL, and adds the mistakes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Where it is, and who asks.
    pub url: DatabaseUrl,
    /// Authorities that are trusted beside the public ones.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether a synchronous standby must have an event before its sender hears "done".
    pub replicated: bool,
    /// Whether the relay may make its tables, and bring them to today's version.
    pub migrate: bool,
    /// The data directory that is set as well: what an earlier relay has left there is not sent from here.
    pub former: Option<PathBuf>,
}

/// The URL of a database, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// As it is.
    Text(Secret),
    /// In a file, which is read again at each connection.
    File(PathBuf),
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
    /// How it proves who it is, as plain data: the gate understands it. `None` is a mistake that is reported already.
    pub auth: Option<toml::Value>,
    /// What becomes of an event for which it hears no 2xx; `None`: what its dialect says.
    pub redelivers: Option<Redelivers>,
    /// The topics whose subscriptions are confirmed by visiting their URL; none by default.
    pub confirm_topics: Vec<String>,
}

/// How MDSS's file API is asked, of which nothing is documented but its filters.
#[derive(Clone, Debug, Default)]
pub struct FileApiSettings {
    /// Its path on MDSS's host; `None`: it is not asked.
    pub path: Option<String>,
    /// What it calls things, as plain data: the server understands it.
    pub names: Listed,
    /// Whether objects that MDSS knows of no scan of are told once more by themselves, each at most once a day.
    pub resend: bool,
}

/// One `[[results]]`: where MDSS tells which files it has scanned.
#[derive(Clone)]
pub struct ResultsSource {
    /// Its name, in logs and metrics.
    pub name: String,
    /// The path it posts to; with a secret in the path, what stands before the secret.
    pub path: String,
    /// How it proves who it is, as plain data: the gate understands it. `None` is a mistake that is reported already.
    pub auth: Option<toml::Value>,
}

/// A list as plain data, and the name of the setting it stands in: another crate reads it, and adds the mistakes in it.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The variable, or the member of the TOML.
    pub name: String,
    /// The texts.
    pub texts: Vec<String>,
}

impl MdssSettings {
    /// The longest that one request to MDSS may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl Settings {
    /// Where MDSS is and how it is reached, for a line at start; `None` without an endpoint.
    pub fn way(&self) -> Option<String> {
        let url = self.mdss.url.as_ref()?;
        let way = self.mdss.proxies.way(url);
        let way = way.proxy().map_or_else(|| "directly".to_owned(), |proxy| format!("through {proxy}"));
        Some(format!("MDSS at {}, {way}", way::place(url)))
    }

    /// Scheme, host and port of MDSS, and of the proxy that leads there, if there is one; `None` without an endpoint.
    pub fn endpoint(&self) -> Option<(String, Option<String>)> {
        let url = self.mdss.url.as_ref()?;
        let proxy = match self.mdss.proxies.way(url) {
            Way::Direct => None,
            Way::Through(proxy) => Some(way::place(&proxy)),
        };
        Some((way::place(url), proxy))
    }

    /// The proxies that the usual variables name.
    pub fn proxies(&self) -> Proxies {
        self.mdss.proxies.clone()
    }

    /// Whether both send the same API key.
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.mdss.api_key == other.mdss.api_key
    }

    /// The same step by step, for whoever examines it; `None` without an endpoint.
    pub fn approach(&self) -> Option<Approach> {
        let mdss = &self.mdss;
        let url = mdss.url.as_ref()?;
        Some(Approach {
            verify: mdss.verify_certificates,
            connect_timeout: mdss.connect_timeout,
            certificates: mdss.certificates.clone(),
            ..Approach::new(url, &mdss.proxies.way(url))?
        })
    }

    /// The same settings with another API key, which is not read from a file: to see whether MDSS looks at the key.
    #[must_use]
    pub fn with_api_key(mut self, key: Secret) -> Self {
        self.mdss.api_key = Some(key);
        self.mdss.api_key_file = None;
        self
    }

    /// A connection to MDSS.
    ///
    /// # Errors
    /// A [`Mistake`] if no endpoint or no key is set, or one that no request can have.
    pub fn client(&self) -> Result<Client, Mistake> {
        let mdss = &self.mdss;
        let url = mdss.url.clone().ok_or_else(|| Mistake::new("APIENDPOINT", ENDPOINT))?;
        let api_key = mdss.api_key.clone().ok_or_else(|| Mistake::new("APIKEY", API_KEY))?;
        let endpoint = Endpoint {
            way: mdss.proxies.way(&url),
            url,
            api_key,
            api_key_file: mdss.api_key_file.clone(),
            listed_certificates: mdss.certificates.clone(),
            verify_certificates: mdss.verify_certificates,
            connect_timeout: mdss.connect_timeout,
            timeout: mdss.timeout,
        };
        Client::new(endpoint)
    }
}

impl fmt::Debug for MdssSettings {
    /// A URL's query may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MdssSettings")
            .field("url", &self.url.as_ref().map(way::place))
            .field("api_key", &self.api_key)
            .field("api_key_file", &self.api_key_file)
            .field("certificates", &self.certificates.len())
            .field("verify_certificates", &self.verify_certificates)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .field("proxies", &self.proxies)
            .field("deadline", &self.deadline)
            .field("concurrency", &self.concurrency)
            .finish()
    }
}

impl fmt::Debug for ResultsSource {
    /// `auth` may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultsSource").field("name", &self.name).finish_non_exhaustive()
    }
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
