//! The normal form: what any provider's event means, once it has been read.
//!
//! Types here are strict. Whatever is odd on the wire (odd types, missing members, three spellings of an ETag)
//! has been settled by the dialect before one of these exists.

use std::fmt;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::model::dialect::Dialect;

/// The name of a bucket; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket(String);

impl Bucket {
    /// `None` for the empty string: providers write it where a name is absent.
    pub fn new(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an object as the provider's own API would spell it: decoded exactly once, never empty.
///
/// How a key was encoded on the wire belongs to its constructor, so that decoding happens once and visibly.
/// Nothing else is changed: no Unicode normalisation, no path normalisation, no trimming.
///
/// ```
/// use mdss_relay_core::ObjectKey;
/// assert_eq!(ObjectKey::from_form_encoded("a+b%2Bc").unwrap().as_str(), "a b+c");
/// assert_eq!(ObjectKey::from_percent_encoded("a+b%2Bc").unwrap().as_str(), "a+b+c");
/// assert_eq!(ObjectKey::from_verbatim("a+b%2Bc").unwrap().as_str(), "a+b%2Bc");
/// // A malformed escape comes from a sender that does not encode: it stays what it is.
/// assert_eq!(ObjectKey::from_form_encoded("100%zz").unwrap().as_str(), "100%zz");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKey(String);

/// Why a text is no object key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The empty string.
    Empty,
    /// The decoded bytes are not UTF-8, so the object cannot be named to MDSS in JSON.
    NotUtf8,
}

impl ObjectKey {
    /// For producers that form-encode keys: `+` is a space, `%2B` a plus (AWS S3, MinIO; *not* Ceph, *not* EventBridge).
    ///
    /// # Errors
    /// [`KeyError`] if the key is empty or its decoded bytes are not UTF-8.
    pub fn from_form_encoded(raw: &str) -> Result<Self, KeyError> {
        if raw.contains('+') {
            Self::from_percent_encoded(&raw.replace('+', " "))
        } else {
            Self::from_percent_encoded(raw)
        }
    }

    /// For producers that encode as in a URL's path: `%xx` is a byte, a plus stays a plus.
    ///
    /// # Errors
    /// [`KeyError`] if the key is empty or its decoded bytes are not UTF-8.
    pub fn from_percent_encoded(raw: &str) -> Result<Self, KeyError> {
        let text = percent_decode_str(raw).decode_utf8().map_err(|_| KeyError::NotUtf8)?;
        Self::from_verbatim(&text)
    }

    /// For producers that do not encode: a literal `+` or `%41` stays.
    ///
    /// # Errors
    /// [`KeyError::Empty`] for the empty string.
    pub fn from_verbatim(raw: &str) -> Result<Self, KeyError> {
        if raw.is_empty() { Err(KeyError::Empty) } else { Ok(Self(raw.to_owned())) }
    }

    /// The same with its bucket's name and a slash in front.
    pub(crate) fn behind(&self, bucket: &Bucket) -> Self {
        Self(format!("{}/{}", bucket.0, self.0))
    }

    /// The decoded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this object is what consoles create to show an empty folder: its name ends in `/`, and the event proves that
    /// there is nothing in it. The name alone proves nothing: whoever uploads chooses it, and stores keep content under such a
    /// name. An unknown size is no proof either.
    pub fn is_folder_marker(&self, size: Option<u64>) -> bool {
        self.0.ends_with('/') && size == Some(0)
    }
}

/// What a record means, in the words of the `explain` output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Content appeared or changed: creation and overwrite. The only kind that is sent.
    Created,
    /// The object, or one version of it, went away.
    Removed,
    /// Known, and not about content: tags, retention, restores, buckets.
    Other,
    /// A provider's test message.
    Test,
    /// A message that only asks for an answer, or for nothing at all.
    Handshake,
}

impl Kind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Removed => "removed",
            Self::Other => "other",
            Self::Test => "test",
            Self::Handshake => "handshake",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Content appeared or changed.
    Created,
    /// The object went away.
    Removed,
    /// Known, and neither.
    Other,
    /// It is there, as a listing of its bucket shows, which says less than an event would: not who wrote it, nor how.
    Listed,
    /// Nobody here knows this event, so nobody can say that there is no new content.
    Unknown,
}

/// What becomes of an event that nobody here knows and that speaks of an object: the operator's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownEvents {
    /// It fails where somebody sees it.
    #[default]
    Fail,
    /// Its object is taken as new content.
    Send,
    /// It is taken as no content.
    Skip,
}

/// The compartments (OCI) that an event names as its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compartments {
    /// Their ids; none on every other provider, and if nobody asks for them.
    Named(Vec<String>),
    /// Which they are cannot be told; the sentence.
    Unclear(String),
}

impl Default for Compartments {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// What an event may say beside bucket and key. Every member can be missing on some provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The namespace the bucket lives in (OCI); buckets are unique only within it.
    pub namespace: Option<String>,
    /// The compartments the event names as its own; read only if a route asks for them.
    pub compartments: Compartments,
    /// Bytes; 0 is a size, absent is not 0.
    pub size: Option<u64>,
    /// Opaque, without the quotes some producers put around it.
    pub etag: Option<String>,
    /// Opaque.
    pub version_id: Option<String>,
    /// The event's name exactly as sent.
    pub event_name: Option<String>,
    /// The provider's region, where the record says one.
    pub region: Option<String>,
    /// When it happened, by the provider's clock.
    pub time: Option<Timestamp>,
    /// Per-key order mark; opaque.
    pub sequencer: Option<String>,
    /// What the provider calls this event; opaque.
    pub event_id: Option<String>,
    /// What the provider calls the request that wrote the object; opaque.
    pub request_id: Option<String>,
    /// What its store speaks, where the record is not the store's own.
    pub store: Option<Dialect>,
    /// Members an uploader may choose freely (JD Cloud's `callBackVar`): shown, never trusted.
    pub untrusted: serde_json::Map<String, serde_json::Value>,
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectEvent {
    /// Where the object lives.
    pub bucket: Bucket,
    /// Its name, decoded.
    pub key: ObjectKey,
    /// What happened to it.
    pub change: Change,
    /// The rest.
    pub details: Details,
}

/// A message that is about no particular object.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is.
    pub kind: NoticeKind,
    /// The bucket it speaks of, if any.
    pub bucket: Option<Bucket>,
    /// The rest.
    pub details: Details,
}

/// The kinds of [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// A provider's test message, sent when a notification rule is saved.
    Test,
    /// Wants a particular answer before events flow.
    Handshake,
    /// An empty request that asks whether somebody is there.
    Probe,
    /// About a bucket, not an object.
    Bucket,
    /// An event that nobody here knows. It speaks of an object, and does not say which.
    Unknown,
}
