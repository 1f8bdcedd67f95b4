//! The keys that were fetched, and how often one may be fetched.
//!
//! The gate asks for a key when a stranger's request names it, so what a stranger can cause is bounded here: a key that
//! is held is fetched again after a day, or, when a signature does not fit it, after five minutes (the certificate at
//! that URL may have been exchanged); one that could not be had is asked for again after five seconds; and of the URLs
//! that no operator has written down, and that have never given a key, at most twelve a minute are asked for at one host. An issuer's key set is fetched again
//! for a key that is not in it, but no sooner than a minute after the last time.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::key::Key;
use crate::key_set::KeySet;
use crate::key_url::{Holds, KeyUrl};

/// A key this old is fetched again. A certificate that was withdrawn is trusted no longer than that.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// While it cannot be fetched again, an old key is still used, but not one this old.
const STALE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A key that is held is fetched again no sooner than this.
const RENEWAL: SignedDuration = SignedDuration::from_mins(5);

/// And a key set no sooner than this: a token that names a new key is refused until it has been fetched.
const SET_RENEWAL: SignedDuration = SignedDuration::from_mins(1);

/// A key that could not be had is asked for again no sooner than this. Short, since JD Cloud gives up after three
/// attempts, "10 to 20 s apart" as its sister service has it.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// At one host, this many fetches in [`SPAN`] of unlisted URLs that have given no key. A sender that is no attacker needs one.
const MOST_FETCHES: usize = 12;
const SPAN: SignedDuration = SignedDuration::from_secs(60);

/// Keys remembered, and as many failures.
const MOST_HELD: usize = 64;

/// The keys that were fetched for one server, and what became of every fetch.
///
/// An adapter makes one for the whole server, and fetches one key at a time for each source: whoever has to wait for
/// another's fetch asks the policy again before it fetches anything, and finds the key. A fetch that has begun is ended
/// and told, even if the sender is gone: what is bounded here is what was told.
#[derive(Debug, Default)]
pub struct Keys {
    held: HashMap<KeyUrl, Held>,
    /// When unlisted URLs without a key were fetched, the oldest first, with the host.
    fetches: VecDeque<(Timestamp, String)>,
}

#[derive(Debug)]
struct Held {
    got: Option<(Got, Timestamp)>,
    asked: Timestamp,
}

/// What a URL has answered with.
#[derive(Debug)]
enum Got {
    Key(Key),
    Set(KeySet),
}

impl Got {
    fn key(&self) -> Option<&Key> {
        match self {
            Self::Key(key) => Some(key),
            Self::Set(_) => None,
        }
    }

    fn set(&self) -> Option<&KeySet> {
        match self {
            Self::Set(set) => Some(set),
            Self::Key(_) => None,
        }
    }
}

