//! Secrets of which the relay that runs has another text than stands in their files. systemd copies a credential when it starts the
//! service, and a reload does not copy it again.

use std::path::Path;
use std::time::SystemTime;

use mdss_relay_core::{MOST_FILE_BYTES, plain_text};

use crate::doctor::files::Handed;
use crate::doctor::subject::Subject;
use mdss_relay_checks::Outcome;

/// A warning for each of them. `read_at` is when the relay last read its settings: it was started then, or earlier.
pub(super) fn old(subject: &Subject, read_at: SystemTime) -> Vec<(String, Outcome)> {
    let unit = subject.unit().unwrap_or_default();
    let mut found = Vec::new();
    for file in subject.files.iter().filter(|file| file.is_secret) {
        let Handed::Copied(from) = &file.handed else { continue };
        if is_old(&file.named, from, read_at) {
            let outcome = Outcome::warn(
                format!(
                    "the running relay has another secret than {}, which was changed later",
                    from.display()
                ),
                "a relay that runs with the secrets on disk",
                format!(
                    "systemctl restart {unit}: systemd copies a credential only at the start, so a reload does not help"
                ),
            );
            found.push((file.place.clone(), outcome));
        }
    }
    found
}

/// By the copy, where this process may read it; else by the times.
fn is_old(copy: &Path, from: &Path, read_at: SystemTime) -> bool {
    let text = |path| plain_text(path, MOST_FILE_BYTES).ok();
    match (text(copy), text(from)) {
        (Some(copy), Some(from)) => copy != from,
        _ => std::fs::metadata(from).and_then(|found| found.modified()).is_ok_and(|at| at > read_at),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_copy_tells_and_without_one_the_times() {
        let dir = tempfile::tempdir().unwrap();
        let (copy, from) = (dir.path().join("copy"), dir.path().join("from"));
        std::fs::write(&from, "new\n").unwrap();
        let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
        for (text, read_at, want) in [
            (None, now - hour, true),
            (None, now + hour, false),
            (Some("old\n"), now + hour, true),
            (Some("new\n"), now - hour, false),
        ] {
            if let Some(text) = text {
                std::fs::write(&copy, text).unwrap();
            }
            assert_eq!(is_old(&copy, &from, read_at), want, "{text:?} {read_at:?}");
        }
        assert!(!is_old(&copy, &dir.path().join("nothing"), now - hour));
    }
}
