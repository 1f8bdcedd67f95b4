//! Patterns with `*`, which stands for any run of characters, also for none. Nothing else is special.
//!
//! The text comes from whoever sends events, so the time is linear whatever it is: each piece between two stars is
//! looked for once, from where the one before it ended, without ever going back in the text (Knuth, Morris and Pratt).
//! Taking the first place where a piece fits is enough, because the star behind it takes whatever is left.
//! Bytes are compared; that is the same as comparing characters, because no character of UTF-8 begins inside another.

/// A pattern, matched case-sensitively against a whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// Where the first star stands, and where the text behind the last one begins. `None`: there is no star.
    stars: Option<(usize, usize)>,
    /// The pieces between two stars; none of them empty.
    inner: Vec<Piece>,
}

impl Pattern {
    /// What a text means as a pattern. Every text is one.
    pub fn new(text: &str) -> Self {
        let stars = text.find('*').zip(text.rfind('*').map(|last| last + 1));
        let between = stars.map_or("", |(first, behind)| &text[first..behind]);
        let inner = between.split('*').filter(|piece| !piece.is_empty()).map(Piece::new).collect();
        Self { text: text.to_owned(), stars, inner }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern describes all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_bytes(text.as_bytes())
    }

    /// The same for a text that may not be Unicode.
    pub fn matches_bytes(&self, text: &[u8]) -> bool {
        self.compare(text, &mut |_| {})
    }

    /// `step` hears how many bytes have just been compared: tests count what takes time.
    pub(crate) fn compare(&self, text: &[u8], step: &mut impl FnMut(usize)) -> bool {
        let pattern = self.text.as_bytes();
        let Some((first, behind)) = self.stars else {
            step(pattern.len());
            return text == pattern;
        };
        let (head, tail) = (&pattern[..first], &pattern[behind..]);
        step(head.len() + tail.len());
        if text.len() < head.len() + tail.len() || !text.starts_with(head) || !text.ends_with(tail) {
            return false;
        }
        let mut rest = &text[head.len()..text.len() - tail.len()];
        self.inner.iter().all(|piece| {
            let end = piece.find(rest, step);
            rest = &rest[end.unwrap_or(rest.len())..];
            end.is_some()
        })
    }
}

/// What has to stand somewhere between two stars.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    bytes: Box<[u8]>,
    /// For each beginning of the piece: the length of its longest proper end that is a beginning, too.
    borders: Box<[usize]>,
}

impl Piece {
    fn new(text: &str) -> Self {
        let bytes: Box<[u8]> = text.as_bytes().into();
        let mut borders = vec![0; bytes.len()];
        let mut border = 0;
        for i in 1..bytes.len() {
            while border > 0 && bytes[i] != bytes[border] {
                border = borders[border - 1];
            }
            border += usize::from(bytes[i] == bytes[border]);
            borders[i] = border;
        }
        Self { bytes, borders: borders.into() }
    }

    /// Where the first occurrence in `text` ends. At most two comparisons a byte: each either moves on in the text or
    /// shortens what was taken for a beginning, which cannot be shortened more often than it grew.
    fn find(&self, text: &[u8], step: &mut impl FnMut(usize)) -> Option<usize> {
        let mut fits = 0;
        for (i, byte) in text.iter().enumerate() {
            step(1);
            while fits > 0 && self.bytes[fits] != *byte {
                fits = self.borders[fits - 1];
                step(1);
            }
            fits += usize::from(self.bytes[fits] == *byte);
            if fits == self.bytes.len() {
                return Some(i + 1);
            }
        }
        None
    }
}

/// The definition, word by word: the oracle of tests.
#[cfg(test)]
pub(crate) fn naive(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
        Some((byte, rest)) => text.split_first().is_some_and(|(t, more)| t == byte && naive(rest, more)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether it matches, and how many bytes were compared.
    fn counted(pattern: &str, text: &str) -> (bool, usize) {
        let mut steps = 0;
        let matches = Pattern::new(pattern).compare(text.as_bytes(), &mut |n| steps += n);
        (matches, steps)
    }

    fn limit(pattern: &str, text: &str) -> usize {
        2 * text.len() + pattern.len()
    }

    #[test]
    fn table() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("invoices-*", "invoices-", true),
            ("invoices-*", "invoices-2026", true),
            ("invoices-*", "xinvoices-2026", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("**", "bucket", true),
            ("*y_*ck*", "my_bucket", true),
            ("My_Bucket", "my_bucket", false),
            ("a.c", "abc", false),
            ("*ab*ab", "ab", false),
            ("*aab*", "aaab", true),
            ("*abab*ab*", "ababab", true),
            ("*abab*aba*", "ababab", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), want, "{pattern} on {text}");
        }
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        let text = "a".repeat(10_000) + "b";
        for (pattern, want) in [
            ("*a".repeat(200), false),
            ("*a".repeat(200) + "*", true),
            ("*a".repeat(200) + "*c", false),
            ("*a".repeat(200) + "*c*", false),
            // Going back to the last star would take the product of both lengths here.
            (format!("*{}c*", "a".repeat(5_000)), false),
            (format!("*{}b*", "a".repeat(5_000)), true),
            (format!("*{}*", "ab".repeat(2_000)), false),
        ] {
            let (matches, steps) = counted(&pattern, &text);
            assert_eq!(matches, want, "{pattern}");
            assert!(steps <= limit(&pattern, &text), "{steps} steps for {pattern}");
        }
    }

    proptest! {
        #[test]
        fn equals_the_naive_matcher(pattern in "[ab*é]{0,8}", text in "[abé]{0,12}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), naive(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn takes_linear_time(pattern in "(\\*|a|aab|ab){0,40}", text in "(a|aab|ab){0,200}") {
            let (_, steps) = counted(&pattern, &text);
            prop_assert!(steps <= limit(&pattern, &text), "{} steps", steps);
        }
    }
}
