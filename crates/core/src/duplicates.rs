//! Writes that MDSS has accepted, remembered by a process that serves many calls and keeps nothing on disk: a warm function.
//!
//! A platform tells some events twice, and repeats a call whose answer it did not see. Scanning an object twice harms
//! nothing, but costs MDSS its work. Two phases: a write is claimed while its record is under way, and done once MDSS has
//! accepted it. Only what is done is remembered, so whatever fails, or dies in between, is sent again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::plan::{Decision, Plan, WriteMark};

/// Marks remembered, and their bytes: a function's memory is small and must stay flat.
const MOST: usize = 2000;
const MOST_BYTES: usize = 256 * 1024;

/// The marks of accepted writes, the newest ones.
#[derive(Default)]
pub(crate) struct Duplicates(Mutex<Done>);

#[derive(Default)]
struct Done {
    known: HashSet<WriteMark>,
    order: VecDeque<WriteMark>,
    bytes: usize,
}

/// What is known of a record's write before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Claim {
    /// Nothing: it is sent. Its mark, if it has one, is remembered once it is accepted.
    New(Option<WriteMark>),
    /// MDSS has accepted it.
    Done,
    /// An earlier record of this delivery is the same write; what comes of that one comes of this one.
    As(usize),
}

impl Duplicates {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims every write of a plan.
    pub(crate) fn claim(&self, plan: &Plan) -> Vec<Claim> {
        let done = self.done();
        let mut here = HashMap::new();
        let claim = |(index, planned): (usize, &crate::Planned)| {
            if !matches!(planned.decision, Decision::Send(_)) {
                return Claim::New(None);
            }
            // A function has no sources.
            match planned.write_mark(None) {
                None => Claim::New(None),
                Some(mark) if done.known.contains(&mark) => Claim::Done,
                Some(mark) => match here.get(&mark) {
                    Some(earlier) => Claim::As(*earlier),
                    None => {
                        here.insert(mark.clone(), index);
                        Claim::New(Some(mark))
                    }
                },
            }
        };
        plan.records.iter().enumerate().map(claim).collect()
    }

    /// Remembers a write that MDSS has accepted.
    pub(crate) fn accepted(&self, mark: &WriteMark) {
        let mut done = self.done();
        if done.known.insert(mark.clone()) {
            done.bytes += 2 * mark.as_str().len();
            done.order.push_back(mark.clone());
        }
        while done.order.len() > MOST || done.bytes > MOST_BYTES {
            let Some(oldest) = done.order.pop_front() else { break };
            done.bytes -= 2 * oldest.as_str().len();
            done.known.remove(&oldest);
        }
    }
}
