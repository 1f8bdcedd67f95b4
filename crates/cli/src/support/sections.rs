//! The parts of the file.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use drive::HttpPoster;
use mdss_relay_core::{
    LedgerPlace, MOST_FILE_BYTES, Role, SETTINGS, Settings, fields, plain_text, public_tls,
};
use mdss_relay_ledger::Ledger;
use serde_json::Value;
use toml::Value as Toml;

use super::Arguments;
use super::hidden::{HIDDEN, bare, is_secret};
use crate::spool;
use crate::tail::{Line, Lines};

/// The longest to wait for an answer of the running relay.
const LIMIT: Duration = Duration::from_secs(5);

/// Items of the spool that are listed at most.
const MOST_ITEMS: usize = 1000;

/// Everything. A section that cannot be had says why in its place.
pub(super) async fn all(
    arguments: &Arguments,
    config: Option<&Path>,
    variables: &[(OsString, OsString)],
) -> String {
    let mut text = String::new();
    let mut section = |name: &str, body: String| {
        let _ = writeln!(text, "=== {name}\n\n{}\n", body.trim_end());
    };
    section(
        "version",
        format!("mdss-relay {}\nwritten {}", env!("CARGO_PKG_VERSION"), jiff::Timestamp::now()),
    );
    section("system", system());
    section("settings", settings(variables));
    section("doctor", doctor(config).await);
    let (stats, items) = spool::report(arguments.data_dir.clone(), config, MOST_ITEMS).await;
    section("spool", stats);
    let items: Vec<_> = items.lines().map(|line| keys(line, arguments.without_keys)).collect();
    section("items, without their bodies", items.join("\n"));
    section("ledger", ledger(variables));
    for page in ["readyz", "metrics"] {
        section(page, self::page(arguments.url.as_deref(), page, variables).await);
    }
    section("log", log(arguments));
    text
}

/// What can be seen of the ledger without opening it.
fn ledger(variables: &[(OsString, OsString)]) -> String {
    let draft = Settings::read(variables.iter().cloned(), Role::Http);
    let spool = draft.settings.http.as_ref().and_then(|http| http.spool.as_ref());
    let Some(LedgerPlace::Directory(dir)) = spool.and_then(|spool| spool.ledger.as_ref()).map(|l| &l.place)
    else {
        return "none is kept on this machine".into();
    };
    let found = Ledger::glance(dir);
    let version = found.version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    let mut text = format!(
        "{}: version {version}, {} bytes, key {}\n",
        dir.display(),
        found.bytes,
        if found.key { "there" } else { "missing" }
    );
    for (file, bytes) in found.set_aside {
        let _ = writeln!(text, "set aside: {}, {bytes} bytes", file.display());
    }
    text
}

fn system() -> String {
    let file = |path: &str| plain_text(path, MOST_FILE_BYTES).unwrap_or_else(|e| format!("{path}: {e}"));
    let mut text = format!("kernel: {}\n", file("/proc/sys/kernel/osrelease").trim());
    for line in file("/etc/os-release").lines().filter(|line| line.starts_with("PRETTY_NAME=")) {
        let _ = writeln!(text, "system: {line}");
    }
    let _ = writeln!(
        text,
        "machine: {}, {} processors",
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    for line in file("/proc/meminfo").lines().take(3) {
        let _ = writeln!(text, "memory: {line}");
    }
    let _ = writeln!(text, "load: {}", file("/proc/loadavg").trim());
    let _ = writeln!(text, "up: {} s", file("/proc/uptime").split(' ').next().unwrap_or("?"));
    text
}

/// The variables that mean something, and the configuration, with every secret hidden.
fn settings(variables: &[(OsString, OsString)]) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let setting = SETTINGS.iter().find(|setting| setting.variable == name);
        let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
        // A name that is almost ours is a mistake, and its value may be a secret all the same.
        let value = match setting {
            Some(setting) if setting.is_secret() => HIDDEN.to_owned(),
            Some(_) if name.ends_with("_FILE") => path(&value).to_owned(),
            Some(_) => bare(&value),
            None if is_proxy => bare(&value),
            None if name.starts_with("RELAY_") => HIDDEN.to_owned(),
            None => continue,
        };
        let _ = writeln!(text, "{name}={value}");
    }
    for (name, value) in variables {
        let document = match name.to_str() {
            Some("RELAY_CONFIG") => plain_text(value, MOST_FILE_BYTES).map_err(|e| e.to_string()),
            Some("RELAY_CONFIG_TOML") => {
                value.to_str().map(str::to_owned).ok_or_else(|| "no UTF-8".to_owned())
            }
            _ => continue,
        };
        let document =
            document.and_then(|text| text.parse::<toml::Table>().map_err(|e| e.message().to_owned()));
        let shown = match document {
            Ok(table) => lines(&table, "", false),
            Err(why) => format!("it cannot be read: {why}"),
        };
        let _ = writeln!(text, "\n{}:\n{shown}", name.to_string_lossy());
    }
    let draft = Settings::read(variables.iter().cloned(), Role::Http);
    let warnings = draft.settings.warnings.clone();
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for mistake in draft.finish().err().unwrap_or_default() {
        let _ = writeln!(text, "mistake: {mistake}");
    }
    text
}

