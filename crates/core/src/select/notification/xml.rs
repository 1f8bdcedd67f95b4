//! The bytes of a document, as elements. Nothing here knows what they mean.
//!
//! quick-xml reads the markup. What it leaves to its user is decided here: how much is read, that a document type
//! (which could define entities, and entities entities) ends the reading, and which references are text. No sentence
//! quotes the text of an element, because an address in it may hold a secret.

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::plain::line;
use crate::plain::mistake::Mistake;

/// A hundred rules with the longest filters, and five addresses of two kilobytes each, are a megabyte; written with a
/// reference for every other character, a few.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// The document needs six levels.
const MOST_LEVELS: usize = 16;

/// A hundred rules with every event there is need a fifth of it.
const MOST_ELEMENTS: usize = 20_000;

/// One element; attributes are not kept, the document has none.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    /// The line its start tag begins on, from 1.
    pub(super) line: usize,
    pub(super) children: Vec<Element>,
    /// The text directly inside, all pieces together.
    pub(super) text: String,
}

impl Element {
    /// Whether there is text that is more than the space between two elements.
    pub(super) fn has_text(&self) -> bool {
        !self.text.trim_matches(is_space).is_empty()
    }
}

/// White space, as XML has it.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// What XML 1.0 allows in a document (section 2.2, `Char`), written or as a reference.
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The root element of a document; warnings, with their lines, about what is left out.
///
/// # Errors
/// The place where the reading ended, and why. One: behind it nothing means anything.
pub(super) fn read(bytes: &[u8], warnings: &mut Vec<(usize, String)>) -> Result<Element, Mistake> {
    if bytes.len() > MOST_BYTES {
        let found = format!("{} bytes", bytes.len());
        return Err(Mistake::found("the document", &found, format!("at most {MOST_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        Mistake::new(format!("line {line}"), "XML in UTF-8")
    })?;
    // quick-xml passes over it, too, but does not count it, and lines would be wrong.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Tree { text, line: 1, counted: 0, open: Vec::new(), elements: 0, root: None }.read(warnings)
}

struct Tree<'t> {
    text: &'t str,
    /// The line at `counted`.
    line: usize,
    counted: usize,
    open: Vec<Element>,
    elements: usize,
    root: Option<Element>,
}

impl Tree<'_> {
    fn read(mut self, warnings: &mut Vec<(usize, String)>) -> Result<Element, Mistake> {
        let mut reader = Reader::from_str(self.text);
        loop {
            let start = position(reader.buffer_position());
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(e) => {
                    self.go_to(position(reader.error_position()));
                    return Err(self.mistake(sentence(&e)));
                }
            };
            // Text may end on a later line than it begins on; a tag is named by where it begins.
            self.go_to(start);
            match event {
                Event::Start(tag) => self.start(&tag, warnings)?,
                Event::Empty(tag) => {
                    self.start(&tag, warnings)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.add(&text.xml10_content())?,
                Event::CData(text) => self.add(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let known = match reference.resolve_char_ref() {
                        Ok(Some(c)) => Some(c.to_string()),
                        Ok(None) => resolve_predefined_entity(&reference).map(str::to_owned),
                        Err(_) => None,
                    };
                    let Some(text) = known else {
                        return Err(self.mistake(
                            "a reference that is &amp;, &lt;, &gt;, &apos;, &quot; or the number of a character; a lone & \
                             is written &amp;",
                        ));
                    };
                    self.add(&text)?;
                }
                Event::DocType(_) => {
                    return Err(self.mistake("no document type (<!DOCTYPE …>): it is not read"));
                }
                Event::PI(_) => return Err(self.mistake("no processing instruction (<?…?>)")),
                Event::Decl(declaration) => {
                    let utf8 = match declaration.encoding() {
                        None => true,
                        Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8"),
                        Some(Err(_)) => false,
                    };
                    if !utf8 {
                        return Err(
                            self.mistake("XML in UTF-8, and a declaration that says so or says nothing")
                        );
                    }
                }
                Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            let (line, name) = (open.line, shown(&open.name));
            return Err(
                self.mistake(format!("</{name}>, for the <{name}> of line {line}; the document ends"))
            );
        }
        match self.root.take() {
            Some(root) => Ok(root),
            None => Err(Mistake::new("the document", "an element NotificationConfiguration; it is empty")),
        }
    }

    fn go_to(&mut self, position: usize) {
        let passed = self.text.as_bytes().get(self.counted..position).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count();
        self.counted = self.counted.max(position);
    }

    fn mistake(&self, expected: impl Into<String>) -> Mistake {
        Mistake::new(format!("line {}", self.line), expected)
    }

    fn start(&mut self, tag: &BytesStart<'_>, warnings: &mut Vec<(usize, String)>) -> Result<(), Mistake> {
        let name = tag.name().as_ref().to_owned();
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.mistake("nothing behind the end of the first element"));
        }
        if self.open.len() >= MOST_LEVELS {
            return Err(self.mistake(format!("at most {MOST_LEVELS} elements inside each other")));
        }
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(self.mistake(format!("at most {MOST_ELEMENTS} elements")));
        }
        // `xmlns` is how S3 marks its documents; with the check for doubles the time would be quadratic.
        let mut odd = false;
        for attribute in tag.attributes().with_checks(false) {
            match attribute {
                Ok(attribute) => odd |= !attribute.key.as_ref().starts_with("xmlns"),
                Err(_) => return Err(self.mistake("attributes of the form name=\"value\"")),
            }
        }
        if odd {
            let name = shown(&name);
            let sentence =
                format!("line {}: <{name}> has attributes, which say nothing in this document", self.line);
            warnings.push((self.line, sentence));
        }
        self.open.push(Element { name, line: self.line, children: Vec::new(), text: String::new() });
        Ok(())
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), Mistake> {
        if !text.chars().all(is_char) {
            return Err(self.mistake("characters that XML allows; found one it does not"));
        }
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_matches(is_space).is_empty() => {}
            None => {
                return Err(
                    self.mistake("an element, <NotificationConfiguration>, and no text outside of it")
                );
            }
        }
        Ok(())
    }
}

fn position(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// A name for a sentence. To quick-xml it is whatever stands before a space or a bracket, a terminal's commands too.
fn shown(name: &str) -> String {
    line::one_line(line::clip(name, 60))
}

/// quick-xml's own sentences may quote what stands there.
fn sentence(error: &Error) -> String {
    match error {
        Error::IllFormed(IllFormedError::MismatchedEndTag { expected, .. }) => {
            format!("</{}>, found the end of another element", shown(expected))
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => {
            "no end of an element that was never begun".into()
        }
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            "a ; at the end of a reference; a lone & is written &amp;".into()
        }
        Error::Syntax(e) => format!("XML; {e}"),
        _ => "well-formed XML".into(),
    }
}
