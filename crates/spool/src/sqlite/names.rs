//! The files that durability rests on, and whether their names still lead to what is open.
//!
//! What is acknowledged is in the log, and stays there until some megabytes are put into the file. A log that somebody deletes goes on being
//! written and synced, through a descriptor without a name, and is gone with the process: nobody is told "done" on the strength of that. So
//! before a group of writes is answered, and each time the file is used, every name is compared with what is open, and the last commit is
//! looked for in the log that has the name. That is half a dozen system calls beside a sync.
//!
//! The formats are documented: the log <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>, its index
//! <https://www.sqlite.org/walformat.html#the_wal_index_file_format> (both read 2026-11).
//!
//! A process that closes any descriptor of a file loses all its POSIX locks on it, those of SQLite too
//! (<https://www.sqlite.org/howtocorrupt.html>, 2.2). So the descriptors in here are opened before SQLite may rely on a lock, or held until its
//! connection is closed, and nothing here opens a file for a moment.

use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::connect::{TAILS, with_tail};
use crate::trouble::{Trouble, TroubleKind};

/// The log's header, and that of each frame in it, in bytes.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// The first copy of the index's header; the second one follows it.
const INDEX_HEADER: usize = 48;

/// What the first four bytes of an index say (`WALINDEX_MAX_VERSION` of SQLite's wal.c).
const INDEX_VERSION: u32 = 3_007_000;

/// How often an index is read that another process, the command line's mostly, may be writing just now.
const LOOKS: usize = 1000;

/// What an open file is, whatever it is called.
type Inode = (u64, u64);

fn inode(found: &Metadata) -> Inode {
    (found.dev(), found.ino())
}

/// Descriptors of the three files. They are dropped after SQLite's own.
#[derive(Debug)]
pub(super) struct Names {
    /// In the order of [`TAILS`], as what follows.
    names: [PathBuf; 3],
    held: [(File, Inode); 3],
    /// How long the file and the index were when last looked at.
    file_length: u64,
    index_length: u64,
    /// The commit that was the last one then.
    commit: Option<Commit>,
}

/// The end of the log: which frame it is, and what that frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Commit {
    frame: u32,
    page_size: u64,
    salt: [u8; 8],
    checksum: [u8; 8],
}

/// What the index says, as far as it is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Index {
    /// `None`: the log is empty.
    commit: Option<Commit>,
    /// The size of the database, log and all, in bytes.
    size: u64,
}

/// What was done to the files under the relay.
#[derive(Debug)]
pub(super) struct Loss {
    /// Which file, and what: a sentence, as a trouble's detail.
    pub(super) what: String,
    /// Whether everything is still there for whoever has it open.
    pub(super) whole: bool,
    /// Whether the file itself has a name anywhere.
    pub(super) linked: bool,
    /// Whether the index is shorter than SQLite has it in memory: then nothing may touch it.
    index_cut: bool,
    /// What stands at each name.
    names: [Name; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Ours,
    Nothing,
    Other,
}

impl Names {
    /// Takes hold of the files of a connection that has read something. `file` was opened before the connection was.
    ///
    /// # Errors
    /// If a name does not lead to what the connection has open: somebody was faster, and is to be asked again.
    pub(super) fn hold(path: &Path, file: File) -> Result<Self, Trouble> {
        let open = open_files();
        let hold = |tail: &str, file: Option<File>| {
            let name = with_tail(path, tail);
            let unwritable =
                |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", name.display()));
            // Ours is among them already if it was opened before.
            let ours = usize::from(file.is_some());
            let file = match file {
                Some(file) => file,
                None => OpenOptions::new().read(true).write(true).open(&name).map_err(unwritable)?,
            };
            let found = inode(&file.metadata().map_err(unwritable)?);
            let named = plain(&name)?.as_ref().map(inode);
            let by_sqlite =
                open.as_ref().is_none_or(|open| open.iter().filter(|o| **o == found).count() > ours);
            if named != Some(found) || !by_sqlite {
                let detail = format!("{} was replaced while the relay opened it", name.display());
                return Err(Trouble::new(TroubleKind::Taken, detail));
            }
            Ok((file, found))
        };
        let [file_tail, log_tail, index_tail] = TAILS;
        let held = [hold(file_tail, Some(file))?, hold(log_tail, None)?, hold(index_tail, None)?];
        let names = TAILS.map(|tail| with_tail(path, tail));
        Ok(Self { names, held, file_length: 0, index_length: 0, commit: None })
    }