/// A table of the configuration, a member a line.
fn lines(table: &toml::Table, place: &str, in_auth: bool) -> String {
    let mut text = String::new();
    for (name, value) in table {
        member(&format!("{place}{name}"), name, value, in_auth, &mut text);
    }
    text
}

fn member(place: &str, name: &str, value: &Toml, in_auth: bool, text: &mut String) {
    match value {
        Toml::Table(table) => text.push_str(&lines(table, &format!("{place}."), in_auth || name == "auth")),
        Toml::Array(list) if list.iter().any(Toml::is_table) => {
            for (n, value) in list.iter().enumerate() {
                member(&format!("{place}[{n}]"), name, value, in_auth, text);
            }
        }
        _ => {
            let _ = writeln!(text, "{place} = {}", shown(name, value, in_auth));
        }
    }
}

fn shown(name: &str, value: &Toml, in_auth: bool) -> String {
    match value {
        // `auth = "none"` is a word; any other text there may be a token.
        Toml::String(text) if name == "auth" && text == "none" => text.clone(),
        _ if name == "auth" || is_secret(name, in_auth) => HIDDEN.to_owned(),
        // Behind its first segment the path of a source may be a secret.
        Toml::String(text) if name == "path" || name == "public_path" => {
            let mut segments = text.splitn(3, '/');
            let first = segments.nth(1).unwrap_or_default();
            format!("/{first}{}", if segments.next().is_some() { "/…" } else { "" })
        }
        Toml::String(text) if name.ends_with("_file") => path(text).to_owned(),
        Toml::String(text) => bare(text),
        Toml::Array(list) => {
            let parts: Vec<_> = list.iter().map(|value| shown(name, value, in_auth)).collect();
            format!("[{}]", parts.join(", "))
        }
        Toml::Integer(number) => number.to_string(),
        Toml::Float(number) => number.to_string(),
        Toml::Boolean(is_so) => is_so.to_string(),
        Toml::Datetime(time) => time.to_string(),
        Toml::Table(_) => "(a table)".to_owned(),
    }
}

/// A path; hidden if it looks as if somebody had put the secret itself there.
fn path(text: &str) -> &str {
    let folder = Path::new(text).parent();
    let is_path = text.starts_with('/') && folder.is_some_and(|folder| folder.is_dir());
    if is_path { text } else { HIDDEN }
}

/// What `doctor` of this program finds: a process of its own, which ends by itself.
async fn doctor(config: Option<&Path>) -> String {
    let config = config.map(Path::to_owned);
    let run = move || {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["doctor", "--json"]).stdin(std::process::Stdio::null());
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        command.output()
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(Ok(output)) if output.stdout.is_empty() => String::from_utf8_lossy(&output.stderr).into_owned(),
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(Err(error)) => format!("doctor cannot be started: {error}"),
        Err(error) => format!("doctor: {error}"),
    }
}

/// What the running relay says, without a credential: the pages have no guard.
async fn page(url: Option<&str>, page: &str, variables: &[(OsString, OsString)]) -> String {
    let place = match url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let settings = Settings::read(variables.iter().cloned(), Role::Http).settings;
            let Some(http) = settings.http else { return "there is no server in these settings".into() };
            format!("http://{}", http.admin_listen.unwrap_or(http.listen))
        }
    };
    let poster = match public_tls(&[]) {
        Ok(tls) => HttpPoster::with_tls(LIMIT, tls),
        Err(error) => return error,
    };
    match poster.send("GET", &format!("{place}/{page}"), &[], "").await {
        Ok(answer) => format!("status {}\n{}", answer.status, String::from_utf8_lossy(&answer.body)),
        Err(error) => format!("{}/{page}: {error}", bare(&place)),
    }
}

fn log(arguments: &Arguments) -> String {
    let lines = match &arguments.log {
        Some(file) => Lines::last_of_file(file, arguments.lines),
        None => Lines::of_unit(&arguments.unit, arguments.lines, false),
    };
    let mut lines = match lines {
        Ok(lines) => lines,
        Err(why) => return why,
    };
    let mut text = String::new();
    let ended = loop {
        match lines.next() {
            Ok(Some(Line::Whole(line))) => text += &(keys(&line, arguments.without_keys) + "\n"),
            Ok(Some(Line::TooLong)) => text += "(a line that is too long to be one of a relay)\n",
            Ok(None) => break lines.end(),
            Err(why) => break Err(why),
        }
    };
    ended.map_or_else(|why| format!("{text}{why}"), |()| text.clone())
}

/// A line of JSON with the names of objects hashed, if that is wanted. What is no JSON is left out then: nobody knows what is in it.
fn keys(line: &str, hashed: bool) -> String {
    if !hashed {
        return line.to_owned();
    }
    match serde_json::from_str(line) {
        Ok(mut value) => {
            hash(&mut value, "");
            value.to_string()
        }
        Err(_) => "(a line that is no JSON, left out because of --without-keys)".to_owned(),
    }
}

/// Members that name an object, or may quote its name.
const NAMING: &[&str] = &[fields::KEY, fields::OBJECTS, fields::DETAIL, fields::UNTRUSTED, "key", "detail"];

fn hash(value: &mut Value, name: &str) {
    match value {
        Value::String(text) if NAMING.contains(&name) => *text = digest(text),
        Value::Array(list) => list.iter_mut().for_each(|value| hash(value, name)),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| hash(value, name)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Half of a SHA-256: enough to tell names apart. A name that can be guessed can be found in it.
fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(8).fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
