//! Planning: everything that can be decided about a delivery without waiting.

pub(crate) mod explain;
pub(crate) mod mark;
#[expect(clippy::module_inception, reason = "the folder is named after what it does, and this file does it")]
pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod skip;
pub(crate) mod subject;

#[cfg(test)]
mod tests;
