//! What each sender makes of an answer: the rules that its provider publishes, as far as it does.
//!
//! The table is printed into `docs/answers.md`. Where nothing is published the strictest reading stands here, and the source says
//! so.

/// A sender that posts over HTTP.
pub(crate) struct Sender {
    /// The dialect it writes.
    pub(crate) dialect: &'static str,
    /// Who posts.
    pub(crate) who: &'static str,
    /// Statuses after which it is content.
    pub(crate) content: Content,
    /// Statuses after which it gives an event up at once.
    pub(crate) gives_up: GivesUp,
    /// How often it posts an event at most, before it gives it up.
    pub(crate) attempts: u32,
    /// How that is spread, for people.
    pub(crate) goes_on: &'static str,
    /// Seconds it waits for an answer; `None`: not known, or longer than any delivery takes.
    pub(crate) waits: Option<u64>,
    /// Where that is published, or that it is not.
    pub(crate) source: &'static str,
}

/// What a sender takes for success.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// 200 and nothing else.
    Ok,
    /// Any of these.
    Listed(&'static [u16]),
    /// Any 2xx.
    Success,
}

/// After what a sender gives an event up at once.
#[derive(Clone, Copy)]
pub(crate) enum GivesUp {
    Never,
    /// On any 4xx but these.
    ClientErrors(&'static [u16]),
    /// On these.
    Listed(&'static [u16]),
    /// On whatever is no success.
    AnyFailure,
}

/// What a sender does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Taken,
    ComesAgain,
    GivenUp,
}

impl Sender {
    pub(crate) fn hears(&self, status: u16) -> Heard {
        let content = match self.content {
            Content::Ok => status == 200,
            Content::Listed(listed) => listed.contains(&status),
            Content::Success => (200..300).contains(&status),
        };
        let gives_up = match self.gives_up {
            GivesUp::Never => false,
            GivesUp::ClientErrors(except) => (400..500).contains(&status) && !except.contains(&status),
            GivesUp::Listed(listed) => listed.contains(&status),
            GivesUp::AnyFailure => true,
        };
        match (content, gives_up) {
            (true, _) => Heard::Taken,
            (false, true) => Heard::GivenUp,
            (false, false) => Heard::ComesAgain,
        }
    }

    /// Whether it can be answered when MDSS has answered: it comes again often enough, and waits as long.
    pub(crate) fn can_wait(&self) -> bool {
        !matches!(self.gives_up, GivesUp::AnyFailure)
            && self.attempts >= 3
            && self.waits.is_none_or(|s| s > 10)
    }

