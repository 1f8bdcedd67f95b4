//! Notification configurations: the document in which a bucket of JD Cloud or of an S3-shaped store says which events
//! it tells to whom.
//!
//! Whoever moves to the relay has such documents already, and whoever starts with it needs one. So it is read, checked
//! as the store would check it, tried on events, and written; and a route can take it as its selection. What is
//! documented, and what was chosen where nothing is, stands in `docs/notifications.md`.
//!
//! JD Cloud: "PUT Bucket notification" and "Callback Notification" of its Object Storage Service
//! (<https://docs.jdcloud.com/en/object-storage-service/put-bucket-notification-2>, read 2026-11). Amazon S3:
//! `PutBucketNotificationConfiguration` and "Configuring event notifications using object key name filtering"
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html>, read 2026-11).

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::plain::line;

/// A bucket's notification configuration: rules, in the order of the document.
///
/// ```
/// use mdss_relay_core::{Notification, NotificationVerdict};
/// let document = "<NotificationConfiguration><TopicConfiguration><Id>pdf</Id>\
///     <Filter><S3Key><FilterRule><Name>suffix</Name><Value>.pdf</Value></FilterRule></S3Key></Filter>\
///     <Topic>NS:https://relay.example/jd</Topic><Event>s3:ObjectCreated:*</Event>\
///     </TopicConfiguration></NotificationConfiguration>";
/// let notification = Notification::parse(document.as_bytes()).unwrap();
/// assert_eq!(notification.verdict("s3:ObjectCreated:Put", "a.pdf"), NotificationVerdict::Fired(vec![0]));
///
/// let NotificationVerdict::Not(misses) = notification.verdict("ObjectCreated:Put", "a.txt") else { panic!() };
/// assert_eq!(misses[0].to_string(), r#"suffix is "a.txt", wanted ".pdf""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub(super) store: Store,
    pub(super) rules: Vec<Rule>,
    pub(super) warnings: Vec<String>,
}

/// Whose document it is. Its targets tell: only JD Cloud has addresses, and Amazon's ARNs have an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// JD Cloud: the rules are tried in order, and the first that fits ends it.
    JdCloud,
    /// Amazon S3: every rule that fits fires, and no two may fit the same object and event.
    Amazon,
    /// Any other, or none that could be told: every rule that fits fires.
    Other,
}

/// One configuration of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name; the store makes one up if there is none, and events carry it as `configurationId`.
    pub id: Option<String>,
    /// The line it begins on, from 1.
    pub line: usize,
    /// Whom it tells.
    pub target: Target,
    /// What it tells of, as written: `s3:ObjectCreated:*`. Empty: of everything (EventBridge only).
    pub events: Vec<String>,
    /// What keys begin with.
    pub prefix: Option<Affix>,
    /// What keys end with.
    pub suffix: Option<Affix>,
}

/// Whom a rule tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// JD Cloud: callback servers, 1 to 5.
    Addresses(Vec<Address>),
    /// JD Cloud: a function of its Function Service.
    Function(String),
    /// S3: an SNS topic, by its ARN.
    Topic(String),
    /// S3: an SQS queue.
    Queue(String),
    /// S3: a Lambda function.
    Lambda(String),
    /// S3: EventBridge, which hears of everything in the bucket and has no rule of its own.
    EventBridge,
}

/// The address of a callback server. Its path may hold a secret, so it is shown up to the host.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// # Errors
    /// What was expected.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "an address such as https://relay.example/jd, without a comma or white space";
        let url = Url::parse(text).map_err(|_| EXPECTED)?;
        let fits = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            // A comma ends an address; URL parsing would take white space away, which JD's server may not.
            && !text.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control());
        if fits { Ok(Self(text.to_owned())) } else { Err(EXPECTED) }
    }

    /// The whole of it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.0.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Url::parse(&self.0) {
            Ok(url) => {
                let rest = if url.path() == "/" && url.query().is_none() { "" } else { "…" };
                write!(f, "{}/{rest}", url.origin().ascii_serialization())
            }
            Err(_) => f.write_str("…"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(list) => {
                let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
                f.write_str(&shown.join(", "))
            }
            Self::Function(id) => write!(f, "function {id}"),
            Self::Topic(arn) | Self::Queue(arn) | Self::Lambda(arn) => f.write_str(arn),
            Self::EventBridge => f.write_str("EventBridge"),
        }
    }
}

