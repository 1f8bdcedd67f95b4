//! S3-shaped records: Amazon's own and those of everybody who followed.
//!
//! "S3-shaped" fixes the member names and leaves the encoding of the key open, so the producer decides it, by the
//! table in [`producer`]. Nobody guesses from a `%`: a Ceph object really called `50%25` would be lost.
//!
//! Shape: AWS `notification-content-structure`; MinIO `cmd/event-notification.go`; Ceph `src/rgw/rgw_pubsub.cc`;
//! NetApp StorageGRID "Event notification messages"; JD Cloud "Callback Notification".

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::model::dialect::{Dialect, KeyEncoding, KeyRules};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind, ObjectEvent};
use crate::model::failure::{Cause, Failure};
use crate::plain::json::NoText;
use crate::plain::{json, line};
use crate::read::envelope::jdcloud;
use crate::read::event_name::Meaning;
use crate::read::item::{Item, Reading};
use crate::read::{event_name, key};

json::members! {
    /// One element of `Records`, each member still raw. `None` is "absent or null".
    pub(crate) struct Record {
        pub(in crate::read) event_source = "eventSource",
        /// A test event, which some send as a record.
        event = "Event",
        event_name = "eventName",
        event_time = "eventTime",
        region = "awsRegion",
        response = "responseElements",
        event_id = "eventId",
        pub(in crate::read) s3 = "s3",
        call_back_var = "callBackVar",
        // What other senders put into a list of the same name.
        pub(in crate::read) sns_source = "EventSource",
        pub(in crate::read) cos = "cos",
        pub(in crate::read) obs = "obs",
        pub(in crate::read) source = "source",
        pub(in crate::read) detail = "detail",
    }
}

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
pub(in crate::read) struct Outer {
    event_name: Option<String>,
}

impl Outer {
    pub(in crate::read) fn new(event_name: Option<&RawValue>) -> Self {
        let name = json::string(event_name).ok().filter(|n| n.len() <= event_name::MOST_BYTES);
        Self { event_name: name.map(Cow::into_owned) }
    }

    pub(in crate::read) fn minio_like(&self) -> bool {
        self.event_name.is_some()
    }
}

/// Who wrote a record, and how it encodes keys.
#[derive(Clone, Copy)]
pub(in crate::read) struct Producer {
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
pub(in crate::read) struct Parts<'a> {
    bucket: Result<BucketWire<'a>, String>,
    object: Result<ObjectWire<'a>, String>,
    /// Whether there is anything where an object would be.
    spoken_of: bool,
}

