//! Erases keys: the chain goes on with what it has of them, and nobody can find them by trying, because the salt is gone as well.

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::file::File;
use super::look::places;
use super::pen::Pen;
use crate::asked::{Forget, Forgotten, Which};
use crate::audit::erased_digest;
use crate::chain;
use crate::entry::Salt;
use crate::fact::Fact;
use crate::hash::Hash;
use crate::kind::{Keys, Kind};
use crate::trouble::Trouble;

/// Keys that are erased in one transaction: a relay that appends meanwhile waits for one.
const STEP: usize = 5000;

pub(super) fn forget(file: &File, forget: &Forget) -> Result<Forgotten, Trouble> {
    const DOING: &str = "erasing keys";
    let mut forgotten = Forgotten::default();
    loop {
        let (erased, checkpoint) = file.write(DOING, |pen| {
            let erased = step(pen, forget)?;
            Ok((erased, if erased == STEP { None } else { pen.checkpoint(true)? }))
        })?;
        forgotten.entries += erased as u64;
        forgotten.checkpoint = checkpoint;
        if erased < STEP {
            break;
        }
    }
    forgotten.results = file.write(DOING, |pen| raw(pen, &forget.which))?;
    forgotten.log_emptied = file.with_writer(DOING, |db| Ok(empty_log(db)?))?;
    Ok(forgotten)
}

/// Erases the next of them, and writes who did it and why. An entry has the numbers of its erased entries as a digest, so nobody can erase another one
/// in its name.
fn step(pen: &mut Pen<'_>, forget: &Forget) -> Result<usize, Fault> {
    let by = pen.seq().saturating_add(1);
    let mut found: Vec<(i64, Vec<u8>, Salt)> = Vec::new();
    for (place, keys) in places(pen.tx, &forget.bucket)? {
        let (from, prefix) = match (&forget.which, keys) {
            (Which::Prefix(prefix), Keys::Clear) => (prefix.clone(), true),
            (Which::Key(key), Keys::Clear) => (key.clone(), false),
            (Which::Key(key), Keys::Hashed) => (pen.key().hashed(key), false),
            // All of them is a prefix that hashing leaves as it is.
            (Which::Prefix(prefix), Keys::Hashed) if prefix.is_empty() => (Vec::new(), true),
            (Which::Prefix(_), Keys::Hashed) => {
                return Err(Fault::refused(
                    "keys of this bucket are hashed, so only a whole key can be found among them, not what keys begin with",
                ));
            }
            (_, Keys::Off) => continue,
        };
        let mut statement = pen.tx.prepare_cached(
            "SELECT seq, key, salt FROM entry WHERE place = ?1 AND key >= ?2 AND key IS NOT NULL ORDER BY key LIMIT ?3",
        )?;
        let mut rows = statement.query(params![place, from, (STEP - found.len()) as i64])?;
        while let Some(row) = rows.next()? {
            let key: Vec<u8> = row.get(1)?;
            if !(if prefix { key.starts_with(&from) } else { key == from }) {
                break;
            }
            found.push((row.get(0)?, key, row.get(2)?));
        }
        if found.len() == STEP {
            break;
        }
    }
    if found.is_empty() {
        return Ok(0);
    }
    found.sort_unstable_by_key(|(seq, _, _)| *seq);
    let mut erase = pen.tx.prepare_cached(
        "UPDATE entry SET key = NULL, salt = NULL, commitment = ?2, forgotten_by = ?3 WHERE seq = ?1",
    )?;
    let mut digest = erased_digest();
    for (seq, key, salt) in &found {
        erase.execute(params![seq, chain::commitment(salt, key).0, by.cast_signed()])?;
        digest.update(&seq.to_be_bytes());
    }
    let bucket = &forget.bucket;
    pen.write(&Fact {
        bucket: Some(bucket.bucket.as_str().into()),
        namespace: bucket.namespace.as_deref().map(Into::into),
        actor: Some(forget.actor.clone()),
        reason: Some(forget.reason.clone()),
        count: Some(found.len() as u64),
        about: found.first().map(|(seq, _, _)| seq.cast_unsigned()),
        digest: Some(Hash::finish(digest)),
        ..Fact::new(Kind::Forgotten, pen.now())
    })?;
    Ok(found.len())
}

/// Removes results that have matched nothing and may be about such a key. MDSS does not say their bucket, and a path may have something in front of the
/// key, or leave out where it begins, so more are removed rather than fewer; they are kept for thirty days at most anyway.
fn raw(pen: &mut Pen<'_>, which: &Which) -> Result<u64, Fault> {
    let (Which::Prefix(text) | Which::Key(text)) = which;
    let text = String::from_utf8_lossy(text);
    let removed = pen
        .tx
        .prepare_cached("DELETE FROM result_raw WHERE path IS NULL OR instr(path, ?1) > 0 OR instr(?1, ltrim(path, '/')) > 0 OR ?1 = ''")?
        .execute([text.trim_start_matches('/')])?;
    Ok(removed as u64)
}

/// Puts the log into the file and cuts it to nothing: it has pages of before. False if somebody reads.
fn empty_log(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map(|busy: i64| busy == 0)
}
