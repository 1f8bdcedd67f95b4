//! Alibaba Cloud Object Storage Service (OSS): its events as Function Compute, the topics of its message service and EventBridge
//! deliver them.
//!
//! A rule for `ObjectCreated:*` brings names that announce no content, and one upload in parts fires an event for its beginning, for
//! each part and for its end (Alibaba Cloud Function Compute, FAQ about OSS triggers). Only the end is content.

use crate::model::answers::Patience;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::Change;
use crate::model::unit::StorageType;
use crate::read::event_name::{self, Meaning};
use crate::read::item::Item;
use crate::read::record::oss_shaped::{self, Vendor};
use crate::read::row::{Context, Facts, Inside, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

const FACTS: Facts = Facts {
    // No page says it; every published sample has the name as it is. An inference: RELAY_KEYS_ALIBABA_OSS overrides.
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["oss", "object", "key"],
    unit: StorageType::Alibaba,
    looks_like: "a list of `events` with `oss`, a topic's message with one, or a CloudEvent of EventBridge",
    // A topic waits 5 s for a 2xx and repeats after anything else (Alibaba Cloud Simple Message Queue, "HTTP endpoints" and
    // "NotifyStrategy").
    patience: Patience::seconds(5),
    ..Facts::BASE
};

const VENDOR: Vendor = Vendor { of: Dialect::AlibabaOss, facts: &FACTS, block: "oss", meaning };

/// An element of `events`.
pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::AlibabaOss,
    stands: Stands::InEvents,
    marks: &[Mark::Members(&[("oss", Test::There)]), Mark::Members(&[("eventSource", Test::Is("acs:oss"))])],
    expected: "an event of OSS with `oss`",
    members: oss_shaped::MEMBERS,
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

/// One event as the data of a CloudEvent (Alibaba Cloud EventBridge, "OSS events"; the data in MooncellWiki/janus,
/// docs/ALIYUN_API.md).
pub(in crate::read) const CLOUDEVENT: Row = Row {
    stands: Stands::Alone,
    marks: &[Mark::Type(Test::Begins("oss:"))],
    lies_in: &[Inside::Event],
    expected: "",
    members: &["oss", "eventName", "eventTime", "region", "responseElements", "xVars"],
    ..EVENT
};

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    oss_shaped::read(&VENDOR, seen, context)
}

/// What else EventBridge reports under the same source: buckets, audited calls, thresholds ("OSS events"). An object that an audited
/// call has written has an event of its own.
const OTHER: &[&str] = &["actiontrail", "cloudmonitor", "bucketcreated", "bucketremoved"];

fn meaning(name: &str) -> (Meaning, Option<String>) {
    let lower = name.to_ascii_lowercase();
    let family = lower.strip_prefix("oss:").unwrap_or(&lower).split(':').next().unwrap_or_default();
    if OTHER.contains(&family) {
        return (Meaning::Change(Change::Other), None);
    }
    event_name::meaning(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, want) in [
            ("ObjectCreated:PutObject", Change::Created),
            ("oss:ObjectCreated:AppendObject", Change::Created),
            ("ObjectCreated:CompleteMultipartUpload", Change::Created),
            ("ObjectReplication:ObjectModified", Change::Created),
            ("ObjectCreated:InitiateMultipartUpload", Change::Other),
            ("oss:ObjectCreated:UploadPart", Change::Other),
            ("ObjectCreated:UploadPartCopy", Change::Other),
            ("ObjectCreated:PutSymlink", Change::Other),
            ("ObjectModified:UpdateObjectMeta", Change::Other),
            ("oss:ActionTrail:ApiCall", Change::Other),
            ("oss:CloudMonitor:BucketEgressBandwidth", Change::Other),
            ("oss:BucketCreated:PutBucket", Change::Other),
            ("ObjectRemoved:DeleteObjects", Change::Removed),
            ("ObjectInvented:ApiCall", Change::Unknown),
            ("oss:ActionTrails:ApiCall", Change::Unknown),
        ] {
            assert_eq!(meaning(name), (Meaning::Change(want), None), "{name}");
        }
    }
}
