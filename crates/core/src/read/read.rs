//! Dialects: what a provider's notification looks like and how it is told from the others.
//!
//! Detection looks at a discriminator the protocol defines and returns a name; it never tries parsers until one
//! succeeds, because then all the errors are lost. A source may pin its dialect; then nothing is recognised, and the
//! sender, who picks the body, cannot pick the reader.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::model::delivery::Delivery;
use crate::model::dialect::{Dialect, KeyRules};
use crate::model::failure::Cause;
use crate::plain::json;
use crate::plain::text::Text;
use crate::read::envelope::{jdcloud, oci_notifications, oci_stream, pubsub, sns, sqs, storagegrid};
use crate::read::item::{Item, Parsed, Reading, raw_of};
use crate::read::record::{eventbridge, jdcloud_function, oci, s3};
use crate::read::{reserved, rewrapped};

/// More records than this in one delivery are refused: no provider sends as many (an SQS batch ends at 10,000
/// messages, everything else far below), and each costs memory.
const MOST_RECORDS: usize = 20_000;

/// Records of one list that nobody can read are counted beyond these: each would cost a line, and whoever sends them pays
/// two bytes for one.
const MOST_UNREADABLE: usize = 100;

/// A longer id is not shown in an item's path: it stands in front of every record of its message.
const MOST_ID_BYTES: usize = 128;

/// What a text lies in. Each envelope holds only what really occurs in it, so there is no nesting without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// The delivery itself.
    Nothing,
    /// A message of a queue, or a record of a stream.
    Queue,
    /// A message of a topic, which itself may have come through a queue.
    Topic,
}

/// What reading needs beside the bytes.
pub(crate) struct Reader<'r> {
    pub(crate) keys: &'r KeyRules,
    pub(super) pinned: Option<Dialect>,
    /// Whether items keep the JSON they were read from.
    pub(super) keep: bool,
    /// How many more records this delivery may have.
    pub(super) left: usize,
    /// What the item paths of queue messages begin with, so that no two messages share it.
    pub(super) paths: HashSet<String>,
}

json::members! {
    /// The members of a delivery that tell dialects apart. Named, so that a member that stands there twice is an error
    /// and not a choice; everything else is passed over unread.
    struct Top {
        records = "Records",
        event_name = "EventName",
        /// MinIO of 2017 wrote this for `EventName`.
        event_type_2017 = "EventType",
        cloud_events_version = "cloudEventsVersion",
        event_type = "eventType",
        event = "Event",
        stream = "stream",
        offset = "offset",
        source = "source",
        detail_type = "detail-type",
        sns_type = "Type",
        topic_arn = "TopicArn",
        // JD's envelope.
        topic_owner = "topicOwner",
        subscription_name = "subscriptionName",
        message = "message",
        /// Pub/Sub's push.
        subscription = "subscription",
    }
}

impl Top<'_> {
    fn is_pubsub_push(&self) -> bool {
        self.subscription.is_some()
            && self.records.is_none()
            && self.message.is_some_and(|message| message.get().starts_with('{'))
    }

    /// The envelope of JD's notification service, which its media processing uses and its object storage may.
    fn is_jdcloud_envelope(&self) -> bool {
        self.topic_owner.is_some() && self.subscription_name.is_some() && self.message.is_some()
    }
}

