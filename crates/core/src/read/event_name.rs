//! The names of S3-shaped events and what they mean.
//!
//! Two closed lists: what is content, and what is known to be none. A name that is in neither is [`Meaning::Unknown`], and
//! nobody here turns it into "done": it may be the only news of an object. Only in families whose every member so far was
//! an arrival does an unknown member count as one, because a missed scan is worse than a superfluous one.
//!
//! Several names of the created family announce no content: MinIO's `ObjectCreated:PutTagging` is fired by the
//! scanner's own tags, and forwarding it would make a loop. They are listed one by one.
//!
//! Sources: AWS `notification-how-to-event-types-and-destinations`; MinIO `internal/event/name.go`; RustFS
//! `crates/s3-types/src/event_name.rs`; Ceph `src/rgw/rgw_notify_event_type.cc` and "S3 Bucket Notifications Compatibility"; JD
//! Cloud "Callback Notification"; Alibaba Cloud, "Event notifications" of OSS and "OSS events" of EventBridge (part events, replication,
//! properties); Tencent Cloud, "COS Trigger Description"; Volcengine, "Event notification" of TOS (6349/128981); for the words of rewritten records AWS
//! `AmazonS3/latest/userguide/ev-events` (`detail-type` and `reason`).

use crate::model::event::Change;
use crate::plain::line;

/// The longest event name there is has 44 bytes; a much longer one is none.
pub(super) const MOST_BYTES: usize = 128;

/// What a name says.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    Change(Change),
    Test,
}

/// What vendors put in front of the family. AWS writes nothing, its own fixtures, MinIO, Wasabi and JD Cloud `s3:`.
const PREFIXES: &[&str] = &["s3:", "oss:", "cos:", "tos:", "ceph:"];

/// Known members of the created family that are content. Lower case, as everything in this file that is compared.
const CREATED: &[&str] = &[
    "put",
    "post",
    "copy",
    "completemultipartupload",
    "putobject",
    "postobject",
    "copyobject",
    "appendobject",
    "completeupload",
    "origin",
    "fetch",
    // Tencent's, for objects that arrive from another region (Tencent Cloud, "COS Trigger Description").
    "replication",
    "*",
];

/// Members of the created family that are not: tags, retention, parts of an upload that may never be completed.
const NOT_CONTENT: &[&str] = &[
    "puttagging",
    "deletetagging",
    "putretention",
    "putlegalhold",
    "putencryption",
    "initiatemultipartupload",
    "createmultipartupload",
    "uploadpart",
    "uploadpartcopy",
    "putsymlink",
];

/// Families that are known and never about new content, each with how its known members begin; a family's own name and `*` are known as
/// well. `ObjectAccessed` matters most: the scanner's own read fires it.
const OTHER: &[(&str, &[&str])] = &[
    // `FinishRestore` is Alibaba's.
    ("objectrestore", &["post", "completed", "delete", "finishrestore"]),
    // Alibaba's, for properties of an object.
    ("objectmodified", &["updateobjectmeta"]),
    ("lifecycletransition", &[]),
    ("objecttransition", &["failed", "complete"]),
    ("objecttagging", &["put", "delete"]),
    ("objectacl", &["put"]),
    ("objectannotation", &["put", "delete"]),
    ("reducedredundancylostobject", &[]),
    ("objectaccessed", &["get", "head", "attributes", "list"]),
    ("objectdownloaded", &["get"]),
    ("bucketcreated", &[]),
    ("bucketremoved", &[]),
    ("scanner", &["manyversions", "largeversions", "bigprefix"]),
    ("intelligenttiering", &[]),
    // RustFS's internal names of an upload that was begun, or given up.
    ("objectcreatedcreatemultipartupload", &[]),
    ("objectremovedabortmultipartupload", &[]),
];

/// Whether a name is one of [`OTHER`].
fn is_other(family: &str, member: &str) -> bool {
    OTHER.iter().any(|(known, members)| {
        *known == family
            && (matches!(member, "" | "*") || members.iter().any(|begin| member.starts_with(begin)))
    })
}

/// Families of removals.
const REMOVED: &[&str] = &[
    "objectremoved",
    // Tencent's.
    "objectremove",
    "lifecycleexpiration",
    "lifecycledelmarkerexpiration",
    "objectremoveddeleteobjects",
];

/// Whether an event of this name may tell of an empty folder that a console has made. Consoles put one; of copies, of uploads in
/// parts and of arrivals from another zone releases of Ceph, NooBaa and RustFS have told a size of 0 whatever it was
/// (ceph/ceph pull requests 34641, 41955 and 51295, noobaa/noobaa-core issue 8819, rustfs/rustfs issue 1609), so there it proves nothing.
pub(crate) fn may_be_a_folder(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !["copy", "multipart", "completeupload", "synced", "replication"].iter().any(|word| name.contains(word))
}

