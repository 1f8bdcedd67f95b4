//! What must not be in the file, whatever says it.
//!
//! Each section leaves out by itself what it knows to be a secret. This is the second look, over all of the text: every value that is
//! known to be a secret is taken out of it, wherever it stands.

use std::collections::BTreeSet;
use std::ffi::OsString;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{MOST_FILE_BYTES, SETTINGS, plain_text};
use toml::Value;

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "[hidden]";

/// A shorter one would be found in half of all words.
const SHORTEST: usize = 5;

/// Every secret that can be found, the longest first.
pub(super) struct Hidden(Vec<String>);

impl Hidden {
    pub(super) fn of(variables: &[(OsString, OsString)]) -> Self {
        let mut secrets = BTreeSet::new();
        for (name, value) in variables {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
            match name {
                "RELAY_CONFIG" => {
                    if let Ok(text) = plain_text(value, MOST_FILE_BYTES) {
                        of_document(&text, &mut secrets);
                    }
                }
                "RELAY_CONFIG_TOML" => of_document(value, &mut secrets),
                name if name.ends_with("_FILE") => of_file(value, &mut secrets),
                name if SETTINGS.iter().any(|setting| setting.variable == name && setting.is_secret()) => {
                    secrets.insert(value.trim().to_owned());
                }
                // Almost a name of ours: nobody knows what was meant.
                name if name.starts_with("RELAY_")
                    && SETTINGS.iter().all(|setting| setting.variable != name) =>
                {
                    secrets.insert(value.trim().to_owned());
                }
                _ => of_url(value, &mut secrets),
            }
        }
        let mut secrets: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| [STANDARD.encode(&secret), escaped(&secret), secret])
            .filter(|secret| secret.len() >= SHORTEST && !["none", "false"].contains(&secret.as_str()))
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    pub(super) fn hide(&self, line: &str) -> String {
        self.0.iter().fold(line.to_owned(), |line, secret| {
            if line.contains(secret.as_str()) { line.replace(secret.as_str(), HIDDEN) } else { line }
        })
    }
}

/// As JSON writes it.
fn escaped(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// The secrets of a configuration: texts of members that may hold one, and the content of every file that is named.
fn of_document(text: &str, secrets: &mut BTreeSet<String>) {
    if let Ok(document) = text.parse::<toml::Table>() {
        document.iter().for_each(|(name, value)| of_member(name, value, false, secrets));
    }
}

fn of_member(name: &str, value: &Value, in_auth: bool, secrets: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if name.ends_with("_file") => of_file(text, secrets),
        Value::String(text) if is_secret(name, in_auth) => {
            secrets.insert(text.trim().to_owned());
        }
        Value::String(text) => of_url(text, secrets),
        Value::Array(list) => list.iter().for_each(|value| of_member(name, value, in_auth, secrets)),
        Value::Table(table) => {
            let in_auth = in_auth || name == "auth";
            table.iter().for_each(|(name, value)| of_member(name, value, in_auth, secrets));
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Whether a member of the configuration may hold a secret. In `auth` it may, unless it is known to be none: a check that is added there
/// must not be shown before somebody has looked.
pub(super) fn is_secret(name: &str, in_auth: bool) -> bool {
    const PUBLIC: &[&str] = &[
        "issuer",
        "issuer_url",
        "jwks_url",
        "audience",
        "email",
        "tenant",
        "certificate_urls",
        "topics",
        "source_addresses",
        "sub",
        "prefix",
        "algorithm",
        "header",
        "query",
        "timed",
        "encoding",
    ];
    const SECRET: &[&str] = &["token", "password", "secret", "api_key", "key"];
    if name.ends_with("_file") {
        return false;
    }
    SECRET.contains(&name) || (in_auth && !PUBLIC.contains(&name))
}

fn of_file(path: &str, secrets: &mut BTreeSet<String>) {
    // Certificates and documents are no secrets, and have many lines.
    if let Ok(text) = plain_text(path, 4096)
        && text.trim().lines().count() == 1
    {
        secrets.insert(text.trim().to_owned());
    }
}

/// A user and a password, and what is asked for: both may be credentials. Of a source's URL also the last segment.
fn of_url(text: &str, secrets: &mut BTreeSet<String>) {
    let Some((_, rest)) = text.split_once("://") else { return };
    let (place, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if let Some((user, _)) = place.rsplit_once('@') {
        secrets.insert(user.to_owned());
        secrets.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
    }
    if let Some((_, query)) = path.split_once('?') {
        secrets.insert(query.to_owned());
        secrets.extend(
            query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned()),
        );
    }
}

/// A URL as far as it can hold no credential.
pub(super) fn bare(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}{path}")
}
