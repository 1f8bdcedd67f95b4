//! Ends the chains of a key and begins the one of the next.

use serde_json::json;

use super::pen::{Ink, Pen, Places};
use super::row::ChainRow;
use super::succession::{SUCCEEDS, all, signing_key};
use crate::chains::Chain;
use crate::db::{Db, Fault, args};
use crate::entry::LedgerId;
use crate::fact::Fact;
use crate::hash::hex;
use crate::keyfile::random;
use crate::kind::Kind;

/// The reason of the last entry of a chain under its key.
const ENDS: &str = "chain_ends";

/// What the entry about a chain that is succeeded has as its detail.
fn detail(ledger: LedgerId, seq: u64, public_key: &[u8; 32], why: &str, signed: bool) -> String {
    json!({ "ledger": ledger.to_string(), "seq": seq, "public_key": hex(public_key), "signed": signed, "why": why })
        .to_string()
}

/// Who replaces a key, and why.
pub(crate) struct By<'b> {
    pub(crate) actor: &'b str,
    pub(crate) why: &'b str,
}

/// Ends all chains, with a last checkpoint by the old key if it is there, and begins one that the new key signs.
pub(crate) fn succeed(db: Db<'_>, by: &By<'_>, old: Option<Ink<'_>>, new: Ink<'_>) -> Result<Chain, Fault> {
    let before = all(db)?;
    let Some(signing) = signing_key(db)? else { return Err(Fault::refused("no chain was begun yet")) };
    let chains = ChainRow::all(db)?;
    let own = Chain(chains.last().map_or(0, |(of, _)| of.0 + 1));
    let mut ledger = [0_u8; 16];
    random(&mut ledger)?;
    let (public, now, signed) = (new.key.public(), new.now, old.is_some());
    let mut places = Places::new();
    // Without the old key nothing is signed, so that the new one is in the pen is no matter.
    let ink = match &old {
        Some(old) => Ink { key: old.key, ..*old },
        None => Ink { key: new.key, ..new },
    };
    let mut pen = Pen::of(db, Chain::FIRST, &mut places, ink);
    let mut ends = Vec::new();
    for (of, chain) in &chains {
        if !before.iter().any(|one| one.chain == *of) {
            let next =
                json!({ "ledger": LedgerId(ledger).to_string(), "public_key": hex(&public), "why": by.why });
            let fact = Fact {
                actor: Some(by.actor.to_owned()),
                reason: Some(ENDS.to_owned()),
                detail: Some(next.to_string()),
                ..Fact::new(Kind::Settings, now)
            };
            pen.write_into(*of, &fact, None)?;
        }
        if signed {
            pen.checkpoint(*of, true)?;
        }
        let end = pen.end(*of)?;
        ends.push((*of, chain.genesis.ledger, end.seq, end.hash));
    }
    pen.put_down()?;
    db.execute(
        "INSERT INTO chain (id, ledger, created, public_key, base, writes) VALUES (?1, ?2, ?3, ?4, 0, 0)",
        args![db.row_of(own), &ledger[..], now, &public[..]],
    )?;
    let mut places = Places::new();
    let mut pen = Pen::of(db, own, &mut places, new);
    for (of, name, seq, hash) in ends {
        let fact = Fact {
            actor: Some(by.actor.to_owned()),
            reason: Some(SUCCEEDS.to_owned()),
            digest: Some(hash),
            detail: Some(detail(name, seq, &signing, by.why, signed)),
            ..Fact::new(Kind::Settings, now)
        };
        let entry = pen.write_into(own, &fact, None)?;
        db.execute(
            "INSERT INTO succession (entry, chain, seq, hash, public_key) VALUES (?1, ?2, ?3, ?4, ?5)",
            args![db.number_of(own, entry), of.0, seq, &hash, &signing[..]],
        )?;
    }
    pen.checkpoint(own, true)?;
    pen.put_down()?;
    Ok(own)
}
