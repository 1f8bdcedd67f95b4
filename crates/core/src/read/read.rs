//! Reading a delivery: one function that decides which row of the table a thing is of, and one recursion into what lies in it.
//!
//! Detection looks at a discriminator the protocol defines and returns a row; it never tries parsers until one succeeds,
//! because then all the errors are lost. A source may pin its dialect: then only the rows of that dialect are asked, and the
//! sender, who picks the body, cannot pick the reader.

use std::collections::HashMap;

use crate::plain::checked::Checked;

use crate::model::delivery::Delivery;
use crate::model::dialect::{Dialect, KeyRules};
use crate::model::failure::Cause;
use crate::plain::text::Text;
use crate::read::around::Around;
use crate::read::item::{Item, Parsed, QueueMessage, Reading};
use crate::read::kept::kept;
use crate::read::row::{Called, Context, Envelope, Inside, Letter, Opened, Opening, Read, Row, Sent, Stands};
use crate::read::seen::{Mark, Seen};
use crate::read::table;
use crate::read::unknown::{not_json, unknown, unknown_object};
use crate::read::withheld;

/// More records than this in one delivery are refused: no provider sends as many (an SQS batch ends at 10,000
/// messages, everything else far below), and each costs memory.
pub(super) const MOST_RECORDS: usize = 20_000;

/// A longer id is not shown in an item's path: it stands in front of every record of its message.
const MOST_ID_BYTES: usize = 128;

/// Reads a delivery. Never fails: what cannot be read is an item that says so. `keep` is for routes that ask about more than
/// an event's normal form: each item holds the JSON it was read from, too.
pub(crate) fn read(delivery: &Delivery, keys: &KeyRules, keep: bool) -> Parsed {
    let mut reader =
        Reader { delivery, keys, keep, left: MOST_RECORDS, paths: HashMap::new(), messages: Vec::new() };
    let mut parsed = reader.request();
    if parsed.dialect == Some(Dialect::AwsSqs) && !reader.messages.is_empty() {
        parsed.messages = Some(reader.messages);
    }
    parsed
}

impl Delivery {
    /// The body as whoever keeps the delivery may keep it, if records of these dialects were read from it: what one of them may not
    /// show is in no kept body, whoever it came with and in whatever it was wrapped.
    pub fn body_to_keep(&mut self, read: impl IntoIterator<Item = Dialect>) -> Vec<u8> {
        let body = std::mem::take(&mut self.body);
        let mut dialects: Vec<_> = read.into_iter().chain(self.dialect).collect();
        dialects.sort_unstable_by_key(|dialect| dialect.name());
        dialects.dedup();
        let names = match dialects[..] {
            // Nobody knows whose it is.
            [] => table::withheld(None).to_vec(),
            _ => dialects.iter().flat_map(|of| table::withheld(Some(*of))).copied().collect(),
        };
        withheld::in_body(body, &names)
    }

    /// The headers that reading this delivery again needs, with the values that are looked at. Whoever keeps a delivery keeps
    /// these and no others: the rest may hold credentials.
    pub fn headers_to_keep(&self) -> Vec<(String, String)> {
        let kept = self.headers.iter().filter_map(|(name, value)| {
            let (name, valued) =
                table::headers().iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
            Some(((*name).to_owned(), if *valued { value.clone() } else { String::new() }))
        });
        kept.collect()
    }

    /// Whether this is an OPTIONS by which a sender of its dialect asks whether it may post; of any dialect, if it is pinned to
    /// none.
    pub fn asks_permission(&self) -> bool {
        let around = Around { request: Some(self), event: None };
        let rows = table::rows(Stands::Request).filter(|row| table::is_asked(row, self.dialect));
        let mut marks = rows.flat_map(|row| row.marks).filter(|mark| matches!(mark, Mark::Options(..)));
        marks.any(|mark| mark.fits(&Seen::text(""), around))
    }
}

