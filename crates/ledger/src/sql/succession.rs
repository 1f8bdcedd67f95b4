//! A key that is replaced: the chains end under the old one, and a new one begins that says so.
//!
//! What is said afterwards about writes of an old chain (results, keys that were erased, entries that were removed) stands in that chain still, behind the
//! entry at which it ended, and is signed by the new key.

use super::row::ChainRow;
use crate::audit::key_at;
use crate::chains::Chain;
use crate::checkpoint::Checkpoint;
use crate::db::{Db, Fault, Param, args};
use crate::entry::Genesis;
use crate::hash::{Hash, hex};
use crate::moment::Moment;
use crate::trouble::{Trouble, TroubleKind};

/// The reason of the first entries of a successor.
pub(super) const SUCCEEDS: &str = "chain_succeeds";

/// Up to where a chain is signed by an old key.
#[derive(Clone, Debug)]
pub(crate) struct Succession {
    /// The number of the entry that says so, in the successor.
    pub(crate) entry: i64,
    pub(crate) chain: Chain,
    /// The last entry under that key, and its hash.
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
    pub(crate) public_key: [u8; 32],
}

/// All of them, in the order in which they came.
pub(crate) fn all(db: Db<'_>) -> Result<Vec<Succession>, Fault> {
    if !db.has_successions()? {
        return Ok(Vec::new());
    }
    db.all("SELECT entry, chain, seq, hash, public_key FROM succession ORDER BY entry", &[], |row| {
        Ok(Succession {
            entry: row.count(0)?,
            chain: Chain(row.count(1)?),
            seq: row.count(2)?.cast_unsigned(),
            hash: row.hash(3)?.unwrap_or_default(),
            public_key: row.bytes(4)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
        })
    })
}

/// The public half of the key that signs now; `None` if no chain was begun.
pub(crate) fn signing_key(db: Db<'_>) -> Result<Option<[u8; 32]>, Fault> {
    let of = all(db)?.last().map_or(Chain::FIRST, |last| Chain::of(last.entry));
    Ok(ChainRow::read(db, of)?.map(|chain| chain.genesis.public_key))
}

/// The same of tables of today's version, in one question.
pub(super) fn is_signing_key(db: Db<'_>, public: &[u8; 32]) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM chain WHERE id = coalesce((SELECT max(entry) >> 40 FROM succession), 0) + ?1 AND public_key = ?2";
    db.is_there(sql, args![db.row_of(Chain::FIRST), &public[..]])
}

/// The keys that sign a chain: each with the last entry that it is good for.
pub(crate) fn keys_of(db: Db<'_>, all: &[Succession], of: Chain) -> Result<Vec<(u64, [u8; 32])>, Fault> {
    let mut keys: Vec<_> =
        all.iter().filter(|one| one.chain == of).map(|one| (one.seq, one.public_key)).collect();
    let last = match all.iter().rfind(|one| one.chain == of) {
        Some(last) => Chain::of(last.entry),
        None => of,
    };
    let chain = ChainRow::read(db, last)?;
    keys.push((u64::MAX, chain.map(|chain| chain.genesis.public_key).unwrap_or_default()));
    Ok(keys)
}

/// The last entry of a chain that an old key signs; 0 if there is none.
pub(super) fn ended_at(db: Db<'_>, of: Chain) -> Result<u64, Fault> {
    Ok(db.number("SELECT max(seq) FROM succession WHERE chain = ?1", args![of.0])?.cast_unsigned())
}

/// Checkpoints that a condition holds for, in the order of their chain.
pub(super) fn checkpoints(
    db: Db<'_>,
    genesis: &Genesis,
    condition: &str,
    args: &[Param<'_>],
) -> Result<Vec<Checkpoint>, Fault> {
    let successions = all(db)?;
    let mut keys = None;
    if !successions.is_empty() {
        let of = ChainRow::all(db)?.into_iter().find(|(_, chain)| chain.genesis.ledger == genesis.ledger);
        if let Some((of, _)) = of {
            keys = Some(keys_of(db, &successions, of)?);
        }
    }
    let sql =
        format!("SELECT seq, at, writes, hash, signature FROM checkpoint WHERE {condition} ORDER BY seq");
    db.all(&sql, args, |row| {
        Ok(Checkpoint {
            ledger: genesis.ledger,
            seq: db.seq_of(row.count(0)?),
            at: Moment::from_millis(row.count(1)?),
            writes: row.count(2)?.cast_unsigned(),
            hash: row.hash(3)?.unwrap_or_default(),
            public_key: match &keys {
                Some(keys) => key_at(keys, db.seq_of(row.count(0)?)),
                None => genesis.public_key,
            },
            signature: row.bytes(4)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 64]),
        })
    })
}

