//! What is broken around several relays, one row of the table each.

use clap::ValueEnum;

use crate::sender::OF_ONE_SENDER;

/// A way to break something around relays that share a spool in PostgreSQL, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Kind {
    /// `kill -9` of one of the relays, at any moment; what it held goes out when its lease has ended
    KillReplica,
    /// SIGSTOP to one of the relays for longer than its lease, then SIGCONT: it must settle nothing that others hold
    FreezeReplica,
    /// SIGTERM to one relay after the other, each of which must end with 0, and a new start
    RollingRestart,
    /// `kill -9` of the primary with all its processes, promotion of its synchronous standby, the old one copied anew
    KillPrimary,
    /// The same with asynchronous replication: what was acknowledged since the standby lost touch may be lost, and is counted
    KillPrimaryAsync,
    /// The standby is away, commits that wait are terminated, the same events come again: nobody may hear "done"; then as kill-primary
    StandbyAway,
    /// The same, and the primary crashes and comes back before the events come again
    CrashPrimary,
    /// The standby is away, and waits are cancelled; then the list of standbys is emptied and filled again
    CancelWaits,
    /// One relay's connections to the database are held, not reset: it must stop sending
    Partition,
    /// `kill -9` of the pooler between relays and database
    RestartPooler,
    /// The disk with the database's tables is full
    FullDisk,
    /// The relays are killed between outbox and ledger: before the ledger has what waits, or before the outbox has let go of it
    KillLedger,
    /// The disk with the ledger's tables alone is full, and more waits than the outbox takes: scanning goes on, and a gap counts what is missing
    FullLedger,
    /// Somebody edits a row of the ledger by hand under running relays: it must be named, and scanning goes on
    EditedLedger,
    /// The relays' clocks are an hour wrong, and ten minutes that of the standby that is promoted
    ClockSkew,
    /// A spool moves from a file into the database and back while the move is killed, again and again: everything must reach MDSS, once
    KillMove,
    /// Two configurations of the relay side by side: what one of them alone has no route for stays for the other
    SettingsDiffer,
    /// Two versions and two configurations of the relay side by side, the newer one with a migration
    Upgrade,
    /// A transaction stays open in the relay's database
    LongTransaction,
    /// All relays together keep to RELAY_SPOOL_RATE
    Rate,
    /// One of the above after the other, in any order: those that need no setting of their own and no long wait
    Everything,
}

/// How the database of a row is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// One server.
    Alone,
    /// One server, its tables on a disk that can be filled.
    SmallDisk,
    /// One server, with a disk that can be filled for some of the tables.
    SecondDisk,
    /// One server behind a pooler.
    Pooled,
    /// Two: every commit waits for the second one.
    Synchronous,
    /// Two: no commit waits.
    Asynchronous,
}

impl Kind {
    /// The name on the command line and in the table.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How often it is injected in a full run.
    pub(crate) fn cycles(self) -> u32 {
        match self {
            Self::KillReplica => 40,
            Self::FreezeReplica
            | Self::Upgrade
            | Self::SettingsDiffer
            | Self::LongTransaction
            | Self::ClockSkew => 2,
            Self::RollingRestart | Self::Partition => 6,
            Self::KillPrimary => 8,
            Self::KillPrimaryAsync => 4,
            Self::StandbyAway | Self::CrashPrimary | Self::CancelWaits => 3,
            Self::RestartPooler => 20,
            Self::FullDisk => 8,
            Self::KillLedger => 10,
            Self::FullLedger | Self::KillMove => 3,
            Self::EditedLedger => 5,
            Self::Rate => 1,
            Self::Everything => 12,
        }
    }

    pub(crate) fn base(self) -> Base {
        match self {
            Self::KillPrimary
            | Self::StandbyAway
            | Self::CrashPrimary
            | Self::CancelWaits
            | Self::ClockSkew
            | Self::Everything => Base::Synchronous,
            Self::KillPrimaryAsync => Base::Asynchronous,
            Self::RestartPooler => Base::Pooled,
            Self::FullDisk => Base::SmallDisk,
            Self::FullLedger => Base::SecondDisk,
            Self::KillReplica
            | Self::FreezeReplica
            | Self::RollingRestart
            | Self::Partition
            | Self::Upgrade
            | Self::SettingsDiffer
            | Self::KillMove
            | Self::LongTransaction
            | Self::KillLedger
            | Self::EditedLedger
            | Self::Rate => Base::Alone,
        }
    }

    /// Whether a ledger is kept, and compared with what MDSS has accepted.
    pub(crate) fn has_ledger(self) -> bool {
        matches!(self, Self::KillLedger | Self::FullLedger | Self::EditedLedger)
    }

    /// Whether two configurations are side by side, of which the older one does not know the odd unit's bucket.
    pub(crate) fn has_two_configurations(self) -> bool {
        matches!(self, Self::Upgrade | Self::SettingsDiffer)
    }

    /// Whether nobody posts beside what the row itself announces: where the pace is measured, and where a spool moves between relays that do not run.
    pub(crate) fn is_quiet(self) -> bool {
        matches!(self, Self::Rate | Self::KillMove)
    }

    /// The most requests a second that all relays together send, where a row needs to know it. Where so many senders go on during the faults it is more
    /// than they announce, or each fault would wait longer for the backlog of those before it.
    pub(crate) fn rate(self, senders: u32) -> Option<u32> {
        match self {
            Self::Partition | Self::Everything => Some(senders.max(1).saturating_mul(OF_ONE_SENDER * 3 / 2)),
            Self::Rate => Some(100),
            _ => None,
        }
    }

    /// What a random row chooses from.
    pub(crate) const RANDOM: [Self; 7] = [
        Self::KillReplica,
        Self::RollingRestart,
        Self::KillPrimary,
        Self::StandbyAway,
        Self::CrashPrimary,
        Self::CancelWaits,
        Self::Partition,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_the_front_page() {
        let page = include_str!("../../README.md");
        for kind in Kind::value_variants() {
            assert!(page.contains(&format!("| `{}` | ", kind.name())), "{}", kind.name());
        }
    }
}
