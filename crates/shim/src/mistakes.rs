//! What is wrong with the variables of a platform.

use std::fmt;

/// Every variable that is not as the platform sets it, each with a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(Vec<String>);

impl SettingsError {
    /// Of sentences, each with a variable's name, what was found and what was expected.
    #[must_use]
    pub fn new(mistakes: Vec<String>) -> Self {
        Self(mistakes)
    }

    /// The sentences.
    #[must_use]
    pub fn mistakes(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for SettingsError {}
