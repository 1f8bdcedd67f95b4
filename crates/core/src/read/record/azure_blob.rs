//! Azure Blob Storage events, as Event Grid delivers them: in its own schema, and as CloudEvents 1.0.
//!
//! Both schemas, and what the APIs of Blob Storage, Data Lake Storage and SFTP write into them: MicrosoftDocs/azure-docs,
//! `articles/event-grid/event-schema-blob-storage.md`. Container and blob are named by `subject`. `data.url` names them as well, and
//! is not read: in Microsoft's own samples it names another container than `subject`, and a `#` in a name stands in it unencoded
//! (Azure/azure-sdk-for-net issue 23634), so that it cannot be read back.
//!
//! How `subject` is encoded is not documented. That it is not encoded is an inference; `RELAY_KEYS_AZURE_BLOB` overrides.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::model::answers::{Answers, Patience};
use crate::model::dialect::{Dialect, KeyEncoding, KeyRules};
use crate::model::event::{Bucket, Change, Details};
use crate::model::failure::{Cause, Failure};
use crate::model::unit::StorageType;
use crate::plain::json::NoText;
use crate::plain::{json, line};
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// With which the types of Blob Storage begin, in any letter case.
const STORAGE: &str = "Microsoft.Storage.";
/// The types of a subscription to a resource group, or to all of an account.
const RESOURCES: &str = "Microsoft.Resources.";

/// With which every subject of a blob begins; the slash in front of it is left out here and there.
const CONTAINERS: &str = "blobServices/default/containers/";
const BLOBS: &str = "blobs/";

pub(in crate::read) const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &[],
    unit: StorageType::AzureBlob,
    looks_like: "an event of Event Grid with an `eventType`, or a CloudEvent",
    answers: Answers {
        // Event Grid gives an event up at once on 400, 401, 403 and 413, and posts it again on everything else for up to a day
        // (MicrosoftDocs/azure-docs, `articles/event-grid/delivery-and-retry.md`; older versions have fewer final statuses). So only
        // what can never succeed is told so: it goes into the dead-letter container, if there is one. 503 because then the
        // pause is 30 s, and 10 s after any other.
        config: 503,
        ..Answers::FINAL_4XX
    },
    // 30 s, which is more than the longest delivery takes unless a setting says otherwise (the same page).
    patience: Patience::seconds(30),
    ..Facts::BASE
};

/// An event in Event Grid's own schema.
pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::AzureBlob,
    marks: &[
        Mark::Members(&[("eventType", Test::BeginsLike(STORAGE))]),
        Mark::Members(&[("eventType", Test::BeginsLike(RESOURCES))]),
    ],
    pinned: &[Mark::Members(&[("eventType", Test::There)])],
    either: "an event of Event Grid",
    expected: "an `eventType` of Microsoft.Storage",
    members: &["topic", "subject", "id", "eventTime", "data"],
    facts: Some(&FACTS),
    read: Read::Event(event_grid),
    ..Row::BASE
};

/// What a CloudEvent holds.
pub(in crate::read) const CLOUDEVENT: Row = Row {
    of: Dialect::AzureBlob,
    marks: &[Mark::Type(Test::BeginsLike(STORAGE)), Mark::Type(Test::BeginsLike(RESOURCES))],
    members: &["api", "requestId", "eTag", "contentLength", "blobType", "sequencer"],
    read: Read::Event(cloud_event),
    ..Row::BASE
};

json::members! {
    struct Data {
        api = "api",
        request_id = "requestId",
        etag = "eTag",
        size = "contentLength",
        blob_type = "blobType",
        sequencer = "sequencer",
    }
}

impl<'a> Data<'a> {
    fn of(seen: &Seen<'a>) -> Self {
        Self {
            api: seen.get("api"),
            request_id: seen.get("requestId"),
            etag: seen.get("eTag"),
            size: seen.get("contentLength"),
            blob_type: seen.get("blobType"),
            sequencer: seen.get("sequencer"),
        }
    }
}

/// What an event says beside its data, in either schema.
struct Told<'a> {
    kind: Cow<'a, str>,
    subject: Result<Cow<'a, str>, NoText>,
    /// The resource it is of.
    resource: Option<Cow<'a, str>>,
    id: Option<String>,
    time: Option<Timestamp>,
}

