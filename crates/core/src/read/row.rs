//! What a row of the table of dialects says, and what reading it gives.
//!
//! Each dialect's own file has its rows and its facts, beside their sources; [`super::table`] puts the rows in order. No
//! trait: the set is closed, it is ours, and it wants to be listed.

use std::borrow::Cow;

use super::around::{Around, CloudEvent};
use super::item::{Confirmation, Item, QueueMessage, Reading, Reply};
use super::seen::{Mark, Seen};
use crate::model::answers::{Answers, Patience};
use crate::model::delivery::Delivery;
use crate::model::dialect::{Dialect, KeyEncoding, KeyRules};
use crate::model::event::{Details, Notice, NoticeKind};
use crate::model::unit::StorageType;

/// Where a thing stands, which decides which rows are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// The request as a whole: its headers decide, before its body is looked at.
    Request,
    /// A body, or what an envelope holds.
    Alone,
    /// An element of `Records`.
    InRecords,
    /// An element of `events`.
    InEvents,
    /// An element of `messages`.
    InMessages,
    /// An element of a batch of OCI Streaming.
    InStream,
}

impl Stands {
    pub(super) const ALL: [Self; 6] =
        [Self::Request, Self::Alone, Self::InRecords, Self::InEvents, Self::InMessages, Self::InStream];
}

/// What a thing lies in. Each envelope holds only what really occurs in it, so there is no nesting without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// The delivery itself.
    Nothing,
    /// A message of a queue.
    Queue,
    /// A record of a stream.
    Stream,
    /// A message of a topic, which itself may have come through a queue.
    Topic,
    /// A push of Pub/Sub.
    Push,
    /// The form of a `Publish` call.
    Form,
    /// A CloudEvent.
    Event,
    /// Lambda's record of a call that failed.
    FailedCall,
    /// What the envelope itself lies in: a text is what it is, however it was written down. Such an envelope holds no other one of
    /// its kind.
    Unchanged,
}

/// Everywhere.
const ANYWHERE: &[Inside] = &[
    Inside::Nothing,
    Inside::Queue,
    Inside::Stream,
    Inside::Topic,
    Inside::Push,
    Inside::Form,
    Inside::Event,
    Inside::FailedCall,
];

/// One shape of a dialect: how it is recognised, where it may lie, who reads it.
pub(super) struct Row {
    /// The dialect it is of; of an envelope that has no name of its own, the dialect it brings.
    pub(super) of: Dialect,
    pub(super) stands: Stands,
    /// Any of them will do.
    pub(super) marks: &'static [Mark],
    /// Marks that do as well once a pin has said who is there.
    pub(super) pinned: &'static [Mark],
    /// Pins beside its own under which it is asked.
    pub(super) under: fn(Dialect) -> bool,
    pub(super) lies_in: &'static [Inside],
    /// What it is, for "… where none belongs"; empty: where it does not belong it is not recognised.
    pub(super) misplaced: &'static str,
    /// What it is, for "expected either … or `Records`, found both"; empty: it may stand beside a list.
    pub(super) either: &'static str,
    /// What it looks like, for the sentence that lists what was expected.
    pub(super) expected: &'static str,
    /// The members that its reader asks for, beside those of its marks.
    pub(super) members: &'static [&'static str],
    /// Headers whose value its reader asks for, beside those of its marks.
    pub(super) headers: &'static [&'static str],
    /// What others ask about the dialect; one row of it says so.
    pub(super) facts: Option<&'static Facts>,
    pub(super) read: Read,
}

impl Row {
    /// What most rows have in common.
    pub(super) const BASE: Self = Self {
        of: Dialect::S3Compatible,
        stands: Stands::Alone,
        marks: &[],
        pinned: &[],
        under: |_| false,
        lies_in: ANYWHERE,
        misplaced: "",
        either: "",
        expected: "",
        members: &[],
        headers: &[],
        facts: None,
        read: Read::Body,
    };

    /// Whether it is asked under a pin, or without one.
    pub(super) fn is_asked(&self, pin: Option<Dialect>) -> bool {
        pin.is_none_or(|pin| self.of == pin || (self.under)(pin))
    }
}

