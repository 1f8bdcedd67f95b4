//! Checkpoints: a signed word about where the chain stood. One that somebody else holds proves what came before it.

use std::fmt;

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::entry::LedgerId;
use crate::hash::{CHECKPOINT, Hash, from_hex, hex};
use crate::moment::Moment;

/// How its text begins, wherever it stands: a line of its own, a member of a JSON line, somebody's log.
const MARK: &str = "mdss-relay-checkpoint:1:";

/// A signed word about where a chain stood. Its text ([`fmt::Display`]) has no blank and no character that JSON would escape:
///
/// `mdss-relay-checkpoint:1:LEDGER:SEQ:MILLIS:WRITES:HASH:PUBLIC_KEY:SIGNATURE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose.
    pub ledger: LedgerId,
    /// The number of the last entry that it covers.
    pub seq: u64,
    /// When it was signed.
    pub at: Moment,
    /// Accepted writes up to there, since the chain began.
    pub writes: u64,
    /// The hash of that entry.
    pub hash: Hash,
    /// The public half of the Ed25519 key that signed it.
    pub public_key: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// What is signed.
    pub(crate) fn signed_text(&self) -> Vec<u8> {
        let mut text = vec![CHECKPOINT];
        text.extend(self.ledger.0);
        text.extend(self.seq.to_be_bytes());
        text.extend(self.at.as_millis().to_be_bytes());
        text.extend(self.writes.to_be_bytes());
        text.extend(self.hash.0);
        text
    }

    /// Whether the signature is that of the key it names.
    pub fn is_signed(&self) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(&self.signed_text(), &self.signature)
            .is_ok()
    }

    /// What the entry about it has as its digest.
    pub(crate) fn digest(&self) -> Hash {
        Hash::of(&[&self.signed_text(), &self.signature])
    }

    /// Every checkpoint in a text: its own lines, JSON lines of the relay's log, or whatever a log store has made of those. The second
    /// number is how many begin like one and are none.
    pub fn find(text: &str) -> (Vec<Self>, usize) {
        let mut found = Vec::new();
        let mut broken = 0;
        for (at, _) in text.match_indices(MARK) {
            let rest = &text[at + MARK.len()..];
            let end =
                rest.find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '-')).unwrap_or(rest.len());
            match Self::parts(&rest[..end]) {
                Some(checkpoint) if !found.contains(&checkpoint) => found.push(checkpoint),
                Some(_) => {}
                None => broken += 1,
            }
        }
        (found, broken)
    }

    fn parts(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut next = || parts.next();
        let checkpoint = Self {
            ledger: LedgerId::read(next()?)?,
            seq: next()?.parse().ok()?,
            at: Moment::from_millis(next()?.parse().ok()?),
            writes: next()?.parse().ok()?,
            hash: Hash::read(next()?)?,
            public_key: from_hex(next()?)?.try_into().ok()?,
            signature: from_hex(next()?)?.try_into().ok()?,
        };
        parts.next().is_none().then_some(checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, seq, at, writes, hash, public_key, signature } = self;
        let (public_key, signature) = (hex(public_key), hex(signature));
        write!(f, "{MARK}{ledger}:{seq}:{}:{writes}:{hash}:{public_key}:{signature}", at.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            ledger: LedgerId([1; 16]),
            seq: 10_000,
            at: Moment::from_millis(-5),
            writes: 9_998,
            hash: Hash([2; 32]),
            public_key: [3; 32],
            signature: [4; 64],
        }
    }

    #[test]
    fn a_checkpoint_is_found_wherever_its_text_stands() {
        let text = checkpoint().to_string();
        for around in [
            text.clone(),
            format!("{text}\n"),
            format!(
                r#"{{"timestamp":"2026-11-27T02:00:00Z","mdss.ledger.checkpoint":"{text}","target":"x"}}"#
            ),
            format!(r#"{{"log":"{{\"mdss.ledger.checkpoint\":\"{text}\"}}\n"}}"#),
            format!("Nov 27 relay[1]: ledger checkpoint mdss.ledger.checkpoint={text} {text}"),
        ] {
            assert_eq!(Checkpoint::find(&around), (vec![checkpoint()], 0), "{around}");
        }
        for broken in [
            &text[..text.len() - 1],
            "mdss-relay-checkpoint:1:",
            &format!("{text}:1"),
            &text.replace(":10000:", ":x:"),
        ] {
            assert_eq!(Checkpoint::find(broken), (vec![], 1), "{broken}");
        }
        assert!(!checkpoint().is_signed());
    }

    proptest! {
        #[test]
        fn any_text_is_searched_without_a_panic(text in "(mdss-relay-checkpoint:1:|[0-9a-f:]{0,9}|\\PC){0,9}") {
            let _ = Checkpoint::find(&text);
        }
    }
}
