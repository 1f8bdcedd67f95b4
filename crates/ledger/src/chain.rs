//! The chain: how an entry becomes bytes, and how each one holds the one before. README.md has it in words, and an auditor's program is written from those.

use crate::asked::{Run, RunStart};
use crate::entry::{Entry, Genesis, Salt};
use crate::fact::Fact;
use crate::hash::{FORM, GENESIS, Hash, LINK, RUN, SUBJECT};
use crate::kind::Keys;
use crate::moment::Moment;

/// The length that stands for a member that is not there.
const NOTHING: u32 = u32::MAX;

/// What the chain has of a key: with the salt gone, nobody can find the key by trying.
pub(crate) fn commitment(salt: &Salt, key: &[u8]) -> Hash {
    Hash::of(&[salt, key])
}

/// One field: four bytes of length, then the bytes.
pub(crate) fn field(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.extend(NOTHING.to_be_bytes()),
        Some(bytes) => {
            // Texts of this length are refused where they come in.
            out.extend(u32::try_from(bytes.len()).unwrap_or(NOTHING - 1).to_be_bytes());
            out.extend(bytes);
        }
    }
}

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    field(out, text.map(str::as_bytes));
}

fn number(out: &mut Vec<u8>, number: Option<u64>) {
    field(out, number.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
}

fn moment(out: &mut Vec<u8>, moment: Option<Moment>) {
    field(out, moment.map(|m| m.as_millis().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
}

/// The canonical form of what an entry says. `out` is emptied first.
pub(crate) fn canonical(out: &mut Vec<u8>, fact: &Fact, keys: Keys, commitment: Option<&Hash>) {
    out.clear();
    out.extend([SUBJECT, FORM]);
    text(out, fact.source.as_deref());
    text(out, fact.dialect.as_deref());
    text(out, fact.bucket.as_deref());
    text(out, fact.namespace.as_deref());
    text(out, fact.unit.as_deref());
    text(out, Some(keys.name()));
    field(out, commitment.map(|hash| hash.0.as_slice()));
    text(out, fact.version.as_deref());
    text(out, fact.etag.as_deref());
    number(out, fact.size);
    moment(out, fact.event_time);
    moment(out, fact.received_time);
    moment(out, fact.settled_time);
    number(out, fact.attempts);
    text(out, fact.correlation_id.as_deref());
    text(out, fact.origin.map(|origin| origin.name()));
    text(out, fact.actor.as_deref());
    number(out, fact.count);
    text(out, fact.reason.as_deref());
    number(out, fact.about);
    text(out, fact.file_id.as_deref());
    text(out, fact.result.as_deref());
    text(out, fact.file_state.as_deref());
    moment(out, fact.scan_time);
    text(out, fact.confidence.as_deref());
    field(out, fact.digest.as_ref().map(|hash| hash.0.as_slice()));
    text(out, fact.detail.as_deref());
}

/// What an entry says, as one hash. `buffer` is room to work in.
pub(crate) fn subject(buffer: &mut Vec<u8>, fact: &Fact, keys: Keys, commitment: Option<&Hash>) -> Hash {
    canonical(buffer, fact, keys, commitment);
    Hash::of(&[buffer])
}

/// The same of an entry that was kept, whether its key is still there or not.
pub(crate) fn subject_of(buffer: &mut Vec<u8>, entry: &Entry) -> Hash {
    let now = match (&entry.fact.key, &entry.salt) {
        (Some(key), Some(salt)) => Some(commitment(salt, key)),
        _ => entry.commitment,
    };
    subject(buffer, &entry.fact, entry.keys, now.as_ref())
}

/// The hash of an entry.
pub(crate) fn link(previous: &Hash, seq: u64, at: Moment, kind: &str, subject: &Hash) -> Hash {
    let length = u32::try_from(kind.len()).unwrap_or(NOTHING);
    Hash::of(&[
        &[LINK],
        &previous.0,
        &seq.to_be_bytes(),
        &at.as_millis().to_be_bytes(),
        &length.to_be_bytes(),
        kind.as_bytes(),
        &subject.0,
    ])
}

/// The hash before the first entry.
pub(crate) fn genesis(genesis: &Genesis) -> Hash {
    Hash::of(&[
        &[GENESIS],
        &genesis.ledger.0,
        &genesis.created.as_millis().to_be_bytes(),
        &genesis.public_key,
    ])
}

/// What a run comes to: what it was begun with, how it ended and what it reports. Its entry has this as its digest.
pub(crate) fn run_digest(run: &Run, state: &str) -> Hash {
    let RunStart { actor, store, bucket, route, question } = &run.start;
    let mut out = vec![RUN, FORM];
    text(&mut out, Some(actor));
    text(&mut out, Some(store));
    text(&mut out, Some(bucket));
    text(&mut out, route.as_deref());
    text(&mut out, Some(question));
    moment(&mut out, Some(run.begun));
    text(&mut out, Some(state));
    text(&mut out, Some(&run.report));
    Hash::of(&[&out])
}
