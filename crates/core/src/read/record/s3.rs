//! S3-shaped records: Amazon's own and those of everybody who followed.
//!
//! "S3-shaped" fixes the member names and leaves the encoding of the key open, so the producer decides it, by the
//! table in [`producer`]. Nobody guesses from a `%`: a Ceph object really called `50%25` would be lost.
//!
//! Shape: AWS `notification-content-structure`; MinIO `cmd/event-notification.go`; Ceph `src/rgw/rgw_pubsub.cc`;
//! NetApp StorageGRID "Event notification messages"; JD Cloud "Callback Notification".

use std::borrow::Cow;
use std::fmt;

use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind};
use crate::model::failure::{Cause, Failure};
use crate::model::unit::StorageType;
use crate::plain::json::{self, NoText};
use crate::plain::line;
use crate::read::ending::{self, Ending};
use crate::read::event_name::{self, Meaning};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::record::callback;
use crate::read::row::{Context, Facts, Inside, List, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// MinIO posts from a target's queue, whose head comes until it is taken (minio/minio, `internal/store/store.go`, `sendItems`),
/// and tests an address by an empty POST (older releases, `internal/event/target/webhook.go`).
const MINIO: Facts = Facts {
    // Go's url.QueryEscape (cmd/event-notification.go).
    keys: Some(KeyEncoding::Form),
    redelivers: true,
    probes: true,
    ..Facts::BASE
};

/// The dialects that write S3-shaped records and have no file of their own, each with its facts. Those that do (JD Cloud,
/// StorageGRID) stand in [`producer`] like these.
pub(in crate::read) const FAMILY: &[(Dialect, &Facts)] = &[
    // AWS documents form encoding: "red flower.jpg" → "red+flower.jpg" (notification-content-structure).
    (Dialect::AwsS3, &Facts { keys: Some(KeyEncoding::Form), unit: StorageType::AmazonS3, ..Facts::BASE }),
    (Dialect::Minio, &MINIO),
    // The same envelope and encoding (rustfs crates/notify), and the same queue.
    (Dialect::Rustfs, &MINIO),
    // The raw object name (rgw_pubsub.cc). A persistent topic repeats without end (Ceph, "Bucket Notifications"; seen with
    // 16.2.15).
    (Dialect::Ceph, &Facts { keys: Some(KeyEncoding::Verbatim), redelivers: true, ..Facts::BASE }),
    (Dialect::S3Compatible, &Facts { keys: Some(KeyEncoding::Form), ..Facts::BASE }),
];

/// Pins under which S3-shaped records are read: those of the family, and of queues and functions that bring them.
pub(in crate::read) fn family(pin: Dialect) -> bool {
    FAMILY.iter().any(|(dialect, _)| *dialect == pin)
        || matches!(
            pin,
            Dialect::JdCloud
                | Dialect::StorageGrid
                | Dialect::AwsSqs
                | Dialect::JdCloudFunction
                | Dialect::HuaweiObs
        )
}

/// A list of records. Before the test event: nothing that names objects may pass as a mere test.
pub(in crate::read) const RECORDS: Row = Row {
    of: Dialect::AwsS3,
    marks: &[Mark::Members(&[("Records", Test::There)])],
    expected: "a list of `Records`",
    // MinIO of 2017 wrote `EventType` for `EventName`.
    members: &["EventName", "EventType"],
    read: Read::List(List {
        member: "Records",
        place: "Records",
        element: "",
        elements: &[Stands::InRecords],
        of_letters: false,
        // Nothing tells who sent it; the outer name is MinIO's alone.
        empty: |seen| Some(if outer_name(Some(seen)).is_some() { Dialect::Minio } else { Dialect::AwsS3 }),
        stranger: foreign,
    }),
    ..Row::BASE
};

/// The message AWS and others send when a rule is saved: it must be acknowledged, and names a bucket and no object. The
/// `Service` differs by vendor and decides nothing.
pub(in crate::read) const TEST: Row = Row {
    of: Dialect::AwsS3,
    marks: &[Mark::Members(&[("Event", IS_TEST)])],
    under: family,
    expected: "an `Event` of s3:TestEvent",
    members: &["Service", "Bucket", "Time"],
    read: Read::Notice(test_event),
    ..Row::BASE
};

/// The same as a record, which some send. One that names an object is read as one that does.
pub(in crate::read) const TEST_RECORD: Row = Row {
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("Event", IS_TEST), ("s3", Test::Absent), ("eventName", Test::Absent)])],
    expected: "",
    ..TEST
};

