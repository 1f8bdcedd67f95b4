//! Taking complete requests through the door, and fetching the keys that this needs.

use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use mdss_relay_core::{Confirmation, Panicked, fields, offload};
use mdss_relay_gate::{
    Answered, DoorVerdict, Entered, KeyUrl, Keys, ReplayKey, Replays, RequestHead, Source, Sources,
    Unavailable,
};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};
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
    /// `arrived` is when the request did: its sender has waited since then.
    pub async fn admit_head(
        self: &Arc<Self>,
        sources: &Sources,
        head: &RequestHead<'_>,
        arrived: Instant,
    ) -> DoorVerdict {
        let mut wants = Wants::since(arrived);
        loop {
            let verdict = sources.enter(head, None, Timestamp::now(), &held(&self.keys));
            let DoorVerdict::NeedKey { source, check, url } = verdict else { return verdict };
            if let Err(why) = self.go_on(&mut wants, &source, url).await {
                return DoorVerdict::Answered(Some(source), unavailable(check, why));
            }
        }
    }

    /// Takes a complete request through the door, and fetches what the gate asks for, once for each key it may need. `arrived` is as for
    /// [`admit_head`](Self::admit_head).
    ///
    /// # Errors
    /// Why it is not let in.
    pub async fn admit(
        self: &Arc<Self>,
        sources: &Arc<Sources>,
        source: &Source,
        mut request: Arrived,
        arrived: Instant,
    ) -> Result<(Arrived, Entered), NotAdmitted> {
        let mut wants = Wants::since(arrived);
        loop {
            let verdict;
            (request, verdict) = self.ask(sources, source, request).await?;
            match verdict {
                DoorVerdict::Entered(entered) => return Ok((request, entered)),
                DoorVerdict::Answered(_, answered) => {
                    if let Some(url) = answered.certificate_url() {
                        self.log_unlisted(source, url);
                    }
                    return Err(NotAdmitted::Answered(answered));
                }
                DoorVerdict::NeedKey { check, url, .. } => {
                    if let Err(why) = self.go_on(&mut wants, source, url).await {
                        return Err(NotAdmitted::Answered(unavailable(check, why)));
                    }
                }
                DoorVerdict::NeedBody(_) => unreachable!("there is a body"),
            }
        }
    }

    /// The next step towards a key, for as long as the sender waits: first the turn, then, if whoever had the turn before has not fetched it
    /// either, the fetch. That one goes on without the sender, who finds the key when he comes again.
    ///
    /// # Errors
    /// Why there is no further one.
    async fn go_on(
        self: &Arc<Self>,
        wants: &mut Wants,
        source: &Source,
        url: KeyUrl,
    ) -> Result<(), &'static str> {
        const LATE: &str = "its key was not there when its sender had waited long enough";
        // Whatever the keys remember of it: a request whose key cannot be had must come to an end.
        if wants.fetched.contains(&url) {
            return Err("its key was fetched for this very request, and is not there");
        }
        let until = source.longest_wait().map(|longest| wants.since + longest);
        match wants.turn.take() {
            None => wants.turn = Some(within(until, self.turn(source)).await.ok_or(LATE)?),
            Some(turn) => {
                wants.fetched.push(url.clone());
                within(until, self.fetch_whole(source, url, turn)).await.ok_or(LATE)?;
            }
        }
        Ok(())
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

/// What a request wants of the keys.
struct Wants {
    /// When it arrived.
    since: Instant,
    /// Its right to fetch.
    turn: Option<OwnedMutexGuard<()>>,
    /// What was fetched for it.
    fetched: Vec<KeyUrl>,
}

impl Wants {
    fn since(since: Instant) -> Self {
        Self { since, turn: None, fetched: Vec::new() }
    }
}

/// What comes of this until then; `None`: nothing has.
async fn within<T>(until: Option<Instant>, coming: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until, coming).await.ok(),
        None => Some(coming.await),
    }
}

fn unavailable(check: &'static str, why: &'static str) -> Answered {
    Answered::Unavailable(Unavailable { check, why, certificate_url: None })
}

