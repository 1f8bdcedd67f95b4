//! An export: a piece of the chain for people who do not have the ledger.
//!
//! JSONL is the form that proves; CSV is the same for a spreadsheet. Keys are chosen by whoever uploads, and a spreadsheet executes what looks like a
//! formula, so its cells are percent-encoded where that could be (<https://owasp.org/www-community/attacks/CSV_Injection>, read 2026-11).

use std::borrow::Cow;
use std::io::{self, Write};

use ring::digest::{Context, SHA256};
use serde_json::{Map, Value, json};

use crate::chain;
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Genesis};
use crate::hash::{EXPORT, Hash, hex};
use crate::kind::{Keys, Kind};
use crate::moment::Moment;

/// The columns of an export, in the order in which they stand in CSV and in the digest.
pub const COLUMNS: &[&str] = &[
    "seq",
    "ledger",
    "kind",
    "bucket",
    "namespace",
    "key",
    "version",
    "etag",
    "size",
    "source",
    "dialect",
    "event_time",
    "received_time",
    "accepted_time",
    "attempts",
    "latency_ms",
    "unit",
    "correlation_id",
    "file_id",
    "result",
    "file_state",
    "scan_completed_time",
    "confidence",
    "origin",
    "actor",
    "subject",
    "hash",
    "at",
    "keys",
    "salt",
    "commitment",
    "count",
    "reason",
    "about",
    "digest",
    "detail",
    "result_seq",
];

/// What the last cell of CSV's first line says.
const CELLS: &str = "(cells are percent-encoded: % and ; and control characters, and = + - @ in front)";

/// What stands at the front of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Where the chain began.
    pub genesis: Genesis,
    /// The first and the last entry; `None` if there is none in the period.
    pub range: Option<(u64, u64)>,
    /// The period that was asked for.
    pub period: (Option<Moment>, Option<Moment>),
    /// Entries.
    pub entries: u64,
    /// Those of them that are accepted writes.
    pub writes: u64,
    /// The hash of the entry before the first.
    pub previous: Hash,
    /// The hash of the last.
    pub last: Hash,
    /// Over all columns of all entries, the same for each form.
    pub digest: Hash,
    /// The public halves of the keys that sign the chain, each with the last entry that it is good for; of the last one that is [`u64::MAX`].
    pub keys: Vec<(u64, [u8; 32])>,
    /// The checkpoints that lie in the range.
    pub checkpoints: Vec<Checkpoint>,
}

impl Manifest {
    /// As JSON: the first line of JSONL, and the file beside CSV.
    pub fn to_json(&self) -> Value {
        let (from, until) = self.period;
        json!({
            "format": "mdss-relay-ledger-export",
            "format_version": 1,
            "tool_version": env!("CARGO_PKG_VERSION"),
            "ledger": self.genesis.ledger.to_string(),
            "created": self.genesis.created.to_string(),
            "public_key": hex(&self.genesis.public_key),
            "keys": self.keys.iter().map(|(until, key)| {
                json!({ "until_seq": (*until < u64::MAX).then_some(*until), "public_key": hex(key) })
            }).collect::<Vec<_>>(),
            "from": from.map(|moment| moment.to_string()),
            "until": until.map(|moment| moment.to_string()),
            "first_seq": self.range.map(|(first, _)| first),
            "last_seq": self.range.map(|(_, last)| last),
            "entries": self.entries,
            "writes": self.writes,
            "previous_hash": self.previous.to_string(),
            "last_hash": self.last.to_string(),
            "digest": self.digest.to_string(),
            "columns": COLUMNS,
            "checkpoints": self.checkpoints.iter().map(Checkpoint::to_string).collect::<Vec<_>>(),
        })
    }
}

/// A cell: a number stays one in JSON.
enum Cell {
    Text(String),
    Number(u64),
}

impl Cell {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.to_string()),
        }
    }
}

