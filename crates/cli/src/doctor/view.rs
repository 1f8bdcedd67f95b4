//! Files as somebody else would see them: owner, group and mode, along the whole path (path_resolution(7)).

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::account::{Account, Lists};

/// What somebody may do with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Yes,
    /// Why not.
    No(String),
    /// Why this process cannot tell.
    Unknown(String),
}

/// What is wanted of a file or a directory: bits of one of the three groups of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Read,
    /// Of a plain file: to change what is in it.
    Write,
    /// Of a directory: to make files in it.
    Change,
}

impl Want {
    const fn bits(self) -> u32 {
        match self {
            Self::Read => 4,
            Self::Write => 2,
            Self::Change => 3,
        }
    }
}

/// The user who looks; `None` for one that systemd makes at the start (`DynamicUser=`), who has what everybody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View(pub(super) Option<Account>);

impl View {
    /// This process's user, with the groups that the lists have; `None` if he is in no list.
    pub(super) fn own() -> Option<Self> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        Account::of(Some(&uid), None, &[], &Lists::of_this_machine()).ok().map(|account| Self(Some(account)))
    }

    /// Whether the user may do what it wants with the file at a path.
    pub(super) fn access(&self, path: &Path, want: Want) -> Access {
        // Root needs no right.
        if self.0.as_ref().is_some_and(|account| account.uid == 0) {
            return match std::fs::metadata(path) {
                Ok(_) => Access::Yes,
                Err(error) => not_seen(path, &error),
            };
        }
        let mut rest: VecDeque<PathBuf> = parts(path);
        let mut here = PathBuf::from("/");
        // As many symbolic links as the system follows.
        let mut links = 40;
        while let Some(part) = rest.pop_front() {
            match std::fs::metadata(&here) {
                Err(error) => return not_seen(&here, &error),
                Ok(found) if !found.is_dir() => {
                    return Access::No(format!("{} is no directory", here.display()));
                }
                Ok(found) => match self.may(&here, &found, 1) {
                    Access::Yes => {}
                    other => return other,
                },
            }
            if part.as_os_str() == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            match std::fs::symlink_metadata(&next) {
                Err(error) => return not_seen(&next, &error),
                Ok(found) if found.is_symlink() => {
                    let to = match std::fs::read_link(&next) {
                        Ok(to) => to,
                        Err(error) => return not_seen(&next, &error),
                    };
                    links -= 1;
                    if links == 0 {
                        return Access::No(format!("{}: too many symbolic links", path.display()));
                    }
                    if to.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    for part in parts(&to).into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                Ok(_) => here = next,
            }
        }
        match std::fs::metadata(&here) {
            Err(error) => not_seen(&here, &error),
            Ok(found) => self.may(&here, &found, want.bits()),
        }
    }

    /// What the mode says, for this user.
    fn may(&self, path: &Path, found: &Metadata, bits: u32) -> Access {
        let mode = found.permissions().mode();
        let is_owner = self.0.as_ref().is_some_and(|account| account.uid == found.uid());
        let is_member = self.0.as_ref().is_some_and(|account| account.groups.contains(&found.gid()));
        // The first that fits decides, also against: an owner without a right is not helped by everybody's.
        let shift = match (is_owner, is_member) {
            (true, _) => 6,
            (_, true) => 3,
            _ => 0,
        };
        if !is_owner && has_list(path) {
            let why =
                format!("{} has an access control list (getfacl), which is not read here", path.display());
            return Access::Unknown(why);
        }
        if (mode >> shift) & bits == bits {
            return Access::Yes;
        }
        let who = self.0.as_ref().map_or("the service's user", |account| &account.name);
        let what = match (bits, found.is_dir()) {
            (1, _) => "may not look into",
            (4, _) => "may not read",
            (_, true) => "may not make files in",
            _ => "may not change",
        };
        Access::No(format!("{who} {what} {} ({})", path.display(), owner_and_mode(found)))
    }
}

/// Whether somebody has given rights beyond the mode (acl(5)). A file system without such lists says that it has none.
pub(super) fn has_list(path: &Path) -> bool {
    let mut none = [0_u8; 0];
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut none[..]).is_ok_and(|length| length > 0)
}

/// `mode 0600, owner 0, group 0`.
pub(super) fn owner_and_mode(found: &Metadata) -> String {
    format!("mode {:04o}, owner {}, group {}", found.permissions().mode() & 0o7777, found.uid(), found.gid())
}

/// What an error of a look means: this process lacks a right, or the file is not there.
pub(super) fn not_seen(path: &Path, error: &std::io::Error) -> Access {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            Access::Unknown(format!("this process may not look at {}: run doctor as root", path.display()))
        }
        ErrorKind::NotFound => Access::No(format!("{} does not exist", path.display())),
        _ => Access::No(format!("{}: {error}", path.display())),
    }
}

fn parts(path: &Path) -> VecDeque<PathBuf> {
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a file, both of this process's user, seen by others.
    #[test]
    fn the_first_group_that_fits_decides_along_the_whole_path() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("folder"), dir.path().join("folder/file"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("../folder/file", folder.join("link")).unwrap();
        symlink(folder.join("link"), dir.path().join("far")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let found = std::fs::metadata(&file).unwrap();
        let (owner, group) = (found.uid(), found.gid());
        let other = 65_001;
        let user = |uid, gid| View(Some(Account { name: "u".into(), uid, groups: vec![gid] }));
        for (folder_mode, file_mode, uid, gid, readable) in [
            (0o755, 0o600, other, other, false),
            (0o755, 0o604, other, other, true),
            (0o755, 0o640, other, group, true),
            (0o755, 0o604, other, group, false),
            (0o750, 0o644, other, other, false),
            (0o750, 0o640, other, group, true),
            (0o711, 0o644, other, other, true),
        ] {
            std::fs::set_permissions(&folder, PermissionsExt::from_mode(folder_mode)).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(file_mode)).unwrap();
            for path in [&file, &folder.join("link"), &dir.path().join("far")] {
                let access = user(uid, gid).access(path, Want::Read);
                let case = format!("{folder_mode:o} {file_mode:o} {uid} {gid} {}", path.display());
                assert_eq!(access == Access::Yes, readable, "{case}: {access:?}");
                assert!(!matches!(access, Access::Unknown(_)), "{case}");
            }
        }
        assert_eq!(user(0, 0).access(&file, Want::Read), Access::Yes, "root");
        if owner != 0 {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o044)).unwrap();
            assert!(
                matches!(user(owner, group).access(&file, Want::Read), Access::No(_)),
                "the owner himself"
            );
        }
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(View(None).access(&folder, Want::Change), Access::Yes);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o775)).unwrap();
        let Access::No(why) = View(None).access(&folder, Want::Change) else { panic!("the mode forbids it") };
        assert!(why.contains("may not make files in") && why.contains("mode 0775"), "{why}");
        for (name, want) in
            [("nothing", "does not exist"), ("loop", "too many symbolic links"), ("far/x", "no directory")]
        {
            let Access::No(why) = View(None).access(&dir.path().join(name), Want::Read) else {
                panic!("{name}")
            };
            assert!(why.contains(want), "{why}");
        }
    }
}
