//! What a sender makes of HTTP statuses.
//!
//! The same status makes one sender repeat an event and another one drop it for good. So each dialect has a row of its
//! own, beside the source that says how its sender behaves; most have the default.

use std::str::FromStr;

/// The statuses a dialect's sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Everything was accepted, is on disk, or was skipped with a reason.
    pub done: u16,
    /// The same bytes may succeed later.
    pub transient: u16,
    /// An operator must act; then the same bytes succeed.
    pub config: u16,
    /// These bytes never will.
    pub permanent: u16,
    /// The body cannot be taken as it is: too large, or packed; `None`: HTTP's own status (413, 415).
    pub unacceptable: Option<u16>,
    /// The body did not arrive, or not whole; `None`: HTTP's own status (400, 408).
    pub incomplete: Option<u16>,
    /// The gate refused the sender; `None`: the status of the check that did (401, 403).
    pub refused: Option<u16>,
    /// The key that a check needs could not be had just now.
    pub key_unavailable: u16,
}

impl Answers {
    /// For senders that repeat on 5xx and give up on 4xx, as most do.
    pub const DEFAULT: Self = Self {
        done: 200,
        transient: 503,
        config: 500,
        permanent: 400,
        unacceptable: None,
        incomplete: None,
        refused: None,
        key_unavailable: 503,
    };

    /// The same for a sender that posts an event until it gets a 2xx: what can never succeed is answered as done, or it would come
    /// for ever and keep everything behind it waiting. The log has its line.
    #[must_use]
    pub const fn for_endless(self) -> Self {
        Self { permanent: self.done, ..self }
    }

    /// The same for a sender of which an operator has said something else than its dialect does.
    #[must_use]
    pub const fn for_sender(self, redelivers: Option<Redelivers>) -> Self {
        match redelivers {
            None => self,
            Some(Redelivers::Forever) => self.for_endless(),
            Some(Redelivers::DeadLetters) => Self { permanent: Self::DEFAULT.permanent, ..self },
        }
    }
}

/// What becomes of an event for which its sender gets no 2xx: the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivers {
    /// It comes again and again, without end.
    Forever,
    /// It comes some times, and is then kept where somebody looks after it. So what can never succeed is no success.
    DeadLetters,
}

impl FromStr for Redelivers {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "forever" => Ok(Self::Forever),
            "dead-letters" => Ok(Self::DeadLetters),
            _ => Err("forever, dead-letters, or no such member".into()),
        }
    }
}
