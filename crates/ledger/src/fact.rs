//! What happened: one flat list of members for every kind, the same in a row of an outbox, in a line of a log, in the chain and in an export.

use std::borrow::Cow;
use std::sync::Arc;

use mdss_relay_core::facts;
use serde::Deserialize;

use crate::hash::Hash;
use crate::kind::{Kind, Origin};
use crate::moment::Moment;

/// What happened. A member that is `None` is not known, or has nothing to say for this kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What it says.
    pub kind: Kind,
    /// The name of the source that the event came through.
    pub source: Option<Arc<str>>,
    /// The record's dialect.
    pub dialect: Option<Arc<str>>,
    /// The bucket.
    pub bucket: Option<Arc<str>>,
    /// What the bucket's name is unique in, where the store has such a thing.
    pub namespace: Option<Arc<str>>,
    /// The storage unit's id, as MDSS has it.
    pub unit: Option<Arc<str>>,
    /// The object's key, decoded. In an entry it is what has been kept of it: see [`Entry::keys`](crate::Entry).
    pub key: Option<Vec<u8>>,
    /// The object's version.
    pub version: Option<String>,
    /// Its ETag, without quotation marks.
    pub etag: Option<String>,
    /// Its size, bytes.
    pub size: Option<u64>,
    /// When the store says that it was written.
    pub event_time: Option<Moment>,
    /// When the relay has received the event.
    pub received_time: Option<Moment>,
    /// When it happened: for [`Kind::Accepted`], when MDSS's answer came.
    pub settled_time: Option<Moment>,
    /// Requests to MDSS for it.
    pub attempts: Option<u64>,
    /// What MDSS calls the object that it has accepted.
    pub correlation_id: Option<String>,
    /// Why it was told to MDSS.
    pub origin: Option<Origin>,
    /// Who did it, if it was done by hand.
    pub actor: Option<String>,
    /// How many.
    pub count: Option<u64>,
    /// Why: a token, or what a person has given as the reason.
    pub reason: Option<String>,
    /// The number of the entry that this one is about.
    pub about: Option<u64>,
    /// What MDSS calls the file that it has scanned.
    pub file_id: Option<String>,
    /// What it has found.
    pub result: Option<String>,
    /// What became of the file there.
    pub file_state: Option<String>,
    /// When it was scanned.
    pub scan_time: Option<Moment>,
    /// How sure it is that the result belongs to the write.
    pub confidence: Option<String>,
    /// SHA-256 of something that stands elsewhere; which, the kind says.
    pub digest: Option<Hash>,
    /// More, as a text of JSON. Never a key: nothing erases one here.
    pub detail: Option<String>,
}

impl Fact {
    /// Something of this kind, without an object.
    pub fn new(kind: Kind, at: Moment) -> Self {
        Self { kind, settled_time: Some(at), ..Self::default() }
    }
}

macro_rules! tidy {
    ($fact:expr, $($member:ident),+) => {
        $(if $fact.$member.as_ref().is_some_and(|text| text.is_empty()) {
            $fact.to_mut().$member = None;
        })+
    };
}

macro_rules! replace_nul {
    ($fact:expr, $($member:ident),+) => {
        $(if let Some(text) = $fact.$member.as_deref().filter(|text| text.contains('\0')) {
            let text = text.replace('\0', "\u{fffd}");
            $fact.to_mut().$member = Some(text.into());
        })+
    };
}

impl Fact {
    /// Without members that are empty: in CSV those cannot be told from members that are not there.
    pub(crate) fn tidied(&self) -> Cow<'_, Self> {
        let mut fact = Cow::Borrowed(self);
        tidy!(
            fact,
            source,
            dialect,
            bucket,
            namespace,
            unit,
            key,
            version,
            etag,
            correlation_id,
            actor,
            reason,
            file_id,
            result,
            file_state,
            confidence,
            detail
        );
        fact
    }

    /// Replaces U+0000, which no text of a PostgreSQL may hold, where it stands in a text. A key is bytes.
    pub(crate) fn without_nul(fact: &mut Cow<'_, Self>) {
        replace_nul!(
            fact,
            source,
            dialect,
            bucket,
            namespace,
            unit,
            version,
            etag,
            correlation_id,
            actor,
            reason,
            file_id,
            result,
            file_state,
            confidence,
            detail
        );
    }
}

/// What cannot be used of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is a line of a log about something else.
    Other,
    /// It cannot be used: lower case, no full stop.
    Bad(String),
}

/// The longest row or line that is read. A key has at most a few kilobytes in any store, so anything longer is none of ours.
pub const MOST_LINE_BYTES: usize = 256 << 10;

