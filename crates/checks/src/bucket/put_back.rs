//! What an operator does: the command that makes a bucket name us again, and takes nobody else's entry out.
//!
//! A document of S3's protocol is replaced as a whole by whoever writes it. So the command reads it, puts ours in, and writes all of it.
//! The other clouds have an entry for each listener, which can be made beside the others.

use std::path::Path;

use mdss_relay_core::Sample;
use mdss_relay_stores::{Kind, StoreSettings, Tells};

use crate::words::quoted;

/// A bucket in its store, and where our settings are.
pub(super) struct Place<'p> {
    pub(super) settings: &'p StoreSettings,
    pub(super) bucket: &'p str,
    pub(super) config: Option<&'p Path>,
}

/// Puts our entries (the second document) in the place of those with their names in the first one, and leaves all others. `aws` prints
/// nothing at all for a bucket without entries.
const MERGE: &str = "($theirs[0] // {}) as $t | $ours[0] as $o | reduce ($o | keys[]) as $k ($t; .[$k] = ([.[$k][]? | select(.Id as $i | all($o[$k][]; .Id != $i))] + $o[$k]))";

impl Place<'_> {
    /// The command for an entry that is missing.
    pub(super) fn put_back(&self, tells: &Tells, samples: &[Sample]) -> String {
        let Some(wanted) = self.settings.expects.first() else { return String::new() };
        let off = tells.entries.iter().find(|entry| entry.names(&self.settings.expects));
        if let Some(off) = off {
            return self.switch_on(&off.name);
        }
        match self.settings.kind {
            Kind::S3 => self.s3(wanted),
            Kind::Azure => self.azure(wanted),
            Kind::Gcs => self.google(wanted, samples),
            Kind::Oci => self.oci(wanted, tells),
            Kind::Directory => String::new(),
        }
    }

    /// What to do about an entry that is narrower than the routes.
    pub(super) fn widen(&self) -> String {
        match (self.settings.kind, self.settings.expects.first()) {
            (Kind::S3, Some(wanted)) if s3_target(wanted).is_some() => {
                format!(
                    "make that entry wider; this prints what the routes need: {}",
                    self.write(wanted, "json")
                )
            }
            (Kind::Oci, _) => {
                "make the condition of that rule wider; mdss-relay match tries one on events".into()
            }
            _ => "make that entry wider, or the routes narrower".into(),
        }
    }

    pub(super) fn dead_letter_place(&self) -> String {
        match self.settings.kind {
            Kind::S3 => "give the queue a dead-letter queue (RedrivePolicy) and a visibility timeout of six times the function's timeout; deploy/aws does both".into(),
            Kind::Azure => "give the subscription a container for dead letters: az eventgrid … event-subscription update --deadletter-endpoint ACCOUNT_ID/blobServices/default/containers/NAME".into(),
            Kind::Gcs => "gcloud pubsub subscriptions update SUBSCRIPTION --dead-letter-topic TOPIC --max-delivery-attempts 100".into(),
            Kind::Oci | Kind::Directory => String::new(),
        }
    }

    /// For an entry that is there and off.
    fn switch_on(&self, name: &str) -> String {
        let rule = name.strip_prefix("rule ").unwrap_or(name);
        match self.settings.kind {
            Kind::S3 => format!("aws events enable-rule --name {}", quoted(rule)),
            Kind::Oci => format!(
                "oci events rule update --rule-id OCID_OF_{} --is-enabled true",
                rule.replace([' ', '\''], "_")
            ),
            Kind::Azure => {
                "see why Azure has not made it (az eventgrid event-subscription show), and make it again"
                    .into()
            }
            Kind::Gcs | Kind::Directory => String::new(),
        }
    }

    fn s3(&self, wanted: &str) -> String {
        if wanted.contains("://") {
            // Only JD Cloud's buckets name addresses.
            return format!(
                "SECRET_KEY_FILE=FILE deploy/jdcloud/notification.sh --access-key-id ID --region {} --bucket {} --url ADDRESS_OF_THE_RELAY",
                quoted(self.settings.region.as_deref().unwrap_or("REGION")),
                quoted(self.bucket)
            );
        }
        if s3_target(wanted).is_none() {
            return "put the entry back as the guide of this store says; read the document first, because a new one replaces all of it".into();
        }
        if wanted.starts_with("arn:minio:") {
            return format!(
                "{} prints lines of mc event add, which leave the other entries; run them with your alias in the place of ALIAS",
                self.write(wanted, "mc")
            );
        }
        let bucket = quoted(self.bucket);
        let endpoint = self.settings.endpoint.as_ref();
        let endpoint = endpoint.map_or(String::new(), |url| {
            format!(" --endpoint-url {}", quoted(url.as_str().trim_end_matches('/')))
        });
        let aws = format!("aws s3api{endpoint}");
        format!(
            "d=$(mktemp -d) && {} > $d/ours && {aws} get-bucket-notification-configuration --bucket {bucket} > $d/theirs && \
             jq -n --slurpfile theirs $d/theirs --slurpfile ours $d/ours {} > $d/all && \
             {aws} put-bucket-notification-configuration --bucket {bucket} --notification-configuration file://$d/all",
            self.write(wanted, "json"),
            quoted(MERGE),
        )
    }

    /// What prints our entries, by the routes.
    fn write(&self, wanted: &str, format: &str) -> String {
        let (option, _) = s3_target(wanted).unwrap_or(("--s3-queue", ""));
        let config = self
            .config
            .map_or(String::new(), |path| format!(" --config {}", quoted(&path.to_string_lossy())));
        let source = self
            .settings
            .source
            .as_deref()
            .map_or(String::new(), |source| format!(" --source {}", quoted(source)));
        format!(
            "mdss-relay notification write{config} --bucket {}{source} {option} {} --format {format}",
            quoted(self.bucket),
            quoted(wanted)
        )
    }

    fn google(&self, wanted: &str, samples: &[Sample]) -> String {
        let topic = if wanted.contains("/topics/") {
            quoted(wanted.trim_start_matches("//pubsub.googleapis.com/"))
        } else {
            "TOPIC".to_owned()
        };
        // One prefix alone can be said; several need one configuration each.
        let prefix = match samples {
            [one] => one.key.split("mdss-relay-doctor").next().filter(|prefix| !prefix.is_empty()),
            _ => None,
        };
        let prefix = prefix.map_or(String::new(), |prefix| format!(" --object-prefix {}", quoted(prefix)));
        format!(
            "gcloud storage buckets notifications create {} --topic {topic} --event-types OBJECT_FINALIZE --payload-format json --skip-topic-setup{prefix}",
            quoted(&format!("gs://{}", self.bucket))
        )
    }

    fn azure(&self, wanted: &str) -> String {
        let source = self.settings.resource_id.as_deref().unwrap_or("RESOURCE_ID_OF_THE_ACCOUNT");
        let lower = wanted.to_lowercase();
        let (kind, endpoint) = match () {
            () if lower.contains("/queueservices/") => (
                "storagequeue",
                quoted(&wanted.replace("/queueServices/default/queues/", "/queueservices/default/queues/")),
            ),
            () if lower.contains("/providers/microsoft.web/") => ("azurefunction", quoted(wanted)),
            () if lower.contains("://") => ("webhook", "ADDRESS_OF_THE_RELAY".to_owned()),
            () => ("ENDPOINT_TYPE", quoted(wanted)),
        };
        format!(
            "az eventgrid event-subscription create --name mdss-relay --source-resource-id {} --endpoint-type {kind} --endpoint {endpoint} \
             --included-event-types Microsoft.Storage.BlobCreated --event-delivery-schema cloudeventschemav1_0 --subject-begins-with {} \
             --deadletter-endpoint ACCOUNT_ID/blobServices/default/containers/NAME",
            quoted(source),
            quoted(&format!("/blobServices/default/containers/{}/", self.bucket)),
        )
    }

    fn oci(&self, wanted: &str, tells: &Tells) -> String {
        let (kind, member) = match () {
            () if wanted.starts_with("ocid1.fnfunc.") => ("FAAS", "functionId"),
            () if wanted.starts_with("ocid1.onstopic.") => ("ONS", "topicId"),
            () if wanted.starts_with("ocid1.stream.") => ("OSS", "streamId"),
            () => return "make a rule of OCI Events for the bucket, as docs/oci.md says".into(),
        };
        let condition = serde_json::json!({
            "eventType": ["com.oraclecloud.objectstorage.createobject", "com.oraclecloud.objectstorage.updateobject"],
            "data": { "additionalDetails": { "bucketName": [self.bucket] } },
        });
        let actions =
            serde_json::json!({ "actions": [{ "actionType": kind, "isEnabled": true, (member): wanted }] });
        let taken = tells.entries.iter().any(|entry| entry.name == "rule mdss-relay-objects");
        format!(
            "oci events rule create --compartment-id OCID_OF_THE_BUCKETS_COMPARTMENT --display-name {} --is-enabled true --condition {} --actions {}",
            if taken { "mdss-relay-objects-2" } else { "mdss-relay-objects" },
            quoted(&condition.to_string()),
            quoted(&actions.to_string())
        )
    }
}

/// Turns on the switch without which a bucket tells nobody.
pub(super) fn switch_on(kind: Kind, bucket: &str, tells: &Tells) -> Option<String> {
    let is_off = tells.switch.as_ref().is_some_and(|switch| switch.on == Some(false));
    (kind == Kind::Oci && is_off).then(|| {
        format!("oci os bucket update --bucket-name {} --object-events-enabled true", quoted(bucket))
    })
}

/// The option of `notification write` for a target, and its service.
fn s3_target(arn: &str) -> Option<(&'static str, &'static str)> {
    match arn.split(':').nth(2)? {
        "sqs" => Some(("--s3-queue", "sqs")),
        "sns" => Some(("--s3-topic", "sns")),
        "lambda" => Some(("--s3-lambda", "lambda")),
        _ => None,
    }
}
