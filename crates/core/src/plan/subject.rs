//! What a condition sees of a delivery, for the operator's tool: the same values that routes see.

use crate::model::delivery::Delivery;
use crate::model::dialect::KeyRules;
use crate::model::failure::{Cause, Failure};
use crate::read::item::{Item, Reading};
use crate::read::read::read;

/// The innermost JSON value one record was read from: one element of `Records`, a whole OCI event.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The record's path in its delivery, unique there.
    pub item: String,
    /// The value, as JSON; or why there is none.
    pub event: Result<String, Failure>,
}

/// The values that conditions see in a delivery. A JSON object that no dialect knows is one of them as a whole.
pub fn subjects(delivery: &Delivery) -> Vec<Subject> {
    let parsed = read(delivery, &KeyRules::default(), true);
    let subject = |item: Item| Subject {
        item: item.path,
        event: match (item.raw, item.reading) {
            (Some(raw), _) => Ok(raw.sent.get().to_owned()),
            (None, Reading::Unreadable { failure, .. }) => Err(failure),
            (None, Reading::Object(_) | Reading::Notice(_)) => {
                Err(Failure::new(Cause::Unreadable, "there is no event in it, only a handshake"))
            }
        },
    };
    parsed.items.into_iter().map(subject).collect()
}
