//! Patterns with `*`, which stands for any run of characters, also for none. Nothing else is special.

/// A pattern, matched case-sensitively against a whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether the pattern describes all of `text`. Only the last star is ever moved, so time is at most the product of
    /// the two lengths, and in practice their sum.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where to go on after a mismatch: behind the last star, one byte of text further than last time.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p + 1, t));
                    p += 1;
                }
                Some(byte) if *byte == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match &mut retry {
                    Some((after_star, from)) => {
                        *from += 1;
                        (p, t) = (*after_star, *from);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|b| *b == b'*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word by word.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            Some((byte, rest)) => text.split_first().is_some_and(|(t, more)| t == byte && naive(rest, more)),
        }
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
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), want, "{pattern} on {text}");
        }
    }

    proptest! {
        #[test]
        fn equals_the_naive_matcher(pattern in "[ab*é]{0,8}", text in "[abé]{0,12}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), naive(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
