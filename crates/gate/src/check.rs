//! The checks a policy can be made of.

mod basic;
mod bearer;
mod hmac;
mod jdcloud_signature;
mod path_secret;
mod shared_secret;
mod sns;
mod source_addresses;

use crate::key_url::KeyUrl;

pub(crate) use basic::Basic;
pub(crate) use bearer::{Bearer, bearer_remark};
pub(crate) use hmac::{Encoding, Hmac};
pub(crate) use jdcloud_signature::{ContentMd5, JdcloudSignature, Trust};
pub(crate) use path_secret::PathSecret;
pub(crate) use shared_secret::{Carrier, SharedSecret};
pub(crate) use sns::{Sns, Topic};
pub(crate) use source_addresses::SourceAddresses;

/// The checks' names, as in the settings and in refusals.
pub(crate) const BEARER: &str = "bearer";
pub(crate) const BASIC: &str = "basic";
pub(crate) const PATH_SECRET: &str = "path_secret";
pub(crate) const SHARED_SECRET: &str = "shared_secret";
pub(crate) const SOURCE_ADDRESSES: &str = "source_addresses";
pub(crate) const HMAC: &str = "hmac";
pub(crate) const JDCLOUD_SIGNATURE: &str = "jdcloud_signature";
pub(crate) const SNS: &str = "sns";

/// One check, with the credential it holds requests against.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Bearer(Bearer),
    Basic(Basic),
    PathSecret(PathSecret),
    SharedSecret(SharedSecret),
    SourceAddresses(SourceAddresses),
    Hmac(Hmac),
    JdcloudSignature(JdcloudSignature),
    Sns(Sns),
}

impl Check {
    /// Its name, as in the settings and in refusals.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bearer(_) => BEARER,
            Self::Basic(_) => BASIC,
            Self::PathSecret(_) => PATH_SECRET,
            Self::SharedSecret(_) => SHARED_SECRET,
            Self::SourceAddresses(_) => SOURCE_ADDRESSES,
            Self::Hmac(_) => HMAC,
            Self::JdcloudSignature(_) => JDCLOUD_SIGNATURE,
            Self::Sns(_) => SNS,
        }
    }
}

/// Why a check of the body does not admit a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Objection {
    /// It has failed.
    Refused(&'static str),
    /// It has failed because of the certificate's URL, here as it may be shown.
    WrongUrl(&'static str, String),
    /// It needs the key at this URL.
    NeedKey(KeyUrl),
    /// It needs a key that cannot be had just now.
    Unavailable(&'static str),
}

impl From<&'static str> for Objection {
    fn from(why: &'static str) -> Self {
        Self::Refused(why)
    }
}
