//! What a unit file means for the relay: as whom it runs, with which variables, and what of the machine it sees (systemd.exec(5),
//! systemd.service(5)). Settings that change none of that are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mdss_relay_core::{MOST_FILE_BYTES, plain_text};

use super::account::{Account, Lists};
use super::unit_file::{UnitFile, environment_file, words};
use mdss_relay_checks::Outcome;

/// `DefaultTimeoutStopSec=` and `DefaultLimitNOFILE=` where nobody has changed them (systemd-system.conf(5)).
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
const OPEN_FILES: u64 = 1024;

/// Where systemd looks for a credential without an absolute path (systemd.exec(5), `LoadCredential=`).
const CREDENTIAL_STORES: [&str; 4] =
    ["/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore"];

/// Where systemd lays down the credentials of each unit.
pub(super) const CREDENTIALS: &str = "/run/credentials";

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// systemd, which is root, copies this file.
    File(PathBuf),
    /// It cannot be seen from here; why.
    Hidden(&'static str),
}

/// A service.
// No Debug: variables may hold secrets.
pub(super) struct Service {
    /// `mdss-relay-http.service`.
    pub(super) name: String,
    /// `None` for a user that is made at the start.
    pub(super) account: Result<Option<Account>, String>,
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Variables that are written in the unit itself, which everybody reads.
    pub(super) in_unit: BTreeSet<String>,
    /// Files of `EnvironmentFile=` that were read, with the names of their variables.
    pub(super) environment_files: Vec<(PathBuf, Vec<String>)>,
    pub(super) credentials: BTreeMap<String, Credential>,
    /// Whether more credentials may come from elsewhere (`ImportCredential=`).
    pub(super) imports: bool,
    /// Directories that systemd makes for the service's user.
    pub(super) made: Vec<PathBuf>,
    /// `None`: it waits without end.
    pub(super) stop_timeout: Option<Duration>,
    pub(super) open_files: u64,
    /// What is wrong with the unit itself.
    pub(super) faults: Vec<(String, Outcome)>,
    unit: UnitFile,
}

impl Service {
    pub(super) fn of(unit: UnitFile, mut lists: Lists) -> Self {
        let expand = |text: &str| expand(text, &unit.name);
        let mut faults = Vec::new();
        if let Some(user) = unit.value("User") {
            lists.add_user(&expand(user));
        }
        let more: Vec<String> =
            unit.list("SupplementaryGroups").into_iter().flat_map(words).map(|word| expand(&word)).collect();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let named = |key| unit.value(key).map(expand);
        let account = match (unit.is_on("DynamicUser"), named("User")) {
            (true, _) => Ok(None),
            (false, user) => Account::of(user.as_deref(), named("Group").as_deref(), &more, &lists).map(Some),
        };
        if let Err(why) = &account {
            let user = named("User").unwrap_or_default();
            let remedy =
                format!("useradd --system --home-dir /var/lib/mdss-relay --shell /usr/sbin/nologin {user}");
            let expected = "a user and a group that are there: systemd starts the service as them";
            faults.push((format!("User={user}"), Outcome::fail(why, expected, remedy)));
        }
        let (mut variables, mut in_unit) = (BTreeMap::new(), BTreeSet::new());
        for word in unit.list("Environment").into_iter().flat_map(words) {
            let word = expand(&word);
            let Some((name, value)) = word.split_once('=') else { continue };
            in_unit.insert(name.to_owned());
            variables.insert(name.to_owned(), value.to_owned());
        }
        let mut environment_files = Vec::new();
        for file in unit.list("EnvironmentFile") {
            let (file, optional) = file.strip_prefix('-').map_or((file, false), |file| (file, true));
            let file = PathBuf::from(expand(file));
            match plain_text(&file, MOST_FILE_BYTES) {
                Ok(text) => {
                    let found = environment_file(&text);
                    environment_files.push((file, found.iter().map(|(name, _)| name.clone()).collect()));
                    for (name, value) in found {
                        in_unit.remove(&name);
                        variables.insert(name, value);
                    }
                }
                Err(error) if optional && error.kind() == ErrorKind::NotFound => {}
                Err(error) => faults.push(unread(&file, &error)),
            }
        }
        for name in unit.list("UnsetEnvironment").into_iter().flat_map(words) {
            variables.remove(&name);
        }
        let made = ["State", "Cache", "Logs", "Runtime"].into_iter().zip([
            "/var/lib",
            "/var/cache",
            "/var/log",
            "/run",
        ]);
        let made = made.flat_map(|(kind, base)| {
            let names =
                unit.list(&format!("{kind}Directory")).into_iter().flat_map(words).collect::<Vec<_>>();
            names.into_iter().map(move |name| (base, name))
        });
        let made =
            made.map(|(base, name)| Path::new(base).join(expand(name.split(':').next().unwrap_or_default())));
        let made = made.collect();
        let stop = unit.value("TimeoutStopSec").or(unit.value("TimeoutSec"));
        let stop_timeout = match stop {
            None => Some(STOP_TIMEOUT),
            Some("infinity" | "0") => None,
            Some(text) => Some(time_span(text).unwrap_or(STOP_TIMEOUT)),
        };
        let open_files = unit.value("LimitNOFILE").map_or(OPEN_FILES, |text| {
            let soft = text.split(':').next().unwrap_or_default();
            soft.parse().unwrap_or(if soft == "infinity" { u64::MAX } else { OPEN_FILES })
        });
        Self {
            name: unit.name.clone(),
            account,
            variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            in_unit,
            environment_files,
            credentials: credentials(&unit),
            imports: !unit.list("ImportCredential").is_empty(),
            made,
            stop_timeout,
            open_files,
            faults,
            unit,
        }
    }

