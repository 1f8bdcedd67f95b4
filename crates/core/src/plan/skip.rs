//! Why a record is not sent although nothing is wrong with it.

use std::fmt;

macro_rules! skip_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Why a record is not sent although nothing is wrong with it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SkipReason { $($(#[doc = $doc])+ $variant,)+ }

        impl SkipReason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable token.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

skip_reasons! {
    /// the object was removed; there is nothing to scan
    Removed = "removed";
    /// the event announces no new content
    NotContent = "not_content";
    /// the key ends in `/` and the event says that there is nothing in it: an empty folder of a console
    FolderMarker = "folder_marker";
    /// a route names the bucket, and none takes this object
    NotSelected = "not_selected";
    /// a provider's test message
    TestEvent = "test_event";
    /// a handshake, answered
    Handshake = "handshake";
    /// an empty request that asks whether somebody is there
    Probe = "probe";
    /// the same write was announced before; MDSS has it, or it is on disk
    Duplicate = "duplicate";
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
