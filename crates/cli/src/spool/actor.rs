//! Who changes what a relay keeps, for its ledger: the user of this process, and who has become that user with `sudo`.

use std::path::Path;

use mdss_relay_core::{MOST_FILE_BYTES, plain_text};

/// Where the names of users are (`passwd(5)`).
const USERS: &str = "/etc/passwd";

/// The user's name, or its number if it has none; and the name that `sudo` says.
pub(super) fn actor() -> String {
    let number = rustix::process::getuid().as_raw();
    let users = plain_text(Path::new(USERS), MOST_FILE_BYTES).unwrap_or_default();
    let name = named(&users, number).unwrap_or_else(|| number.to_string());
    match std::env::var("SUDO_USER") {
        Ok(before) if !before.is_empty() && before != name => format!("{name} (sudo: {before})"),
        _ => name,
    }
}

fn named(users: &str, number: u32) -> Option<String> {
    let number = number.to_string();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = fields.filter(|fields| fields.get(2) == Some(&number.as_str()));
    found.next().and_then(|fields| fields.first().map(|name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_name_of_its_user() {
        let users = "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000:Anna:/home/anna:/bin/sh\nbroken\n";
        assert_eq!(named(users, 1000).as_deref(), Some("anna"));
        assert_eq!(named(users, 0).as_deref(), Some("root"));
        assert_eq!(named(users, 7), None);
        assert!(!actor().is_empty());
    }
}