/// What does not fit in what is said about a chain's keys: sentences, by the entry of that chain.
pub(crate) fn faults(db: Db<'_>, of: Chain, base: u64, from: u64) -> Result<Vec<(u64, String)>, Fault> {
    let all = all(db)?;
    let chains = ChainRow::all(db)?;
    let named = |of: Chain| chains.iter().find(|(chain, _)| *chain == of).map(|(_, chain)| chain.genesis);
    let mut faults = Vec::new();
    let Some(genesis) = named(of) else { return Ok(faults) };
    // A key that the ledger was not begun with must have come by a succession.
    let given = all
        .iter()
        .any(|one| named(Chain::of(one.entry)).is_some_and(|it| it.public_key == genesis.public_key));
    if named(Chain::FIRST).is_some_and(|first| first.public_key != genesis.public_key) && !given {
        faults
            .push((0, "its key is not the ledger's, and no entry says that the key was replaced".to_owned()));
    }
    let mut key = genesis.public_key;
    let what = "SELECT at, digest, detail FROM entry WHERE seq = ?1 AND kind = 7 AND reason = ?2";
    for one in all.iter().filter(|one| one.chain == of) {
        let by = Chain::of(one.entry);
        let successor = named(by);
        let told = db.first(what, args![one.entry, SUCCEEDS], |row| Ok((row.hash(1)?, row.text(2)?)))?;
        let begun = successor.and(ChainRow::read(db, by)?).map_or(0, |chain| chain.base);
        let says = |text: &str, name: &str| {
            let found: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            found.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let fits = told.as_ref().is_some_and(|(digest, detail)| {
            let detail = detail.as_deref().unwrap_or_default();
            *digest == Some(one.hash)
                && says(detail, "ledger") == Some(genesis.ledger.to_string())
                && says(detail, "seq") == Some(one.seq.to_string())
                && says(detail, "public_key") == Some(hex(&one.public_key))
        });
        // An entry that was removed because of its age says nothing any more.
        if !fits && (told.is_some() || Chain::seq(one.entry) > begun) {
            faults.push((
                one.seq,
                "the entry of the successor about the end of this chain is gone, or says something else"
                    .to_owned(),
            ));
        }
        if one.public_key != key {
            faults.push((one.seq, "it is said to have ended under a key that did not sign it".to_owned()));
        }
        let sql = "SELECT hash FROM entry WHERE seq = ?1";
        let there = db.first(sql, args![db.number_of(of, one.seq)], |row| row.hash(0))?.flatten();
        if there != Some(one.hash) && one.seq > base {
            faults.push((
                one.seq,
                "its successor says that the chain ended here with another hash: it was changed or cut off"
                    .to_owned(),
            ));
        }
        key = successor.map(|it| it.public_key).unwrap_or_default();
    }
    // And what this chain says about others.
    let (first, last) = db.range(of);
    let sql = "SELECT seq FROM entry WHERE kind = 7 AND reason = ?1 AND seq BETWEEN ?2 AND ?3";
    let begin = db.number_of(of, from.max(1)).max(first);
    for number in db.all(sql, args![SUCCEEDS, begin, last], |row| row.count(0))? {
        if !all.iter().any(|one| one.entry == number) {
            faults.push((
                db.seq_of(number),
                "it says that another chain ended, and that one does not know it".to_owned(),
            ));
        }
    }
    Ok(faults)
}

/// The sentence for whoever has another key than the one that signs now.
pub(crate) fn another_key(file: &str) -> Fault {
    let detail = format!(
        "{file} is not the key that signs this ledger now. Copy the one that does from a backup or from another relay. If there is none, or somebody else has it: `mdss-relay ledger rekey`, which also ends one that was interrupted"
    );
    Trouble::new(TroubleKind::Key, detail).into()
}
