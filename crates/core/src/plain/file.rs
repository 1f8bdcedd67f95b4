//! Files that settings name.
//!
//! What is named may be a device without an end, or a pipe that nobody writes to: reading it would fill the memory, or wait
//! for ever without a line, at start and at each later look. So only plain files are read, and no more of them than they may have.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Certificates, secrets and configurations have a few kilobytes. All the public authorities together have 230 KB.
pub const MOST_FILE_BYTES: u64 = 1 << 20;

/// The bytes of a plain file, or of what a symbolic link to one leads to, as systemd and Kubernetes lay down secrets.
///
/// Not of a pipe, such as a shell's `<(…)` or `/dev/stdin` behind one, nor of a device or a directory. Never waits for
/// anything but the disk.
///
/// # Errors
/// The system's word; or what was found instead of a plain file; or that there are more than `most` bytes in it.
pub fn plain_file(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    // A pipe is opened without waiting for somebody at its other end; for a plain file this changes nothing (open(2)).
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(|_| io::ErrorKind::Unsupported)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let found = match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        return Err(io::Error::other(format!("expected a plain file, found {found}")));
    }
    let mut bytes = Vec::new();
    // A file of the system (`/proc`) has bytes although its size is 0, so it is read and not asked.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        return Ok(bytes);
    }
    Err(io::Error::other(format!("expected at most {most} bytes, found more")))
}

/// The text in a plain file; see [`plain_file`].
///
/// # Errors
/// As [`plain_file`]; or that it is not UTF-8.
pub fn plain_text(path: impl AsRef<Path>, most: u64) -> io::Result<String> {
    String::from_utf8(plain_file(path, most)?)
        .map_err(|_| io::Error::other("expected text in UTF-8, found other bytes"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn plain_files_are_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "secret\n").unwrap();
        symlink("file", at("link")).unwrap();
        symlink(at("link"), at("link-to-link")).unwrap();
        symlink("/dev/zero", at("link-to-device")).unwrap();
        symlink("nothing", at("dangling")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::fs::write(at("empty"), "").unwrap();
        std::fs::write(at("binary"), b"\xff").unwrap();
        for name in ["file", "link", "link-to-link"] {
            assert_eq!(plain_text(at(name), 7).unwrap(), "secret\n", "{name}");
            let error = plain_text(at(name), 6).unwrap_err().to_string();
            assert_eq!(error, "expected at most 6 bytes, found more", "{name}");
        }
        assert_eq!(plain_file(at("empty"), 0).unwrap(), b"");
        // Its size is said to be 0.
        assert!(!plain_file("/proc/self/status", 1 << 20).unwrap().is_empty());
        assert!(plain_file("/proc/self/status", 9).is_err());
        for (name, found) in
            [("link-to-device", "a device"), ("directory", "a directory"), ("pipe", "a pipe")]
        {
            let error = plain_file(at(name), 1 << 20).unwrap_err().to_string();
            assert_eq!(error, format!("expected a plain file, found {found}"), "{name}");
        }
        for name in ["socket", "dangling", "missing"] {
            assert!(plain_file(at(name), 1 << 20).is_err(), "{name}");
        }
        assert_eq!(
            plain_text(at("binary"), 9).unwrap_err().to_string(),
            "expected text in UTF-8, found other bytes"
        );
    }
}
