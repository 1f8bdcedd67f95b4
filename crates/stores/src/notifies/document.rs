//! The document in which a bucket of S3's protocol says whom it tells: `GET ?notification`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html>
//!
//! Every store with this protocol writes it a little differently, so names are taken loosely: an element whose name ends in
//! `Configuration` is an entry, and what it holds that is neither a name, an event nor a filter is its target. The core's own reader of
//! such documents checks them as a store would before it takes them; here a store has taken it already.

use percent_encoding::percent_decode_str;

use crate::list::xml::{Step, walk};
use crate::notifies::entry::{DeadLetter, Entry, Selects, Test, Tests};

/// What can make a new object. `s3:ObjectCreated:*` is all of them.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>
pub(crate) const CREATIONS: &[&str] = &[
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
];

/// More entries than any store takes.
const MOST_ENTRIES: usize = 1000;

/// What the document says.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) entries: Vec<Entry>,
    /// Whether everything goes to EventBridge, too.
    pub(crate) event_bridge: bool,
    /// Whether it is JD Cloud's: "If the match is successful, the message notification will be sent and the match is terminated"
    /// (<https://docs.jdcloud.com/en/object-storage-service/callback-notification>).
    pub(crate) first_alone: bool,
}

/// An entry as it is read.
#[derive(Default)]
struct Raw {
    id: Option<String>,
    target: String,
    events: Vec<String>,
    /// The name and the value of a filter's rule.
    rules: Vec<(String, String)>,
    /// Elements below the filter that are no rules for keys: Ceph has some for metadata and tags.
    unclear: Vec<String>,
}

impl Document {
    /// # Errors
    /// Why it is no such document.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut document = Self::default();
        let mut raw: Option<Raw> = None;
        let mut rule = (String::new(), String::new());
        let mut root = false;
        walk(body, |path, step| {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            match (names.as_slice(), step) {
                (["NotificationConfiguration"], _) => root = true,
                (["NotificationConfiguration", "EventBridgeConfiguration"], _) => {
                    document.event_bridge = true
                }
                (["NotificationConfiguration", _], Step::Begin) => {
                    if document.entries.len() >= MOST_ENTRIES {
                        return Err(format!("more than {MOST_ENTRIES} entries"));
                    }
                    raw = Some(Raw::default());
                }
                (["NotificationConfiguration", kind], Step::End { .. }) => {
                    let raw = raw.take().unwrap_or_default();
                    document.first_alone |= raw.target.starts_with("NS:");
                    document.entries.push(raw.entry(kind, document.entries.len()));
                }
                ([_, _, "Filter", inner @ ..], Step::End { text, .. }) => {
                    let Some(raw) = &mut raw else { return Ok(()) };
                    match inner {
                        ["S3Key" | "Key" | "Object", "FilterRule", "Name"] => {
                            rule.0 = text.trim().to_lowercase()
                        }
                        ["S3Key" | "Key" | "Object", "FilterRule", "Value"] => rule.1 = text.to_owned(),
                        ["S3Key" | "Key" | "Object", "FilterRule"] => {
                            raw.rules.push(std::mem::take(&mut rule))
                        }
                        [other, .., "FilterRule"] => raw.unclear.push(format!("its filter looks at {other}")),
                        _ => {}
                    }
                }
                ([_, _, name], Step::End { text, .. }) => {
                    let Some(raw) = &mut raw else { return Ok(()) };
                    match *name {
                        "Id" => raw.id = Some(text.trim().to_owned()).filter(|id| !id.is_empty()),
                        "Event" => raw.events.push(text.trim().to_owned()),
                        _ => raw.target = text.trim().to_owned(),
                    }
                }
                ([other, ..], _) if *other != "NotificationConfiguration" => {
                    return Err(format!("<{other}> in place of a notification configuration"));
                }
                _ => {}
            }
            Ok(())
        })?;
        if root { Ok(document) } else { Err("no notification configuration".to_owned()) }
    }
}

impl Raw {
    fn entry(self, kind: &str, index: usize) -> Entry {
        // Amazon's resources have an account of twelve digits, and only Amazon form-encodes the values of filters: "If your prefix or
        // suffix contains a space, you must replace it with the + character", other special characters percent-encoded
        // (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html>). MinIO (`cmd/event-notification.go`,
        // `Send`) and Ceph (`rgw_pubsub.cc`, `match`) compare the value as it is.
        let encoded = is_amazon(&self.target);
        let mut all = Vec::new();
        let mut unclear = self.unclear;
        for (name, value) in self.rules.iter().filter(|(_, value)| !value.is_empty()) {
            let bytes: Vec<u8> = match encoded {
                true => percent_decode_str(&value.replace('+', " ")).collect(),
                false => value.as_bytes().to_vec(),
            };
            match name.as_str() {
                "prefix" => all.push(vec![Test::Begins(bytes)]),
                "suffix" => all.push(vec![Test::Ends(bytes)]),
                other => unclear.push(format!("its filter has a rule {other:?}")),
            }
        }
        let targets = match self.target.strip_prefix("NS:") {
            // JD Cloud: addresses with commas between them.
            Some(addresses) => addresses.split(',').map(|address| address.trim().to_owned()).collect(),
            None => vec![self.target],
        };
        // Ceph leaves the list out where it means every event
        // (<https://docs.ceph.com/en/latest/radosgw/s3/bucketops/#create-notification>).
        let selects = Selects::Tests(Tests { events: self.events, all, unclear, ..Tests::default() });
        let kind = kind.trim_end_matches("Configuration");
        let name = self.id.unwrap_or_else(|| format!("{kind} entry {}", index + 1));
        Entry {
            name,
            targets,
            off: None,
            selects,
            creations: CREATIONS,
            dead_letter: DeadLetter::NoSuchThing,
        }
    }
}

