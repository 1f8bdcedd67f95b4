//! One setting, one row.
//!
//! A row says what a setting is called, in the environment and in the TOML, where it means something, what it may be, what holds
//! without it, which field it fills, what a mistake may show of it, and what it is for. Everything else follows from the
//! row: the reader goes through the rows, the mistakes take their words and bounds from them, and so do `docs/settings.md` and
//! `--help`.
//!
//! To add a setting: add its field to a group (`groups.rs`), or to `given.rs` if it is only half of something, and its row
//! here. `make bless` writes it into `docs/settings.md`. What must hold between several settings stands in the file of
//! their group (`mdss.rs`, `http.rs`, `spool.rs`, `routes.rs`).

use crate::model::dialect::KeyRules;
use crate::model::event::UnknownEvents;
use crate::model::unit::{ObjectName, StorageType};
use crate::settings::applies::Applies;
use crate::settings::given::Given;
use crate::settings::groups::{LedgerKeys, Listed};
use crate::settings::value::{
    DAY, HOUR, KIB, MIB, MILLISECOND, SECOND, TIB, address, api_key, certificates, duration, endpoint,
    folder, number, or_never, path, secret, size, some, storage_client_id, text, words,
};

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable.
    pub variable: &'static str,
    /// The member of the TOML configuration that says the same, if there is one.
    pub toml: Option<&'static str>,
    /// Where it means something.
    pub applies: Applies,
    /// What holds if it is not set.
    pub without: Without,
    /// What it is for, in one sentence.
    pub meaning: &'static str,
    pub(super) holds: Holds,
    pub(super) reads: Reads,
}

/// What holds if a setting is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// The process does not start.
    Required,
    /// This value, which is read as any other.
    Value(&'static str),
    /// No value: what happens instead, if words are needed.
    Nothing(&'static str),
}

/// What a value may hold, which decides what a mistake shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Nothing that has to be hidden.
    Plain,
    /// A path, unless somebody has put the secret itself there.
    Path,
    /// A URL, which can hold a password or a token.
    Url,
    /// A secret, or a word for which a secret may be mistaken.
    Secret,
}

/// How a value is read and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// A text that is parsed, or what was expected, as the end of a sentence.
    Value { values: fn() -> String, fill: fn(&str, &mut Given) -> Result<(), String> },
    /// A list of texts, which another crate parses: with commas between them, or in the TOML a list.
    List { values: &'static str, fill: fn(Listed, &mut Given) },
}

/// `given.FIELD = READER`: the reader of a value, and the field that it fills.
macro_rules! fills {
    ($given:ident.$($field:ident).+ = $reader:expr) => {
        Reads::Value {
            values: || $reader.values,
            fill: |text, $given| {
                $given.$($field).+ = ($reader.read)(text)?;
                Ok(())
            },
        }
    };
}

impl Setting {
    /// Whether its value may be a secret, so that nobody may show it.
    pub fn is_secret(&self) -> bool {
        self.holds == Holds::Secret
    }

    /// The values it takes, in words.
    pub fn values(&self) -> String {
        match self.reads {
            Reads::Value { values, .. } => values(),
            Reads::List { values, .. } => values.to_owned(),
        }
    }

    /// Whether it means something in a process of this kind: [`Applies::OciFunction`], [`Applies::AzureFunctions`],
    /// [`Applies::Lambda`], [`Applies::OtherFunctions`] or [`Applies::Http`].
    pub fn means_something_in(&self, process: Applies) -> bool {
        self.applies.covers(process)
    }
}

impl Without {
    /// Its words in the documentation.
    pub fn words(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Value(text) | Self::Nothing(text) => text,
        }
    }
}

/// A setting of which nothing has to be hidden.
const fn setting(
    variable: &'static str,
    toml: &'static str,
    applies: Applies,
    without: Without,
    reads: Reads,
    meaning: &'static str,
) -> Setting {
    let toml = if toml.is_empty() { None } else { Some(toml) };
    Setting { variable, toml, applies, without, meaning, holds: Holds::Plain, reads }
}

