//! The names of S3-shaped events and what they mean.
//!
//! Several names of the created family announce no content: MinIO's `ObjectCreated:PutTagging` is fired by the
//! scanner's own tags, and forwarding it would make a loop. They are listed one by one; a member of the family that
//! nobody here has heard of counts as created, because a missed scan is worse than a superfluous one.
//!
//! Sources: AWS `notification-how-to-event-types-and-destinations`; MinIO `internal/event/name.go`; Ceph
//! `src/rgw/rgw_notify_event_type.cc`; JD Cloud "Callback Notification"; Alibaba OSS event notification (part events).

use crate::event::Change;
use crate::wire;

/// The longest event name there is has 44 bytes; a much longer one is none.
pub(super) const MOST_BYTES: usize = 128;

/// What a name says.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    Change(Change),
    Test,
}

/// Known members of the created family that are content.
const CREATED: &[&str] = &[
    "Put",
    "Post",
    "Copy",
    "CompleteMultipartUpload",
    "PutObject",
    "PostObject",
    "CopyObject",
    "AppendObject",
    "CompleteUpload",
    "Origin",
    "Fetch",
    "*",
];

/// Members of the created family that are not: tags, retention, parts of an upload that may never be completed.
const NOT_CONTENT: &[&str] = &[
    "PutTagging",
    "DeleteTagging",
    "PutRetention",
    "PutLegalHold",
    "PutEncryption",
    "InitiateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "PutSymlink",
];

/// Families that are known and never about new content. `ObjectAccessed` matters most: the scanner's own read fires it.
const OTHER: &[&str] = &[
    "ObjectRestore",
    "Replication",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectTagging",
    "ObjectAcl",
    "ObjectAnnotation",
    "ReducedRedundancyLostObject",
    "ObjectAccessed",
    "ObjectDownloaded",
    "BucketCreated",
    "BucketRemoved",
    "Scanner",
];

/// Reads an event's name. The second member is a warning for whoever should look at it.
pub(super) fn meaning(name: &str) -> (Meaning, Option<String>) {
    let shown = wire::clip(name, 60);
    // AWS writes no prefix, its own fixtures, MinIO, Wasabi and JD Cloud do.
    let bare = ["s3:", "oss:", "cos:", "tos:"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    let (family, member) = bare.split_once(':').unwrap_or((bare, ""));
    let change = match family {
        "TestEvent" => return (Meaning::Test, None),
        "ObjectCreated" if NOT_CONTENT.contains(&member) => Change::Other,
        "ObjectCreated" if CREATED.contains(&member) => Change::Created,
        "ObjectCreated" => {
            let warning =
                format!("eventName: {shown:?} is an unknown member of ObjectCreated; taken as created");
            return (Meaning::Change(Change::Created), Some(warning));
        }
        // Tencent writes ObjectRemove; the aborted upload never was an object.
        "ObjectRemoved" | "ObjectRemove" if member == "AbortMultipartUpload" => Change::Other,
        "ObjectRemoved" | "ObjectRemove" | "LifecycleExpiration" => Change::Removed,
        "ObjectLifecycle" if member.starts_with("Expiration") => Change::Removed,
        "ObjectLifecycle" => Change::Other,
        _ if OTHER.iter().any(|known| family == *known || family.starts_with("IntelligentTiering")) => {
            Change::Other
        }
        _ => {
            let warning =
                format!("eventName: {shown:?} belongs to no known family; not taken as new content");
            return (Meaning::Change(Change::Other), Some(warning));
        }
    };
    (Meaning::Change(change), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, want, warned) in [
            ("ObjectCreated:Put", Change::Created, false),
            ("s3:ObjectCreated:CompleteMultipartUpload", Change::Created, false),
            ("s3:ObjectCreated:*", Change::Created, false),
            ("ObjectCreated:FromTheFuture", Change::Created, true),
            ("ObjectCreated", Change::Created, true),
            ("s3:ObjectCreated:PutTagging", Change::Other, false),
            ("ObjectCreated:UploadPart", Change::Other, false),
            ("s3:ObjectRemoved:DeleteMarkerCreated", Change::Removed, false),
            ("ObjectRemoved:AbortMultipartUpload", Change::Other, false),
            ("cos:ObjectRemove:Delete", Change::Removed, false),
            ("LifecycleExpiration:Delete", Change::Removed, false),
            ("s3:ObjectLifecycle:Expiration:Current", Change::Removed, false),
            ("s3:ObjectLifecycle:Transition:Current", Change::Other, false),
            ("s3:ObjectAccessed:Get", Change::Other, false),
            ("IntelligentTiering", Change::Other, false),
            ("ObjectAcl:Put", Change::Other, false),
            ("s3:BucketCreated:*", Change::Other, false),
            ("s3:ObjectInvented:Put", Change::Other, true),
            ("objectcreated:put", Change::Other, true),
            ("event-type", Change::Other, true),
        ] {
            let (meaning, warning) = meaning(name);
            assert_eq!(meaning, Meaning::Change(want), "{name}");
            assert_eq!(warning.is_some(), warned, "{name}: {warning:?}");
            assert!(warning.is_none_or(|w| w.contains(name)), "{name}: the warning names it");
        }
        assert_eq!(meaning("s3:TestEvent"), (Meaning::Test, None));
    }
}
