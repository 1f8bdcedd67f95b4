//! The other end of a test: what a store says of new objects, in the shape of S3, which most stores have.

use serde_json::{Value, json};

/// One record: the object `key` in `bucket` was created, and is empty, in the words of `source` (`aws:s3`, `minio:s3`, …). For a
/// record with more in it, add to its members.
pub fn created_record(source: &str, bucket: &str, key: &str) -> Value {
    // Amazon alone leaves its own prefix off.
    let name = if source == "aws:s3" { "ObjectCreated:Put" } else { "s3:ObjectCreated:Put" };
    json!({ "eventSource": source, "eventName": name,
            "s3": { "bucket": { "name": bucket }, "object": { "key": key, "size": 0 } } })
}

/// A notification about new objects, one record for each key, as `source` posts it. A key goes out as it is given: whoever
/// tests a producer that encodes its keys gives it encoded.
pub fn created(source: &str, bucket: &str, keys: &[&str]) -> String {
    let records: Vec<Value> = keys.iter().map(|key| created_record(source, bucket, key)).collect();
    json!({ "Records": records }).to_string()
}
