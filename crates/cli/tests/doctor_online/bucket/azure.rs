//! Azure: subscriptions of Event Grid, on the account and on its system topic.

use super::{Case, Stand, Want, look, secret};

const ACCOUNT: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct";

/// <https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs>
const EMPTY: &str = "<?xml version=\"1.0\"?><EnumerationResults ContainerName=\"b\"><Blobs/><NextMarker/></EnumerationResults>";

/// <https://learn.microsoft.com/en-us/rest/api/eventgrid/controlplane/event-subscriptions/list-by-resource>, "Sample response"
fn subscriptions(filter: &str, dead_letter: bool, state: &str, url: &str) -> String {
    let dead = if dead_letter {
        r#""deadLetterDestination": {"endpointType": "StorageBlob", "properties": {"blobContainerName": "dead-letters", "resourceId": "/subscriptions/x"}},"#
    } else {
        "\"deadLetterDestination\": null,"
    };
    format!(
        r#"{{"value": [{{"id": "/subscriptions/s/e", "name": "relay", "type": "Microsoft.EventGrid/eventSubscriptions", "properties": {{{dead}
            "provisioningState": "{state}", "filter": {filter}, "destination": {{"endpointType": "WebHook", "properties": {{"endpointBaseUrl": "{url}"}}}}}}}}]}}"#
    )
}

const CREATED: &str = r#"{"includedEventTypes": ["Microsoft.Storage.BlobCreated"], "isSubjectCaseSensitive": false, "subjectBeginsWith": "/blobServices/default/containers/b/"}"#;
const OURS: &str = "https://relay.example/azure";
const NONE: &str = r#"{"value": []}"#;
/// <https://learn.microsoft.com/en-us/rest/api/eventgrid/controlplane/system-topics/list-by-subscription>
fn topic() -> String {
    let source = ACCOUNT.to_uppercase().replace("SUBSCRIPTIONS", "subscriptions");
    format!(
        r#"{{"value": [{{"id": "/subscriptions/s/topics/t", "name": "t", "properties": {{"source": "{source}", "topicType": "Microsoft.Storage.StorageAccounts"}}}}]}}"#
    )
}
/// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/troubleshooting/common-deployment-errors>
const DENIED: &str = r#"{"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization to perform action"}}"#;

