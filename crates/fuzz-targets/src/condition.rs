//! Conditions, which operators write, and the events they are tried on, which strangers write.

use mdss_relay_core::{Condition, suggest};
use serde_json::Value;

/// Reads a condition and tries it on an event: what stands before and behind the first empty line.
pub fn condition(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (text, event) = text.split_once("\n\n").unwrap_or((text, text));
    if let Ok(suggested) = suggest(&[event]) {
        let condition = Condition::from_json(&suggested).expect("a suggestion is a condition");
        let verdict = condition.mismatch(event);
        assert!(!matches!(verdict, Ok(Some(_))), "{suggested} does not match its own event: {verdict:?}");
    }
    let condition = match Condition::from_json(text) {
        Ok(condition) => condition,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a reason: {text:?}");
            return;
        }
    };
    let shown = condition.to_string();
    assert!(!shown.contains(char::is_control), "a condition is shown on one line: {shown:?}");
    serde_json::from_str::<Value>(&shown).expect("a condition is shown as JSON");
    let again = Condition::from_json(&shown).expect("what is shown can be read");
    assert_eq!(again.to_string(), shown);

    let verdict = condition.mismatch(event);
    assert_eq!(again.mismatch(event), verdict, "{shown} means the same");
    match verdict {
        Ok(None) => assert!(serde_json::from_str::<&serde_json::value::RawValue>(event).is_ok()),
        Ok(Some(mismatch)) => {
            let line = mismatch.to_string();
            assert!(!line.contains(char::is_control), "{line:?}");
            if let Some(seen) = &mismatch.seen {
                serde_json::from_str::<&serde_json::value::RawValue>(seen)
                    .expect("what is seen is shown as JSON");
            }
        }
        Err(sentence) => assert!(!sentence.is_empty()),
    }
}