impl<'a> Parts<'a> {
    pub(in crate::read) fn of(record: &Record<'a>, place: &str) -> Self {
        match json::object_or_empty::<S3<'_>>(record.s3, format_args!("{place}.s3")) {
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
    fn ceph_marks(&self, record: &Record<'_>) -> bool {
        let bucket_id = self.bucket.as_ref().is_ok_and(|b| b.id.is_some());
        let metadata =
            self.object.as_ref().is_ok_and(|o| o.metadata.is_some_and(|m| m.get().starts_with('[')));
        record.event_id.is_some() || bucket_id || metadata
    }
}

/// The table producer → dialect and key encoding. `None`: not an S3-shaped record.
pub(in crate::read) fn producer(
    record: &Record<'_>,
    parts: &Parts<'_>,
    source: Option<&str>,
    outer: &Outer,
    pinned: Option<Dialect>,
    keys: &KeyRules,
) -> Option<Producer> {
    use KeyEncoding::{Form, Percent, Verbatim};
    let (dialect, encoding, assumed) = match source {
        // AWS documents form encoding: "red flower.jpg" → "red+flower.jpg" (notification-content-structure).
        Some("aws:s3") if parts.ceph_marks(record) => (Dialect::Ceph, Verbatim, false),
        Some("aws:s3") => (Dialect::AwsS3, Form, false),
        // Go's url.QueryEscape (cmd/event-notification.go).
        Some("minio:s3") => (Dialect::Minio, Form, false),
        // The same envelope and encoding (rustfs crates/notify).
        Some("rustfs:s3") => (Dialect::Rustfs, Form, false),
        // The raw object name (rgw_pubsub.cc).
        Some("ceph:s3") => (Dialect::Ceph, Verbatim, false),
        // Undocumented; one consumer percent-decodes. An inference: RELAY_KEYS_STORAGEGRID overrides.
        Some("sgws:s3") if !parts.ceph_marks(record) => (Dialect::StorageGrid, Percent, false),
        Some("sgws:s3") => (Dialect::StorageGrid, Verbatim, false),
        // Undocumented; JD's own function samples use the key as it is. An inference: RELAY_KEYS_JDCLOUD overrides.
        Some("oss") if record.s3.is_some() || record.detail.is_none() => (Dialect::JdCloud, Verbatim, false),
        // A Ceph derivative by its looks (time format, member set). An inference: RELAY_KEYS_S3_COMPATIBLE overrides.
        Some("ctyun:s3") => (Dialect::S3Compatible, Verbatim, false),
        Some(vendor) if vendor.ends_with(":s3") && parts.ceph_marks(record) => {
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
        None if record.s3.is_some() && outer.minio_like() => (Dialect::Minio, Form, false),
        None if record.s3.is_some() && parts.ceph_marks(record) => (Dialect::Ceph, Verbatim, false),
        None if record.s3.is_some() => (Dialect::AwsS3, Form, false),
        _ if pinned.is_some() && record.s3.is_some() => (Dialect::S3Compatible, Form, true),
        _ => return None,
    };
    // A pinned source has said who is there. Only "some S3-compatible store" leaves the vendor's row in force.
    let (dialect, encoding, assumed) = match pinned {
        Some(Dialect::AwsSqs) => (dialect, encoding, assumed),
        Some(Dialect::S3Compatible) => (Dialect::S3Compatible, encoding, assumed),
        Some(pinned) => (pinned, pinned.key_encoding().unwrap_or(encoding), false),
        None => (dialect, encoding, assumed),
    };
    // Releases of NooBaa wrote the length of their answer there (the same file, `res.getHeader('content-length')`).
    let sized = source != Some("noobaa:s3");
    match keys.get(dialect) {
        Some(encoding) => Some(Producer { dialect, encoding, assumed: false, chosen: true, sized }),
        None => Some(Producer { dialect, encoding, assumed, chosen: false, sized }),
    }
}

/// Whether a key cannot have come out of any encoding: it has a bare space, or a character beyond ASCII, which every encoding
/// for URLs replaces (RFC 3986, 2.1 to 2.3). Whoever wrote it wrote it as it is.
fn never_encoded(key: &str) -> bool {
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

/// The sentence for a record nobody knows.
pub(in crate::read) fn foreign(place: &str, record: &Record<'_>) -> String {
    let found = match record.event_source.or(record.sns_source) {
        Some(source) => format!("eventSource {}", line::clip(source.get(), 60)),
        None => "neither `eventSource` nor `s3`".into(),
    };
    format!(
        "{place}: expected a storage record (an eventSource such as aws:s3, minio:s3 or oss), found {found}"
    )
}

/// Whether `Event` says `s3:TestEvent`. The `Service` differs by vendor and decides nothing.
pub(in crate::read) fn is_test_event(event: Option<&RawValue>) -> bool {
    json::string(event).is_ok_and(|e| e.eq_ignore_ascii_case("s3:TestEvent"))
}

/// What older releases of NooBaa post as a test, and nothing but this: a JSON string (noobaa/noobaa-core,
/// src/util/notifications_util.js, `test_notifications`).
const TEST_TEXT: &str = "test notification";

/// Whether a whole body is such a text.
pub(in crate::read) fn is_test_text(raw: &RawValue) -> bool {
    json::string(Some(raw)).is_ok_and(|text| text == TEST_TEXT)
}

/// The notice of such a text.
pub(in crate::read) fn test_text() -> Item {
    let details = Details { event_name: Some(TEST_TEXT.into()), ..Details::default() };
    let notice = Notice { kind: NoticeKind::Test, bucket: None, details };
    Item::new("0".into(), Some(Dialect::S3Compatible), Reading::Notice(notice))
}

/// Whether a record is a test event and nothing else: one that names an object is read as one that does.
pub(in crate::read) fn is_test_record(record: &Record<'_>) -> bool {
    record.s3.is_none() && record.event_name.is_none() && is_test_event(record.event)
}

json::members! {
    struct TestWire {
        service = "Service",
        bucket = "Bucket",
        time = "Time",
    }
}

/// The message AWS and others send when a rule is saved: it must be acknowledged, and names a bucket and no object.
pub(in crate::read) fn test_event(raw: &str, pinned: Option<Dialect>, index: usize) -> Item {
    let path = index.to_string();
    let wire: TestWire<'_> = match json::object(raw, "the test event") {
        Ok(wire) => wire,
        Err(detail) => return Item::new(path, pinned, Reading::failed(Cause::Unreadable, detail)),
    };
    let mut warnings = Vec::new();
    let dialect = pinned.unwrap_or(match json::string(wire.service).as_deref() {
        Ok("Amazon S3") | Err(_) => Dialect::AwsS3,
        // Storj says "Storj S3".
        Ok(_) => Dialect::S3Compatible,
    });
    let details = Details {
        event_name: Some("s3:TestEvent".into()),
        time: json::time(wire.time, "Time", &mut warnings),
        ..Details::default()
    };
    let bucket = json::text(wire.bucket, "Bucket", &mut warnings).and_then(|b| Bucket::new(&b));
    let notice = Notice { kind: NoticeKind::Test, bucket, details };
    Item { warnings, ..Item::new(path, Some(dialect), Reading::Notice(notice)) }
}

/// Reads one record.
pub(in crate::read) fn read(
    record: &Record<'_>,
    parts: Parts<'_>,
    producer: Producer,
    index: usize,
    place: &str,
    outer: &Outer,
) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(record, parts, producer, place, outer, &mut warnings);
    Item { warnings, ..Item::new(index.to_string(), Some(producer.dialect), reading) }
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
    record: &Record<'_>,
    parts: Parts<'_>,
    producer: Producer,
    place: &str,
    outer: &Outer,
    warnings: &mut Vec<String>,
) -> Reading {
    let mut details = Details {
        event_name: json::string(record.event_name)
            .ok()
            .filter(|n| n.len() <= event_name::MOST_BYTES)
            .map(Cow::into_owned)
            .or_else(|| outer.event_name.clone()),
        region: json::text(record.region, format_args!("{place}.awsRegion"), warnings),
        time: json::time(record.event_time, format_args!("{place}.eventTime"), warnings),
        event_id: json::mark(record.event_id),
        request_id: json::object_or_empty::<Response<'_>>(record.response, "")
            .ok()
            .and_then(|response| json::mark(response.request_id)),
        untrusted: jdcloud::untrusted(record.call_back_var),
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
            return Reading::Unreadable {
                bucket: bucket.ok().flatten(),
                details: Box::new(details),
                failure,
            };
        }
    };
    let at = |member| At { place, member };
    details.size = json::size(object.size, at("size"), warnings).filter(|_| producer.sized);
    details.etag = json::etag(object.etag, at("eTag"), warnings)
        .or_else(|| json::etag(object.etag_lower, at("etag"), warnings));
    details.version_id = json::text(object.version_id, at("versionId"), warnings);
    details.sequencer = json::text(object.sequencer, at("sequencer"), warnings);

