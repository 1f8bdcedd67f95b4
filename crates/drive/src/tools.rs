//! What a test needs of the machine it runs on, and may not find there; and which programs it is about.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::DriveError;

/// Names, with spaces between them, what must be there: set where it could be installed, as in the CI.
const REQUIRED: &str = "REQUIRE_TOOLS";

/// The folder of the programs that tests are about, in place of those just built: `make dist` makes `dist/amd64`.
const SHIPPED: &str = "MDSS_RELAY_BINARIES";

/// The program that a test is about: the one at `built`, which cargo has just built (`env!("CARGO_BIN_EXE_…")`), or the one of that name in the folder
/// that `MDSS_RELAY_BINARIES` names, an absolute path. So the tests of a platform can run against what is shipped.
#[must_use]
pub fn binary(built: &str) -> PathBuf {
    chosen(Path::new(built), std::env::var_os(SHIPPED))
}

fn chosen(built: &Path, shipped: Option<OsString>) -> PathBuf {
    match (shipped.filter(|folder| !folder.is_empty()), built.file_name()) {
        (Some(folder), Some(name)) => Path::new(&folder).join(name),
        _ => built.to_owned(),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_asked_for_by_its_folder() {
        for (folder, want) in [
            (None, "/target/debug/mdss-relay"),
            (Some(""), "/target/debug/mdss-relay"),
            (Some("/dist/amd64"), "/dist/amd64/mdss-relay"),
        ] {
            let chosen = chosen(Path::new("/target/debug/mdss-relay"), folder.map(OsString::from));
            assert_eq!(chosen, Path::new(want), "{folder:?}");
        }
    }

    #[test]
    fn what_is_required_must_work() {
        assert!(judged("script", true, "script").unwrap());
        assert!(!judged("script", false, "").unwrap());
        assert!(!judged("script", false, "unshare postscript").unwrap());
        assert!(judged("script", false, "unshare script").is_err());
    }
}