impl Setting {
    const fn holding(self, holds: Holds) -> Self {
        Self { holds, ..self }
    }
}

use Applies::{Everywhere, Http, HttpWithoutSources, Lambda, OciAndAzure, Requests, Spooled, WithoutRoutes};
use Without::{Nothing, Required, Value};

/// Every setting that is a variable, except `RELAY_KEYS_<DIALECT>`, of which each dialect with keys has one (`keys.rs`).
pub const SETTINGS: &[Setting] = &[
    setting(
        "APIENDPOINT",
        "mdss.endpoint",
        Everywhere,
        Required,
        fills!(given.mdss.url = some(endpoint())),
        "MDSS's webhook URL; if its path is empty, `/api/webhook/realtime` is added",
    )
    .holding(Holds::Url),
    setting(
        "APIKEY",
        "",
        Everywhere,
        Required,
        fills!(given.mdss.api_key = some(api_key())),
        "API key of an MDSS user; or `APIKEY_FILE`",
    )
    .holding(Holds::Secret),
    setting(
        "APIKEY_FILE",
        "mdss.api_key_file",
        Everywhere,
        Nothing(""),
        fills!(given.mdss.api_key_file = some(path())),
        "file with the API key; it is read again when MDSS refuses the key",
    )
    .holding(Holds::Path),
    setting(
        "STORAGECLIENTID",
        "",
        WithoutRoutes,
        Required,
        fills!(given.unit.id = some(storage_client_id())),
        "the storage unit that takes every object; or `[[route]]`",
    ),
    setting(
        "RELAY_STORAGE_TYPE",
        "",
        WithoutRoutes,
        Nothing("by the event's provider"),
        fills!(given.unit.storage_type = some(words(StorageType::NAMES))),
        "the type with which that unit is registered in MDSS",
    ),
    setting(
        "RELAY_SCAN_ID",
        "",
        WithoutRoutes,
        Nothing(""),
        fills!(given.unit.scan_id = some(text("an id"))),
        "scan id of that unit, only with partition scans",
    ),
    setting(
        "RELAY_OBJECT_NAME",
        "",
        WithoutRoutes,
        Value("key"),
        fills!(given.unit.object_name = words(ObjectName::NAMES)),
        "what MDSS is told as the name of an object; `bucket/key` is for units of Azure Blob that want the container in front",
    ),
    setting(
        "RELAY_CONFIG",
        "",
        Everywhere,
        Nothing(""),
        fills!(given.configuration.file = some(path())),
        "a TOML configuration, as a file",
    )
    .holding(Holds::Path),
    setting(
        "RELAY_CONFIG_TOML",
        "",
        Everywhere,
        Nothing(""),
        fills!(given.configuration.text = some(secret("TOML"))),
        "a TOML configuration, as its text: for functions, which have no files",
    )
    .holding(Holds::Secret),
    setting(
        "RELAY_CA_FILE",
        "mdss.ca_file",
        Everywhere,
        Nothing(""),
        fills!(given.mdss.certificates = certificates()),
        "PEM file of certificates that are trusted in addition to the public authorities: of authorities, or of one server",
    ),
    setting(
        "RELAY_TLS_VERIFY",
        "mdss.tls_verify",
        Everywhere,
        Value("on"),
        fills!(given.mdss.verify_certificates = words(&[("on", true), ("off", false)])),
        "`off` trusts any certificate, with a warning at every start",
    ),
    setting(
        "RELAY_CONNECT_TIMEOUT",
        "mdss.connect_timeout",
        Everywhere,
        Value("3s"),
        fills!(given.mdss.connect_timeout = duration(MILLISECOND..=HOUR)),
        "the longest that opening a connection to MDSS may take",
    ),
    setting(
        "RELAY_TIMEOUT",
        "mdss.timeout",
        Everywhere,
        Value("10s"),
        fills!(given.mdss.timeout = duration(MILLISECOND..=HOUR)),
        "the longest that one request to MDSS may take",
    ),
    setting(
        "RELAY_DEADLINE",
        "mdss.deadline",
        Everywhere,
        Value("25s"),
        // Half a second of it is kept back for the answer.
        fills!(given.mdss.deadline = duration(SECOND..=HOUR)),
        "the longest that a delivery may take, all attempts together",
    ),
    setting(
        "RELAY_ATTEMPTS",
        "mdss.attempts",
        Everywhere,
        Nothing("no limit"),
        fills!(given.mdss.attempts = some(number(1..=1000))),
        "the most requests for one object before its delivery is answered; without it, only the deadline ends the attempts. A request that fails because MDSS just closed an idle connection is sent again and does not count",
    ),
    setting(
        "RELAY_CONCURRENCY",
        "mdss.concurrency",
        Everywhere,
        Nothing("16; 128 in spooled mode"),
        fills!(given.mdss.concurrency = number(1..=1000)),
        "the most requests to MDSS at the same time. In spooled mode a storage unit has fewer while its answers come later than usual, and a quarter is left for others",
    ),
    setting(
        "RELAY_UNKNOWN_EVENTS",
        "events.unknown",
        Everywhere,
        Value("fail"),
        fills!(
            given.unknown_events = words(&[
                ("fail", UnknownEvents::Fail),
                ("send", UnknownEvents::Send),
                ("skip", UnknownEvents::Skip),
            ])
        ),
        "what becomes of an event of a type that this version does not know, if it names an object: it fails, the object is sent to MDSS, or the event is skipped",
    ),
    setting(
        "RELAY_SEAWEEDFS_BUCKETS",
        "events.seaweedfs_buckets",
        Everywhere,
        Value(KeyRules::BUCKETS_FOLDER),
        fills!(given.seaweedfs_buckets = folder()),
        "where SeaweedFS has its buckets: `filer.options.buckets_folder` of its `filer.toml`; what a filer announces of other folders is skipped",
    ),
    setting(
        "RELAY_ON_PERMANENT",
        "function.on_permanent",
        OciAndAzure,
        Value("ok"),
        fills!(given.function.fail_on_permanent = words(&[("fail", true), ("ok", false)])),
        "the answer to an event that can never be used: `ok` is 200 and an error line, `fail` is a failed call",
    ),
    setting(
        "RELAY_QUEUE_PARTIAL",
        "function.queue_partial",
        Lambda,
        Value("off"),
        fills!(given.function.queue_partial = words(&[("on", true), ("off", false)])),
        "`on` answers a queue with `batchItemFailures`, so that only the messages that failed come again; set `ReportBatchItemFailures` on the queue's trigger, too",
    ),
    setting(
        "RELAY_LISTEN",
        "http.listen",
        Http,
        Value("127.0.0.1:8080"),
        fills!(given.http.listen = address()),
        "where the server listens; the variable may end in `:$PORT`, and then the port is that of the variable `PORT`, in which platforms of containers say it",
    ),
    setting(
        "RELAY_ADMIN_LISTEN",
        "http.admin_listen",
        Http,
        Nothing("on the port of `RELAY_LISTEN`"),
        fills!(given.http.admin_listen = some(address())),
        "a second port, for `/metrics`, `/readyz` and `/healthz` alone",
    ),
    setting(
        "RELAY_CHECK_EVERY",
        "http.check_every",
        Http,
        Value("1h"),
        fills!(given.http.check_every = or_never(duration(SECOND..=DAY))),
        "how often the server looks at the way to MDSS, at MDSS and whether the buckets of its stores tell it, as `mdss-relay doctor` does; while something fails, every five minutes",
    ),
    setting(
        "RELAY_BODY_LIMIT",
        "http.body_limit",
        Requests,
        Value("6MiB"),
        fills!(given.http.body_limit = size::<usize>(KIB..=64 * MIB)),
        "the largest body that is taken",
    ),
    setting(
        "RELAY_TOKEN",
        "",
        HttpWithoutSources,
        Nothing(""),
        fills!(given.http.token = some(secret("a token"))),
        "bearer token that guards `/events`; or `RELAY_TOKEN_FILE`",
    )
    .holding(Holds::Secret),
    setting(
        "RELAY_TOKEN_FILE",
        "",
        HttpWithoutSources,
        Nothing(""),
        fills!(given.token_file = some(path())),
        "file with that token",
    )
    .holding(Holds::Path),
    setting(
        "RELAY_AUTH",
        "",
        HttpWithoutSources,
        Value("bearer"),
        fills!(given.http.open = words(&[("none", true), ("bearer", false)])),
        "`bearer` wants `RELAY_TOKEN` from everybody who posts to `/events`, `none` opens it to everybody",
    )
    // It may be a token in the wrong place.
    .holding(Holds::Secret),
    setting(
        "RELAY_TRUSTED_PROXIES",
        "http.trusted_proxies",
        Http,
        Nothing(""),
        Reads::List {
            values: "addresses or networks, with commas between them",
            fill: |listed, given| given.http.trusted_proxies = listed,
        },
        "proxies whose `X-Forwarded-For` says who posts",
    ),
    setting(
        "RELAY_MODE",
        "http.mode",
        Http,
        Value("direct"),
        fills!(given.spooled = words(&[("direct", false), ("spooled", true)])),
        "`direct` answers when MDSS has answered, `spooled` when the event is on disk",
    ),
    setting(
        "RELAY_DATA_DIR",
        "http.data_dir",
        Spooled,
        Required,
        fills!(given.spool.dir = some(path())),
        "the directory of the spool, for one relay alone, on a disk that outlives the process; or `RELAY_SPOOL_URL`",
    ),
    setting(
        "RELAY_SPOOL_URL",
        "",
        Spooled,
        Nothing(""),
        fills!(given.spool.url = some(secret("`postgres://user@host:port,host2:port2/database`"))),
        "the PostgreSQL database of the spool, which several relays may share; or `RELAY_SPOOL_URL_FILE`. It may hold a password, and `RELAY_DATA_DIR` is not used",
    )
    .holding(Holds::Secret),
    setting(
        "RELAY_SPOOL_URL_FILE",
        "http.spool_url_file",
        Spooled,
        Nothing(""),
        fills!(given.spool.url_file = some(path())),
        "file with that URL; it is read again at each connection",
    )
    .holding(Holds::Path),
    setting(
        "RELAY_SPOOL_CA_FILE",
        "http.spool_ca_file",
        Spooled,
        Nothing(""),
        fills!(given.spool.certificates = certificates()),
        "PEM file of authorities that are trusted for the database, in addition to the public ones",
    ),
    setting(
        "RELAY_SPOOL_DURABILITY",
        "http.spool_durability",
        Spooled,
        Value("replicated"),
        fills!(given.spool.replicated = words(&[("replicated", true), ("server", false)])),
        "what an event in the database has outlived before its sender hears `done`: a synchronous standby has it too, or the one server, or its storage, is enough",
    ),
    setting(
        "RELAY_SPOOL_MIGRATE",
        "http.spool_migrate",
        Spooled,
        Value("on"),
        fills!(given.spool.migrate = words(&[("on", true), ("off", false)])),
        "`off`: the relay does not change the database's tables, `mdss-relay spool migrate` does",
    ),
    setting(
        "RELAY_SPOOL_LIMIT",
        "http.spool_limit",
        Spooled,
        Value("4GiB"),
        fills!(given.spool.limit = size::<u64>(MIB..=16 * TIB)),
        "about how many bytes the spool may hold. Above it, and below 64 MiB of free disk, senders are answered 503. Held and parked items of one source may take a quarter of it",
    ),
    setting(
        "RELAY_SPOOL_RATE",
        "http.spool_rate",
        Spooled,
        // What MDSS's own nginx lets through on the webhook's path, for each client address (`OPSWAT/metadefender-k8s`,
        // `config-template.yml` from chart 4.3.0 on: `zone=api_limit_realtime:10m rate=10000r/s`).
        Value("10000"),
        fills!(given.spool.rate = number(1..=10_000)),
        "a cap: the most requests to MDSS a second. Below it the relay finds by itself how many MDSS takes",
    ),
    setting(
        "RELAY_PARK_AFTER",
        "http.park_after",
        Spooled,
        Value("never"),
        fills!(given.spool.park_after = or_never(duration(HOUR..=365 * DAY))),
        "how long an object is tried before it is parked and waits for `spool retry`",
    ),
    setting(
        "RELAY_LEDGER",
        "ledger.mode",
        Spooled,
        Value("off"),
        fills!(given.ledger.on = words(&[("on", true), ("off", false)])),
        "`on`: the relay keeps a ledger of what MDSS has accepted and of what was done by hand, which nobody can change unseen",
    ),
    setting(
        "RELAY_LEDGER_DIR",
        "ledger.dir",
        Spooled,
        Nothing("the data directory"),
        fills!(given.ledger.dir = some(path())),
        "the directory of the ledger, if it is to be on another disk than the spool. With RELAY_SPOOL_URL the ledger is in the database, and this is the directory of `ledger.key`, which all relays on it have alike",
    ),
    setting(
        "RELAY_LEDGER_KEYS",
        "ledger.keys",
        Spooled,
        Value("clear"),
        fills!(given.ledger.keys = words(&[("clear", LedgerKeys::Clear), ("hashed", LedgerKeys::Hashed), ("off", LedgerKeys::Off)])),
        "how the ledger keeps the keys of objects, which can be personal data: as they are, as a keyed hash by which an object can still be looked up, or not at all",
    ),
    setting(
        "RELAY_LEDGER_DAYS",
        "ledger.days",
        Spooled,
        Value("400"),
        fills!(given.ledger.days = number(1..=36_500)),
        "for how many days the ledger keeps its entries",
    ),
    setting(
        "RELAY_LEDGER_LIMIT",
        "ledger.limit",
        Spooled,
        Value("10GiB"),
        fills!(given.ledger.limit = size::<u64>(MIB..=16 * TIB)),
        "about how many bytes the ledger may have; above it the oldest entries go. A million objects take about 0.4 GB",
    ),
    setting(
        "RELAY_LOOP_FILE_API",
        "loop.file_api",
        Spooled,
        Nothing("MDSS is not asked"),
        fills!(given.http.file_api.path = some(folder())),
        "the path of MDSS's file API, such as `/api/files`, which no public page tells: with it MDSS is asked about accepted objects for which no result came in time",
    ),
    setting(
        "RELAY_LOOP_FILE_API_NAMES",
        "loop.file_api_names",
        Spooled,
        Nothing("what is guessed"),
        Reads::List {
            values: "names such as `path=filePath`, with commas between them",
            fill: |listed, given| given.http.file_api.names = listed,
        },
        "what the file API calls what no public page names: start, count, list, path, id, state, result, time",
    ),
    setting(
        "RELAY_LOOP_RESEND",
        "loop.resend",
        Spooled,
        Value("off"),
        fills!(given.http.file_api.resend = words(&[("on", true), ("off", false)])),
        "whether objects that MDSS has accepted and, asked twice, knows of no scan of are put back into the spool by themselves, each at most once a day; needs `RELAY_LOOP_FILE_API`",
    ),
    setting(
        "RELAY_LOG",
        "log.filter",
        Everywhere,
        Value("info"),
        fills!(given.log = text("a filter")),
        "which lines are logged, such as `info` or `warn,mdss_relay_core=debug`",
    ),
    setting(
        "RELAY_LOG_FORMAT",
        "log.format",
        Http,
        Value("json"),
        fills!(given.http.text_log = words(&[("json", false), ("text", true)])),
        "`text` writes lines for a person at a terminal, in colours unless `NO_COLOR` is set; `json` is for everything that reads logs",
    ),
];

#[cfg(test)]
mod tests;
