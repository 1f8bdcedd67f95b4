//! The names in one directory, in order and as many as there is room for.
//!
//! A directory may have a million names, and they come in no order. So it is read from its beginning to its end, and of the
//! names behind a given one only the first few megabytes are kept. When those are used up it is read again. That is what keeps
//! the memory flat.

use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, FileType, statat};

/// Bytes of names that are kept of a walk, about.
pub(super) const BUDGET: usize = 8 << 20;

/// What a name costs besides its bytes.
const OVERHEAD: usize = 48;

/// A name in a directory. The order is that of keys: the name of a directory has the slash that comes behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) bytes: Vec<u8>,
    pub(crate) what: What,
}

/// What bears a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Directory,
    File,
    Link,
    Special,
}

impl Name {
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }

    /// As the system knows it.
    pub(super) fn plain(&self) -> &[u8] {
        self.bytes.strip_suffix(b"/").unwrap_or(&self.bytes)
    }
}

/// The first of the names that are wanted, up to a budget, and whether those are all.
pub(crate) fn first(
    directory: impl AsFd,
    budget: usize,
    wanted: impl Fn(&Name) -> bool,
) -> io::Result<(VecDeque<Name>, bool)> {
    let mut kept: BinaryHeap<Name> = BinaryHeap::new();
    let (mut cost, mut all) = (0, true);
    // A description of its own: the position of the other one stays as it is.
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if matches!(bytes, b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say it.
            FileType::Unknown => match statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                // It has gone meanwhile, or cannot be seen, which the walk finds out.
                Err(_) => FileType::RegularFile,
            },
            kind => kind,
        };
        let what = match kind {
            FileType::Directory => What::Directory,
            FileType::RegularFile => What::File,
            FileType::Symlink => What::Link,
            _ => What::Special,
        };
        let mut bytes = bytes.to_vec();
        if what == What::Directory {
            bytes.push(b'/');
        }
        let name = Name { bytes, what };
        if !wanted(&name) {
            continue;
        }
        // Where there is no room, only what comes before the last one is of interest.
        if cost >= budget && kept.peek().is_some_and(|last| *last <= name) {
            all = false;
            continue;
        }
        cost += name.cost();
        kept.push(name);
        while cost > budget && kept.len() > 1 {
            let Some(last) = kept.pop() else { break };
            cost -= last.cost();
            all = false;
        }
    }
    Ok((kept.into_sorted_vec().into(), all))
}
