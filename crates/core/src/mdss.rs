//! Talking to MDSS, in three pieces: the request (pure), the verdict on an answer (pure), one attempt (waits).

pub(crate) mod client;
mod connect;
pub(crate) mod look;
mod pool;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod trust;
pub(crate) mod verdict;
pub(crate) mod way;