#[tokio::test]
async fn what_azure_says_of_a_container() {
    let folder = tempfile::tempdir().unwrap();
    let key = secret(&folder);
    let with = |filter: &str| subscriptions(filter, true, "Succeeded", OURS);
    let retrying = |policy: &str| {
        with(CREATED).replacen(
            "\"provisioningState\"",
            &format!("\"retryPolicy\": {policy}, \"provisioningState\""),
            1,
        )
    };
    type Row = (&'static str, (u16, String), (u16, String), (u16, String), Vec<Want>);
    let none = || (200, NONE.to_owned());
    let rows: Vec<Row> = vec![
        (
            "healthy",
            (200, with(CREATED)),
            none(),
            none(),
            vec![
                ("bucket.exists", "ok", ""),
                ("bucket.list", "ok", ""),
                ("bucket.emits", "ok", ""),
                ("bucket.notifies", "ok", "subscription relay"),
                ("bucket.filter", "ok", ""),
                ("bucket.dead_letter", "ok", "dead-letters"),
                ("bucket.created_only", "ok", ""),
            ],
        ),
        (
            "on-the-topic",
            none(),
            (200, topic()),
            (200, with(CREATED)),
            vec![("bucket.notifies", "ok", ""), ("bucket.dead_letter", "ok", "")],
        ),
        (
            "d7-another",
            (200, subscriptions(CREATED, true, "Succeeded", "https://other.example/x")),
            none(),
            none(),
            vec![
                ("bucket.notifies", "fail", "other.example"),
                ("bucket.notifies", "fail", "az eventgrid event-subscription create"),
                ("bucket.filter", "skipped", "bucket.notifies"),
            ],
        ),
        (
            "nobody",
            none(),
            none(),
            none(),
            vec![("bucket.emits", "fail", "nobody"), ("bucket.notifies", "fail", "no entries")],
        ),
        (
            "no-dead-letters",
            (200, subscriptions(CREATED, false, "Succeeded", OURS)),
            none(),
            none(),
            vec![("bucket.dead_letter", "warn", "lost")],
        ),
        (
            "gives-up-early",
            (200, retrying(r#"{"maxDeliveryAttempts": 5, "eventTimeToLiveInMinutes": 1440}"#)),
            none(),
            none(),
            vec![
                ("bucket.dead_letter", "warn", "5 attempts"),
                ("bucket.dead_letter", "warn", "--max-delivery-attempts"),
            ],
        ),
        (
            "gives-up-within-the-hour",
            (200, retrying(r#"{"eventTimeToLiveInMinutes": 60}"#)),
            none(),
            none(),
            vec![("bucket.dead_letter", "warn", "30 attempts or 60 minutes")],
        ),
        (
            "as-long-as-may-be",
            (200, retrying(r#"{"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}"#)),
            none(),
            none(),
            vec![("bucket.dead_letter", "ok", "dead-letters")],
        ),
        (
            "not-made",
            (200, subscriptions(CREATED, true, "Failed", OURS)),
            none(),
            none(),
            vec![("bucket.notifies", "fail", "Failed")],
        ),
        (
            "everything",
            (200, with("{}")),
            none(),
            none(),
            vec![("bucket.filter", "ok", ""), ("bucket.created_only", "warn", "every event")],
        ),
        (
            "narrow",
            (200, with(r#"{"subjectBeginsWith": "/blobServices/default/containers/b/blobs/in/"}"#)),
            none(),
            none(),
            vec![("bucket.filter", "fail", "in/")],
        ),
        (
            "other-container",
            (200, with(r#"{"subjectBeginsWith": "/blobServices/default/containers/other/"}"#)),
            none(),
            none(),
            vec![("bucket.notifies", "fail", "no entries")],
        ),
        // A bare prefix of a name is a prefix of other names as well: nothing is missed by that.
        (
            "bare-prefix",
            (
                200,
                with(
                    r#"{"includedEventTypes": ["Microsoft.Storage.BlobCreated"], "subjectBeginsWith": "/blobServices/default/containers/b"}"#,
                ),
            ),
            none(),
            none(),
            vec![("bucket.filter", "ok", "")],
        ),
        (
            "advanced",
            (
                200,
                with(
                    r#"{"includedEventTypes": ["Microsoft.Storage.BlobCreated"], "advancedFilters": [{"operatorType": "NumberLessThan", "key": "data.contentLength", "value": 9}]}"#,
                ),
            ),
            none(),
            none(),
            vec![("bucket.filter", "unknown", "data.contentLength")],
        ),
        (
            "d8-account-denied",
            (403, DENIED.into()),
            none(),
            none(),
            vec![("bucket.notifies", "unknown", "Microsoft.EventGrid/eventSubscriptions/read")],
        ),
        (
            "d8-topics-denied",
            none(),
            (403, DENIED.into()),
            none(),
            vec![("bucket.notifies", "unknown", "Microsoft.EventGrid/systemTopics/read")],
        ),
        (
            "d8-of-topic-denied",
            none(),
            (200, topic()),
            (403, DENIED.into()),
            vec![("bucket.notifies", "unknown", "systemTopics/eventSubscriptions/read")],
        ),
        (
            "d8-both-denied",
            (403, DENIED.into()),
            (403, DENIED.into()),
            none(),
            vec![("bucket.exists", "ok", ""), ("bucket.emits", "unknown", "eventSubscriptions/read")],
        ),
        (
            "garbage",
            (200, "<html>".into()),
            (200, "[]".into()),
            none(),
            vec![("bucket.notifies", "unknown", "no JSON")],
        ),
        (
            "missing",
            (
                404,
                r#"{"error": {"code": "ResourceNotFound", "message": "The Resource was not found."}}"#.into(),
            ),
            none(),
            none(),
            vec![("bucket.notifies", "unknown", "ResourceNotFound")],
        ),
    ];
    let token = r#"{"token_type": "Bearer", "expires_in": 3600, "access_token": "s3cret-token"}"#;
    let authority = Stand::start(vec![("/oauth2/", 200, token.into())]).await;
    let mut stands = Vec::new();
    let mut cases = Vec::new();
    for (what, account, topics, of_topic, want) in rows {
        let stand = Stand::start(vec![
            ("comp=list", 200, EMPTY.into()),
            ("/storageAccounts/acct/providers/Microsoft.EventGrid/eventSubscriptions", account.0, account.1),
            ("/providers/Microsoft.EventGrid/systemTopics", topics.0, topics.1),
            ("/topics/t/eventSubscriptions", of_topic.0, of_topic.1),
        ])
        .await;
        let url = &stand.url;
        let members = format!(
            "kind = \"azure\"\nbuckets = \"b\"\naccount = \"acct\"\naccount_key_file = \"{key}\"\nendpoint = \"{url}\"\nmanagement_endpoint = \"{url}\"\n\
             resource_id = \"{ACCOUNT}\"\nexpects = \"{OURS}\""
        );
        cases.push(Case::of(what, members, &want));
        stands.push(stand);
    }
    let stand = Stand::start(vec![("comp=list", 200, EMPTY.into())]).await;
    let members = format!(
        "kind = \"azure\"\nbuckets = \"b\"\naccount = \"acct\"\naccount_key_file = \"{key}\"\nendpoint = \"{}\"\n",
        stand.url
    );
    cases.push(Case::of(
        "no-resource-id",
        members,
        &[("bucket.exists", "ok", ""), ("bucket.emits", "unknown", "resource_id")],
    ));
    let identity = [
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s3cret-of-the-client"),
        ("AZURE_AUTHORITY_HOST", &authority.url),
    ];
    look(&cases, "", &identity).await;
    stands.iter().for_each(Stand::assert_only_read);
    // The token is one for the management, and not for the storage.
    assert!(
        authority.asked().iter().all(|asked| asked.contains("management.azure.com")),
        "{:?}",
        authority.asked()
    );
    assert!(!authority.asked().is_empty());
}
