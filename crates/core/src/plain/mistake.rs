//! A mistake in what an operator wrote: where it stands, what was found, what was expected.

use std::fmt;

use crate::plain::line;

/// One mistake in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable, or the place in the TOML (`route[2].bucket`).
    pub name: String,
    /// What stands there; `None` if nothing does, or if it may be a secret.
    pub found: Option<String>,
    /// What was expected, as the end of a sentence.
    pub expected: String,
}

// Cold, and so never put in where they are called: there are hundreds of such places, and a mistake ends the start.
impl Mistake {
    /// A mistake without a value to show.
    #[cold]
    pub fn new(name: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { name: name.into(), found: None, expected: expected.into() }
    }

    /// A value that ought to be a path. What does not look like one may be a secret in the wrong place.
    #[cold]
    pub fn path(name: impl Into<String>, found: &str, expected: impl Into<String>) -> Self {
        let looks_like_one = found.starts_with(['/', '.']) && !found.contains(char::is_control);
        if looks_like_one { Self::found(name, found, expected) } else { Self::new(name, expected) }
    }

    /// A mistake with the value that stands there, clipped.
    #[cold]
    pub fn found(name: impl Into<String>, found: &str, expected: impl Into<String>) -> Self {
        let found = Some(line::clip(found, 100));
        Self { found, ..Self::new(name, expected) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{}: found {found:?}, expected {}", self.name, self.expected),
            None => write!(f, "{}: expected {}", self.name, self.expected),
        }
    }
}

impl std::error::Error for Mistake {}

/// The known name most like a given one, if any is like it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best =
        known.into_iter().map(|k| (strsim::jaro_winkler(name, k), k)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}