    /// Where systemd lays down the credentials: `%d`.
    pub(super) fn credentials_folder(&self) -> PathBuf {
        Path::new(CREDENTIALS).join(&self.name)
    }

    /// The setting because of which the service does not see a path.
    pub(super) fn hides(&self, path: &Path) -> Option<&'static str> {
        let below = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        let (unit, set) =
            (&self.unit, |key| self.unit.value(key).is_some_and(|value| value != "no" && value != "false"));
        let inaccessible = || {
            let listed = unit.list("InaccessiblePaths").into_iter().flat_map(words);
            listed
                .map(|word| expand(word.trim_start_matches(['-', '+']), &unit.name))
                .any(|word| path.starts_with(word))
        };
        match () {
            () if matches!(unit.value("ProtectHome"), Some("yes" | "true" | "on" | "1" | "tmpfs"))
                && below(&["/home", "/root", "/run/user"]) =>
            {
                Some("ProtectHome=")
            }
            () if set("PrivateTmp") && below(&["/tmp", "/var/tmp"]) => Some("PrivateTmp="),
            () if inaccessible() => Some("InaccessiblePaths="),
            () => None,
        }
    }

    /// The setting because of which the service cannot write below a path.
    pub(super) fn keeps_from_writing(&self, path: &Path) -> Option<&'static str> {
        let unit = &self.unit;
        let listed = |key| {
            let words = unit.list(key).into_iter().flat_map(words).collect::<Vec<_>>();
            words
                .into_iter()
                .any(|word| path.starts_with(expand(word.trim_start_matches(['-', '+']), &unit.name)))
        };
        let writable = || {
            listed("ReadWritePaths")
                || self.made.iter().any(|folder| path.starts_with(folder))
                || (unit.is_on("PrivateTmp") && (path.starts_with("/tmp") || path.starts_with("/var/tmp")))
        };
        if listed("ReadOnlyPaths") {
            return Some("ReadOnlyPaths=");
        }
        let below = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        let protected = match unit.value("ProtectSystem") {
            Some("strict") => !below(&["/dev", "/proc", "/sys"]),
            Some("full") => below(&["/usr", "/boot", "/efi", "/etc"]),
            Some("yes" | "true" | "on" | "1") => below(&["/usr", "/boot", "/efi"]),
            _ => false,
        };
        (protected && !writable()).then_some("ProtectSystem=")
    }
}

fn unread(file: &Path, error: &std::io::Error) -> (String, Outcome) {
    let subject = format!("EnvironmentFile={}", file.display());
    let outcome = if error.kind() == ErrorKind::PermissionDenied {
        Outcome::unknown(format!("this process may not read it ({error})"), "run doctor as root")
    } else {
        let remedy = format!(
            "make {}, or write EnvironmentFile=-{} if it may be missing",
            file.display(),
            file.display()
        );
        Outcome::fail(
            error.to_string(),
            "a readable file: without it systemd does not start the service",
            remedy,
        )
    };
    (subject, outcome)
}

fn credentials(unit: &UnitFile) -> BTreeMap<String, Credential> {
    let mut credentials = BTreeMap::new();
    let split = |value: &str| -> (String, String) {
        let (id, rest) = value.split_once(':').unwrap_or((value, value));
        (expand(id, &unit.name), expand(rest, &unit.name))
    };
    for (key, why) in [
        ("SetCredential", "its text is written in the unit (SetCredential=)"),
        ("SetCredentialEncrypted", "it is encrypted, and only systemd decrypts it"),
        ("LoadCredentialEncrypted", "it is encrypted, and only systemd decrypts it"),
    ] {
        for value in unit.list(key) {
            credentials.insert(split(value).0, Credential::Hidden(why));
        }
    }
    for value in unit.list("LoadCredential") {
        let (id, from) = split(value);
        let path = if from.starts_with('/') {
            PathBuf::from(from)
        } else {
            let stored: Vec<_> = CREDENTIAL_STORES.iter().map(|store| Path::new(store).join(&from)).collect();
            stored.iter().find(|path| path.exists()).unwrap_or(&stored[0]).clone()
        };
        // Each file of a directory is a credential of its own.
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let name = format!("{id}_{}", entry.file_name().to_string_lossy());
            credentials.insert(name, Credential::File(entry.path()));
        }
        credentials.insert(id, Credential::File(path));
    }
    credentials
}

