//! What was admitted and done already: a repetition gets the same answer and is not forwarded again.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use ring::digest::{Context, SHA256, digest};

/// By which a repetition of a signed request is known: the check, the request's id, and the body. All of them are
/// covered by the signature, so nobody can make one request look like another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayKey {
    hash: [u8; 32],
    until: Timestamp,
}

impl ReplayKey {
    /// `until` is when the check itself will refuse the request for its age.
    pub(crate) fn new(check: &str, id: &[u8], body: &[u8], until: Timestamp) -> Self {
        Self { hash: hash(&[check.as_bytes(), id, digest(&SHA256, body).as_ref()]), until }
    }
}

impl std::fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReplayKey(until {})", self.until)
    }
}

/// SHA-256 over parts, each with its length before it, so that no two lists of parts are the same bytes.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The answers given to requests that must not be forwarded twice; `T` is an answer.
///
/// The adapter writes an answer down only if it was a 2xx: a sender that was told to come again is let through. An
/// answer is kept until the check would refuse the request for its age, so nothing is forgotten too early, unless there
/// are more of them than the memory holds: then those go first that would have gone first.
///
/// ```
/// use mdss_relay_gate::Replays;
///
/// let replays = Replays::<u16>::new(10_000);
/// assert!(replays.is_empty());
/// ```
#[derive(Debug)]
pub struct Replays<T> {
    most: usize,
    answers: HashMap<[u8; 32], (T, (Timestamp, u64))>,
    /// In the order in which they end. The number tells those apart that end at the same moment.
    ends: BTreeMap<(Timestamp, u64), [u8; 32]>,
    count: u64,
}

impl<T: Clone> Replays<T> {
    /// A memory of at most `most` answers (at least one). One takes some 200 bytes and its own size.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), answers: HashMap::new(), ends: BTreeMap::new(), count: 0 }
    }

    /// The answer that was given to this request before, if it was posted to the same source.
    #[must_use]
    pub fn find(&self, source: &str, key: &ReplayKey, now: Timestamp) -> Option<T> {
        let (answer, (until, _)) = self.answers.get(&place(source, key))?;
        (now <= *until).then(|| answer.clone())
    }

    /// Writes down a 2xx. The answer that is there already stays.
    pub fn remember(&mut self, source: &str, key: &ReplayKey, answer: T, now: Timestamp) {
        let place = place(source, key);
        while self.ends.first_key_value().is_some_and(|((until, _), _)| *until < now) {
            self.forget_first();
        }
        if key.until < now || self.answers.contains_key(&place) {
            return;
        }
        if self.answers.len() >= self.most {
            self.forget_first();
        }
        self.count += 1;
        let end = (key.until, self.count);
        self.ends.insert(end, place);
        self.answers.insert(place, (answer, end));
    }

    fn forget_first(&mut self) {
        if let Some((_, place)) = self.ends.pop_first() {
            self.answers.remove(&place);
        }
    }

    /// How many answers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

fn place(source: &str, key: &ReplayKey) -> [u8; 32] {
    hash(&[source.as_bytes(), &key.hash])
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::testing::now;

    fn at(seconds: i64) -> Timestamp {
        now().saturating_add(SignedDuration::from_secs(seconds)).unwrap()
    }

    fn key(id: &str, body: &str, until: i64) -> ReplayKey {
        ReplayKey::new("sns", id.as_bytes(), body.as_bytes(), at(until))
    }

    #[test]
    fn only_the_same_request_to_the_same_source_is_found() {
        let mut replays = Replays::new(8);
        replays.remember("jd", &key("id", "body", 60), 200, at(0));
        for (source, key, expected) in [
            ("jd", key("id", "body", 60), Some(200)),
            // Signed anew, with another date.
            ("jd", key("id", "body", 90), Some(200)),
            ("other", key("id", "body", 60), None),
            ("jd", key("ID", "body", 60), None),
            ("jd", key("id", "Body", 60), None),
            ("jd", key("id", "", 60), None),
            // The same letters, divided otherwise.
            ("jd", ReplayKey::new("sn", b"sid", b"body", at(60)), None),
            ("jd", ReplayKey::new("jdcloud_signature", b"id", b"body", at(60)), None),
        ] {
            assert_eq!(replays.find(source, &key, at(1)), expected, "{source}");
        }
    }

    #[test]
    fn an_answer_is_kept_until_the_check_refuses_by_itself() {
        let mut replays = Replays::new(8);
        let first = key("1", "", 60);
        replays.remember("jd", &first, "first", at(0));
        // The first answer is the one that was given.
        replays.remember("jd", &first, "second", at(1));
        assert_eq!(replays.find("jd", &first, at(60)), Some("first"));
        assert_eq!(replays.find("jd", &first, at(61)), None);
        // What has ended makes room, and what has ended already is not taken in.
        replays.remember("jd", &key("2", "", 120), "", at(61));
        replays.remember("jd", &key("3", "", 60), "", at(61));
        assert_eq!((replays.len(), replays.ends.len()), (1, 1));
        replays.remember("jd", &first, "again", at(30));
        assert_eq!(replays.find("jd", &first, at(30)), Some("again"));
    }

    #[test]
    fn a_full_memory_forgets_what_ends_first() {
        let mut replays = Replays::new(3);
        for (id, until) in [("a", 30), ("b", 10), ("c", 10), ("d", 20)] {
            replays.remember("jd", &key(id, "", until), id, at(0));
        }
        // What is there already pushes nothing out.
        replays.remember("jd", &key("d", "", 20), "d", at(0));
        let left: Vec<_> = ["a", "b", "c", "d"]
            .into_iter()
            .filter(|id| replays.find("jd", &key(id, "", 0), at(0)).is_some())
            .collect();
        assert_eq!(left, ["a", "c", "d"]);
        assert!(!replays.is_empty() && replays.ends.len() == 3);
        // A memory for nothing would be a mistake; it remembers one.
        let mut smallest = Replays::new(0);
        smallest.remember("jd", &key("a", "", 30), (), at(0));
        smallest.remember("jd", &key("b", "", 30), (), at(0));
        assert_eq!((smallest.len(), smallest.find("jd", &key("b", "", 30), at(0))), (1, Some(())));
    }

    #[test]
    fn debug_shows_no_id() {
        assert_eq!(format!("{:?}", key("s3cret", "body", 0)), "ReplayKey(until 2026-11-21T12:00:00Z)");
    }
}
