//! The way in for whole HTTP requests: method, path, source, head, body, and what the relay then gets.
//!
//! One walk for everybody. The server, `explain` and a function that gets HTTP requests call [`Sources::enter`], so each of them
//! refuses the same requests, in the same order and with the same sentences. The walk waits for nothing: where it needs the body,
//! or a key, it says so and is called again.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mdss_relay_core::{Answers, Cause, Delivery, Dialect, Draft, Failure, Mistake, Redelivers};

use crate::check::{ALIBABA_EVENTBRIDGE, ALIBABA_MNS, HUAWEI_SMN};
use crate::head::{Head, Request, printable};
use crate::key_url::KeyUrl;
use crate::keys::Keys;
use crate::policy::Policy;
use crate::replay::ReplayKey;
use crate::verdict::{Refusal, Unavailable, Verdict};

/// What is posted to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A storage provider's events: they become deliveries.
    Events,
    /// MDSS's word about files that it has scanned (`[[results]]`), by POST or PUT: it never becomes a delivery.
    Results,
}

/// One source with its policy.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, in routes and logs.
    pub name: String,
    /// The dialect it is pinned to.
    pub dialect: Option<Dialect>,
    /// What becomes of an event for which it gets no 2xx; `None`: what its dialect says.
    pub redelivers: Option<Redelivers>,
    /// The topics whose subscriptions are confirmed.
    pub confirm_topics: Vec<String>,
    /// Who may post.
    pub policy: Policy,
    /// What is posted to it.
    pub takes: Takes,
    path: String,
    /// The same as the sender sees it.
    public_path: Option<String>,
}

impl Source {
    /// The path it posts to, for a log: a secret in it is not shown.
    pub fn place(&self) -> String {
        let secret = if self.policy.has_path_secret() { "/<secret>" } else { "" };
        format!("{}{secret}", self.path)
    }

    /// The longest that a request may be kept waiting here for what others have: a place, memory, the disk, a key. It is a second less than its
    /// sender waits for an answer, as that comes too late otherwise. `None`: nobody knows how long its sender waits.
    pub fn longest_wait(&self) -> Option<Duration> {
        const FOR_THE_REST: Duration = Duration::from_secs(1);
        let is_alibabas = self.policy.has(ALIBABA_MNS) || self.policy.has(ALIBABA_EVENTBRIDGE);
        let dialect = self.dialect.or(is_alibabas.then_some(Dialect::AlibabaOss))?;
        Some(dialect.patience().waits?.saturating_sub(FOR_THE_REST))
    }

    /// What its sender makes of statuses: as the pinned dialect says, or the one that was recognised in a delivery.
    pub fn answers(&self, recognised: Option<Dialect>) -> Answers {
        let answers = self.dialect.or(recognised).map_or(Answers::DEFAULT, Dialect::answers);
        answers.for_sender(self.redelivers)
    }
}

/// Every source of a server.
#[derive(Clone, Debug)]
pub struct Sources {
    list: Vec<Arc<Source>>,
    /// Whether each request reaches the first source, whatever its path.
    at_any_path: bool,
}

/// A request's head, as it came over the wire. It has no `Debug`: target and headers hold secrets.
#[derive(Clone, Copy)]
pub struct RequestHead<'r> {
    /// The method.
    pub method: &'r str,
    /// The request target, undecoded, with its query.
    pub target: &'r str,
    /// The headers, a repeated one as often as it was sent.
    pub headers: &'r [(&'r str, &'r [u8])],
    /// The address of the client, if it is known.
    pub client: Option<IpAddr>,
}

/// How far a request has come.
#[derive(Debug)]
pub enum DoorVerdict {
    /// The gate has no objection to the head: read the body, and ask again with it.
    NeedBody(Arc<Source>),
    /// A signature, or a token, needs the key at this URL: fetch it, put what came of it into the [`Keys`], and ask again.
    /// A token needs it before the body is read.
    NeedKey {
        /// Where it was posted.
        source: Arc<Source>,
        /// The name of the check that needs the key.
        check: &'static str,
        /// Where the key is.
        url: KeyUrl,
    },
    /// Every check has passed.
    Entered(Entered),
    /// The request goes no further. The source is the one it was posted to, if there is one.
    Answered(Option<Arc<Source>>, Answered),
}

