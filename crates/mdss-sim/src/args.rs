//! The command line, turned into a `Config` before any port opens.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use clap::Parser;
use http::Uri;
use jiff::SignedDuration;
use mdss_sim::{
    ApiKey, Batch, Config, Date, FileIdForm, Found, KeyCheck, Notify, NotifyHeader, NotifyHeaders,
    NotifyMethod, Rate, StatusCode, Statuses, StorageList, Tls, Unit, UnitPath,
};

/// A stand-in for MetaDefender Storage Security: keeps to its webhook contract, fails on request.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Permit an address that is not loopback, although the control path /_sim/ needs no key
    #[arg(long)]
    allow_remote: bool,
    /// The path before /api/webhook/realtime, such as /mdss
    #[arg(long, value_name = "PATH", default_value = "")]
    prefix: String,
    /// A file with the API key; without it MDSS_SIM_API_KEY, or else "test-key"
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// A storage unit, repeatable: ID=TYPE[:STATE[:SCANID]]; without any, one of each type
    #[arg(long = "unit", value_name = "UNIT")]
    units: Vec<Unit>,
    /// Take objects of units that do not exist, too
    #[arg(long)]
    any_unit: bool,
    /// When the key is looked at: first, or after-unit (then an unknown unit is answered alike with any key)
    #[arg(long, value_name = "WHEN", default_value = "first")]
    key_check: KeyCheck,
    /// Who is given GET /api/Storage/all: key-or-bearer, key, bearer, forbidden (403), web-page (200 with HTML)
    #[arg(long, value_name = "WHO", default_value = "key-or-bearer")]
    storage_list: StorageList,
    /// The Date header: now, none, or by how much the clock is wrong, such as -5m
    #[arg(long, value_name = "DATE", default_value = "now", allow_hyphen_values = true)]
    date: Date,
    /// How long every connection waits before its TLS handshake, such as 2s; 1h is a handshake that hangs
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    handshake_delay: Duration,
    /// A file with steps in JSON, repeatable
    #[arg(long = "script", value_name = "FILE")]
    scripts: Vec<PathBuf>,
    /// Webhook requests a second from one client address; above it, 503
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// How many requests may come at once above the rate; default: as many as the rate
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u32>,
    /// Webhook requests a second that are worked off, one after the other: the more wait, the later each is answered
    #[arg(long, value_name = "N")]
    capacity: Option<NonZeroU32>,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A file into which the port's number is written, once the stand-in listens
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// A file to which every accepted object is appended before it is answered
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Tell this address (plain HTTP) of every file that was "scanned", as MDSS does under Settings, Notifications
    #[arg(long, value_name = "URL")]
    notify: Option<Uri>,
    /// How it is told: post or put
    #[arg(long, value_name = "METHOD", default_value = "post", requires = "notify")]
    notify_method: NotifyMethod,
    /// A header of notifications, repeatable: "Name: value"
    #[arg(long = "notify-header", value_name = "HEADER", requires = "notify")]
    notify_headers: Vec<NotifyHeader>,
    /// How long a scan takes, from the acceptance to its time stamp
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, requires = "notify")]
    notify_scan: Duration,
    /// How long after the end of the scan the notification leaves
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, requires = "notify")]
    notify_delay: Duration,
    /// How often each notification is sent: 0 is never, 2 is twice
    #[arg(long, value_name = "N", default_value = "1", requires = "notify")]
    notify_times: u32,
    /// Hold back N notifications, then send them in the opposite order
    #[arg(long, value_name = "N", default_value = "1", requires = "notify")]
    notify_reversed: NonZeroUsize,
    /// What FilePath looks like, repeatable: [UNIT=]key, slash, below:FOLDER/ or in:CONTAINER
    #[arg(long = "notify-path", value_name = "FORM", requires = "notify")]
    notify_paths: Vec<UnitPath>,
    /// What is found in keys with this end, repeatable: SUFFIX=allowed, blocked, failed, canceled, failed-remediation or never
    #[arg(long = "notify-finding", value_name = "SUFFIX=FINDING", requires = "notify")]
    notify_findings: Vec<Found>,
    /// Tell of blocked files alone
    #[arg(long, requires = "notify")]
    notify_blocked_only: bool,
    /// What FileId is: own, or correlation (equal to the correlationId)
    #[arg(long, value_name = "FORM", default_value = "own", requires = "notify")]
    notify_file_id: FileIdForm,
    /// Answer GET /api/files, a file API of the stand-in's own form with MDSS's documented filters
    #[arg(long)]
    file_api: bool,
    /// Status of an accepted object
    #[arg(long, value_name = "STATUS", default_value = "200", value_parser = status)]
    status_accepted: StatusCode,
    /// Status of the documented errors
    #[arg(long, value_name = "STATUS", default_value = "400", value_parser = status)]
    status_refused: StatusCode,
    /// Status of a body that breaks the contract
    #[arg(long, value_name = "STATUS", default_value = "400", value_parser = status)]
    status_malformed: StatusCode,
    /// Status of a missing or wrong API key
    #[arg(long, value_name = "STATUS", default_value = "401", value_parser = status)]
    status_unauthorized: StatusCode,
}

