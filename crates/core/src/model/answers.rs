//! What a sender makes of HTTP statuses.
//!
//! The same status makes one sender repeat an event and another one drop it for good. So each dialect has a row of its
//! own, beside the source that says how its sender behaves; most have the default.

use std::str::FromStr;
use std::time::Duration;

/// How long a dialect's sender waits for an answer, and what it does without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The longest it waits; `None`: not known, or longer than any delivery takes.
    pub waits: Option<Duration>,
    /// Whether it posts an event again that was not taken. What is not known counts as no.
    pub repeats: bool,
}

impl Patience {
    /// Of senders that wait long enough, as far as anybody knows, and repeat.
    pub const ENOUGH: Self = Self { waits: None, repeats: true };

    /// Waits as long, and repeats.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self { waits: Some(Duration::from_secs(seconds)), repeats: true }
    }

    /// Why a relay that answers within `deadline`, and only when MDSS has, loses events of such a sender. The end of a sentence.
    pub(crate) fn objection(self, deadline: Duration) -> Option<String> {
        let waits = self.waits.filter(|waits| *waits <= deadline);
        let short = waits.map(|waits| format!("waits {} s for an answer", waits.as_secs()));
        let once =
            (!self.repeats).then(|| "is not known to post an event again that was not taken".to_owned());
        let both: Vec<_> = short.into_iter().chain(once).collect();
        (!both.is_empty()).then(|| both.join(", and "))
    }
}

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

    /// For senders that give an event up at once on 4xx: only what can never succeed is told so, and what somebody could mend,
    /// the relay's limits among it, is not.
    pub(crate) const FINAL_4XX: Self =
        Self { unacceptable: Some(503), incomplete: Some(503), ..Self::DEFAULT };

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