/// Reads a delivery. Never fails: what cannot be read is an item that says so. `keep` is for conditions: each item holds
/// the JSON it was read from, too.
pub(crate) fn read(delivery: &Delivery, keys: &KeyRules, keep: bool) -> Parsed {
    let mut reader =
        Reader { keys, pinned: delivery.dialect, keep, left: MOST_RECORDS, paths: HashSet::new() };
    if reader.pinned.is_none_or(|d| d == Dialect::JdCloud)
        && let Some(parsed) = jdcloud::by_header(delivery)
    {
        return parsed;
    }
    let mut notification = false;
    if reader.pinned.is_none_or(|d| d == Dialect::OciNotifications) {
        match oci_notifications::by_header(delivery) {
            Some(oci_notifications::Message::Other(parsed)) => return *parsed,
            Some(oci_notifications::Message::Notification) => {
                notification = true;
                // What is inside is an event, or nothing that belongs here.
                reader.pinned = Some(Dialect::Oci);
            }
            None => {}
        }
    }
    // With raw delivery the body is what was published, whoever published it.
    let raw_delivery = reader.pinned == Some(Dialect::AwsSns)
        && delivery.header("x-amz-sns-rawdelivery").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if raw_delivery {
        reader.pinned = None;
    }
    let mut parsed = reader.lossy(&delivery.body, |reader, text| reader.delivery(delivery, text));
    if notification && parsed.dialect.is_some() {
        parsed.dialect = Some(Dialect::OciNotifications.name());
    }
    if raw_delivery && parsed.dialect.is_some() {
        parsed.dialect = Some(Dialect::AwsSns.name());
    }
    // Some reserved dialects show only in a header. It is the last word, not the first: behind such a header there may be
    // an event as its producer wrote it.
    match (parsed.dialect, delivery.dialect, reserved::by_header(delivery)) {
        (None, None, Some(name)) => reserved_delivery(name),
        _ => parsed,
    }
}

