//! What is broken, one row of the table each.

use clap::ValueEnum;

/// A way to break something around a relay, or the relay itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Fault {
    /// Nothing: what the other rows are compared with
    None,
    /// `kill -9` of the relay, at any moment, also while it starts
    KillRelay,
    /// SIGTERM to the relay, which must end with 0, and a new start
    RestartRelay,
    /// SIGSTOP and SIGCONT to the relay, longer than its senders wait
    FreezeRelay,
    /// A file-size limit for the relay, as on a full disk; one time in three it is killed while the disk is full
    FullDisk,
    /// The spool's own limit is reached while MDSS is away
    FullSpool,
    /// The spool's log, its index or the file itself is removed, or replaced by a copy, under the running relay; one time in three it is then killed
    TakenFiles,
    /// The relay is killed between its outbox and its ledger: before the ledger has what waits, or before the outbox has let go of it
    KillLedger,
    /// The ledger's disk is full for a while: scanning goes on, and nothing is missing in the ledger afterwards
    FullLedger,
    /// Somebody edits a row of the ledger by hand, which must be named
    EditedLedger,
    /// Senders that say nothing, stop half way, trickle, or hang up before the answer
    SlowSockets,
    /// Nobody reads the relay's log any more: its pipe is full, and it must serve and stop all the same
    StalledLog,
    /// `kill -9` of MDSS, at any moment
    KillMdss,
    /// MDSS is away for 20 s, as in a restart, with the relay in direct mode: a sender that waits long enough gets a success
    AwayMdss,
    /// MDSS is away for some seconds: killed, answering 503, or silent. Once it is back, the first object must be there at once
    ReturnMdss,
    /// SIGSTOP and SIGCONT to MDSS: connections are open, and nobody answers
    FreezeMdss,
    /// MDSS answers 500
    #[value(name = "storm-500")]
    Storm500,
    /// MDSS answers 429 with `Retry-After`
    #[value(name = "storm-429")]
    Storm429,
    /// MDSS's proxy answers 503
    #[value(name = "storm-503")]
    Storm503,
    /// MDSS answers 401
    #[value(name = "storm-401")]
    Storm401,
    /// MDSS answers 200 with a web page
    StormHtml,
    /// MDSS reads and never answers
    StormHang,
    /// Connections to MDSS are reset before, in and after the head of an answer, or end in its body
    StormReset,
    /// MDSS accepts, and the connection is reset before it can say so
    StormUnheard,
    /// MDSS has a new API key, and the relay's key file follows later
    WrongKey,
    /// One storage unit is switched off among good ones
    BadUnit,
    /// Records that nobody can use beside good ones, garbage, and an object that MDSS cannot digest for a while
    Poison,
    /// One of the above after the other, in any order: kills, restarts, freezes, storms
    Everything,
}

/// What has to be known of a fault before it is used.
pub(crate) struct Facts {
    /// How often it is injected in a full run.
    pub(crate) cycles: u32,
    /// Whether it needs the relay's process or settings, so that a relay that is only a URL cannot have it.
    pub(crate) own: bool,
}

impl Fault {
    /// The name on the command line and in the table.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(crate) fn facts(self) -> Facts {
        let (cycles, own) = match self {
            Self::None => (10, false),
            Self::KillRelay => (300, true),
            Self::RestartRelay | Self::FreezeRelay => (20, true),
            Self::FullDisk => (12, true),
            Self::FullSpool => (4, true),
            Self::TakenFiles => (40, true),
            Self::KillLedger => (20, true),
            Self::FullLedger => (3, true),
            Self::EditedLedger => (5, true),
            Self::SlowSockets => (10, false),
            Self::StalledLog => (3, true),
            Self::KillMdss => (60, false),
            Self::AwayMdss => (3, true),
            Self::ReturnMdss => (9, true),
            Self::FreezeMdss => (6, false),
            Self::Storm500
            | Self::Storm429
            | Self::Storm503
            | Self::Storm401
            | Self::StormHtml
            | Self::StormHang
            | Self::StormReset
            | Self::StormUnheard => (5, false),
            Self::WrongKey | Self::BadUnit => (5, true),
            Self::Poison => (10, false),
            Self::Everything => (100, true),
        };
        Facts { cycles, own }
    }

    /// Whether a ledger is kept, and compared with what MDSS has accepted.
    pub(crate) fn has_ledger(self) -> bool {
        matches!(self, Self::KillLedger | Self::FullLedger | Self::EditedLedger)
    }

    /// What the stand-in does with the requests of a storm, over and over again.
    pub(crate) fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Storm500 => &[r#"{"answer":{"status":500}}"#],
            Self::Storm429 => &[r#"{"retry_after":{"status":429,"seconds":1}}"#],
            Self::Storm503 | Self::FullSpool => &[r#""unavailable""#],
            Self::Storm401 => &[r#"{"answer":{"status":401}}"#],
            Self::StormHtml => &[r#""web_page""#],
            Self::StormHang => &[r#""hang""#],
            Self::StormReset => {
                &[r#""reset""#, r#""reset_after_headers""#, r#""reset_after_half_body""#, r#""half_body""#]
            }
            Self::StormUnheard => &[r#""accept_and_drop""#],
            _ => &[],
        }
    }

    /// Whether requests of the relay's run out of time on purpose.
    pub(crate) fn hangs(self) -> bool {
        matches!(self, Self::FreezeMdss | Self::StormHang | Self::Everything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdss_sim::Batch;

    #[test]
    fn every_fault_is_on_the_front_page_and_its_steps_are_steps() {
        let page = include_str!("../README.md");
        for fault in Fault::value_variants() {
            assert!(page.contains(&format!("| `{}` | ", fault.name())), "{}", fault.name());
            for step in fault.steps() {
                assert_eq!(format!("[{step}]").parse::<Batch>().unwrap().steps.len(), 1, "{step}");
            }
        }
    }
}
