//! Reading a list: each of its elements is looked up on its own, so that a bad one takes no neighbour along.

use crate::plain::checked::Checked;

use super::item::{Item, Parsed, Reading};
use super::kept::kept;
use super::read::{Found, MOST_RECORDS, Reader, Spot, both, key_place, look, withheld};
use super::row::{Context, List, Opened, Opening, Read, Row, Stands};
use super::seen::Seen;
use super::table;
use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::plain::json;

/// Records of one list that nobody can read are counted beyond these: each would cost a line, and whoever sends them pays
/// two bytes for one.
const MOST_UNREADABLE: usize = 100;

impl Reader<'_> {
    /// Reads a list: each element is looked up again. `None`: it has no name by which it is a list, and no
    /// element that anybody knows.
    pub(super) fn list(
        &mut self,
        row: &'static Row,
        list: &List,
        seen: &Seen<'_>,
        spot: Spot<'_>,
    ) -> Option<Parsed> {
        let unreadable = |detail| Some(Parsed::unreadable(Cause::Unreadable, detail));
        let elements = match list.member {
            // One that stands alone is a list of one.
            "" if seen.count == 0 => Checked::read(seen.text).map(|raw| (vec![raw], 1)).ok(),
            "" => Some((seen.elements.clone(), seen.count)),
            member => seen.get(member).and_then(|raw| json::array(raw, self.left)),
        };
        let Some((elements, count)) = elements else {
            let found = seen.get(list.member).map_or("nothing", |raw| json::found(raw.get()));
            return unreadable(format!("{}: expected an array, found {found}", list.member));
        };
        if count > self.left {
            return unreadable(format!(
                "{}: expected at most {MOST_RECORDS} records in one delivery, found {count} more",
                list.place
            ));
        }
        let left = self.left;
        let mut parsed = Parsed { items: Vec::with_capacity(elements.len()), ..Parsed::default() };
        let (mut strangers, mut any_known, mut unknown) = (Strangers::default(), false, 0);
        for (index, raw) in elements.iter().copied().enumerate() {
            let place = match list.element {
                "" => format!("{}[{index}]", list.place),
                element => format!("{element}{index}"),
            };
            let (before, left) = (parsed.items.len(), self.left);
            match self.element(list, raw, &place, index, seen, spot, &mut parsed) {
                Ok(of) => {
                    any_known = true;
                    parsed.dialect = parsed.dialect.or(of);
                }
                Err(Unread::Stranger(_, detail) | Unread::Broken(detail)) if list.of_letters => {
                    let path = self.path(None, index);
                    let item = Item::new("0".into(), None, Reading::failed(Cause::Unreadable, detail));
                    parsed.items.push(item.within(&path, None));
                }
                Err(Unread::Stranger(cause, detail)) => {
                    unknown += 1;
                    parsed.items.extend(strangers.add(index, cause, detail));
                }
                Err(Unread::Broken(detail)) => {
                    parsed.items.extend(strangers.add(index, Cause::Unreadable, detail));
                }
            }
            // One in which nothing was found costs time, too.
            self.left = self.left.min(left.saturating_sub(1));
            if self.keep && !list.of_letters {
                let items = parsed.items[before..].iter_mut();
                items.filter(|i| i.raw.is_none() && i.message.is_none()).for_each(|item| {
                    item.raw = Some(kept(item, raw, key_place(item), withheld(item)));
                });
            }
        }
        if list.member.is_empty() && !list.of_letters && !any_known && unknown > 0 {
            self.left = left;
            return None;
        }
        parsed.items.extend(strangers.rest());
        if elements.is_empty() {
            parsed.dialect = (list.empty)(seen).or(spot.pin);
            if parsed.dialect.is_none() {
                return unreadable(format!("{}: expected an event, found an empty list", list.member));
            }
        }
        if list.of_letters {
            parsed.dialect = Some(row.of);
        }
        if let Some(pin) = spot.pin {
            parsed.dialect = parsed.dialect.map(|_| pin);
        }
        if count > 1 {
            // One answer is for one element alone.
            (parsed.reply, parsed.confirm) = (None, None);
        }
        Some(parsed)
    }

    /// Reads one element of a list into `parsed`: whose it is, or why nobody can tell.
    #[expect(clippy::too_many_arguments, reason = "what is known of the element, and where its items go")]
    fn element(
        &mut self,
        list: &List,
        raw: Checked<'_>,
        place: &str,
        index: usize,
        outer: &Seen<'_>,
        spot: Spot<'_>,
        parsed: &mut Parsed,
    ) -> Result<Option<Dialect>, Unread> {
        if !raw.get().starts_with('{') {
            let found = json::found(raw.get());
            return Err(Unread::Broken(format!("{place}: expected an object, found {found}")));
        }
        let twice = |e: serde_json::Error| Unread::Broken(format!("{place}: {e}"));
        for stands in list.elements {
            let seen = Seen::element(raw, &table::group(*stands).names).map_err(twice)?;
            let spot = Spot { stands: *stands, ..spot };
            let mut from = 0;
            loop {
                let row = match look(&seen, spot, &mut from) {
                    // Such a list would be a list in a list in a list, as deep as a body is long.
                    Found::Row(row) if is_of_deliveries(row) => {
                        return Err(Unread::Broken(format!(
                            "{place}: a list of deliveries where none belongs"
                        )));
                    }
                    Found::Row(row) => row,
                    Found::Both(row, list) => {
                        let both = both(row, list);
                        return Err(Unread::Broken(format!("{place}: {both}")));
                    }
                    Found::Twice(e) => return Err(twice(e)),
                    Found::Misplaced(row) => {
                        let detail = format!("{place}: {} where none belongs", row.misplaced);
                        return Err(Unread::Broken(detail));
                    }
                    Found::Unknown => break,
                };
                seen.once(row.members).map_err(twice)?;
                match &row.read {
                    Read::Event(read) | Read::Notice(read) => {
                        self.left = self.left.saturating_sub(1);
                        let context = Context {
                            keys: self.keys,
                            pin: spot.pin,
                            place,
                            outer: Some(outer),
                            around: spot.around,
                            keep: self.keep,
                        };
                        let mut item = read(&seen, &context);
                        item.path = index.to_string();
                        let of = item.dialect;
                        parsed.items.push(item);
                        return Ok(of);
                    }
                    Read::List(_) | Read::Envelope(_) if *stands == Stands::Alone => {
                        let Some(inner) = self.alone(row, &seen, spot) else { continue };
                        let path = index.to_string();
                        let items = inner.items.into_iter().map(|item| item.within(&path, Some(place)));
                        parsed.items.extend(items);
                        (parsed.reply, parsed.confirm) = (inner.reply, inner.confirm);
                        return Ok(inner.dialect);
                    }
                    // Of an envelope what counts is what is in it.
                    Read::Envelope(envelope) => {
                        let opening =
                            Opening { delivery: self.delivery, place, names_objects: table::names_objects };
                        match (envelope.open)(&seen, &opening) {
                            Opened::Pass => continue,
                            Opened::Unreadable(detail) => {
                                let path = self.path(None, index);
                                let reading = Reading::failed(Cause::Unreadable, detail);
                                parsed.items.push(Item::new(path, None, reading));
                            }
                            Opened::Notice(notice) => {
                                let path = self.path(None, index);
                                parsed.items.push(Item { path, ..notice.0 });
                            }
                            Opened::Letters { letters, .. } => {
                                for letter in letters {
                                    let inner = self.letter(envelope, letter, index, spot);
                                    parsed.items.extend(inner.items);
                                }
                            }
                        }
                        return Ok(Some(row.of));
                    }
                    Read::List(_) | Read::Body => {}
                }
            }
        }
        let seen = Seen::element(raw, &table::group(*list.elements.last().unwrap_or(&Stands::Alone)).names);
        Err(stranger(list, &seen.map_err(twice)?, place, spot.pin))
    }
}

