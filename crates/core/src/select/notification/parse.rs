//! From elements to rules, and every mistake on the way.
//!
//! The targets are looked at first, because they tell whose document it is, and that decides which events there are,
//! how a filter is read and what may stand beside what.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::document::{Address, Affix, Notification, Rule, Store, Target, bare, tells_of};
use super::xml::{self, Element};
use crate::plain::line;
use crate::plain::mistake::{Mistake, nearest};

/// JD Cloud documents a hundred rules a bucket. A hundred is Amazon's quota too, by general knowledge (the page was not
/// found). Others document nothing; but every rule is tried on every event, so the same bound serves.
pub(super) const MOST_RULES: usize = 100;

/// No store has as many events; the time to compare two rules is bounded by it.
const MOST_EVENTS: usize = 64;

/// Nor has any so long a name; every event of two rules is compared with every other.
const MOST_EVENT_BYTES: usize = 100;

/// "at most 5 addresses are configured" (JD, "Callback Notification").
const MOST_ADDRESSES: usize = 5;

/// For the prefix and for the suffix (JD, "PUT Bucket notification", `Name`).
const MOST_JD_FILTER_BYTES: usize = 1022;

/// "The maximum length is 1,024 characters" (Amazon, `FilterRule`).
const MOST_FILTER_CHARACTERS: usize = 1024;

/// JD, "Callback Notification", the table of events.
const JD_EVENTS: &[&str] = &[
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

const ROOT: &str = "NotificationConfiguration";
const KINDS: &[&str] = &[
    "TopicConfiguration",
    "QueueConfiguration",
    "CloudFunctionConfiguration",
    "LambdaFunctionConfiguration",
    "EventBridgeConfiguration",
];
const NS: &str = "NS:";

/// What a configuration is called, which decides what its target may be.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Topic,
    Queue,
    Function,
    EventBridge,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "TopicConfiguration" => Self::Topic,
            "QueueConfiguration" => Self::Queue,
            "CloudFunctionConfiguration" | "LambdaFunctionConfiguration" => Self::Function,
            "EventBridgeConfiguration" => Self::EventBridge,
            _ => return None,
        })
    }

    /// The element its target stands in.
    fn target(self) -> &'static str {
        match self {
            Self::Topic => "Topic",
            Self::Queue => "Queue",
            Self::Function => "CloudFunction",
            Self::EventBridge => "",
        }
    }

    fn service(self) -> &'static str {
        match self {
            Self::Topic => "sns",
            Self::Queue => "sqs",
            Self::Function => "lambda",
            Self::EventBridge => "events",
        }
    }
}

impl Notification {
    /// The largest document that is read.
    pub(crate) const MOST_BYTES: u64 = xml::MOST_BYTES as u64;

    /// The bytes of a document, no more of them than [`parse`](Self::parse) looks at.
    ///
    /// # Errors
    /// As reading any file.
    pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
        let mut document = Vec::new();
        File::open(path)?.take(Self::MOST_BYTES.saturating_add(1)).read_to_end(&mut document)?;
        Ok(document)
    }

    /// Reads and checks a document.
    ///
    /// # Errors
    /// Every mistake, each with its line and its element; one, if the XML itself is broken.
    pub fn parse(document: &[u8]) -> Result<Self, Vec<Mistake>> {
        self::document(document)
    }
}

fn document(bytes: &[u8]) -> Result<Notification, Vec<Mistake>> {
    let mut warnings = Vec::new();
    let root = xml::read(bytes, &mut warnings).map_err(|mistake| vec![mistake])?;
    if root.name != ROOT {
        let place = format!("line {}", root.line);
        return Err(vec![Mistake::found(place, &root.name, format!("an element {ROOT}"))]);
    }
    let mut parser = Parser { mistakes: Vec::new(), warnings, store: Store::Other };
    let rules = parser.rules(&root);
    let Parser { mut mistakes, mut warnings, store } = parser;
    // In the order of the document, whatever was looked at first.
    mistakes.sort_by_key(|(line, _)| *line);
    warnings.sort_by_key(|(line, _)| *line);
    if mistakes.is_empty() {
        let warnings = warnings.into_iter().map(|(_, sentence)| sentence).collect();
        Ok(Notification { store, rules, warnings })
    } else {
        Err(mistakes.into_iter().map(|(_, mistake)| mistake).collect())
    }
}

