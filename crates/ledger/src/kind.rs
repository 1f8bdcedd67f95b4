//! The words of the ledger: what an entry says, where it comes from, how keys are kept. Their names stand in the chain, so none of them changes.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$what:meta])* $word:ident = $number:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$what])* $word,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word,)+];

            /// Its name in the chain and in exports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }

            /// By its name.
            pub fn read(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$word),)+ _ => None }
            }

            pub(crate) fn number(self) -> i64 {
                match self { $(Self::$word => $number,)+ }
            }

            pub(crate) fn from_number(number: i64) -> Option<Self> {
                match number { $($number => Some(Self::$word),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// What an entry says.
    Kind {
        /// MDSS has accepted a write of an object.
        #[default]
        Accepted = 1, "accepted";
        /// MDSS has said what it found in one.
        Result = 2, "result";
        /// An event was put aside, and is not tried again by itself.
        Parked = 3, "parked";
        /// Somebody had events tried again.
        Retried = 4, "retried";
        /// Somebody has removed events that were stored.
        Purged = 5, "purged";
        /// An event was stored, and the settings of today do not select it any more.
        Unselected = 6, "unselected";
        /// The settings have changed.
        Settings = 7, "settings";
        /// A bucket was compared with the ledger.
        Run = 8, "run";
        /// An object of our own was written, to see whether it arrives.
        Canary = 9, "canary";
        /// Something is missing here, and how much of it.
        Gap = 10, "gap";
        /// The clock of the machine has jumped.
        ClockJump = 11, "clock_jump";
        /// Lines of a log were read in.
        Imported = 12, "imported";
        /// Keys were erased.
        Forgotten = 13, "forgotten";
        /// Entries of long ago were removed.
        Pruned = 14, "pruned";
        /// The chain up to here was signed.
        Checkpoint = 15, "checkpoint";
        /// A relay has begun to work.
        Started = 16, "started";
        /// It has ended.
        Stopped = 17, "stopped";
    }
}

impl Kind {
    /// Whether only the ledger itself writes it, together with what it did: no outbox and no log may claim it.
    pub fn is_our_own(self) -> bool {
        match self {
            Self::Result | Self::Run | Self::Imported | Self::Forgotten | Self::Pruned | Self::Checkpoint => {
                true
            }
            Self::Accepted
            | Self::Parked
            | Self::Retried
            | Self::Purged
            | Self::Unselected
            | Self::Settings
            | Self::Canary
            | Self::Gap
            | Self::ClockJump
            | Self::Started
            | Self::Stopped => false,
        }
    }
}

words! {
    /// Why an object was told to MDSS.
    Origin {
        /// A store has sent an event.
        #[default]
        Event = 1, "event";
        /// A comparison has found it missing.
        Reconcile = 2, "reconcile";
        /// Somebody had it tried again.
        Retry = 3, "retry";
        /// A line of a log says so, of a relay that keeps no ledger.
        Log = 4, "log";
        /// It is our own, to see whether it arrives.
        Canary = 5, "canary";
    }
}

words! {
    /// How keys are kept.
    Keys {
        /// As they are.
        #[default]
        Clear = 1, "clear";
        /// As HMAC-SHA-256 with the site's own key: one that is known can be looked up.
        Hashed = 2, "hashed";
        /// Not at all.
        Off = 3, "off";
    }
}
