//! Where the server's programs are, and as whom they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::RigError;

/// What is looked for. A folder with clients alone is no server: `pg_config` names one where only the library is installed.
const NEEDED: [&str; 3] = ["postgres", "initdb", "pg_basebackup"];

/// Debian keeps each major version's programs in a folder of its own, none of which is on `PATH`
/// (<https://manpages.debian.org/bookworm/postgresql-common/pg_wrapper.1.en.html>).
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one PostgreSQL.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
    major: u32,
    /// The user as whom they run if this process is root's: the server refuses to run as root.
    user: Option<User>,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl Binaries {
    /// Finds them: in the folder that `PG_BINDIR` names, else where `pg_config --bindir` says, else Debian's newest.
    ///
    /// # Errors
    ///
    /// [`RigError::Missing`] if there is no server, or if this is root's and `setpriv` or another user is missing;
    /// [`RigError::Failed`] if `postgres --version` says nothing of use.
    pub fn find() -> Result<Self, RigError> {
        if let Some(dir) = std::env::var_os("PG_BINDIR") {
            return Self::within(Path::new(&dir))?.ok_or_else(|| {
                RigError::Missing(format!(
                    "PG_BINDIR is {}, expected a folder with {}",
                    Path::new(&dir).display(),
                    NEEDED.join(", ")
                ))
            });
        }
        let configured =
            said(Command::new("pg_config").arg("--bindir")).map(|text| PathBuf::from(text.trim()));
        for dir in configured.into_iter().chain(debian()) {
            if let Some(found) = Self::within(&dir)? {
                return Ok(found);
            }
        }
        Err(RigError::Missing(format!(
            "no PostgreSQL server was found: PG_BINDIR is not set, pg_config leads to none, and {DEBIAN} has none; \
             'make postgres' installs it on Debian"
        )))
    }

    fn within(dir: &Path) -> Result<Option<Self>, RigError> {
        if !NEEDED.iter().all(|name| dir.join(name).is_file()) {
            return Ok(None);
        }
        let dir =
            std::path::absolute(dir).map_err(RigError::system(format!("{} is no path", dir.display())))?;
        let version = said(Command::new(dir.join("postgres")).arg("--version")).unwrap_or_default();
        let Some(major) = major(&version) else {
            return Err(RigError::Failed {
                what: format!("{}/postgres --version names no version", dir.display()),
                said: version,
            });
        };
        Ok(Some(Self { dir, major, user: ordinary_user()? }))
    }

    /// The major version: 15, 18.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// One of the programs, as an ordinary user, with nothing of this process's environment but `PATH`.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        self.ordinary(&self.program(name))
    }

    /// The path of one of them.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Any program, as that same user.
    #[must_use]
    pub fn ordinary(&self, program: &Path) -> Command {
        let mut command = match &self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={}", user.uid))
                    .arg(format!("--regid={}", user.gid))
                    .args(["--clear-groups", "--"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env_clear().env("LC_ALL", "C").envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::null());
        command
    }

    /// Gives a file or folder to that user.
    pub(crate) fn give(&self, path: &Path) -> Result<(), RigError> {
        let Some(user) = &self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).map_err(RigError::system(format!(
            "{} cannot be given to {}",
            path.display(),
            user.name
        )))
    }

    /// Runs one of the programs to its end.
    pub(crate) fn run(
        &self,
        name: &str,
        args: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<(), RigError> {
        finish(name, args(&mut self.command(name)))
    }
}

/// Runs a program to its end; what it printed is in the error if it fails.
pub(crate) fn finish(name: &str, command: &mut Command) -> Result<(), RigError> {
    let output = command.output().map_err(RigError::system(format!("{name} cannot be started")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(RigError::Failed {
        what: format!("{name} ended with {}", output.status),
        said: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// Debian's folders, the newest version first.
fn debian() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(DEBIAN) else { return Vec::new() };
    let mut versions: Vec<u32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin")).collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split(' ').nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Who it runs as, if this process is root's: `postgres`, which Debian's package makes, else `nobody`.
fn ordinary_user() -> Result<Option<User>, RigError> {
    let number =
        |args: &[&str]| said(Command::new("id").args(args)).and_then(|text| text.trim().parse::<u32>().ok());
    if number(&["-u"]) != Some(0) {
        return Ok(None);
    }
    if said(Command::new("setpriv").arg("--version")).is_none() {
        return Err(RigError::Missing(
            "the server refuses to run as root, and setpriv (util-linux) is missing".into(),
        ));
    }
    let mut users = ["postgres", "nobody"].into_iter();
    let found = users.find_map(|name| {
        let (uid, gid) = (number(&["-u", name])?, number(&["-g", name])?);
        Some(User { name: name.to_owned(), uid, gid })
    });
    found.map(Some).ok_or_else(|| {
        RigError::Missing(
            "the server refuses to run as root, and there is neither postgres nor nobody".into(),
        )
    })
}

/// What a program prints, if it is there and succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_in_each_spelling() {
        for (line, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18.6\n", Some(18)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("postgres", None),
            ("", None),
        ] {
            assert_eq!(major(line), expected, "{line:?}");
        }
    }

    #[test]
    fn clients_without_a_server_are_no_server() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("psql"), "").unwrap();
        std::fs::write(dir.path().join("pg_basebackup"), "").unwrap();
        assert!(Binaries::within(dir.path()).unwrap().is_none());
    }
}