/// A thread that panics while it holds one of these leaves nothing half-written behind.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use drive::Signer;
    use futures_util::FutureExt;
    use mdss_relay_core::{Role, Settings};
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::{Everywhere, TlsServer, tls_server};

    const TOPIC: &str = "urn:smn:cn-north-4:28a70000000000000000000000000005:intake";
    const HOSTS: [&str; 2] = ["smn.cn-north-4.myhuaweicloud.com", "console.huaweicloud.com"];

    /// A source of SMN's topic, of which `confirmed` says whose subscriptions are confirmed.
    fn sources(confirmed: &str) -> Arc<Sources> {
        let config = format!(
            "[[source]]\nname = 's'\npath = '/s'\nconfirm_topics = [{confirmed}]\nauth = {{ huawei_smn = {{ topics = ['{TOPIC}'] }} }}\n"
        );
        let mut draft = Settings::read([("RELAY_CONFIG_TOML".into(), config.into())], Role::Explain);
        let sources =
            Sources::of(&mut draft, Timestamp::now(), &|_| Err(std::io::ErrorKind::NotFound.into()));
        assert_eq!(draft.mistakes, []);
        Arc::new(sources)
    }

    /// Huawei's hosts, which give this answer to everything.
    async fn huawei(answer: String) -> (Arc<Admissions>, Arc<Mutex<Vec<String>>>) {
        let TlsServer { address, certificate, seen } = tls_server(&HOSTS, answer).await;
        let admissions = Admissions::new();
        let tls = mdss_relay_core::public_tls(&[certificate]).unwrap();
        assert!(admissions.fetcher.set(Fetcher::with(tls, Everywhere(address))).is_ok());
        (Arc::new(admissions), seen)
    }

    fn answer(status: &str, more: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n{body}",
            body.len()
        )
    }

    fn message(id: &str) -> Arrived {
        let (headers, body) = Signer::one().smn("Notification", TOPIC, id, None, Timestamp::now(), "{}");
        Arrived {
            method: "POST".into(),
            target: "/s".into(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect(),
            client: None,
            body: body.into_bytes(),
        }
    }

    const CERTIFICATE: &str = "GET /smn/SMN_cn-north-4_b98100eca1bf44e2b2b8b0d5a4a2b9ee.pem HTTP/1.1";

    /// Row 17: of many requests at once one fetches, and all others find the key.
    #[tokio::test]
    async fn row_17_the_certificate_of_a_topic_is_fetched_once() {
        let (admissions, seen) = huawei(answer("200 OK", "", &Signer::one().plain_certificate())).await;
        let sources = sources("");
        let source = sources.iter().next().unwrap();
        let ids: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        let all = ids.iter().map(|id| admissions.admit(&sources, source, message(id), Instant::now()));
        for admitted in futures_util::future::join_all(all).await {
            assert!(admitted.is_ok_and(|(_, entered)| entered.replay.is_some()));
        }
        assert_eq!(*seen.lock().unwrap(), [CERTIFICATE]);
    }

    /// And what cannot be had is no reason to call SMN a stranger, which would not come again.
    #[tokio::test]
    async fn row_03_a_certificate_is_not_looked_for_where_a_redirect_leads() {
        let elsewhere = format!("Location: https://{}/elsewhere.pem\r\n", HOSTS[1]);
        for (status, body) in
            [("302 Found", ""), ("301 Moved Permanently", ""), ("404 Not Found", ""), ("200 OK", "<html>")]
        {
            let (admissions, seen) = huawei(answer(status, &elsewhere, body)).await;
            let sources = sources("");
            let source = sources.iter().next().unwrap();
            for id in ["1", "2"] {
                let refused = admissions.admit(&sources, source, message(id), Instant::now()).await.map(drop);
                let Err(NotAdmitted::Answered(Answered::Unavailable(what))) = refused else {
                    panic!("{status}")
                };
                assert_eq!(what.why, "its key could not be had a moment ago");
            }
            assert_eq!(*seen.lock().unwrap(), [CERTIFICATE], "{status}");
        }
    }

    /// SMN waits 5 s, and an answer that is late is final. The fetch goes on, so that the repetition finds what came of it.
    #[tokio::test(start_paused = true)]
    async fn a_host_that_hangs_keeps_nobody_waiting_longer_than_his_sender_does() {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admissions = Admissions::new();
        let names = Everywhere(host.local_addr().unwrap());
        let fetcher = Fetcher::with(mdss_relay_core::public_tls(&[]).unwrap(), names);
        assert!(admissions.fetcher.set(fetcher).is_ok());
        let (admissions, sources) = (Arc::new(admissions), sources(""));
        let source = sources.iter().next().unwrap();
        // One fetches, and another one waits for its turn; both have waited a second already.
        let (started, arrived) = (Instant::now(), Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        let ask = |id| admissions.admit(&sources, source, message(id), arrived);
        for refused in <[_; 2]>::from(tokio::join!(ask("1"), ask("2"))) {
            let Err(NotAdmitted::Answered(Answered::Unavailable(what))) = refused.map(drop) else { panic!() };
            assert_eq!(what.check, "huawei_smn");
            assert_eq!(what.why, "its key was not there when its sender had waited long enough");
        }
        assert_eq!(started.elapsed().as_secs(), 4);
        let _connection = host.accept().await.unwrap();
        // Its end is remembered, although nobody has waited for it.
        drop(admissions.turn(source).await);
        let refused = admissions.admit(&sources, source, message("1"), Instant::now()).await.map(drop);
        let Err(NotAdmitted::Answered(Answered::Unavailable(what))) = refused else { panic!() };
        assert_eq!(what.why, "its key could not be had a moment ago");
        assert!(host.accept().now_or_never().is_none());
    }

    /// Whatever the keys remember of it, and whatever they ask for then.
    #[tokio::test]
    async fn a_key_is_fetched_once_for_a_request() {
        let (admissions, seen) = huawei(answer("404 Not Found", "", "")).await;
        let sources = sources("");
        let source = sources.iter().next().unwrap();
        let asked = admissions.ask(&sources, source, message("1")).await.ok().unwrap();
        let DoorVerdict::NeedKey { url, .. } = asked.1 else { panic!() };
        let mut wants = Wants::since(Instant::now());
        // Its turn, and the fetch.
        for _ in 0..2 {
            assert_eq!(admissions.go_on(&mut wants, source, url.clone()).await, Ok(()));
        }
        *held(&admissions.keys) = Keys::new();
        let again = admissions.go_on(&mut wants, source, url).await;
        assert_eq!(again, Err("its key was fetched for this very request, and is not there"));
        assert_eq!(*seen.lock().unwrap(), [CERTIFICATE]);
    }

    #[tokio::test]
    async fn row_18_only_a_listed_topic_is_confirmed_and_where_a_redirect_leads_nobody_goes() {
        let url =
            format!("https://console.huaweicloud.com/smn/subscription/confirm?token=t0ken&topic_urn={TOPIC}");
        let confirmation = Confirmation { url: url.clone(), topic: TOPIC.into() };
        let line = format!("GET {} HTTP/1.1", &url["https://console.huaweicloud.com".len()..]);
        let listed = format!("'{TOPIC}'");
        let elsewhere = format!("Location: https://{}/elsewhere\r\n", HOSTS[0]);
        for (confirmed, status, more, expected, visited) in [
            ("", "200 OK", "", Ok(()), 0),
            (listed.as_str(), "200 OK", "", Ok(()), 1),
            (&listed, "302 Found", elsewhere.as_str(), Err("the confirmation URL answered 302"), 1),
            (&listed, "500 Oops", "", Err("the confirmation URL answered 500"), 1),
        ] {
            let (admissions, seen) = huawei(answer(status, more, "")).await;
            let sources = sources(confirmed);
            let got = admissions.confirm(sources.iter().next().unwrap(), &confirmation).await;
            assert_eq!(got, expected.map_err(str::to_owned), "{confirmed} {status}");
            assert_eq!(*seen.lock().unwrap(), vec![line.clone(); visited], "{confirmed} {status}");
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
