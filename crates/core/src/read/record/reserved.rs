//! Dialects that have a name and no reader yet. They are recognised, so that a sender of one gets a sentence about it and not
//! "unknown". Marks: each provider's own event documentation.

use super::s3;
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

/// A reserved dialect whose records stand in `Records`.
const fn record(of: Dialect, marks: &'static [Mark]) -> Row {
    Row { of, stands: Stands::InRecords, marks, under: s3::family, ..Row::BASE }
}

pub(in crate::read) const HUAWEI_HEADER: Row =
    by_header(Dialect::HuaweiObs, &[Mark::Header("x-smn-message-type", Test::There)]);

pub(in crate::read) const ALIBABA: Row =
    Row { stands: Stands::InEvents, ..alone(Dialect::AlibabaOss, &[Mark::Members(&[("oss", Test::There)])]) };
pub(in crate::read) const VOLCENGINE: Row = Row {
    stands: Stands::InEvents,
    ..alone(Dialect::VolcengineTos, &[Mark::Members(&[("tos", Test::There)])])
};
pub(in crate::read) const VOLCENGINE_EVENT: Row = alone(
    Dialect::VolcengineTos,
    &[Mark::Type(Test::Begins("faas.tos.")), Mark::Type(Test::Begins("bytefaas.tos."))],
);
pub(in crate::read) const YANDEX: Row = Row {
    stands: Stands::InMessages,
    ..alone(Dialect::Yandex, &[Mark::Members(&[("event_metadata", Test::There)])])
};
pub(in crate::read) const HUAWEI: Row = alone(Dialect::HuaweiObs, &[Mark::Type(Test::Begins("OBS:"))]);
pub(in crate::read) const TENCENT_RECORD: Row =
    record(Dialect::TencentCos, &[Mark::Members(&[("cos", Test::There)])]);
pub(in crate::read) const HUAWEI_RECORD: Row = record(
    Dialect::HuaweiObs,
    &[Mark::Members(&[("obs", Test::There)]), Mark::Members(&[("eventSource", Test::IsLike("obs"))])],
);
