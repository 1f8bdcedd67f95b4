//! The member names of a fact: one flat JSON object that says what became of an object, or what was done by hand.
//!
//! A spool that has a ledger keeps a fact for each item that leaves it, until the ledger has it. A fact has the same names as the line of an
//! object in the log ([`fields`](crate::fields)), so whoever reads the one reads the other: where there is no ledger, the log is the
//! record. What a line says otherwise, or not at all, has a name here.

use crate::plain::fields;

/// When it became so: RFC 3339, UTC. A line has it, too.
pub const TIMESTAMP: &str = "timestamp";

/// What it is: one of [`KINDS`]. A line has [`MESSAGE`] instead.
pub const KIND: &str = "kind";

/// The sentence of a line; [`ACCEPTED_MESSAGE`] is the one of an accepted object.
pub const MESSAGE: &str = "message";

/// The sentence of the line of an accepted object.
pub const ACCEPTED_MESSAGE: &str = "object accepted by MDSS";

/// Who did it by hand: the name of a user of the machine on which it was done.
pub const ACTOR: &str = "mdss.actor";

/// How many items, or facts, it is about.
pub const COUNT: &str = "mdss.count";

/// Which items somebody meant: a sentence, without keys.
pub const FILTER: &str = "mdss.filter";

/// When the first of the facts of a gap became so: RFC 3339, UTC.
pub const GAP_FROM: &str = "mdss.gap.from";

/// When the last of them did.
pub const GAP_TO: &str = "mdss.gap.to";

/// MDSS has the object.
pub const ACCEPTED: &str = "accepted";
/// It is kept, and not tried again until somebody retries it.
pub const PARKED: &str = "parked";
/// Settings that have changed no longer select it: it was not sent, and is gone.
pub const UNSELECTED: &str = "unselected";
/// Somebody has made items due by hand.
pub const RETRIED: &str = "retried";
/// Somebody has deleted items by hand.
pub const PURGED: &str = "purged";
/// Facts that could not be kept.
pub const GAP: &str = "gap";

/// One member of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Which kinds of facts have it, where there is something to say.
    pub kinds: &'static [&'static str],
    /// Whether the line of an accepted object has it as well.
    pub line: bool,
}

/// Every kind of fact.
pub const KINDS: &[&str] = &[ACCEPTED, PARKED, UNSELECTED, RETRIED, PURGED, GAP];

/// The kinds that are about one object.
pub const OF_OBJECTS: &[&str] = &[ACCEPTED, PARKED, UNSELECTED];

/// What a fact may say. `mdss.object.size_bytes`, `http.request.resend_count` and `mdss.count` are integers, everything else is text; a member
/// that has nothing to say is not there.
pub const MEMBERS: &[Member] = &[
    Member { name: TIMESTAMP, kinds: KINDS, line: true },
    Member { name: KIND, kinds: KINDS, line: false },
    Member { name: fields::SOURCE, kinds: OF_OBJECTS, line: true },
    Member { name: fields::DIALECT, kinds: OF_OBJECTS, line: true },
    Member { name: fields::BUCKET, kinds: OF_OBJECTS, line: true },
    Member { name: fields::NAMESPACE, kinds: OF_OBJECTS, line: true },
    Member { name: fields::KEY, kinds: OF_OBJECTS, line: true },
    Member { name: fields::VERSION, kinds: OF_OBJECTS, line: true },
    Member { name: fields::ETAG, kinds: OF_OBJECTS, line: true },
    Member { name: fields::OBJECT_SIZE_BYTES, kinds: OF_OBJECTS, line: true },
    Member { name: fields::EVENT_TIME, kinds: OF_OBJECTS, line: true },
    Member { name: fields::RECEIVED_TIME, kinds: OF_OBJECTS, line: true },
    Member { name: fields::RESEND_COUNT, kinds: &[ACCEPTED, PARKED], line: true },
    Member { name: fields::LANE, kinds: OF_OBJECTS, line: true },
    Member { name: fields::CORRELATION_ID, kinds: &[ACCEPTED], line: true },
    Member { name: fields::ORIGIN, kinds: OF_OBJECTS, line: true },
    Member { name: fields::REASON, kinds: &[PARKED, UNSELECTED, GAP], line: false },
    Member { name: ACTOR, kinds: &[RETRIED, PURGED], line: false },
    Member { name: COUNT, kinds: &[RETRIED, PURGED, GAP], line: false },
    Member { name: FILTER, kinds: &[RETRIED, PURGED], line: false },
    Member { name: GAP_FROM, kinds: &[GAP], line: false },
    Member { name: GAP_TO, kinds: &[GAP], line: false },
];
