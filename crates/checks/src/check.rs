//! The closed table of checks. An id never changes its meaning: scripts and alarms read it.

/// A group of checks; groups are looked at side by side and printed in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What the settings say, whether or not anything answers.
    Settings,
    /// The machine: disks, files, limits.
    Machine,
    /// The spool's database.
    Database,
    /// The way to MDSS.
    Network,
    /// MDSS itself.
    Mdss,
    /// Whether buckets tell us.
    Bucket,
    /// The relay that runs.
    Relay,
    /// Whether results of scans come back.
    Loop,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Settings,
        Self::Machine,
        Self::Database,
        Self::Network,
        Self::Mdss,
        Self::Bucket,
        Self::Relay,
        Self::Loop,
    ];

    /// The first part of the ids of its checks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Machine => "machine",
            Self::Database => "database",
            Self::Network => "network",
            Self::Mdss => "mdss",
            Self::Bucket => "bucket",
            Self::Relay => "relay",
            Self::Loop => "loop",
        }
    }

    /// Whether it looks at nothing but files: `--offline` does no more.
    pub const fn is_offline(self) -> bool {
        matches!(self, Self::Settings | Self::Machine)
    }
}

/// Where the documents are in the repository.
pub const DOCS: &str = "docs/";

/// The worst that a check can say of what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worst {
    /// It warns.
    Warn,
    /// It fails.
    Fail,
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// `group.name`.
    pub id: &'static str,
    /// Its group.
    pub group: Group,
    /// What it looks at, for a reader of the documentation.
    pub looks_at: &'static str,
    /// The worst that it can say.
    pub worst: Worst,
    /// Whether it is made only with `--live`, because MDSS would take it for a submission.
    pub live: bool,
}

impl Check {
    /// The row of an id. Ids are written in the code alone, so one that the table does not have is a slip that the first test of its
    /// group meets.
    pub fn of(id: &str) -> &'static Self {
        CHECKS.iter().find(|check| check.id == id).expect("an id of the table of checks")
    }

    /// The section about it.
    pub fn doc(&self) -> String {
        format!("{DOCS}doctor.md#{}", self.id)
    }
}

const fn row(group: Group, id: &'static str, worst: Worst, looks_at: &'static str) -> Check {
    Check { id, group, looks_at, worst, live: false }
}

const fn live(group: Group, id: &'static str, worst: Worst, looks_at: &'static str) -> Check {
    Check { live: true, ..row(group, id, worst, looks_at) }
}

use Group::{Bucket, Database, Loop, Machine, Mdss, Network, Relay, Settings};
use Worst::{Fail, Warn};