/// The members of a row, or of a line. Their names are those of [`facts`]; a test compares them.
#[derive(Deserialize)]
struct Wire {
    kind: Option<String>,
    message: Option<String>,
    timestamp: Option<String>,
    #[serde(rename = "mdss.source")]
    source: Option<String>,
    #[serde(rename = "mdss.dialect")]
    dialect: Option<String>,
    #[serde(rename = "faas.document.collection")]
    bucket: Option<String>,
    #[serde(rename = "mdss.namespace")]
    namespace: Option<String>,
    #[serde(rename = "mdss.lane")]
    unit: Option<String>,
    #[serde(rename = "faas.document.name")]
    key: Option<String>,
    #[serde(rename = "mdss.object.version")]
    version: Option<String>,
    #[serde(rename = "mdss.object.etag")]
    etag: Option<String>,
    #[serde(rename = "mdss.object.size_bytes")]
    size: Option<u64>,
    #[serde(rename = "faas.document.time")]
    event_time: Option<String>,
    #[serde(rename = "mdss.received_time")]
    received_time: Option<String>,
    #[serde(rename = "http.request.resend_count")]
    resends: Option<u64>,
    #[serde(rename = "mdss.correlation_id")]
    correlation_id: Option<String>,
    #[serde(rename = "mdss.origin")]
    origin: Option<String>,
    #[serde(rename = "mdss.reason")]
    reason: Option<String>,
    #[serde(rename = "mdss.actor")]
    actor: Option<String>,
    #[serde(rename = "mdss.count")]
    count: Option<u64>,
    #[serde(rename = "mdss.filter")]
    filter: Option<String>,
    #[serde(rename = "mdss.gap.from")]
    gap_from: Option<String>,
    #[serde(rename = "mdss.gap.to")]
    gap_to: Option<String>,
}

impl Fact {
    /// Reads a row of an outbox, or a line of a log about an accepted object: [`facts`] has the names of its members. A line has no `kind`,
    /// and its origin is [`Origin::Log`].
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(line: &[u8]) -> Result<Self, Unreadable> {
        let bad = |what: String| Err(Unreadable::Bad(what));
        if line.len() > MOST_LINE_BYTES {
            return bad(format!("expected at most {MOST_LINE_BYTES} bytes, found {}", line.len()));
        }
        let wire: Wire = match serde_json::from_slice(line) {
            Ok(wire) => wire,
            Err(e) => return bad(format!("expected an object of JSON: {e}")),
        };
        let kind = match (&wire.kind, &wire.message) {
            (Some(kind), _) => match Kind::read(kind) {
                Some(kind) if !kind.is_our_own() => Some(kind),
                _ => return bad(format!("`kind` is {kind:?}, which no outbox may say")),
            },
            (None, Some(message)) if message == facts::ACCEPTED_MESSAGE => None,
            // A log service's wrapping. To pass over it would hide what was accepted.
            (None, Some(message)) if message.contains('{') && message.contains(facts::ACCEPTED_MESSAGE) => {
                return bad("the relay's line stands inside `message`: take it out first, as the guide of this cloud does (docs/reconcile.md)".into());
            }
            (None, Some(_)) => return Err(Unreadable::Other),
            (None, None) => return bad("has neither `kind` nor `message`".into()),
        };
        wire.fact(kind)
    }
}

impl Wire {
    /// Of a row of that kind, or of a line about an accepted object.
    fn fact(self, kind: Option<Kind>) -> Result<Fact, Unreadable> {
        let moment = |name: &str, text: Option<&String>| match text {
            None => Ok(None),
            Some(text) => match Moment::read(text) {
                Some(moment) => Ok(Some(moment)),
                None => Err(Unreadable::Bad(format!("`{name}` is {text:?}, expected a time of RFC 3339"))),
            },
        };
        let origin = match (kind, self.origin.as_deref()) {
            (None, _) => Some(Origin::Log),
            (Some(Kind::Accepted), None) => Some(Origin::Event),
            (Some(_), None) => None,
            (Some(_), Some(name)) => match Origin::read(name) {
                Some(origin) => Some(origin),
                None => return Err(Unreadable::Bad(format!("`mdss.origin` is {name:?}, which is none"))),
            },
        };
        let kind = kind.unwrap_or_default();
        let lacks = |name: &str| Err(Unreadable::Bad(format!("an entry of the kind {kind} needs `{name}`")));
        let settled_time = moment("timestamp", self.timestamp.as_ref())?;
        if settled_time.is_none() {
            return lacks("timestamp");
        }
        if kind == Kind::Accepted {
            if self.bucket.is_none() {
                return lacks("faas.document.collection");
            }
            if self.key.is_none() {
                return lacks("faas.document.name");
            }
        }
        let mut detail = serde_json::Map::new();
        for (name, text) in [("filter", &self.filter), ("from", &self.gap_from), ("to", &self.gap_to)] {
            if let Some(text) = text {
                detail.insert(name.into(), text.as_str().into());
            }
        }
        Ok(Fact {
            kind,
            event_time: moment("faas.document.time", self.event_time.as_ref())?,
            received_time: moment("mdss.received_time", self.received_time.as_ref())?,
            settled_time,
            source: self.source.map(Arc::from),
            dialect: self.dialect.map(Arc::from),
            bucket: self.bucket.map(Arc::from),
            namespace: self.namespace.map(Arc::from),
            unit: self.unit.filter(|unit| unit != UNROUTED).map(Arc::from),
            key: self.key.map(String::into_bytes),
            version: self.version,
            etag: self.etag,
            size: self.size,
            attempts: self.resends.map(|resends| resends.saturating_add(1)),
            correlation_id: self.correlation_id,
            origin,
            actor: self.actor,
            count: self.count,
            reason: self.reason,
            detail: (!detail.is_empty()).then(|| serde_json::Value::Object(detail).to_string()),
            ..Fact::default()
        })
    }
}