const IS_TEST: Test = Test::IsLike("s3:TestEvent");

/// What older releases of NooBaa post as a test, and nothing but this: a JSON string (noobaa/noobaa-core,
/// src/util/notifications_util.js, `test_notifications`).
pub(in crate::read) const TEST_TEXT: Row = Row {
    of: Dialect::S3Compatible,
    marks: &[Mark::Text(|text| serde_json::from_str::<&str>(text).is_ok_and(|text| text == TEST_WORDS))],
    lies_in: &[Inside::Nothing],
    read: Read::Notice(|_, _| {
        let details = Details { event_name: Some(TEST_WORDS.into()), ..Details::default() };
        let notice = Notice { kind: NoticeKind::Test, bucket: None, details };
        Item::new(String::new(), Some(Dialect::S3Compatible), Reading::Notice(notice))
    }),
    ..Row::BASE
};

const TEST_WORDS: &str = "test notification";

/// One element of `Records`: of any vendor that calls itself `…:s3`, of JD Cloud, or of one that does not name itself.
pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::AwsS3,
    stands: Stands::InRecords,
    marks: &[
        Mark::Members(&[("eventSource", Test::EndsLike(":s3"))]),
        Mark::Members(&[("eventSource", Test::IsLike("oss")), ("s3", Test::There)]),
        Mark::Members(&[("eventSource", Test::IsLike("oss")), ("detail", Test::Absent)]),
        Mark::Members(&[("s3", Test::There), ("eventSource", Test::NoText)]),
    ],
    pinned: &[Mark::Members(&[("s3", Test::There)])],
    under: family,
    members: &[
        "eventName",
        "eventTime",
        "awsRegion",
        "responseElements",
        "eventId",
        "callBackVar",
        "EventSource",
    ],
    read: Read::Event(read),
    ..Row::BASE
};

json::members! {
    struct Response {
        request_id = "x-amz-request-id",
    }
}

json::members! {
    struct S3 {
        bucket = "bucket",
        object = "object",
    }
}

json::members! {
    struct BucketWire {
        name = "name",
        id = "id",
        owner = "ownerIdentity",
    }
}

json::members! {
    struct ObjectWire {
        key = "key",
        size = "size",
        etag = "eTag",
        /// Older Ceph.
        etag_lower = "etag",
        version_id = "versionId",
        sequencer = "sequencer",
        /// Ceph writes an array of pairs here, MinIO's `userMetadata` has another name.
        metadata = "metadata",
    }
}

/// What MinIO and RustFS say beside `Records`. The outer name stands in for every record that has none.
fn outer_name<'a>(outer: Option<&Seen<'a>>) -> Option<Cow<'a, str>> {
    let outer = outer?;
    json::string(outer.get("EventName").or(outer.get("EventType")))
        .ok()
        .filter(|name| name.len() <= event_name::MOST_BYTES)
}

/// Who wrote a record, and how it encodes keys.
#[derive(Clone, Copy)]
struct Producer {
    dialect: Dialect,
    encoding: KeyEncoding,
    /// The encoding is the majority's habit, not this vendor's word.
    assumed: bool,
    /// Somebody has chosen the encoding: the operator.
    chosen: bool,
    /// `size` is the object's, and 0 proves that it is empty.
    sized: bool,
}

/// The parts of a record's `s3` block; an error is the sentence about what stands there instead.
struct Parts<'a> {
    bucket: Result<BucketWire<'a>, String>,
    object: Result<ObjectWire<'a>, String>,
    /// Whether there is anything where an object would be.
    spoken_of: bool,
}

