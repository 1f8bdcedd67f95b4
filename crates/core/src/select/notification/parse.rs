//! From elements to rules, and every mistake on the way.
//!
//! The targets are looked at first, because they tell whose document it is, and that decides which events there are,
//! how a filter is read and what may stand beside what.

mod content;
mod parser;
mod target;
mod together;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::document::{Notification, Rule, Store};
use super::xml::{self, Element};
use crate::plain::mistake::Mistake;
use parser::{Kind, Parser, ROOT, Raw};

pub(super) use target::is_amazon;

/// JD Cloud documents a hundred rules a bucket. A hundred is Amazon's quota too, by general knowledge (the page was not
/// found). Others document nothing; but every rule is tried on every event, so the same bound serves.
pub(super) const MOST_RULES: usize = 100;

const KINDS: &[&str] = &[
    "TopicConfiguration",
    "QueueConfiguration",
    "CloudFunctionConfiguration",
    "LambdaFunctionConfiguration",
    "EventBridgeConfiguration",
];
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

impl Parser {
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
}
