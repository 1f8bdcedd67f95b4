//! What a test needs of the machine it runs on, and may not find there.

use std::ffi::OsString;
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

/// A folder of programs, such as `dist/amd64`, that are tested in place of those that cargo has built for the tests. A relative one is the
/// repository's.
const SHIPPED: &str = "SHIPPED";

/// The program to be tested: as cargo has built it at `built`, or, if `SHIPPED` names a folder, the one of the same name there.
#[must_use]
pub fn shipped(built: &str) -> PathBuf {
    in_folder(built, std::env::var_os(SHIPPED).filter(|folder| !folder.is_empty()))
}

fn in_folder(built: &str, folder: Option<OsString>) -> PathBuf {
    let Some(folder) = folder else { return built.into() };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(folder).join(Path::new(built).file_name().unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_tested_if_somebody_asks_for_it() {
        assert_eq!(in_folder("/target/debug/a", None), Path::new("/target/debug/a"));
        assert_eq!(in_folder("/target/debug/a", Some("/dist".into())), Path::new("/dist/a"));
        let here = in_folder("/target/debug/a", Some("dist/amd64".into()));
        assert!(here.ends_with("crates/drive/../../dist/amd64/a"), "{}", here.display());
    }

    #[test]
    fn what_is_required_must_work() {
        assert!(judged("script", true, "script").unwrap());
        assert!(!judged("script", false, "").unwrap());
        assert!(!judged("script", false, "unshare postscript").unwrap());
        assert!(judged("script", false, "unshare script").is_err());
    }
}