    /// Which file is open, whatever its name leads to by now.
    pub(super) fn inode(&self) -> Inode {
        self.held[0].1
    }

    /// Whether everything that was committed is where the next start looks for it.
    ///
    /// # Errors
    /// What was taken away, replaced or cut.
    pub(super) fn check(&mut self) -> Result<(), Loss> {
        let mut what = Vec::new();
        let [(file, file_length), (log, log_length), (index, index_length)] =
            [0, 1, 2].map(|n| self.look(n, &mut what));
        let names = [file, log, index];
        let before = what.len();
        let name = |n: usize| self.names[n].display();
        let index_cut = index_length < self.index_length;
        let mut log = Log { file: &self.held[1].0, length: log_length };
        let mut now = None;
        if index_cut {
            what.push(format!("{} was cut to {index_length} bytes, expected {}", name(2), self.index_length));
            if let Some(commit) = self.commit
                && !log.has(&[commit])
            {
                what.push(format!("{} has lost the last commit", name(1)));
            }
        } else {
            let mut looks = 0;
            now = loop {
                looks += 1;
                let found = Index::read(&self.held[2].0);
                let in_order = found.is_some_and(|found| self.goes_on(&log, found.commit));
                // Somebody else may have written between one look and the other; then what was seen belongs to no moment.
                if in_order || (looks > 1 && found.is_some() && Index::read(&self.held[2].0) == found) {
                    if !in_order {
                        what.push(format!("{} has lost the last commit", name(1)));
                    }
                    break found;
                }
                if looks >= LOOKS {
                    what.push(format!("{} is no longer an index of the log", name(2)));
                    break None;
                }
                std::thread::yield_now();
                log.length = log.file.metadata().map_or(0, |found| found.len());
            };
        }
        // It grows when the log is put into it, and shrinks only to what it holds.
        let expected = now.map_or(self.file_length, |now| now.size).min(self.file_length);
        if file_length < expected {
            what.push(format!("{} was cut to {file_length} bytes, expected at least {expected}", name(0)));
        }
        if what.is_empty() {
            self.file_length = file_length;
            self.index_length = index_length;
            self.commit = now.and_then(|now| now.commit);
            return Ok(());
        }
        // An index that is lost is made again from the log.
        let index = name(2).to_string();
        let index_only = what.iter().skip(before).all(|what| what.starts_with(&index));
        let linked = self.held[0].0.metadata().is_ok_and(|found| found.nlink() > 0);
        Err(Loss { what: what.join("; "), whole: index_only, linked, index_cut, names })
    }

    /// Whether the log ends with that commit, and has the one before it still: a file that was cut and written on has a hole.
    fn goes_on(&self, log: &Log<'_>, commit: Option<Commit>) -> bool {
        let Some(commit) = commit else { return true };
        match self.commit {
            Some(earlier) if earlier.salt == commit.salt && earlier.frame < commit.frame => {
                log.has(&[commit, earlier])
            }
            _ => log.has(&[commit]),
        }
    }

    /// What stands at a name, and how long what we hold is.
    fn look(&self, n: usize, what: &mut Vec<String>) -> (Name, u64) {
        const MEANWHILE: &str = "while the relay was using it";
        let (file, ours) = &self.held[n];
        let (found, happened) = match std::fs::symlink_metadata(&self.names[n]) {
            Ok(found) if found.is_file() && inode(&found) == *ours => return (Name::Ours, found.len()),
            Ok(found) if found.is_symlink() => {
                (Name::Other, format!("was replaced by a symbolic link {MEANWHILE}"))
            }
            Ok(_) => (Name::Other, format!("was replaced {MEANWHILE}")),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                (Name::Nothing, format!("was removed or moved away {MEANWHILE}"))
            }
            Err(e) => (Name::Nothing, format!("cannot be inspected: {e}")),
        };
        what.push(format!("{} {happened}", self.names[n].display()));
        (found, file.metadata().map_or(0, |found| found.len()))
    }

    /// Gives the index back the length that SQLite has it in memory: what is read beyond the end of a file that was cut is SIGBUS. It
    /// is made again from the log, because nothing that is in it then is valid.
    ///
    /// # Errors
    /// If the disk has no room for it; then the connection must not be used.
    pub(super) fn mend(&self, loss: &Loss) -> std::io::Result<()> {
        if loss.index_cut { self.held[2].0.set_len(self.index_length) } else { Ok(()) }
    }
}