/// `arn:aws:sqs:eu-central-1:111122223333:queue`, and not MinIO's or Ceph's.
pub(crate) fn is_amazon(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(parts[..], ["arn", partition, _, _, account, _]
        if (partition == "aws" || partition.starts_with("aws-"))
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifies::takes::Takes;

    fn parsed(inner: &str) -> Document {
        let text = format!(
            "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</NotificationConfiguration>"
        );
        Document::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn documents_of_several_stores() {
        let filter = "<Filter><S3Key><FilterRule><Name>Prefix</Name><Value>a+b/</Value></FilterRule>\
                      <FilterRule><Name>suffix</Name><Value>.pdf</Value></FilterRule></S3Key></Filter>";
        let event = "<Event>s3:ObjectCreated:*</Event>";
        // Element and target, and the key that its filter takes.
        for (element, tag, target, key) in [
            ("QueueConfiguration", "Queue", "arn:aws:sqs:eu-central-1:111122223333:q", "a b/x.pdf"),
            (
                "CloudFunctionConfiguration",
                "CloudFunction",
                "arn:aws:lambda:eu-west-1:111122223333:function:f",
                "a b/x.pdf",
            ),
            // <https://github.com/minio/minio/blob/master/docs/bucket/notifications/README.md>
            ("QueueConfiguration", "Queue", "arn:minio:sqs::RELAY:webhook", "a+b/x.pdf"),
            // <https://docs.ceph.com/en/latest/radosgw/notifications/>
            ("TopicConfiguration", "Topic", "arn:aws:sns:default::relay", "a+b/x.pdf"),
            // <https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0040.html>
            (
                "FunctionGraphConfiguration",
                "FunctionGraph",
                "urn:fss:cn-north-4:p:function:default:f",
                "a+b/x.pdf",
            ),
            // <https://docs.jdcloud.com/en/object-storage-service/put-bucket-notification-2>
            (
                "TopicConfiguration",
                "Topic",
                "NS:https://relay.example/jd,https://other.example/",
                "a+b/x.pdf",
            ),
        ] {
            let document = parsed(&format!(
                "<{element}><Id>ours</Id>{filter}<{tag}>{target}</{tag}>{event}</{element}>"
            ));
            let [entry] = document.entries.as_slice() else { panic!("{document:?}") };
            assert_eq!(entry.name, "ours");
            assert_eq!(entry.targets.join(","), target.trim_start_matches("NS:"));
            assert_eq!(entry.takes("s3:ObjectCreated:Put", key), Takes::Yes, "{target}");
            assert!(matches!(entry.takes("s3:ObjectCreated:Put", "other"), Takes::No(_)), "{target}");
            assert!(matches!(entry.takes("s3:ObjectRemoved:Delete", key), Takes::No(_)), "{target}");
            assert!(!document.event_bridge);
        }
    }

    #[test]
    fn nothing_everything_and_what_is_not_known() {
        assert!(parsed("").entries.is_empty());
        assert!(parsed("<EventBridgeConfiguration/>").event_bridge);
        let entry = parsed("<TopicConfiguration><Topic>arn:aws:sns:default::t</Topic></TopicConfiguration>")
            .entries
            .remove(0);
        assert_eq!(
            (entry.name.as_str(), entry.takes("s3:ObjectCreated:Copy", "x")),
            ("Topic entry 1", Takes::Yes)
        );
        let with_tags = "<TopicConfiguration><Topic>t</Topic><Filter><S3Tags><FilterRule><Name>k</Name><Value>v</Value></FilterRule></S3Tags></Filter></TopicConfiguration>";
        assert!(matches!(parsed(with_tags).entries[0].takes("e", "x"), Takes::Unclear(_)));
    }

    #[test]
    fn what_is_no_such_document() {
        for body in [
            "",
            "{}",
            "<html><body>Log in</body></html>",
            "<NotificationConfiguration><Queue",
            "<Error><Code>X</Code></Error>",
        ] {
            assert!(Document::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
