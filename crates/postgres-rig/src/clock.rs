//! A clock that is wrong, for one process.

use std::path::{Path, PathBuf};

/// Variables with which a program that is linked dynamically has a clock that is off by so many seconds; nothing if
/// libfaketime is not installed. Waits and time-outs are as long as ever: only the time of day is another one
/// (<https://manpages.debian.org/bookworm/faketime/faketime.1.en.html>).
#[must_use]
pub fn wrong_clock(seconds: i64) -> Option<Vec<(String, String)>> {
    let library = library()?.to_str()?.to_owned();
    let vars = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME", &format!("{seconds:+}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        // Shared memory would stay behind after a kill.
        ("FAKETIME_DISABLE_SHM", "1"),
    ];
    Some(vars.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

/// The same for a clock that jumps while the program runs: it is off by what stands in a file, such as `+3600`, as soon as it stands there.
#[must_use]
pub fn jumping_clock(file: &Path) -> Option<Vec<(String, String)>> {
    let mut vars = wrong_clock(0)?;
    // That would be looked at before the file.
    vars.retain(|(name, _)| name != "FAKETIME");
    let file = file.to_str()?;
    let more = [("FAKETIME_TIMESTAMP_FILE", file), ("FAKETIME_NO_CACHE", "1")];
    vars.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Some(vars)
}

/// Debian has it in a folder of each architecture.
fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64"].into_iter().filter_map(|dir| std::fs::read_dir(dir).ok());
    let candidates =
        folders.flatten().filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    candidates.into_iter().find(|path| path.is_file())
}