/// What a thing is.
pub(super) enum Found {
    Row(&'static Row),
    /// It is known, and nothing of its kind belongs here.
    Misplaced(&'static Row),
    /// It is known, and there is a list beside it: which one.
    Both(&'static Row, &'static str),
    /// A member that had to be looked at stands in it twice; the sentence.
    Twice(serde_json::Error),
    Unknown,
}

/// Where a thing is met.
#[derive(Clone, Copy)]
pub(super) struct Spot<'e> {
    pub(super) stands: Stands,
    pub(super) inside: Inside,
    /// The dialect that the source is pinned to, or that the envelope around it holds.
    pub(super) pin: Option<Dialect>,
    /// What speaks of it from outside.
    pub(super) around: Around<'e>,
}

/// Which row a thing is of: the first one behind `from` that is asked under the pin and has a mark in it.
pub(super) fn look(seen: &Seen<'_>, spot: Spot<'_>, from: &mut usize) -> Found {
    let group = table::group(spot.stands);
    while let Some(known) = group.rows.get(*from) {
        *from += 1;
        let row = known.row;
        let mut fits =
            known.marks.iter().any(|(needs, mark)| seen.has(*needs) && mark.fits(seen, spot.around));
        let asked = table::is_asked(row, spot.pin);
        if !fits && asked && spot.pin.is_some() {
            fits = known.pinned.iter().any(|(needs, mark)| seen.has(*needs) && mark.fits(seen, spot.around));
        }
        if seen.is_torn()
            && let Err(e) = seen.once(&[])
        {
            return Found::Twice(e);
        }
        if !fits && !matches!(row.read, Read::Body) {
            continue;
        }
        // A body of another dialect than the pinned one is described as a whole; of a list's element its kind is said.
        let belongs = asked && row.lies_in.contains(&spot.inside);
        let said = !row.misplaced.is_empty() && (asked || spot.stands != Stands::Alone);
        match belongs {
            true => {
                return match beside(row, &group.lists, seen) {
                    Some(list) => Found::Both(row, list),
                    None => around_list(row, group, *from, seen, spot).unwrap_or(Found::Row(row)),
                };
            }
            false if said => return Found::Misplaced(row),
            false => {}
        }
    }
    Found::Unknown
}

/// Whether a list that was found stands in something that is asked later: an envelope's own event would not be seen.
fn around_list(
    row: &Row,
    group: &table::Group,
    from: usize,
    seen: &Seen<'_>,
    spot: Spot<'_>,
) -> Option<Found> {
    let Read::List(list) = &row.read else { return None };
    if list.member.is_empty() {
        return None;
    }
    let others = group.rows.get(from..)?.iter().filter(|other| !other.row.either.is_empty());
    let mut fitting = others.filter(|other| {
        let mut marks = other.marks.iter();
        table::is_asked(other.row, spot.pin)
            && other.row.lies_in.contains(&spot.inside)
            && marks.any(|(needs, mark)| *needs != 0 && seen.has(*needs) && mark.fits(seen, spot.around))
    });
    fitting.next().map(|other| Found::Both(other.row, list.member))
}

/// The list that stands in a thing beside what a row reads of it: whoever reads the one would not see the other.
fn beside(row: &Row, lists: &[&'static str], seen: &Seen<'_>) -> Option<&'static str> {
    let mut lists = lists.iter().copied();
    match &row.read {
        Read::List(list) if !list.member.is_empty() => lists.find(|other| {
            *other != list.member && seen.get(other).is_some_and(|raw| raw.get().starts_with('['))
        }),
        _ if row.either.is_empty() => None,
        // One that its reader asks for is its own.
        _ => lists.find(|list| seen.get(list).is_some() && !row.members.contains(list)),
    }
}

/// The sentence about a thing that has a list beside what a row reads of it.
pub(super) fn both(row: &Row, list: &str) -> String {
    match &row.read {
        Read::List(other) => format!("expected either `{}` or `{list}`, found both", other.member),
        _ => format!("expected either {} or `{list}`, found both", row.either),
    }
}

pub(super) struct Reader<'r> {
    pub(super) delivery: &'r Delivery,
    pub(super) keys: &'r KeyRules,
    /// Whether items keep the JSON they were read from.
    pub(super) keep: bool,
    /// How many more records this delivery may have.
    pub(super) left: usize,
    /// What the item paths of letters begin with, so that no two letters share it, and the number that the next one which wants the
    /// same gets.
    paths: HashMap<String, usize>,
    /// The queue's messages met so far.
    messages: Vec<QueueMessage>,
}

impl<'r> Reader<'r> {
    /// Reads a request: what its headers decide first, then its body, then what other headers say of a body nobody knows.
    fn request(&mut self) -> Parsed {
        let delivery = self.delivery;
        let pin = delivery.dialect;
        let seen = Seen::text("");
        let around = Around { request: Some(delivery), event: None };
        let spot = Spot { stands: Stands::Request, inside: Inside::Nothing, pin, around };
        let (mut from, mut body) = (0, Parsed::default());
        while let Found::Row(row) = look(&seen, spot, &mut from) {
            match &row.read {
                Read::Body => {
                    body = self.bytes(&delivery.body, spot);
                    if body.dialect.is_some() || pin.is_some() {
                        return body;
                    }
                }
                Read::Envelope(envelope) => {
                    if let Some(parsed) = self.envelope(row, envelope, &seen, spot) {
                        return parsed;
                    }
                }
                Read::Event(_) | Read::Notice(_) | Read::List(_) => {}
            }
        }
        body
    }