/// A request that may be delivered.
#[derive(Debug)]
pub struct Entered {
    /// Where it was posted.
    pub source: Arc<Source>,
    /// How a repetition of it is known, if its signature covers both an id and the body.
    pub replay: Option<ReplayKey>,
}

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// A HEAD, by which RustFS and others ask whether somebody is there.
    Present,
    /// No source has this path.
    UnknownPath {
        /// For the sender.
        failure: Failure,
        /// For the operator: what the path is like, without the path, which may hold a secret.
        hint: String,
    },
    /// Neither a POST nor an OPTIONS that a row of its dialect wants.
    WrongMethod(Failure),
    /// A check has refused it.
    Refused(Refusal),
    /// A check cannot be made just now.
    Unavailable(Unavailable),
}

impl Sources {
    /// The name, and without its slash the path, of the one source that there is without `[[source]]`.
    pub const DEFAULT: &str = "events";

    /// The sources of a draft. Mistakes in their `auth` are added to the draft's, and so are warnings, for which `now` says what has
    /// expired. `read` gives the text of a file that a setting names.
    pub fn of(draft: &mut Draft, now: Timestamp, read: &dyn Fn(&str) -> io::Result<String>) -> Self {
        // A function's platform decides who may call.
        let Some(settings) = &draft.settings.http else {
            return Self { list: Vec::new(), at_any_path: false };
        };
        let mut list = Vec::new();
        let mut mistakes = Vec::new();
        let mut warnings = Vec::new();
        if settings.sources.is_empty() {
            let policy = match &settings.token {
                Some(token) => Policy::bearer("RELAY_TOKEN", token.expose()),
                None => Ok(Policy::none()),
            };
            let policy = policy.unwrap_or_else(|mistake| {
                mistakes.push(mistake);
                Policy::none()
            });
            warnings.extend(policy.warnings(now));
            list.push(Source {
                name: Self::DEFAULT.into(),
                dialect: None,
                redelivers: None,
                confirm_topics: Vec::new(),
                policy,
                takes: Takes::Events,
                path: format!("/{}", Self::DEFAULT),
                public_path: None,
            });
        }
        for (index, source) in settings.sources.iter().enumerate() {
            // Without one there is a mistake already.
            let Some(auth) = &source.auth else { continue };
            let mut read = |path: &str| read(path).map_err(|error| error.to_string());
            let policy = match Policy::parse(auth, &format!("source[{index}].auth"), &mut read) {
                Ok(policy) => policy,
                Err(found) => {
                    mistakes.extend(found);
                    continue;
                }
            };
            mistakes.extend(unsigned_confirmations(&source.confirm_topics, &policy, index));
            warnings.extend(policy.warnings(now));
            let dialect = match (policy.signed_dialect(), source.dialect) {
                (Some((check, signed)), Some(dialect)) if signed != dialect => {
                    let expected =
                        format!("{signed}, or nothing: its auth.{check} admits messages of {signed} only");
                    mistakes.push(Mistake::found(
                        format!("source[{index}].dialect"),
                        dialect.name(),
                        expected,
                    ));
                    continue;
                }
                // What is not signed stands in the same body, and must not choose who reads it.
                (Some((_, signed)), _) => Some(signed),
                (None, dialect) => dialect,
            };
            list.push(Source {
                name: source.name.clone(),
                dialect,
                redelivers: source.redelivers,
                confirm_topics: source.confirm_topics.clone(),
                policy,
                takes: Takes::Events,
                path: source.path.clone(),
                public_path: source.public_path.clone(),
            });
        }
        for (index, source) in settings.results.iter().enumerate() {
            let Some(auth) = &source.auth else { continue };
            let place = format!("results[{index}].auth");
            let mut read = |path: &str| read(path).map_err(|error| error.to_string());
            let policy = match Policy::parse(auth, &place, &mut read) {
                Ok(policy) => policy,
                Err(found) => {
                    mistakes.extend(found);
                    continue;
                }
            };
            // It would refuse everything that MDSS sends.
            if let Some((check, _)) = policy.signed_dialect() {
                let expected = "a check that MDSS can pass, such as bearer or path_secret: it signs nothing";
                mistakes.push(Mistake::new(format!("{place}.{check}"), expected));
                continue;
            }
            warnings.extend(policy.warnings(now));
            list.push(Source {
                name: source.name.clone(),
                dialect: None,
                redelivers: None,
                confirm_topics: Vec::new(),
                policy,
                takes: Takes::Results,
                path: source.path.clone(),
                public_path: None,
            });
        }
        draft.mistakes.append(&mut mistakes);
        draft.settings.warnings.append(&mut warnings);
        Self { list: list.into_iter().map(Arc::new).collect(), at_any_path: false }
    }

