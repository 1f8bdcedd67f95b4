//! OCI Streaming records, as Connector Hub hands them to a function: an array of them, or a single one, each with an
//! event of OCI Events in base64.
//!
//! Shape: OCI Streaming API, "Message" (`stream`, `partition`, `key`, `value`, `offset`, `timestamp`); Connector Hub calls the
//! function with a JSON array (OCI Functions, "Integrating with other services"), and consumers of both forms exist. A
//! record that cannot be read is reported by its offset and hides nothing.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;

use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::plain::json;
use crate::plain::json::NoText;
use crate::read::item::{Item, Parsed, Reading};
use crate::read::read::{Reader, Within};

/// The API pads; whoever does not means the same bytes.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

json::members! {
    struct Wire {
        stream = "stream",
        offset = "offset",
        value = "value",
    }
}

/// The records of a delivery, if it is one of stream records: told by the members of one of them.
pub(in crate::read) fn records(raw: &RawValue, most: usize) -> Option<(Vec<&RawValue>, usize)> {
    let list = if raw.get().starts_with('[') { json::array(raw, most)? } else { (vec![raw], 1) };
    // Any of them: a bad one in front must not make strangers of the rest.
    let streamed = |record: &&RawValue| {
        record.get().starts_with('{')
            && json::object::<Wire<'_>>(record.get(), "")
                .is_ok_and(|w| w.stream.is_some() && w.offset.is_some())
    };
    list.0.iter().any(streamed).then_some(list)
}

/// Reads a list of stream records.
pub(in crate::read) fn read(reader: &mut Reader<'_>, records: &[&RawValue]) -> Parsed {
    let mut items = Vec::new();
    for (index, raw) in records.iter().enumerate() {
        let place = format!("record {index}");
        let (offset, event) = match json::object::<Wire<'_>>(raw.get(), &place) {
            Ok(wire) => {
                (wire.offset.map(|o| o.get().trim_matches('"').to_owned()), event(wire.value, &place))
            }
            Err(detail) => (None, Err(detail)),
        };
        // What counts is what is in it.
        reader.left += 1;
        let path = reader.path(offset.filter(|o| !o.is_empty()), index);
        let inner = match &event {
            Ok(event) => reader.lossy(event, |reader, text| reader.text(text, Within::Queue)).items,
            Err(detail) => {
                vec![Item::new("0".into(), None, Reading::failed(Cause::Unreadable, detail.clone()))]
            }
        };
        items.extend(inner.into_iter().map(|item| item.within(&path, event.is_ok().then_some(&*place))));
    }
    Parsed::of(Dialect::OciStream, items)
}

/// The event in a record's value.
fn event(value: Option<&RawValue>, place: &str) -> Result<Vec<u8>, String> {
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
