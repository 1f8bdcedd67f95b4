//! Foreign text in sentences and log lines: clipped, and on one line.

/// At most `limit` characters of a foreign text, for a sentence.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a character ends lines, moves a cursor or turns the writing direction, of which a text from outside does none.
pub(crate) fn bends(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Such a character as JSON would escape it.
pub(crate) fn escape(c: char, into: &mut String) {
    into.push_str(&format!("\\u{:04x}", u32::from(c)));
}

/// The text on one line: characters that end lines, move a terminal's cursor or turn the writing direction are escaped as JSON
/// escapes them. Of compact JSON it is the same JSON, since they are only in its strings.
pub fn one_line(text: String) -> String {
    // The bytes with which they begin in UTF-8; most text has none of these. No early end: that way many are looked at at once.
    let may_bend = |met, b| met | (b < 0x20) | (b == 0x7f) | (b == 0xc2) | (b == 0xe2);
    if !text.bytes().fold(false, may_bend) || !text.contains(bends) {
        return text;
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if bends(c) { escape(c, &mut line) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The crate `mdss-relay-host` has the same rule for the log.
    #[test]
    fn which_characters_bend() {
        let bent: Vec<u32> = ('\0'..=char::MAX).filter(|c| bends(*c)).map(u32::from).collect();
        let want = (0..=0x1f).chain(0x7f..=0x9f).chain(0x2028..=0x202e).chain(0x2066..=0x2069);
        assert_eq!(bent, want.collect::<Vec<_>>());
    }
}
