//! JD Cloud Function Service: another record for the same events as the HTTP callback's, inside a list of the same name.
//!
//! Shape: JD Cloud "Function Service", OSS trigger, its real event and the console's template, which differ in `version`,
//! `detailType` and the type of `size`. Its samples use the key as it is.

use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::record::callback;
use crate::read::row::{Context, Facts, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};
use crate::read::{event_name, key};

const FACTS: Facts =
    Facts { keys: Some(KeyEncoding::Verbatim), key_place: &["detail", "s3", "object", "key"], ..Facts::BASE };

pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::JdCloudFunction,
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("source", Test::Is("oss")), ("detail", Test::There), ("s3", Test::Absent)])],
    members: &["id", "time", "region"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

json::members! {
    struct Detail {
        event_name = "eventName",
        response = "responseElements",
        s3 = "s3",
        call_back_var = "callBackVar",
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

/// Reads one record.
fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::JdCloudFunction), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let place = context.place;
    let at = |member: &str| format!("{place}.detail.{member}");
    let members = json::object_or_empty::<Detail<'_>>(seen.get("detail"), at("")).and_then(|detail| {
        let s3 = json::object_or_empty::<S3<'_>>(detail.s3, at("s3"))?;
        let bucket = json::object_or_empty::<BucketWire<'_>>(s3.bucket, at("s3.bucket"))?;
        let object = json::object_or_empty::<ObjectWire<'_>>(s3.object, at("s3.object"))?;
        Ok((detail, bucket, object))
    });
    let (detail, bucket, object) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let mut details = Details {
        size: json::size(object.size, at("s3.object.size"), warnings),
        etag: json::etag(object.etag, at("s3.object.eTag"), warnings),
        version_id: json::text(object.version_id, at("s3.object.versionId"), warnings),
        region: json::text(seen.get("region"), format!("{place}.region"), warnings),
        time: json::time(seen.get("time"), format!("{place}.time"), warnings),
        event_id: json::mark(seen.get("id")),
        request_id: json::object_or_empty::<Response<'_>>(detail.response, "")
            .ok()
            .and_then(|response| json::mark(response.request_id)),
        untrusted: callback::untrusted(detail.call_back_var),
        ..Details::default()
    };
    let bucket = json::text(bucket.name, at("s3.bucket.name"), warnings).and_then(|n| Bucket::new(&n));
    let name = match json::string(detail.event_name) {
        Ok(name) if !name.is_empty() && name.len() <= event_name::MOST_BYTES => name.into_owned(),
        _ => return ending::nameless(at("eventName"), bucket, details),
    };
    let (meaning, warning) = event_name::meaning(&name);
    warnings.extend(warning);
    details.event_name = Some(name);
    let event_name::Meaning::Change(change) = meaning else {
        return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details });
    };
    let encoding = FACTS.encoding(context.keys, Dialect::JdCloudFunction);
    let key = key::read(object.key, at("s3.object.key"), |_| encoding);
    let bucket_place = at("s3.bucket.name");
    Ending { change, bucket, bucket_place, key, spoken_of: true, details }.reading()
}