/// Whole names that are EventBridge's words, and those of the calls behind them: records that a user's own rule has rewritten
/// hold them as `eventName`. Blanks do not count ("POST Object").
fn rewritten(bare: &str) -> Option<Change> {
    // Those that a store writes itself have a family and a member.
    if bare.contains(':') {
        return None;
    }
    let word: String = bare.chars().filter(|c| *c != ' ').collect();
    match word.as_str() {
        "objectcreated" if bare.contains(' ') => Some(Change::Created),
        "putobject" | "postobject" | "copyobject" | "completemultipartupload" => Some(Change::Created),
        "objectdeleted"
        | "deleteobject"
        | "deleteobjects"
        | "lifecycleexpiration"
        | "permanentlydeleted"
        | "deletemarkercreated" => Some(Change::Removed),
        "objectrestoreinitiated"
        | "objectrestorecompleted"
        | "objectrestoreexpired"
        | "objectstorageclasschanged"
        | "objectaccesstierchanged"
        | "objectaclupdated"
        | "objecttagsadded"
        | "objecttagsdeleted"
        | "createmultipartupload"
        | "uploadpart"
        | "uploadpartcopy"
        | "abortmultipartupload"
        | "getobject"
        | "headobject" => Some(Change::Other),
        _ => None,
    }
}

/// Whether a name is none that a store itself writes into such a record, but one of EventBridge's: then the record was
/// rewritten by a rule, and a rule's transformer cannot encode the key (AWS `eventbridge/latest/userguide/eb-transform-target-input`).
pub(super) fn is_rewritten(name: &str) -> bool {
    match name.split_once(':') {
        Some((family, member)) => {
            family.eq_ignore_ascii_case("ObjectCreated")
                && ["PutObject", "PostObject", "CopyObject"]
                    .iter()
                    .any(|word| member.eq_ignore_ascii_case(word))
        }
        None => rewritten(&name.to_ascii_lowercase()).is_some(),
    }
}

