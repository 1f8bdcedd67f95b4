//! What the Azure Functions host posts to a custom handler, and events in everything that it wraps them in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use port_shim::{Event, unwrap};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Unwraps a body; and, if it is an event itself, the event from every writing of the host.
pub fn custom_handler(bytes: &[u8]) {
    match unwrap(bytes.to_vec()) {
        Ok(Event::Plain(event)) => {
            let json: &RawValue = serde_json::from_str(&event).expect("the handler is given JSON");
            assert_eq!(json.get(), event, "and nothing around it");
        }
        Ok(Event::HttpRequest(body)) => assert_eq!(body.as_bytes(), bytes, "a request is handed on as it is"),
        Err(refusal) => {
            let sentence = refusal.sentence();
            assert!(!sentence.is_empty() && !sentence.contains(char::is_control), "{sentence:?}");
        }
    }
    let Some(event) = str::from_utf8(bytes).ok().and_then(|t| serde_json::from_str::<&RawValue>(t).ok())
    else {
        return;
    };
    let event = event.get();
    let texts = serde_json::from_str::<Vec<&RawValue>>(event)
        .is_ok_and(|elements| elements.iter().any(|element| element.get().starts_with('"')));
    if !event.starts_with(['{', '[']) || texts {
        return;
    }
    let once = Value::from(event).to_string();
    let base64 = Value::from(BASE64.encode(event)).to_string();
    let again = |text: &str| Value::from(text).to_string();
    for value in [event, &once, &again(&once), &base64, &again(&base64)] {
        let metadata = json!({ "DequeueCount": "1" });
        let body = format!(r#"{{"Data":{{"event":{value}}},"Metadata":{metadata}}}"#);
        match unwrap(body.clone().into_bytes()).expect("the host writes it so") {
            Event::Plain(unwrapped) => assert_eq!(unwrapped, event, "{body}"),
            Event::HttpRequest(_) => assert!(value == event && value.contains("Url"), "{body}"),
        }
    }
}
