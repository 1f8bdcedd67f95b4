//! What the relay tells itself: objects that a listing of their bucket shows, and of which no event was heard.
//!
//! ```json
//! {"Records": [{"reconcile": "20261127T021500Z-5f1c", "bucket": "invoices", "key": "in/a b+c%20.txt", "version": "3/L4kq",
//!  "etag": "0d73", "size": 7, "modified": "2026-11-27T01:02:03.5Z", "namespace": "axr7", "store": "oci"}]}
//! ```
//!
//! Only whoever makes a delivery can say that it is one of these: it is never recognised, no source can be pinned to it, and it lies in
//! no envelope. So no sender can have an object forwarded past the checks of a listing, or have his own upload counted as one.
//!
//! A listing does not say who wrote an object, how, or when it was told. [`view`] is what conditions see of it: the few members that a
//! store's event would have as well, in the places where the families of events have them. What is not there is not known, and what a
//! condition asks of it cannot be decided.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::model::delivery::Delivery;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, ObjectKey};
use crate::model::raw::Raw;
use crate::plain::json;
use crate::read::ending::Ending;
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Inside, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// What an object that was found is said to be, where events have their name.
const LISTED: &str = "reconcile:Listed";

/// What producers that form-encode keys leave as it is; a slash among it, whatever a form would do.
const AS_IN_EVENTS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

const FACTS: Facts =
    Facts { keys: None, key_place: &["key"], looks_like: "a list of objects that were found", ..Facts::BASE };

pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::Reconcile,
    stands: Stands::InRecords,
    // No mark without a pin: whatever a stranger writes is never this.
    pinned: &[Mark::Members(&[("reconcile", Test::There)])],
    lies_in: &[Inside::Nothing],
    members: &["bucket", "namespace", "key", "version", "etag", "size", "modified", "store"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let mut text = |name: &'static str| json::text(seen.get(name), name, &mut warnings);
    let bucket = text("bucket").and_then(|name| Bucket::new(&name));
    let namespace = text("namespace");
    let version_id = text("version");
    let store = text("store").and_then(|name| Dialect::sent(&name).ok());
    let time = json::time(seen.get("modified"), "modified", &mut warnings);
    let details = Details {
        namespace,
        size: json::size(seen.get("size"), "size", &mut warnings),
        etag: json::etag(seen.get("etag"), "etag", &mut warnings),
        version_id,
        event_name: Some(LISTED.to_owned()),
        time,
        // When it was last written tells one write from the next. Without that nothing does: the same content may have been written
        // again, and is scanned again.
        event_id: time.map(|_| LISTED.to_owned()),
        store,
        ..Details::default()
    };
    let key = key::read(seen.get("key"), "key", |_| KeyEncoding::Verbatim);
    let ending =
        Ending { change: Change::Listed, bucket, bucket_place: "bucket", key, spoken_of: true, details };
    let reading = ending.reading();
    let raw = match &reading {
        Reading::Object(event) if context.keep => view(&event.bucket, &event.key, &event.details),
        _ => None,
    };
    Item { warnings, raw, ..Item::new(String::new(), Some(Dialect::Reconcile), reading) }
}

/// What conditions see: bucket, key, namespace and size, where events of S3's family, EventBridge, OCI, Google and R2 have them; once with
/// the key as it is, and once as producers write it that encode it.
fn view(bucket: &Bucket, key: &ObjectKey, details: &Details) -> Option<Raw> {
    let encoded = utf8_percent_encode(key.as_str(), AS_IN_EVENTS).to_string().replace("%20", "+");
    let shape = |key: &str| -> Option<Box<RawValue>> {
        let mut object = json!({ "key": key });
        let mut extra = json!({ "bucketName": bucket.as_str() });
        let mut whole = json!({ "bucket": bucket.as_str(), "name": key });
        if let Some(size) = details.size {
            object["size"] = Value::from(size);
            // Google's resource has it as a text.
            whole["size"] = Value::from(size.to_string());
        }
        if let Some(namespace) = &details.namespace {
            extra["namespace"] = Value::from(namespace.as_str());
        }
        whole["s3"] = json!({ "bucket": { "name": bucket.as_str() }, "object": object });
        whole["detail"] = json!({ "bucket": { "name": bucket.as_str() }, "object": object });
        whole["data"] = json!({ "resourceName": key, "additionalDetails": extra });
        whole["object"] = object;
        RawValue::from_string(whole.to_string()).ok()
    };
    let sent = shape(key.as_str())?;
    let decoded = (encoded != key.as_str()).then(|| shape(&encoded)).flatten();
    Some(Raw { sent, decoded })
}

/// An object as a listing of its bucket shows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListedObject<'o> {
    /// The bucket.
    pub bucket: &'o str,
    /// The namespace that the bucket lives in, where its provider has such.
    pub namespace: Option<&'o str>,
    /// The key, as it is.
    pub key: &'o str,
    /// The version, where the store names one.
    pub version: Option<&'o str>,
    /// Without quotes.
    pub etag: Option<&'o str>,
    /// Bytes.
    pub size: Option<u64>,
    /// When it was last written, by the store's clock.
    pub modified: Option<Timestamp>,
    /// What its store speaks when it sends events: it says how a unit is usually registered, if the route does not.
    pub store: Option<Dialect>,
}

/// The delivery that tells of objects which were found: pinned to the dialect that nobody else can send.
///
/// `source` is the one whose routes apply, `run` the name of the run, `id` what the log calls the delivery.
///
/// ```
/// use mdss_relay_core::{Dialect, ListedObject, Settings, found_objects, plan};
/// let object = ListedObject { bucket: "b", key: "a b+c", size: Some(7), ..ListedObject::default() };
/// let delivery = found_objects(None, "run", "run-0", &[object]);
/// let plan = plan(&Settings::default().rules, &delivery);
/// assert_eq!((plan.dialect, plan.records[0].key.as_ref().unwrap().as_str()), (Some(Dialect::Reconcile), "a b+c"));
/// ```
pub fn found_objects(
    source: Option<&str>,
    run: &str,
    id: impl Into<String>,
    objects: &[ListedObject<'_>],
) -> Delivery {
    let records: Vec<Value> = objects.iter().map(|object| record(run, object)).collect();
    Delivery {
        source: source.map(str::to_owned),
        dialect: Some(Dialect::Reconcile),
        body: json!({ "Records": records }).to_string().into_bytes(),
        id: id.into(),
        ..Delivery::default()
    }
}

fn record(run: &str, object: &ListedObject<'_>) -> Value {
    let mut record = json!({ "reconcile": run, "bucket": object.bucket, "key": object.key });
    let texts = [
        ("namespace", object.namespace.map(str::to_owned)),
        ("version", object.version.map(str::to_owned)),
        ("etag", object.etag.map(str::to_owned)),
        ("modified", object.modified.map(|time| time.to_string())),
        ("store", object.store.map(|store| store.name().to_owned())),
    ];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        record[name] = Value::from(text);
    }
    if let Some(size) = object.size {
        record["size"] = Value::from(size);
    }
    record
}
