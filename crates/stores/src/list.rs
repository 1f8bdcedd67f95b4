//! The listers of stores that are asked over HTTP: a request for a page, and what its answer says. One file a cloud.

pub(crate) mod azure;
pub(crate) mod gcs;
pub(crate) mod oci;
pub(crate) mod query;
pub(crate) mod s3;
pub(crate) mod s3_bucket;
pub(crate) mod s3_page;
pub(crate) mod xml;