/// A configuration whose elements have been told apart, and not yet read.
struct Raw<'e> {
    /// `rule[0]`.
    place: String,
    kind: Kind,
    element: &'e Element,
    id: Option<&'e Element>,
    filter: Option<&'e Element>,
    target: Option<&'e Element>,
    events: Vec<&'e Element>,
}

impl Raw<'_> {
    fn target_text(&self) -> &str {
        self.target.map_or("", |target| target.text.trim_matches(xml::is_space))
    }
}

struct Parser {
    mistakes: Vec<(usize, Mistake)>,
    warnings: Vec<(usize, String)>,
    store: Store,
}

impl Parser {
    fn mistake(&mut self, line: usize, place: &str, found: Option<&str>, expected: impl Into<String>) {
        let name = format!("line {line}, {place}");
        let mistake = match found {
            Some(found) => Mistake::found(name, found, expected),
            None => Mistake::new(name, expected),
        };
        self.mistakes.push((line, mistake));
    }

    fn warn(&mut self, line: usize, place: &str, sentence: &str) {
        self.warnings.push((line, format!("line {line}, {place}: {sentence}")));
    }

    fn rules(&mut self, root: &Element) -> Vec<Rule> {
        self.no_text(root, ROOT);
        let mut raws = Vec::new();
        for element in &root.children {
            let Some(kind) = Kind::of(&element.name) else {
                self.unknown(element, ROOT, KINDS);
                continue;
            };
            raws.push(self.raw(element, kind, raws.len()));
        }
        if raws.len() > MOST_RULES {
            let found = format!("{} rules", raws.len());
            self.mistake(root.line, ROOT, Some(&found), format!("at most {MOST_RULES}"));
            return Vec::new();
        }
        self.whose(root, &raws);
        let rules: Vec<(usize, Rule)> =
            raws.iter().enumerate().filter_map(|(index, raw)| Some((index, self.rule(raw)?))).collect();
        self.ids(&raws);
        self.together(&rules);
        rules.into_iter().map(|(_, rule)| rule).collect()
    }