    /// Reads bytes that ought to be a text in UTF-8.
    fn bytes(&mut self, bytes: &[u8], spot: Spot<'_>) -> Parsed {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let detail = "the body begins with the byte order mark of UTF-16, expected JSON in UTF-8";
            return Parsed::unreadable(Cause::Unreadable, detail);
        }
        let Text { text, lost } = Text::of(bytes);
        let mut parsed = self.text(&text, spot);
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

    /// Reads a text, which lies in some envelope or in none.
    fn text(&mut self, text: &str, spot: Spot<'_>) -> Parsed {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let begin = text.trim_start_matches([' ', '\t', '\n', '\r']);
        let seen = match begin.as_bytes().first() {
            None => return Parsed::unreadable(Cause::Unreadable, "the body is empty, expected JSON"),
            Some(b'{') => Seen::object(text, &table::group(Stands::Alone).names),
            Some(b'[') => {
                Checked::read(text).map(|raw| Seen::array(raw, self.left).unwrap_or_else(|| Seen::text(text)))
            }
            Some(_) => Ok(Seen::text(text)),
        };
        // What is not one JSON value may be something else.
        let (seen, no_json) = match seen {
            Ok(seen) => (seen, None),
            Err(e) => (Seen::text(text), Some(e)),
        };
        let spot = Spot { stands: Stands::Alone, ..spot };
        let mut from = 0;
        let mut parsed = loop {
            match look(&seen, spot, &mut from) {
                Found::Row(row) => {
                    if let Some(parsed) = self.alone(row, &seen, spot) {
                        break parsed;
                    }
                }
                Found::Misplaced(row) => {
                    let detail = format!("{} where none belongs", row.misplaced);
                    break Parsed::unreadable(Cause::Unreadable, detail);
                }
                Found::Both(row, list) => {
                    let detail = both(row, list);
                    break Parsed::unreadable(Cause::Unreadable, detail);
                }
                Found::Twice(e) => {
                    break Parsed::unreadable(Cause::Unreadable, format!("the body: {e}"));
                }
                Found::Unknown if let Some(e) = &no_json => break not_json(e),
                Found::Unknown if begin.starts_with('{') => {
                    // A server's deliveries name their source.
                    let is_event = spot.around.request.is_some_and(|request| request.source.is_none());
                    break unknown_object(text, spot.pin, is_event);
                }
                Found::Unknown => break unknown(text),
            }
        };
        if self.keep && begin.starts_with('{') {
            // Elements of a list hold their own already, and what came in a message was read from that message.
            let sent = Checked::read(text).ok();
            for item in parsed.items.iter_mut().filter(|i| i.raw.is_none() && i.message.is_none()) {
                item.raw = sent.map(|sent| kept(item, sent, key_place(item), withheld(item)));
            }
        }
        parsed
    }

    /// Reads a thing that stands alone; `None` if it is none of this row after all.
    pub(super) fn alone(&mut self, row: &'static Row, seen: &Seen<'_>, spot: Spot<'_>) -> Option<Parsed> {
        if let Err(e) = seen.once(row.members) {
            let mut parsed = Parsed::unreadable(Cause::Unreadable, format!("the body: {e}"));
            // A list says of nobody who sent it.
            if !matches!(row.read, Read::List(_)) {
                parsed.dialect = Some(row.of);
                parsed.items.iter_mut().for_each(|item| item.dialect = Some(row.of));
            }
            return Some(parsed);
        }
        match &row.read {
            Read::Event(read) | Read::Notice(read) => {
                let context = Context {
                    keys: self.keys,
                    pin: spot.pin,
                    place: "",
                    outer: None,
                    around: spot.around,
                    keep: self.keep,
                };
                let mut item = read(seen, &context);
                item.path = "0".into();
                Some(Parsed { dialect: item.dialect, items: vec![item], ..Parsed::default() })
            }
            Read::List(list) => self.list(row, list, seen, spot),
            Read::Envelope(envelope) => self.envelope(row, envelope, seen, spot),
            Read::Body => None,
        }
    }

