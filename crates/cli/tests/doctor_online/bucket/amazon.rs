//! S3 and its relatives: the document of each, and what Amazon has behind it.

use super::{Case, Stand, Want, look, of_store, says_nothing, secret};
use crate::found::said;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
pub(super) const EMPTY: &str = "<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";

pub(super) const OURS: &str = "arn:aws:sqs:eu-central-1:111122223333:relay";
const DEAD: &str = "arn:aws:sqs:eu-central-1:111122223333:dead";

/// An entry of a queue with a filter's rules and events.
fn entry(id: &str, arn: &str, rules: &[(&str, &str)], events: &[&str]) -> String {
    let rules: String = rules
        .iter()
        .map(|(name, value)| format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"))
        .collect();
    let events: String = events.iter().map(|event| format!("<Event>{event}</Event>")).collect();
    format!(
        "<QueueConfiguration><Id>{id}</Id><Filter><S3Key>{rules}</S3Key></Filter><Queue>{arn}</Queue>{events}</QueueConfiguration>"
    )
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html>
pub(super) fn document(inner: &str) -> String {
    format!(
        "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</NotificationConfiguration>"
    )
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
fn queue(redrive: bool, visibility: u32) -> String {
    let policy = format!("{{\\\"deadLetterTargetArn\\\":\\\"{DEAD}\\\",\\\"maxReceiveCount\\\":5}}");
    let policy = if redrive { format!("\"RedrivePolicy\": \"{policy}\", ") } else { String::new() };
    format!("{{\"Attributes\": {{{policy}\"VisibilityTimeout\": \"{visibility}\"}}}}")
}

struct Amazon {
    document: String,
    rules: (u16, &'static str),
    targets: &'static str,
    queue: (u16, String),
    mappings: (u16, &'static str),
}

impl Default for Amazon {
    fn default() -> Self {
        Self {
            document: document(&entry("ours", OURS, &[], &["s3:ObjectCreated:*"])),
            rules: (200, r#"{"Rules": []}"#),
            targets: r#"{"Targets": []}"#,
            queue: (200, queue(true, 360)),
            // <https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html>
            mappings: (
                200,
                r#"{"EventSourceMappings": [{"FunctionArn": "arn:aws:lambda:eu-central-1:111122223333:function:relay"}]}"#,
            ),
        }
    }
}

impl Amazon {
    async fn start(self) -> Stand {
        Stand::start(vec![
            ("?notification", 200, self.document),
            ("list-type=2", 200, EMPTY.into()),
            ("AWSEvents.ListRules", self.rules.0, self.rules.1.into()),
            ("AWSEvents.ListTargetsByRule", 200, self.targets.into()),
            ("AmazonSQS.GetQueueAttributes", self.queue.0, self.queue.1),
            ("event-source-mappings", self.mappings.0, self.mappings.1.into()),
            // <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>
            ("/configuration", 200, r#"{"FunctionName": "relay", "Timeout": 60}"#.into()),
        ])
        .await
    }
}

fn members(stand: &Stand, key: &str, expects: &str, management: bool) -> String {
    let url = &stand.url;
    let management = if management { format!("management_endpoint = \"{url}\"\n") } else { String::new() };
    format!(
        "kind = \"s3\"\nbuckets = \"b\"\nendpoint = \"{url}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{key}\"\nexpects = [{expects}]\n{management}"
    )
}

/// Amazon's refusals: S3's in XML, the others' with 400 and `__type`
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html>).
const DENIED: &str = r#"{"__type": "AccessDeniedException", "Message": "User: u is not authorized"}"#;

const BRIDGE: &str = "<EventBridgeConfiguration></EventBridgeConfiguration>";
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html>
const RULES: &str = r#"{"Rules": [
    {"Name": "of-others", "State": "ENABLED", "EventPattern": "{\"source\": [\"aws.ec2\"]}"},
    {"Name": "hourly", "State": "ENABLED", "ScheduleExpression": "rate(1 hour)"},
    {"Name": "relay", "State": "ENABLED", "EventPattern": "{\"source\": [\"aws.s3\"], \"detail-type\": [\"Object Created\"], \"detail\": {\"bucket\": {\"name\": [\"b\"]}}}"}]}"#;
const TARGETS: &str = r#"{"Targets": [{"Id": "1", "Arn": "arn:aws:sqs:eu-central-1:111122223333:relay"}]}"#;

#[tokio::test]
async fn what_amazon_and_its_relatives_say_of_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let key = secret(&folder);
    let ours = format!("\"{OURS}\"");
    let created: &[&str] = &["s3:ObjectCreated:*"];
    let theirs = "arn:aws:sqs:eu-central-1:111122223333:theirs";
    let mut stands = Vec::new();
    let mut cases = Vec::new();
    let rows: Vec<(&'static str, Amazon, &str, bool, &[Want])> = vec![
        (
            "healthy",
            Amazon::default(),
            &ours,
            true,
            &[
                ("bucket.exists", "ok", ""),
                ("bucket.list", "ok", "no objects"),
                ("bucket.emits", "ok", ""),
                ("bucket.notifies", "ok", "ours"),
                ("bucket.filter", "ok", ""),
                ("bucket.dead_letter", "ok", ":dead"),
                ("bucket.created_only", "ok", ""),
            ],
        ),
        (
            "d7-overwritten",
            Amazon { document: document(&entry("theirs", theirs, &[], created)), ..Amazon::default() },
            &ours,
            true,
            &[
                ("bucket.emits", "ok", ":theirs"),
                ("bucket.notifies", "fail", ":theirs"),
                ("bucket.notifies", "fail", ":relay"),
                ("bucket.notifies", "fail", "put-bucket-notification-configuration"),
                ("bucket.filter", "skipped", "bucket.notifies"),
            ],
        ),
        (
            "empty",
            Amazon { document: document(""), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.emits", "fail", "nobody"), ("bucket.notifies", "fail", "no entries")],
        ),
        (
            "without-expects",
            Amazon::default(),
            "",
            true,
            &[
                ("bucket.notifies", "unknown", "relay"),
                ("bucket.notifies", "unknown", "set expects"),
                ("bucket.filter", "skipped", ""),
            ],
        ),
        (
            "narrow",
            Amazon {
                document: document(&entry("ours", OURS, &[("prefix", "in/")], created)),
                ..Amazon::default()
            },
            &ours,
            true,
            &[
                ("bucket.notifies", "ok", ""),
                ("bucket.filter", "fail", "begins with"),
                ("bucket.filter", "fail", "in/"),
            ],
        ),
        (
            "some-events",
            Amazon {
                document: document(&entry("ours", OURS, &[], &["s3:ObjectCreated:Put"])),
                ..Amazon::default()
            },
            &ours,
            true,
            &[("bucket.filter", "fail", "s3:ObjectCreated:Post")],
        ),
        (
            "removals",
            Amazon {
                document: document(&entry("ours", OURS, &[], &["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])),
                ..Amazon::default()
            },
            &ours,
            true,
            &[("bucket.filter", "ok", ""), ("bucket.created_only", "warn", "s3:ObjectRemoved:*")],
        ),
        (
            "no-redrive",
            Amazon { queue: (200, queue(false, 360)), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.dead_letter", "warn", "lost")],
        ),
        (
            "visibility",
            Amazon { queue: (200, queue(true, 30)), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.dead_letter", "warn", "60 s")],
        ),
        (
            "queue-denied",
            Amazon { queue: (400, DENIED.into()), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.notifies", "ok", ""), ("bucket.dead_letter", "unknown", "sqs:GetQueueAttributes")],
        ),
        (
            "mappings-denied",
            Amazon { mappings: (403, DENIED), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.dead_letter", "unknown", "lambda:ListEventSourceMappings")],
        ),
        (
            "queue-garbage",
            Amazon { queue: (200, "<html>".into()), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.dead_letter", "unknown", "no JSON")],
        ),
        (
            "bridge",
            Amazon { document: document(BRIDGE), rules: (200, RULES), targets: TARGETS, ..Amazon::default() },
            &ours,
            true,
            &[
                ("bucket.notifies", "ok", "rule relay"),
                ("bucket.filter", "ok", ""),
                ("bucket.dead_letter", "ok", ":dead"),
            ],
        ),
        (
            "bridge-without-rule",
            Amazon { document: document(BRIDGE), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.notifies", "fail", "EventBridge")],
        ),
        (
            "bridge-denied",
            Amazon { document: document(BRIDGE), rules: (400, DENIED), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.notifies", "unknown", "events:ListRules")],
        ),
        (
            "bridge-garbage",
            Amazon { document: document(BRIDGE), rules: (200, "[[["), ..Amazon::default() },
            &ours,
            true,
            &[("bucket.notifies", "unknown", "no JSON")],
        ),
        // moto does not give the switch of EventBridge back, and its rules are there all the same.
        (
            "bridge-hidden",
            Amazon { document: document(""), rules: (200, RULES), targets: TARGETS, ..Amazon::default() },
            &ours,
            true,
            &[("bucket.notifies", "unknown", "does not show")],
        ),
        // <https://github.com/minio/minio/blob/master/docs/bucket/notifications/README.md>: a target's name, and never its address.
        (
            "minio",
            Amazon {
                document: document(&entry("", "arn:minio:sqs::RELAY:webhook", &[("prefix", "in/")], created)),
                ..Amazon::default()
            },
            "\"arn:minio:sqs::RELAY:webhook\"",
            false,
            &[("bucket.notifies", "ok", ""), ("bucket.filter", "fail", "in/")],
        ),
        (
            "minio-by-address",
            Amazon {
                document: document(&entry("", "arn:minio:sqs::RELAY:webhook", &[], created)),
                ..Amazon::default()
            },
            "\"https://relay.example/s3cret-path\"",
            false,
            &[("bucket.notifies", "unknown", "no addresses"), ("bucket.filter", "skipped", "")],
        ),
        (
            "minio-overwritten",
            Amazon {
                document: document(&entry("", "arn:minio:sqs::OTHER:webhook", &[], created)),
                ..Amazon::default()
            },
            "\"arn:minio:sqs::RELAY:webhook\"",
            false,
            &[("bucket.notifies", "fail", "--format mc")],
        ),
        // <https://docs.jdcloud.com/en/object-storage-service/put-bucket-notification-2>
        (
            "jd",
            Amazon {
                document: document(
                    "<TopicConfiguration><Id>r</Id><Topic>NS:https://relay.example/s3cret-path</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>",
                ),
                ..Amazon::default()
            },
            "\"https://relay.example/s3cret-path\"",
            false,
            &[("bucket.notifies", "ok", ""), ("bucket.filter", "ok", "")],
        ),
        (
            "jd-overwritten",
            Amazon {
                document: document(
                    "<TopicConfiguration><Topic>NS:https://other.example/s3cret-theirs</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>",
                ),
                ..Amazon::default()
            },
            "\"https://relay.example/s3cret-path\"",
            false,
            &[
                ("bucket.notifies", "fail", "https://other.example/…"),
                ("bucket.notifies", "fail", "https://relay.example/…"),
                ("bucket.notifies", "fail", "notification.sh"),
            ],
        ),
    ];
    // <https://docs.ceph.com/en/latest/radosgw/notifications/#get-topic-attributes>
    let topic = |persistent: bool| {
        let end = format!(
            "{{&quot;EndpointAddress&quot;:&quot;http://relay.example:8080/s3cret-path&quot;,&quot;Persistent&quot;:{persistent}}}"
        );
        format!(
            "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>EndPoint</key><value>{end}</value></entry></Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>"
        )
    };
    let by_topic = document(
        "<TopicConfiguration><Id>ours</Id><Topic>arn:aws:sns:default::relay</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>",
    );
    let (by_arn, by_address) =
        ("\"arn:aws:sns:default::relay\"", "\"http://relay.example:8080/s3cret-path\"");
    for (what, answer, expects, want) in [
        (
            "ceph",
            (200, topic(true)),
            by_arn,
            &[
                ("bucket.notifies", "ok", ""),
                ("bucket.filter", "ok", ""),
                ("bucket.dead_letter", "ok", "persistent"),
            ][..],
        ),
        (
            "ceph-by-address",
            (200, topic(true)),
            by_address,
            &[("bucket.notifies", "ok", ""), ("bucket.dead_letter", "ok", "")],
        ),
        (
            "ceph-not-persistent",
            (200, topic(false)),
            by_arn,
            &[("bucket.dead_letter", "warn", "not persistent")],
        ),
        (
            "ceph-denied",
            (403, "<Error><Code>AccessDenied</Code></Error>".into()),
            by_arn,
            &[("bucket.notifies", "ok", ""), ("bucket.dead_letter", "unknown", "sns:GetTopicAttributes")],
        ),
        (
            "ceph-denied-by-address",
            (403, "<Error><Code>AccessDenied</Code></Error>".into()),
            by_address,
            &[("bucket.notifies", "unknown", "")],
        ),
        ("ceph-garbage", (200, "[]".into()), by_arn, &[("bucket.dead_letter", "unknown", "answers with")]),
    ] {
        let answers = vec![
            ("GetTopicAttributes", answer.0, answer.1),
            ("?notification", 200, by_topic.clone()),
            ("list-type=2", 200, EMPTY.into()),
        ];
        let stand = Stand::start(answers).await;
        cases.push(Case::of(what, members(&stand, &key, expects, false), want));
        stands.push(stand);
    }
    for (what, amazon, expects, management, want) in rows {
        let stand = amazon.start().await;
        cases.push(Case::of(what, members(&stand, &key, expects, management), want));
        stands.push(stand);
    }
    let found = look(&cases, "", &[]).await;
    stands.iter().for_each(Stand::assert_only_read);
    assert!(found.took.as_secs() < 10, "{:?}", found.took);
    // A place for dead letters is nothing that MinIO and JD Cloud have.
    says_nothing(&found, "bucket.dead_letter", "minio");
    says_nothing(&found, "bucket.dead_letter", "jd");
    let remedy = said(of_store(&found, "bucket.notifies", "d7-overwritten"), "remedy");
    assert!(remedy.contains("--s3-queue arn:aws:sqs:eu-central-1:111122223333:relay"), "{remedy}");
}

/// Only what the routes take has to be told, in their words.
#[tokio::test]
async fn a_filter_is_compared_with_the_routes_of_the_stores_source() {
    let folder = tempfile::tempdir().unwrap();
    let key = secret(&folder);
    let created: &[&str] = &["s3:ObjectCreated:*"];
    let pairs = [("in/", ".pdf"), ("in/", ".PDF"), ("out/", "")];
    let mut stands = Vec::new();
    let mut cases = Vec::new();
    let routes = "[[source]]\nname = \"amazon\"\npath = \"/a\"\nauth = \"none\"\n[[source]]\nname = \"other\"\npath = \"/o\"\nauth = \"none\"\n\
        [[route]]\nsource = \"amazon\"\nbucket = \"b\"\nprefix = \"in/\"\nsuffix_any_case = \".pdf\"\nstorage_client_id = \"UNIT\"\nstorage_type = \"s3-compatible\"\n\
        [[route]]\nsource = \"other\"\nbucket = \"b\"\nstorage_client_id = \"UNIT\"\nstorage_type = \"s3-compatible\"\n";
    for (what, source, taken, status, part) in [
        ("both-cases", "amazon", &pairs[..2], "ok", ""),
        ("one-case", "amazon", &pairs[..1], "fail", ".PDF"),
        ("all-of-it", "amazon", &[("in", "")][..], "ok", ""),
        ("elsewhere", "amazon", &pairs[2..], "fail", "out/"),
        ("of-another-source", "other", &pairs[..2], "fail", "route[1]"),
    ] {
        let entries: String = taken
            .iter()
            .enumerate()
            .map(|(n, (prefix, suffix))| {
                entry(&format!("ours-{n}"), OURS, &[("prefix", prefix), ("suffix", suffix)], created)
            })
            .collect();
        let stand = Amazon { document: document(&entries), ..Amazon::default() }.start().await;
        let members = members(&stand, &key, &format!("\"{OURS}\""), true);
        cases.push(Case::of(
            what,
            format!("{members}source = \"{source}\"\n"),
            &[("bucket.filter", status, part)],
        ));
        stands.push(stand);
    }
    look(&cases, routes, &[("RELAY_TOKEN", "")]).await;
}
