//! Lines as they come: of a file, of the journal, of standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A relay's longest line names a few hundred objects. What is longer is read past and not kept.
const LONGEST: usize = 1 << 20;

/// How often a file is asked for more.
const LOOK: Duration = Duration::from_millis(200);

/// A line without its end.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// All of it; bytes that are no text are replaced.
    Whole(String),
    TooLong,
}

/// Lines, one after the other.
pub(crate) struct Lines {
    from: Box<dyn BufRead>,
    /// What has come of a line whose end has not.
    begun: Vec<u8>,
    too_long: bool,
    /// The file that is followed.
    followed: Option<Followed>,
    /// What writes the lines.
    child: Option<Child>,
}

struct Followed {
    path: PathBuf,
    inode: u64,
    read: u64,
}

impl Lines {
    pub(crate) fn of_stdin() -> Self {
        Self::of(BufReader::new(std::io::stdin()))
    }

    /// Those of a file; with `follow`, the last so many, and then those that come.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn of_file(path: &Path, follow: Option<usize>) -> Result<Self, String> {
        let unread = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = File::open(path).map_err(unread)?;
        let Some(last) = follow else { return Ok(Self::of(BufReader::new(file))) };
        let found = file.metadata().map_err(unread)?;
        let begin = to_the_last(&mut file, last).map_err(unread)?;
        let followed = Followed { path: path.to_owned(), inode: found.ino(), read: begin };
        let mut lines = Self::of(BufReader::new(file));
        lines.followed = Some(followed);
        Ok(lines)
    }

    /// The last so many lines of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn last_of_file(path: &Path, last: usize) -> Result<Self, String> {
        let unread = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = File::open(path).map_err(unread)?;
        to_the_last(&mut file, last).map_err(unread)?;
        Ok(Self::of(BufReader::new(file)))
    }

    /// The last lines of a unit's journal; with `follow`, those that come, too.
    ///
    /// # Errors
    /// If there is no `journalctl`.
    pub(crate) fn of_unit(unit: &str, last: usize, follow: bool) -> Result<Self, String> {
        let mut command = Command::new("journalctl");
        command.args(["--unit", unit, "--output", "cat", "--no-pager", "--lines"]).arg(last.to_string());
        command.args(follow.then_some("--follow"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| format!("journalctl cannot be started: {e}"))?;
        let out = child.stdout.take().ok_or("journalctl has no output")?;
        let mut lines = Self::of(BufReader::new(out));
        lines.child = Some(child);
        Ok(lines)
    }

    fn of(from: impl BufRead + 'static) -> Self {
        Self { from: Box::new(from), begun: Vec::new(), too_long: false, followed: None, child: None }
    }

    /// The next line; `None` at the end, which a file that is followed does not have.
    ///
    /// # Errors
    /// Why nothing more can be read.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, String> {
        loop {
            let part = self.from.fill_buf().map_err(|e| e.to_string())?;
            let end = part.iter().position(|byte| *byte == b'\n');
            let (taken, read) = (&part[..end.unwrap_or(part.len())], end.map_or(part.len(), |end| end + 1));
            self.too_long |= self.begun.len() + taken.len() > LONGEST;
            if self.too_long {
                self.begun.clear();
            } else {
                self.begun.extend_from_slice(taken);
            }
            let is_empty = part.is_empty();
            self.from.consume(read);
            if let Some(followed) = &mut self.followed {
                followed.read += read as u64;
            }
            if end.is_some()
                || (is_empty && self.followed.is_none() && (!self.begun.is_empty() || self.too_long))
            {
                return Ok(Some(self.take()));
            }
            if is_empty {
                if self.followed.is_none() {
                    return Ok(None);
                }
                std::thread::sleep(LOOK);
                self.look_again()?;
            }
        }
    }

    fn take(&mut self) -> Line {
        let begun = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.too_long) {
            return Line::TooLong;
        }
        let text = String::from_utf8_lossy(&begun);
        Line::Whole(text.strip_suffix('\r').unwrap_or(&text).to_owned())
    }

    /// Whether the name leads to another file by now, or the file was emptied: then its beginning is next.
    fn look_again(&mut self) -> Result<(), String> {
        let Some(followed) = &mut self.followed else { return Ok(()) };
        // Between two files there may be none.
        let Ok(found) = std::fs::metadata(&followed.path) else { return Ok(()) };
        if found.ino() == followed.inode && found.len() >= followed.read {
            return Ok(());
        }
        let file = File::open(&followed.path).map_err(|e| format!("{}: {e}", followed.path.display()))?;
        followed.inode = file.metadata().map_err(|e| e.to_string())?.ino();
        followed.read = 0;
        self.from = Box::new(BufReader::new(file));
        Ok(())
    }

    /// # Errors
    /// If what wrote the lines says that it could not.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("journalctl: {status}")),
            Err(e) => Err(format!("journalctl: {e}")),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Goes to where the last so many lines of a file begin, as far as they are in its last megabytes.
fn to_the_last(file: &mut File, lines: usize) -> std::io::Result<u64> {
    const MOST: u64 = 4 << 20;
    let from = file.metadata()?.len().saturating_sub(MOST);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    (&mut *file).take(MOST).read_to_end(&mut end)?;
    // The last line's own end is none before another line.
    let ends = end.iter().enumerate().rev().skip(1).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let begin = if lines == 0 { Some(end.len()) } else { ends.take(lines).nth(lines - 1) };
    file.seek(SeekFrom::Start(from + begin.unwrap_or(0) as u64))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(lines: &mut Lines) -> Option<String> {
        match lines.next().unwrap()? {
            Line::Whole(text) => Some(text),
            Line::TooLong => Some("too long".into()),
        }
    }

    #[test]
    fn lines_are_cut_where_they_end_and_a_monster_is_read_past() {
        let mut bytes = b"one\r\n\n\xffthree\n".to_vec();
        bytes.extend(vec![b'x'; LONGEST + 1]);
        bytes.extend(b"\nlast");
        let mut lines = Lines::of(std::io::Cursor::new(bytes));
        let read: Vec<_> = std::iter::from_fn(|| text(&mut lines)).collect();
        assert_eq!(read, ["one", "", "\u{fffd}three", "too long", "last"]);
    }

    #[test]
    fn a_file_is_followed_over_its_exchange() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        for (last, first) in [(1, "c"), (2, "b"), (9, "a")] {
            let mut lines = Lines::of_file(&path, Some(last)).unwrap();
            assert_eq!(text(&mut lines).as_deref(), Some(first), "{last}");
        }
        let mut lines = Lines::of_file(&path, Some(0)).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"d\n").unwrap();
        assert_eq!(text(&mut lines).as_deref(), Some("d"));
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        std::fs::write(&path, "e\n").unwrap();
        assert_eq!(text(&mut lines).as_deref(), Some("e"));
        // Emptied and begun anew, as `copytruncate` does.
        std::fs::write(&path, "a long line\n").unwrap();
        let mut lines = Lines::of_file(&path, Some(1)).unwrap();
        assert_eq!(text(&mut lines).as_deref(), Some("a long line"));
        std::fs::write(&path, "g\n").unwrap();
        assert_eq!(text(&mut lines).as_deref(), Some("g"));
    }
}
