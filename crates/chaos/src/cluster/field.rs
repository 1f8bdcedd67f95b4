//! What a row is played on: a database, relays that share it, a balancer before them, and MDSS.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_ledger::Ledger;
use postgres_rig::{Pooler, Proxy, Server, SmallDisk, wrong_clock};
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::Plan;
use super::kind::{Base, Kind};
use crate::mdss::{Mdss, with_causes};
use crate::oracle::Book;
use crate::relay::{Around, Ours, Setup, free_address};
use crate::sender::{Sender, Wording};

/// The relays' database.
pub(crate) const DATABASE: &str = "relay";

/// The directory of the ledger's key, beside those of the relays.
const LEDGER: &str = "ledger";

/// What the servers call each other.
pub(crate) const NAMES: [&str; 2] = ["a", "b"];

/// Room for the tables on a disk that is filled.
const ROOM: u64 = 96 << 20;

/// By how much relays' clocks are wrong, in turn.
const SKEWS: [i64; 3] = [3600, -3600, 0];

/// The field of one row. What is first goes first: the relays before their database.
pub(crate) struct Field {
    pub(crate) plan: Arc<Plan>,
    pub(crate) kind: Kind,
    pub(crate) rng: fastrand::Rng,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) sender: Sender,
    pub(crate) mdss: Mdss,
    _balancer: Proxy,
    pub(crate) pooler: Option<Pooler>,
    pub(crate) servers: Vec<Server>,
    /// Which of the servers takes the writes.
    pub(crate) primary: usize,
    /// Between the standby and its primary, where a row cuts that.
    pub(crate) stream: Option<Proxy>,
    pub(crate) disk: Option<SmallDisk>,
    /// How many duplicates the faults injected so far excuse.
    pub(crate) excused: u64,
    pub(crate) injected: u32,
    /// When a relay last died with what it held.
    pub(crate) died: Option<Instant>,
    /// Objects that were acknowledged when a loss of them was already the operator's choice.
    pub(crate) forgone: HashSet<usize>,
    /// The longest time from a new pair of servers to the first event that has passed.
    pub(crate) longest: Option<Duration>,
    pub(crate) notes: Vec<String>,
    _dir: TempDir,
}

/// One relay, and its lines.
pub(crate) struct Replica {
    pub(crate) ours: Ours,
    /// To each server, or to the pooler.
    pub(crate) lines: Vec<Proxy>,
    /// To MDSS.
    pub(crate) out: Proxy,
}

/// A mistake of the rig's as a sentence.
pub(crate) fn said<T>(result: Result<T, postgres_rig::RigError>) -> Result<T, String> {
    result.map_err(|error| with_causes(&error))
}

impl Field {
    pub(crate) async fn lay(plan: Arc<Plan>, kind: Kind, prefix: String) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("mdss-chaos-")
            .tempdir()
            .map_err(|e| format!("no directory for a row: {e}"))?;
        let mdss = Mdss::start(free_address()?, dir.path(), mdss_sim::DEFAULT_API_KEY.to_owned()).await?;
        if kind.has_ledger() {
            // All relays have it alike.
            Ledger::make_key(&dir.path().join(LEDGER)).map_err(|trouble| trouble.to_string())?;
        }
        let (servers, stream, disk) = database(&plan, kind.base()).await?;
        let pooler = match kind.base() {
            Base::Pooled => {
                let pooler = said(block_in_place(|| Pooler::start(&plan.binaries, &servers[0])))?;
                Some(pooler.ok_or("pgbouncer is not installed")?)
            }
            _ => None,
        };
        let ports: Vec<u16> = match &pooler {
            Some(pooler) => vec![pooler.port()],
            None => servers.iter().map(Server::port).collect(),
        };
        let mut replicas = Vec::new();
        for number in 0..plan.replicas as usize {
            let mut lines = Vec::new();
            for port in &ports {
                lines.push(said(Proxy::start([local(*port)]).await)?);
            }
            let out = said(Proxy::start([mdss.address()]).await)?;
            let place = dir.path().join(format!("relay-{number}"));
            std::fs::create_dir(&place).map_err(|e| format!("{}: {e}", place.display()))?;
            let ours = relay(&plan, kind, &place, number, None, &lines, &out, false)?;
            replicas.push(Replica { ours, lines, out });
        }
        for replica in &mut replicas {
            replica.ours.start()?;
        }
        for replica in &mut replicas {
            replica.ours.up().await?;
        }
        let addresses: Vec<SocketAddr> = replicas.iter().map(|replica| replica.ours.address()).collect();
        let balancer = said(Proxy::start(addresses).await)?;
        let book = Arc::new(Book::new(prefix, Vec::new()));
        let sender = Sender::new(format!("http://{}/events", balancer.address()), book, Wording::Events, 0);
        let rng = fastrand::Rng::with_seed(plan.seed ^ ((kind as u64) << 8));
        Ok(Self {
            plan,
            kind,
            rng,
            replicas,
            sender,
            mdss,
            _balancer: balancer,
            pooler,
            servers,
            primary: 0,
            stream,
            disk,
            excused: 0,
            injected: 0,
            died: None,
            forgone: HashSet::new(),
            longest: None,
            notes: Vec::new(),
            _dir: dir,
        })
    }

    /// Gives a relay the other program and configuration from its next start on.
    pub(crate) fn exchange(&mut self, number: usize, newer: bool) -> Result<(), String> {
        let replica = &mut self.replicas[number];
        let address = Some(replica.ours.address());
        let place = self._dir.path().join(format!("relay-{number}"));
        replica.ours =
            relay(&self.plan, self.kind, &place, number, address, &replica.lines, &replica.out, newer)?;
        Ok(())
    }

    /// A directory beside those of the relays.
    pub(crate) fn beside(&self, name: &str) -> Result<PathBuf, String> {
        let place = self._dir.path().join(name);
        std::fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
        Ok(place)
    }

    /// One more relay, whose spool is a file in this directory.
    pub(crate) fn on_file(&self, place: &Path) -> Result<Ours, String> {
        relay(&self.plan, self.kind, place, 0, None, &[], &self.replicas[0].out, false)
    }

    pub(crate) fn standby(&self) -> usize {
        1 - self.primary
    }

    /// What a relay may have under way, as requests to MDSS.
    pub(crate) fn at_once(&self) -> u64 {
        u64::from(self.plan.concurrency)
    }

    /// Outcomes that are not written yet: above so many the worker begins nothing.
    pub(crate) fn batch(&self) -> u64 {
        32 * self.at_once()
    }

    /// Runs a statement on the primary, with all rights; the first column.
    pub(crate) async fn ask(&self, statement: &str) -> Result<Vec<String>, String> {
        let url = self.servers[self.primary].admin_url(DATABASE);
        said(postgres_rig::ask(&url, statement).await)
    }

    /// What the relays have printed.
    pub(crate) fn output(&self) -> String {
        let output = self.replicas.iter().enumerate().flat_map(|(number, replica)| {
            let text = replica.ours.output();
            let lines: Vec<_> = text.lines().map(|line| format!("{number}: {line}\n")).collect();
            // The end of it is what matters.
            lines[lines.len().saturating_sub(15)..].to_vec()
        });
        output.collect()
    }

    pub(crate) async fn pause(&mut self, millis: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(millis))).await;
    }
}

