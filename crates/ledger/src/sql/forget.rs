//! Erases keys: the chain goes on with what it has of them, and nobody can find them by trying, because the salt is gone as well.

use super::look::places;
use super::pen::Pen;
use super::row::ChainRow;
use super::runs;
use crate::asked::{Forget, Which};
use crate::audit::erased_digest;
use crate::chain;
use crate::chains::Chain;
use crate::db::{Fault, args};
use crate::entry::Salt;
use crate::fact::Fact;
use crate::hash::Hash;
use crate::kind::{Keys, Kind};

/// Keys that are erased in one transaction: a relay that appends meanwhile waits for one.
pub(crate) const STEP: usize = 5000;

/// Erases the next of them, chain by chain: each has its own entry about it. Gives how many; fewer than [`STEP`] are the last.
pub(crate) fn step(pen: &mut Pen<'_>, forget: &Forget) -> Result<usize, Fault> {
    let mut all = 0;
    for (of, _) in ChainRow::all(pen.db)? {
        all += of_chain(pen, of, forget, STEP - all)?;
        if all == STEP {
            break;
        }
    }
    Ok(all)
}

/// Erases the next of them, and writes who did it and why. An entry has the numbers of its erased entries as a digest, so nobody can erase another one
/// in its name.
fn of_chain(pen: &mut Pen<'_>, of: Chain, forget: &Forget, most: usize) -> Result<usize, Fault> {
    let db = pen.db;
    let by = pen.end(of)?.seq.saturating_add(1);
    let mut found: Vec<(i64, Vec<u8>, Salt)> = Vec::new();
    for (place, keys) in
        places(db, &forget.bucket)?.into_iter().filter(|(place, _)| db.chain_of(*place) == of)
    {
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
        let (behind, order) = (db.key_from("key", "?2"), db.key_order());
        let sql = format!(
            "SELECT seq, key, salt FROM entry WHERE place = ?1 AND {behind} AND key IS NOT NULL ORDER BY {order} LIMIT ?3"
        );
        let mut fits = true;
        db.each(&sql, args![place, &from, most - found.len()], |row| {
            let key = row.bytes(1)?.unwrap_or_default();
            fits &= if prefix { key.starts_with(&from) } else { key == from };
            if fits {
                let salt = row.bytes(2)?.and_then(|salt| salt.try_into().ok()).unwrap_or_default();
                found.push((row.count(0)?, key.to_vec(), salt));
            }
            Ok(fits)
        })?;
        if found.len() == most {
            break;
        }
    }
    if found.is_empty() {
        return Ok(0);
    }
    found.sort_unstable_by_key(|(seq, _, _)| *seq);
    let mut digest = erased_digest();
    let mut left = Vec::with_capacity(found.len());
    for (number, key, salt) in &found {
        left.push((*number, chain::commitment(salt, key)));
        digest.update(&db.seq_of(*number).to_be_bytes());
    }
    db.erase(&left, db.number_of(of, by))?;
    let bucket = &forget.bucket;
    let now = pen.now();
    let fact = Fact {
        bucket: Some(bucket.bucket.as_str().into()),
        namespace: bucket.namespace.as_deref().map(Into::into),
        actor: Some(forget.actor.clone()),
        reason: Some(forget.reason.clone()),
        count: Some(found.len() as u64),
        about: found.first().map(|(seq, _, _)| db.seq_of(*seq)),
        digest: Some(Hash::finish(digest)),
        ..Fact::new(Kind::Forgotten, now)
    };
    pen.write_into(of, &fact, None)?;
    Ok(found.len())
}

/// Removes what is kept of keys elsewhere: how far comparisons of the bucket have come, and results that have matched nothing and may be about such a key. MDSS does not say their bucket, and a path may have something in front of the
/// key, or leave out where it begins, so more are removed rather than fewer; they are kept for thirty days at most anyway.
pub(crate) fn elsewhere(pen: &mut Pen<'_>, forget: &Forget) -> Result<u64, Fault> {
    runs::lose_places(pen, &forget.bucket.bucket)?;
    let (Which::Prefix(text) | Which::Key(text)) = &forget.which;
    let text = String::from_utf8_lossy(text);
    let sql = "DELETE FROM result_raw WHERE path IS NULL OR instr(path, ?1) > 0 OR instr(?1, ltrim(path, '/')) > 0 OR ?1 = ''";
    pen.db.execute(sql, args![text.trim_start_matches('/')])
}