impl<'a> Parts<'a> {
    fn of(seen: &Seen<'a>, place: &str) -> Self {
        match json::object_or_empty::<S3<'_>>(seen.get("s3"), format_args!("{place}.s3")) {
            Ok(s3) => Self {
                spoken_of: s3.object.is_some(),
                bucket: json::object_or_empty(s3.bucket, format_args!("{place}.s3.bucket")),
                object: json::object_or_empty(s3.object, format_args!("{place}.s3.object")),
            },
            Err(detail) => Self { bucket: Err(detail.clone()), object: Err(detail), spoken_of: true },
        }
    }

    /// Ceph and its derivatives betray themselves by members AWS never writes (`rgw_pubsub.cc`: `eventId`, `bucket.id`, an
    /// array as `metadata`). Ceph Nautilus called itself `aws:s3`, and its keys are raw.
    fn ceph_marks(&self, seen: &Seen<'_>) -> bool {
        let bucket_id = self.bucket.as_ref().is_ok_and(|b| b.id.is_some());
        let metadata =
            self.object.as_ref().is_ok_and(|o| o.metadata.is_some_and(|m| m.get().starts_with('[')));
        seen.get("eventId").is_some() || bucket_id || metadata
    }

    /// FunctionGraph's older record calls itself `aws:s3`, or nothing, and spells a member of its bucket's owner as nobody else does
    /// (Open Telekom Cloud FunctionGraph, "Using an OBS Trigger"; opentelekomcloud/opentelekomcloud-functiongraph-java,
    /// `s3obs_event.json`).
    fn huawei_marks(&self) -> bool {
        let owner = self.bucket.as_ref().ok().and_then(|bucket| bucket.owner);
        owner.is_some_and(|owner| owner.get().contains("\"PrincipalId\""))
    }
}

/// The table producer → dialect and key encoding.
fn producer(seen: &Seen<'_>, parts: &Parts<'_>, context: &Context<'_>) -> Producer {
    use KeyEncoding::{Form, Percent, Verbatim};
    // Letter case is nobody's promise.
    let source = json::string(seen.get("eventSource")).ok().map(|source| source.to_ascii_lowercase());
    let (source, pin) = (source.as_deref(), context.pin);
    let names_itself = || outer_name(context.outer).is_some();
    let (dialect, encoding, assumed) = match source {
        // AWS documents form encoding: "red flower.jpg" → "red+flower.jpg" (notification-content-structure).
        Some("aws:s3") if parts.ceph_marks(seen) => (Dialect::Ceph, Verbatim, false),
        // OBS encodes keys as a form ("SMN event notifications"), whatever the shape of its record.
        Some("aws:s3") | None if parts.huawei_marks() => (Dialect::HuaweiObs, Form, false),
        Some("aws:s3") => (Dialect::AwsS3, Form, false),
        // Go's url.QueryEscape (cmd/event-notification.go).
        Some("minio:s3") => (Dialect::Minio, Form, false),
        // The same envelope and encoding (rustfs crates/notify).
        Some("rustfs:s3") => (Dialect::Rustfs, Form, false),
        // The raw object name (rgw_pubsub.cc).
        Some("ceph:s3") => (Dialect::Ceph, Verbatim, false),
        // Undocumented; one consumer percent-decodes. An inference: RELAY_KEYS_STORAGEGRID overrides.
        Some("sgws:s3") if !parts.ceph_marks(seen) => (Dialect::StorageGrid, Percent, false),
        Some("sgws:s3") => (Dialect::StorageGrid, Verbatim, false),
        // Undocumented; JD's own function samples use the key as it is. An inference: RELAY_KEYS_JDCLOUD overrides.
        Some("oss") if seen.get("s3").is_some() || seen.get("detail").is_none() => {
            (Dialect::JdCloud, Verbatim, false)
        }
        // A Ceph derivative by its looks (time format, member set). An inference: RELAY_KEYS_S3_COMPATIBLE overrides.
        Some("ctyun:s3") => (Dialect::S3Compatible, Verbatim, false),
        Some(vendor) if vendor.ends_with(":s3") && parts.ceph_marks(seen) => {
            (Dialect::S3Compatible, Verbatim, false)
        }
        // `req.params.key`, which its server has decoded (noobaa/noobaa-core, src/util/notifications_util.js). It calls itself
        // by the system's name; this is the one of an operator's installation, others need RELAY_KEYS_S3_COMPATIBLE.
        Some("noobaa:s3") => (Dialect::S3Compatible, Verbatim, false),
        // Wasabi publishes through Amazon SNS in Amazon's record format.
        Some("wasabi:s3") => (Dialect::S3Compatible, Form, false),
        // Unsure: the family's rule, while Storj's own writer (storj/storj, satellite/eventing/notification.go) seems to
        // leave keys as they are. So whoever sees a difference is warned.
        Some("storj:s3") => (Dialect::S3Compatible, Form, true),
        Some(vendor) if vendor.ends_with(":s3") => (Dialect::S3Compatible, Form, true),
        // A producer that does not name itself. MinIO's envelope has `EventName`, RustFS's documentation sample too.
        None if names_itself() => (Dialect::Minio, Form, false),
        None if parts.ceph_marks(seen) => (Dialect::Ceph, Verbatim, false),
        None => (Dialect::AwsS3, Form, false),
        // Only under a pin.
        Some(_) => (Dialect::S3Compatible, Form, true),
    };
    // A pinned source has said who is there. Only "some S3-compatible store" leaves the vendor's row in force.
    let (dialect, encoding, assumed) = match pin {
        Some(Dialect::AwsSqs) => (dialect, encoding, assumed),
        Some(Dialect::S3Compatible) => (Dialect::S3Compatible, encoding, assumed),
        Some(pin) => (pin, habit(pin).unwrap_or(encoding), false),
        None => (dialect, encoding, assumed),
    };
    // Releases of NooBaa wrote the length of their answer there (the same file, `res.getHeader('content-length')`).
    let sized = source != Some("noobaa:s3");
    match context.keys.get(dialect) {
        Some(encoding) => Producer { dialect, encoding, assumed: false, chosen: true, sized },
        None => Producer { dialect, encoding, assumed, chosen: false, sized },
    }
}

