//! Selecting: which route takes an object. Nothing here knows how events are read.

pub(crate) mod condition;
pub(crate) mod notification;
pub(crate) mod route;
pub(crate) mod rules;
pub(crate) mod samples;
pub(crate) mod survey;
