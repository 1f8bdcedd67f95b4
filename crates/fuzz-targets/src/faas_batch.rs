//! Several CloudEvents in one body, as veFaaS writes them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use port_shim::unpack;
use serde_json::value::RawValue;

const HEADERS: &[u8] = b"ce-specversion: 1.0\r\nce-type: t\r\n";

/// Unpacks a body; and one in which the input is the data of two events.
pub fn faas_batch(bytes: &[u8]) {
    match unpack(b"1.0", bytes) {
        Ok(events) => {
            let events: Vec<&RawValue> = serde_json::from_str(&events).expect("a list in JSON");
            let (count, rest) = bytes.split_first_chunk().expect("it begins with their number");
            assert_eq!(u32::from_be_bytes(*count) as usize, events.len(), "each event is there");
            assert!(!events.is_empty() && rest.len() >= 8 * events.len());
        }
        Err(refusal) => {
            let sentence = refusal.sentence();
            assert!(!sentence.is_empty() && !sentence.contains(char::is_control), "{sentence:?}");
        }
    }
    let mut body = 2_u32.to_be_bytes().to_vec();
    for part in [HEADERS, bytes, HEADERS, bytes] {
        body.extend(u32::try_from(part.len()).expect("an input is small").to_be_bytes());
        body.extend(part);
    }
    let events = unpack(b"1.0", &body).expect("a body that is whole");
    let events: Vec<&RawValue> = serde_json::from_str(&events).expect("a list in JSON");
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(data(event), bytes.trim_ascii(), "the data is what it was");
    }
    // Neither more nor less than it says.
    body.push(0);
    assert!(unpack(b"1.0", &body).is_err());
    body.truncate(body.len() - 2);
    assert!(unpack(b"1.0", &body).is_err());
}

/// The data of an event, without white space around it.
fn data(event: &RawValue) -> Vec<u8> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(event.get()).expect("an object");
    assert_eq!(members.remove("type").map(RawValue::get), Some("\"t\""));
    match (members.remove("data"), members.remove("data_base64")) {
        (Some(data), None) => data.get().trim_ascii().as_bytes().to_vec(),
        (None, Some(text)) => {
            let text: String = serde_json::from_str(text.get()).expect("a text");
            BASE64.decode(text).expect("Base64").trim_ascii().to_vec()
        }
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => unreachable!("an event has its data once"),
    }
}
