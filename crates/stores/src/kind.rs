//! What stores there are.

use std::fmt;

/// How a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Amazon S3, and everything that speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage, by its JSON API.
    Gcs,
    /// OCI Object Storage, by its own API.
    Oci,
    /// A tree of directories: a disk, or what is mounted over NFS or SMB.
    Directory,
}

impl Kind {
    /// Each with its name in settings.
    pub const NAMES: &[(&str, Self)] = &[
        ("s3", Self::S3),
        ("azure", Self::Azure),
        ("gcs", Self::Gcs),
        ("oci", Self::Oci),
        ("directory", Self::Directory),
    ];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
