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
/// are more of them than the memory holds, or more bytes: then the source that has most forgets those first that would
/// have gone first, so that a busy one does not push out what the others have.
///
/// ```
/// use mdss_relay_gate::Replays;
///
/// let replays = Replays::<u16>::new(10_000, 1 << 20);
/// assert!(replays.is_empty());
/// ```
#[derive(Debug)]
pub struct Replays<T> {
    most: usize,
    most_bytes: usize,
    answers: HashMap<[u8; 32], Remembered<T>>,
    shelves: HashMap<String, Shelf>,
    bytes: usize,
    count: u64,
}

#[derive(Debug)]
struct Remembered<T> {
    answer: T,
    bytes: usize,
    until: Timestamp,
}

/// What one source has.
#[derive(Debug, Default)]
struct Shelf {
    /// In the order in which they end. The number tells those apart that end at the same moment.
    ends: BTreeMap<(Timestamp, u64), [u8; 32]>,
    bytes: usize,
}

/// What an answer takes beside its own bytes.
const OVERHEAD: usize = 200;

impl<T: Clone> Replays<T> {
    /// A memory of at most `most` answers (at least one) of at most `most_bytes` together. Each counts as 200 bytes and its
    /// own size.
    #[must_use]
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most: most.max(1),
            most_bytes,
            answers: HashMap::new(),
            shelves: HashMap::new(),
            bytes: 0,
            count: 0,
        }
    }

    /// The answer that was given to this request before, if it was posted to the same source.
    #[must_use]
    pub fn find(&self, source: &str, key: &ReplayKey, now: Timestamp) -> Option<T> {
        let found = self.answers.get(&place(source, key))?;
        (now <= found.until).then(|| found.answer.clone())
    }

    /// Writes down a 2xx whose answer takes so many `bytes`. The answer that is there already stays; one that is larger than
    /// the whole memory is not taken.
    pub fn remember(&mut self, source: &str, key: &ReplayKey, answer: T, bytes: usize, now: Timestamp) {
        let (place, bytes) = (place(source, key), bytes.saturating_add(OVERHEAD));
        self.forget_old(now);
        if key.until < now || self.answers.contains_key(&place) || bytes > self.most_bytes {
            return;
        }
        while self.answers.len() >= self.most || self.bytes + bytes > self.most_bytes {
            if !self.forget_one() {
                return;
            }
        }
        self.count += 1;
        let shelf = self.shelves.entry(source.to_owned()).or_default();
        shelf.ends.insert((key.until, self.count), place);
        shelf.bytes += bytes;
        self.bytes += bytes;
        self.answers.insert(place, Remembered { answer, bytes, until: key.until });
    }

    fn forget_old(&mut self, now: Timestamp) {
        let Self { shelves, answers, bytes, .. } = self;
        shelves.retain(|_, shelf| {
            while shelf.ends.first_key_value().is_some_and(|((until, _), _)| *until < now) {
                *bytes -= shelf.forget_first(answers);
            }
            !shelf.ends.is_empty()
        });
    }

    /// Of the source that has most. False if there is nothing to forget.
    fn forget_one(&mut self) -> bool {
        // The name decides between equals, so that the same happens every time.
        let largest = self.shelves.iter_mut().max_by_key(|(name, shelf)| (shelf.bytes, name.as_str()));
        let Some((_, shelf)) = largest else { return false };
        self.bytes -= shelf.forget_first(&mut self.answers);
        self.shelves.retain(|_, shelf| !shelf.ends.is_empty());
        true
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

impl Shelf {
    /// The bytes that are free now.
    fn forget_first<T>(&mut self, answers: &mut HashMap<[u8; 32], Remembered<T>>) -> usize {
        let Some((_, place)) = self.ends.pop_first() else { return 0 };
        let bytes = answers.remove(&place).map_or(0, |gone| gone.bytes);
        self.bytes -= bytes;
        bytes
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
        let mut replays = Replays::new(8, 1 << 20);
        replays.remember("jd", &key("id", "body", 60), 200, 0, at(0));
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
        let mut replays = Replays::new(8, 1 << 20);
        let first = key("1", "", 60);
        replays.remember("jd", &first, "first", 0, at(0));
        // The first answer is the one that was given.
        replays.remember("jd", &first, "second", 0, at(1));
        assert_eq!(replays.find("jd", &first, at(60)), Some("first"));
        assert_eq!(replays.find("jd", &first, at(61)), None);
        // What has ended makes room, and what has ended already is not taken in.
        replays.remember("jd", &key("2", "", 120), "", 0, at(61));
        replays.remember("jd", &key("3", "", 60), "", 0, at(61));
        assert_eq!((replays.len(), replays.bytes), (1, OVERHEAD));
        replays.remember("jd", &first, "again", 0, at(30));
        assert_eq!(replays.find("jd", &first, at(30)), Some("again"));
    }

    #[test]
    fn a_full_memory_forgets_what_ends_first() {
        let mut replays = Replays::new(3, 1 << 20);
        for (id, until) in [("a", 30), ("b", 10), ("c", 10), ("d", 20)] {
            replays.remember("jd", &key(id, "", until), id, 0, at(0));
        }
        // What is there already pushes nothing out.
        replays.remember("jd", &key("d", "", 20), "d", 0, at(0));
        let left: Vec<_> = ["a", "b", "c", "d"]
            .into_iter()
            .filter(|id| replays.find("jd", &key(id, "", 0), at(0)).is_some())
            .collect();
        assert_eq!(left, ["a", "c", "d"]);
        assert!(!replays.is_empty() && replays.shelves["jd"].ends.len() == 3);
        // A memory for nothing would be a mistake; it remembers one.
        let mut smallest = Replays::new(0, 1 << 20);
        smallest.remember("jd", &key("a", "", 30), (), 0, at(0));
        smallest.remember("jd", &key("b", "", 30), (), 0, at(0));
        assert_eq!((smallest.len(), smallest.find("jd", &key("b", "", 30), at(0))), (1, Some(())));
    }

    #[test]
    fn bytes_are_bounded_and_the_source_that_has_most_of_them_makes_room() {
        let mut replays = Replays::new(1000, 10 * (100 + OVERHEAD));
        replays.remember("small", &key("s", "", 10), 's', 100, at(0));
        for n in 0..50 {
            replays.remember("large", &key(&n.to_string(), "", 20 + n), 'l', 100, at(0));
        }
        assert_eq!((replays.len(), replays.bytes), (10, replays.most_bytes));
        assert_eq!(replays.find("small", &key("s", "", 10), at(0)), Some('s'), "although it would end first");
        assert_eq!(replays.find("large", &key("40", "", 60), at(0)), None);
        assert_eq!(replays.find("large", &key("41", "", 61), at(0)), Some('l'));
        // One that is larger than all is not worth all the others.
        replays.remember("large", &key("huge", "", 99), 'h', replays.most_bytes, at(0));
        assert_eq!(replays.len(), 10);
        replays.remember("large", &key("half", "", 99), 'h', replays.most_bytes / 2, at(0));
        assert!(
            replays.bytes <= replays.most_bytes && replays.find("small", &key("s", "", 10), at(0)).is_some()
        );
        replays.remember("new", &key("n", "", 200), 'n', 0, at(100));
        assert_eq!((replays.len(), replays.bytes, replays.shelves.len()), (1, OVERHEAD, 1));
    }

    #[test]
    fn debug_shows_no_id() {
        assert_eq!(format!("{:?}", key("s3cret", "body", 0)), "ReplayKey(until 2026-11-21T12:00:00Z)");
    }
}
