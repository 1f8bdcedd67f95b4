//! Delivering: everything that waits, and the report about it.

pub(crate) mod deadline;
pub(crate) mod duplicates;
pub(crate) mod lines;
pub(crate) mod memory;
pub(crate) mod offload;
pub(crate) mod relay;
pub(crate) mod repeats;
pub(crate) mod report;
pub(crate) mod watch;
