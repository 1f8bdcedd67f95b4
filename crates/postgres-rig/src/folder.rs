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
        let made = tempfile::Builder::new().prefix("postgres-rig-").tempdir();
        // The shell removes it, also if nobody here can any more.
        let path = made.map_err(RigError::system("no folder for a server"))?.keep();
        let watch = Watch::folder(&path)?;
        binaries.give(&path)?;
        Ok(Self { path, _watch: watch })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
