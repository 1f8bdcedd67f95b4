//! What a test needs of the machine it runs on, and may not find there.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::DriveError;

/// Names, with spaces between them, what must be there: set where it could be installed, as in the CI.
const REQUIRED: &str = "REQUIRE_TOOLS";

/// Whether a test that needs `tool` goes on: `works` says whether the tool does. If it does not, the test is skipped and a
/// line says so, which is seen although the test passes.
///
/// # Errors
///
/// [`DriveError::Usage`] if the tool does not work and `REQUIRE_TOOLS` names it.
pub fn available(tool: &str, works: bool) -> Result<bool, DriveError> {
    judged(tool, works, &std::env::var(REQUIRED).unwrap_or_default())
}

fn judged(tool: &str, works: bool, required: &str) -> Result<bool, DriveError> {
    if !works && required.split_whitespace().any(|name| name == tool) {
        return Err(DriveError::Usage(format!("{tool} does not work here, and {REQUIRED} names it")));
    }
    if !works {
        // libtest captures what is printed, not what is written. A line that cannot be written is nobody's failure.
        let line = format!("SKIPPED: a test needs {tool}, which does not work here\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    Ok(works)
}

/// The folder of programs that are tried in the place of those that were built for the tests: what `make dist` leaves.
const BINARIES: &str = "MDSS_RELAY_BINARIES";

/// The program that a test starts: `built`, which cargo built for it, or the one of the same name in the folder that the variable
/// `MDSS_RELAY_BINARIES` names. With it the same tests are tests of what is shipped.
#[must_use]
pub fn binary(built: &str) -> PathBuf {
    chosen(built, std::env::var_os(BINARIES).as_deref())
}

fn chosen(built: &str, folder: Option<&OsStr>) -> PathBuf {
    let built = Path::new(built);
    match (folder.filter(|folder| !folder.is_empty()), built.file_name()) {
        // A relative one is the repository's: cargo starts tests in the folders of their crates.
        (Some(folder), Some(name)) => {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join(name)
        }
        _ => built.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_that_of_the_named_folder() {
        let built = "/target/debug/mdss-relay-lambda";
        assert_eq!(chosen(built, None), Path::new(built));
        assert_eq!(chosen(built, Some(OsStr::new(""))), Path::new(built));
        assert_eq!(
            chosen(built, Some(OsStr::new("/dist/amd64"))),
            Path::new("/dist/amd64/mdss-relay-lambda")
        );
    }

    #[test]
    fn what_is_required_must_work() {
        assert!(judged("script", true, "script").unwrap());
        assert!(!judged("script", false, "").unwrap());
        assert!(!judged("script", false, "unshare postscript").unwrap());
        assert!(judged("script", false, "unshare script").is_err());
    }
}
