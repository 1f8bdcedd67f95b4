//! Messages of a Cloudflare queue as its HTTP interface gives them to whoever pulls: the whole answer, or one message of it.
//!
//! Shape: cloudflare/cloudflare-docs, `src/content/docs/queues/configuration/pull-consumers.mdx`. That page says that `body` is
//! base64 where the content type is `json` or `bytes` and plain where it is `text`, and shows a plain one; what R2 sets is not
//! documented. So a body is read as it is if it is JSON, and from base64 if it is not: no JSON object is base64.

use std::borrow::Cow;

use crate::plain::checked::Checked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::dialect::Dialect;
use crate::plain::json::{self, NoText};
use crate::plain::line;
use crate::read::row::{Called, Envelope, Holds, Inside, Letter, Opened, Opening, Read, Row, Sent};
use crate::read::seen::{Mark, Seen, Test};

/// More messages than this are in no answer: the most that can be asked for is 100.
const MOST_MESSAGES: usize = 1000;

/// The whole answer.
pub(in crate::read) const ANSWER: Row = Row {
    of: Dialect::R2,
    marks: &[Mark::Members(&[("success", Test::There), ("errors", Test::There)])],
    lies_in: &[Inside::Nothing],
    either: "an answer of a queue",
    // `messages` is what Cloudflare has to say to whoever asked, in every answer of its API.
    members: &["result", "messages"],
    read: Read::Envelope(Envelope { open: open_answer, ..ENVELOPE }),
    ..Row::BASE
};

/// One message.
pub(in crate::read) const MESSAGE: Row = Row {
    of: Dialect::R2,
    marks: &[Mark::Members(&[("lease_id", Test::There), ("body", Test::There)])],
    lies_in: &[Inside::Nothing],
    either: "a message of a queue",
    members: &["id"],
    read: Read::Envelope(Envelope { open: open_message, ..ENVELOPE }),
    ..Row::BASE
};

const ENVELOPE: Envelope =
    Envelope { open: open_answer, inside: Inside::Queue, holds: Holds::AsPinned, called: Called::Itself };

json::members! {
    struct Pulled {
        messages = "messages",
    }
}

json::members! {
    struct Message {
        id = "id",
        body = "body",
    }
}

json::members! {
    struct Problem {
        code = "code",
    }
}

fn open_answer<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    if seen.get("success").is_some_and(|success| success.get() == "false") {
        return Opened::Unreadable(format!(
            "success: the queue has refused to give messages (code {}); nothing can have been pulled",
            code(seen.get("errors"))
        ));
    }
    let pulled = match json::object_or_empty::<Pulled<'_>>(seen.get("result"), "result") {
        Ok(pulled) => pulled,
        Err(detail) => return Opened::Unreadable(detail),
    };
    let Some((messages, count)) = pulled.messages.and_then(|raw| json::array(raw, MOST_MESSAGES)) else {
        return Opened::Unreadable("result.messages: expected an array of messages, found none".into());
    };
    if count > MOST_MESSAGES {
        return Opened::Unreadable(format!(
            "result.messages: expected at most {MOST_MESSAGES} messages, found {count}"
        ));
    }
    let letters = messages.into_iter().enumerate().map(|(index, raw)| {
        let place = format!("result.messages[{index}]");
        let message: Result<Message<'a>, String> = json::object(raw, &place);
        match message {
            Ok(message) => letter(message.id, message.body, format!("{place}.body")),
            Err(detail) => letter_of(None, place, Err(detail)),
        }
    });
    Opened::Letters { letters: letters.collect(), receipt: None }
}

fn open_message<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    Opened::Letters { letters: vec![letter(seen.get("id"), seen.get("body"), "body".into())], receipt: None }
}

fn letter<'a>(id: Option<Checked<'a>>, body: Option<Checked<'a>>, place: String) -> Letter<'a> {
    let text = match json::string(body) {
        Ok(text) => match text.trim_start().starts_with('{') {
            true => Ok(Sent::Text(text)),
            false => STANDARD
                .decode(text.as_bytes())
                .map(|bytes| Sent::Bytes(Cow::Owned(bytes)))
                .map_err(|e| format!("{place}: expected JSON, or JSON in base64: {e}")),
        },
        // A poller that has unpacked its messages.
        Err(NoText::Type("an object")) => Ok(Sent::Text(body.map_or("", Checked::get).into())),
        Err(problem) => Err(format!("{place}: expected JSON, or JSON in base64, found {}", problem.found())),
    };
    letter_of(json::string(id).ok(), place, text)
}

fn letter_of<'a>(id: Option<Cow<'a, str>>, place: String, text: Result<Sent<'a>, String>) -> Letter<'a> {
    Letter { id: Some(id), place, text, message: None, event: None }
}

/// The code of the first error.
fn code(errors: Option<Checked<'_>>) -> String {
    let first = errors.and_then(|raw| json::array(raw, 1)?.0.first().copied());
    let problem = first.and_then(|raw| json::object::<Problem<'_>>(raw, "").ok());
    problem.and_then(|problem| problem.code).map_or("unknown".into(), |code| line::clip(code.get(), 20))
}