    fn raw<'e>(&mut self, element: &'e Element, kind: Kind, index: usize) -> Raw<'e> {
        let place = format!("rule[{index}]");
        self.no_text(element, &place);
        let mut raw = Raw { place, kind, element, id: None, filter: None, target: None, events: Vec::new() };
        let mut known = vec!["Id", "Filter", "Event", kind.target()];
        if element.name == "LambdaFunctionConfiguration" {
            // The SDKs' names.
            let sentence = "the stores' documents call this CloudFunctionConfiguration in XML";
            self.warn(element.line, &raw.place, sentence);
            known.push("LambdaFunctionArn");
        }
        if kind == Kind::EventBridge {
            known.clear();
        }
        for child in &element.children {
            let slot = match child.name.as_str() {
                name if !known.contains(&name) => {
                    self.unknown(child, &raw.place, &known);
                    continue;
                }
                "Event" => {
                    raw.events.push(child);
                    continue;
                }
                "Id" => &mut raw.id,
                "Filter" => &mut raw.filter,
                _ => &mut raw.target,
            };
            if slot.is_some() {
                let place = format!("{}.{}", raw.place, child.name);
                self.mistake(child.line, &place, None, "one of its kind; this is the second");
            } else {
                *slot = Some(child);
            }
        }
        raw
    }

    /// Tells whose document it is.
    fn whose(&mut self, root: &Element, raws: &[Raw<'_>]) {
        let is_jd = |raw: &Raw<'_>| match raw.kind {
            Kind::Topic => raw.target_text().starts_with(NS),
            Kind::Function => !raw.target_text().is_empty() && !is_resource_name(raw.target_text()),
            Kind::Queue | Kind::EventBridge => false,
        };
        let is_s3 = |raw: &Raw<'_>| is_resource_name(raw.target_text()) || raw.kind == Kind::EventBridge;
        let is_amazon = |raw: &Raw<'_>| is_amazon(raw.target_text()) || raw.kind == Kind::EventBridge;
        if let Some(first) = raws.iter().find(|raw| is_jd(raw) || is_s3(raw)) {
            let stranger = raws.iter().find(|raw| if is_jd(first) { is_s3(raw) } else { is_jd(raw) });
            if let Some(stranger) = stranger {
                let found = format!("{} of JD Cloud's kind and {} of S3's", first.place, stranger.place);
                let found = if is_jd(first) {
                    found
                } else {
                    format!("{} of S3's kind and {} of JD Cloud's", first.place, stranger.place)
                };
                self.mistake(root.line, ROOT, Some(&found), "the rules of one store");
            }
            self.store = match first {
                first if is_jd(first) => Store::JdCloud,
                _ if raws.iter().any(is_amazon) => Store::Amazon,
                _ => Store::Other,
            };
        }
    }

    fn rule(&mut self, raw: &Raw<'_>) -> Option<Rule> {
        let before = self.mistakes.len();
        let line = raw.element.line;
        let id = raw.id.and_then(|id| {
            let text = self.token(id, &format!("{}.Id", raw.place));
            (!text.is_empty()).then(|| text.to_owned())
        });
        let target = self.target(raw);
        let events = self.events(raw);
        let [prefix, suffix] = raw.filter.map_or([None, None], |filter| self.filter(filter, &raw.place));
        let rule = Rule { id, line, target: target?, events, prefix, suffix };
        (self.mistakes.len() == before).then_some(rule)
    }

    fn target(&mut self, raw: &Raw<'_>) -> Option<Target> {
        if raw.kind == Kind::EventBridge {
            return Some(Target::EventBridge);
        }
        let name = raw.kind.target();
        let place = format!("{}.{name}", raw.place);
        let Some(element) = raw.target else {
            self.mistake(raw.element.line, &place, None, "whom the rule tells; the element is missing");
            return None;
        };
        if raw.kind == Kind::Queue && self.store == Store::JdCloud {
            self.mistake(element.line, &place, None, "no queue: JD Cloud tells addresses and functions");
            return None;
        }
        let text = self.token(element, &place).to_owned();
        if let Some(list) = text.strip_prefix(NS).filter(|_| raw.kind == Kind::Topic) {
            return self.addresses(element.line, &place, list).map(Target::Addresses);
        }
        if !is_resource_name(&text) {
            // Not shown: an address without its NS: may hold a secret.
            let expected = match raw.kind {
                Kind::Topic => "NS: and 1 to 5 addresses with commas between them (JD Cloud), or an ARN (S3)",
                Kind::Queue => "the ARN of a queue",
                Kind::Function | Kind::EventBridge => "the id of a function (JD Cloud), or its ARN (S3)",
            };
            let is_id = raw.kind == Kind::Function
                && !text.is_empty()
                && !text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':'));
            if !is_id {
                self.mistake(element.line, &place, None, expected);
                return None;
            }
            return Some(Target::Function(text));
        }
        self.resource_name(element.line, &place, raw.kind, &text);
        Some(match raw.kind {
            Kind::Topic => Target::Topic(text),
            Kind::Queue => Target::Queue(text),
            Kind::Function | Kind::EventBridge => Target::Lambda(text),
        })
    }

    fn addresses(&mut self, line: usize, place: &str, list: &str) -> Option<Vec<Address>> {
        let texts: Vec<&str> = list.split(',').collect();
        if texts.len() > MOST_ADDRESSES {
            let found = format!("{} addresses", texts.len());
            self.mistake(line, place, Some(&found), format!("{NS} and 1 to {MOST_ADDRESSES} addresses"));
            return None;
        }
        let mut addresses: Vec<Address> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let place = format!("{place}, address {}", index + 1);
            let trimmed = text.trim_matches(xml::is_space);
            if trimmed.len() < text.len() {
                self.warn(line, &place, "white space around it; read without, which the store may not do");
            }
            match Address::new(trimmed) {
                Ok(address) => {
                    if !address.is_encrypted() {
                        let sentence =
                            "http: events, and a secret in the path, travel in the clear; use https";
                        self.warn(line, &place, sentence);
                    }
                    if addresses.contains(&address) {
                        self.warn(line, &place, "stands there twice, so it would hear of everything twice");
                    }
                    addresses.push(address);
                }
                Err(expected) => self.mistake(line, &place, None, expected),
            }
        }
        (addresses.len() == texts.len()).then_some(addresses)
    }

    /// `arn:partition:service:region:account:resource` (Amazon, "Amazon Resource Names"); StorageGRID writes `urn:`.
    fn resource_name(&mut self, line: usize, place: &str, kind: Kind, text: &str) {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let well_formed = matches!(parts[..], [_, partition, service, .., resource]
            if parts.len() == 6 && ![partition, service, resource].contains(&""))
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !well_formed {
            return self.mistake(line, place, Some(text), "arn:partition:service:region:account:resource");
        }
        let service = kind.service();
        if self.store != Store::Amazon {
            return;
        }
        if !is_amazon(text) {
            self.mistake(line, place, Some(text), "an ARN of Amazon, with an account, as the others are");
        } else if parts[2] != service {
            self.mistake(line, place, Some(text), format!("an ARN whose service is {service}"));
        } else if text.ends_with(".fifo") {
            // Neither FIFO queues nor FIFO topics can be told (Amazon, "Supported event destinations").
            self.mistake(line, place, Some(text), "a standard queue or topic: S3 tells no FIFO ones");
        }
    }

    fn events(&mut self, raw: &Raw<'_>) -> Vec<String> {
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

    fn filter(&mut self, filter: &Element, rule: &str) -> [Option<Affix>; 2] {
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

    /// "the unique identifier of TopicConfiguration" (JD; the Chinese page: ids may not repeat), "An optional unique
    /// identifier" (Amazon).
    fn ids(&mut self, raws: &[Raw<'_>]) {
        let mut first = HashMap::new();
        for raw in raws {
            let Some(id) = raw.id else { continue };
            let text = id.text.trim_matches(xml::is_space);
            if text.is_empty() {
                continue;
            }
            if let Some(earlier) = first.get(text) {
                let place = format!("{}.Id", raw.place);
                self.mistake(id.line, &place, Some(text), format!("another id than that of {earlier}"));
            } else {
                first.insert(text, raw.place.clone());
            }
        }
    }

    // === what rules do to each other; at most `MOST_RULES` of them with `MOST_EVENTS` events. Those that
    // are wrong in themselves are not among them, so each comes with its index ===

    fn together(&mut self, rules: &[(usize, Rule)]) {
        if self.store == Store::JdCloud {
            return self.never_reached(rules);
        }
        // Rules of every event, pair by pair, would be slow; with sets a pair takes one look an event.
        let told: Vec<Told<'_>> = rules.iter().map(|(_, rule)| Told::by(rule)).collect();
        for (position, (index, rule)) in rules.iter().enumerate() {
            for ((earlier_index, earlier), told) in rules[..position].iter().zip(&told) {
                if !rule.shares_keys_with(earlier) {
                    continue;
                }
                let shared = rule.events.iter().find(|event| told.shares(event));
                let Some(event) = shared else { continue };
                let earlier = earlier.name(*earlier_index);
                let place = format!("rule[{index}]");
                if self.store == Store::Amazon {
                    // "cannot define filtering rules with overlapping prefixes, overlapping suffixes, or overlapping
                    // combinations [...] for the same event types" (Amazon, key name filtering).
                    let expected = format!(
                        "no event and key that {earlier} takes too, or S3 refuses the document; both take some keys of {event}"
                    );
                    self.mistake(rule.line, &place, None, expected);
                } else {
                    let sentence =
                        format!("takes some keys of {event} that {earlier} takes, too; S3 would refuse that");
                    self.warn(rule.line, &place, &sentence);
                }
            }
        }
    }

    /// With JD Cloud the first rule that fits ends it, so a rule may be there in vain.
    fn never_reached(&mut self, rules: &[(usize, Rule)]) {
        for (position, (index, rule)) in rules.iter().enumerate() {
            let mut takers = Vec::new();
            let all_taken = members(rule).iter().all(|event| {
                let taker = rules[..position].iter().position(|(_, earlier)| {
                    earlier.covers_keys_of(rule) && earlier.events.iter().any(|e| tells_of(e, event))
                });
                takers.extend(taker);
                taker.is_some()
            });
            if all_taken && !takers.is_empty() {
                takers.sort_unstable();
                takers.dedup();
                let names: Vec<_> = takers.iter().map(|i| rules[*i].1.name(rules[*i].0)).collect();
                let sentence =
                    format!("never fires: everything it would take, {} takes before", names.join(" or "));
                self.warn(rule.line, &format!("rule[{index}]"), &sentence);
            }
        }
    }

    // === elements ===

    fn unknown(&mut self, element: &Element, place: &str, known: &[&str]) {
        let expected = match known {
            [] => "nothing inside".to_owned(),
            known => nearest(&line::clip(&element.name, 60), known.iter().copied()).map_or_else(
                || format!("one of {}", known.join(", ")),
                |name| format!("a known element; is {name} meant?"),
            ),
        };
        self.mistake(element.line, place, Some(&format!("<{}>", element.name)), expected);
    }

    fn no_text(&mut self, element: &Element, place: &str) {
        if element.has_text() {
            self.mistake(element.line, place, None, "elements, and no text between them");
        }
    }

    fn leaf(&mut self, element: &Element, place: &str) {
        if let Some(child) = element.children.first() {
            let found = format!("<{}>", child.name);
            self.mistake(child.line, place, Some(&found), "text, and no elements");
        }
    }

    /// The text of an element where white space means nothing.
    fn token<'e>(&mut self, element: &'e Element, place: &str) -> &'e str {
        self.leaf(element, place);
        let text = element.text.trim_matches(xml::is_space);
        if !text.is_empty() && text.len() < element.text.len() {
            let sentence = "white space around it; read without, which the store may not do";
            self.warn(element.line, place, sentence);
        }
        text
    }
}

