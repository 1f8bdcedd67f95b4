//! What all connections share.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::correlation::CorrelationIds;
use crate::journal::Journal;
use crate::notifier::Scans;
use crate::rate::Bucket;
use crate::recorder::Recorder;
use crate::script::Script;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ids: CorrelationIds,
    connections: AtomicU64,
    recorder: Mutex<Recorder>,
    journal: Option<Journal>,
    scans: Mutex<Scans>,
    script: Mutex<Script>,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
    /// When the last of the requests that wait will have been worked off.
    busy: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(mut config: Config) -> io::Result<Self> {
        let journal = config.journal.as_deref().map(Journal::open).transpose()?;
        let mut script = Script::default();
        for batch in std::mem::take(&mut config.script) {
            script.push(batch);
        }
        Ok(Self {
            ids: CorrelationIds::new(),
            connections: AtomicU64::new(0),
            recorder: Mutex::new(Recorder::new(config.keep_requests)),
            journal,
            scans: Mutex::default(),
            script: Mutex::new(script),
            buckets: Mutex::default(),
            busy: Mutex::default(),
            config,
        })
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// An object is accepted: first in the file, if there is one, then in memory.
    pub(crate) fn accept(
        &self,
        storage_client_id: String,
        key: String,
        correlation_id: &str,
    ) -> io::Result<()> {
        if let Some(journal) = &self.journal {
            journal.write(&storage_client_id, &key, correlation_id)?;
        }
        self.recorder().accept(storage_client_id, key, correlation_id);
        Ok(())
    }

    pub(crate) fn scans(&self) -> MutexGuard<'_, Scans> {
        lock(&self.scans)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    /// Counts a connection and gives its number, from 1.
    pub(crate) fn count_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// When one more request will have been worked off; `None`: at once.
    pub(crate) fn turn(&self) -> Option<Instant> {
        let capacity = self.config.capacity?;
        let mut busy = lock(&self.busy);
        let now = Instant::now();
        let turn = busy.unwrap_or(now).max(now) + Duration::from_secs(1) / capacity.get();
        *busy = Some(turn);
        Some(turn)
    }

    /// Whether nginx lets one more request from this address through.
    pub(crate) fn within_rate(&self, client: IpAddr) -> bool {
        match self.config.rate {
            None => true,
            Some(rate) => lock(&self.buckets).entry(client).or_default().take(rate, Instant::now()),
        }
    }
}

/// No lock is held across anything that could panic half way, so a poisoned one is still in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
