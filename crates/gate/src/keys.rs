//! The keys that were fetched, and how often one may be fetched.
//!
//! The gate asks for a key when a stranger's request names it, so what a stranger can cause is bounded here: a key that
//! is held is fetched again after a day, or, when a signature does not fit it, after five minutes (the certificate at
//! that URL may have been exchanged); one that could not be had is asked for again after five seconds; and of the URLs
//! that no operator has written down, at most twelve a minute are asked for at one host.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::key::Key;
use crate::key_url::KeyUrl;

/// A key this old is fetched again. A certificate that was withdrawn is trusted no longer than that.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// While it cannot be fetched again, an old key is still used, but not one this old.
const STALE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A key that is held is fetched again no sooner than this.
const RENEWAL: SignedDuration = SignedDuration::from_mins(5);

/// A key that could not be had is asked for again no sooner than this. Short, since JD Cloud gives up after three
/// attempts, "10 to 20 s apart" as its sister service has it.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

/// At one host, this many fetches of unlisted URLs in [`SPAN`]. A sender that is no attacker needs one.
const MOST_FETCHES: usize = 12;
const SPAN: SignedDuration = SignedDuration::from_secs(60);

/// Keys and failures remembered.
const MOST_HELD: usize = 64;

/// The keys that were fetched for one server, and what became of every fetch.
///
/// An adapter makes one for the whole server, and fetches one key at a time for each source: whoever has to wait for
/// another's fetch asks the policy again before it fetches anything, and finds the key. A fetch that has begun is ended
/// and told, even if the sender is gone: what is bounded here is what was told.
#[derive(Debug, Default)]
pub struct Keys {
    held: HashMap<KeyUrl, Held>,
    /// When unlisted URLs were fetched, the oldest first, with the host.
    fetches: VecDeque<(Timestamp, String)>,
}

#[derive(Debug)]
struct Held {
    key: Option<(Key, Timestamp)>,
    asked: Timestamp,
}

/// What can be said of a key just now.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'k> {
    /// It is here. `renewable`: a signature that does not fit it is reason enough to fetch it again.
    Here { key: &'k Key, renewable: bool },
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
        let key = if fetched.len() > KeyUrl::MAX_BYTES { Err("at most 64 KiB") } else { Key::first(fetched) };
        match key {
            Ok(key) => {
                let warnings = key.warnings(now);
                self.keep(url, Some(key), now);
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

    fn keep(&mut self, url: &KeyUrl, key: Option<Key>, now: Timestamp) {
        if !url.is_listed() {
            while self.fetches.front().is_some_and(|(at, _)| apart(*at, now) >= SPAN) {
                self.fetches.pop_front();
            }
            self.fetches.push_back((now, url.authority().to_owned()));
        }
        if let Some(held) = self.held.get_mut(url) {
            held.asked = now;
            if let Some(key) = key {
                held.key = Some((key, now));
            }
            return;
        }
        if self.held.len() >= MOST_HELD {
            // Failures go before keys, what a stranger named before what an operator did, the old before the new.
            let worth = |(url, held): &(&KeyUrl, &Held)| (held.key.is_some(), url.is_listed(), held.asked);
            let last =
                self.held.iter().min_by_key(worth).map(|(url, held)| (url.clone(), held.key.is_some()));
            match last {
                Some((_, true)) if key.is_none() => return,
                Some((worst, _)) => drop(self.held.remove(&worst)),
                None => {}
            }
        }
        self.held.insert(url.clone(), Held { key: key.map(|key| (key, now)), asked: now });
    }

    pub(crate) fn find(&self, url: &KeyUrl, now: Timestamp) -> Found<'_> {
        let asked = self.held.get(url).map(|held| apart(held.asked, now));
        let key = self.held.get(url).and_then(|held| held.key.as_ref());
        match (key, asked) {
            (Some((key, since)), Some(asked)) if apart(*since, now) < STALE => {
                let renewable = asked >= RENEWAL && self.may_fetch(url, now);
                if renewable && apart(*since, now) >= FRESH {
                    Found::Fetch
                } else {
                    Found::Here { key, renewable }
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
        url.is_listed() || recent.count() < MOST_FETCHES
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

    const MOMENT_AGO: Found<'_> = Found::NotNow("its key could not be had a moment ago");
    const TOO_MANY: Found<'_> = Found::NotNow("too many keys were asked for at this host within a minute");

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
        assert!(keys.held.len() <= 64 && keys.fetches.len() <= 24);
    }

    #[test]
    fn keys_outlive_failures_and_listed_ones_the_others() {
        let mut keys = Keys::new();
        keys.store(&listed(), pem().as_bytes(), at(0)).unwrap();
        keys.store(&derived(0), pem().as_bytes(), at(1)).unwrap();
        for number in 1..=64 {
            keys.failed(&derived(number), at(100 * i64::try_from(number).unwrap()));
        }
        assert_eq!(keys.held.len(), 64);
        assert!(keys.held.contains_key(&listed()) && keys.held.contains_key(&derived(0)));
        assert!(!keys.held.contains_key(&derived(1)) && keys.held.contains_key(&derived(64)));
        for number in 1..=64 {
            keys.store(&derived(number), pem().as_bytes(), at(10_000 + i64::try_from(number).unwrap()))
                .unwrap();
        }
        assert!(keys.held.contains_key(&listed()) && !keys.held.contains_key(&derived(0)));
        // Where only keys are held, a failure is not worth remembering.
        keys.failed(&derived(1_000), at(20_000));
        assert!(keys.held.len() == 64 && !keys.held.contains_key(&derived(1_000)));
    }

    #[test]
    fn renewing_counts_as_fetching() {
        let mut keys = Keys::new();
        keys.store(&derived(0), pem().as_bytes(), at(0)).unwrap();
        assert_eq!(found(&keys, &derived(0), 300), "renewable");
        for number in 1..=12 {
            assert_eq!(found(&keys, &derived(0), 300), "renewable", "{number}");
            keys.failed(&derived(number), at(300));
        }
        assert_eq!(found(&keys, &derived(0), 300), "here");
    }
}