    /// The same for requests whose paths mean nothing: each of them reaches the first source.
    #[must_use]
    pub fn at_any_path(self) -> Self {
        Self { at_any_path: true, ..self }
    }

    /// Every source.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.list.iter().map(AsRef::as_ref)
    }

    /// The names of the sources.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|source| source.name.as_str())
    }

    /// The names of those that take events.
    pub fn names_of_events(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter(|source| source.takes == Takes::Events).map(|source| source.name.as_str())
    }

    /// The walk through the door, as far as it goes without a `body` and with these `keys`. It starts at the method each time, so a
    /// delivery has passed every check, however often it was asked.
    ///
    /// Pure and total: the same arguments give the same verdict.
    pub fn enter(
        &self,
        head: &RequestHead<'_>,
        body: Option<&[u8]>,
        now: Timestamp,
        keys: &Keys,
    ) -> DoorVerdict {
        let Some((source, rest)) = self.find(head.path()) else {
            let detail = "the request's path belongs to no source (it is not shown, it may hold a secret)";
            let failure = Failure::new(Cause::UnknownPath, detail);
            let hint = self.hint(head.path());
            return DoorVerdict::Answered(None, Answered::UnknownPath { failure, hint });
        };
        let answered = |answered| DoorVerdict::Answered(Some(source.clone()), answered);
        match head.method {
            "HEAD" => return answered(Answered::Present),
            "POST" => {}
            // MDSS lets its operator choose: https://www.opswat.com/docs/mdss/4.5.0/configuration/file-scanned-notifications
            "PUT" if source.takes == Takes::Results => {}
            other if source.takes == Takes::Results => {
                let found = format!("expected a POST or a PUT, found {other:?}");
                return answered(Answered::WrongMethod(Failure::new(Cause::MethodNotAllowed, found)));
            }
            "OPTIONS" if source.grants_permission(head) => {}
            other => {
                let options = "; an OPTIONS is answered where its WebHook-Request-Origin is that of a sender which begins so";
                let more = if other == "OPTIONS" { options } else { "" };
                let found = format!("expected a POST, found {other:?}{more}");
                return answered(Answered::WrongMethod(Failure::new(Cause::MethodNotAllowed, found)));
            }
        }
        let path = source.sent(head.target);
        let RequestHead { method, headers, client, .. } = *head;
        let head = Head { method, path: &path, path_rest: Some(rest), headers, client };
        let judged = match (source.policy.check_head(&head, now, keys), body) {
            (Verdict::Admitted(_), None) => return DoorVerdict::NeedBody(source.clone()),
            (Verdict::Admitted(_), Some(body)) => {
                source.policy.check_body(&Request { head, body }, now, keys)
            }
            (objection, _) => objection,
        };
        match judged {
            Verdict::Admitted(admission) => {
                DoorVerdict::Entered(Entered { source: source.clone(), replay: admission.replay })
            }
            Verdict::NeedKey { check, url } => DoorVerdict::NeedKey { source: source.clone(), check, url },
            Verdict::Refused(refusal) => answered(Answered::Refused(refusal)),
            Verdict::Unavailable(what) => answered(Answered::Unavailable(what)),
        }
    }

    /// The source that has this path, and what follows the source's own path in it.
    fn find<'p>(&self, path: &'p str) -> Option<(&Arc<Source>, &'p str)> {
        if self.at_any_path {
            return self.list.first().map(|source| (source, ""));
        }
        // A path that is some source's own is never the secret of another one.
        let own = self.list.iter().find(|source| source.path == path).map(|source| (source, ""));
        own.or_else(|| self.list.iter().find_map(|source| Some((source, source.rest(path)?))))
    }

    /// What to tell the operator about a path that is no source's, without the path.
    fn hint(&self, path: &str) -> String {
        let bare = path.trim_end_matches('/');
        let near = self.list.iter().find(|source| source.path.eq_ignore_ascii_case(bare));
        match near {
            Some(source) if bare == source.path => {
                format!("its path is that of source {:?}, except for a slash at its end", source.name)
            }
            Some(source) => {
                format!("its path is that of source {:?}, except for capital letters", source.name)
            }
            None => {
                let within = |source: &&Arc<Source>| {
                    path.strip_prefix(source.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
                };
                let begins = match self.list.iter().find(within) {
                    Some(source) => format!("begins like that of source {:?}, but goes on", source.name),
                    None => "belongs to no source".to_owned(),
                };
                let paths: Vec<_> = self.list.iter().take(8).map(|source| source.place()).collect();
                let more = if self.list.len() > paths.len() { " and others" } else { "" };
                let (length, paths) = (path.len(), paths.join(", "));
                format!("its path of {length} bytes {begins}; there are {paths}{more}")
            }
        }
    }
}

