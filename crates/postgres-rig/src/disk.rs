//! A small disk that can be filled.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::Command;

use crate::binaries::{Binaries, finish};
use crate::error::RigError;
use crate::folder::Folder;

/// What is written to it at once to fill it.
const PIECE: usize = 64 << 10;

/// A file system of its own in memory. It goes when this is dropped, or with this process.
#[derive(Debug)]
pub struct SmallDisk {
    folder: Folder,
}

impl SmallDisk {
    /// Mounts one of so many bytes for the servers' user, which takes root.
    ///
    /// # Errors
    ///
    /// If it cannot be mounted.
    pub fn mount(binaries: &Binaries, bytes: u64) -> Result<Self, RigError> {
        let disk = Self { folder: Folder::with_mount(binaries)? };
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(disk.mounted());
        finish("mount", &mut mount)?;
        let path = disk.path();
        std::fs::create_dir(&path).map_err(RigError::system("no folder on a small disk"))?;
        binaries.give(&path)?;
        Ok(disk)
    }

    /// A folder on it, for a tablespace.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.mounted().join("space")
    }

    /// Takes all the room there is.
    ///
    /// # Errors
    ///
    /// If it cannot be written for another reason than that it is full.
    pub fn fill(&self) -> Result<(), RigError> {
        let failed = || RigError::system("a small disk cannot be filled");
        let mut file =
            std::fs::File::options().create(true).append(true).open(self.ballast()).map_err(failed())?;
        loop {
            match file.write_all(&[0; PIECE]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(failed()(error)),
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Errors
    ///
    /// If it was not taken.
    pub fn free(&self) -> Result<(), RigError> {
        std::fs::remove_file(self.ballast()).map_err(RigError::system("a small disk cannot be freed"))
    }

    fn ballast(&self) -> PathBuf {
        self.mounted().join("ballast")
    }

    fn mounted(&self) -> PathBuf {
        self.folder.mounted()
    }
}
