//! Goes through a tree in the order of its paths' bytes, from behind any path on.
//!
//! Directories are opened one by one from the root, and never through a symbolic link, so that nobody who may write in the tree can
//! lead the walk out of it. A link to a file in the tree is listed as that file; every other link is named as passed.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::page::{Listed, Passed, PassedWhy};
use crate::tree::names::{BUDGET, Name, What, first};

/// The longest path that is walked: no key is longer, and the way to a directory costs as many steps as it is deep.
const MOST_PATH: usize = 4096;

/// What a walk meets.
pub(super) enum Met {
    Object(Listed),
    Passed(Passed),
}

/// A walk under way.
pub(super) struct Walk {
    root: OwnedFd,
    /// Where links have to end.
    canonical: PathBuf,
    prefix: Vec<u8>,
    /// What the walk began behind.
    begun: Vec<u8>,
    /// Where it is: a path that is empty or ends in a slash.
    path: Vec<u8>,
    /// The directories from the root to there.
    levels: Vec<Level>,
}

/// A directory that is being walked.
#[derive(Default)]
struct Level {
    /// The length of its path.
    length: usize,
    /// The last name that is done.
    after: Vec<u8>,
    /// Whether a directory in which `after` lies is yet to be walked: so it is where the walk began.
    inside: bool,
    names: VecDeque<Name>,
    /// Whether there are no more names than those.
    all: bool,
    /// Open while it is the deepest one.
    open: Option<OwnedFd>,
}

