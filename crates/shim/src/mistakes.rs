//! The variables of a platform, and what is wrong with them.

use std::ffi::{OsStr, OsString};
use std::fmt;

/// The variables that say something: an empty one says no more than none.
pub fn given<K, V>(vars: impl IntoIterator<Item = (K, V)>) -> Vec<(OsString, OsString)>
where
    K: AsRef<OsStr>,
    V: AsRef<OsStr>,
{
    vars.into_iter()
        .filter(|(_, value)| !value.as_ref().is_empty())
        .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()))
        .collect()
}

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
