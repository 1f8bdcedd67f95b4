//! What a line may not hold: characters that end it, move a terminal's cursor or turn the writing direction. Text from outside
//! has none of them raw, neither in the log nor in a sentence at the start.

/// Whether it is such a character. All of them have four hexadecimal digits, as JSON's escapes have. (The crate `mdss-relay-core` has the same
/// rule for its sentences; the two know nothing of each other, and a test in each says which characters they are.)
pub(crate) fn bends(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Such a character as JSON would escape it.
pub(crate) fn escaped(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_characters_bend() {
        let bent: Vec<u32> = ('\0'..=char::MAX).filter(|c| bends(*c)).map(u32::from).collect();
        let want = (0..=0x1f).chain(0x7f..=0x9f).chain(0x2028..=0x202e).chain(0x2066..=0x2069);
        assert_eq!(bent, want.collect::<Vec<_>>());
    }
}
