//! Where the API key comes from, and how another one takes its place.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::files::{Handed, NamedFile};
use super::secrets;
use super::subject::Subject;
use mdss_relay_checks::{Outcome, Status};

/// The file that the key is read from; `None` if it is a variable itself, or there is none.
fn file(subject: &Subject) -> Option<&NamedFile> {
    let mut files = subject.files.iter();
    files.find(|file| matches!(file.place.as_str(), "APIKEY_FILE" | "mdss.api_key_file"))
}

/// What a check says that needs the key, where doctor has none.
pub(super) fn missing(subject: &Subject) -> Outcome {
    let Some(file) = file(subject) else { return Outcome::skipped("settings.valid") };
    if let Some(why) = subject.unseen.get(&file.place) {
        return Outcome::unknown(why, "run doctor as root");
    }
    let is_readable = secrets::readable(subject)
        .iter()
        .all(|(place, outcome)| place != &file.place || outcome.status != Status::Fail);
    Outcome::skipped(if is_readable { "settings.valid" } else { "settings.secrets_readable" })
}

/// How the relay that runs gets the key that is there by now, and tries again what it has held back.
pub(super) fn renew(subject: &Subject) -> String {
    let unit = unit(subject);
    match file(subject) {
        Some(file) if file.handed == Handed::Directly && secrets::credential(&file.named).is_none() => {
            format!("systemctl reload {unit}")
        }
        // Variables, and the copies that systemd makes, are those of the start.
        _ => format!("systemctl restart {unit}"),
    }
}

fn unit(subject: &Subject) -> String {
    subject.unit().unwrap_or_else(|| "mdss-relay-http".to_owned())
}

/// How the relay gets another key: commands for root.
pub(super) fn replace(subject: &Subject) -> String {
    let (unit, renew) = (unit(subject), renew(subject));
    let Some(file) = file(subject) else { return replace_variable(subject, &unit) };
    let store = |path: &Path| {
        let path = path.display();
        format!("rm {path} && mdss-relay secret --from-stdin {path}")
    };
    match &file.handed {
        Handed::Copied(from) => format!("{} && {renew}", store(from)),
        Handed::Hidden(why) => {
            format!("give the unit another credential ({why}), then {renew}")
        }
        Handed::Missing(_) | Handed::Directly => match secrets::credential(&file.named) {
            Some((unit, name)) => format!(
                "store it in the file that LoadCredential={name} of {unit} names, then systemctl restart {unit}"
            ),
            None => {
                // Root's file in the place of another user's would be one that the relay may not read.
                let owner = std::fs::metadata(&file.named).ok().filter(|found| found.uid() != 0);
                let owner = owner.map_or_else(String::new, |found| {
                    format!(" && chown {}:{} {}", found.uid(), found.gid(), file.named.display())
                });
                format!("{}{owner} && {renew}", store(&file.named))
            }
        },
    }
}

fn replace_variable(subject: &Subject, unit: &str) -> String {
    let Some(service) = &subject.service else {
        return "set APIKEY to it where the relay's variables are set, and start the relay again".to_owned();
    };
    let has_it = |names: &[String]| names.iter().any(|name| name == "APIKEY");
    match service.environment_files.iter().find(|(_, names)| has_it(names)) {
        Some((path, _)) => {
            format!("write it as APIKEY into {}, then systemctl restart {unit}", path.display())
        }
        None => format!("systemctl edit {unit}, set APIKEY to it there, then systemctl restart {unit}"),
    }
}
