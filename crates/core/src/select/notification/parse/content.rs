//! Which events a rule tells of, and of which keys.

use super::parser::{Kind, Parser, Raw};
use crate::plain::line;
use crate::plain::mistake::nearest;
use crate::select::notification::document::{Affix, Store, bare};
use crate::select::notification::xml::{self, Element};

/// No store has as many events; the time to compare two rules is bounded by it.
const MOST_EVENTS: usize = 64;

/// Nor has any so long a name; every event of two rules is compared with every other.
const MOST_EVENT_BYTES: usize = 100;

/// For the prefix and for the suffix (JD, "PUT Bucket notification", `Name`).
const MOST_JD_FILTER_BYTES: usize = 1022;

/// "The maximum length is 1,024 characters" (Amazon, `FilterRule`).
const MOST_FILTER_CHARACTERS: usize = 1024;

/// JD, "Callback Notification", the table of events.
pub(super) const JD_EVENTS: &[&str] = &[
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
];

/// Amazon, `TopicConfiguration`, valid values of `Event`.
const AMAZON_EVENTS: &[&str] = &[
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAnnotation:*",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
];

impl Parser {
    pub(super) fn events(&mut self, raw: &Raw<'_>) -> Vec<String> {
        if raw.kind == Kind::EventBridge {
            return Vec::new();
        }
        if raw.events.is_empty() {
            let place = format!("{}.Event", raw.place);
            self.mistake(raw.element.line, &place, None, "at least one, such as s3:ObjectCreated:*");
        }
        if let Some(extra) = raw.events.get(MOST_EVENTS) {
            let (place, found) = (format!("{}.Event", raw.place), format!("{} events", raw.events.len()));
            self.mistake(extra.line, &place, Some(&found), format!("at most {MOST_EVENTS}"));
            return Vec::new();
        }
        let mut events: Vec<String> = Vec::new();
        for (index, element) in raw.events.iter().enumerate() {
            let place = format!("{}.Event[{index}]", raw.place);
            let event = self.token(element, &place).to_owned();
            self.event(element.line, &place, &event);
            if events.contains(&event) {
                self.warn(element.line, &place, &format!("{event:?} stands there twice"));
            } else {
                events.push(event);
            }
        }
        events
    }

    fn event(&mut self, line: usize, place: &str, event: &str) {
        let known = match self.store {
            Store::JdCloud => JD_EVENTS,
            Store::Amazon | Store::Other => AMAZON_EVENTS,
        };
        if known.contains(&event) {
            return;
        }
        if event.len() > MOST_EVENT_BYTES {
            let found = format!("{} bytes", event.len());
            return self.mistake(line, place, Some(&found), format!("at most {MOST_EVENT_BYTES} bytes"));
        }
        let hint = || {
            nearest(event, known.iter().copied())
                .map_or_else(|| format!("one of {}", known.join(", ")), |name| format!("is {name} meant?"))
        };
        // A star anywhere but behind a family would stand for itself, and the rule never fire.
        let name = bare(event);
        let family = name.strip_suffix(":*").unwrap_or(name);
        let well_formed = name != event
            && !family.is_empty()
            && !family.ends_with(':')
            && family.chars().all(|c| c.is_ascii_alphanumeric() || c == ':');
        match self.store {
            Store::JdCloud => {
                self.mistake(line, place, Some(event), format!("an event of JD Cloud; {}", hint()));
            }
            Store::Amazon => self.mistake(line, place, Some(event), format!("an event of S3; {}", hint())),
            Store::Other if well_formed => {
                // MinIO has s3:ObjectAccessed:*, Ceph s3:ObjectLifecycle:Expiration:*, and so on.
                let event = line::clip(event, 60);
                self.warn(
                    line,
                    place,
                    &format!("{event:?} is no event of S3; other stores have some of their own"),
                );
            }
            Store::Other => {
                self.mistake(line, place, Some(event), format!("s3: and the name of an event; {}", hint()));
            }
        }
    }

