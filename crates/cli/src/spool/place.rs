//! Where the spool is, and whether this user may look at it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::input;
use mdss_relay_checks::quoted;

/// Where the package has it. Commands of alerts and guides run as they stand there.
pub(crate) const STANDARD: &str = "/var/lib/mdss-relay";

/// Where the package has the configuration.
const CONFIG: &str = "/etc/mdss-relay/relay.toml";

/// The user of the package's service.
const USER: &str = "mdss-relay";

/// The data directory that is meant: the one given, else the one of the variable, else the standard one if there is such a place.
pub(crate) fn data_dir(
    given: Option<PathBuf>,
    variable: Option<OsString>,
    standard: &Path,
) -> Option<PathBuf> {
    let given = given.or_else(|| variable.map(PathBuf::from)).filter(|dir| !dir.as_os_str().is_empty());
    given.or_else(|| std::fs::symlink_metadata(standard).is_ok().then(|| standard.to_owned()))
}

/// The same of this process.
pub(crate) fn meant(given: Option<PathBuf>) -> Option<PathBuf> {
    data_dir(given, std::env::var_os("RELAY_DATA_DIR"), Path::new(STANDARD))
}

/// The variables of this process with the configuration that a relay of the package has: the one given, else the standard one.
pub(crate) fn variables(config: Option<&Path>) -> Vec<(OsString, OsString)> {
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let by_variables = named("RELAY_CONFIG") || named("RELAY_CONFIG_TOML");
    let standard = (!by_variables && Path::new(CONFIG).is_file()).then_some(Path::new(CONFIG));
    input::variables(config.or(standard))
}

/// What a user who may not read and write the spool is told: that, and whose command it is. `None` if he may, or if something else is
/// wrong.
pub(crate) fn denied(dir: &Path, command_line: &[String]) -> Option<String> {
    let file = dir.join("spool.db");
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(&file);
    if opened.err().is_none_or(|e| e.kind() != ErrorKind::PermissionDenied) {
        return None;
    }
    // Whoever may not search a directory may still see whose it is.
    let owner =
        [file.as_path(), dir].iter().find_map(|path| std::fs::metadata(path).ok()).map(|found| found.uid());
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = owner.map(|uid| name_of(uid, &users));
    let (said, run_as) = match &user {
        Some(name) => (format!("the owner of {} ({name})", dir.display()), name.as_str()),
        None => (format!("the user of the relay ({USER}, if the package was installed)"), USER),
    };
    let words: Vec<String> = command_line.iter().map(|word| quoted(word)).collect();
    Some(format!(
        "permission denied: run it as {said}: sudo -u {} mdss-relay {}",
        quoted(run_as),
        words.join(" ")
    ))
}

/// A user's name (passwd(5)), or its number as sudo takes it.
fn name_of(uid: u32, users: &str) -> String {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    };
    users.lines().find_map(entry).unwrap_or_else(|| format!("#{uid}"))
}

/// The words behind the program's name, with the directory in them: sudo does not hand on the variable that may have named it.
pub(crate) fn command_line(dir: &Path, words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    let named = words.iter().any(|word| word == "--data-dir" || word.starts_with("--data-dir="));
    if !named && dir != Path::new(STANDARD) {
        let behind = words.iter().position(|word| word == "spool").map_or(0, |at| at + 1);
        words.splice(behind..behind, ["--data-dir".to_owned(), dir.display().to_string()]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_the_one_that_is_named_first() {
        let there = tempfile::tempdir().unwrap();
        let dir = |given: Option<&str>, variable: Option<&str>, standard: &Path| {
            data_dir(given.map(PathBuf::from), variable.map(OsString::from), standard)
        };
        assert_eq!(dir(Some("/g"), Some("/v"), there.path()), Some("/g".into()));
        assert_eq!(dir(None, Some("/v"), there.path()), Some("/v".into()));
        assert_eq!(dir(None, Some(""), there.path()), Some(there.path().to_owned()));
        assert_eq!(dir(None, None, there.path()), Some(there.path().to_owned()));
        assert_eq!(dir(None, None, &there.path().join("nowhere")), None);
    }

    #[test]
    fn a_user_has_a_name_or_a_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nodd line\nmdss-relay:x:997:996::/var/lib/mdss-relay:/usr/sbin/nologin\n";
        for (uid, name) in [(0, "root"), (997, "mdss-relay"), (5, "#5")] {
            assert_eq!(name_of(uid, users), name);
        }
    }

    #[test]
    fn a_command_is_the_same_for_another_user() {
        let line = |dir: &str, words: &[&str]| {
            command_line(Path::new(dir), words.iter().map(ToString::to_string)).join(" ")
        };
        assert_eq!(line(STANDARD, &["spool", "stats"]), "spool stats");
        assert_eq!(line("/data", &["spool", "stats"]), "spool --data-dir /data stats");
        assert_eq!(line("/data", &["spool", "--data-dir=/data", "stats"]), "spool --data-dir=/data stats");
    }
}