/// Reads an event in Event Grid's own schema.
fn event_grid(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let kind = match json::string(seen.get("eventType")) {
        Ok(kind) if !kind.is_empty() && kind.len() <= MOST_KIND => kind,
        _ => return item(ending::nameless("eventType", None, Details::default()), warnings),
    };
    let told = Told {
        kind,
        subject: json::string(seen.get("subject")),
        resource: json::string(seen.get("topic")).ok(),
        id: json::mark(seen.get("id")),
        time: json::time(seen.get("eventTime"), "eventTime", &mut warnings),
    };
    let data = match json::object_or_empty(seen.get("data"), "data") {
        Ok(data) => data,
        Err(detail) => return item(Reading::failed(Cause::Unreadable, detail), warnings),
    };
    let reading = reading(told, &data, context.keys, &mut warnings);
    item(reading, warnings)
}

/// Reads the data of a CloudEvent, whose attributes say the rest.
fn cloud_event(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let Some(event) =
        context.around.event.filter(|event| !event.kind.is_empty() && event.kind.len() <= MOST_KIND)
    else {
        return item(ending::nameless("type", None, Details::default()), warnings);
    };
    let told = Told {
        kind: event.kind.clone(),
        subject: event.subject.clone().ok_or(NoText::Absent),
        resource: event.source.clone(),
        id: event.id.as_deref().map(str::to_owned),
        time: event.time.as_deref().and_then(|time| json::moment(time, "time", &mut warnings)),
    };
    let reading = reading(told, &Data::of(seen), context.keys, &mut warnings);
    item(reading, warnings)
}

/// The longest type there is has 46 bytes; a much longer one is none.
const MOST_KIND: usize = 256;

fn item(reading: Reading, warnings: Vec<String>) -> Item {
    Item { warnings, ..Item::new(String::new(), Some(Dialect::AzureBlob), reading) }
}

fn reading(told: Told<'_>, data: &Data<'_>, keys: &KeyRules, warnings: &mut Vec<String>) -> Reading {
    let api = json::text(data.api, "data.api", warnings).unwrap_or_default();
    let blob_type = json::text(data.blob_type, "data.blobType", warnings).unwrap_or_default();
    let (change, remark) = change(&told.kind, &api);
    warnings.extend(remark);
    let size = json::size(data.size, "data.contentLength", warnings);
    let details = Details {
        namespace: told.resource.as_deref().and_then(account),
        // What another one says before there is content, or of a copy that has only begun.
        size: size.filter(|size| *size > 0 || tells_emptiness(&api, &blob_type)),
        etag: json::etag(data.etag, "data.eTag", warnings),
        sequencer: json::text(data.sequencer, "data.sequencer", warnings),
        event_name: Some(told.kind.into_owned()),
        event_id: told.id,
        request_id: json::mark(data.request_id),
        time: told.time,
        ..Details::default()
    };
    let named = match &told.subject {
        Ok(subject) => names(subject).ok_or_else(|| format!("{:?}", line::clip(subject, 120))),
        Err(problem) => Err(problem.found().to_owned()),
    };
    let (bucket, key) = match named {
        Ok((container, name)) => {
            (Bucket::new(container), key::decode(name, "subject", FACTS.encoding(keys, Dialect::AzureBlob)))
        }
        Err(found) => {
            let detail = format!("subject: expected /{CONTAINERS}CONTAINER/{BLOBS}NAME, found {found}");
            (None, Err(Failure::new(Cause::MissingKey, detail)))
        }
    };
    if change == Change::Created {
        if let Ok(key) = &key
            && key.as_str().contains(char::REPLACEMENT_CHARACTER)
        {
            warnings.push(
                "subject: there is U+FFFD in the name, which Event Grid writes in place of what it cannot (Azure-Samples/azure-event-grid-viewer \
                 issue 9): the blob may have another name, and MDSS may not find it"
                    .into(),
            );
        }
        if is_early(&blob_type) {
            let blob_type = line::clip(&blob_type, 40);
            warnings.push(format!(
                "data.blobType: {blob_type:?} is announced when it is created, before there is content in it, and not again"
            ));
        }
    }
    let spoken_of = told.subject.is_ok_and(|subject| subject.contains(BLOBS));
    if change == Change::Unknown && !spoken_of {
        let kind = line::clip(details.event_name.as_deref().unwrap_or_default(), 80);
        warnings.push(format!("{kind:?} is unknown; the event names no blob"));
    }
    match (change, key) {
        (Change::Created | Change::Removed, Err(failure)) if bucket.is_none() => {
            ending::unreadable(None, details, failure)
        }
        (_, key) => Ending { change, bucket, bucket_place: "subject", key, spoken_of, details }.reading(),
    }
}

