//! Files with secrets: whether the relay can read them, and who else can.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::files::{Handed, NamedFile};
use super::service::CREDENTIALS;
use super::subject::{Eyes, Subject};
use super::view::{Access, View, Want, has_list, not_seen, owner_and_mode};
use mdss_relay_checks::Outcome;

/// Variables that are secrets themselves.
const SECRETS: [&str; 2] = ["APIKEY", "RELAY_TOKEN"];

type Findings = Vec<(String, Outcome)>;

/// `settings.secrets_readable`. Each subject is the place of the setting, so that a mistake about the same file is not said twice.
pub(super) fn readable(subject: &Subject) -> Findings {
    let secrets = subject.files.iter().filter(|file| file.is_secret);
    let found: Findings = secrets.map(|file| (file.place.clone(), read(subject, file))).collect();
    if found.is_empty() {
        return vec![(subject.name.clone(), Outcome::ok("no file with a secret is named"))];
    }
    found
}

fn read(subject: &Subject, file: &NamedFile) -> Outcome {
    let unit = subject.unit();
    match &file.handed {
        Handed::Hidden(why) => {
            Outcome::unknown(*why, "the service checks it before each start: journalctl -u mdss-relay-http")
        }
        Handed::Missing(name) => {
            not_handed_over(&file.named, &unit.unwrap_or_else(|| "mdss-relay-http".to_owned()), name)
        }
        // systemd reads it as root.
        Handed::Copied(from) => match std::fs::metadata(from) {
            Ok(found) if found.is_file() => {
                Outcome::ok(format!("systemd hands over a copy of {}", from.display()))
            }
            Ok(_) => Outcome::fail(
                format!("{} is no plain file", from.display()),
                "a file with the secret",
                make(file, from),
            ),
            Err(error) => denied(not_seen(from, &error), unit.as_deref(), file, from),
        },
        Handed::Directly => match subject.access(&file.named, Want::Read) {
            Access::Yes if std::fs::metadata(&file.named).is_ok_and(|found| !found.is_file()) => {
                Outcome::fail(
                    format!("{} is no plain file", file.named.display()),
                    "a file with the secret",
                    make(file, &file.named),
                )
            }
            Access::Yes => Outcome::ok(format!("the relay may read {}", file.named.display())),
            access => match credential(&file.named) {
                // systemd has made the folder, and this file is not in it.
                Some((of, name))
                    if !file.named.exists()
                        && (unit.as_deref() == Some(of) || file.named.parent().is_some_and(Path::exists)) =>
                {
                    not_handed_over(&file.named, of, name)
                }
                _ => denied(access, unit.as_deref(), file, &file.named),
            },
        },
    }
}

/// The unit, without its suffix, and the name of the credential that a path means: `/run/credentials/UNIT/NAME`.
pub(super) fn credential(path: &Path) -> Option<(&str, &str)> {
    let (unit, name) = path.strip_prefix(CREDENTIALS).ok()?.to_str()?.split_once('/')?;
    Some((unit.strip_suffix(".service").unwrap_or(unit), name))
}

fn not_handed_over(named: &Path, unit: &str, name: &str) -> Outcome {
    Outcome::fail(
        format!("{} is named, and there is no LoadCredential={name} in the unit", named.display()),
        format!("LoadCredential={name}:/etc/mdss-relay/{name} in the unit"),
        format!(
            "systemctl edit {unit}, write [Service] and below it LoadCredential={name}:/etc/mdss-relay/{name}, then systemctl restart {unit}"
        ),
    )
}

fn denied(access: Access, unit: Option<&str>, file: &NamedFile, path: &Path) -> Outcome {
    let why = match access {
        Access::Unknown(why) => return Outcome::unknown(why, ""),
        Access::No(why) => why,
        Access::Yes => String::new(),
    };
    let exists = path.exists();
    let remedy = match unit {
        _ if !exists => make(file, path),
        Some(unit) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!(
                "let systemd hand it over: LoadCredential={name}:{} in the unit (systemctl edit {unit}), {} = \"{CREDENTIALS}/{unit}.service/{name}\", then systemctl restart {unit}",
                path.display(),
                file.place.rsplit('.').next().unwrap_or_default(),
            )
        }
        None => format!("give it to the relay's user: chown to that user and chmod 0400 {}", path.display()),
    };
    Outcome::fail(why, "a file that the relay may read: without it the relay does not start", remedy)
}

fn make(file: &NamedFile, path: &Path) -> String {
    let shown = path.display();
    if let Some((unit, name)) = credential(path) {
        return format!(
            "systemd makes it of LoadCredential={name} in {unit}, while the service runs; doctor --unit-file FILE looks at that"
        );
    }
    // MDSS makes its key; every other secret is one that both sides agree on.
    match file.place.contains("api_key_file") || file.place == "APIKEY_FILE" {
        true => format!("mdss-relay secret --from-stdin {shown} stores the key of an MDSS user"),
        false => format!(
            "mdss-relay secret {shown} makes one; mdss-relay secret --from-stdin {shown} stores a given one"
        ),
    }
}

