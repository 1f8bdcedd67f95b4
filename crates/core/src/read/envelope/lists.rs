//! Lists whose elements name themselves, whoever gathered them.

use crate::model::dialect::Dialect;
use crate::plain::line;
use crate::read::row::{List, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// What Alibaba Cloud, Volcengine, Backblaze and Tigris post.
pub(in crate::read) const EVENTS: Row = Row {
    marks: &[Mark::Members(&[("events", Test::There)])],
    expected: "a list of `events`",
    read: Read::List(List {
        member: "events",
        place: "events",
        element: "",
        elements: Stands::InEvents,
        of_letters: false,
        empty: nobody,
        stranger,
    }),
    ..Row::BASE
};

/// What triggers of Yandex Cloud post.
pub(in crate::read) const MESSAGES: Row = Row {
    marks: &[Mark::Members(&[("messages", Test::There)])],
    expected: "a list of `messages`",
    read: Read::List(List {
        member: "messages",
        place: "messages",
        element: "",
        elements: Stands::InMessages,
        of_letters: false,
        empty: nobody,
        stranger,
    }),
    ..Row::BASE
};

/// An empty list has nothing by which its sender could be told.
fn nobody(_: &Seen<'_>) -> Option<Dialect> {
    None
}

fn stranger(seen: &Seen<'_>, place: &str) -> String {
    format!("{place}: expected an event of a store, found {}", line::clip(seen.text, 60))
}