/// A prefix or a suffix: what is written, and the bytes it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affix {
    written: String,
    /// Not text: a percent-encoded prefix may end inside a character.
    pub(super) bytes: Vec<u8>,
}

impl Affix {
    /// `None` for the empty text, which any key begins and ends with.
    ///
    /// Amazon: "If your prefix or suffix contains a space, you must replace it with the "+" character. If you use any
    /// other special characters [...], you must enter them in URL-encoded (percent-encoded) format" (key name
    /// filtering). So a filter is form-encoded, as keys are in its events. JD's documents say nothing and have
    /// `images/`; MinIO (`cmd/event-notification.go`, `Send`) and Ceph (`rgw_pubsub.cc`, `match`) compare the value with
    /// the key as it is.
    pub(super) fn new(store: Store, written: &str) -> Option<Self> {
        let bytes = match store {
            Store::Amazon => percent_decode_str(&written.replace('+', " ")).collect(),
            Store::JdCloud | Store::Other => written.as_bytes().to_vec(),
        };
        (!written.is_empty()).then(|| Self { written: written.to_owned(), bytes })
    }

    /// As it stands in the document.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// What a notification configuration makes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotificationVerdict {
    /// The rules that fire, by their index; one at most with JD Cloud.
    Fired(Vec<usize>),
    /// None does: for each rule, what decided first.
    Not(Vec<Miss>),
}

/// Why a rule does not fire: the first of event, prefix and suffix that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Which.
    pub field: Field,
    /// The event's name, or the key.
    pub seen: String,
    /// What the rule has there: its events with commas between them, or its prefix or suffix as written.
    pub wanted: String,
}

/// What a rule looks at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The event's name.
    Event,
    /// How the key begins.
    Prefix,
    /// How the key ends.
    Suffix,
}

impl Field {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
        }
    }
}

impl fmt::Display for Miss {
    /// For people: long values are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seen, wanted) = (line::clip(&self.seen, 200), line::clip(&self.wanted, 200));
        write!(f, "{} is {seen:?}, wanted {wanted:?}", self.field.name())
    }
}

impl Store {
    /// The name of its dialect.
    pub fn name(self) -> &'static str {
        match self {
            Self::JdCloud => "jdcloud",
            Self::Amazon => "aws-s3",
            Self::Other => "s3-compatible",
        }
    }
}

impl Notification {
    /// Whose document it is.
    pub fn store(&self) -> Store {
        self.store
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What is no mistake and hardly meant.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Which rules fire for an event, by its name (with `s3:` in front or without) and the decoded key.
    pub fn verdict(&self, event: &str, key: &str) -> NotificationVerdict {
        let mut fired = Vec::new();
        let mut misses = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.test(event, key) {
                Ok(()) => fired.push(index),
                Err(field) => misses.push(rule.miss(field, event, key)),
            }
            // "If the match is successful, the message notification will be sent and the match is terminated" (JD).
            if self.store == Store::JdCloud && !fired.is_empty() {
                break;
            }
        }
        if fired.is_empty() { NotificationVerdict::Not(misses) } else { NotificationVerdict::Fired(fired) }
    }

    /// Whether any rule fires, for whoever does not ask which.
    pub(crate) fn fires(&self, event: &str, key: &str) -> bool {
        self.rules.iter().any(|rule| rule.test(event, key).is_ok())
    }

    /// Whether there is a rule that some write of this key could fire.
    pub(crate) fn may_tell_of(&self, key: &str) -> bool {
        let about_new = |rule: &&Rule| rule.target == Target::EventBridge || rule.tells_of_creation();
        self.rules.iter().filter(about_new).any(|rule| rule.fits_key(key).is_ok())
    }

    /// Whether there is a rule that some new object could fire.
    pub(crate) fn tells_of_creation(&self) -> bool {
        self.rules.iter().any(|rule| rule.target == Target::EventBridge || rule.tells_of_creation())
    }

