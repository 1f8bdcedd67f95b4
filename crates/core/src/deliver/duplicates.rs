//! Writes that MDSS has accepted, remembered by a process that serves many calls and keeps nothing on disk.
//!
//! A platform tells some events twice, and repeats a call whose answer it did not see. A store with a queue repeats
//! all that stands behind one event that fails, some without a pause: Ceph's persistent topics remove what was taken only up to the first
//! that was not. Scanning an object twice harms nothing, but costs MDSS its work. Two phases: a write is claimed while
//! its record is under way, and done once MDSS has accepted it. Only what is done is remembered, so whatever fails, or
//! dies in between, is sent again. A write that is under way already is waited for, because only then it is known
//! whether the second one may be called done.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::plan::mark::WriteMark;
use crate::plan::plan::{Decision, Plan, Planned};

/// The marks of accepted writes, the newest ones.
pub(crate) struct Duplicates {
    /// Marks remembered, and their bytes, at most.
    most: usize,
    most_bytes: usize,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashSet<Hashed, BuildHasherDefault<AsItIs>>,
    order: VecDeque<Hashed>,
    bytes: usize,
    /// What is being sent just now. The other end is let go when that is over, whatever came of it.
    under_way: HashMap<Hashed, watch::Receiver<()>, BuildHasherDefault<AsItIs>>,
}

/// A mark with its hash. Marks are long and are looked up several times for each write; strangers choose them, so the hash is
/// a keyed one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hashed {
    hash: u64,
    mark: Arc<WriteMark>,
}

impl Hashed {
    /// What it takes, about: its text, and as much again for what holds it.
    fn bytes(&self) -> usize {
        2 * self.mark.as_str().len()
    }
}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Hands on a hash that is there already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is used; whatever else is hashed still counts.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What is known of a record's write before it is sent.
pub(crate) enum Claim<'d> {
    /// Nothing: it is sent. If it has a mark, it is remembered once it is accepted.
    New(Option<UnderWay<'d>>),
    /// MDSS has accepted it.
    Done,
    /// An earlier record of this delivery is the same write; what comes of that one comes of this one.
    As(usize),
    /// Another delivery has it under way. Claimed again when that is over.
    Elsewhere(Hashed, watch::Receiver<()>),
}

/// A write while it is sent. Whoever waits for it goes on when this is dropped.
pub(crate) struct UnderWay<'d> {
    duplicates: &'d Duplicates,
    mark: Hashed,
    _end: watch::Sender<()>,
}

impl UnderWay<'_> {
    /// Remembers that MDSS has accepted it.
    pub(crate) fn accepted(self) {
        self.duplicates.accepted(&self.mark);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.duplicates.state().under_way.remove(&self.mark);
    }
}

impl Duplicates {
    /// A memory of that many marks and bytes.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, hasher: RandomState::new(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims every write of a plan.
    pub(crate) fn claim(&self, plan: &Plan) -> Vec<Claim<'_>> {
        let mut here: HashMap<Hashed, usize, BuildHasherDefault<AsItIs>> = HashMap::default();
        let claim = |(index, planned): (usize, &Planned)| {
            if !matches!(planned.decision, Decision::Send(_)) {
                return Claim::New(None);
            }
            let Some(mark) = planned.write_mark(plan.source.as_deref()) else { return Claim::New(None) };
            let mark = Hashed { hash: self.hasher.hash_one(&mark), mark: Arc::new(mark) };
            if let Some(earlier) = here.get(&mark) {
                return Claim::As(*earlier);
            }
            // Most deliveries are one record, which no other one can be like.
            if plan.records.len() > 1 {
                here.insert(mark.clone(), index);
            }
            self.again(mark)
        };
        plan.records.iter().enumerate().map(claim).collect()
    }

    /// Claims one write, which was under way elsewhere.
    pub(crate) fn again(&self, mark: Hashed) -> Claim<'_> {
        let mut state = self.state();
        if state.known.contains(&mark) {
            return Claim::Done;
        }
        if let Some(end) = state.under_way.get(&mark) {
            return Claim::Elsewhere(mark, end.clone());
        }
        let (sender, end) = watch::channel(());
        state.under_way.insert(mark.clone(), end);
        Claim::New(Some(UnderWay { duplicates: self, mark, _end: sender }))
    }

    fn accepted(&self, mark: &Hashed) {
        let mut state = self.state();
        if state.known.insert(mark.clone()) {
            state.bytes += mark.bytes();
            state.order.push_back(mark.clone());
        }
        while state.order.len() > self.most || state.bytes > self.most_bytes {
            let Some(oldest) = state.order.pop_front() else { break };
            state.bytes -= oldest.bytes();
            state.known.remove(&oldest);
        }
    }
}
