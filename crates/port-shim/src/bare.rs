//! A body that is the event itself: JSON; or a text that is Base64 of JSON, as some topics hand their messages on (Alibaba Cloud's
//! MNS in its form `STREAM`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::RawValue;
use shim::Refusal;

/// The event in a body. What is neither is the handler's to refuse, as JSON that cannot be read.
pub(crate) fn event(body: Vec<u8>) -> Result<String, Refusal> {
    let body = String::from_utf8(body).map_err(|_| Refusal::NotUtf8)?;
    Ok(decoded(&body).unwrap_or(body))
}

/// The JSON in a text that is Base64 of JSON. No text of Base64 is an object or a list, and one that is other JSON, such as `1234`, is that.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    if text.starts_with(['{', '[', '"']) || is_json(text) {
        return None;
    }
    let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    is_json(&decoded).then_some(decoded)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_or_base64_of_json() {
        let base64 = BASE64.encode(r#"{"a" : 1}"#);
        for (body, want) in [
            (r#"{"a" : 1}"#, r#"{"a" : 1}"#),
            (" [1] ", " [1] "),
            (&base64, r#"{"a" : 1}"#),
            (&format!("{base64}\n"), r#"{"a" : 1}"#),
            ("1234", "1234"),
            ("true", "true"),
            // Neither; and Base64 of something else.
            ("hello", "hello"),
            ("", ""),
            ("aGVsbG8=", "aGVsbG8="),
            ("{\"a\":", "{\"a\":"),
        ] {
            assert_eq!(event(body.as_bytes().to_vec()).unwrap(), want, "{body}");
        }
        assert_eq!(event(vec![0xff]).unwrap_err().name(), "body_not_readable");
    }
}