/// Who reads a thing, once it is recognised.
pub(super) enum Read {
    /// A change of an object, or something a provider says about a bucket. Whoever asks gives the item its path.
    Event(fn(&Seen<'_>, &Context<'_>) -> Item),
    /// A message that asks for nothing, such as a provider's test.
    Notice(fn(&Seen<'_>, &Context<'_>) -> Item),
    /// A list, whose elements are looked up again.
    List(List),
    /// Something around somebody else's events.
    Envelope(Envelope),
    /// The body decides. Rows above it ask the headers first, rows below it have the last word.
    Body,
}

/// A list of records.
pub(super) struct List {
    /// The member that is the list; empty: the thing is the list itself, or a list of one.
    pub(super) member: &'static str,
    /// What it is called where there are too many.
    pub(super) place: &'static str,
    /// What an element's index is written behind; empty: in brackets behind the list's name.
    pub(super) element: &'static str,
    /// Where its elements stand: which rows are asked about each, and in which order.
    pub(super) elements: &'static [Stands],
    /// Whether its elements are envelopes, each of them: then one that cannot be read is a letter that cannot be read.
    pub(super) of_letters: bool,
    /// Who sends an empty one; `None`: nobody that is known, so it cannot be read.
    pub(super) empty: fn(&Seen<'_>) -> Option<Dialect>,
    /// The sentence about an element that no row knows.
    pub(super) stranger: fn(&Seen<'_>, &str) -> String,
}

/// An envelope: it opens, and never reads.
pub(super) struct Envelope {
    pub(super) open: for<'a> fn(&Seen<'a>, &Opening<'a>) -> Opened<'a>,
    pub(super) inside: Inside,
    pub(super) holds: Holds,
    pub(super) called: Called,
}

/// What opening an envelope needs beside the envelope itself.
pub(super) struct Opening<'a> {
    pub(super) delivery: &'a Delivery,
    /// Where it stands, for sentences: `Records[0]`; empty where it stands alone.
    pub(super) place: &'a str,
    /// Whether a body names objects, whichever dialect it is of; a dialect's own envelope does not count. What does is no mere
    /// handshake, whatever a header says.
    pub(super) names_objects: fn(&[u8], Dialect) -> bool,
}

/// What an envelope may hold, where a pin has said who sends.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    /// Anything: whoever published decides.
    Anything,
    /// What the pin says.
    AsPinned,
    /// Events of this dialect, if the source is pinned to the envelope.
    IfPinned(Dialect),
    /// Events of this dialect, always.
    Only(Dialect),
}

impl Holds {
    pub(super) fn pin(self, pin: Option<Dialect>) -> Option<Dialect> {
        match self {
            Self::Anything => None,
            Self::AsPinned => pin,
            Self::IfPinned(dialect) => pin.map(|_| dialect),
            Self::Only(dialect) => Some(dialect),
        }
    }
}

/// By whose name a delivery in this envelope is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// By the envelope's.
    Itself,
    /// By the envelope's, if what is in it was recognised.
    ItselfIfRead,
    /// By that of what is in it.
    Inner,
}

/// What an envelope gives.
pub(super) enum Opened<'a> {
    /// It is none after all; the next rows are asked.
    Pass,
    /// What lies in it.
    Letters {
        letters: Vec<Letter<'a>>,
        /// What the sender's client library wants to hear once everything is done.
        receipt: Option<Reply>,
    },
    /// Nothing lies in it: it is about the subscription itself. What its sender wants to hear, and what it wants visited.
    Notice(Box<(Item, Option<Reply>, Option<Confirmation>)>),
    /// The sentence about what is wrong with it.
    Unreadable(String),
}

impl<'a> Opened<'a> {
    /// One letter and nothing else.
    pub(super) fn letter(id: Id<'a>, place: impl Into<String>, text: Result<Sent<'a>, String>) -> Self {
        let letter = Letter { id: Some(id), place: place.into(), text, message: None, event: None };
        Self::Letters { letters: vec![letter], receipt: None }
    }

    /// The body as it is: the headers are the envelope.
    pub(super) fn body(delivery: &'a Delivery) -> Self {
        let text = Ok(Sent::Bytes(Cow::Borrowed(&delivery.body)));
        let letter = Letter { id: None, place: String::new(), text, message: None, event: None };
        Self::Letters { letters: vec![letter], receipt: None }
    }

    /// A message of a dialect that is about the subscription.
    pub(super) fn handshake(of: Dialect, reply: Option<Reply>, confirm: Option<Confirmation>) -> Self {
        let notice = Notice { kind: NoticeKind::Handshake, bucket: None, details: Details::default() };
        Self::notice(of, Reading::Notice(notice), reply, confirm)
    }