/// What the log calls the lane of events that no route leads on.
const UNROUTED: &str = "unrouted";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-11-21T18:57:00.123456Z","level":"INFO","message":"object accepted by MDSS","mdss.dialect":"minio",
        "faas.document.collection":"invoices","faas.document.name":"a b/é.pdf","mdss.lane":"u-1","mdss.correlation_id":"64a0","http.request.resend_count":2,
        "mdss.source":"s","mdss.object.version":"v","mdss.object.etag":"e","mdss.object.size_bytes":7,"faas.document.time":"2026-11-21T18:56:59Z",
        "mdss.received_time":"2026-11-21T18:56:59.5Z","mdss.namespace":"n","mdss.origin":"retry","target":"x","spans":[{"name":"call"}]}"#;

    /// A line and a row have the same members, so they make the same fact.
    #[test]
    fn a_line_of_the_log_is_read_as_a_row_of_an_outbox() {
        let line = Fact::read(LINE.as_bytes()).unwrap();
        let row = LINE.replace("\"message\":\"object accepted by MDSS\"", "\"kind\":\"accepted\"");
        let row = Fact::read(row.as_bytes()).unwrap();
        assert_eq!(row.origin, Some(Origin::Retry));
        assert_eq!(line, Fact { origin: Some(Origin::Log), ..row.clone() });
        assert_eq!(row.key.as_deref(), Some("a b/é.pdf".as_bytes()));
        assert_eq!((row.attempts, row.size), (Some(3), Some(7)));
        assert_eq!(row.settled_time.unwrap().to_string(), "2026-11-21T18:57:00.123Z");
        assert_eq!((row.unit.as_deref(), row.namespace.as_deref()), (Some("u-1"), Some("n")));
    }

    #[test]
    fn every_member_that_a_fact_may_have_is_read() {
        for member in facts::MEMBERS.iter().filter(|m| m.name != facts::TIMESTAMP) {
            let at = "\"timestamp\":\"2026-11-21T18:57:00Z\"";
            let (kind, name) = (member.kinds[0], member.name);
            let bare = format!(
                r#"{{{at},"kind":"{kind}","faas.document.collection":"b","faas.document.name":"k"}}"#
            );
            let bare = Fact::read(bare.as_bytes()).unwrap();
            let said = [r#""2026-11-21T18:00:00Z""#, "17", r#""retry""#, r#""gap""#].iter().any(|value| {
                let text = format!(
                    r#"{{{at},"faas.document.collection":"b","faas.document.name":"k","kind":"{kind}","{name}":{value}}}"#
                );
                let text = if ["kind", "faas.document.collection", "faas.document.name"].contains(&name) {
                    format!(r#"{{{at},"kind":"parked","faas.document.collection":"b","faas.document.name":"k"}}"#)
                } else {
                    text
                };
                Fact::read(text.as_bytes()).is_ok_and(|fact| fact != bare)
            });
            assert!(said, "{name} makes no difference");
        }
        for kind in facts::KINDS {
            assert!(Kind::read(kind).is_some_and(|kind| !kind.is_our_own()), "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let bad = |text: &str| match Fact::read(text.as_bytes()) {
            Err(Unreadable::Bad(what)) => what,
            other => panic!("{text}: {other:?}"),
        };
        for (text, want) in [
            ("", "expected an object of JSON"),
            ("{}", "neither"),
            // A log service's wrapping is named, and not passed over as something else.
            (
                r#"{"timestamp":"2026-01-01T00:00:00Z","message":"{\"message\":\"object accepted by MDSS\"}\n"}"#,
                "inside `message`",
            ),
            (r#"{"jsonPayload":{"message":"object accepted by MDSS"}}"#, "neither"),
            (r#"{"kind":"result"}"#, "no outbox may say"),
            (r#"{"kind":"accepted"}"#, "needs `timestamp`"),
            (
                r#"{"message":"object accepted by MDSS","timestamp":"2026-01-01T00:00:00Z"}"#,
                "needs `faas.document.collection`",
            ),
            (r#"{"kind":"gap","timestamp":"now"}"#, "expected a time"),
            (r#"{"kind":"parked","timestamp":"2026-01-01T00:00:00Z","mdss.origin":"log2"}"#, "which is none"),
        ] {
            assert!(bad(text).contains(want), "{text}: {}", bad(text));
        }
        assert_eq!(Fact::read(br#"{"message":"event skipped"}"#), Err(Unreadable::Other));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fact::read(&bytes);
        }
    }
}