async fn database(
    plan: &Plan,
    base: Base,
) -> Result<(Vec<Server>, Option<Proxy>, Option<SmallDisk>), String> {
    // What the promise rests on is there in each row: it syncs.
    let setup = Server::setup(&plan.binaries).setting("max_wal_senders", "20");
    let mut first = said(block_in_place(|| setup.start()))?;
    if matches!(base, Base::SmallDisk | Base::SecondDisk) {
        let disk = said(SmallDisk::mount(&plan.binaries, ROOM))?;
        said(first.ask(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display())).await)?;
        if base == Base::SecondDisk {
            said(first.named_database(DATABASE).await)?;
            return Ok((vec![first], None, Some(disk)));
        }
        let create = format!("CREATE DATABASE {DATABASE} OWNER relay TEMPLATE template0 TABLESPACE small");
        said(first.ask(&create).await)?;
        return Ok((vec![first], None, Some(disk)));
    }
    said(first.named_database(DATABASE).await)?;
    let stream = match base {
        Base::Asynchronous => Some(said(Proxy::start([local(first.port())]).await)?),
        _ => None,
    };
    match base {
        Base::Alone | Base::SmallDisk | Base::SecondDisk | Base::Pooled => Ok((vec![first], None, None)),
        Base::Synchronous | Base::Asynchronous => {
            let port = stream.as_ref().map_or(first.port(), |proxy| proxy.address().port());
            let second = said(block_in_place(|| first.standby_by(NAMES[1], port)))?;
            if base == Base::Synchronous {
                said(first.set("synchronous_standby_names", NAMES[1]))?;
            }
            said(first.followed(NAMES[1], base == Base::Synchronous).await)?;
            Ok((vec![first, second], stream, None))
        }
    }
}

/// A relay with its settings. Without a line to a database its spool is a file.
#[expect(clippy::too_many_arguments, reason = "each is another thing that differs between relays")]
fn relay(
    plan: &Plan,
    kind: Kind,
    dir: &Path,
    number: usize,
    address: Option<SocketAddr>,
    lines: &[Proxy],
    out: &Proxy,
    newer: bool,
) -> Result<Ours, String> {
    let hosts: Vec<_> = lines.iter().map(|line| line.address().to_string()).collect();
    let url = format!(
        "postgres://relay@{}/{DATABASE}?sslmode=disable&target_session_attrs=read-write",
        hosts.join(",")
    );
    let rate = kind.rate(plan.senders).map(|rate| rate.to_string());
    let durability = if kind.base() == Base::Synchronous { "replicated" } else { "server" };
    // A look at MDSS by itself would be taken for an object that a relay has sent while it was cut off.
    let mut more = vec![("RELAY_CHECK_EVERY", "never")];
    if !lines.is_empty() {
        more.extend([("RELAY_SPOOL_URL", url.as_str()), ("RELAY_SPOOL_DURABILITY", durability)]);
    }
    more.extend(rate.as_deref().map(|rate| ("RELAY_SPOOL_RATE", rate)));
    let ledger = dir.with_file_name(LEDGER).display().to_string();
    if kind.has_ledger() {
        more.extend([("RELAY_LEDGER", "on"), ("RELAY_LEDGER_DIR", ledger.as_str())]);
    }
    let clock = match kind {
        Kind::ClockSkew => wrong_clock(SKEWS[number % SKEWS.len()]).ok_or("libfaketime is not installed")?,
        _ => Vec::new(),
    };
    more.extend(clock.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let program = match &plan.newer {
        Some(program) if newer && kind == Kind::Upgrade => program,
        _ => &plan.relay,
    };
    let setup = Setup {
        program,
        mode: "spooled",
        webhook: format!("http://{}{}", out.address(), mdss_sim::WEBHOOK_PATH),
        concurrency: plan.concurrency,
        timeout: "10s",
        around: Around::Nothing,
        more: &more,
        dir,
        address,
        // Where two configurations are side by side, the older one knows one bucket alone.
        odd: !kind.has_two_configurations() || newer,
    };
    Ours::new(&setup, mdss_sim::DEFAULT_API_KEY)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