    /// Opens an envelope that stands alone, and reads what lies in it; `None` if it is none after all.
    fn envelope(
        &mut self,
        row: &'static Row,
        envelope: &Envelope,
        seen: &Seen<'_>,
        spot: Spot<'_>,
    ) -> Option<Parsed> {
        let opening = Opening { delivery: self.delivery, place: "", names_objects: table::names_objects };
        match (envelope.open)(seen, &opening) {
            Opened::Pass => None,
            Opened::Unreadable(detail) => Some(Parsed::unreadable(Cause::Unreadable, detail)),
            Opened::Notice(notice) => {
                let (item, reply, confirm) = *notice;
                Some(Parsed { reply, confirm, ..Parsed::of(row.of, vec![item]) })
            }
            Opened::Letters { letters, receipt } => {
                if letters.len() > self.left {
                    let found = letters.len();
                    return Some(Parsed::unreadable(
                        Cause::Unreadable,
                        format!(
                            "expected at most {MOST_RECORDS} records in one delivery, found {found} more"
                        ),
                    ));
                }
                let (mut parsed, mut items) = (Parsed::default(), Vec::new());
                for (index, letter) in letters.into_iter().enumerate() {
                    let left = self.left;
                    let mut inner = self.letter(envelope, letter, index, spot);
                    // One in which nothing was found costs memory, too.
                    self.left = self.left.min(left.saturating_sub(1));
                    items.append(&mut inner.items);
                    parsed = Parsed { dialect: parsed.dialect.or(inner.dialect), ..inner };
                }
                parsed.items = items;
                parsed.dialect = match envelope.called {
                    Called::Itself => Some(row.of),
                    Called::ItselfIfRead => parsed.dialect.map(|_| row.of),
                    Called::Inner => parsed.dialect,
                };
                Some(Parsed { receipt, ..parsed })
            }
        }
    }

    /// Reads one letter. Its items stand under its own path, if it has one.
    pub(super) fn letter(
        &mut self,
        envelope: &Envelope,
        letter: Letter<'_>,
        index: usize,
        spot: Spot<'_>,
    ) -> Parsed {
        let path = letter.id.map(|id| self.path(id.filter(|id| !id.is_empty()).as_deref(), index));
        let message = letter.message.map(|message| {
            self.messages.push(message);
            self.messages.len() - 1
        });
        // Only a body is spoken of by the headers of its request.
        let request =
            spot.around.request.filter(|_| matches!(envelope.inside, Inside::Nothing | Inside::Unchanged));
        let around = Around { request, event: letter.event.as_ref() };
        let pin = envelope.holds.pin(spot.pin);
        let inside = if envelope.inside == Inside::Unchanged { spot.inside } else { envelope.inside };
        let spot = Spot { stands: Stands::Alone, inside, pin, around };
        let mut inner = match &letter.text {
            Ok(Sent::Text(text)) => self.text(text, spot),
            Ok(Sent::Bytes(bytes)) => self.bytes(bytes, spot),
            Err(detail) => Parsed::unreadable(Cause::Unreadable, detail.as_str()),
        };
        let Some(path) = path else { return inner };
        // One answer is for one letter alone.
        inner.reply = None;
        if inner.confirm.take().is_some() {
            let warning =
                "a subscription waits for its confirmation; nobody visits a URL that came in a queue";
            inner.items.iter_mut().for_each(|item| item.warnings.push(warning.into()));
        }
        let place = letter.text.is_ok().then_some(&*letter.place);
        let items = inner.items.into_iter();
        let items = items.map(|item| Item { message: item.message.or(message), ..item.within(&path, place) });
        Parsed { items: items.collect(), ..inner }
    }

    /// A path for a letter that no other one has: senders repeat ids, leave them out, put a slash into them.
    pub(super) fn path(&mut self, id: Option<&str>, index: usize) -> String {
        let fits =
            |id: &&str| id.len() <= MOST_ID_BYTES && !id.contains('/') && !id.contains(char::is_control);
        let wanted = id.filter(fits).map_or_else(|| index.to_string(), str::to_owned);
        if !self.paths.contains_key(&wanted) {
            self.paths.insert(wanted.clone(), index);
            return wanted;
        }
        // Never tried twice: whoever repeats an id ten thousand times would pay for it once, and the relay ten thousand times.
        let mut number = self.paths.get(&wanted).copied().unwrap_or_default().max(index);
        let path = loop {
            let path = format!("{wanted}#{number}");
            number += 1;
            if !self.paths.contains_key(&path) {
                break path;
            }
        };
        self.paths.insert(wanted, number);
        self.paths.insert(path.clone(), index);
        path
    }
}

/// The members of what an item was read from that nobody may show.
pub(super) fn withheld(item: &Item) -> &'static [&'static str] {
    let read = !matches!(item.reading, Reading::Unreadable { .. });
    table::withheld(item.dialect.filter(|_| read))
}

/// Where the dialect of an item writes its key.
pub(super) fn key_place(item: &Item) -> &'static [&'static str] {
    item.dialect.map_or(&[], |dialect| table::facts(dialect).key_place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.name().parse(), Ok(*dialect));
        }
        let sentence = "s3".parse::<Dialect>().unwrap_err();
        assert!(sentence.starts_with("one of oci, oci-stream, oci-notifications, aws-s3, "), "{sentence}");
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