pub(crate) struct Program {
    pub(crate) config: Config,
    pub(crate) port_file: Option<PortFile>,
}

impl Args {
    /// Reads the files named and gives what to run, or every mistake found.
    pub(crate) fn program(self, api_key: Option<OsString>) -> Result<Program, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut read = |flag: &str, path: &Path| {
            let text = fs::read_to_string(path);
            text.map_err(|error| mistakes.push(format!("{flag} {}: {error}", path.display()))).ok()
        };
        let default = Config::default();
        let key_from_file = self.api_key_file.as_deref().map(|path| read("--api-key-file", path));
        let tls = (self.tls_cert.as_deref().map(|path| read("--tls-cert", path)))
            .zip(self.tls_key.as_deref().map(|path| read("--tls-key", path)));
        let scripts: Vec<_> = self.scripts.iter().map(|path| (path, read("--script", path))).collect();

        let api_key = match (key_from_file, api_key) {
            (Some(text), _) => ApiKey::from(text.unwrap_or_default().trim_end_matches(['\r', '\n'])),
            (None, None) => default.api_key,
            (None, Some(text)) => match text.into_string() {
                Ok(text) => text.into(),
                Err(_) => {
                    mistakes.push("MDSS_SIM_API_KEY is not UTF-8, expected the API key".into());
                    default.api_key
                }
            },
        };
        let mut script = Vec::new();
        for (path, text) in scripts {
            match text.as_deref().map(str::parse::<Batch>) {
                Some(Ok(batch)) => script.push(batch),
                Some(Err(mistake)) => mistakes.push(format!("--script {}: {mistake}", path.display())),
                None => {}
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let config = Config {
            listen: self.listen,
            allow_remote: self.allow_remote,
            prefix: self.prefix,
            api_key,
            units: if self.units.is_empty() { default.units } else { self.units },
            any_unit: self.any_unit,
            key_check: self.key_check,
            storage_list: self.storage_list,
            date: self.date,
            handshake_delay: self.handshake_delay,
            statuses: Statuses {
                accepted: self.status_accepted,
                refused: self.status_refused,
                malformed: self.status_malformed,
                unauthorized: self.status_unauthorized,
            },
            rate: self.rate.map(|rate| Rate { per_second: rate, burst: self.burst.unwrap_or(rate) }),
            capacity: self.capacity,
            tls: tls.and_then(|(certificate, key)| {
                Some(Tls { certificate_pem: certificate?.into(), key_pem: key?.into() })
            }),
            script,
            keep_requests: default.keep_requests,
            journal: self.journal,
            notify: self.notify.map(|url| Notify {
                url,
                method: self.notify_method,
                headers: NotifyHeaders(self.notify_headers),
                scan: self.notify_scan,
                delay: self.notify_delay,
                times: self.notify_times,
                reversed: self.notify_reversed,
                paths: self.notify_paths,
                findings: self.notify_findings,
                blocked_only: self.notify_blocked_only,
                file_id: self.notify_file_id,
            }),
            file_api: self.file_api,
        };
        Ok(Program { config, port_file: self.port_file.map(PortFile) })
    }
}

/// A file that is there, whole, as soon as the port is open, and not before.
pub(crate) struct PortFile(PathBuf);

impl PortFile {
    pub(crate) fn write(&self, port: u16) -> io::Result<()> {
        let Self(path) = self;
        let mut beside = path.clone().into_os_string();
        beside.push(".part");
        let named = |error: io::Error| io::Error::other(format!("--port-file {}: {error}", path.display()));
        fs::write(&beside, format!("{port}\n")).map_err(named)?;
        fs::rename(&beside, path).map_err(named)
    }
}

fn status(text: &str) -> Result<StatusCode, String> {
    text.parse::<StatusCode>()
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| "expected 200 to 999".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| "expected a duration with its unit, such as 2s or 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_front_page_shows_every_option() {
        let command = Args::command();
        command.clone().debug_assert();
        let table = include_str!("../README.md").split("| Option |").nth(1).unwrap();
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(table.contains(&format!("`--{option}")), "{option}");
        }
    }
}