impl Walk {
    pub(super) fn new(root: &Path, prefix: Vec<u8>, after: Vec<u8>) -> io::Result<Self> {
        let canonical = fs::canonicalize(root)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &canonical, flags, Mode::empty())?;
        let level = Level { after: after.clone(), inside: true, ..Level::default() };
        Ok(Self { root, canonical, prefix, begun: after, path: Vec::new(), levels: vec![level] })
    }

    /// What comes next.
    ///
    /// # Errors
    /// What keeps the tree from being read, and is no matter of one directory.
    pub(super) fn step(&mut self) -> io::Result<Option<Met>> {
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            self.path.truncate(level.length);
            let Some(name) = level.names.pop_front() else {
                if level.all {
                    self.levels.pop();
                } else if let Some(met) = self.fill()? {
                    return Ok(Some(met));
                }
                continue;
            };
            level.after.clone_from(&name.bytes);
            level.inside = false;
            if name.what == What::Directory {
                if let Some(met) = self.enter(&name) {
                    return Ok(Some(met));
                }
                continue;
            }
            if let Some(met) = self.met(&name)? {
                return Ok(Some(met));
            }
        }
    }

    fn enter(&mut self, name: &Name) -> Option<Met> {
        if let Some(level) = self.levels.last_mut() {
            level.open = None;
        }
        let mut path = self.path.clone();
        path.extend_from_slice(&name.bytes);
        if path.len() > MOST_PATH {
            return Some(passed(path, PassedWhy::Unreadable("its path is too long".to_owned())));
        }
        self.path = path;
        // Where the walk began inside this directory.
        let rest = self.begun.strip_prefix(self.path.as_slice()).unwrap_or_default();
        self.levels.push(Level {
            length: self.path.len(),
            after: rest.to_vec(),
            inside: !rest.is_empty(),
            ..Level::default()
        });
        None
    }

    /// Reads names of the deepest directory.
    fn fill(&mut self) -> io::Result<Option<Met>> {
        let read = self.opened().and_then(|()| {
            let Some(level) = self.levels.last() else { return Ok((VecDeque::new(), true)) };
            let Some(open) = &level.open else { return Ok((VecDeque::new(), true)) };
            let (path, prefix) = (&self.path, &self.prefix);
            first(open, BUDGET, |name| level.wants(name) && fits(path, name, prefix))
        });
        let (names, all) = match read {
            Ok(read) => read,
            Err(e) if self.levels.len() == 1 => return Err(e),
            Err(e) => {
                let met = self.unreadable(&e)?;
                self.levels.pop();
                return Ok(met);
            }
        };
        if let Some(level) = self.levels.last_mut() {
            (level.names, level.all) = (names, all);
        }
        self.make_room();
        Ok(None)
    }

    /// What it means that the deepest directory cannot be read.
    fn unreadable(&self, error: &io::Error) -> io::Result<Option<Met>> {
        let path = self.path.clone();
        match Errno::from_io_error(error) {
            // It has gone meanwhile.
            Some(Errno::NOENT) => Ok(None),
            // It is a link meanwhile.
            Some(Errno::NOTDIR | Errno::LOOP) => Ok(Some(passed(path, PassedWhy::Link))),
            Some(Errno::ACCESS | Errno::PERM | Errno::NAMETOOLONG) => {
                Ok(Some(passed(path, PassedWhy::Unreadable(error.kind().to_string()))))
            }
            _ => Err(io::Error::new(error.kind(), format!("{}: {error}", path.escape_ascii()))),
        }
    }

    /// Opens the deepest directory, step by step from the root.
    fn opened(&mut self) -> io::Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.open.is_some() {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut open = openat(&self.root, ".", flags, Mode::empty())?;
        for name in self.path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            open = openat(&open, OsStr::from_bytes(name), flags, Mode::empty())?;
        }
        level.open = Some(open);
        Ok(())
    }

    /// Forgets names of directories above, which are then read again: all together have one budget.
    fn make_room(&mut self) {
        let cost = |level: &Level| level.names.iter().map(Name::cost).sum::<usize>();
        let mut sum: usize = self.levels.iter().map(cost).sum();
        let above = self.levels.len().saturating_sub(1);
        for level in &mut self.levels[..above] {
            if sum <= BUDGET {
                return;
            }
            if !level.names.is_empty() {
                sum -= cost(level);
                level.names = VecDeque::new();
                level.all = false;
            }
        }
    }

    /// What bears a name, which is no directory.
    fn met(&mut self, name: &Name) -> io::Result<Option<Met>> {
        let mut key = self.path.clone();
        key.extend_from_slice(&name.bytes);
        match name.what {
            What::Link => return Ok(self.link(key)),
            What::Special => return Ok(Some(passed(key, PassedWhy::Special))),
            What::Directory | What::File => {}
        }
        self.opened()?;
        let Some(open) = self.levels.last().and_then(|level| level.open.as_ref()) else { return Ok(None) };
        match statat(open, OsStr::from_bytes(name.plain()), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
                if !kind.is_file() {
                    return Ok(Some(passed(key, PassedWhy::Special)));
                }
                // Not the time of the last write: whoever may write a file chooses that one (utimensat(2)), and must not make new content
                // look old. Nobody chooses the time of the last change, which is never before it.
                let nanosecond = i32::try_from(stat.st_ctime_nsec).unwrap_or_default();
                let modified = Timestamp::new(stat.st_ctime, nanosecond).ok();
                let size = u64::try_from(stat.st_size).ok();
                Ok(Some(Met::Object(Listed { key, size, modified, ..Listed::default() })))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(e @ (Errno::ACCESS | Errno::PERM)) => {
                Ok(Some(passed(key, PassedWhy::Unreadable(io::Error::from(e).kind().to_string()))))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A link: the file that it leads to, if that is in the tree.
    fn link(&self, key: Vec<u8>) -> Option<Met> {
        let own = self.canonical.join(OsString::from_vec(key.clone()));
        let led = fs::canonicalize(own).ok().filter(|end| end.starts_with(&self.canonical));
        let file = led.and_then(|end| fs::symlink_metadata(end).ok()).filter(fs::Metadata::is_file);
        let Some(file) = file else { return Some(passed(key, PassedWhy::Link)) };
        let nanosecond = i32::try_from(file.ctime_nsec()).unwrap_or_default();
        let modified = Timestamp::new(file.ctime(), nanosecond).ok();
        Some(Met::Object(Listed { key, size: Some(file.len()), modified, ..Listed::default() }))
    }
}

impl Level {
    fn wants(&self, name: &Name) -> bool {
        let within = self.inside && name.what == What::Directory && self.after.starts_with(&name.bytes);
        within || name.bytes > self.after
    }
}

/// Whether a name can lead to keys with the prefix.
fn fits(path: &[u8], name: &Name, prefix: &[u8]) -> bool {
    let length = path.len() + name.bytes.len();
    let whole = path.iter().chain(&name.bytes);
    let alike = whole.zip(prefix).all(|(own, wanted)| own == wanted);
    alike && (length >= prefix.len() || name.what == What::Directory)
}

fn passed(key: Vec<u8>, why: PassedWhy) -> Met {
    Met::Passed(Passed { key, why })
}
