//! Documents written: from routes to rules, and from rules to XML.
//!
//! A store can say less than a route. What is written must never be narrower than the routes, or objects would go
//! unannounced and unscanned; where it is wider, the relay still skips, and a warning says what.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::document::{Affix, Notification, Rule, Store, Target};
use super::parse::{self, MOST_RULES};
use super::xml;
use crate::plain::mistake::Mistake;
use crate::select::route::Route;
use crate::select::rules::Rules;

/// The only events that are ever sent on.
const CREATED: &str = "s3:ObjectCreated:*";

/// "Safe characters" of keys (Amazon, "Naming Amazon S3 objects"), which need no encoding in a filter.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'!')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

impl Notification {
    /// The document that makes a store announce to `target` what the routes take of a bucket. It was read again before it
    /// is returned, so the store's rules hold for it. `source` leaves out the routes of other sources.
    ///
    /// # Errors
    /// Why there can be no such document.
    pub fn for_routes(
        rules: &Rules,
        bucket: &str,
        source: Option<&str>,
        target: &Target,
    ) -> Result<Self, Vec<Mistake>> {
        let store = match target {
            Target::Addresses(_) | Target::Function(_) => Store::JdCloud,
            Target::Topic(arn) | Target::Queue(arn) | Target::Lambda(arn) if parse::is_amazon(arn) => {
                Store::Amazon
            }
            Target::Topic(_) | Target::Queue(_) | Target::Lambda(_) => Store::Other,
            Target::EventBridge => Store::Amazon,
        };
        let mut warnings = Vec::new();
        let mut kept: Vec<Rule> = Vec::new();
        let mut named = false;
        for (index, route) in rules.routes.iter().enumerate() {
            let place = format!("route[{index}]");
            if !route.names_bucket(source, bucket) {
                continue;
            }
            if let Some(what) = only_oci(route) {
                warnings.push(format!(
                    "{place}: left out; {what} belongs to OCI, whose events need no such document"
                ));
                continue;
            }
            named = true;
            warnings.extend(unsaid(route).map(|what| {
                format!("{place}: {what} cannot be said in a document; the store announces more, and the relay skips it")
            }));
            for (prefix, suffix) in combinations(route) {
                let affix = |text: Option<&str>| Affix::new(store, &written(store, text?));
                let rule = Rule {
                    id: None,
                    line: 0,
                    target: target.clone(),
                    events: vec![CREATED.to_owned()],
                    prefix: affix(prefix),
                    suffix: affix(suffix),
                };
                if kept.iter().any(|k| k.covers_keys_of(&rule)) {
                    continue;
                }
                kept.retain(|k| !rule.covers_keys_of(k));
                kept.push(rule);
                if kept.len() > MOST_RULES {
                    let found = format!("more than {MOST_RULES} pairs of a prefix and a suffix by {place}");
                    let expected = format!("at most {MOST_RULES} rules; make the prefixes or suffixes wider");
                    return Err(vec![Mistake::found("the rules", &found, expected)]);
                }
            }
        }
        if !named {
            let expected = "a bucket that a route names, or there is nothing to announce";
            return Err(vec![Mistake::found("the bucket", bucket, expected)]);
        }
        if let Some(text) = kept
            .iter()
            .flat_map(|k| [&k.prefix, &k.suffix])
            .flatten()
            .map(Affix::as_str)
            .find(|text| !text.chars().all(xml::is_char))
        {
            let expected = "characters that XML allows; no document can say this";
            return Err(vec![Mistake::found("a prefix or suffix", text, expected)]);
        }
        for (index, rule) in kept.iter_mut().enumerate() {
            rule.id = Some(format!("mdss-relay-{}", index + 1));
        }
        let written = Self { store, rules: kept, warnings: Vec::new() };
        let read = Self::parse(written.to_xml().as_bytes())?;
        warnings.extend(read.warnings);
        Ok(Self { warnings, ..read })
    }

