//! Records: one file for each producer's own.

pub(super) mod azure_blob;
pub(super) mod b2;
pub(super) mod callback;
pub(super) mod cloudtrail;
pub(super) mod eventbridge;
pub(super) mod gcs;
pub(super) mod ibm_cos;
pub(super) mod jdcloud_function;
#[cfg(test)]
pub(super) mod lighthouse;
pub(super) mod oci;
pub(super) mod r2;
pub(super) mod reserved;
pub(super) mod s3;
pub(super) mod seaweedfs;
pub(super) mod tigris;