impl<'r> RequestHead<'r> {
    /// The target without its query.
    fn path(&self) -> &'r str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Entered {
    /// What the relay gets: the request without its credentials, which were the gate's. It has no id yet.
    pub fn delivery(&self, head: &RequestHead<'_>, body: Vec<u8>) -> Delivery {
        Delivery {
            source: Some(self.source.name.clone()),
            dialect: self.source.dialect,
            method: head.method.to_owned(),
            headers: text_headers(head.headers),
            body,
            id: String::new(),
        }
    }
}

impl Answered {
    /// The certificate's URL as the sender named it, if that it is not on the list is why: to be logged once. As in
    /// [`Refusal::certificate_url`].
    pub fn certificate_url(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.certificate_url.as_deref(),
            Self::Unavailable(what) => what.certificate_url.as_deref(),
            Self::Present | Self::UnknownPath { .. } | Self::WrongMethod(_) => None,
        }
    }

    /// The failure there is of it, if it is one: the sender of a refused request learns no reason.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Present | Self::Refused(_) => None,
            Self::UnknownPath { failure, .. } | Self::WrongMethod(failure) => Some(failure.clone()),
            // A key that cannot be had just now is no reason to call a sender a stranger.
            Self::Unavailable(what) => {
                Some(Failure::new(Cause::KeyUnavailable, format!("{}: {}", what.check, what.why)))
            }
        }
    }
}

impl Source {
    /// What follows this source's path, if the path is this source's.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path.strip_prefix(self.path.as_str())? {
            "" => Some(""),
            // The secret is one more segment; whether it is the right one is the gate's matter.
            rest if self.policy.has_path_secret() && rest.starts_with('/') && !rest[1..].contains('/') => {
                Some(rest)
            }
            _ => None,
        }
    }

    /// Whether this is an OPTIONS that a sender of its dialect begins with.
    fn grants_permission(&self, head: &RequestHead<'_>) -> bool {
        let (method, headers) = (head.method.to_owned(), text_headers(head.headers));
        Delivery { dialect: self.dialect, method, headers, ..Delivery::default() }.asks_permission()
    }

    /// The request target as the sender wrote it, where a proxy has rewritten its path.
    fn sent<'r>(&self, target: &'r str) -> Cow<'r, str> {
        match (&self.public_path, target.strip_prefix(self.path.as_str())) {
            (Some(public), Some(rest)) => Cow::Owned(format!("{public}{rest}")),
            _ => Cow::Borrowed(target),
        }
    }
}

/// SMN's confirmations name the URL that is to be visited, and only a signature says that SMN has written them.
fn unsigned_confirmations(topics: &[String], policy: &Policy, index: usize) -> Option<Mistake> {
    let topic = topics.iter().find(|topic| topic.starts_with("urn:smn:"))?;
    let expected = "no topic of SMN without auth.huawei_smn, which proves that a confirmation comes from SMN; or confirm it by hand";
    let place = format!("source[{index}].confirm_topics");
    (!policy.has(HUAWEI_SMN)).then(|| Mistake::found(place, topic, expected))
}

/// Headers as text, without credentials. A value that is no text means nothing to any dialect.
fn text_headers(headers: &[(&str, &[u8])]) -> Vec<(String, String)> {
    const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    let text = |(name, value): &(&str, &[u8])| {
        if CREDENTIALS.iter().any(|credential| credential.eq_ignore_ascii_case(name)) {
            return None;
        }
        Some(((*name).to_owned(), printable(value)?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests;