/// What an event announces, and what is to be said of it.
///
/// A file of Data Lake Storage or of SFTP is announced twice: when it is opened, empty, and when its content is committed. That
/// `BlobCreated` is the only type with several APIs, and which these are, says the schema's page; `SftpWrite` is named by
/// Azure/azure-sdk-for-net (`sdk/eventgrid`, `StorageBlobCreatedEventData`).
fn change(kind: &str, api: &str) -> (Change, Option<String>) {
    let lower = kind.to_ascii_lowercase();
    let Some(event) = lower.strip_prefix("microsoft.storage.") else {
        if !lower.starts_with("microsoft.") {
            return (Change::Unknown, None);
        }
        let kind = line::clip(kind, 80);
        let remark = format!(
            "{kind:?} is an event of another service of Azure; it says nothing of the content of a blob"
        );
        return (Change::Other, Some(remark));
    };
    match event {
        "blobcreated" => match api.to_ascii_lowercase().as_str() {
            "createfile" | "sftpcreate" | "sftpwrite" => (Change::Other, None),
            "putblob" | "putblocklist" | "copyblob" | "flushwithclose" | "sftpcommit" => (Change::Created, None),
            _ => {
                let api = line::clip(api, 40);
                let remark = format!("data.api: {api:?} is an unknown way to create a blob; taken as created");
                (Change::Created, Some(remark))
            }
        },
        // The content is not new, the name is: what was out of a route's reach may now be within.
        "blobrenamed" => (Change::Created, None),
        "blobdeleted" => (Change::Removed, None),
        "directoryrenamed" => {
            let remark = "a directory was renamed: the blobs in it have new names, and are not announced one by one";
            (Change::Other, Some(remark.into()))
        }
        "blobtierchanged"
        | "asyncoperationinitiated"
        | "directorycreated"
        | "directorydeleted"
        | "blobinventorypolicycompleted"
        | "lifecyclepolicycompleted"
        // Types of the storage's own tasks: Azure/azure-sdk-for-net, `sdk/eventgrid`, `SystemEventNames`.
        | "storagetaskqueued"
        | "storagetaskcompleted"
        | "storagetaskassignmentqueued"
        | "storagetaskassignmentcompleted" => (Change::Other, None),
        _ => (Change::Unknown, None),
    }
}

/// Whether a size of 0 says that a blob is empty: only of what is written at once. Data Lake Storage and SFTP write 0 into the
/// event that has the content (the page's own sample of `SftpCommit`), a copy within a hierarchical namespace is announced when it
/// begins, and a page or append blob before there is any.
fn tells_emptiness(api: &str, blob_type: &str) -> bool {
    blob_type.eq_ignore_ascii_case("BlockBlob")
        && ["PutBlob", "PutBlockList"].iter().any(|known| api.eq_ignore_ascii_case(known))
}

/// Whether blobs of this type are announced before there is content in them (OPSWAT/metadefender-k8s,
/// `terraform/CloudFunctions/Azure/webhook-notification`, on the function that MDSS's vendor publishes).
fn is_early(blob_type: &str) -> bool {
    ["AppendBlob", "PageBlob"].iter().any(|early| blob_type.eq_ignore_ascii_case(early))
}

/// Container and name in `/blobServices/default/containers/CONTAINER/blobs/NAME`. There is no slash in a container's name, and
/// anything in a blob's, so what follows the first `/blobs/` is the name.
fn names(subject: &str) -> Option<(&str, &str)> {
    let path = subject.strip_prefix('/').unwrap_or(subject);
    let head = path.get(..CONTAINERS.len()).filter(|head| head.eq_ignore_ascii_case(CONTAINERS))?;
    let (container, rest) = path[head.len()..].split_once('/')?;
    let name = rest.strip_prefix(BLOBS)?;
    (!container.is_empty()).then_some((container, name))
}