impl Reader<'_> {
    /// Reads bytes that ought to be a text in UTF-8, by `read`.
    pub(super) fn lossy(&mut self, bytes: &[u8], read: impl FnOnce(&mut Self, &str) -> Parsed) -> Parsed {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let detail = "the body begins with the byte order mark of UTF-16, expected JSON in UTF-8";
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        let Text { text, lost } = Text::of(bytes);
        let mut parsed = read(self, &text);
        if let Some(lost) = lost {
            parsed.items.iter_mut().for_each(|item| item.mistrust(lost));
            if parsed.dialect.is_none() {
                for item in &mut parsed.items {
                    if let Reading::Unreadable { failure, .. } = &mut item.reading {
                        failure.detail.push_str(&format!(" (it is not UTF-8 from byte {} on)", lost.at));
                    }
                }
            }
            if let Some(first) = parsed.items.first_mut() {
                first.warnings.push(format!(
                    "not UTF-8 from byte {} on; what cannot be read is replaced, and fails the record only where it names the object",
                    lost.at
                ));
            }
        }
        parsed
    }

    /// Reads a delivery's body.
    fn delivery(&mut self, delivery: &Delivery, text: &str) -> Parsed {
        if self.pinned.is_none_or(|d| d == Dialect::StorageGrid)
            && let Some(parsed) = storagegrid::read(self, delivery, text)
        {
            return parsed;
        }
        self.text(text, Within::Nothing)
    }

    /// Reads a text, which lies in some envelope or in none.
    pub(super) fn text(&mut self, text: &str, within: Within) -> Parsed {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let begin = text.trim_start_matches([' ', '\t', '\n', '\r']);
        if begin.is_empty() {
            return Parsed::unreadable(Cause::Unreadable, "the body is empty, expected JSON");
        }
        if !begin.starts_with('{') {
            return self.list(text, within);
        }
        let top: Top<'_> = match serde_json::from_str(text) {
            Ok(top) => top,
            Err(e) if e.is_data() => return Parsed::unreadable(Cause::Unreadable, format!("the body: {e}")),
            Err(e) => return not_json(text, &e),
        };
        if top.stream.is_some() && top.offset.is_some() && self.may_be_streamed(within) {
            return self.list(text, within);
        }
        let mut parsed = match self.pinned {
            Some(Dialect::Oci) => Parsed::of(Dialect::Oci, vec![oci::read(text, self.keys, self.keep)]),
            Some(pinned) => self.pinned(pinned, text, &top, within),
            None => self.recognised(text, &top, within),
        };
        if self.keep {
            // Elements of a list hold their own already, and what came in a message was read from that message.
            let sent = serde_json::from_str::<&RawValue>(text).ok();
            for item in parsed.items.iter_mut().filter(|i| i.raw.is_none() && i.message.is_none()) {
                item.raw = sent.map(|sent| raw_of(item, sent));
            }
        }
        parsed
    }

    /// A list, or a single stream record, which stands for a list of one.
    fn list(&mut self, text: &str, within: Within) -> Parsed {
        let raw: &RawValue = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(e) => return not_json(text, &e),
        };
        if self.may_be_streamed(within)
            && let Some((records, count)) = oci_stream::records(raw, self.left)
        {
            // What a pinned stream holds is decided as well.
            self.pinned = self.pinned.map(|_| Dialect::Oci);
            return match self.take(count, "the batch") {
                Ok(()) => oci_stream::read(self, &records),
                Err(detail) => Parsed::unreadable(Cause::Unreadable, detail),
            };
        }
        if s3::is_test_text(raw)
            && self.pinned.is_none_or(|d| d == Dialect::S3Compatible)
            && within == Within::Nothing
        {
            return Parsed::of(Dialect::S3Compatible, vec![s3::test_text()]);
        }
        match reserved::of_array(raw) {
            Some(name) => reserved_delivery(name),
            None => {
                let found = json::found(raw.get());
                let known = match found {
                    "a string" => rewrapped::string(raw),
                    _ => rewrapped::list(raw),
                };
                let detail = match known {
                    Some(known) => format!("this is {known}"),
                    None => format!("expected an event, which is an object, found {found}"),
                };
                Parsed::unreadable(Cause::UnknownDialect, detail)
            }
        }
    }

    /// Stream records hold events, never further stream records.
    fn may_be_streamed(&self, within: Within) -> bool {
        within == Within::Nothing && self.pinned.is_none_or(|d| d == Dialect::OciStream)
    }

    /// The order avoids collisions: OCI's version member first, then envelopes, then `Records`, then a test event, then the
    /// rest.
    fn recognised(&mut self, raw: &str, top: &Top<'_>, within: Within) -> Parsed {
        if top.cloud_events_version.is_some() && oci::is_oci_type(top.event_type) {
            return Parsed::of(Dialect::Oci, vec![oci::read(raw, self.keys, self.keep)]);
        }
        if top.sns_type.is_some() && top.topic_arn.is_some() {
            return self.topic(raw, top, within);
        }
        if top.is_jdcloud_envelope() {
            return self.jdcloud_envelope(raw, top, within);
        }
        if eventbridge::is_event(top.source, top.detail_type) && top.records.is_some() {
            let detail = "expected either an event of EventBridge or `Records`, found both";
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        // Before the test event: nothing that names objects may pass as a mere test.
        if let Some(records) = top.records {
            return self.records(records, top, within);
        }
        if eventbridge::is_event(top.source, top.detail_type) {
            return Parsed::of(Dialect::AwsEventBridge, vec![eventbridge::read(raw, self.keys)]);
        }
        if s3::is_test_event(top.event) {
            let item = s3::test_event(raw, None, 0);
            return Parsed { dialect: item.dialect, items: vec![item], ..Parsed::default() };
        }
        if top.is_pubsub_push() && within == Within::Nothing {
            return pubsub::read(self, top.message);
        }
        if let Some(name) = reserved::of_object(raw) {
            return reserved_delivery(name);
        }
        if let Some(known) = rewrapped::object(raw) {
            return Parsed::unreadable(Cause::UnknownDialect, format!("this is {known}"));
        }
        Parsed::unreadable(
            Cause::UnknownDialect,
            format!(
                "no known dialect: expected a list of `Records`, or `cloudEventsVersion` with an `eventType` of \
                     com.oraclecloud, or a `source` of aws.s3, or `Type` and `TopicArn`, or an `Event` of s3:TestEvent, \
                     found an object with {}",
                reserved::members(raw)
            ),
        )
    }

    /// A message of Amazon SNS that stands alone.
    fn topic(&mut self, raw: &str, top: &Top<'_>, within: Within) -> Parsed {
        if within == Within::Topic {
            return Parsed::unreadable(Cause::Unreadable, "a topic's message where none belongs");
        }
        // No signature of SNS covers such a member: whoever has one signed message could have put anything in.
        if top.records.is_some() {
            let detail = "expected either a topic's message (`Type` and `TopicArn`) or `Records`, found both";
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        sns::read(self, raw)
    }

    /// An event in JD's envelope.
    fn jdcloud_envelope(&mut self, raw: &str, top: &Top<'_>, within: Within) -> Parsed {
        if within != Within::Nothing {
            return Parsed::unreadable(Cause::Unreadable, "an envelope of JD Cloud's where none belongs");
        }
        if top.records.is_some() {
            let detail = "expected either JD Cloud's envelope or `Records`, found both";
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        jdcloud::read_envelope(self, raw)
    }

    fn pinned(&mut self, pinned: Dialect, raw: &str, top: &Top<'_>, within: Within) -> Parsed {
        match pinned {
            Dialect::AwsSns if top.sns_type.is_some() && top.topic_arn.is_some() => {
                return self.topic(raw, top, within);
            }
            Dialect::S3Compatible if top.is_pubsub_push() && within == Within::Nothing => {
                return pubsub::read(self, top.message);
            }
            Dialect::JdCloud if top.is_jdcloud_envelope() => return self.jdcloud_envelope(raw, top, within),
            Dialect::AwsEventBridge if eventbridge::is_event(top.source, top.detail_type) => {
                return Parsed::of(Dialect::AwsEventBridge, vec![eventbridge::read(raw, self.keys)]);
            }
            _ => {}
        }
        let envelope = match pinned {
            Dialect::OciStream => Some("a list of records with `stream` and `offset`"),
            Dialect::OciNotifications => Some("a request with the header X-OCI-NS-MessageType"),
            Dialect::AwsEventBridge => Some("an event with a `source` of aws.s3 and a `detail-type`"),
            Dialect::AwsSns if top.records.is_none() => Some("a message with `Type` and `TopicArn`"),
            _ => None,
        };
        if let Some(expected) = envelope {
            let found = reserved::members(raw);
            let detail = format!("expected {expected} ({pinned}), found an object with {found}");
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        if let Some(records) = top.records {
            let parsed = self.records(records, top, within);
            return Parsed { dialect: parsed.dialect.map(|_| pinned.name()), ..parsed };
        }
        if s3::is_test_event(top.event) {
            return Parsed::of(pinned, vec![s3::test_event(raw, Some(pinned), 0)]);
        }
        let found = match rewrapped::object(raw) {
            Some(known) => known.to_owned(),
            None => format!("an object with {}", reserved::members(raw)),
        };
        Parsed::unreadable(
            Cause::Unreadable,
            format!("expected an event of {pinned} with a list of `Records`, found {found}"),
        )
    }

    /// Makes room for more records.
    pub(super) fn take(&mut self, found: usize, place: &str) -> Result<(), String> {
        let left = self.left.checked_sub(found);
        self.left = left.ok_or_else(|| {
            format!("{place}: expected at most {MOST_RECORDS} records in one delivery, found {found} more")
        })?;
        Ok(())
    }

    /// A path for an outer record that no other one has: senders repeat ids, leave them out, put a slash into them.
    pub(super) fn path(&mut self, id: Option<String>, index: usize) -> String {
        let fits =
            |id: &String| id.len() <= MOST_ID_BYTES && !id.contains('/') && !id.contains(char::is_control);
        let mut path = id.filter(fits).unwrap_or_else(|| index.to_string());
        while !self.paths.insert(path.clone()) {
            path = format!("{path}#{index}");
        }
        path
    }

    fn records(&mut self, records: &RawValue, top: &Top<'_>, within: Within) -> Parsed {
        let Some((records, count)) = json::array(records, self.left) else {
            let found = json::found(records.get());
            return Parsed::unreadable(
                Cause::Unreadable,
                format!("Records: expected an array, found {found}"),
            );
        };
        if let Err(detail) = self.take(count, "Records") {
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        let outer = s3::Outer::new(top.event_name.or(top.event_type_2017));
        let mut parsed = Parsed::default();
        let (mut unreadable, mut rest) = (0, None);
        for (index, raw) in records.iter().enumerate() {
            let place = format!("Records[{index}]");
            let known = parsed.items.len();
            match self.class(raw, &place, &outer, within) {
                Class::S3(record, parts, producer) => {
                    let item = s3::read(&record, parts, producer, index, &place, &outer);
                    parsed.dialect = parsed.dialect.or(item.dialect);
                    parsed.items.push(item);
                }
                Class::Sqs(message) => {
                    // What counts is what is in it.
                    self.left += 1;
                    parsed.dialect = parsed.dialect.or(Some(Dialect::AwsSqs.name()));
                    sqs::read(self, &message, index, &place, &mut parsed);
                }
                Class::Sns(record) => {
                    self.left += 1;
                    parsed.dialect = parsed.dialect.or(Some(Dialect::AwsSns.name()));
                    parsed.items.extend(sns::read_record(self, &record, index, &place));
                }
                Class::JdCloudFunction(record) => {
                    let item = jdcloud_function::read(&record, self.keys, index, &place);
                    parsed.dialect = parsed.dialect.or(item.dialect);
                    parsed.items.push(item);
                }
                Class::Reserved(name) => {
                    parsed.dialect = parsed.dialect.or(Some(name));
                    parsed.items.push(Item::reserved(index.to_string(), name));
                }
                Class::Test => {
                    let item = s3::test_event(raw.get(), self.pinned, index);
                    parsed.dialect = parsed.dialect.or(item.dialect);
                    parsed.items.push(item);
                }
                Class::Bad(cause, detail) => {
                    unreadable += 1;
                    if unreadable <= MOST_UNREADABLE {
                        parsed.items.push(Item::new(index.to_string(), None, Reading::failed(cause, detail)));
                    } else if unreadable == MOST_UNREADABLE + 1 {
                        rest = Some((index, cause, detail));
                    }
                }
            }
            if self.keep {
                for item in
                    parsed.items[known..].iter_mut().filter(|i| i.raw.is_none() && i.message.is_none())
                {
                    item.raw = Some(raw_of(item, raw));
                }
            }
        }
        if let Some((index, cause, detail)) = rest {
            let more = match unreadable - MOST_UNREADABLE - 1 {
                0 => String::new(),
                more => format!(" (and {more} more behind it that cannot be read)"),
            };
            let reading = Reading::failed(cause, format!("{detail}{more}"));
            parsed.items.push(Item::new(index.to_string(), None, reading));
        }
        if records.is_empty() {
            // Nothing tells who sent it; both members are MinIO's alone.
            parsed.dialect = Some(if outer.minio_like() { Dialect::Minio } else { Dialect::AwsS3 }.name());
        }
        if parsed.dialect != Some(Dialect::AwsSqs.name()) {
            parsed.messages = None;
        }
        parsed
    }

    /// What one element of `Records` is.
    fn class<'a>(&self, raw: &'a RawValue, place: &str, outer: &s3::Outer, within: Within) -> Class<'a> {
        let record: s3::Record<'a> = match json::object(raw.get(), place) {
            Ok(record) => record,
            Err(detail) => return Class::Bad(Cause::Unreadable, detail),
        };
        // Letter case is nobody's promise.
        let source = json::string(record.event_source).ok().map(|source| source.to_ascii_lowercase());
        if source.as_deref() == Some("aws:sqs") {
            return match json::object(raw.get(), place) {
                // A message may hold an envelope, never another batch.
                Ok(message)
                    if within == Within::Nothing && self.pinned.is_none_or(|d| d == Dialect::AwsSqs) =>
                {
                    Class::Sqs(message)
                }
                Ok(_) => {
                    Class::Bad(Cause::Unreadable, format!("{place}: a queue message where none belongs"))
                }
                Err(detail) => Class::Bad(Cause::Unreadable, detail),
            };
        }
        if json::string(record.sns_source).is_ok_and(|s| s == "aws:sns") {
            return match json::object(raw.get(), place) {
                Ok(record)
                    if within == Within::Nothing && self.pinned.is_none_or(|d| d == Dialect::AwsSns) =>
                {
                    Class::Sns(record)
                }
                Ok(_) => {
                    Class::Bad(Cause::Unreadable, format!("{place}: a topic's message where none belongs"))
                }
                Err(detail) => Class::Bad(Cause::Unreadable, detail),
            };
        }
        if self.pinned == Some(Dialect::AwsSns) {
            let detail =
                format!("{place}: expected a topic's message (EventSource aws:sns), found another record");
            return Class::Bad(Cause::Unreadable, detail);
        }
        let function = record.detail.is_some() && json::string(record.source).is_ok_and(|s| s == "oss");
        if function && record.s3.is_none() && self.pinned.is_none_or(|d| d == Dialect::JdCloudFunction) {
            return match json::object(raw.get(), place) {
                Ok(record) => Class::JdCloudFunction(record),
                Err(detail) => Class::Bad(Cause::Unreadable, detail),
            };
        }
        if s3::is_test_record(&record) {
            return Class::Test;
        }
        let parts = s3::Parts::of(&record, place);
        match s3::producer(&record, &parts, source.as_deref(), outer, self.pinned, self.keys) {
            Some(producer) => Class::S3(record, parts, producer),
            None => match reserved::of_record(&record, source.as_deref()) {
                Some(name) => Class::Reserved(name),
                None => Class::Bad(Cause::UnknownDialect, s3::foreign(place, &record)),
            },
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it lives on the stack")]
enum Class<'a> {
    S3(s3::Record<'a>, s3::Parts<'a>, s3::Producer),
    Sqs(sqs::Wire<'a>),
    Sns(sns::Record<'a>),
    JdCloudFunction(jdcloud_function::Record<'a>),
    Reserved(&'static str),
    Test,
    Bad(Cause, String),
}

fn not_json(text: &str, error: &serde_json::Error) -> Parsed {
    match rewrapped::text(text) {
        Some(known) => Parsed::unreadable(Cause::UnknownDialect, format!("these are {known}")),
        None => Parsed::unreadable(Cause::Unreadable, format!("the body is not one JSON value: {error}")),
    }
}

pub(super) fn reserved_delivery(name: &'static str) -> Parsed {
    Parsed { dialect: Some(name), items: vec![Item::reserved("0".into(), name)], ..Parsed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_reserved_ones_are_refused_with_a_sentence() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.name().parse(), Ok(*dialect));
        }
        let sentence = "gcs".parse::<Dialect>().unwrap_err();
        assert_eq!(
            sentence,
            "a dialect that is read; gcs (a Google Cloud Storage notification) is reserved for a later version"
        );
        assert!(
            "s3".parse::<Dialect>()
                .unwrap_err()
                .starts_with("one of oci, oci-stream, oci-notifications, aws-s3, ")
        );
    }

    #[test]
    fn a_record_keeps_its_json_only_if_somebody_will_look() {
        let record = r#"{"eventSource":"aws:s3","s3":{}}"#;
        let oci = r#"{"cloudEventsVersion":"0.1","eventType":"com.oraclecloud.objectstorage.createobject"}"#;
        for (body, want) in [(format!(r#"{{"Records":[ {record} ]}}"#), record), (format!(" {oci} "), oci)] {
            let raw = |keep| {
                let parsed = read(&Delivery::from_function(body.as_str(), ""), &KeyRules::default(), keep);
                parsed.items.into_iter().next().unwrap().raw.map(|raw| raw.sent.get().to_owned())
            };
            assert_eq!((raw(false), raw(true)), (None, Some(want.to_owned())));
        }
    }
}
