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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::LedgerId;
    use crate::kind::{Kind, Origin};

    /// Made by a program of a few lines in Python, from README.md. What is written today must be read for ever.
    #[test]
    fn the_form_of_an_entry_never_changes() {
        let mut ledger = LedgerId::default();
        (0..).zip(&mut ledger.0).for_each(|(n, byte)| *byte = n);
        let at = |n: i64| Moment::from_millis(1_795_000_000_000 + n);
        let first = genesis(&Genesis { ledger, created: at(0), public_key: [7; 32] });
        assert_eq!(first.to_string(), "04312902c76d51aee6a4e49288eaecf1978778a7721a0b0bd98f048e2ffa0d42");
        let fact = Fact {
            source: Some("s".into()),
            dialect: Some("minio".into()),
            bucket: Some("invoices".into()),
            unit: Some("u-1".into()),
            version: Some("v".into()),
            etag: Some("e".into()),
            size: Some(7),
            event_time: Some(Moment::from_millis(-1)),
            received_time: Some(at(1)),
            attempts: Some(2),
            correlation_id: Some("c".into()),
            origin: Some(Origin::Reconcile),
            ..Fact::new(Kind::Accepted, at(2))
        };
        let commitment = commitment(&[9; 16], "a b/é.pdf".as_bytes());
        let subject = subject(&mut Vec::new(), &fact, Keys::Clear, Some(&commitment));
        assert_eq!(subject.to_string(), "c75995192459b2d9fc51f5247c1cefe2df2c62c89e164326bbc1a7bfdb2907d9");
        let hash = link(&first, 1, at(3), Kind::Accepted.name(), &subject);
        assert_eq!(hash.to_string(), "7e08800f22cf5637418d4c167c0a5801795d5a4f5546a026a9360b7bf68af52f");
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        prop::option::of("[ab]{0,2}")
    }

    fn fact() -> impl Strategy<Value = Fact> {
        let number = || prop::option::of(0..2_u64);
        (
            (text(), text(), text(), text(), text()),
            (text(), text(), text(), text()),
            (number(), number(), number()),
        )
            .prop_map(
                |(
                    (source, bucket, unit, version, etag),
                    (correlation_id, actor, reason, detail),
                    (size, count, about),
                )| Fact {
                    source: source.map(Into::into),
                    bucket: bucket.map(Into::into),
                    unit: unit.map(Into::into),
                    version,
                    etag,
                    correlation_id,
                    actor,
                    reason,
                    detail,
                    size,
                    count,
                    about,
                    ..Fact::default()
                },
            )
    }

    proptest! {
        /// What is told apart by nobody but the members must be told apart by the bytes.
        #[test]
        fn two_facts_have_the_same_bytes_only_if_they_are_the_same(one in fact(), other in fact()) {
            let bytes = |fact: &Fact| {
                let mut out = Vec::new();
                canonical(&mut out, fact, Keys::Clear, None);
                out
            };
            prop_assert_eq!(bytes(&one) == bytes(&other), one == other);
            // A text that moves from one member to the next.
            let moved = Fact { version: one.etag.clone(), etag: one.version.clone(), ..one.clone() };
            prop_assert_eq!(bytes(&one) == bytes(&moved), one == moved);
        }
    }
}