/// The cells of an entry, in the order of [`COLUMNS`].
fn cells(ledger: &str, buffer: &mut Vec<u8>, entry: &Entry) -> [Option<Cell>; COLUMNS.len()] {
    let fact = &entry.fact;
    let text = |text: Option<&str>| text.map(|text| Cell::Text(text.to_owned()));
    let moment = |moment: Option<Moment>| moment.map(|moment| Cell::Text(moment.to_string()));
    let number = |number: Option<u64>| number.map(Cell::Number);
    let hash = |hash: Option<Hash>| hash.map(|hash| Cell::Text(hash.to_string()));
    let key = fact.key.as_deref().map(|key| match entry.keys {
        Keys::Clear => String::from_utf8_lossy(key).into_owned(),
        Keys::Hashed | Keys::Off => hex(key),
    });
    let took = fact.settled_time.zip(fact.received_time).filter(|_| fact.kind == Kind::Accepted);
    let took =
        took.and_then(|(end, begin)| u64::try_from(end.as_millis().saturating_sub(begin.as_millis())).ok());
    [
        number(Some(entry.seq)),
        text(Some(ledger)),
        text(Some(fact.kind.name())),
        text(fact.bucket.as_deref()),
        text(fact.namespace.as_deref()),
        key.map(Cell::Text),
        text(fact.version.as_deref()),
        text(fact.etag.as_deref()),
        number(fact.size),
        text(fact.source.as_deref()),
        text(fact.dialect.as_deref()),
        moment(fact.event_time),
        moment(fact.received_time),
        moment(fact.settled_time),
        number(fact.attempts),
        number(took),
        text(fact.unit.as_deref()),
        text(fact.correlation_id.as_deref()),
        text(fact.file_id.as_deref()),
        text(fact.result.as_deref()),
        text(fact.file_state.as_deref()),
        moment(fact.scan_time),
        text(fact.confidence.as_deref()),
        text(fact.origin.map(|origin| origin.name())),
        text(fact.actor.as_deref()),
        hash(Some(chain::subject_of(buffer, entry))),
        hash(Some(entry.hash)),
        moment(Some(entry.at)),
        text(Some(entry.keys.name())),
        entry.salt.map(|salt| Cell::Text(hex(&salt))),
        hash(entry.commitment),
        number(fact.count),
        text(fact.reason.as_deref()),
        number(fact.about),
        hash(fact.digest),
        text(fact.detail.as_deref()),
        number(entry.result_seq),
    ]
}

/// The first reading: what the manifest has to say of the entries.
pub(crate) struct Tally {
    ledger: String,
    buffer: Vec<u8>,
    context: Context,
    range: Option<(u64, u64)>,
    entries: u64,
    writes: u64,
    last: Hash,
}

impl Tally {
    pub(crate) fn new(genesis: &Genesis, previous: Hash) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[EXPORT]);
        Self {
            ledger: genesis.ledger.to_string(),
            buffer: Vec::new(),
            context,
            range: None,
            entries: 0,
            writes: 0,
            last: previous,
        }
    }

    pub(crate) fn entry(&mut self, entry: &Entry) {
        let cells = cells(&self.ledger, &mut self.buffer, entry);
        // The same for each form: an absent cell is an empty text.
        self.buffer.clear();
        for cell in &cells {
            let text = cell.as_ref().map_or(Cow::Borrowed(""), Cell::text);
            chain::field(&mut self.buffer, Some(text.as_bytes()));
        }
        self.context.update(&self.buffer);
        self.range = Some((self.range.map_or(entry.seq, |(first, _)| first), entry.seq));
        self.entries += 1;
        self.writes += u64::from(entry.fact.kind == Kind::Accepted);
        self.last = entry.hash;
    }

    pub(crate) fn manifest(
        self,
        (genesis, keys): (Genesis, Vec<(u64, [u8; 32])>),
        period: (Option<Moment>, Option<Moment>),
        previous: Hash,
        checkpoints: Vec<Checkpoint>,
    ) -> Manifest {
        Manifest {
            genesis,
            range: self.range,
            period,
            entries: self.entries,
            writes: self.writes,
            previous,
            last: self.last,
            digest: Hash::finish(self.context),
            keys,
            checkpoints,
        }
    }
}

/// The second reading: writes the entries out.
pub(crate) struct Printer<W> {
    out: W,
    ledger: String,
    buffer: Vec<u8>,
    csv: bool,
}

