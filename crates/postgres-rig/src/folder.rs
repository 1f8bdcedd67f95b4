//! A folder for an ordinary user, which goes away with this process.

use std::path::{Path, PathBuf};

use crate::binaries::Binaries;
use crate::error::RigError;
use crate::watch::Watch;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _watch: Watch,
}

impl Folder {
    pub(crate) fn new(binaries: &Binaries) -> Result<Self, RigError> {
        Self::make(binaries, false)
    }

    /// One with a place in it where something may be mounted, which is unmounted before the folder goes.
    pub(crate) fn with_mount(binaries: &Binaries) -> Result<Self, RigError> {
        Self::make(binaries, true)
    }

    fn make(binaries: &Binaries, mount: bool) -> Result<Self, RigError> {
        let made = tempfile::Builder::new().prefix("postgres-rig-").tempdir();
        // The shell removes it, also if nobody here can any more.
        let path = made.map_err(RigError::system("no folder for a server"))?.keep();
        let place = path.join(MOUNTED);
        let watch = Watch::folder(&path, mount.then_some(place.as_path()))?;
        binaries.give(&path)?;
        if mount {
            std::fs::create_dir(&place).map_err(RigError::system("no place for a mount"))?;
        }
        Ok(Self { path, _watch: watch })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn mounted(&self) -> PathBuf {
        self.path.join(MOUNTED)
    }
}

const MOUNTED: &str = "mounted";
