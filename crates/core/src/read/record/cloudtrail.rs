//! Calls of the S3 API as CloudTrail tells of them, through EventBridge: the only way before 2021, and what many rules still
//! do.
//!
//! Shape: AWS `AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries` and
//! `awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents`. It tells of every call, also of those that S3 refused
//! (`errorCode`), and of reads, the scanner's own among them. Keys are as the caller meant them, not encoded. The bytes it counts are
//! those of the call, headers and framing included, and no object's size.

use crate::plain::checked::Checked;

use crate::model::event::Change;
use crate::plain::json;

/// How the `detail-type` of its events ends: "AWS API Call via CloudTrail", "AWS Console Action via CloudTrail", "AWS Service Event via CloudTrail"
/// (AWS `eventbridge/latest/userguide/eb-service-event-cloudtrail`).
pub(in crate::read) const DETAIL_TYPE_END: &str = " via cloudtrail";

json::members! {
    pub(in crate::read) struct Call {
        pub(in crate::read) event_name = "eventName",
        pub(in crate::read) error_code = "errorCode",
        pub(in crate::read) read_only = "readOnly",
        pub(in crate::read) parameters = "requestParameters",
        pub(in crate::read) request_id = "requestID",
    }
}

json::members! {
    pub(in crate::read) struct Parameters {
        pub(in crate::read) bucket = "bucketName",
        pub(in crate::read) key = "key",
    }
}

/// Calls that put content under a key, once they have succeeded. `RenameObject` is that of directory buckets.
const CREATING: &[&str] =
    &["putobject", "postobject", "copyobject", "completemultipartupload", "renameobject"];

/// Calls that write something else than content: "Actions", `AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service`.
const WRITING: &[&str] = &[
    "putobjectacl",
    "putobjectannotation",
    "putobjectlegalhold",
    "putobjectretention",
    "putobjecttagging",
    "deleteobjectannotation",
    "deleteobjecttagging",
    "updateobjectencryption",
    "createmultipartupload",
    "uploadpart",
    "uploadpartcopy",
    "abortmultipartupload",
    "restoreobject",
    "createsession",
];

/// What a call means for the object it names.
pub(in crate::read) fn change(call: &Call<'_>, name: &str) -> Change {
    let name = name.to_ascii_lowercase();
    // Refused by S3, so nothing has changed.
    if json::string(call.error_code).is_ok_and(|code| !code.is_empty()) {
        return Change::Other;
    }
    match name.as_str() {
        name if CREATING.contains(&name) => Change::Created,
        "deleteobject" => Change::Removed,
        // It names no object; what it removes stands in its body.
        "deleteobjects" => Change::Other,
        name if WRITING.contains(&name) => Change::Other,
        // `WriteGetObjectResponse` is not among them: it begins with another word, and answers a read.
        "writegetobjectresponse" | "selectobjectcontent" => Change::Other,
        _ if reads(&name, call.read_only) => Change::Other,
        _ => Change::Unknown,
    }
}

/// "readOnly: identifies whether this operation is a read-only operation" (record contents). Without that word, the name says it.
fn reads(name: &str, read_only: Option<Checked<'_>>) -> bool {
    match read_only.map(Checked::get) {
        Some("true" | "\"true\"") => true,
        Some("false" | "\"false\"") => false,
        _ => ["get", "head", "list"].iter().any(|verb| name.starts_with(verb)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls() {
        for (call, want) in [
            (r#"{"eventName":"PutObject","readOnly":false}"#, Change::Created),
            (r#"{"eventName":"PutObject"}"#, Change::Created),
            (r#"{"eventName":"PUTOBJECT"}"#, Change::Created),
            (r#"{"eventName":"CopyObject"}"#, Change::Created),
            (r#"{"eventName":"CompleteMultipartUpload"}"#, Change::Created),
            (r#"{"eventName":"PostObject"}"#, Change::Created),
            (r#"{"eventName":"PutObject","errorCode":"AccessDenied"}"#, Change::Other),
            (r#"{"eventName":"PutObject","errorCode":null}"#, Change::Created),
            (r#"{"eventName":"PutObject","errorCode":""}"#, Change::Created),
            (r#"{"eventName":"UploadPart","readOnly":false}"#, Change::Other),
            (r#"{"eventName":"PutObjectTagging","readOnly":false}"#, Change::Other),
            (r#"{"eventName":"DeleteObject","readOnly":false}"#, Change::Removed),
            (r#"{"eventName":"GetObject","readOnly":true}"#, Change::Other),
            (r#"{"eventName":"HeadObject"}"#, Change::Other),
            (r#"{"eventName":"ReadSomething","readOnly":true}"#, Change::Other),
            (r#"{"eventName":"GetObject","readOnly":false}"#, Change::Unknown),
            (r#"{"eventName":"ImportObject","readOnly":false}"#, Change::Unknown),
            (r#"{"eventName":"ImportObject"}"#, Change::Unknown),
        ] {
            let read: Call<'_> = json::object_in(call, "").unwrap();
            let name = json::string(read.event_name).unwrap();
            assert_eq!(change(&read, &name), want, "{call}");
        }
    }
}
