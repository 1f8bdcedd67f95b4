//! What is being read: a configuration whose elements have been told apart, and the mistakes on the way.

use crate::plain::line;
use crate::plain::mistake::{Mistake, nearest};
use crate::select::notification::document::Store;
use crate::select::notification::xml::{self, Element};

/// The document's element.
pub(super) const ROOT: &str = "NotificationConfiguration";

/// What a configuration is called, which decides what its target may be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Topic,
    Queue,
    Function,
    EventBridge,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "TopicConfiguration" => Self::Topic,
            "QueueConfiguration" => Self::Queue,
            "CloudFunctionConfiguration" | "LambdaFunctionConfiguration" => Self::Function,
            "EventBridgeConfiguration" => Self::EventBridge,
            _ => return None,
        })
    }

    /// The element its target stands in.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Topic => "Topic",
            Self::Queue => "Queue",
            Self::Function => "CloudFunction",
            Self::EventBridge => "",
        }
    }

    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Topic => "sns",
            Self::Queue => "sqs",
            Self::Function => "lambda",
            Self::EventBridge => "events",
        }
    }
}

/// A configuration whose elements have been told apart, and not yet read.
pub(super) struct Raw<'e> {
    /// `rule[0]`.
    pub(super) place: String,
    pub(super) kind: Kind,
    pub(super) element: &'e Element,
    pub(super) id: Option<&'e Element>,
    pub(super) filter: Option<&'e Element>,
    pub(super) target: Option<&'e Element>,
    pub(super) events: Vec<&'e Element>,
}

impl Raw<'_> {
    pub(super) fn target_text(&self) -> &str {
        self.target.map_or("", |target| target.text.trim_matches(xml::is_space))
    }
}

pub(super) struct Parser {
    pub(super) mistakes: Vec<(usize, Mistake)>,
    pub(super) warnings: Vec<(usize, String)>,
    pub(super) store: Store,
}

impl Parser {
    #[cold]
    pub(super) fn mistake(
        &mut self,
        line: usize,
        place: &str,
        found: Option<&str>,
        expected: impl Into<String>,
    ) {
        let name = format!("line {line}, {place}");
        let mistake = match found {
            Some(found) => Mistake::found(name, found, expected),
            None => Mistake::new(name, expected),
        };
        self.mistakes.push((line, mistake));
    }

    #[cold]
    pub(super) fn warn(&mut self, line: usize, place: &str, sentence: &str) {
        self.warnings.push((line, format!("line {line}, {place}: {sentence}")));
    }

    // === elements ===

    pub(super) fn unknown(&mut self, element: &Element, place: &str, known: &[&str]) {
        let expected = match known {
            [] => "nothing inside".to_owned(),
            known => nearest(&line::clip(&element.name, 60), known.iter().copied()).map_or_else(
                || format!("one of {}", known.join(", ")),
                |name| format!("a known element; is {name} meant?"),
            ),
        };
        self.mistake(element.line, place, Some(&format!("<{}>", element.name)), expected);
    }

    pub(super) fn no_text(&mut self, element: &Element, place: &str) {
        if element.has_text() {
            self.mistake(element.line, place, None, "elements, and no text between them");
        }
    }

    pub(super) fn leaf(&mut self, element: &Element, place: &str) {
        if let Some(child) = element.children.first() {
            let found = format!("<{}>", child.name);
            self.mistake(child.line, place, Some(&found), "text, and no elements");
        }
    }

    /// The text of an element where white space means nothing.
    pub(super) fn token<'e>(&mut self, element: &'e Element, place: &str) -> &'e str {
        self.leaf(element, place);
        let text = element.text.trim_matches(xml::is_space);
        if !text.is_empty() && text.len() < element.text.len() {
            let sentence = "white space around it; read without, which the store may not do";
            self.warn(element.line, place, sentence);
        }
        text
    }
}
