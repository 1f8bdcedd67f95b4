//! What the bytes of a ledger say of it, without opening it as a database; and the way out of a damaged one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::connect::{FILE, TAILS, with_tail};
use super::schema::{APPLICATION_ID, NEWEST};
use crate::asked::Glance;
use crate::keyfile;
use crate::moment::{Clock, SystemClock};
use crate::trouble::{Trouble, TroubleKind};

/// Where the header of a database has two numbers of four bytes, big end first
/// (<https://www.sqlite.org/fileformat2.html>, 1.3, "The Database Header").
const USER_VERSION: u64 = 60;
const APPLICATION: u64 = 68;

/// What stands between the name of the file and the time at which it was set aside.
const DAMAGED: &str = ".damaged-";

pub(crate) fn glance(dir: &Path) -> Glance {
    let path = dir.join(FILE);
    let file = File::open(&path).ok();
    let number = |at: u64| {
        let mut bytes = [0; 4];
        file.as_ref()?.read_exact_at(&mut bytes, at).ok()?;
        Some(i32::from_be_bytes(bytes))
    };
    let begin = format!("{FILE}{DAMAGED}");
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut set_aside: Vec<_> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&begin) && !TAILS[1..].iter().any(|tail| name.ends_with(tail))
        })
        .map(|entry| (entry.path(), entry.metadata().map_or(0, |found| found.len())))
        .collect();
    set_aside.sort();
    Glance {
        version: number(USER_VERSION).map(i64::from),
        newest: NEWEST,
        ours: number(APPLICATION) == Some(APPLICATION_ID),
        bytes: file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |found| found.len()),
        key: dir.join(keyfile::FILE).exists(),
        set_aside,
    }
}

/// Gives the file and its log another name. The log goes first: without its file it would be taken for that of the next one.
pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, Trouble> {
    let path = dir.join(FILE);
    let time = SystemClock.now().to_string().replace([':', '.'], "-");
    let aside = with_tail(&path, &format!("{DAMAGED}{time}"));
    for tail in TAILS.into_iter().rev() {
        let (from, to) = (with_tail(&path, tail), with_tail(&aside, tail));
        if to.exists() {
            let detail = format!("{} is there already", to.display());
            return Err(Trouble::new(TroubleKind::Unwritable, detail));
        }
        match std::fs::rename(&from, &to) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !tail.is_empty() => {}
            Err(e) => {
                return Err(Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", from.display())));
            }
            Ok(()) => {}
        }
    }
    Ok(aside)
}
