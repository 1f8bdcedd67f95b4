//! The forms in which a notification configuration is written down: each store has its own tool, and each tool its own form.

use clap::ValueEnum;
use mdss_relay_core::{Affix, Notification, Rule, Store, Target};
use serde_json::{Map, Value, json};

use mdss_relay_checks::quoted;

/// How the configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The document itself, for `PUT /?notification`.
    Xml,
    /// JSON for `aws s3api put-bucket-notification-configuration`.
    Json,
    /// `mc event add`, one line a rule, for MinIO.
    Mc,
}

impl Format {
    /// # Errors
    /// Why this store has no such form.
    pub(super) fn write(self, bucket: &str, notification: &Notification) -> Result<String, &'static str> {
        match (self, notification.store()) {
            (Self::Xml, _) => Ok(notification.to_xml().trim_end().to_owned()),
            (Self::Json, Store::JdCloud) => {
                Err("--format json: only the tools of S3 read it; give a target of S3, such as --s3-queue")
            }
            (Self::Json, Store::Amazon | Store::Other) => Ok(json(notification.rules())),
            (Self::Mc, Store::Other) => Ok(mc(bucket, notification.rules())),
            (Self::Mc, Store::JdCloud | Store::Amazon) => Err(
                "--format mc: MinIO's targets are ARNs such as arn:minio:sqs::NAME:webhook, as `mc admin info` shows them; give it with --s3-queue",
            ),
        }
    }
}

/// `PutBucketNotificationConfiguration` in the JSON of the AWS command line
/// (<https://docs.aws.amazon.com/cli/latest/reference/s3api/put-bucket-notification-configuration.html>, read 2026-11).
fn json(rules: &[Rule]) -> String {
    let mut lists = Map::new();
    for rule in rules {
        let (list, member, arn) = match &rule.target {
            Target::Topic(arn) => ("TopicConfigurations", "TopicArn", arn),
            Target::Queue(arn) => ("QueueConfigurations", "QueueArn", arn),
            Target::Lambda(arn) => ("LambdaFunctionConfigurations", "LambdaFunctionArn", arn),
            Target::Addresses(_) | Target::Function(_) | Target::EventBridge => continue,
        };
        let mut entry = json!({ "Id": rule.id, member: arn, "Events": rule.events });
        let filters: Vec<_> =
            affixes(rule).map(|(name, affix)| json!({ "Name": name, "Value": affix.as_str() })).collect();
        if !filters.is_empty() {
            entry["Filter"] = json!({ "Key": { "FilterRules": filters } });
        }
        if let Value::Array(entries) = lists.entry(list).or_insert_with(|| json!([])) {
            entries.push(entry);
        }
    }
    format!("{:#}", Value::Object(lists))
}

/// <https://github.com/minio/mc>, `cmd/client-s3.go`, `AddNotificationConfig`: `put` is `s3:ObjectCreated:*`, and a prefix and a suffix are compared as they stand.
fn mc(bucket: &str, rules: &[Rule]) -> String {
    let line = |rule: &Rule| {
        let mut words =
            format!("mc event add ALIAS/{} {} --event put", quoted(bucket), quoted(&rule.target.to_string()));
        for (name, affix) in affixes(rule) {
            words += &format!(" --{name} {}", quoted(affix.as_str()));
        }
        words
    };
    rules.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn affixes(rule: &Rule) -> impl Iterator<Item = (&'static str, &Affix)> {
    [("prefix", &rule.prefix), ("suffix", &rule.suffix)]
        .into_iter()
        .filter_map(|(name, affix)| Some((name, affix.as_ref()?)))
}