    /// What is said of it at the start of a server in direct mode.
    pub(crate) fn is_warned_about(&self) -> bool {
        matches!(self.gives_up, GivesUp::AnyFailure) || self.waits.is_some_and(|s| s <= 25)
    }
}

const ENDLESS: u32 = u32::MAX;

/// Senders that repeat, as most do, and of whose rules nothing more is known.
const REPEATS: Sender = Sender {
    dialect: "",
    who: "",
    content: Content::Success,
    gives_up: GivesUp::Never,
    attempts: ENDLESS,
    goes_on: "without end",
    waits: None,
    source: "",
};

pub(crate) const SENDERS: &[Sender] = &[
    Sender {
        dialect: "oci-notifications",
        who: "OCI Notifications",
        // Nothing is published about statuses.
        gives_up: GivesUp::ClientErrors(&[]),
        attempts: 8,
        goes_on: "for 2 h, after 1, 2, 4 … min",
        source: "Oracle, notificationoverview (statuses are not published: 4xx is taken for final)",
        ..REPEATS
    },
    Sender {
        dialect: "aws-eventbridge",
        who: "an API destination of EventBridge",
        gives_up: GivesUp::ClientErrors(&[401, 407, 409, 429]),
        attempts: 186,
        goes_on: "for 24 h, 185 times",
        waits: Some(5),
        source: "AWS, eb-api-destinations, eb-rule-retry-policy; re:Post, eventbridge-api-destination-target-failure",
        ..REPEATS
    },
    Sender {
        dialect: "aws-sns",
        who: "Amazon SNS",
        gives_up: GivesUp::ClientErrors(&[429]),
        attempts: 4,
        goes_on: "three times, 20 s apart, unless a policy says otherwise",
        waits: Some(15),
        source: "AWS, sns-message-delivery-retries, SendMessageToHttp",
        ..REPEATS
    },
    Sender {
        dialect: "jdcloud",
        who: "JD Cloud's notification service",
        attempts: 4,
        goes_on: "three times within a minute",
        source: "JD Cloud, Callback Notification (statuses are not published)",
        ..REPEATS
    },
    Sender {
        dialect: "minio",
        who: "MinIO",
        source: "minio/minio internal/event/target/webhook.go, internal/store",
        ..REPEATS
    },
    Sender { dialect: "rustfs", who: "RustFS", source: "rustfs/rustfs crates/targets", ..REPEATS },
    Sender {
        dialect: "ceph",
        who: "Ceph, a persistent topic",
        source: "Ceph, S3 Bucket Notifications (persistent)",
        ..REPEATS
    },
    Sender {
        dialect: "storagegrid",
        who: "StorageGRID",
        attempts: 3,
        goes_on: "not published",
        source: "nothing is published",
        gives_up: GivesUp::ClientErrors(&[]),
        ..REPEATS
    },
    Sender {
        dialect: "azure-blob",
        who: "Azure Event Grid, a webhook",
        content: Content::Listed(&[200, 201, 202, 203, 204]),
        gives_up: GivesUp::Listed(&[400, 401, 403, 413]),
        attempts: 30,
        goes_on: "for 24 h, 30 times; then, and at once where it gives up, into the dead-letter container",
        waits: Some(30),
        source: "MicrosoftDocs/azure-docs articles/event-grid/delivery-and-retry.md",
    },
    Sender {
        dialect: "gcs",
        who: "Pub/Sub, a push subscription; Eventarc",
        content: Content::Listed(&[102, 200, 201, 202, 204]),
        goes_on: "for 7 days, or until its dead-letter topic has it",
        source: "Google, Pub/Sub push, handling-failures",
        ..REPEATS
    },
    Sender {
        dialect: "ibm-cos",
        who: "IBM Code Engine",
        gives_up: GivesUp::AnyFailure,
        attempts: 1,
        goes_on: "nothing is published: never",
        source: "IBM, codeengine subscription-cos (nothing about attempts, which is taken for one)",
        ..REPEATS
    },
    Sender {
        dialect: "r2",
        who: "a Worker that consumes R2's queue",
        attempts: 100,
        goes_on: "as the Worker says, 100 times at most; then into its dead-letter queue",
        source: "cloudflare/cloudflare-docs queues/configuration/batching-retries.mdx",
        ..REPEATS
    },
    Sender {
        dialect: "b2",
        who: "Backblaze B2",
        content: Content::Ok,
        attempts: 1,
        goes_on: "not published; a rule can be suspended",
        waits: Some(3),
        source: "Backblaze, Event Notifications Reference Guide",
        ..REPEATS
    },
    Sender {
        dialect: "seaweedfs",
        who: "a SeaweedFS filer",
        gives_up: GivesUp::AnyFailure,
        attempts: 1,
        goes_on: "never",
        waits: Some(10),
        source: "seaweedfs/seaweedfs weed/notification/webhook (read, not run)",
        ..REPEATS
    },
    Sender {
        dialect: "tigris",
        who: "Tigris",
        content: Content::Ok,
        attempts: 4,
        goes_on: "three times",
        waits: Some(10),
        source: "tigrisdata/tigris-os-docs docs/buckets/object-notifications.md",
        ..REPEATS
    },
    Sender {
        dialect: "alibaba-oss",
        who: "a topic of Alibaba Cloud's message service; EventBridge",
        attempts: 4,
        goes_on: "three times, 10 to 20 s apart, or 176 times in a day if the subscription says so; then into its dead-letter queue",
        waits: Some(5),
        source: "Alibaba Cloud, Simple Message Queue, NotifyStrategy (178972)",
        ..REPEATS
    },
    Sender {
        dialect: "huawei-obs",
        who: "Huawei's SMN",
        gives_up: GivesUp::ClientErrors(&[]),
        attempts: 7,
        goes_on: "six times, in growing pauses; an answer that is late is final, too",
        waits: Some(5),
        source: "Huawei Cloud, smn_ug_a9002, smn_faq_0014",
        ..REPEATS
    },
    Sender {
        dialect: "yandex",
        who: "a trigger of Yandex Cloud for a container",
        gives_up: GivesUp::AnyFailure,
        attempts: 1,
        goes_on: "never, unless the trigger says so, up to five times; then into its dead-letter queue, if there is one",
        source: "yandex-cloud/docs en/serverless-containers/concepts/dlq.md; yandexcloud, `RetrySettings` (statuses are not published)",
        ..REPEATS
    },
    Sender {
        dialect: "volcengine-tos",
        who: "Volcengine's veFaaS",
        attempts: 10,
        goes_on: "up to ten times in 6 h, after a status of 400 or above",
        source: "Volcengine, 6662/130472",
        ..REPEATS
    },
];

/// Dialects that no sender posts by itself: their events call a function, and over HTTP they come by a gateway of the operator's own.
pub(crate) const FUNCTIONS: &[&str] =
    &["oci", "oci-stream", "aws-s3", "aws-sqs", "jdcloud-function", "tencent-cos", "s3-compatible"];
