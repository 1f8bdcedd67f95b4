//! The file of keys: the Ed25519 key that signs checkpoints, and the key of the site that keys of objects are hashed with.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use mdss_relay_core::plain_text;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::checkpoint::Checkpoint;
use crate::entry::LedgerId;
use crate::hash::{Hash, from_hex, hex};
use crate::moment::Moment;
use crate::trouble::{Trouble, TroubleKind};

/// The file's name in the directory of the ledger.
pub(crate) const FILE: &str = "ledger.key";

/// The name of one that is to take its place.
const NEXT: &str = "ledger.key.next";

const FIRST_LINE: &str = "mdss-relay ledger key 1";

/// The keys of a ledger. Prints nothing of them.
pub(crate) struct KeyFile {
    pair: Ed25519KeyPair,
    site: hmac::Key,
    secret: [u8; 32],
}

/// Random bytes of the system.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Trouble> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Trouble::new(TroubleKind::Internal, "the system gives no random numbers"))
}

fn wrong(path: &Path, what: impl std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Key, format!("{}: {what}", path.display()))
}

impl KeyFile {
    /// Reads it. `None` if there is none.
    ///
    /// # Errors
    /// [`TroubleKind::Key`] if it cannot be read, or is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Trouble> {
        Self::read_as(dir, FILE)
    }

    fn read_as(dir: &Path, name: &str) -> Result<Option<Self>, Trouble> {
        let path = dir.join(name);
        match std::fs::symlink_metadata(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrong(&path, e)),
            Ok(_) => {}
        }
        let text = plain_text(&path, 4096).map_err(|e| wrong(&path, e))?;
        Self::parse(&text).map(Some).ok_or_else(|| wrong(&path, "is no file of keys of a ledger"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let seed: [u8; 32] = from_hex(lines.next()?.strip_prefix("ed25519 ")?)?.try_into().ok()?;
        let site: [u8; 32] = from_hex(lines.next()?.strip_prefix("site ")?)?.try_into().ok()?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        Some(Self { pair, secret: site, site: hmac::Key::new(hmac::HMAC_SHA256, &site) })
    }

    /// Makes one, of mode 0600, and reads it. One that is there already is never written over: it is read.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be written or read.
    pub(crate) fn make(dir: &Path) -> Result<Self, Trouble> {
        Self::make_as(dir, FILE, None)
    }

    /// The key that is to replace that of a directory, which stays as it is for now. One that was begun before is taken. With the secret of the old one objects
    /// whose keys were hashed are found still.
    ///
    /// # Errors
    /// As [`KeyFile::make`].
    pub(crate) fn make_next(dir: &Path, old: Option<&Self>) -> Result<Self, Trouble> {
        Self::make_as(dir, NEXT, old)
    }

    /// The one that was made to replace that of a directory, if there is one.
    ///
    /// # Errors
    /// As [`KeyFile::read`].
    pub(crate) fn next(dir: &Path) -> Result<Option<Self>, Trouble> {
        Self::read_as(dir, NEXT)
    }

    /// Puts it in the place of the old one.
    ///
    /// # Errors
    /// [`Trouble`] if it cannot be renamed.
    pub(crate) fn put_next(dir: &Path) -> Result<(), Trouble> {
        let renamed = std::fs::rename(dir.join(NEXT), dir.join(FILE));
        renamed
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(|e| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", dir.join(FILE).display())))
    }

    /// Removes it again.
    pub(crate) fn remove_next(dir: &Path) -> std::io::Result<()> {
        std::fs::remove_file(dir.join(NEXT))
    }

    fn make_as(dir: &Path, name: &str, old: Option<&Self>) -> Result<Self, Trouble> {
        if let Some(there) = Self::read_as(dir, name)? {
            return Ok(there);
        }
        let path = dir.join(name);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|e| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", dir.display())))?;
        let (mut seed, mut site) = ([0; 32], [0; 32]);
        random(&mut seed)?;
        random(&mut site)?;
        if let Some(old) = old {
            site = old.secret;
        }
        let text = format!("{FIRST_LINE}\ned25519 {}\nsite {}\n", hex(&seed), hex(&site));
        // Under another name first: a file that is there is a whole one, also after a crash.
        let begun = dir.join(format!("{name}.{}", std::process::id()));
        let unwritable =
            |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display()));
        let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&begun);
        let linked = written
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::hard_link(&begun, &path));
        let removed = std::fs::remove_file(&begun);
        match linked {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(unwritable(e)),
            _ => removed.and_then(|()| File::open(dir)?.sync_all()).map_err(unwritable)?,
        }
        Self::read_as(dir, name)?.ok_or_else(|| wrong(&path, "was removed at once"))
    }

    /// The public half of the key that signs.
    pub(crate) fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        public
    }

    /// What is kept of a key of an object instead of it.
    pub(crate) fn hashed(&self, key: &[u8]) -> Vec<u8> {
        hmac::sign(&self.site, key).as_ref().to_vec()
    }

    /// Signs a checkpoint.
    pub(crate) fn sign(&self, ledger: LedgerId, seq: u64, at: Moment, writes: u64, hash: Hash) -> Checkpoint {
        let mut checkpoint =
            Checkpoint { ledger, seq, at, writes, hash, public_key: self.public(), signature: [0; 64] };
        let signature = self.pair.sign(&checkpoint.signed_text());
        checkpoint.signature.copy_from_slice(signature.as_ref());
        checkpoint
    }
}