/// Whether a key cannot have come out of any encoding: it has a bare space, or a character beyond ASCII, which every encoding
/// for URLs replaces (RFC 3986, 2.1 to 2.3). Whoever wrote it wrote it as it is.
pub(super) fn never_encoded(key: &str) -> bool {
    key.contains(' ') || !key.is_ascii()
}

/// How this key was written. What its characters or the record's other words prove outweighs the producer's habit, and not
/// what the operator has chosen.
fn encoding_of(producer: Producer, event_name: &str, key: &str) -> KeyEncoding {
    let rewritten = || producer.dialect == Dialect::AwsS3 && event_name::is_rewritten(event_name);
    if !producer.chosen && (never_encoded(key) || rewritten()) {
        KeyEncoding::Verbatim
    } else {
        producer.encoding
    }
}

/// The encoding that a pinned dialect's producer has.
fn habit(pin: Dialect) -> Option<KeyEncoding> {
    match pin {
        Dialect::JdCloud | Dialect::JdCloudFunction => Some(KeyEncoding::Verbatim),
        Dialect::StorageGrid => Some(KeyEncoding::Percent),
        Dialect::HuaweiObs => Some(KeyEncoding::Form),
        pin => FAMILY.iter().find(|(dialect, _)| *dialect == pin).and_then(|(_, facts)| facts.keys),
    }
}

/// The sentence for a record nobody knows.
fn foreign(seen: &Seen<'_>, place: &str) -> String {
    let found = match seen.get("eventSource").or(seen.get("EventSource")) {
        Some(source) => format!("eventSource {}", line::clip(source.get(), 60)),
        None => "neither `eventSource` nor `s3`".into(),
    };
    format!(
        "{place}: expected a storage record (an eventSource such as aws:s3, minio:s3 or oss), found {found}"
    )
}

fn test_event(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let dialect = context.pin.unwrap_or(match json::string(seen.get("Service")).as_deref() {
        Ok("Amazon S3") | Err(_) => Dialect::AwsS3,
        // Storj says "Storj S3".
        Ok(_) => Dialect::S3Compatible,
    });
    let details = Details {
        event_name: Some("s3:TestEvent".into()),
        time: json::time(seen.get("Time"), "Time", &mut warnings),
        ..Details::default()
    };
    let bucket = json::text(seen.get("Bucket"), "Bucket", &mut warnings).and_then(|b| Bucket::new(&b));
    let notice = Notice { kind: NoticeKind::Test, bucket, details };
    Item { warnings, ..Item::new(String::new(), Some(dialect), Reading::Notice(notice)) }
}

