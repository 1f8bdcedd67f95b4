//! The checks' names, as in the settings and in refusals.

pub(crate) const BEARER: &str = "bearer";
pub(crate) const BASIC: &str = "basic";
pub(crate) const PATH_SECRET: &str = "path_secret";
pub(crate) const SHARED_SECRET: &str = "shared_secret";
pub(crate) const SOURCE_ADDRESSES: &str = "source_addresses";
pub(crate) const HMAC: &str = "hmac";
pub(crate) const JDCLOUD_SIGNATURE: &str = "jdcloud_signature";
pub(crate) const JWT: &str = "jwt";
pub(crate) const ALIBABA_EVENTBRIDGE: &str = "alibaba_eventbridge";
pub(crate) const ALIBABA_MNS: &str = "alibaba_mns";
pub(crate) const HUAWEI_SMN: &str = "huawei_smn";
pub(crate) const SNS: &str = "sns";
