//! Where the ledger is, and who asks.

use std::path::{Path, PathBuf};

use mdss_relay_core::{LedgerPlace, Role, Settings};
use mdss_relay_ledger::Place;

use crate::database;
use crate::spool::place;

/// The ledger that is meant: the directory that is given, else what the relay's own settings name. `key_dir` has the key of one in a database.
///
/// # Errors
/// If nothing names one.
pub(super) fn meant(
    given: Option<PathBuf>,
    url_file: Option<&Path>,
    key_dir: Option<&Path>,
    config: Option<&Path>,
) -> Result<Place, String> {
    if let Some(dir) = given.filter(|dir| !dir.as_os_str().is_empty()) {
        return Ok(Place::Directory(dir));
    }
    let variables = database::with_ledger(place::variables(config), url_file);
    if let Some(database) = database::meant(variables.clone(), None)? {
        let named = || database::ledger_key_dir(variables);
        return Ok(Place::Database { database, key: key_dir.map(Path::to_owned).or_else(named) });
    }
    let draft = Settings::read(variables, Role::Explain);
    let spool = draft.settings.http.and_then(|http| http.spool);
    match spool.and_then(|spool| spool.ledger).map(|ledger| ledger.place) {
        Some(LedgerPlace::Directory(dir)) if !dir.as_os_str().is_empty() => Ok(Place::Directory(dir)),
        _ => place::data_dir(None, std::env::var_os("RELAY_DATA_DIR"), Path::new(place::STANDARD))
            .map(Place::Directory)
            .ok_or_else(|| {
                format!(
                    "expected the directory of a ledger, in --data-dir, RELAY_LEDGER_DIR or RELAY_DATA_DIR; there is no {}",
                    place::STANDARD
                )
            }),
    }
}

/// Who gives the command: an entry names him. It is what this machine says, no proof.
pub(crate) fn actor() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    named("SUDO_USER")
        .or_else(|| named("USER"))
        .or_else(|| named("LOGNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