/// The storage account in `/subscriptions/…/providers/Microsoft.Storage/storageAccounts/ACCOUNT`: containers of different accounts
/// may have the same name.
fn account(resource: &str) -> Option<String> {
    let mut segments = resource.split('/');
    segments.find(|segment| segment.eq_ignore_ascii_case("storageAccounts"))?;
    segments.next().filter(|account| !account.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_stands_before_and_behind_the_first_blobs() {
        for (subject, want) in [
            ("/blobServices/default/containers/inbox/blobs/a b+c%20ü.pdf", Some(("inbox", "a b+c%20ü.pdf"))),
            ("blobServices/default/containers/inbox/blobs/a", Some(("inbox", "a"))),
            ("/BlobServices/Default/Containers/inbox/blobs/a", Some(("inbox", "a"))),
            ("/blobServices/default/containers/inbox/blobs/x/blobs/y", Some(("inbox", "x/blobs/y"))),
            ("/blobServices/default/containers/blobs/blobs/blobs/x", Some(("blobs", "blobs/x"))),
            ("/blobServices/default/containers/$web/blobs//a", Some(("$web", "/a"))),
            ("/blobServices/default/containers/$root/blobs/a?b#c", Some(("$root", "a?b#c"))),
            ("/blobServices/default/containers/inbox/blobs/", Some(("inbox", ""))),
            ("/blobServices/default/containers/inbox/blobs", None),
            ("/blobServices/default/containers/inbox", None),
            ("/blobServices/default/containers//blobs/a", None),
            ("/blobServices/default/containers/a/b/blobs/c", None),
            ("//blobServices/default/containers/a/blobs/c", None),
            ("/blobServices/default/contäiners/a/blobs/c", None),
            ("BlobDataManagement/BlobInventory", None),
            ("", None),
        ] {
            assert_eq!(names(subject), want, "{subject}");
        }
    }

    #[test]
    fn an_api_that_only_opens_a_file_is_no_content_and_every_other_way_to_create_is() {
        for (kind, api, want, remarked) in [
            ("Microsoft.Storage.BlobCreated", "PutBlob", Change::Created, false),
            ("Microsoft.Storage.BlobCreated", "PutBlockList", Change::Created, false),
            ("Microsoft.Storage.BlobCreated", "CopyBlob", Change::Created, false),
            ("Microsoft.Storage.BlobCreated", "CreateFile", Change::Other, false),
            ("Microsoft.Storage.BlobCreated", "FlushWithClose", Change::Created, false),
            ("Microsoft.Storage.BlobCreated", "SftpCreate", Change::Other, false),
            ("Microsoft.Storage.BlobCreated", "SftpWrite", Change::Other, false),
            ("Microsoft.Storage.BlobCreated", "SftpCommit", Change::Created, false),
            ("microsoft.storage.blobcreated", "CREATEFILE", Change::Other, false),
            ("Microsoft.Storage.BlobCreated", "", Change::Created, true),
            ("Microsoft.Storage.BlobCreated", "PutBlobFromTheFuture", Change::Created, true),
            ("Microsoft.Storage.BlobRenamed", "RenameFile", Change::Created, false),
            ("Microsoft.Storage.BlobRenamed", "CreateFile", Change::Created, false),
            ("Microsoft.Storage.BlobDeleted", "SftpRemove", Change::Removed, false),
            ("Microsoft.Storage.BlobTierChanged", "SetBlobTier", Change::Other, false),
            ("Microsoft.Storage.DirectoryRenamed", "RenameDirectory", Change::Other, true),
            ("Microsoft.Storage.LifecyclePolicyCompleted", "", Change::Other, false),
            ("Microsoft.Storage.BlobInvented", "PutBlob", Change::Unknown, false),
            ("Microsoft.Storage.", "", Change::Unknown, false),
            ("Microsoft.Resources.ResourceWriteSuccess", "", Change::Other, true),
            ("Contoso.Items.Received", "", Change::Unknown, false),
        ] {
            let (change, remark) = change(kind, api);
            assert_eq!((change, remark.is_some()), (want, remarked), "{kind} {api}: {remark:?}");
        }
    }

    #[test]
    fn zero_is_a_size_only_of_what_is_written_at_once() {
        for (api, blob_type, want) in [
            ("PutBlob", "BlockBlob", true),
            ("putblocklist", "blockblob", true),
            ("PutBlob", "AppendBlob", false),
            ("PutBlob", "PageBlob", false),
            ("PutBlob", "", false),
            ("CopyBlob", "BlockBlob", false),
            ("SftpCommit", "BlockBlob", false),
            ("FlushWithClose", "BlockBlob", false),
        ] {
            assert_eq!(tells_emptiness(api, blob_type), want, "{api} {blob_type}");
        }
    }

    #[test]
    fn the_account_is_in_the_resource() {
        let resource =
            |end: &str| format!("/subscriptions/9c0a/resourceGroups/relay/providers/Microsoft.Storage/{end}");
        for (resource, want) in [
            (resource("storageAccounts/relaydemo"), Some("relaydemo")),
            (resource("StorageAccounts/relaydemo/more"), Some("relaydemo")),
            (resource("storageAccounts/"), None),
            (resource("storageAccounts"), None),
            ("/subscriptions/x/providers/Microsoft.EventGrid/topics/t".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(account(&resource).as_deref(), want, "{resource}");
        }
    }
}
