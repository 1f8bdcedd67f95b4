//! The handle an adapter has.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mdss_relay_core::{Delivery, Plan, Report};

use crate::clock::{Clock, SystemClock};
use crate::engine::{Config, Engine, StoreThread};
use crate::health::Teller;
use crate::intake::{Intake, Sender};
use crate::meter::{Counts, Meter, Snapshot};
use crate::shares::{Limits, Parties};
use crate::trouble::Trouble;

/// How long an answer to "can you write?" holds: probes come from several sides, and each costs a sync.
const PROBE_HOLDS: Duration = Duration::from_secs(1);

/// How long an event that could not be written speaks against readiness, unless another one could be since. On a full disk a
/// probe may find room in the log that an event does not.
const FAILURE_HOLDS: Duration = Duration::from_secs(10);

/// The durable hand-off: what it has accepted is on disk. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    pub(crate) engine: Engine,
    pub(crate) meter: Arc<Meter>,
    /// What the worker has said of MDSS; the next worker goes on from there.
    pub(crate) teller: Arc<Mutex<Teller>>,
    config: Arc<Config>,
    probed: Arc<Mutex<Option<Probe>>>,
    /// The last event, if it could not be written.
    failed: Arc<Mutex<Option<Probe>>>,
    parties: Arc<Mutex<Parties>>,
    /// Wakes the worker.
    pub(crate) news: Arc<tokio::sync::Notify>,
    /// Whether somebody keeps a ledger.
    ledger: bool,
    /// Wakes whoever feeds it.
    pub(crate) settled: Arc<tokio::sync::Notify>,
}

struct Probe {
    when: Instant,
    answer: Result<(), Trouble>,
}

impl Probe {
    fn now(answer: Result<(), Trouble>) -> Self {
        Self { when: Instant::now(), answer }
    }
}

impl Spool {
    /// Starts to keep. What is wrong with the directory or the file shows in [`Spool::ready`] and [`Spool::accept`], and is
    /// tried again with every call: recovery needs nobody.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(config: Config, clock: Arc<dyn Clock>) -> std::io::Result<(Self, StoreThread)> {
        let (engine, thread) = Engine::work(&config, clock)?;
        let spool = Self {
            engine,
            meter: Arc::default(),
            teller: Arc::default(),
            config: Arc::new(config),
            probed: Arc::default(),
            failed: Arc::default(),
            parties: Arc::default(),
            news: Arc::default(),
            ledger: false,
            settled: Arc::default(),
        };
        Ok((spool, thread))
    }

    /// Says for how many it is. Where there are several, none may take so much of it that nothing is left for the others.
    pub fn share_among(&self, parties: Parties) {
        *self.parties.lock().unwrap_or_else(|e| e.into_inner()) = parties;
    }

    fn limits(&self) -> Limits {
        self.config.limits(*self.parties.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Keeps of a delivery what its plan wants sent or held, and what a proven sender's delivery cannot be used for. It is on
    /// disk when this returns: then the sender may hear "done", if the report says so. A delivery of which nothing is to be
    /// kept does not touch the disk. Writes the lines of the report.
    ///
    /// # Errors
    /// Nothing was kept; the adapter answers 503.
    pub async fn accept(&self, delivery: Delivery, plan: &Plan, sender: Sender) -> Result<Report, Trouble> {
        let started = Instant::now();
        let id = delivery.id.clone();
        let source = delivery.source.clone().unwrap_or_default();
        let mut intake = Intake::new(delivery, plan, sender);
        if self.engine.remembers() {
            intake = intake.remembered(plan);
        }
        if self.ledger {
            intake = intake.told(plan, SystemClock.now());
        }
        let intake = Arc::new(intake);
        let mut written = Vec::new();
        if !intake.is_empty() {
            let outcome = self.engine.accept(Arc::clone(&intake), self.limits()).await;
            let failed = outcome.as_ref().err().map(|trouble| Probe::now(Err(trouble.clone())));
            *self.failed.lock().unwrap_or_else(|e| e.into_inner()) = failed;
            written = outcome.inspect_err(|trouble| self.meter.refused(trouble.kind))?;
            self.meter.accepted(&source, &written);
            self.news.notify_one();
        }
        Ok(Report::kept(plan, &intake.kept(plan, written), started.elapsed(), &id))
    }

    /// The same spool, for somebody who keeps a ledger: each item that leaves has a fact in the outbox, and so has each that is parked.
    #[must_use]
    pub fn with_ledger(self) -> Self {
        Self { ledger: true, ..self }
    }

    /// Whether somebody keeps a ledger.
    pub fn has_ledger(&self) -> bool {
        self.ledger
    }

    /// Waits until outcomes were written down since the last call.
    pub async fn settled(&self) {
        self.settled.notified().await;
    }

    /// What keeps the events.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether an event would be taken now: found out by writing, and good for a second.
    ///
    /// # Errors
    /// Why not, for the operator; readiness is red.
    pub async fn ready(&self) -> Result<(), Trouble> {
        for (last, holds) in [(&self.failed, FAILURE_HOLDS), (&self.probed, PROBE_HOLDS)] {
            if let Some(probe) = &*last.lock().unwrap_or_else(|e| e.into_inner())
                && probe.when.elapsed() < holds
            {
                return probe.answer.clone();
            }
        }
        let answer = self.engine.probe(self.limits()).await;
        *self.probed.lock().unwrap_or_else(|e| e.into_inner()) = Some(Probe::now(answer.clone()));
        answer
    }

    /// Counters and gauges of this moment.
    ///
    /// # Errors
    /// If the file cannot be read; the counters are in memory and lose nothing.
    pub async fn snapshot(&self) -> Result<Snapshot, Trouble> {
        let stock = self.engine.stock().await?;
        Ok(self.meter.snapshot(stock, self.config.limit))
    }

    /// What this process has counted; it is in memory, and there when the file cannot be read.
    pub fn counts(&self) -> Counts {
        self.meter.read()
    }
}
