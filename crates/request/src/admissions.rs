//! Taking complete requests through the door, and fetching the keys that this needs.

use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use mdss_relay_core::{Confirmation, Panicked, fields, offload};
use mdss_relay_gate::{
    Answered, DoorVerdict, Entered, KeyUrl, Keys, ReplayKey, Replays, RequestHead, Source, Sources,
};
use tokio::sync::OwnedMutexGuard;
use tracing::{info, warn};

use crate::answers::Answer;
use crate::arrived::Arrived;
use crate::fetch::Fetcher;

/// Answers remembered: a quarter of an hour of a busy source. And their bytes: whoever may post could otherwise take
/// as much memory as it likes.
const MOST_ANSWERS: usize = 20_000;
const MOST_BYTES: usize = 8 << 20;

/// URLs of certificates that are logged, each once; further ones are not.
const MOST_LOGGED: usize = 100;

/// What the gate needs beside the request: fetched keys, and the answers given to signed requests.
pub struct Admissions {
    keys: Mutex<Keys>,
    replays: Mutex<Replays<Answer>>,
    logged: Mutex<HashSet<(String, String)>>,
    /// One fetch at a time for each source: a request that waits for another's fetch finds the key afterwards, and a host that
    /// hangs keeps no other source waiting.
    fetching: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Made at the first fetch or confirmation, which most servers never see.
    fetcher: OnceLock<Result<Fetcher, String>>,
    /// One confirmation at a time: whoever may post could otherwise have a provider visited by the hundred.
    confirming: tokio::sync::Mutex<()>,
}

/// Why a request is not let in.
pub enum NotAdmitted {
    /// The door has said so.
    Answered(Answered),
    /// A defect.
    Panicked,
}

impl Default for Admissions {
    fn default() -> Self {
        Self::new()
    }
}

impl Admissions {
    /// Without keys and answers.
    pub fn new() -> Self {
        Self {
            keys: Mutex::new(Keys::new()),
            replays: Mutex::new(Replays::new(MOST_ANSWERS, MOST_BYTES)),
            logged: Mutex::default(),
            fetching: Mutex::default(),
            fetcher: OnceLock::new(),
            confirming: tokio::sync::Mutex::default(),
        }
    }

    fn fetcher(&self) -> Result<&Fetcher, String> {
        self.fetcher.get_or_init(Fetcher::new).as_ref().map_err(Clone::clone)
    }

    /// Visits what a subscription wants visited, if the operator has named its topic; otherwise says how to.
    ///
    /// # Errors
    /// What kept it from being confirmed, without the URL: it holds a token.
    pub async fn confirm(&self, source: &Source, confirmation: &Confirmation) -> Result<(), String> {
        let name = source.name.as_str();
        let topic: String = confirmation.topic.chars().take(200).collect();
        if !source.confirm_topics.contains(&confirmation.topic) {
            warn!(
                { fields::SOURCE } = name,
                { fields::TOPIC } = topic,
                "a subscription waits for its confirmation: name its topic in confirm_topics of this source, or confirm it by hand"
            );
            return Ok(());
        }
        self.visit(&confirmation.url).await?;
        info!({ fields::SOURCE } = name, { fields::TOPIC } = topic, "a subscription was confirmed");
        Ok(())
    }

    async fn visit(&self, url: &str) -> Result<(), String> {
        let _turn = self.confirming.try_lock().map_err(|_| "another confirmation is under way".to_owned())?;
        self.fetcher()?.visit(url).await
    }

    /// Takes a head through the door, before any of its body is read, and fetches what the gate asks for.
    pub async fn admit_head(self: &Arc<Self>, sources: &Sources, head: &RequestHead<'_>) -> DoorVerdict {
        let mut turn: Option<OwnedMutexGuard<()>> = None;
        loop {
            let verdict = sources.enter(head, None, Timestamp::now(), &held(&self.keys));
            match (verdict, turn.take()) {
                (DoorVerdict::NeedKey(source, _), None) => turn = Some(self.turn(&source).await),
                (DoorVerdict::NeedKey(source, url), Some(turn)) => self.fetch_whole(&source, url, turn).await,
                (verdict, _) => return verdict,
            }
        }
    }

    /// Takes a complete request through the door, and fetches what the gate asks for, once for each key it may need.
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn admit(
        self: &Arc<Self>,
        sources: &Arc<Sources>,
        source: &Source,
        mut request: Arrived,
    ) -> Result<(Arrived, Entered), NotAdmitted> {
        let mut turn: Option<OwnedMutexGuard<()>> = None;
        loop {
            let verdict;
            (request, verdict) = self.ask(sources, source, request).await?;
            match (verdict, turn.take()) {
                (DoorVerdict::Entered(entered), _) => return Ok((request, entered)),
                (DoorVerdict::Answered(_, answered), _) => {
                    if let Some(url) = answered.certificate_url() {
                        self.log_unlisted(source, url);
                    }
                    return Err(NotAdmitted::Answered(answered));
                }
                // Whoever had the turn before may have fetched it, so it is asked once more.
                (DoorVerdict::NeedKey(..), None) => turn = Some(self.turn(source).await),
                // Every fetch leaves a trace in the keys, so this comes to an end.
                (DoorVerdict::NeedKey(_, url), Some(turn)) => self.fetch_whole(source, url, turn).await,
                (DoorVerdict::NeedBody(_), _) => unreachable!("there is a body"),
            }
        }
    }

    /// The right to fetch for a source.
    async fn turn(&self, source: &Source) -> OwnedMutexGuard<()> {
        let turns = held(&self.fetching).entry(source.name.clone()).or_default().clone();
        turns.lock_owned().await
    }

