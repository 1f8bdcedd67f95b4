//! The list of settings. The README's table is compared with it by a test.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable.
    pub variable: &'static str,
    /// The member of the TOML configuration that says the same, if there is one.
    pub toml: Option<&'static str>,
    /// What holds if it is not set, as the documentation shows it.
    pub default: &'static str,
    /// What it is for, in one sentence.
    pub meaning: &'static str,
}

const fn setting(
    variable: &'static str,
    toml: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { variable, toml: if toml.is_empty() { None } else { Some(toml) }, default, meaning }
}

/// Every setting that is a variable, but for `RELAY_KEYS_<DIALECT>`, of which there is one a dialect.
pub const SETTINGS: &[Setting] = &[
    setting(
        "APIENDPOINT",
        "mdss.endpoint",
        "required",
        "MDSS's webhook URL; if its path is empty, `/api/webhook/realtime` is added",
    ),
    setting("APIKEY", "", "required", "API key of an MDSS user; or `APIKEY_FILE`"),
    setting("APIKEY_FILE", "mdss.api_key_file", "", "file with the API key, read again when MDSS refuses it"),
    setting("STORAGECLIENTID", "", "required", "the storage unit that takes every object; or `[[route]]`"),
    setting("RELAY_STORAGE_TYPE", "", "by the event", "how that unit is registered in MDSS"),
    setting("RELAY_SCAN_ID", "", "", "scan id of that unit, only with partition scans"),
    setting("RELAY_CONFIG", "", "", "path of a TOML configuration"),
    setting(
        "RELAY_CONFIG_TOML",
        "",
        "",
        "the text of a TOML configuration, for functions, which have no files",
    ),
    setting(
        "RELAY_CA_FILE",
        "mdss.ca_file",
        "",
        "PEM file of certificates to trust beside the public authorities: authorities, or a server's own",
    ),
    setting(
        "RELAY_TLS_VERIFY",
        "mdss.tls_verify",
        "on",
        "`off` trusts any certificate, with a warning at every start",
    ),
    setting(
        "RELAY_CONNECT_TIMEOUT",
        "mdss.connect_timeout",
        "3s",
        "the longest a connection to MDSS may take",
    ),
    setting("RELAY_TIMEOUT", "mdss.timeout", "10s", "the longest one request to MDSS may take"),
    setting(
        "RELAY_DEADLINE",
        "mdss.deadline",
        "25s",
        "the longest a delivery may take, all attempts together",
    ),
    setting(
        "RELAY_ATTEMPTS",
        "mdss.attempts",
        "no cap",
        "the most tries per object, 1 to 1000, for who wants fewer than the deadline leaves room for; a request that meets a kept connection just closed is sent again and does not count",
    ),
    setting("RELAY_CONCURRENCY", "mdss.concurrency", "16", "requests to MDSS under way at once, 1 to 1000"),
    setting(
        "RELAY_UNKNOWN_EVENTS",
        "events.unknown",
        "fail",
        "an event that this version does not know and that speaks of an object: `fail`, `send` (scan it) or `skip`",
    ),
    setting(
        "RELAY_ON_PERMANENT",
        "function.on_permanent",
        "ok",
        "OCI function: `fail` answers 502 for an event that can never be used",
    ),
    setting(
        "RELAY_QUEUE_PARTIAL",
        "function.queue_partial",
        "off",
        "Lambda: `on` answers a queue with `batchItemFailures`",
    ),
    setting("RELAY_LISTEN", "http.listen", "127.0.0.1:8080", "HTTP: where to listen"),
    setting("RELAY_BODY_LIMIT", "http.body_limit", "6MiB", "HTTP: the largest body taken"),
    setting("RELAY_TOKEN", "", "", "HTTP without `[[source]]`: bearer token that guards `/events`"),
    setting("RELAY_AUTH", "", "bearer", "HTTP without `[[source]]`: `none` opens `/events` to everybody"),
    setting(
        "RELAY_TRUSTED_PROXIES",
        "http.trusted_proxies",
        "",
        "HTTP: addresses or networks, with commas between them, of proxies whose `X-Forwarded-For` tells who posts",
    ),
    setting(
        "RELAY_MODE",
        "http.mode",
        "direct",
        "HTTP: `direct` answers when MDSS has answered, `spooled` when the event is on disk",
    ),
    setting(
        "RELAY_DATA_DIR",
        "http.data_dir",
        "",
        "HTTP, spooled: the directory of the spool, for one relay alone, on a disk that outlives the process",
    ),
    setting(
        "RELAY_SPOOL_LIMIT",
        "http.spool_limit",
        "4GiB",
        "HTTP, spooled: bytes it may hold, about; above that, and below 64 MiB of free disk, senders hear 503; for each source a quarter of it may be held or parked",
    ),
    setting(
        "RELAY_SPOOL_RATE",
        "http.spool_rate",
        "1000",
        "HTTP, spooled: requests to MDSS a second, 1 to 10000; fewer when MDSS pushes back",
    ),
    setting(
        "RELAY_PARK_AFTER",
        "http.park_after",
        "never",
        "HTTP, spooled: how long an object is tried before it waits for `spool retry`, 1h to 365d or `never`",
    ),
    setting("RELAY_LOG", "log.filter", "info", "log filter, such as `info` or `warn,mdss_relay_core=debug`"),
];