/// Reads one record.
fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let parts = Parts::of(seen, context.place);
    let producer = producer(seen, &parts, context);
    let reading = reading(seen, parts, producer, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(producer.dialect), reading) }
}

/// A member of the object, for sentences; nothing is put together before there is one.
#[derive(Clone, Copy)]
struct At<'p> {
    place: &'p str,
    member: &'static str,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.s3.object.{}", self.place, self.member)
    }
}

fn reading(
    seen: &Seen<'_>,
    parts: Parts<'_>,
    producer: Producer,
    context: &Context<'_>,
    warnings: &mut Vec<String>,
) -> Reading {
    let place = context.place;
    let mut details = Details {
        event_name: json::string(seen.get("eventName"))
            .ok()
            .filter(|n| n.len() <= event_name::MOST_BYTES)
            .map(Cow::into_owned)
            .or_else(|| outer_name(context.outer).map(Cow::into_owned)),
        region: json::text(seen.get("awsRegion"), format_args!("{place}.awsRegion"), warnings),
        time: json::time(seen.get("eventTime"), format_args!("{place}.eventTime"), warnings),
        event_id: json::mark(seen.get("eventId")),
        request_id: json::object_or_empty::<Response<'_>>(seen.get("responseElements"), "")
            .ok()
            .and_then(|response| json::mark(response.request_id)),
        untrusted: callback::untrusted(seen.get("callBackVar")),
        ..Details::default()
    };
    let spoken_of = parts.spoken_of;
    let bucket = parts.bucket.and_then(|b| match json::string(b.name) {
        Ok(name) => Ok(Bucket::new(&name)),
        Err(NoText::Absent) => Ok(None),
        Err(NoText::Type(found)) => Err(format!("{place}.s3.bucket.name: expected a string, found {found}")),
        Err(NoText::NotUnicode) => Err(format!("{place}.s3.bucket.name: the string is not Unicode")),
    });
    let object = match parts.object {
        Ok(object) => object,
        Err(detail) => {
            let failure = Failure::new(Cause::Unreadable, detail);
            return ending::unreadable(bucket.ok().flatten(), details, failure);
        }
    };
    let at = |member| At { place, member };
    details.size = json::size(object.size, at("size"), warnings).filter(|_| producer.sized);
    details.etag = json::etag(object.etag, at("eTag"), warnings)
        .or_else(|| json::etag(object.etag_lower, at("etag"), warnings));
    details.version_id = json::text(object.version_id, at("versionId"), warnings);
    details.sequencer = json::text(object.sequencer, at("sequencer"), warnings);

    let bucket = match bucket {
        Ok(bucket) => bucket,
        Err(detail) => return ending::unreadable(None, details, Failure::new(Cause::MissingBucket, detail)),
    };
    let Some(name) = details.event_name.clone().filter(|n| !n.is_empty()) else {
        let found = seen.get("eventName").map_or("none", |raw| match json::found(raw.get()) {
            "a string" => "an empty or very long string",
            other => other,
        });
        let detail = format!("{place}.eventName: expected the name of an event, found {found}");
        let failure = Failure::new(Cause::MissingEventName, detail);
        return ending::unreadable(bucket, details, failure);
    };
    let (meaning, warning) = event_name::meaning(&name);
    warnings.extend(warning);
    let change = match meaning {
        Meaning::Test => return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details }),
        Meaning::Change(change) => change,
    };
    let key = key::read(object.key, at("key"), |text| {
        let encoding = encoding_of(producer, &name, text);
        if producer.assumed && encoding == producer.encoding && text.contains(['%', '+']) {
            let place = at("key");
            warnings.push(format!(
                "{place}: read as form-encoded, as most producers write it; if this one does not, set \
                 RELAY_KEYS_S3_COMPATIBLE to verbatim or percent"
            ));
        }
        encoding
    });
    if change == Change::Unknown && !spoken_of {
        let shown = line::clip(&name, 60);
        warnings.push(format!("eventName: {shown:?} is unknown; the record names no object"));
    }
    // Bucket events of MinIO have an empty key.
    let bucket_place = format_args!("{place}.s3.bucket.name");
    Ending { change, bucket, bucket_place, key, spoken_of, details }.reading()
}
