//! Values that must never be seen. A type that cannot be printed is the only rule that is never forgotten.

use std::fmt;

/// Text that never reaches a log line, an error or a `Debug` print.
///
/// ```
/// let key = mdss_relay_core::Secret::new("s3cret");
/// assert_eq!(format!("{key:?}"), "[redacted]");
/// assert_eq!(key.redact("the server said: s3cret"), "the server said: [redacted]");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`; white space around it, such as the line feed a file ends with, is no part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the secret masked: a server may repeat what it was sent.
    pub fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[redacted]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