/// Every check, in the order in which they are printed.
pub const CHECKS: &[Check] = &[
    row(Settings, "settings.valid", Fail, "every variable, the TOML and the files they name"),
    row(Settings, "settings.http_endpoint", Warn, "whether the API key travels in the clear"),
    row(Settings, "settings.tls_verify_off", Warn, "whether MDSS's certificate is checked"),
    row(Settings, "settings.route_overlap", Warn, "routes of which both can take one object"),
    row(Settings, "settings.route_unreachable", Warn, "routes that an earlier one leaves nothing"),
    row(Settings, "settings.bucket_without_route", Warn, "sources that no route belongs to"),
    row(Settings, "settings.storage_type_default", Warn, "the type under which MDSS is told of an object"),
    row(Settings, "settings.feedback_loop", Warn, "routes that take what MDSS writes back into the bucket"),
    row(Settings, "settings.secrets_readable", Fail, "files with secrets, as the service's user reads them"),
    row(Settings, "settings.secrets_mode", Warn, "who else may read the files with secrets"),
    row(Settings, "settings.stop_timeout", Warn, "RELAY_DEADLINE and the unit's TimeoutStopSec"),
    row(Machine, "machine.data_dir", Fail, "the data directory: there, ours, writable, and its disk syncs"),
    row(Machine, "machine.disk", Fail, "free space for the spool"),
    row(Machine, "machine.spool_version", Fail, "whether this version can open the spool"),
    row(Machine, "machine.spool_damaged_files", Warn, "spool files that were set aside as damaged"),
    row(
        Machine,
        "machine.ledger_version",
        Fail,
        "whether this version can open the ledger, and its key is there",
    ),
    row(
        Machine,
        "machine.ledger_writable",
        Fail,
        "whether the relay may write the ledger's directory and files",
    ),
    row(
        Machine,
        "machine.ledger_key",
        Fail,
        "the ledger's key: whether the relay reads it, who else may, whose it is",
    ),
    row(
        Machine,
        "machine.ledger_outbox",
        Fail,
        "how long facts have been waiting in the spool for the ledger",
    ),
    row(Machine, "machine.ledger_chain", Fail, "the last entries of the ledger, and its newest checkpoint"),
    row(Machine, "machine.open_files", Warn, "how many files and connections may be open"),
    row(
        Database,
        "database.reached",
        Fail,
        "a connection to the spool's database, with TLS, to a server that takes writes",
    ),
    row(Database, "database.tables", Fail, "the server's and the tables' version"),
    row(Database, "database.rights", Fail, "what the role may do"),
    row(
        Database,
        "database.durability",
        Fail,
        "whether a commit is as safe as RELAY_SPOOL_DURABILITY asks for: synchronous_commit, standbys' names, fsync, wal_level",
    ),
    row(Database, "database.standbys", Warn, "synchronous standbys that are connected"),
    row(Database, "database.vacuum", Warn, "old transactions and dead rows"),
    row(
        Database,
        "database.ledger_tables",
        Fail,
        "the version of the ledger's tables, and what the role may do with them",
    ),
    row(
        Database,
        "database.ledger_key",
        Fail,
        "whether ledger.key is the key that signs the ledger in the database",
    ),
    row(
        Database,
        "database.ledger_outbox",
        Fail,
        "how long facts have been waiting in the spool for the ledger",
    ),
    row(
        Database,
        "database.ledger_chain",
        Fail,
        "the last entries of each chain, and the newest checkpoints",
    ),
    row(Network, "network.dns", Fail, "the addresses of MDSS's host, or of the proxy's"),
    row(Network, "network.connect", Fail, "a TCP connection"),
    row(Network, "network.proxy", Fail, "whether the proxy lets through to MDSS"),
    row(Network, "network.tls", Fail, "MDSS's certificates, and whether they are trusted"),
    row(Network, "network.tls_expiry", Warn, "how long MDSS's certificate is still valid"),
    row(Network, "network.clock", Fail, "this machine's clock against MDSS's"),
    row(Network, "network.latency", Warn, "how long MDSS takes to answer"),
    row(Mdss, "mdss.api", Fail, "whether the endpoint is MDSS's webhook"),
    row(Mdss, "mdss.key", Fail, "whether MDSS accepts the API key"),
    row(Mdss, "mdss.unit", Fail, "whether MDSS knows the storage unit of each route"),
    live(Mdss, "mdss.real_time", Fail, "whether real-time scanning is on for each unit"),
    live(Mdss, "mdss.event_based", Fail, "whether each unit's scan is event based"),
    live(Mdss, "mdss.scan_id", Fail, "whether MDSS takes each route's scan id"),
    row(Mdss, "mdss.file_api", Warn, "whether MDSS can be asked what became of a file"),
    row(Mdss, "mdss.rate", Warn, "how many objects a second the relay can report"),
    row(Bucket, "bucket.exists", Fail, "whether each bucket of a store is there"),
    row(Bucket, "bucket.list", Warn, "whether the store's credentials may list it"),
    row(Bucket, "bucket.emits", Fail, "whether the bucket tells anybody of new objects"),
    row(Bucket, "bucket.notifies", Fail, "whether it tells us: what `expects` names"),
    row(Bucket, "bucket.filter", Fail, "whether it tells us of everything that the routes take"),
    row(Bucket, "bucket.dead_letter", Warn, "whether events that are given up are kept somewhere"),
    row(Bucket, "bucket.created_only", Warn, "whether it tells us of anything but new objects"),
    row(Relay, "relay.running", Fail, "whether a relay listens"),
    row(Relay, "relay.ready", Fail, "whether it takes events"),
    row(
        Relay,
        "relay.reloaded",
        Warn,
        "whether it runs with the configuration and the secrets as they are on disk",
    ),
    row(Relay, "relay.breaker", Warn, "whether it has paused its requests to MDSS"),
    row(Relay, "relay.oldest", Warn, "how long the oldest object has waited"),
    row(Relay, "relay.held", Fail, "objects that wait for an operator"),
    row(Relay, "relay.parked", Warn, "objects that are not tried any more"),
    row(Relay, "relay.last_event", Warn, "when the last event came"),
    row(Loop, "loop.results_source", Warn, "whether MDSS has a place to say what it has scanned"),
    row(Loop, "loop.webhook_seen", Warn, "whether its results come"),
    row(Loop, "loop.blocked_only", Warn, "whether it tells of all files, or of blocked ones alone"),
    row(Loop, "loop.unconfirmed", Warn, "accepted objects without a result, by storage unit"),
    row(Loop, "loop.canary", Warn, "whether an object of the relay's own goes the whole way"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_with_their_group_and_stand_together() {
        let groups: Vec<_> = CHECKS.iter().map(|check| check.group).collect();
        let order = |group: &Group| Group::ALL.iter().position(|other| other == group);
        assert!(groups.iter().map(order).is_sorted());
        for (index, check) in CHECKS.iter().enumerate() {
            let (group, name) = check.id.split_once('.').unwrap();
            assert_eq!(group, check.group.name(), "{}", check.id);
            assert!(
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                check.id
            );
            assert!(!CHECKS[..index].iter().any(|other| other.id == check.id), "{} stands twice", check.id);
            assert!(!check.live || check.group == Group::Mdss, "{}", check.id);
        }
    }

    /// Each id that is printed has its section, each section is about an id, and the address that is printed leads there.
    #[test]
    fn each_id_has_its_section_and_each_section_its_id() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md")).unwrap();
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let ids: Vec<_> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(
            sections, ids,
            "docs/doctor.md has other sections, or another order, than the table of checks"
        );
        for id in ids {
            assert!(page.contains(&format!("<a id=\"{id}\"></a>\n\n### {id}\n")), "docs/doctor.md#{id}");
            let (_, section) = page.split_once(&format!("### {id}\n")).unwrap();
            let section = section.split("\n<a id=").next().unwrap();
            for check in CHECKS.iter().filter(|check| check.id == id) {
                let says = |word: &str| section.contains(&format!("**{word}**"));
                assert!(says("warn") || says("fail") || says("unknown"), "{id}: what each outcome means");
                assert!(check.worst == Worst::Fail || !says("fail"), "{id} never fails");
                assert!(check.worst == Worst::Warn || says("fail"), "{id} may fail");
            }
        }
    }
}
