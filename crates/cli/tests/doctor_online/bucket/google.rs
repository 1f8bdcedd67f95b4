//! Google: notification configurations, and the subscriptions of their topics.

use super::{Case, Stand, Want, look, secret};

/// <https://cloud.google.com/storage/docs/json_api/v1/notifications/list>
fn configurations(more: &str) -> String {
    format!(
        r#"{{"kind": "storage#notifications", "items": [{{"kind": "storage#notification", "id": "1", {more}"topic": "//pubsub.googleapis.com/projects/p/topics/t", "payload_format": "JSON_API_V1"}}]}}"#
    )
}

const CREATED: &str = "\"event_types\": [\"OBJECT_FINALIZE\"], ";

/// <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#Subscription>
fn subscriptions(more: &str) -> String {
    format!(
        r#"{{"subscriptions": [{{"name": "projects/p/subscriptions/relay", "topic": "projects/p/topics/t", {more}"pushConfig": {{"pushEndpoint": "https://relay.example/gcs"}}, "state": "ACTIVE"}},
            {{"name": "projects/p/subscriptions/of-others", "topic": "projects/p/topics/other", "pushConfig": {{}}}}]}}"#
    )
}

const DEAD: &str =
    "\"deadLetterPolicy\": {\"deadLetterTopic\": \"projects/p/topics/dead\", \"maxDeliveryAttempts\": 100}, ";

/// <https://cloud.google.com/storage/docs/json_api/v1/status-codes>
const DENIED: &str = r#"{"error": {"code": 403, "message": "does not have access", "errors": [{"message": "x", "domain": "global", "reason": "forbidden"}]}}"#;

#[tokio::test]
async fn what_google_says_of_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let token = secret(&folder);
    let (topic, url) = ("projects/p/topics/t", "https://relay.example/gcs");
    let good = || (200, subscriptions(DEAD));
    type Row = (&'static str, (u16, String), (u16, String), &'static str, Vec<Want>);
    let rows: Vec<Row> = vec![
        (
            "healthy",
            (200, configurations(CREATED)),
            good(),
            topic,
            vec![
                ("bucket.exists", "ok", ""),
                ("bucket.list", "ok", ""),
                ("bucket.emits", "ok", ""),
                ("bucket.notifies", "ok", ""),
                ("bucket.filter", "ok", ""),
                ("bucket.dead_letter", "ok", "topics/dead"),
                ("bucket.created_only", "ok", ""),
            ],
        ),
        (
            "by-address",
            (200, configurations(CREATED)),
            good(),
            url,
            vec![("bucket.notifies", "ok", ""), ("bucket.dead_letter", "ok", "")],
        ),
        (
            "d7-another-topic",
            (200, configurations(CREATED)),
            good(),
            "projects/p/topics/relay",
            vec![
                ("bucket.notifies", "fail", "projects/p/topics/t"),
                (
                    "bucket.notifies",
                    "fail",
                    "gcloud storage buckets notifications create gs://b --topic projects/p/topics/relay",
                ),
            ],
        ),
        (
            "nobody",
            (200, "{\"kind\": \"storage#notifications\"}".into()),
            good(),
            topic,
            vec![("bucket.emits", "fail", "nobody"), ("bucket.notifies", "fail", "gcloud")],
        ),
        (
            "narrow",
            (
                200,
                configurations("\"event_types\": [\"OBJECT_FINALIZE\"], \"object_name_prefix\": \"in/\", "),
            ),
            good(),
            topic,
            vec![("bucket.filter", "fail", "in/")],
        ),
        (
            "removals-alone",
            (200, configurations("\"event_types\": [\"OBJECT_DELETE\"], ")),
            good(),
            topic,
            vec![
                ("bucket.filter", "fail", "OBJECT_FINALIZE"),
                ("bucket.created_only", "warn", "OBJECT_DELETE"),
            ],
        ),
        (
            "everything",
            (200, configurations("")),
            good(),
            topic,
            vec![("bucket.filter", "ok", ""), ("bucket.created_only", "warn", "every event")],
        ),
        (
            "no-dead-letters",
            (200, configurations(CREATED)),
            (200, subscriptions("")),
            topic,
            vec![("bucket.dead_letter", "warn", "lost")],
        ),
        (
            "dead-letters-gone",
            (200, configurations(CREATED)),
            (200, subscriptions("\"deadLetterPolicy\": {\"deadLetterTopic\": \"_deleted-topic_\"}, ")),
            topic,
            vec![("bucket.dead_letter", "warn", "deleted")],
        ),
        (
            "filtered",
            (200, configurations(CREATED)),
            (200, subscriptions(&format!("{DEAD}\"filter\": \"attributes.x = 1\", "))),
            topic,
            vec![("bucket.filter", "unknown", "attributes.x")],
        ),
        (
            "nobody-takes",
            (200, configurations(CREATED)),
            (200, "{}".into()),
            topic,
            vec![("bucket.dead_letter", "unknown", "no subscription")],
        ),
        (
            "d8-denied",
            (403, DENIED.into()),
            good(),
            topic,
            vec![
                ("bucket.exists", "ok", ""),
                ("bucket.emits", "unknown", "storage.buckets.get"),
                ("bucket.notifies", "skipped", "bucket.emits"),
            ],
        ),
        (
            "d8-subscriptions-denied",
            (200, configurations(CREATED)),
            (403, DENIED.into()),
            topic,
            vec![
                ("bucket.notifies", "ok", ""),
                ("bucket.dead_letter", "unknown", "pubsub.subscriptions.list"),
            ],
        ),
        (
            "d8-subscriptions-denied-by-address",
            (200, configurations(CREATED)),
            (403, DENIED.into()),
            url,
            vec![("bucket.notifies", "unknown", "pubsub.subscriptions.list")],
        ),
        ("garbage", (200, "<html>".into()), good(), topic, vec![("bucket.emits", "unknown", "no JSON")]),
        (
            "garbage-of-subscriptions",
            (200, configurations(CREATED)),
            (200, "[[".into()),
            topic,
            vec![("bucket.dead_letter", "unknown", "no JSON")],
        ),
        (
            "no-such-project",
            (200, configurations(CREATED)),
            (404, r#"{"error": {"code": 404, "message": "no project", "status": "NOT_FOUND"}}"#.into()),
            topic,
            vec![("bucket.dead_letter", "unknown", "404")],
        ),
    ];
    let mut stands = Vec::new();
    let mut cases = Vec::new();
    for (what, configurations, subscriptions, expects, want) in rows {
        let stand = Stand::start(vec![
            ("/storage/v1/b/b/notificationConfigs", configurations.0, configurations.1),
            ("/storage/v1/b/b/o", 200, "{}".into()),
            ("/v1/projects/p/subscriptions", subscriptions.0, subscriptions.1),
        ])
        .await;
        let url = &stand.url;
        let members = format!(
            "kind = \"gcs\"\nbuckets = \"b\"\nendpoint = \"{url}\"\nmanagement_endpoint = \"{url}\"\naccess_token_file = \"{token}\"\nexpects = \"{expects}\""
        );
        cases.push(Case::of(what, members, &want));
        stands.push(stand);
    }
    look(&cases, "", &[]).await;
    stands.iter().for_each(Stand::assert_only_read);
}
