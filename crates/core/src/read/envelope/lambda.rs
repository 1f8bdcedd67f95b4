//! Lambda's record of an asynchronous call that failed, put back to be done again.
//!
//! Shape: AWS `lambda/latest/dg/invocation-async-retain-records` (`requestContext`, `requestPayload`). The payload is the event
//! as the function got it.

use crate::plain::json;
use crate::read::row::{Called, Envelope, Holds, Inside, Letter, Opened, Read, Row, Sent};
use crate::read::seen::{Mark, Test};

pub(in crate::read) const FAILED_CALL: Row = Row {
    marks: &[Mark::Members(&[("requestPayload", Test::There), ("requestContext", Test::There)])],
    under: |_| true,
    lies_in: &[Inside::Nothing, Inside::Queue, Inside::Topic],
    either: "Lambda's record of a call that failed",
    read: Read::Envelope(Envelope {
        open: |seen, _| {
            let payload = seen.get("requestPayload");
            // A payload that was no JSON is a text.
            let text = match json::string(payload) {
                Ok(text) => text,
                Err(_) => payload.map(|payload| payload.get()).unwrap_or_default().into(),
            };
            let place = "requestPayload".into();
            let letter =
                Letter { id: Some(None), place, text: Ok(Sent::Text(text)), message: None, event: None };
            Opened::Letters { letters: vec![letter], receipt: None }
        },
        inside: Inside::FailedCall,
        holds: Holds::AsPinned,
        called: Called::Inner,
    }),
    ..Row::BASE
};
