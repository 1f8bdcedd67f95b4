//! The JSON one record was read from, for whoever asks about more than its normal form.

use std::fmt;

use serde_json::value::RawValue;

/// What conditions look at.
pub(crate) struct Raw {
    /// The JSON as it was sent.
    pub(crate) sent: Box<RawValue>,
    /// The same with the key decoded, where that differs: an operator who writes a key into a condition means the object's.
    pub(crate) decoded: Option<Box<RawValue>>,
}

/// Without the record itself, which may be a whole delivery.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("bytes", &self.sent.get().len()).finish_non_exhaustive()
    }
}
