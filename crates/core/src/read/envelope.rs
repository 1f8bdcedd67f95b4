//! Envelopes: what services put around somebody else's records.

pub(super) mod cloudevents;
pub(super) mod event_grid;
pub(super) mod jdcloud;
pub(super) mod lambda;
pub(super) mod lists;
pub(super) mod mns;
pub(super) mod oci_notifications;
pub(super) mod oci_stream;
pub(super) mod pubsub;
pub(super) mod r2_pull;
pub(super) mod smn;
pub(super) mod sns;
pub(super) mod sqs;
pub(super) mod storagegrid;
pub(super) mod text;
