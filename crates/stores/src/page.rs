//! What a listing gives.

use std::fmt;

use jiff::Timestamp;

use crate::cursor::Cursor;

/// One object of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its name, byte for byte.
    pub key: Vec<u8>,
    /// Its version, where a listing of current objects has it.
    pub version: Option<String>,
    /// Its ETag, without quotes around it.
    pub etag: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When it was last written, by the store's clock.
    pub modified: Option<Timestamp>,
    /// Whether it is on a tier from which nobody can read before somebody has asked for it.
    pub archived: bool,
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its objects, in the store's order.
    pub objects: Vec<Listed>,
    /// What is there and is no object. Nothing is left out without being named here.
    pub passed: Vec<Passed>,
    /// Where the listing goes on; `None`: it is complete.
    pub next: Option<Cursor>,
}

/// Something that is not listed, almost always in a tree of directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its name, or its path in the tree, byte for byte.
    pub key: Vec<u8>,
    /// Why it is not listed.
    pub why: PassedWhy,
}

/// Why something is not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedWhy {
    /// A symbolic link that leads to a directory, out of the tree, or nowhere.
    Link,
    /// A directory, which some stores list beside its objects.
    Folder,
    /// A pipe, a socket, a device.
    Special,
    /// It cannot be read, for this reason: what is in it is unknown.
    Unreadable(String),
}

impl fmt::Display for PassedWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("a symbolic link to no file in the tree"),
            Self::Folder => f.write_str("a directory"),
            Self::Special => f.write_str("no plain file"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

/// In which order a store lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By the bytes of the keys, as far as has been seen.
    Bytes,
    /// In none: a key has come that is not behind the one before it.
    None,
}
