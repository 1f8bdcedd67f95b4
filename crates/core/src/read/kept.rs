//! What a record was read from, kept for conditions: as it was sent, and with the key decoded. Credentials that a store writes into
//! its records are left out, so that no sentence about a condition can show them.

use serde_json::value::RawValue;

use super::item::{Item, Reading};
use super::withheld;
use crate::model::raw::Raw;
use crate::plain::checked::Checked;
use crate::plain::json;

/// Keeps what an item was read from. `key_place` leads to the key in it; empty: none does. The texts of the members called as in
/// `names` are withheld.
pub(super) fn kept(item: &Item, sent: Checked<'_>, key_place: &[&str], names: &[&str]) -> Raw {
    let without = withheld::in_json(sent, names);
    let without = without.as_deref().and_then(|without| Checked::read(without).ok());
    kept_as_it_is(item, without.unwrap_or(sent), key_place)
}

fn kept_as_it_is(item: &Item, sent: Checked<'_>, key_place: &[&str]) -> Raw {
    let decoded = match &item.reading {
        Reading::Object(event) if !key_place.is_empty() => {
            let key = key_place.iter().try_fold(sent, |value, name| json::member(value, name));
            key.and_then(|key| replaced(sent, key, event.key.as_str()))
        }
        _ => None,
    };
    Raw { sent: sent.to_raw(), decoded }
}

/// The same JSON with a text in the place of `part`, which is borrowed from it; `None` if that stands there already.
fn replaced(whole: Checked<'_>, part: Checked<'_>, text: &str) -> Option<Box<RawValue>> {
    if json::string(Some(part)).is_ok_and(|sent| sent == text) {
        return None;
    }
    let (whole, part, text) = (whole.get(), part.get(), serde_json::to_string(text).ok()?);
    let begin = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let (before, behind) = (whole.get(..begin)?, whole.get(begin + part.len()..)?);
    RawValue::from_string([before, &text, behind].concat()).ok()
}