    /// The document: XML, one element a line, always the same for the same rules.
    pub fn to_xml(&self) -> String {
        let mut out = Out(Writer::new_with_indent(Vec::new(), b' ', 2));
        out.open("NotificationConfiguration");
        for rule in &self.rules {
            out.rule(rule);
        }
        out.close("NotificationConfiguration");
        let mut text = String::from_utf8(out.0.into_inner()).expect("everything written was text");
        text.push('\n');
        text
    }
}

/// What makes a route one for OCI events alone: those of S3 have no namespace and no compartment.
fn only_oci(route: &Route) -> Option<&'static str> {
    if !route.compartments.is_empty() {
        return Some("a list of compartments");
    }
    route.namespace.as_ref().map(|_| "a namespace")
}

/// What of a route no document can say.
fn unsaid(route: &Route) -> impl Iterator<Item = &'static str> {
    [
        (!route.suffix_any_case.is_empty()).then_some("suffix_any_case"),
        (!route.exclude_prefix.is_empty()).then_some("exclude_prefix"),
        (!route.exclude_suffix.is_empty()).then_some("exclude_suffix"),
        route.condition.as_ref().map(|_| "condition"),
        route.notification.as_ref().map(|_| "the document it takes its selection from"),
    ]
    .into_iter()
    .flatten()
}

/// Each prefix with each suffix; `None` where the route has no list.
fn combinations(route: &Route) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
    fn list(texts: &[String]) -> Vec<Option<&str>> {
        if texts.is_empty() { vec![None] } else { texts.iter().map(|t| Some(t.as_str())).collect() }
    }
    // A store compares letter for letter, so it announces all and the relay chooses.
    let suffixes = if route.suffix_any_case.is_empty() { list(&route.suffix) } else { vec![None] };
    list(&route.prefix)
        .into_iter()
        .flat_map(move |prefix| suffixes.clone().into_iter().map(move |suffix| (prefix, suffix)))
}

fn written(store: Store, text: &str) -> String {
    match store {
        Store::Amazon => utf8_percent_encode(text, UNSAFE).to_string().replace("%20", "+"),
        Store::JdCloud | Store::Other => text.to_owned(),
    }
}

struct Out(Writer<Vec<u8>>);

impl Out {
    fn event(&mut self, event: Event<'_>) {
        self.0.write_event(event).expect("a vector takes whatever is written");
    }

    fn open(&mut self, name: &str) {
        self.event(Event::Start(BytesStart::new(name)));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.event(Event::Text(BytesText::new(text)));
        self.close(name);
    }

    fn rule(&mut self, rule: &Rule) {
        let (element, target) = match &rule.target {
            Target::Addresses(list) => {
                let addresses: Vec<_> = list.iter().map(|a| a.expose()).collect();
                ("TopicConfiguration", ("Topic", format!("NS:{}", addresses.join(","))))
            }
            Target::Function(id) => ("CloudFunctionConfiguration", ("CloudFunction", id.clone())),
            Target::Topic(arn) => ("TopicConfiguration", ("Topic", arn.clone())),
            Target::Queue(arn) => ("QueueConfiguration", ("Queue", arn.clone())),
            Target::Lambda(arn) => ("CloudFunctionConfiguration", ("CloudFunction", arn.clone())),
            Target::EventBridge => {
                return self.event(Event::Empty(BytesStart::new("EventBridgeConfiguration")));
            }
        };
        self.open(element);
        if let Some(id) = &rule.id {
            self.leaf("Id", id);
        }
        if rule.prefix.is_some() || rule.suffix.is_some() {
            self.open("Filter");
            self.open("S3Key");
            for (name, affix) in [("prefix", &rule.prefix), ("suffix", &rule.suffix)] {
                let Some(affix) = affix else { continue };
                self.open("FilterRule");
                self.leaf("Name", name);
                self.leaf("Value", affix.as_str());
                self.close("FilterRule");
            }
            self.close("S3Key");
            self.close("Filter");
        }
        self.leaf(target.0, &target.1);
        for event in &rule.events {
            self.leaf("Event", event);
        }
        self.close(element);
    }
}
