//! What a process that keeps nothing on disk remembers of its earlier calls.

use crate::deliver::duplicates::Duplicates;
use crate::deliver::repeats::Repeats;

/// Which writes MDSS has accepted, and what was told of late. Bounded, and lost with the process: then things are sent, or
/// told, once more.
pub struct Memory {
    pub(crate) duplicates: Duplicates,
    pub(crate) repeats: Option<Repeats>,
}

impl Memory {
    /// A function's: its memory is small and must stay flat, and each call has its own lines. The last 2,000 marks, at most
    /// 256 KiB.
    pub fn of_function() -> Self {
        Self { duplicates: Duplicates::new(2000, 256 << 10), repeats: None }
    }

    /// A server's, whose senders may repeat without a pause and without end. The last 20,000 marks, at most 8 MiB.
    pub fn of_server() -> Self {
        Self { duplicates: Duplicates::new(20_000, 8 << 20), repeats: Some(Repeats::default()) }
    }
}