impl Loss {
    /// The names, of the log and its index, at which something stands that is not ours, beside the file that is.
    pub(super) fn strangers(&self) -> impl Iterator<Item = &'static str> {
        self.of_log(self.file_named(), Name::Other)
    }

    /// The names of our log and its index that have stayed behind when the file was moved away.
    pub(super) fn left_behind(&self) -> impl Iterator<Item = &'static str> {
        self.of_log(!self.file_named(), Name::Ours)
    }

    fn file_named(&self) -> bool {
        self.names[0] == Name::Ours
    }

    fn of_log(&self, wanted: bool, which: Name) -> impl Iterator<Item = &'static str> {
        let both = TAILS.into_iter().zip(self.names).skip(1);
        both.filter(move |(_, name)| wanted && *name == which).map(|(tail, _)| tail)
    }
}

/// The log as it is just now.
struct Log<'f> {
    file: &'f File,
    length: u64,
}

impl Log<'_> {
    /// Whether it has these frames, under a header of the same turn.
    fn has(&self, commits: &[Commit]) -> bool {
        let mut header = [0; LOG_HEADER as usize];
        self.file.read_exact_at(&mut header, 0).is_ok()
            && commits.iter().all(|commit| header[16..24] == commit.salt && self.has_frame(commit))
    }

    fn has_frame(&self, commit: &Commit) -> bool {
        let mut frame = [0; FRAME_HEADER as usize];
        let at = LOG_HEADER + u64::from(commit.frame - 1) * (FRAME_HEADER + commit.page_size);
        self.length >= at + FRAME_HEADER + commit.page_size
            && self.file.read_exact_at(&mut frame, at).is_ok()
            // Only the last frame of a commit says how large the database is now.
            && frame[4..8] != [0; 4]
            && frame[8..16] == commit.salt
            && frame[16..24] == commit.checksum
    }
}

impl Index {
    /// Reads what SQLite has in memory; the system keeps both the same. `None` if it is not in order, or being written.
    fn read(index: &File) -> Option<Self> {
        let mut both = [0; 2 * INDEX_HEADER];
        index.read_exact_at(&mut both, 0).ok()?;
        let (header, again) = both.split_at(INDEX_HEADER);
        let number = |at: usize| Some(u32::from_ne_bytes(header.get(at..at + 4)?.try_into().ok()?));
        if header != again || number(0)? != INDEX_VERSION || header[12] != 1 {
            return None;
        }
        let page_size = match u16::from_ne_bytes([header[14], header[15]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let mut checksum = [0; 8];
        // Numbers in here, and big-endian in the log.
        checksum[..4].copy_from_slice(&number(24)?.to_be_bytes());
        checksum[4..].copy_from_slice(&number(28)?.to_be_bytes());
        let salt = header[32..40].try_into().ok()?;
        let frame = number(16)?;
        let commit = (frame > 0).then_some(Commit { frame, page_size, salt, checksum });
        Some(Self { commit, size: u64::from(number(20)?) * page_size })
    }
}

/// What stands at a name, which must be a file or nothing.
///
/// # Errors
/// [`TroubleKind::Unwritable`] if it is a link, or anything else: a log that a link leads to has no name in this directory.
pub(super) fn plain(name: &Path) -> Result<Option<Metadata>, Trouble> {
    let wrong =
        |detail: String| Err(Trouble::new(TroubleKind::Unwritable, format!("{}: {detail}", name.display())));
    match std::fs::symlink_metadata(name) {
        Ok(found) if found.is_file() => Ok(Some(found)),
        Ok(found) if found.is_symlink() => wrong(
            "expected a plain file, found a symbolic link; move the file that it leads to here, or set RELAY_DATA_DIR to the directory of that file"
                .to_owned(),
        ),
        Ok(_) => wrong("expected a plain file, found something else".to_owned()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => wrong(e.to_string()),
    }
}

/// What this process has open; `None` where the system does not say (<https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html>).
fn open_files() -> Option<Vec<Inode>> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // Following such a link gives the file itself, also when it has no name any more.
    Some(entries.filter_map(|entry| Some(inode(&std::fs::metadata(entry.ok()?.path()).ok()?))).collect())
}
