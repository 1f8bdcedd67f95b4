//! Records: one file for each producer's own.

pub(super) mod alibaba_oss;
pub(super) mod azure_blob;
pub(super) mod b2;
pub(super) mod callback;
pub(super) mod cloudtrail;
pub(super) mod eventbridge;
pub(super) mod gcs;
pub(super) mod huawei_obs;
pub(super) mod ibm_cos;
pub(super) mod jdcloud_function;
#[cfg(test)]
pub(super) mod lighthouse;
pub(super) mod oci;
pub(super) mod oss_shaped;
pub(super) mod r2;
pub(crate) mod reconcile;
pub(super) mod s3;
pub(super) mod seaweedfs;
pub(super) mod tencent_cos;
pub(super) mod tigris;
pub(super) mod volcengine_tos;
pub(super) mod yandex;
