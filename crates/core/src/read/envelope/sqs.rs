//! Amazon SQS messages as Lambda delivers them: a batch of texts, each a notification of its own.
//!
//! Shape: AWS `lambda/latest/dg/with-sqs`. A message that cannot be read fails alone, so that only it comes again.

use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::item::{Item, Message, Parsed, Reading};
use crate::read::read::{Reader, Within};

json::members! {
    pub(crate) struct Wire {
        message_id = "messageId",
        body = "body",
        queue = "eventSourceARN",
    }
}

/// Reads one message into `batch`.
pub(in crate::read) fn read(
    reader: &mut Reader<'_>,
    wire: &Wire<'_>,
    index: usize,
    place: &str,
    batch: &mut Parsed,
) {
    let id = json::string(wire.message_id).ok().filter(|id| !id.is_empty()).map(|id| id.into_owned());
    // The ARN of a FIFO queue ends so (SQS developer guide, "FIFO queue and message identifiers").
    let fifo = json::string(wire.queue).is_ok_and(|arn| arn.ends_with(".fifo"));
    let messages = batch.messages.get_or_insert_with(Vec::new);
    let path = reader.path(id.clone(), index);
    let message = messages.len();
    messages.push(Message { id, fifo });

    let items = match json::string(wire.body) {
        Ok(body) => {
            let pinned = reader.pinned.take();
            let mut inner = reader.text(&body, Within::Queue);
            reader.pinned = pinned;
            if inner.confirm.is_some() {
                let warning =
                    "a subscription waits for its confirmation; nobody visits a URL that came in a queue";
                inner.items.iter_mut().for_each(|item| item.warnings.push(warning.into()));
            }
            inner.items
        }
        Err(problem) => {
            let detail = format!("expected a string, found {}", problem.found());
            vec![Item::new("0".into(), None, Reading::failed(Cause::Unreadable, detail))]
        }
    };
    let place = format!("{place}.body");
    batch.items.extend(
        items.into_iter().map(|item| Item { message: Some(message), ..item.within(&path, Some(&place)) }),
    );
}