/// What can be said of a key, or of a key set, just now.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'k, T> {
    /// It is here. `renewable`: a signature that does not fit it is reason enough to fetch it again. `latest`: the last fetch has
    /// not failed, so nothing newer is known of.
    Here { key: &'k T, renewable: bool, latest: bool },
    /// It has to be fetched.
    Fetch,
    /// It has to be fetched, but not now.
    NotNow(&'static str),
}

impl Keys {
    /// Nothing fetched yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what a URL answered with 200, read up to [`KeyUrl::MAX_BYTES`] and one byte more. Returns warnings for the
    /// log: a weak key, a certificate that has expired.
    ///
    /// # Errors
    ///
    /// What was expected there, if it is no key that can be used. That is remembered as a failed fetch: a broken file
    /// at an operator's URL is not the sender's fault, and the gate says [`Unavailable`](crate::Verdict::Unavailable).
    pub fn store(
        &mut self,
        url: &KeyUrl,
        fetched: &[u8],
        now: Timestamp,
    ) -> Result<Vec<String>, &'static str> {
        let got = match url.holds() {
            _ if fetched.len() > KeyUrl::MAX_BYTES => Err("at most 64 KiB"),
            Holds::Key => Key::first(fetched).map(Got::Key),
            Holds::KeySet => KeySet::read(fetched).map(Got::Set),
        };
        match got {
            Ok(got) => {
                let warnings = match &got {
                    Got::Key(key) => key.warnings(now),
                    Got::Set(_) => Vec::new(),
                };
                self.keep(url, Some(got), now);
                Ok(warnings)
            }
            Err(expected) => {
                self.keep(url, None, now);
                Err(expected)
            }
        }
    }

    /// Remembers that a URL could not be fetched: no answer, an answer other than 200, or too long a one.
    pub fn failed(&mut self, url: &KeyUrl, now: Timestamp) {
        self.keep(url, None, now);
    }

    fn keep(&mut self, url: &KeyUrl, got: Option<Got>, now: Timestamp) {
        let before = self.held.remove(url).and_then(|held| held.got);
        // One that has given a key is no stranger's invention, and whoever names many others must not keep it from being renewed.
        if !url.is_listed() && before.is_none() {
            while self.fetches.front().is_some_and(|(at, _)| apart(*at, now) >= SPAN) {
                self.fetches.pop_front();
            }
            self.fetches.push_back((now, url.authority().to_owned()));
        }
        let got = got.map(|got| (got, now)).or(before);
        // Keys and failures do not take each other's room: a failure that left no trace would be repeated without end.
        let alike = self.held.iter().filter(|(_, held)| held.got.is_some() == got.is_some());
        if alike.clone().count() >= MOST_HELD {
            // What a stranger named goes before what an operator did, the old before the new.
            let worth = |(url, held): &(&KeyUrl, &Held)| (url.is_listed(), held.asked);
            if let Some(worst) = alike.min_by_key(worth).map(|(url, _)| url.clone()) {
                self.held.remove(&worst);
            }
        }
        self.held.insert(url.clone(), Held { got, asked: now });
    }

    pub(crate) fn find(&self, url: &KeyUrl, now: Timestamp) -> Found<'_, Key> {
        self.look(url, now, RENEWAL, Got::key)
    }

    pub(crate) fn find_set(&self, url: &KeyUrl, now: Timestamp) -> Found<'_, KeySet> {
        self.look(url, now, SET_RENEWAL, Got::set)
    }

    fn look<'k, T>(
        &'k self,
        url: &KeyUrl,
        now: Timestamp,
        renewal: SignedDuration,
        wanted: fn(&'k Got) -> Option<&'k T>,
    ) -> Found<'k, T> {
        let held = self.held.get(url);
        let asked = held.map(|held| apart(held.asked, now));
        let got = held.and_then(|held| {
            let (got, since) = held.got.as_ref()?;
            Some((wanted(got)?, *since, *since == held.asked))
        });
        match (got, asked) {
            (Some((key, since, latest)), Some(asked)) if apart(since, now) < STALE => {
                let renewable = asked >= renewal && self.may_fetch(url, now);
                if renewable && apart(since, now) >= FRESH {
                    Found::Fetch
                } else {
                    Found::Here { key, renewable, latest }
                }
            }
            (_, Some(asked)) if asked < RETRY => Found::NotNow("its key could not be had a moment ago"),
            _ if self.may_fetch(url, now) => Found::Fetch,
            _ => Found::NotNow("too many keys were asked for at this host within a minute"),
        }
    }

    fn may_fetch(&self, url: &KeyUrl, now: Timestamp) -> bool {
        let recent =
            self.fetches.iter().filter(|(at, host)| apart(*at, now) < SPAN && host == url.authority());
        let has_given_one = self.held.get(url).is_some_and(|held| held.got.is_some());
        url.is_listed() || has_given_one || recent.count() < MOST_FETCHES
    }
}