/// What stands for something else (systemd.unit(5), "Specifiers"), as far as a unit of the system can be told from its file.
fn expand(text: &str, unit: &str) -> String {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('d') => out.extend(["/run/credentials/", unit]),
            Some('S') => out.push_str("/var/lib"),
            Some('C') => out.push_str("/var/cache"),
            Some('L') => out.push_str("/var/log"),
            Some('t') => out.push_str("/run"),
            Some('E') => out.push_str("/etc"),
            Some('T') => out.push_str("/tmp"),
            Some('V') => out.push_str("/var/tmp"),
            Some('h') => out.push_str("/root"),
            Some('n') => out.push_str(unit),
            Some('N') => out.push_str(stem),
            Some('p') => out.push_str(prefix),
            Some('i' | 'I') => out.push_str(instance),
            Some('%') => out.push('%'),
            // One that is not known here stays as it is, so that a mistake shows it.
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

/// A span of time (systemd.time(7)): `80`, `1min 20s`.
fn time_span(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 12] = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("", 1.0),
        ("s", 1.0),
        ("sec", 1.0),
        ("seconds", 1.0),
        ("m", 60.0),
        ("min", 60.0),
        ("minutes", 60.0),
        ("h", 3600.0),
        ("hours", 3600.0),
        ("d", 86_400.0),
    ];
    let (mut sum, mut rest) = (0.0, text.trim());
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        rest = rest[end..].trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        sum += number * unit;
        rest = rest[end..].trim_start();
    }
    Duration::try_from_secs_f64(sum).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str) -> Service {
        let mut unit = UnitFile::named("mdss-relay-http.service");
        unit.parse(&format!("[Service]\n{text}"));
        let lists = Lists { passwd: "relay:x:990:990::/:/bin/false\n".into(), group: String::new() };
        Service::of(unit, lists)
    }

    #[test]
    fn variables_come_from_the_unit_then_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "B=file\nC='x y'\n").unwrap();
        let found = service(&format!(
            "Environment=A=%S/x B=unit\nEnvironment=\"D=a b\" E=%d/key F=100%%\nEnvironmentFile={}\nEnvironmentFile=-/nowhere\nUnsetEnvironment=D\n",
            file.display()
        ));
        let variables: Vec<_> =
            found.variables.iter().map(|(n, v)| (n.to_str().unwrap(), v.to_str().unwrap())).collect();
        let want = [
            ("A", "/var/lib/x"),
            ("B", "file"),
            ("C", "x y"),
            ("E", "/run/credentials/mdss-relay-http.service/key"),
            ("F", "100%"),
        ];
        assert_eq!(variables, want);
        assert!(!found.in_unit.contains("B") && found.in_unit.contains("A") && found.faults.is_empty());
        let missing = service("EnvironmentFile=/nowhere\n");
        assert_eq!(missing.faults.len(), 1);
    }

    #[test]
    fn what_a_service_sees() {
        let found = service(
            "User=relay\nStateDirectory=mdss-relay:link other\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nReadWritePaths=/srv/a\n\
             LoadCredential=key:/etc/key\nLoadCredentialEncrypted=token:/etc/token\nLimitNOFILE=2048:4096\nTimeoutStopSec=1min 20s\n",
        );
        for (path, hidden, kept) in [
            ("/home/a", Some("ProtectHome="), Some("ProtectSystem=")),
            ("/tmp/a", Some("PrivateTmp="), None),
            ("/var/lib/mdss-relay/x", None, None),
            ("/var/lib/mdss-relayed", None, Some("ProtectSystem=")),
            ("/srv/a/b", None, None),
            ("/srv/b", None, Some("ProtectSystem=")),
        ] {
            assert_eq!(
                (found.hides(Path::new(path)), found.keeps_from_writing(Path::new(path))),
                (hidden, kept),
                "{path}"
            );
        }
        assert_eq!(found.credentials["key"], Credential::File("/etc/key".into()));
        assert!(matches!(found.credentials["token"], Credential::Hidden(_)));
        assert_eq!((found.open_files, found.stop_timeout), (2048, Some(Duration::from_secs(80))));
        assert_eq!(found.account.unwrap().unwrap().uid, 990);
        let bare = service("DynamicUser=yes\nTimeoutStopSec=infinity\n");
        assert_eq!((bare.open_files, bare.stop_timeout, bare.account), (1024, None, Ok(None)));
        assert!(service("User=nobody-here\n").account.is_err());
    }

    #[test]
    fn spans_of_time() {
        for (text, want) in [
            ("80", Some(80_000)),
            ("1min 20s", Some(80_000)),
            ("1.5s", Some(1500)),
            ("2h", Some(7_200_000)),
            ("x", None),
            ("1y", None),
        ] {
            assert_eq!(time_span(text), want.map(Duration::from_millis), "{text}");
        }
    }
}
