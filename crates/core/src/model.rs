//! The words everybody shares: a delivery, an event, the dialects' names, a storage unit, a failure.

pub(crate) mod answers;
pub(crate) mod blame;
pub(crate) mod content;
pub(crate) mod delivery;
pub(crate) mod dialect;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod raw;
pub(crate) mod unit;