/// How far apart two moments are. A clock that was set back must not stop all fetching until it has caught up.
fn apart(a: Timestamp, b: Timestamp) -> SignedDuration {
    a.duration_since(b).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Hash;
    use crate::testing::{Signer, now};

    const MOMENT_AGO: Found<'_, Key> = Found::NotNow("its key could not be had a moment ago");
    const TOO_MANY: Found<'_, Key> =
        Found::NotNow("too many keys were asked for at this host within a minute");

    fn at(seconds: i64) -> Timestamp {
        now().saturating_add(SignedDuration::from_secs(seconds)).unwrap()
    }

    fn listed() -> KeyUrl {
        KeyUrl::listed("https://keys.example/a.pem", false).unwrap()
    }

    fn derived(number: usize) -> KeyUrl {
        KeyUrl::derived(&format!("https://sns.eu-central-1.amazonaws.com/{number}.pem"))
    }

    fn pem() -> String {
        Signer::one().public_key()
    }

    /// What is found of a key, without the key.
    fn found(keys: &Keys, url: &KeyUrl, seconds: i64) -> &'static str {
        match keys.find(url, at(seconds)) {
            Found::Here { renewable: false, .. } => "here",
            Found::Here { renewable: true, .. } => "renewable",
            Found::Fetch => "fetch",
            Found::NotNow(_) => "not now",
        }
    }

    #[test]
    fn the_ages_of_a_key() {
        let url = listed();
        let mut keys = Keys::new();
        assert_eq!(found(&keys, &url, 0), "fetch");
        keys.store(&url, pem().as_bytes(), at(0)).unwrap();
        let day = 24 * 3600;
        for (seconds, expected) in [
            (0, "here"),
            (299, "here"),
            (300, "renewable"),
            (day - 1, "renewable"),
            (day, "fetch"),
            (7 * day, "fetch"),
            (-300, "renewable"),
        ] {
            assert_eq!(found(&keys, &url, seconds), expected, "{seconds}");
        }
        // It cannot be fetched again: the old one is used for a week in all.
        keys.failed(&url, at(day));
        for (seconds, expected) in [(day, "here"), (day + 299, "here"), (day + 300, "fetch")] {
            assert_eq!(found(&keys, &url, seconds), expected, "{seconds}");
        }
        keys.failed(&url, at(7 * day - 1));
        assert_eq!(found(&keys, &url, 7 * day - 1), "here");
        assert_eq!(found(&keys, &url, 7 * day), "not now");
        assert_eq!(found(&keys, &url, 7 * day + 5), "fetch");
        keys.store(&url, pem().as_bytes(), at(7 * day + 5)).unwrap();
        assert_eq!(found(&keys, &url, 7 * day + 5), "here");
    }

    /// The same for a key set: it is fetched for a new key once a minute at most, and kept while it cannot be fetched.
    #[test]
    fn the_ages_of_a_key_set() {
        let url = KeyUrl::key_set("https://keys.example/jwks", false).unwrap();
        let set = serde_json::json!({ "keys": [drive::TokenSigner::one().rsa_key("k")] }).to_string();
        let found = |keys: &Keys, seconds| match keys.find_set(&url, at(seconds)) {
            Found::Here { renewable, latest, .. } => match (renewable, latest) {
                (false, true) => "here",
                (true, true) => "renewable",
                (false, false) => "here, perhaps not the latest",
                (true, false) => "renewable, perhaps not the latest",
            },
            Found::Fetch => "fetch",
            Found::NotNow(_) => "not now",
        };
        let mut keys = Keys::new();
        assert_eq!(found(&keys, 0), "fetch");
        assert_eq!(keys.store(&url, pem().as_bytes(), at(0)), Err("a JSON Web Key Set"));
        assert_eq!(found(&keys, 4), "not now");
        assert_eq!(keys.store(&url, set.as_bytes(), at(5)), Ok(vec![]));
        let day = 24 * 3600;
        for (seconds, expected) in [(5, "here"), (64, "here"), (65, "renewable"), (day + 5, "fetch")] {
            assert_eq!(found(&keys, seconds), expected, "{seconds}");
        }
        keys.failed(&url, at(100));
        assert_eq!(found(&keys, 159), "here, perhaps not the latest");
        assert_eq!(found(&keys, 160), "renewable, perhaps not the latest");
        for hours in (24..24 * 7).step_by(24) {
            let later = 3600 * hours + 10;
            assert_eq!(found(&keys, later), "fetch");
            keys.failed(&url, at(later));
            assert_eq!(found(&keys, later), "here, perhaps not the latest", "{hours}");
        }
        assert_eq!(found(&keys, 7 * day + 5), "fetch", "a week without an answer");
        keys.failed(&url, at(7 * day + 5));
        assert_eq!(found(&keys, 7 * day + 6), "not now");
        // The same URL for the other kind of thing is another one.
        assert_eq!(
            keys.find(&KeyUrl::listed("https://keys.example/jwks", false).unwrap(), at(0)),
            Found::Fetch
        );
    }

    #[test]
    fn a_failure_is_not_repeated_at_once() {
        let url = listed();
        let mut keys = Keys::new();
        keys.failed(&url, at(0));
        assert_eq!(keys.find(&url, at(0)), MOMENT_AGO);
        assert_eq!(keys.find(&url, at(4)), MOMENT_AGO);
        assert_eq!(keys.find(&url, at(5)), Found::Fetch);
        assert_eq!(keys.store(&url, b"<html>", at(5)), Err("a certificate or a public key in PEM"));
        assert_eq!(keys.find(&url, at(9)), MOMENT_AGO);
        // A failed renewal does not take a key away.
        keys.store(&url, pem().as_bytes(), at(10)).unwrap();
        assert!(keys.store(&url, b"<html>", at(400)).is_err());
        assert_eq!(found(&keys, &url, 400), "here");
    }

    #[test]
    fn a_key_is_read_up_to_its_limit() {
        let padded = |length: usize| {
            let mut text = pem().into_bytes();
            text.resize(length, b'\n');
            text
        };
        let mut keys = Keys::new();
        assert_eq!(KeyUrl::MAX_BYTES, 65_536);
        assert!(keys.store(&listed(), &padded(65_536), at(0)).is_ok());
        assert_eq!(keys.store(&listed(), &padded(65_537), at(0)), Err("at most 64 KiB"));
    }

    #[test]
    fn a_certificate_is_read_with_its_chain() {
        // As a provider serves it: with those of its authorities, which are of no use here.
        let names: Vec<String> = (0..50).map(|n| format!("name-{n}.authorities.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let above = Signer::other().certificate("authority", &names, 2040);
        let chain = [Signer::one().plain_certificate(), above.clone(), above].concat();
        assert!(chain.len() > 5000, "{}", chain.len());
        let mut keys = Keys::new();
        assert_eq!(
            keys.store(&listed(), chain.as_bytes(), at(0)),
            Ok(vec!["the key has 1024 bits, fewer than 2048".to_owned()])
        );
        let signature = Signer::one().sign(Hash::Sha256, b"message");
        let Found::Here { key, .. } = keys.find(&listed(), at(0)) else { panic!("it is there") };
        assert!(key.verifies(Hash::Sha256, b"message", &signature));
    }

    /// A stranger may name as many URLs at SNS as he likes.
    #[test]
    fn what_strangers_can_cause_is_bounded() {
        let mut keys = Keys::new();
        let mut fetches = 0;
        for request in 0..10_000_usize {
            let seconds = i64::try_from(request / 100).unwrap();
            let url = derived(request);
            if keys.find(&url, at(seconds)) == Found::Fetch {
                fetches += 1;
                keys.failed(&url, at(seconds));
            }
        }
        assert_eq!(fetches, 24, "12 a minute, in 100 seconds");
        assert_eq!(keys.find(&derived(1_000_000), at(99)), TOO_MANY);
        // Nobody else has to wait for that: not an operator's URL, nor another region's.
        assert_eq!(keys.find(&listed(), at(99)), Found::Fetch);
        let neighbour = KeyUrl::listed("https://sns.eu-central-1.amazonaws.com/a.pem", false).unwrap();
        assert_eq!(keys.find(&neighbour, at(99)), Found::Fetch);
        let region = KeyUrl::derived("https://sns.us-east-1.amazonaws.com/a.pem");
        assert_eq!(keys.find(&region, at(99)), Found::Fetch);
        assert!(keys.held.len() <= 64 && keys.fetches.len() <= 24, "no key, so failures alone");
    }

    #[test]
    fn keys_outlive_failures_and_listed_ones_the_others() {
        let mut keys = Keys::new();
        keys.store(&listed(), pem().as_bytes(), at(0)).unwrap();
        keys.store(&derived(0), pem().as_bytes(), at(1)).unwrap();
        for number in 1..=65 {
            keys.failed(&derived(number), at(100 * i64::try_from(number).unwrap()));
        }
        assert_eq!(keys.held.len(), 66);
        assert!(keys.held.contains_key(&listed()) && keys.held.contains_key(&derived(0)));
        assert!(!keys.held.contains_key(&derived(1)) && keys.held.contains_key(&derived(65)));
        for number in 1..=64 {
            keys.store(&derived(number), pem().as_bytes(), at(10_000 + i64::try_from(number).unwrap()))
                .unwrap();
        }
        assert!(keys.held.contains_key(&listed()) && !keys.held.contains_key(&derived(0)));
        assert_eq!(keys.held.values().filter(|held| held.got.is_some()).count(), 64);
    }

    #[test]
    fn where_only_keys_are_held_a_failure_is_remembered_too() {
        let mut keys = Keys::new();
        let url =
            |number: usize| KeyUrl::listed(&format!("https://keys.example/{number}.pem"), false).unwrap();
        for number in 0..64 {
            keys.store(&url(number), pem().as_bytes(), at(0)).unwrap();
        }
        for unknown in [url(64), derived(64)] {
            assert_eq!(keys.find(&unknown, at(1)), Found::Fetch);
            keys.failed(&unknown, at(1));
            assert_eq!(keys.find(&unknown, at(1)), MOMENT_AGO);
        }
        assert!((0..64).all(|number| found(&keys, &url(number), 1) == "here"));
    }

    /// A stranger who names what is not there must not keep what is there from being renewed, or it would be gone after a week.
    #[test]
    fn what_strangers_name_keeps_no_key_from_being_renewed() {
        let mut keys = Keys::new();
        keys.store(&derived(0), pem().as_bytes(), at(0)).unwrap();
        for number in 1..=12 {
            keys.failed(&derived(number), at(300));
        }
        assert_eq!(keys.find(&derived(13), at(300)), TOO_MANY);
        assert_eq!(found(&keys, &derived(0), 300), "renewable");
        // Not even when it is too old to be used.
        let week = 7 * 24 * 3600;
        for number in 1..=12 {
            keys.failed(&derived(number), at(week));
        }
        assert_eq!(found(&keys, &derived(0), week), "fetch");
        // Nor do its own fetches count.
        keys.failed(&derived(0), at(week));
        keys.store(&derived(0), pem().as_bytes(), at(week + 5)).unwrap();
        assert_eq!(keys.fetches.len(), 12);
        assert_eq!(found(&keys, &derived(0), week + 5), "here");
    }
}