/// Whether a row is a list whose elements are whole deliveries.
fn is_of_deliveries(row: &Row) -> bool {
    matches!(&row.read, Read::List(list) if list.elements.contains(&Stands::Alone))
}

/// Why an element of a list is not read; the sentence.
enum Unread {
    /// No row knows it.
    Stranger(Cause, String),
    Broken(String),
}

/// Elements of one list that nobody can read.
#[derive(Default)]
struct Strangers {
    count: usize,
    /// The first one that is not listed.
    rest: Option<(usize, Cause, String)>,
}

impl Strangers {
    fn add(&mut self, index: usize, cause: Cause, detail: String) -> Option<Item> {
        self.count += 1;
        if self.count <= MOST_UNREADABLE {
            return Some(Item::new(index.to_string(), None, Reading::failed(cause, detail)));
        }
        if self.rest.is_none() {
            self.rest = Some((index, cause, detail));
        }
        None
    }

    /// One item for all that were not listed.
    fn rest(self) -> Option<Item> {
        let (index, cause, detail) = self.rest?;
        let more = match self.count - MOST_UNREADABLE - 1 {
            0 => String::new(),
            more => format!(" (and {more} more behind it that cannot be read)"),
        };
        Some(Item::new(index.to_string(), None, Reading::failed(cause, format!("{detail}{more}"))))
    }
}

/// The sentence about an element that no row knows.
fn stranger(list: &List, seen: &Seen<'_>, place: &str, pin: Option<Dialect>) -> Unread {
    let mut rows = list.elements.iter().flat_map(|stands| table::rows(*stands));
    match rows.find(|row| Some(row.of) == pin && !row.expected.is_empty()) {
        Some(row) => {
            let detail = format!("{place}: expected {}, found another record", row.expected);
            Unread::Stranger(Cause::Unreadable, detail)
        }
        None => Unread::Stranger(Cause::UnknownDialect, (list.stranger)(seen, place)),
    }
}
