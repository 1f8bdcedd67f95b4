//! Elements of `events` as Alibaba Cloud writes them, and Volcengine after it: what happened beside a block that names bucket
//! and object. The block's name is the vendor's.
//!
//! Shapes: Alibaba Cloud Function Compute, "OSS triggers" (event format), where region, request and response stand beside the
//! block, and OSS, "Event notifications", where they stand inside; Volcengine TOS, "Event notification" (6349/128981), and the
//! types in volcengine/vefaas-golang-runtime: inside. Both places are read.

use std::fmt;

use crate::plain::checked::Checked;

use crate::model::dialect::Dialect;
use crate::model::event::{Bucket, Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::event_name::{self, Meaning};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::record::callback;
use crate::read::row::{Context, Facts};
use crate::read::seen::Seen;

/// What differs by vendor.
pub(super) struct Vendor {
    pub(super) of: Dialect,
    pub(super) facts: &'static Facts,
    /// The member that is the block.
    pub(super) block: &'static str,
    /// What an event's name means.
    pub(super) meaning: fn(&str) -> (Meaning, Option<String>),
}

/// The members of an event beside the block.
pub(super) const MEMBERS: &[&str] = &["eventName", "eventTime", "region", "responseElements", "xVars"];

json::members! {
    struct Block {
        bucket = "bucket",
        object = "object",
        region = "region",
        response = "responseElements",
        x_vars = "xVars",
    }
}

json::members! {
    struct BucketWire {
        name = "name",
    }
}

json::members! {
    struct ObjectWire {
        key = "key",
        size = "size",
        etag = "eTag",
        version_id = "versionId",
    }
}

json::members! {
    struct Response {
        request_id = "requestId",
    }
}

/// A member of an event, for sentences; nothing is put together before there is one.
#[derive(Clone, Copy)]
struct At<'p> {
    place: &'p str,
    block: &'static str,
    member: &'static str,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, block, member } = self;
        let begin = if block.is_empty() { "" } else { "." };
        write!(f, "{place}{begin}{block}.{member}")
    }
}

/// Reads one event.
pub(super) fn read(vendor: &Vendor, seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(vendor, seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(vendor.of), reading) }
}

fn reading(vendor: &Vendor, seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let event = context.around.event;
    // One that stands alone is the data of a CloudEvent.
    let place = if context.place.is_empty() { "data" } else { context.place };
    let outside = |member| At { place, block: "", member };
    let inside = |member| At { place, block: vendor.block, member };
    let members = json::object_or_empty::<Block<'_>>(seen.get(vendor.block), outside(vendor.block));
    let members = members.and_then(|block| {
        let bucket = json::object_or_empty::<BucketWire<'_>>(block.bucket, inside("bucket"))?;
        let object = json::object_or_empty::<ObjectWire<'_>>(block.object, inside("object"))?;
        Ok((block, bucket, object))
    });
    let (block, bucket, object) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let request_id = request_id(seen.get("responseElements")).or_else(|| request_id(block.response));
    let mut details = Details {
        size: json::size(object.size, inside("object.size"), warnings),
        etag: json::etag(object.etag, inside("object.eTag"), warnings),
        version_id: json::text(object.version_id, inside("object.versionId"), warnings),
        region: json::text(seen.get("region"), outside("region"), warnings)
            .or_else(|| json::text(block.region, inside("region"), warnings)),
        time: json::time(seen.get("eventTime"), outside("eventTime"), warnings),
        // A store that reports one write twice gives the second report another id, and the same request.
        event_id: event.filter(|_| request_id.is_none()).and_then(|e| e.id.as_deref().map(str::to_owned)),
        request_id,
        untrusted: callback::variables(seen.get("xVars").or(block.x_vars)),
        ..Details::default()
    };
    let bucket = json::text(bucket.name, inside("bucket.name"), warnings).and_then(|n| Bucket::new(&n));
    // A type that names the vendor is a name of the same kind, and also says of what else there is no event in the data.
    let kind = event.map(|event| &*event.kind);
    let of_vendor =
        kind.filter(|kind| kind.strip_prefix(vendor.block).is_some_and(|rest| rest.starts_with(':')));
    let said = json::string(seen.get("eventName")).ok().filter(|name| !name.is_empty());
    let name = of_vendor.or(said.as_deref()).or(kind);
    let name = name.filter(|name| !name.is_empty() && name.len() <= event_name::MOST_BYTES);
    let Some(name) = name else { return ending::nameless(outside("eventName"), bucket, details) };
    let (meaning, warning) = (vendor.meaning)(name);
    warnings.extend(warning);
    details.event_name = Some(name.to_owned());
    let Meaning::Change(change) = meaning else {
        return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details });
    };
    let encoding = vendor.facts.encoding(context.keys, vendor.of);
    let key = key::read(object.key, inside("object.key"), |_| encoding);
    let spoken_of = block.object.is_some() || name.to_ascii_lowercase().contains("object");
    Ending { change, bucket, bucket_place: inside("bucket.name"), key, spoken_of, details }.reading()
}

fn request_id(response: Option<Checked<'_>>) -> Option<String> {
    json::object_or_empty::<Response<'_>>(response, "").ok().and_then(|r| json::mark(r.request_id))
}
