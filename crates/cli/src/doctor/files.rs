//! The files that settings name, and the secrets that are written where a file should be named.

use std::path::{Path, PathBuf};

use super::service::{Credential, Service};

/// Members of the TOML that name files without a secret in them. What is not listed here is taken for a secret.
const PUBLIC: [&str; 5] = ["ca_file", "certificate_file", "jwks_file", "notification_file", "spool_ca_file"];

/// Members of `auth` that are secrets themselves.
const WRITTEN: [&str; 4] = ["token", "password", "secret", "secrets"];

/// A file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedFile {
    /// The setting, as mistakes call it.
    pub(super) place: String,
    /// The path as it is written there.
    pub(super) named: PathBuf,
    pub(super) handed: Handed,
    pub(super) is_secret: bool,
}

/// How a file comes to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// It opens the file itself.
    Directly,
    /// systemd makes it a copy of this file.
    Copied(PathBuf),
    /// systemd hands it over, and it cannot be seen from here; why.
    Hidden(&'static str),
    /// It is named as the credential of this name, and the unit hands none over.
    Missing(String),
}

impl NamedFile {
    /// The file on this machine; `None` if there is none to be seen.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.handed {
            Handed::Directly => Some(&self.named),
            Handed::Copied(from) => Some(from),
            Handed::Hidden(_) | Handed::Missing(_) => None,
        }
    }

    fn of(place: String, named: &str, is_secret: bool, service: Option<&Service>) -> Self {
        let named = PathBuf::from(named);
        let handed = service.map_or(Handed::Directly, |service| {
            let Ok(name) = named.strip_prefix(service.credentials_folder()) else { return Handed::Directly };
            let name = name.to_string_lossy().into_owned();
            match service.credentials.get(&name) {
                Some(Credential::File(from)) => Handed::Copied(from.clone()),
                Some(Credential::Hidden(why)) => Handed::Hidden(why),
                None if service.imports => Handed::Hidden("it may be imported (ImportCredential=)"),
                None => Handed::Missing(name),
            }
        });
        Self { place, named, handed, is_secret }
    }

    /// One that a variable names.
    pub(super) fn of_variable(name: &str, value: &str, service: Option<&Service>) -> Self {
        Self::of(name.to_owned(), value, matches!(name, "APIKEY_FILE" | "RELAY_SPOOL_URL_FILE"), service)
    }
}

/// What the TOML names and holds.
#[derive(Debug, Default)]
pub(super) struct InToml {
    pub(super) files: Vec<NamedFile>,
    /// Places of secrets that are written out.
    pub(super) written: Vec<String>,
}

impl InToml {
    pub(super) fn of(table: &toml::Table, service: Option<&Service>) -> Self {
        let mut found = Self::default();
        for (name, value) in table {
            found.walk(name, value, false, service);
        }
        found
    }

    /// Looks at a value and what is in it; `place` ends with its member's name.
    fn walk(&mut self, place: &str, value: &toml::Value, in_auth: bool, service: Option<&Service>) {
        let member = place.rsplit('.').next().unwrap_or_default();
        let name = member.split('[').next().unwrap_or_default();
        match value {
            toml::Value::String(path) if name.ends_with("_file") || name.ends_with("_files") => {
                let is_secret = !PUBLIC.contains(&name);
                self.files.push(NamedFile::of(place.to_owned(), path.trim(), is_secret, service));
            }
            toml::Value::String(_) if in_auth && WRITTEN.contains(&name) => {
                self.written.push(place.to_owned())
            }
            toml::Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.walk(&format!("{place}[{index}]"), value, in_auth, service);
                }
            }
            toml::Value::Table(table) => {
                for (member, value) in table {
                    self.walk(&format!("{place}.{member}"), value, in_auth || name == "auth", service);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_called_as_mistakes_call_them() {
        let table = "[http]\nspool_ca_file = '/db-ca'\nspool_url_file = '/url'\n[mdss]\napi_key_file = ' /k '\nca_file = '/ca'\n[[route]]\nnotification_file = '/n'\ntoken = 'no secret'\n[[source]]\n\
                     auth = { bearer = { token_file = '/t' }, hmac = { secret_files = ['/a', '/b'] } }\n[[source]]\n\
                     auth = { basic = { password = 'p' }, hmac = { secrets = ['x'], header = 'h' }, jwt = { jwks_file = '/j' } }\n";
        let found = InToml::of(&table.parse().unwrap(), None);
        let files: Vec<_> =
            found.files.iter().map(|f| (f.place.as_str(), f.named.to_str().unwrap(), f.is_secret)).collect();
        let want = [
            ("http.spool_ca_file", "/db-ca", false),
            ("http.spool_url_file", "/url", true),
            ("mdss.api_key_file", "/k", true),
            ("mdss.ca_file", "/ca", false),
            ("route[0].notification_file", "/n", false),
            ("source[0].auth.bearer.token_file", "/t", true),
            ("source[0].auth.hmac.secret_files[0]", "/a", true),
            ("source[0].auth.hmac.secret_files[1]", "/b", true),
            ("source[1].auth.jwt.jwks_file", "/j", false),
        ];
        assert_eq!(files, want);
        assert_eq!(found.written, ["source[1].auth.basic.password", "source[1].auth.hmac.secrets[0]"]);
    }
}
