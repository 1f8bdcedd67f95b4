//! What a check says.

/// One outcome of a check. "Unknown" is never shown as good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Ok,
    /// It works, and somebody should look.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be told; `found` says why.
    Unknown,
    /// It was not looked at, because of what this other check found.
    Skipped(&'static str),
}

impl Status {
    /// Its name, in JSON and on paper.
    pub const fn name(self) -> &'static str {
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
pub struct Outcome {
    /// What it comes to.
    pub status: Status,
    /// What is there; of an unknown, why it could not be told.
    pub found: String,
    /// What should be there; empty if all is well.
    pub expected: String,
    /// What the operator does about it, best as a command that runs as pasted; empty if all is well.
    pub remedy: String,
    /// Nobody can tell it with what is documented, or this version does not look: no set-up makes it known, so `--strict` passes over it.
    pub beyond: bool,
}

impl Outcome {
    fn new(status: Status, found: impl Into<String>, expected: &str, remedy: &str) -> Self {
        Self {
            status,
            found: found.into(),
            expected: expected.to_owned(),
            remedy: remedy.to_owned(),
            beyond: false,
        }
    }

    /// All is well; what was found.
    pub fn ok(found: impl Into<String>) -> Self {
        Self::new(Status::Ok, found, "", "")
    }

    /// What was found, what was expected, and what to do about it.
    pub fn warn(found: impl Into<String>, expected: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Warn, found, expected.as_ref(), remedy.as_ref())
    }

    /// What was found, what was expected, and what to do about it.
    pub fn fail(found: impl Into<String>, expected: impl AsRef<str>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Fail, found, expected.as_ref(), remedy.as_ref())
    }

    /// It cannot be told: why, and what would make it possible.
    pub fn unknown(why: impl Into<String>, remedy: impl AsRef<str>) -> Self {
        Self::new(Status::Unknown, why, "", remedy.as_ref())
    }

    /// It cannot be told in any set-up: why, and what an operator does instead.
    pub fn beyond(why: impl Into<String>, remedy: impl AsRef<str>) -> Self {
        Self { beyond: true, ..Self::unknown(why, remedy) }
    }

    /// Nobody has looked, because of what that other check found.
    pub fn skipped(by: &'static str) -> Self {
        Self::new(Status::Skipped(by), format!("not looked at, because of {by}"), "", "")
    }
}
