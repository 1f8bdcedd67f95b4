//! A key that was lost or leaked is replaced: first a new one is made beside it, then one transaction ends the chains and begins a new one, then the file
//! takes the place of the old one. Whatever interrupts it, the same command goes on from there.

use std::path::Path;

use crate::asked::{Rekey, Rekeyed};
use crate::db::{Db, Fault};
use crate::keyfile::KeyFile;
use crate::place::Options;
use crate::sql::Ink;
use crate::sql::succeed::{By, succeed};
use crate::sql::succession::signing_key;
use crate::trouble::{Trouble, TroubleKind};

fn refused(detail: &str) -> Trouble {
    Trouble::new(TroubleKind::Refused, detail)
}

/// Replaces the key of a directory; `write` runs a transaction, with the old key if it is there, and says whether it has changed anything.
pub(crate) fn rekey(
    dir: &Path,
    asked: &Rekey,
    write: impl FnOnce(Option<&KeyFile>, &KeyFile) -> Result<bool, Trouble>,
) -> Result<Rekeyed, Trouble> {
    // One that was lost may also be a file that nobody can read any more.
    let old = match KeyFile::read(dir) {
        Err(_) if asked.lost => None,
        old => old?,
    };
    let begun = KeyFile::next(dir)?.is_some();
    if old.is_none() && !asked.lost && !begun {
        return Err(refused(
            "there is no ledger.key that could sign the end of the chain. Put it back from a backup; if there is none, say --lost",
        ));
    }
    let next = KeyFile::make_next(dir, old.as_ref())?;
    let changed = write(old.as_ref(), &next).inspect_err(|trouble| {
        // Nothing was begun, so nothing is left behind. After other troubles the outcome may be unknown.
        if trouble.kind == TroubleKind::Refused && !begun {
            let _ = KeyFile::remove_next(dir);
        }
    })?;
    KeyFile::put_next(dir)?;
    Ok(Rekeyed { public_key: next.public(), resumed: !changed })
}

/// The transaction. False if an earlier one has done it.
pub(crate) fn in_transaction(
    db: Db<'_>,
    asked: &Rekey,
    options: &Options,
    old: Option<&KeyFile>,
    new: &KeyFile,
) -> Result<bool, Fault> {
    let signing = signing_key(db)?;
    if signing == Some(new.public()) {
        return Ok(false);
    }
    let ink = |key| Ink {
        key,
        keys: options.keys,
        checkpoint_entries: options.checkpoint_entries,
        checkpoint_every: options.checkpoint_every,
        now: options.clock.now(),
    };
    let old = old.filter(|old| signing == Some(old.public()));
    match (old, asked.lost) {
        (None, false) => return Err(refused("the key in ledger.key is not the one that signs this ledger. Put that back from a backup; if there is none, say --lost").into()),
        (Some(_), true) => return Err(refused("the key is not lost: ledger.key is the one that signs this ledger. Without --lost it signs the end of the chain").into()),
        _ => {}
    }
    let by = By { actor: &asked.actor, why: &asked.reason };
    succeed(db, &by, old.map(ink), ink(new))?;
    Ok(true)
}
