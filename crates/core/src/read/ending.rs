//! How most readers end: from what a record says of an object to its reading.

use std::fmt::Display;

use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind, ObjectEvent, ObjectKey};
use crate::model::failure::{Cause, Failure};
use crate::read::item::Reading;

/// What a record says, with the names it gives or the sentences why there is none.
pub(super) struct Ending<P> {
    pub(super) change: Change,
    pub(super) bucket: Option<Bucket>,
    /// Where the bucket's name stands, for the sentence that there is none.
    pub(super) bucket_place: P,
    pub(super) key: Result<ObjectKey, Failure>,
    /// Whether it speaks of an object, even if it does not say of which.
    pub(super) spoken_of: bool,
    pub(super) details: Details,
}

impl<P: Display> Ending<P> {
    /// The reading. An event that is known and names no object loses none; of one that nobody knows that can only be said if it
    /// does not speak of an object either.
    pub(super) fn reading(self) -> Reading {
        let Self { change, bucket, bucket_place, key, spoken_of, details } = self;
        if change == Change::Other && key.as_ref().is_err_and(|failure| failure.cause == Cause::MissingKey) {
            return Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket, details });
        }
        if change == Change::Unknown && (bucket.is_none() || key.is_err()) {
            let kind = if spoken_of { NoticeKind::Unknown } else { NoticeKind::Bucket };
            return Reading::Notice(Notice { kind, bucket, details });
        }
        let Some(bucket) = bucket else {
            let detail = format!("{bucket_place}: expected the name of a bucket, found none");
            return unreadable(None, details, Failure::new(Cause::MissingBucket, detail));
        };
        match key {
            Ok(key) => Reading::Object(ObjectEvent { bucket, key, change, details }),
            Err(failure) => unreadable(Some(bucket), details, failure),
        }
    }
}

/// A record that cannot be used, with what it says all the same.
pub(super) fn unreadable(bucket: Option<Bucket>, details: Details, failure: Failure) -> Reading {
    Reading::Unreadable { bucket, details: Box::new(details), failure }
}

/// A record that does not say what happened.
pub(super) fn nameless(place: impl Display, bucket: Option<Bucket>, details: Details) -> Reading {
    let detail = format!("{place}: expected the name of an event, found none");
    unreadable(bucket, details, Failure::new(Cause::MissingEventName, detail))
}
