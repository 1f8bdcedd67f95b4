//! The bytes of a listing, as elements. Memory is bounded: one element at a time, with its name's way from the root; a document
//! type, which could define entities and entities of entities, ends the reading.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// A listing needs five levels.
const MOST_LEVELS: usize = 12;

/// The longest name of an element that there is a use for.
const MOST_NAME: usize = 64;

/// A step through a document.
pub(crate) enum Step<'s> {
    /// An element begins.
    Begin,
    /// An element ends. `text` is what stands directly in it; `encoded` is the attribute of that name.
    End { text: &'s str, encoded: bool },
}

/// Goes through a document. `see` gets the names from the root to the element, and a step.
///
/// # Errors
/// Why it is no such document.
pub(crate) fn walk(
    bytes: &[u8],
    mut see: impl FnMut(&[String], Step<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "XML that is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    // The text of each open element, and whether it is marked as encoded.
    let mut open: Vec<(String, bool)> = Vec::new();
    let mut ended = false;
    loop {
        match reader.read_event().map_err(|e| format!("no XML: {e}"))? {
            Event::Start(tag) => {
                begin(&tag, &mut path, &mut open, ended)?;
                see(&path, Step::Begin)?;
            }
            Event::Empty(tag) => {
                begin(&tag, &mut path, &mut open, ended)?;
                see(&path, Step::Begin)?;
                end(&mut path, &mut open, &mut see)?;
                ended = path.is_empty();
            }
            Event::End(_) => {
                end(&mut path, &mut open, &mut see)?;
                ended = path.is_empty();
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(c)) => add(&mut open, c.encode_utf8(&mut [0; 4])),
                Ok(None) => match resolve_predefined_entity(&reference) {
                    Some(text) => add(&mut open, text),
                    None => return Err("an entity that XML does not define".to_owned()),
                },
                Err(_) => return Err("a reference to no character".to_owned()),
            },
            Event::DocType(_) => return Err("a document type, which is not read".to_owned()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match (ended, path.last()) {
        (_, Some(open)) => Err(format!("XML that ends inside <{open}>")),
        (false, None) => Err("no element".to_owned()),
        (true, None) => Ok(()),
    }
}

fn begin(
    tag: &quick_xml::events::BytesStart<'_>,
    path: &mut Vec<String>,
    open: &mut Vec<(String, bool)>,
    ended: bool,
) -> Result<(), String> {
    let name = tag.local_name();
    let name: &str = name.as_ref();
    if ended || path.len() >= MOST_LEVELS || name.len() > MOST_NAME {
        return Err("XML that is no listing".to_owned());
    }
    let mut encoded = false;
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| "XML with broken attributes".to_owned())?;
        let key: &str = attribute.key.as_ref();
        encoded |= key == "Encoded" && &*attribute.value == "true";
    }
    path.push(name.to_owned());
    open.push((String::new(), encoded));
    Ok(())
}

fn end(
    path: &mut Vec<String>,
    open: &mut Vec<(String, bool)>,
    see: &mut impl FnMut(&[String], Step<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let Some((text, encoded)) = open.pop() else { return Err("XML that ends twice".to_owned()) };
    see(path, Step::End { text: &text, encoded })?;
    path.pop();
    Ok(())
}

fn add(open: &mut [(String, bool)], text: &str) {
    if let Some((own, _)) = open.last_mut() {
        own.push_str(text);
    }
}
