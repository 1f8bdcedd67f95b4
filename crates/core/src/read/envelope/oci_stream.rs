//! OCI Streaming records, as Connector Hub hands them to a function: an array of them, or a single one, each with an
//! event of OCI Events in base64.
//!
//! Shape: OCI Streaming API, "Message" (`stream`, `partition`, `key`, `value`, `offset`, `timestamp`); Connector Hub calls the
//! function with a JSON array (OCI Functions, "Integrating with other services"), and consumers of both forms exist. A
//! record that cannot be read is reported by its offset and hides nothing.

use std::borrow::Cow;

use crate::plain::checked::Checked;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::model::dialect::Dialect;
use crate::model::unit::StorageType;
use crate::plain::json::{self, NoText};
use crate::read::row::{
    Called, Envelope, Facts, Holds, Inside, List, Opened, Opening, Read, Row, Sent, Stands,
};
use crate::read::seen::{Mark, Seen, Test};

/// The API pads; whoever does not means the same bytes.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const FACTS: Facts = Facts {
    unit: StorageType::Oracle,
    looks_like: "a list of records with `stream` and `offset`",
    ..Facts::BASE
};

/// A list of stream records, or a single one, which stands for a list of one. Any of them tells: a bad one in front must not
/// make strangers of the rest. Stream records hold events, never further stream records.
pub(in crate::read) const BATCH: Row = Row {
    of: Dialect::OciStream,
    marks: &[Mark::Members(MEMBERS), Mark::Elements(MEMBERS)],
    lies_in: &[Inside::Nothing],
    facts: Some(&FACTS),
    read: Read::List(List {
        member: "",
        place: "the batch",
        element: "record ",
        elements: &[Stands::InStream],
        of_letters: true,
        empty: |_| Some(Dialect::OciStream),
        stranger: |_, _| String::new(),
    }),
    ..Row::BASE
};

const MEMBERS: &[(&str, Test)] = &[("stream", Test::There), ("offset", Test::There)];

/// One record.
pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::OciStream,
    stands: Stands::InStream,
    marks: &[Mark::AnyObject],
    members: &["offset", "value"],
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Stream,
        holds: Holds::IfPinned(Dialect::Oci),
        called: Called::Itself,
    }),
    ..Row::BASE
};

fn open<'a>(seen: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let offset = seen.get("offset").map(|offset| Cow::Borrowed(offset.get().trim_matches('"')));
    let event = event(seen.get("value"), opening.place);
    Opened::letter(offset, opening.place, event.map(|event| Sent::Bytes(Cow::Owned(event))))
}

/// The event in a record's value.
fn event(value: Option<Checked<'_>>, place: &str) -> Result<Vec<u8>, String> {
    let text = json::string(value).map_err(|problem| {
        let found = match problem {
            NoText::Absent => "none",
            NoText::Type(found) => found,
            NoText::NotUnicode => "a string that is not Unicode",
        };
        format!("{place}.value: expected base64, found {found}")
    })?;
    BASE64.decode(text.as_bytes()).map_err(|e| format!("{place}.value: expected base64: {e}"))
}