/// The events of a rule, to find out whether another rule tells of one of them.
struct Told<'r> {
    names: HashSet<&'r str>,
    /// The names, and every family one of them belongs to.
    families: HashSet<&'r str>,
}

impl<'r> Told<'r> {
    fn by(rule: &'r Rule) -> Self {
        let names = || rule.events.iter().map(|event| name(event));
        Self { names: names().collect(), families: names().flat_map(families).collect() }
    }

    /// Whether the event is one of them, or takes one of them in, or is taken in by one.
    fn shares(&self, event: &str) -> bool {
        self.families.contains(name(event)) || families(name(event)).any(|family| self.names.contains(family))
    }
}

/// A whole family is the beginning its events have in common, with a colon at the end, which no single event has.
fn name(event: &str) -> &str {
    let bare = bare(event);
    bare.strip_suffix('*').filter(|family| family.ends_with(':')).unwrap_or(bare)
}

/// The families a name belongs to, and the name.
fn families(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(':').map(|(at, _)| &name[..=at]).chain(std::iter::once(name))
}

/// The single events a rule of JD Cloud tells of: `ObjectCreated:*` is "Put Object, Post Object, Copy Object and Complete
/// Multipart Upload", `ObjectRemoved:*` "Delete Object".
fn members(rule: &Rule) -> HashSet<&'static str> {
    let single = JD_EVENTS.iter().copied().filter(|event| !event.ends_with('*'));
    single.filter(|event| rule.events.iter().any(|e| tells_of(e, event))).collect()
}

fn is_resource_name(text: &str) -> bool {
    text.starts_with("arn:") || text.starts_with("urn:")
}

/// Amazon's resources have an account of twelve digits; MinIO's partition is `minio`, and Ceph, which writes `aws`, has
/// a tenant there or nothing.
pub(super) fn is_amazon(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts[..], ["arn", partition, _, _, account, _]
        if (partition == "aws" || partition.starts_with("aws-"))
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit()))
}