    let unreadable = |bucket: Option<Bucket>, details: Details, failure| Reading::Unreadable {
        bucket,
        details: Box::new(details),
        failure,
    };
    let bucket = match bucket {
        Ok(bucket) => bucket,
        Err(detail) => return unreadable(None, details, Failure::new(Cause::MissingBucket, detail)),
    };
    let Some(name) = details.event_name.clone().filter(|n| !n.is_empty()) else {
        let found = record.event_name.map_or("none", |raw| match json::found(raw.get()) {
            "a string" => "an empty or very long string",
            other => other,
        });
        let detail = format!("{place}.eventName: expected the name of an event, found {found}");
        let failure = Failure::new(Cause::MissingEventName, detail);
        return unreadable(bucket, details, failure);
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
    // Bucket events of MinIO have an empty key, and nothing is lost if any other such record has none.
    if change == Change::Other && key.as_ref().is_err_and(|f| f.cause == Cause::MissingKey) {
        return Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket, details });
    }
    if change == Change::Unknown && (bucket.is_none() || key.is_err()) {
        let kind = if spoken_of { NoticeKind::Unknown } else { NoticeKind::Bucket };
        if !spoken_of {
            let shown = line::clip(&name, 60);
            warnings.push(format!("eventName: {shown:?} is unknown; the record names no object"));
        }
        return Reading::Notice(Notice { kind, bucket, details });
    }
    let Some(bucket) = bucket else {
        let detail = format!("{place}.s3.bucket.name: expected the name of a bucket, found none");
        return unreadable(None, details, Failure::new(Cause::MissingBucket, detail));
    };
    match key {
        Ok(key) => Reading::Object(ObjectEvent { bucket, key, change, details }),
        Err(failure) => unreadable(Some(bucket), details, failure),
    }
}
