//! Lists whose elements name themselves, whoever gathered them; and one element that somebody has taken out of its list.

use crate::read::members;
use crate::read::row::{List, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

const LIST: List = List {
    member: "",
    place: "the list",
    element: "",
    elements: &[],
    of_letters: false,
    // Nothing in an empty list tells who sent it.
    empty: |_| None,
    stranger,
};

/// What Alibaba Cloud, Volcengine, Backblaze and Tigris post.
pub(in crate::read) const EVENTS: Row = Row {
    marks: &[Mark::Members(&[("events", Test::There)])],
    expected: "a list of `events`",
    read: Read::List(List { member: "events", place: "events", elements: &[Stands::InEvents], ..LIST }),
    ..Row::BASE
};

/// What triggers of Yandex Cloud post.
pub(in crate::read) const MESSAGES: Row = Row {
    marks: &[Mark::Members(&[("messages", Test::There)])],
    expected: "a list of `messages`",
    read: Read::List(List { member: "messages", place: "messages", elements: &[Stands::InMessages], ..LIST }),
    ..Row::BASE
};

/// Elements of the lists that are members.
const ELEMENTS: [Stands; 3] = [Stands::InRecords, Stands::InEvents, Stands::InMessages];

/// A list that is the whole text: of deliveries, as shippers and batching senders post them, or of records without the member
/// around them (EventBridge Pipes hands a queue's messages to a function so: AWS `eventbridge/latest/userguide/eb-pipes-sqs`).
pub(in crate::read) const WHOLE: Row = Row {
    marks: &[Mark::Elements(&[])],
    read: Read::List(List {
        element: "element ",
        elements: &[ELEMENTS[0], ELEMENTS[1], ELEMENTS[2], Stands::Alone],
        ..LIST
    }),
    ..Row::BASE
};

/// A record without its list, as functions that fan out publish it. The last row: anything else that an object may be has
/// been asked.
pub(in crate::read) const ALONE: Row = Row {
    marks: &[Mark::AnyObject],
    read: Read::List(List { place: "the record", element: "record ", elements: &ELEMENTS, ..LIST }),
    ..Row::BASE
};

fn stranger(seen: &Seen<'_>, place: &str) -> String {
    format!("{place}: expected an event of a store, found {}", members::of(seen.text))
}