/// Reads an event's name. The second member is a warning for whoever should look at it.
pub(super) fn meaning(name: &str) -> (Meaning, Option<String>) {
    let lower = name.to_ascii_lowercase();
    let bare = PREFIXES.iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
    let (family, member) = bare.split_once(':').unwrap_or((bare, ""));
    let arrived = |member: &str| {
        let shown = line::clip(name, 60);
        let known = format!("eventName: {shown:?} is an unknown member of {member}; taken as created");
        (Meaning::Change(Change::Created), Some(known))
    };
    let change = match (family, member) {
        ("testevent", _) => return (Meaning::Test, None),
        ("objectcreated", _) if NOT_CONTENT.contains(&member) => Change::Other,
        ("objectcreated", _) if CREATED.contains(&member) => Change::Created,
        ("objectcreated", _) => return arrived("ObjectCreated"),
        // Ceph tells these where an object arrives from another zone, which is told by no other event there.
        ("objectsynced", "create" | "created") | ("replication", "create" | "created") => Change::Created,
        ("objectsynced", "" | "*") => return arrived("ObjectSynced"),
        ("objectsynced" | "replication", _) if member.starts_with("delet") => Change::Removed,
        // Of Alibaba and Volcengine: what a replication has written, overwritten or removed in this bucket.
        ("objectreplication", "objectcreated" | "objectmodified") => Change::Created,
        ("objectreplication", "objectremoved") => Change::Removed,
        // Of AWS, MinIO and RustFS: how a copy made elsewhere fares, told where the original is.
        ("replication", _) if member.starts_with("operation") => Change::Other,
        // Tencent writes ObjectRemove; the aborted upload never was an object.
        ("objectremoved" | "objectremove", "abortmultipartupload") => Change::Other,
        ("objectlifecycle", _) if member.starts_with("expiration:abort") => Change::Other,
        ("objectlifecycle", _) if member.starts_with("expiration") => Change::Removed,
        ("objectlifecycle", _) if member.starts_with("transition") => Change::Other,
        // MinIO's NoOP is the removal of what was not there.
        _ if REMOVED.contains(&family)
            && (matches!(member, "" | "*" | "noop") || member.starts_with("delet")) =>
        {
            Change::Removed
        }
        _ if is_other(family, member) => Change::Other,
        _ => rewritten(bare).unwrap_or(Change::Unknown),
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
            // Letter case is nobody's promise.
            ("objectcreated:put", Change::Created, false),
            ("S3:OBJECTCREATED:PUTTAGGING", Change::Other, false),
            ("objectcreated:new", Change::Created, true),
            // Arrivals from another zone, and what comes with them.
            ("s3:ObjectSynced:Create", Change::Created, false),
            ("ObjectSynced:Created", Change::Created, false),
            ("ceph:ObjectSynced", Change::Created, true),
            ("s3:ObjectSynced:*", Change::Created, true),
            ("s3:ObjectSynced:Delete", Change::Removed, false),
            ("s3:ObjectSynced:DeletionMarkerCreated", Change::Removed, false),
            ("s3:ObjectSynced:Renamed", Change::Unknown, false),
            ("Replication:Create", Change::Created, false),
            ("s3:Replication:Delete", Change::Removed, false),
            ("s3:Replication:OperationCompletedReplication", Change::Other, false),
            ("Replication:OperationNotTracked", Change::Other, false),
            ("Replication:*", Change::Unknown, false),
            // What the lists of MinIO, RustFS and Ceph hold beside the families of AWS.
            ("s3:ObjectTransition:Complete", Change::Other, false),
            ("s3:LifecycleDelMarkerExpiration:Delete", Change::Removed, false),
            ("s3:ObjectRemoved:NoOP", Change::Removed, false),
            ("s3:ObjectLifecycle:Expiration:AbortMPU", Change::Other, false),
            ("s3:Scanner:BigPrefix", Change::Other, false),
            // Alibaba's, Tencent's and Volcengine's own.
            ("ObjectReplication:ObjectCreated", Change::Created, false),
            ("oss:ObjectReplication:ObjectModified", Change::Created, false),
            ("tos:ObjectReplication:ObjectModified", Change::Created, false),
            ("ObjectReplication:ObjectRemoved", Change::Removed, false),
            ("ObjectReplication:Renamed", Change::Unknown, false),
            ("ObjectModified:UpdateObjectMeta", Change::Other, false),
            ("ObjectModified:Content", Change::Unknown, false),
            ("ObjectRestore:FinishRestore", Change::Other, false),
            ("ObjectCreated:PutSymlink", Change::Other, false),
            ("ObjectCreated:AppendObject", Change::Created, false),
            ("cos:ObjectCreated:Replication", Change::Created, false),
            ("cos:ObjectRemove:DeleteMarkerCreated", Change::Removed, false),
            ("tos:ObjectCreated:CompleteUpload", Change::Created, false),
            ("tos:LifecycleExpiration:Delete", Change::Removed, false),
            // Rewritten by a rule.
            ("PutObject", Change::Created, false),
            ("POST Object", Change::Created, false),
            ("CopyObject", Change::Created, false),
            ("Object Created", Change::Created, false),
            ("Object Deleted", Change::Removed, false),
            ("Lifecycle Expiration", Change::Removed, false),
            ("Delete Marker Created", Change::Removed, false),
            ("Object Tags Added", Change::Other, false),
            ("UploadPart", Change::Other, false),
            // Nobody's.
            ("s3:ObjectInvented:Put", Change::Unknown, false),
            ("ObjectRemoved:Restored", Change::Unknown, false),
            ("ObjectRestore:NewContent", Change::Unknown, false),
            ("ObjectAccessed:Write", Change::Unknown, false),
            ("ObjectTagging:ContentReplaced", Change::Unknown, false),
            ("IntelligentTieringX", Change::Unknown, false),
            ("s3:ObjectAccessed:GetLegalHold", Change::Other, false),
            ("s3:ObjectRestore:*", Change::Other, false),
            ("s3:ObjectLifecycle:Invented", Change::Unknown, false),
            ("s3:UnknownEvent", Change::Unknown, false),
            ("ObjectCreated2:Put", Change::Unknown, false),
            ("Object Invented", Change::Unknown, false),
            ("event-type", Change::Unknown, false),
        ] {
            let (meaning, warning) = meaning(name);
            assert_eq!(meaning, Meaning::Change(want), "{name}");
            assert_eq!(warning.is_some(), warned, "{name}: {warning:?}");
            assert!(warning.is_none_or(|w| w.contains(name)), "{name}: the warning names it");
        }
        assert_eq!(meaning("s3:TestEvent"), (Meaning::Test, None));
    }

    #[test]
    fn words_of_a_rule() {
        for (name, want) in [
            ("PutObject", true),
            ("Object Created", true),
            ("POST Object", true),
            ("ObjectCreated:PutObject", true),
            ("ObjectCreated:Put", false),
            ("ObjectCreated", false),
            ("s3:ObjectCreated:PutObject", false),
            ("ObjectInvented:Put", false),
        ] {
            assert_eq!(is_rewritten(name), want, "{name}");
        }
    }
}
