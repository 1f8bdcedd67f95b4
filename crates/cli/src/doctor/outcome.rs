//! What a check says.

/// One outcome of a check. "Unknown" is never shown as good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Warn,
    Fail,
    /// It could not be told; `found` says why.
    Unknown,
    /// It was not looked at, because of what this other check found.
    Skipped(&'static str),
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// What was found of one subject. Sentences have no full stop and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    /// What is there; of an unknown, why it could not be told.
    pub(crate) found: String,
    /// What should be there; empty if all is well.
    pub(crate) expected: String,
    /// What the operator does about it, best as a command that runs as pasted; empty if all is well.
    pub(crate) remedy: String,
}

impl Outcome {
    fn new(status: Status, found: impl Into<String>, expected: &str, remedy: &str) -> Self {
        Self { status, found: found.into(), expected: expected.to_owned(), remedy: remedy.to_owned() }
    }

    pub(crate) fn ok(found: impl Into<String>) -> Self {
        Self::new(Status::Ok, found, "", "")
    }

    pub(crate) fn warn(found: impl Into<String>, expected: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Warn, found, expected.as_ref(), remedy.as_ref())
    }

    pub(crate) fn fail(found: impl Into<String>, expected: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Fail, found, expected.as_ref(), remedy.as_ref())
    }

    /// It cannot be told: why, and what would make it possible.
    pub(crate) fn unknown(why: impl Into<String>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Unknown, why, "", remedy.as_ref())
    }

    pub(crate) fn skipped(by: &'static str) -> Self {
        Self::new(Status::Skipped(by), format!("not looked at, because of {by}"), "", "")
    }
}