    /// The rule that came nearest to firing, with its index: where it is of most use to look first.
    pub(crate) fn nearest_miss(&self, event: &str, key: &str) -> Option<(usize, &Rule, Miss)> {
        let tried =
            self.rules.iter().enumerate().filter_map(|(i, r)| Some((i, r, r.test(event, key).err()?)));
        // The first of equals.
        let (index, rule, field) = tried.rev().max_by_key(|(_, _, field)| *field)?;
        Some((index, rule, rule.miss(field, event, key)))
    }
}

impl Rule {
    fn test(&self, event: &str, key: &str) -> Result<(), Field> {
        let event_fits =
            self.target == Target::EventBridge || self.events.iter().any(|wanted| tells_of(wanted, event));
        if !event_fits { Err(Field::Event) } else { self.fits_key(key) }
    }

    fn fits_key(&self, key: &str) -> Result<(), Field> {
        let fits = |affix: &Option<Affix>, test: fn(&[u8], &[u8]) -> bool| {
            affix.as_ref().is_none_or(|affix| test(key.as_bytes(), &affix.bytes))
        };
        if !fits(&self.prefix, <[u8]>::starts_with) {
            Err(Field::Prefix)
        } else if !fits(&self.suffix, <[u8]>::ends_with) {
            Err(Field::Suffix)
        } else {
            Ok(())
        }
    }

    fn miss(&self, field: Field, event: &str, key: &str) -> Miss {
        let written = |affix: &Option<Affix>| affix.as_ref().map(|a| a.written.clone()).unwrap_or_default();
        let (seen, wanted) = match field {
            Field::Event => (event, self.events.join(", ")),
            Field::Prefix => (key, written(&self.prefix)),
            Field::Suffix => (key, written(&self.suffix)),
        };
        Miss { field, seen: seen.to_owned(), wanted }
    }

    pub(super) fn tells_of_creation(&self) -> bool {
        self.events.iter().any(|event| bare(event).starts_with("ObjectCreated:"))
    }

    /// Whether every key the other one takes is a key this one takes, events aside. Enough, not necessary.
    pub(super) fn covers_keys_of(&self, other: &Self) -> bool {
        let holds =
            |mine: &Option<Affix>, other: &Option<Affix>, test: fn(&[u8], &[u8]) -> bool| match (mine, other)
            {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(mine), Some(other)) => test(&other.bytes, &mine.bytes),
            };
        holds(&self.prefix, &other.prefix, <[u8]>::starts_with)
            && holds(&self.suffix, &other.suffix, <[u8]>::ends_with)
    }

    /// Whether there is a key that both take: one prefix begins with the other, and one suffix ends with the other.
    pub(super) fn shares_keys_with(&self, other: &Self) -> bool {
        let meet = |a: &Option<Affix>, b: &Option<Affix>, test: fn(&[u8], &[u8]) -> bool| match (a, b) {
            (Some(a), Some(b)) => test(&a.bytes, &b.bytes) || test(&b.bytes, &a.bytes),
            (None, _) | (_, None) => true,
        };
        meet(&self.prefix, &other.prefix, <[u8]>::starts_with)
            && meet(&self.suffix, &other.suffix, <[u8]>::ends_with)
    }

    /// How sentences and tables call the rule.
    pub(crate) fn name(&self, index: usize) -> String {
        match &self.id {
            Some(id) => format!("rule[{index}] (id {:?})", line::clip(id, 60)),
            None => format!("rule[{index}]"),
        }
    }
}

/// Documents write `s3:` before an event's name, Amazon's records do not, JD's and MinIO's do.
pub(super) fn bare(event: &str) -> &str {
    event.strip_prefix("s3:").unwrap_or(event)
}

/// Whether an event a rule names is, or with `:*` at its end includes, the given one.
pub(super) fn tells_of(wanted: &str, event: &str) -> bool {
    let (wanted, event) = (bare(wanted), bare(event));
    match wanted.strip_suffix('*') {
        Some(family) if family.ends_with(':') => event.starts_with(family),
        _ => wanted == event,
    }
}
