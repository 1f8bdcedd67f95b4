//! Amazon SQS messages as Lambda delivers them: a batch of texts, each a notification of its own.
//!
//! Shape: AWS `lambda/latest/dg/with-sqs`. A message that cannot be read fails alone, so that only it comes again.

use crate::model::dialect::Dialect;
use crate::model::unit::StorageType;
use crate::plain::json;
use crate::read::item::QueueMessage;
use crate::read::row::{
    Called, Envelope, Facts, Holds, Inside, Letter, Opened, Opening, Read, Row, Sent, Stands,
};
use crate::read::seen::{Mark, Seen, Test};

const FACTS: Facts = Facts { unit: StorageType::AmazonS3, ..Facts::BASE };

/// A message. It may hold an envelope, never another batch.
pub(in crate::read) const MESSAGE: Row = Row {
    of: Dialect::AwsSqs,
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("eventSource", Test::IsLike("aws:sqs"))])],
    lies_in: &[Inside::Nothing],
    misplaced: "a queue message",
    members: &["messageId", "body", "eventSourceARN"],
    facts: Some(&FACTS),
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Queue,
        holds: Holds::Anything,
        called: Called::Itself,
    }),
    ..Row::BASE
};

fn open<'a>(seen: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let id = json::string(seen.get("messageId")).ok().filter(|id| !id.is_empty());
    // The ARN of a FIFO queue ends so (SQS developer guide, "FIFO queue and message identifiers").
    let fifo = json::string(seen.get("eventSourceARN")).is_ok_and(|arn| arn.ends_with(".fifo"));
    let message = QueueMessage { id: id.as_deref().map(str::to_owned), fifo };
    let place = format!("{}.body", opening.place);
    let text = json::string(seen.get("body"))
        .map(Sent::Text)
        .map_err(|problem| format!("{place}: expected a string, found {}", problem.found()));
    let letter = Letter { id: Some(id), place, text, message: Some(message), event: None };
    Opened::Letters { letters: vec![letter], receipt: None }
}