    pub(super) fn notice(
        of: Dialect,
        reading: Reading,
        reply: Option<Reply>,
        confirm: Option<Confirmation>,
    ) -> Self {
        Self::Notice(Box::new((Item::new("0".into(), Some(of), reading), reply, confirm)))
    }
}

/// One text in an envelope.
pub(super) struct Letter<'a> {
    /// What its sender calls it; `None` in an envelope that leaves no trace in an item's path.
    pub(super) id: Option<Id<'a>>,
    /// Where it lies, for sentences.
    pub(super) place: String,
    /// The text, or the whole sentence why there is none.
    pub(super) text: Result<Sent<'a>, String>,
    /// The queue's message it is.
    pub(super) message: Option<QueueMessage>,
    /// The CloudEvent whose data it is.
    pub(super) event: Option<CloudEvent<'a>>,
}

/// A letter's id; senders leave it out.
pub(super) type Id<'a> = Option<Cow<'a, str>>;

/// A letter's text as it was sent.
pub(super) enum Sent<'a> {
    Text(Cow<'a, str>),
    /// Bytes that ought to be UTF-8.
    Bytes(Cow<'a, [u8]>),
}

/// What a reader needs beside the thing itself.
pub(super) struct Context<'c> {
    pub(super) keys: &'c KeyRules,
    pub(super) pin: Option<Dialect>,
    /// Where the thing stands, for sentences.
    pub(super) place: &'c str,
    /// What the list it is an element of stood in.
    pub(super) outer: Option<&'c Seen<'c>>,
    /// The headers or the event that speak of the thing.
    pub(super) around: Around<'c>,
    /// Whether a route asks for more than an event's normal form.
    pub(super) keep: bool,
}

/// The ids of a dialect's topics.
#[derive(Clone, Copy)]
pub(crate) struct Topic {
    /// Whether a text looks like one.
    pub(crate) is: fn(&str) -> bool,
    pub(crate) example: &'static str,
}

/// What others ask about a dialect. It stands in the dialect's own file, each fact beside its source.
pub(crate) struct Facts {
    /// How its producer encodes keys, unless a setting says otherwise; `None` for envelopes, which have none.
    pub(crate) keys: Option<KeyEncoding>,
    /// Where a record names its object, from the record's own members on; empty: in no member that is its name and nothing else.
    pub(crate) key_place: &'static [&'static str],
    /// What its stores are usually registered as in MDSS.
    pub(crate) unit: StorageType,
    /// Whether its sender posts an event again and again until it gets a 2xx, and keeps everything behind it waiting. Then what can
    /// never succeed is answered as done, whatever `answers` says.
    pub(crate) redelivers: bool,
    /// Whether its sender asks by an empty POST whether somebody is there.
    pub(crate) probes: bool,
    /// Its topics, if its subscriptions are confirmed by visiting a URL.
    pub(crate) topic: Option<Topic>,
    /// What a delivery of it looks like, for the sentence about a pinned source that gets something else; empty: a list of
    /// `Records`.
    pub(crate) looks_like: &'static str,
    /// The gate's check whose signature covers members of its own messages and nothing else, so that a source which demands it is
    /// read as this dialect.
    pub(crate) signature: Option<&'static str>,
    /// Members, wherever they stand in a body, whose text nobody may keep: what is in an object, keys of a cipher.
    pub(crate) withheld: &'static [&'static str],
    /// What its sender makes of statuses.
    pub(crate) answers: Answers,
    /// How long its sender waits for one.
    pub(crate) patience: Patience,
}

impl Facts {
    /// What most dialects have in common.
    pub(crate) const BASE: Self = Self {
        keys: None,
        key_place: &["s3", "object", "key"],
        unit: StorageType::S3Compatible,
        redelivers: false,
        probes: false,
        topic: None,
        looks_like: "",
        signature: None,
        withheld: &[],
        answers: Answers::DEFAULT,
        patience: Patience::ENOUGH,
    };

    /// How its keys are encoded: the operator's word, or the producer's habit.
    pub(super) fn encoding(&self, keys: &KeyRules, of: Dialect) -> KeyEncoding {
        keys.get(of).or(self.keys).unwrap_or(KeyEncoding::Verbatim)
    }
}
