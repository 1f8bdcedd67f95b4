//! What keeps a store from answering as it should, in a sentence that says who can do something about it.

use std::fmt;
use std::time::Duration;

use mdss_relay_core::one_line;

/// The most that is shown of a store's own words.
const MOST_WORDS: usize = 300;

/// Why a store has not given what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble it is.
    pub kind: TroubleKind,
    /// The store, by its name in the settings.
    pub store: String,
    /// The bucket that was asked for, if it was one.
    pub bucket: Option<Box<str>>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The store's own word for it: `AccessDenied`, `NotAuthorizedOrNotFound`.
    pub code: Option<Box<str>>,
    /// What happened, as a part of a sentence.
    pub detail: String,
    /// What the credentials may lack, in the words of that cloud: `s3:ListBucket`.
    pub permission: Option<&'static str>,
    /// How long the store asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// No answer came.
    Unreachable,
    /// It answers that it cannot now (408, 429, 5xx but 501 and 505).
    Busy,
    /// There are no credentials, or their source does not give them.
    Credentials,
    /// It does not let these credentials do this (401, 403).
    Denied,
    /// There is no such bucket (404), or no such directory.
    Missing,
    /// Another refusal.
    Refused,
    /// It answers with something that is no such answer.
    Unreadable,
    /// The listing leads in a circle: it would never end.
    Endless,
    /// The listing is to go on after a key, and the store lists in no order.
    Unordered,
}

impl TroubleKind {
    /// Whether the same request may succeed a moment later.
    pub fn passes(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy | Self::Unreadable => true,
            Self::Credentials
            | Self::Denied
            | Self::Missing
            | Self::Refused
            | Self::Endless
            | Self::Unordered => false,
        }
    }
}

impl Trouble {
    /// Trouble without an answer. `detail` may hold a stranger's words.
    pub(crate) fn new(kind: TroubleKind, store: &str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            store: store.to_owned(),
            bucket: None,
            status: None,
            code: None,
            detail: words(&detail.into()),
            permission: None,
            retry_after: None,
        }
    }

    pub(crate) fn of(self, bucket: &str) -> Self {
        Self { bucket: Some(bucket.into()), ..self }
    }
}

/// A stranger's words, short and on one line.
pub(crate) fn words(text: &str) -> String {
    let text = text.trim();
    let short = match text.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    one_line(short)
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store {:?}", self.store)?;
        if let Some(bucket) = &self.bucket {
            write!(f, ", bucket {:?}", words(bucket))?;
        }
        f.write_str(":")?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " {status} {code}:")?,
            (Some(status), None) => write!(f, " {status}:")?,
            (None, _) => {}
        }
        write!(f, " {}", self.detail)?;
        if let Some(permission) = self.permission {
            write!(f, "; the credentials may lack {permission}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Trouble {}