    pub(super) fn filter(&mut self, filter: &Element, rule: &str) -> [Option<Affix>; 2] {
        let place = format!("{rule}.Filter");
        self.no_text(filter, &place);
        let mut affixes = [None, None];
        let mut seen = [false, false];
        let mut key_filters = 0;
        for child in &filter.children {
            if child.name != "S3Key" {
                // Ceph has S3Metadata and S3Tags ("Bucket Operations", Create Notification), which events do not show.
                self.unknown(child, &place, &["S3Key"]);
                continue;
            }
            key_filters += 1;
            if key_filters > 1 {
                self.mistake(
                    child.line,
                    &format!("{place}.S3Key"),
                    None,
                    "one of its kind; this is the second",
                );
                continue;
            }
            let place = format!("{place}.S3Key");
            self.no_text(child, &place);
            let mut index = 0;
            for element in &child.children {
                if element.name != "FilterRule" {
                    self.unknown(element, &place, &["FilterRule"]);
                    continue;
                }
                let place = format!("{place}.FilterRule[{index}]");
                index += 1;
                let Some((which, affix)) = self.filter_rule(element, &place) else { continue };
                if seen[which] {
                    // "The same type of filter rule cannot be used more than once" (Amazon, `S3KeyFilter` of
                    // CloudFormation); JD's example has one of each.
                    let name = ["prefix", "suffix"][which];
                    self.mistake(element.line, &place, Some(name), "one prefix and one suffix at most");
                }
                seen[which] = true;
                affixes[which] = affix;
            }
        }
        affixes
    }

    /// 0 for a prefix, 1 for a suffix.
    fn filter_rule(&mut self, element: &Element, place: &str) -> Option<(usize, Option<Affix>)> {
        self.no_text(element, place);
        let (mut name, mut value) = (None, None);
        for child in &element.children {
            let slot = match child.name.as_str() {
                "Name" => &mut name,
                "Value" => &mut value,
                _ => {
                    self.unknown(child, place, &["Name", "Value"]);
                    continue;
                }
            };
            if slot.replace(child).is_some() {
                let place = format!("{place}.{}", child.name);
                self.mistake(child.line, &place, None, "one of its kind; this is the second");
            }
        }
        const EXPECTED: &str = "prefix or suffix";
        let affix = match value {
            Some(value) => self.affix(value, &format!("{place}.Value")),
            None => {
                self.warn(element.line, place, "there is no Value, so this takes every key");
                None
            }
        };
        let Some(name) = name else {
            self.mistake(
                element.line,
                &format!("{place}.Name"),
                None,
                format!("{EXPECTED}; the element is missing"),
            );
            return None;
        };
        let place = format!("{place}.Name");
        // JD writes them small; what S3 gives back begins with a capital, and both are taken by S3.
        match self.token(name, &place) {
            text if text.eq_ignore_ascii_case("prefix") => Some((0, affix)),
            text if text.eq_ignore_ascii_case("suffix") => Some((1, affix)),
            text => {
                let text = text.to_owned();
                self.mistake(name.line, &place, Some(&text), EXPECTED);
                None
            }
        }
    }

    fn affix(&mut self, value: &Element, place: &str) -> Option<Affix> {
        self.leaf(value, place);
        let text = value.text.as_str();
        match self.store {
            Store::JdCloud if text.len() > MOST_JD_FILTER_BYTES => {
                let found = format!("{} bytes", text.len());
                self.mistake(
                    value.line,
                    place,
                    Some(&found),
                    format!("at most {MOST_JD_FILTER_BYTES} bytes"),
                );
            }
            Store::Amazon | Store::Other if text.chars().nth(MOST_FILTER_CHARACTERS).is_some() => {
                let found = format!("{} characters", text.chars().count());
                let expected = format!("at most {MOST_FILTER_CHARACTERS} characters");
                self.mistake(value.line, place, Some(&found), expected);
            }
            Store::JdCloud | Store::Amazon | Store::Other => {}
        }
        let shown = line::clip(text, 60);
        if text.trim_matches(xml::is_space).len() < text.len() {
            self.warn(
                value.line,
                place,
                &format!("{shown:?} begins or ends with white space, which is part of it"),
            );
        }
        if text.contains('*') {
            // "A wildcard character ("*") can't be used in filters" (Amazon, key name filtering); MinIO takes it as one.
            self.warn(
                value.line,
                place,
                &format!("{shown:?}: the * stands for itself here, and for nothing else"),
            );
        }
        if self.store == Store::JdCloud && text.contains(['%', '+']) {
            let sentence = format!(
                "{shown:?} is compared with the key as it stands; JD does not document whether it should be decoded"
            );
            self.warn(value.line, place, &sentence);
        }
        if self.store == Store::Amazon && text.contains(' ') {
            let sentence =
                format!("{shown:?} has a space; S3 wants a + for it, and the like for other characters");
            self.warn(value.line, place, &sentence);
        }
        Affix::new(self.store, text)
    }
}
