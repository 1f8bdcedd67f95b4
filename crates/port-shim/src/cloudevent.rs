//! A CloudEvent whose attributes are headers becomes one whose attributes are members, which is what a handler can be given.
//!
//! Forms: CloudEvents 1.0, "HTTP Protocol Binding" 3.1 (binary) and "JSON Event Format" 3 (structured), `github.com/cloudevents/spec`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode;
use serde::Serialize;
use serde_json::value::RawValue;
use shim::Refusal;

/// What the headers of attributes begin with.
const PREFIX: &str = "ce-";
const CONTENT_TYPE: &str = "content-type";

/// Attributes, as members of an object.
#[derive(Serialize)]
struct Structured<'a> {
    #[serde(flatten)]
    attributes: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// The event of these headers, with names in lower case, and this body. Without the attributes that make a CloudEvent, the body is the event.
pub(crate) fn event<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: Vec<u8>,
) -> Result<String, Refusal> {
    let attributes = attributes(headers)?;
    if !attributes.contains_key("specversion") || !attributes.contains_key("type") {
        return String::from_utf8(body).map_err(|_| Refusal::NotUtf8);
    }
    // Anything but an object or a list goes in Base64: a text as `data` would be read once more by some.
    let json = body.trim_ascii_start().first().filter(|first| b"{[".contains(first));
    let data: Option<&RawValue> = json.and_then(|_| serde_json::from_slice(&body).ok());
    let data_base64 = (data.is_none() && !body.is_empty()).then(|| BASE64.encode(&body));
    let event = Structured { attributes, data, data_base64 };
    serde_json::to_string(&event).map_err(|_| refusal("its attributes cannot be written as JSON"))
}

/// The attributes among headers. The type of the data is one, too: `Content-Type` says it (3.1.1), whatever else does. The same value may stand
/// there twice; of two different ones nobody knows which is meant.
fn attributes<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<BTreeMap<&'a str, String>, Refusal> {
    let (mut attributes, mut content_type) = (BTreeMap::new(), None);
    for (header, value) in headers {
        let name = header.strip_prefix(PREFIX).filter(|name| is_name(name));
        if name.is_none() && header != CONTENT_TYPE {
            continue;
        }
        // Values are percent-encoded (3.1.3.2); one whose bytes are no text once decoded means what stands there.
        let text = percent_decode(value).decode_utf8().unwrap_or_else(|_| String::from_utf8_lossy(value));
        let before = match name {
            Some(name) => attributes.insert(name, text.to_string()),
            None => content_type.replace(text.to_string()),
        };
        if before.is_some_and(|before| before != text) {
            return Err(refusal("an attribute of it stands there twice, with two values"));
        }
    }
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype", content_type);
    }
    Ok(attributes)
}

/// Whether an attribute may have this name. `data` and `data_base64` are no attributes.
fn is_name(name: &str) -> bool {
    let of_it = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !name.is_empty() && name != "data" && name.bytes().all(of_it)
}

pub(crate) fn refusal(why: &str) -> Refusal {
    Refusal::NotWrapped(format!("the body is no CloudEvent: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)], body: &str) -> Result<String, String> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        event(headers, body.as_bytes().to_vec()).map_err(|refusal| refusal.sentence())
    }

    #[test]
    fn headers_become_members_and_the_data_stays_as_it_is() {
        const HEAD: [(&str, &str); 2] = [("ce-specversion", "1.0"), ("ce-type", "t")];
        let with = |more: (&'static str, &'static str)| [HEAD[0], HEAD[1], more];
        let twice = "the body is no CloudEvent: an attribute of it stands there twice, with two values";
        const TYPES: [(&str, &str); 4] =
            [HEAD[0], HEAD[1], ("content-type", "text/x"), ("ce-datacontenttype", "text/y")];
        for (headers, body, want) in [
            (&HEAD[..], "{\"a\" : 1}", Ok(r#"{"specversion":"1.0","type":"t","data":{"a" : 1}}"#)),
            (&HEAD, " [1]", Ok(r#"{"specversion":"1.0","type":"t","data":[1]}"#)),
            (&HEAD, "", Ok(r#"{"specversion":"1.0","type":"t"}"#)),
            (&HEAD, "tick", Ok(r#"{"specversion":"1.0","type":"t","data_base64":"dGljaw=="}"#)),
            (&HEAD, "\"{}\"", Ok(r#"{"specversion":"1.0","type":"t","data_base64":"Int9Ig=="}"#)),
            (
                &with(("ce-subject", "a%20%E6%97%A5")),
                "",
                Ok(r#"{"specversion":"1.0","subject":"a 日","type":"t"}"#),
            ),
            (&with(("ce-subject", "a%ff")), "", Ok(r#"{"specversion":"1.0","subject":"a%ff","type":"t"}"#)),
            (
                &with(("content-type", "text/x")),
                "",
                Ok(r#"{"datacontenttype":"text/x","specversion":"1.0","type":"t"}"#),
            ),
            (&with(("ce-data", "forged")), "", Ok(r#"{"specversion":"1.0","type":"t"}"#)),
            (&with(("x-faas-secret-access-key", "s")), "", Ok(r#"{"specversion":"1.0","type":"t"}"#)),
            // Said twice is said; of two values one would be silently lost. `Content-Type` is what it says, wherever it stands.
            (&with(("ce-type", "t")), "", Ok(r#"{"specversion":"1.0","type":"t"}"#)),
            (&with(("ce-type", "%74")), "", Ok(r#"{"specversion":"1.0","type":"t"}"#)),
            (&with(("ce-type", "u")), "", Err(twice)),
            (&TYPES, "", Ok(r#"{"datacontenttype":"text/x","specversion":"1.0","type":"t"}"#)),
            (
                &[TYPES[3], TYPES[2], HEAD[0], HEAD[1]],
                "",
                Ok(r#"{"datacontenttype":"text/x","specversion":"1.0","type":"t"}"#),
            ),
            (&[TYPES[2], ("content-type", "text/z"), HEAD[0], HEAD[1]], "", Err(twice)),
            // No CloudEvent in headers: the body may be one, or a store's event.
            (&HEAD[..1], "{}", Ok("{}")),
            (&HEAD[1..], "hello", Ok("hello")),
        ] {
            assert_eq!(
                read(headers, body),
                want.map(str::to_owned).map_err(str::to_owned),
                "{headers:?} {body}"
            );
        }
    }
}
