//! The socket: where it appears, for whom, and what is left of it.
//!
//! The agent watches the directory for the published name and at that moment decides, once, whether this
//! container is any good: a symlink must have a target without a directory part, and behind it must be a
//! socket that it may write to (fnproject/fn, `api/agent/agent.go`, `inotifyAwait` and
//! `checkSocketDestination`). So everything is made ready under another name first. A rename would do for the
//! open-source agent, but a symlink is what all of Fn's own FDKs make (fnproject/fdk-go, `handler.go`,
//! `sockPerm`).

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::error::Error;

/// The agent runs as another user (fn-docs, `fn/develop/fn-format.md`: "0666 or wider").
const FOR_EVERYBODY: u32 = 0o666;

/// The names of the socket in the file system. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Socket {
    published: PathBuf,
    private: PathBuf,
    private_name: OsString,
    is_published: bool,
}

impl Socket {
    /// Listens under a private name beside `published`, after clearing both names of what an earlier process
    /// left.
    pub(crate) fn bind(published: &Path) -> Result<(Self, UnixListener), Error> {
        let private_name = private_name(published);
        let private = published.with_file_name(&private_name);
        for stale in [published, &private] {
            remove_stale(stale).map_err(cannot("remove the earlier", stale))?;
        }
        let listener = UnixListener::bind(&private).map_err(cannot("bind", &private))?;
        // From here on there is a file to be removed, whatever fails.
        let socket = Self { published: published.to_owned(), private, private_name, is_published: false };
        fs::set_permissions(&socket.private, Permissions::from_mode(FOR_EVERYBODY))
            .map_err(cannot("let everybody write to", &socket.private))?;
        Ok((socket, listener))
    }

    /// Makes the socket appear where the agent looks for it. The first call may come before this returns.
    pub(crate) fn publish(&mut self) -> Result<(), Error> {
        symlink(&self.private_name, &self.published).map_err(cannot("link", &self.published))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let published = self.is_published.then_some(&self.published);
        for path in published.into_iter().chain([&self.private]) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "could not remove the socket");
                }
                _ => {}
            }
        }
    }
}

fn cannot(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let action = format!("{action} {}", path.display());
    |source| Error::Io { action, source }
}

/// The published name with another first letter: another name, and no longer one, so that it fits into a
/// `sockaddr_un` whenever the published path does. (A prefix or suffix, as the official FDKs add, would not.)
fn private_name(published: &Path) -> OsString {
    let mut name = published.file_name().unwrap_or_default().as_bytes().to_vec();
    if let Some(first) = name.first_mut() {
        *first = if *first == b'_' { b'-' } else { b'_' };
    }
    OsString::from_vec(name)
}

/// Removes what an earlier process may have left, and nothing else: a variable with a typing error in it must
/// not delete somebody's file.
fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind.is_socket() || kind.is_symlink() {
        return fs::remove_file(path);
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is neither a socket nor a symbolic link"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_name_differs_and_is_no_longer() {
        for (published, want) in [
            ("/tmp/iofs/lsnr.sock", "_snr.sock"),
            ("/tmp/_snr.sock", "-snr.sock"),
            ("/tmp/s", "_"),
            ("/tmp/..s", "_.s"),
        ] {
            assert_eq!(private_name(Path::new(published)), *want, "{published}");
        }
    }

    #[tokio::test]
    async fn names_come_in_order_and_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let published = folder.path().join("lsnr.sock");
        let private = folder.path().join("_snr.sock");

        let (mut socket, _listener) = Socket::bind(&published).unwrap();
        assert!(private.exists());
        assert!(!published.exists(), "nothing may appear before it is ready");
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o666);

        socket.publish().unwrap();
        assert_eq!(fs::read_link(&published).unwrap(), Path::new("_snr.sock"));

        drop(socket);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn somebody_elses_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let published = folder.path().join("lsnr.sock");
        for name in ["lsnr.sock", "_snr.sock"] {
            let path = folder.path().join(name);
            fs::write(&path, "mine").unwrap();
            let error = Socket::bind(&published).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot remove the earlier {}", path.display()));
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
            fs::remove_file(&path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_path_of_107_bytes_can_be_bound() {
        let folder = tempfile::tempdir().unwrap();
        let room = 107 - folder.path().as_os_str().len() - 1;
        let published = folder.path().join("s".repeat(room));
        let (mut socket, _listener) = Socket::bind(&published).unwrap();
        socket.publish().unwrap();
        assert!(std::os::unix::net::UnixStream::connect(&published).is_ok());
    }
}
