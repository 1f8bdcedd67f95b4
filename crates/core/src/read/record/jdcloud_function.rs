//! JD Cloud Function Service: another record for the same events as the HTTP callback's, inside a list of the same name.
//!
//! Shape: JD Cloud "Function Service", OSS trigger, its real event and the console's template, which differ in `version`,
//! `detailType` and the type of `size`. Its samples use the key as it is.

use crate::model::dialect::{Dialect, KeyEncoding, KeyRules};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind, ObjectEvent};
use crate::model::failure::{Cause, Failure};
use crate::plain::json;
use crate::read::envelope::jdcloud;
use crate::read::item::{Item, Reading};
use crate::read::{event_name, key};

json::members! {
    pub(in crate::read) struct Record {
        id = "id",
        time = "time",
        region = "region",
        detail = "detail",
    }
}

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
pub(in crate::read) fn read(record: &Record<'_>, keys: &KeyRules, index: usize, place: &str) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(record, keys, place, &mut warnings);
    Item { warnings, ..Item::new(index.to_string(), Some(Dialect::JdCloudFunction), reading) }
}

fn reading(record: &Record<'_>, keys: &KeyRules, place: &str, warnings: &mut Vec<String>) -> Reading {
    let at = |member: &str| format!("{place}.detail.{member}");
    let members = json::object_or_empty::<Detail<'_>>(record.detail, at("")).and_then(|detail| {
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
        region: json::text(record.region, format!("{place}.region"), warnings),
        time: json::time(record.time, format!("{place}.time"), warnings),
        event_id: json::mark(record.id),
        request_id: json::object_or_empty::<Response<'_>>(detail.response, "")
            .ok()
            .and_then(|response| json::mark(response.request_id)),
        untrusted: jdcloud::untrusted(detail.call_back_var),
        ..Details::default()
    };
    let bucket = json::text(bucket.name, at("s3.bucket.name"), warnings).and_then(|n| Bucket::new(&n));
    let unreadable =
        |bucket, details, failure| Reading::Unreadable { bucket, details: Box::new(details), failure };
    let name = match json::string(detail.event_name) {
        Ok(name) if !name.is_empty() && name.len() <= event_name::MOST_BYTES => name.into_owned(),
        _ => {
            let detail = format!("{}: expected the name of an event, found none", at("eventName"));
            return unreadable(bucket, details, Failure::new(Cause::MissingEventName, detail));
        }
    };
    let (meaning, warning) = event_name::meaning(&name);
    warnings.extend(warning);
    details.event_name = Some(name);
    let event_name::Meaning::Change(change) = meaning else {
        return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details });
    };
    let encoding = keys.get(Dialect::JdCloudFunction).unwrap_or(KeyEncoding::Verbatim);
    let key = key::read(object.key, at("s3.object.key"), |_| encoding);
    if change == Change::Unknown && (bucket.is_none() || key.is_err()) {
        return Reading::Notice(Notice { kind: NoticeKind::Unknown, bucket, details });
    }
    let Some(bucket) = bucket else {
        let detail = format!("{}: expected the name of a bucket, found none", at("s3.bucket.name"));
        return unreadable(None, details, Failure::new(Cause::MissingBucket, detail));
    };
    match key {
        Ok(key) => Reading::Object(ObjectEvent { bucket, key, change, details }),
        Err(failure) => unreadable(Some(bucket), details, failure),
    }
}
