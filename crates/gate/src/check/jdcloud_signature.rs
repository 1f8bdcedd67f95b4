//! The signature of JD Cloud's callbacks: RSA and SHA-1 over the headers and the path.
//!
//! Documented at
//! <https://docs.jdcloud.com/cn/object-storage-service/setting-signature-authentication-for-callback-server> (read
//! 2026-09). The vendor's own sample never looks at `Content-MD5`, and the documented certificate lies in a bucket, under the domain of
//! all buckets (<https://docs.jdcloud.com/cn/object-storage-service/endpoint-using-rulers>). No date window and no memory of what was seen
//! are documented. The same interface elsewhere asks for 15 minutes (Alibaba's message service, of which this one has the headers and the
//! sample values).

use super::header_signature::{Scheme, Unlisted};
use super::names::JDCLOUD_SIGNATURE;

/// What JD Cloud calls things.
pub(crate) const JDCLOUD: Scheme = Scheme {
    check: JDCLOUD_SIGNATURE,
    prefix: "x-jdcloud-",
    date: None,
    request_id: "x-jdcloud-request-id",
    unlisted: Unlisted::Refused,
};