/// `settings.secrets_mode`.
pub(super) fn mode(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for file in subject.files.iter().filter(|file| file.is_secret) {
        if let Some(path) = file.path() {
            found.extend(rights(subject, &file.place, path, "chmod 0600"));
        }
    }
    if let (Some(config), Some(place)) = (&subject.config, subject.written.first()) {
        let remedy =
            format!("put the secret into a file of its own and name it ({place}_file); or chmod 0600");
        found.extend(rights(subject, &format!("{place} in {}", config.display()), config, &remedy));
    }
    for (file, names) in subject.service.iter().flat_map(|service| &service.environment_files) {
        if let Some(name) = names.iter().find(|name| SECRETS.contains(&name.as_str())) {
            found.extend(rights(subject, &format!("{name} in {}", file.display()), file, "chmod 0600"));
        }
    }
    for (unit, name) in subject.service.iter().flat_map(|s| s.in_unit.iter().map(move |name| (&s.name, name)))
    {
        if SECRETS.contains(&name.as_str()) {
            let outcome = Outcome::warn(
                format!("it is written in {unit}, which everybody reads (systemctl show)"),
                "a file with mode 0600",
                "write it into a file (mdss-relay secret --from-stdin FILE), hand that over with LoadCredential= and name it (APIKEY_FILE, token_file)",
            );
            found.push((name.clone(), outcome));
        }
    }
    if found.is_empty() {
        found.push((subject.name.clone(), Outcome::ok("no secret is in a file that is there")));
    }
    found
}

/// Who else may read a file; nothing if it cannot be seen at all, which `secrets_readable` says.
pub(super) fn rights(subject: &Subject, place: &str, path: &Path, remedy: &str) -> Option<(String, Outcome)> {
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            let Access::Unknown(why) = not_seen(path, &error) else { return None };
            return Some((place.to_owned(), Outcome::unknown(why, "")));
        }
    };
    // systemd gives its copies to the service's user by a list of access, and then the mode's group is what the list may give at most
    // (acl(5); systemd, src/core/exec-credential.c, write_credential).
    let who = others(&found, &own_groups(subject), has_list(path));
    let outcome = match who {
        None => Outcome::ok(format!("{}: {}", path.display(), owner_and_mode(&found))),
        Some(who) => Outcome::warn(
            format!("{who} {} ({})", path.display(), owner_and_mode(&found)),
            "a file that nobody but root and the relay reads or changes",
            format!("{remedy} {}", path.display()),
        ),
    };
    Some((place.to_owned(), outcome))
}

/// Groups that the relay's user alone is in, as a package makes them: reading by them is reading by the relay.
fn own_groups(subject: &Subject) -> Vec<u32> {
    match &subject.eyes {
        Eyes::Others(View(Some(account))) => account.groups.first().copied().into_iter().collect(),
        Eyes::Own => vec![rustix::process::getegid().as_raw()],
        Eyes::Others(View(None)) | Eyes::Nobodys(_) => Vec::new(),
    }
}

fn others(found: &Metadata, own_groups: &[u32], by_list: bool) -> Option<&'static str> {
    let mode = found.permissions().mode();
    let set = |bits: u32| mode & bits != 0;
    match () {
        () if set(0o002) => Some("every user of this machine may change"),
        () if set(0o004) => Some("every user of this machine may read"),
        () if by_list => None,
        () if set(0o020) => Some("a whole group may change"),
        () if set(0o040) && !own_groups.contains(&found.gid()) => Some("a whole group may read"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_else_may_read_or_change_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = std::fs::metadata(file.path()).unwrap().gid();
        for (mode, in_own_group, in_another) in [
            (0o600, None, None),
            (0o400, None, None),
            (0o640, None, Some("a whole group may read")),
            (0o660, Some("a whole group may change"), Some("a whole group may change")),
            (0o604, Some("every user of this machine may read"), Some("every user of this machine may read")),
            (
                0o646,
                Some("every user of this machine may change"),
                Some("every user of this machine may change"),
            ),
        ] {
            std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
            let found = std::fs::metadata(file.path()).unwrap();
            assert_eq!(others(&found, &[own], false), in_own_group, "{mode:o}");
            assert_eq!(others(&found, &[own + 1], false), in_another, "{mode:o}");
        }
        // What systemd makes: the mode's group is the list's mask.
        std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o440)).unwrap();
        assert_eq!(others(&std::fs::metadata(file.path()).unwrap(), &[], true), None);
    }
}