    /// The door's verdict, and the request again.
    async fn ask(
        self: &Arc<Self>,
        sources: &Arc<Sources>,
        source: &Source,
        request: Arrived,
    ) -> Result<(Arrived, DoorVerdict), NotAdmitted> {
        // Where no check looks at the body there is nothing to hash.
        let hashes = !source.policy.is_none() && !source.policy.is_proven_by_head();
        let bytes = if hashes { request.body.len() } else { 0 };
        let (admissions, sources) = (self.clone(), sources.clone());
        let asked = offload(bytes, move || {
            let verdict = request.enter(&sources, &held(&admissions.keys));
            (request, verdict)
        });
        asked.await.map_err(|Panicked| NotAdmitted::Panicked)
    }

    /// Fetches on a task of its own: a fetch that ended with the request would leave no trace, so whoever hangs up in time
    /// could cause as many as he likes, and a sender that is less patient than a slow host would never get its key.
    async fn fetch_whole(self: &Arc<Self>, source: &Source, url: KeyUrl, turn: OwnedMutexGuard<()>) {
        let (admissions, name) = (self.clone(), source.name.clone());
        let fetch = tokio::spawn(async move {
            let _turn = turn;
            admissions.fetch(&name, &url).await;
        });
        if let Err(ended) = fetch.await
            && let Ok(panic) = ended.try_into_panic()
        {
            resume_unwind(panic);
        }
    }

    async fn fetch(&self, name: &str, url: &KeyUrl) {
        let fetched = match self.fetcher() {
            Ok(fetcher) => fetcher.key(url).await,
            Err(why) => Err(why),
        };
        let now = Timestamp::now();
        let stored = fetched.and_then(|key| {
            let stored = held(&self.keys).store(url, &key, now);
            stored.map_err(|expected| format!("expected {expected} there"))
        });
        match stored {
            Ok(warnings) => {
                info!({ fields::SOURCE } = name, { fields::KEY_URL } = %url, "a key for signatures was fetched");
                for warning in warnings {
                    warn!({ fields::SOURCE } = name, { fields::KEY_URL } = %url, "{warning}");
                }
            }
            Err(why) => {
                held(&self.keys).failed(url, now);
                warn!({ fields::SOURCE } = name, { fields::KEY_URL } = %url, "a key for signatures could not be fetched: {why}");
            }
        }
    }

    /// Logs a certificate's URL that is not on the list, so that an operator who trusts it can put it there.
    fn log_unlisted(&self, source: &Source, url: &str) {
        if self.is_new(&source.name, url) {
            warn!(
                { fields::SOURCE } = source.name,
                { fields::KEY_URL } = url,
                "a sender names this certificate, which is not on the list of its source; look at it before you add it: \
                 anybody can name one"
            );
        }
    }

    /// Whether a source's refusals have not named this URL before, of as many as are remembered.
    fn is_new(&self, source: &str, url: &str) -> bool {
        let mut logged = held(&self.logged);
        logged.len() < MOST_LOGGED && logged.insert((source.to_owned(), url.to_owned()))
    }

    /// The answer this very request has had before.
    pub fn answered(&self, source: &Source, replay: &ReplayKey) -> Option<Answer> {
        held(&self.replays).find(&source.name, replay, Timestamp::now())
    }

    /// Remembers an answer, if the sender need not come again.
    pub fn remember(&self, source: &Source, replay: &ReplayKey, answer: &Answer) {
        if answer.is_success()
            && let Some(kept) = answer.remembered()
        {
            let bytes = kept.size();
            held(&self.replays).remember(&source.name, replay, kept, bytes, Timestamp::now());
        }
    }
}

/// A thread that panics while it holds one of these leaves nothing half-written behind.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::pin::pin;

    use futures_util::FutureExt;
    use reqwest::dns::{Addrs, Name, Resolve, Resolving};
    use tokio::net::TcpListener;

    use super::*;

    /// Every name is this address.
    struct Everywhere(SocketAddr);

    impl Resolve for Everywhere {
        fn resolve(&self, _: Name) -> Resolving {
            let address = self.0;
            Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
        }
    }

    #[tokio::test]
    async fn a_host_that_hangs_is_asked_for_one_confirmation_at_a_time() {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = host.local_addr().unwrap();
        let admissions = Admissions::new();
        let fetcher = Fetcher::with(mdss_relay_core::public_tls(&[]).unwrap(), Everywhere(address));
        assert!(admissions.fetcher.set(fetcher).is_ok());
        let url = format!("https://x.oci.oraclecloud.com:{}/confirm", address.port());
        for _ in 0..2 {
            let mut first = pin!(admissions.visit(&url));
            // The connection is taken, and nothing is said on it.
            let _connection = tokio::select! {
                accepted = host.accept() => accepted.unwrap(),
                ended = &mut first => panic!("{ended:?}"),
            };
            let second = admissions.visit(&url).now_or_never();
            assert_eq!(second, Some(Err("another confirmation is under way".to_owned())));
            assert!(host.accept().now_or_never().is_none());
            // It is dropped here, as by a sender that has gone; the next one has its turn.
        }
    }

    #[test]
    fn a_certificate_url_is_logged_once_and_strangers_fill_no_log_with_them() {
        let admissions = Admissions::new();
        let is_new =
            |source: &str, n: usize| admissions.is_new(source, &format!("https://a.example/{n}.pem"));
        assert_eq!(
            [is_new("a", 0), is_new("a", 0), is_new("b", 0), is_new("a", 1)],
            [true, false, true, true]
        );
        let lines = (2..1000).filter(|n| is_new("a", *n)).count();
        assert_eq!((3 + lines, held(&admissions.logged).len()), (100, 100));
    }
}
