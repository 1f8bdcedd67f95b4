//! The worker: what is in the spool goes to MDSS, one attempt a claim.
//!
//! A claim gives tickets; if the process dies, the items are as they were and are sent again. Each claim plans anew, with today's
//! settings. Only what came of an attempt is written, many outcomes in one transaction, and while that cannot be done, nothing new is begun.

mod attempt;
mod chores;
mod claims;
mod grants;
mod lanes;
mod lines;
mod outcomes;
mod pauses;
mod ready;
mod run;
#[cfg(test)]
mod simulated;

pub use run::{Pacing, Worker};
