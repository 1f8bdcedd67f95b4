//! Text from outside, for a terminal and for a shell.

use mdss_relay_core::one_line;

/// The text on one line that moves no cursor and turns no writing direction. Of a line of JSON, the same JSON: such characters are only
/// in its strings, and what stands for them is JSON's own escape.
pub(crate) fn visible(text: &str) -> String {
    one_line(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_sender_wrote_stays_text_and_json_stays_the_same_json() {
        let odd = "a\"\\\u{9b}2J\u{7f}\u{202e}fdp\u{2028}\n\u{1b}é😀";
        let escaped = "\\u009b2J\\u007f\\u202efdp\\u2028\\u000a\\u001bé😀";
        assert_eq!(visible(odd), format!("a\"\\{escaped}"));
        let value = json!({ odd: odd });
        let line = visible(&value.to_string());
        assert_eq!(line.to_ascii_lowercase().matches(r"\u009b2j\u007f\u202efdp\u2028").count(), 2, "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
