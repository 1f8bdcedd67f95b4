//! A mistake in an `auth` setting. All of them are collected and shown together, so that an operator mends a file once.

use std::fmt;

/// One mistake in the settings: where it is, what stands there, what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting's place, `source[0].auth.bearer.token_file` for instance.
    pub place: String,
    /// What was found; absent where there is nothing to show, or where it is, or could be, a secret.
    pub found: Option<String>,
    /// What belongs there.
    pub expected: String,
}

impl Mistake {
    pub(crate) fn new(place: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { place: place.into(), found: None, expected: expected.into() }
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{}: found {found}, expected {}", self.place, self.expected),
            None => write!(f, "{}: expected {}", self.place, self.expected),
        }
    }
}

impl std::error::Error for Mistake {}
