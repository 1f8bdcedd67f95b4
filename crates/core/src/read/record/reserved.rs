//! Dialects that have a name and no reader yet. They are recognised, so that a sender of one gets a sentence about it and not
//! "unknown". Marks: each provider's own event documentation.

use crate::model::dialect::Dialect;
use crate::read::row::{Row, Stands};
use crate::read::seen::{Mark, Test};

/// A reserved dialect that shows in a header.
const fn by_header(of: Dialect, marks: &'static [Mark]) -> Row {
    Row { of, stands: Stands::Request, marks, ..Row::BASE }
}

/// A reserved dialect that comes as one object, or as a list of them.
const fn alone(of: Dialect, marks: &'static [Mark]) -> Row {
    Row { of, marks, ..Row::BASE }
}

pub(in crate::read) const B2_HEADER: Row =
    by_header(Dialect::B2, &[Mark::Header("x-bz-event-notification-signature", Test::There)]);

pub(in crate::read) const B2: Row = Row {
    stands: Stands::InEvents,
    ..alone(Dialect::B2, &[Mark::Members(&[("eventType", Test::Begins("b2:"))])])
};
pub(in crate::read) const SEAWEEDFS: Row =
    alone(Dialect::SeaweedFs, &[Mark::Members(&[("event_type", Test::There), ("message", Test::There)])]);
pub(in crate::read) const IBM: Row = alone(
    Dialect::IbmCos,
    &[
        Mark::Type(Test::Begins("com.ibm.cloud.cos.")),
        Mark::Members(&[("notification", Test::There), ("operation", Test::There)]),
    ],
);
pub(in crate::read) const R2: Row = alone(
    Dialect::R2,
    &[Mark::Members(&[
        ("account", Test::There),
        ("action", Test::There),
        ("bucket", Test::There),
        ("object", Test::There),
    ])],
);