impl<W: Write> Printer<W> {
    /// Writes what stands in front.
    pub(crate) fn begin(mut out: W, csv: bool, manifest: &Manifest) -> io::Result<Self> {
        if csv {
            write!(out, "{},\"{CELLS}\"\r\n", COLUMNS.join(","))?;
        } else {
            writeln!(out, "{}", manifest.to_json())?;
        }
        Ok(Self { out, ledger: manifest.genesis.ledger.to_string(), buffer: Vec::new(), csv })
    }

    pub(crate) fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let cells = cells(&self.ledger, &mut self.buffer, entry);
        if self.csv {
            for cell in &cells {
                let text = cell.as_ref().map_or(Cow::Borrowed(""), Cell::text);
                self.out.write_all(csv_cell(&text).as_bytes())?;
                self.out.write_all(b",")?;
            }
            self.out.write_all(b"\r\n")
        } else {
            let mut line = Map::new();
            for (name, cell) in COLUMNS.iter().zip(cells) {
                let value = match cell {
                    None => continue,
                    Some(Cell::Text(text)) => text.into(),
                    Some(Cell::Number(number)) => number.into(),
                };
                line.insert((*name).to_owned(), value);
            }
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")
        }
    }

    pub(crate) fn end(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What makes a formula of a cell, also in the wide forms that some spreadsheets take for the narrow ones.
const IN_FRONT: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// A text as a cell of CSV: percent-decoding its whole text gives it back. A semicolon separates cells where a comma separates decimals, and a tab or a
/// line's end may do so everywhere.
fn csv_cell(text: &str) -> Cow<'_, str> {
    let encoded =
        |at: usize, c: char| c.is_control() || c == '%' || c == ';' || (at == 0 && IN_FRONT.contains(&c));
    let quoted = |c: char| c == '"' || c == ',';
    let blank = text.starts_with(' ') || text.ends_with(' ');
    if !blank && !text.char_indices().any(|(at, c)| encoded(at, c) || quoted(c)) {
        return Cow::Borrowed(text);
    }
    let mut cell = String::with_capacity(text.len() + 8);
    cell.push('"');
    for (at, c) in text.char_indices() {
        match c {
            _ if encoded(at, c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    cell.push('%');
                    cell.push_str(&hex(&[byte]).to_ascii_uppercase());
                }
            }
            '"' => cell.push_str("\"\""),
            _ => cell.push(c),
        }
    }
    cell.push('"');
    Cow::Owned(cell)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a spreadsheet sees, whatever separates its cells.
    fn seen(line: &str) -> Vec<String> {
        [',', ';', '\t']
            .iter()
            .flat_map(|by| line.split(*by))
            .map(|cell| cell.trim_matches('"').to_owned())
            .collect()
    }

    /// Reads a cell as RFC 4180 says, and decodes it.
    fn read(cell: &str) -> String {
        let inner = match cell.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').unwrap().replace("\"\"", "\""),
            None => cell.to_owned(),
        };
        let mut bytes = Vec::new();
        let mut rest = inner.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            if *first == b'%' {
                bytes.extend(
                    crate::hash::from_hex(&inner[inner.len() - after.len()..][..2].to_lowercase()).unwrap(),
                );
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn l11_nothing_in_a_cell_is_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "a;=1",
            "a\n=1",
            "\u{ff1d}1",
            "%3D1",
            ";-1",
            "=\"a\",b",
        ] {
            let cell = csv_cell(text);
            assert_eq!(read(&cell), text);
            assert!(!cell.contains(['\t', '\r', '\n', ';']), "{cell}");
            assert!(!cell.trim_matches('"').starts_with(IN_FRONT), "{cell}");
            // Split by anything but a comma, which only stands between quotation marks.
            for piece in seen(&cell).into_iter().skip(cell.split(',').count()) {
                assert!(!piece.starts_with(IN_FRONT), "{text:?}: {piece}");
            }
        }
        assert_eq!(csv_cell("incoming/ü/a b.pdf"), "incoming/ü/a b.pdf");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_its_cell(text in "[=+@a;%\"', \t\r\n-]{0,8}|\\PC{0,8}") {
            let cell = csv_cell(&text);
            prop_assert_eq!(read(&cell), text.as_str());
            prop_assert!(!cell.chars().any(|c| c.is_control() || c == ';'));
            prop_assert!(!cell.strip_prefix('"').unwrap_or(&cell).starts_with(IN_FRONT));
        }
    }
}
