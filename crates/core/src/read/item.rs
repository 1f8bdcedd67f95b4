//! What reading gives: items, each a change of one object, a notice, or the sentence why it is neither.

use std::fmt;

use crate::model::dialect::Dialect;
use crate::model::event::{Bucket, Change, Details, Notice, ObjectEvent};
use crate::model::failure::{Cause, Failure};
use crate::model::raw::Raw;
use crate::plain::text::Lost;

/// One record of a delivery, read.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its path in the delivery, unique: an index, or a message id and an index.
    pub(crate) path: String,
    /// The queue message it came in, as an index into [`Parsed::messages`].
    pub(crate) message: Option<usize>,
    /// Its own dialect, if that could be told.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) reading: Reading,
    pub(crate) warnings: Vec<String>,
    /// The innermost JSON value it was read from; kept only if somebody will look at it.
    pub(crate) raw: Option<Raw>,
}

#[derive(Debug)]
pub(crate) enum Reading {
    Object(ObjectEvent),
    Notice(Notice),
    Unreadable { bucket: Option<Bucket>, details: Box<Details>, failure: Failure },
}

impl Reading {
    pub(crate) fn failed(cause: Cause, detail: impl Into<String>) -> Self {
        Self::Unreadable { bucket: None, details: Box::default(), failure: Failure::new(cause, detail) }
    }
}

impl Item {
    pub(crate) fn new(path: String, dialect: Option<Dialect>, reading: Reading) -> Self {
        Self { path, message: None, dialect, reading, warnings: Vec::new(), raw: None }
    }

    /// The same item as part of an outer record: its path is longer, and a failure says where it lies.
    pub(super) fn within(mut self, path: &str, place: Option<&str>) -> Self {
        self.path = format!("{path}/{}", self.path);
        if let (Some(place), Reading::Unreadable { failure, .. }) = (place, &mut self.reading) {
            failure.detail = format!("{place}: {}", failure.detail);
        }
        self
    }

    /// Fails what was read from a text with losses, if what was lost stood where an object is named, or what happened to it.
    /// Anywhere else it does no harm.
    pub(super) fn mistrust(&mut self, lost: Lost) {
        let spoiled = |text: &str| text.contains(lost.mark);
        let name_of = |details: &Details| details.event_name.as_deref().is_some_and(spoiled);
        let (bucket, details, cause, what) = match &mut self.reading {
            Reading::Object(event) if name_of(&event.details) => {
                (Some(event.bucket.clone()), &mut event.details, Cause::Unreadable, "the event's name")
            }
            Reading::Object(ObjectEvent { change: Change::Removed | Change::Other, .. }) => return,
            Reading::Object(event) if spoiled(event.bucket.as_str()) => {
                (None, &mut event.details, Cause::MissingBucket, "the bucket's name")
            }
            Reading::Object(event) if spoiled(event.key.as_str()) => {
                (Some(event.bucket.clone()), &mut event.details, Cause::InvalidKey, "the object's name")
            }
            Reading::Notice(notice) if name_of(&notice.details) => {
                (notice.bucket.clone(), &mut notice.details, Cause::Unreadable, "the event's name")
            }
            Reading::Object(_) | Reading::Notice(_) | Reading::Unreadable { .. } => return,
        };
        let failure = Failure::new(cause, format!("{what}: expected UTF-8, found other bytes"));
        let details = Box::new(std::mem::take(details));
        self.reading = Reading::Unreadable { bucket, details, failure };
    }
}

/// A message of a queue batch, for the answer that names the failed ones.
#[derive(Debug)]
pub(crate) struct QueueMessage {
    pub(crate) id: Option<String>,
    pub(crate) fifo: bool,
}

/// A delivery, read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The outermost envelope; `None` if it was not recognised.
    pub(crate) dialect: Option<Dialect>,
    /// Whether the outermost envelope is a queue batch; then one entry a message.
    pub(crate) messages: Option<Vec<QueueMessage>>,
    pub(crate) items: Vec<Item>,
    /// What a handshake wants to hear.
    pub(crate) reply: Option<Reply>,
    /// What the sender's client library wants to hear once everything is done.
    pub(crate) receipt: Option<Reply>,
    /// What a subscription wants visited.
    pub(crate) confirm: Option<Confirmation>,
}

impl Parsed {
    /// A delivery that could not be read as a whole: one record that says so.
    pub(super) fn unreadable(cause: Cause, detail: impl Into<String>) -> Self {
        Self { items: vec![Item::new("0".into(), None, Reading::failed(cause, detail))], ..Self::default() }
    }

    pub(super) fn of(dialect: Dialect, items: Vec<Item>) -> Self {
        Self { dialect: Some(dialect), items, ..Self::default() }
    }
}

/// The answer a handshake wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// Further headers, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// A URL that has to be visited before events flow.
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The URL, under the provider's own host; it holds a token. Written as whoever checked it has understood it: the same
    /// text can mean different hosts to different readers (`https:\\host`, a tab in it), and this one cannot.
    pub url: String,
    /// The topic it belongs to, as the sender says.
    pub topic: String,
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").field("topic", &self.topic).finish_non_exhaustive()
    }
}
