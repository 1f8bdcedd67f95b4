//! The checks a policy can be made of.

mod basic;
mod bearer;
mod hmac;
mod jdcloud_signature;
mod jwt;
mod names;
mod objection;
mod path_secret;
mod shared_secret;
mod sns;
mod source_addresses;

pub(crate) use basic::Basic;
pub(crate) use bearer::{Bearer, bearer_remark};
pub(crate) use hmac::{Encoding, Hmac};
pub(crate) use jdcloud_signature::{ContentMd5, JdcloudSignature, Trust};
pub(crate) use jwt::{
    Cloud, EVENT_GRID, EVENT_GRID_ROLE, Entra, Expected, GOOGLE_KEYS, Issuer, IssuerKeys, Jwt,
};
pub(crate) use names::{
    BASIC, BEARER, HMAC, JDCLOUD_SIGNATURE, JWT, PATH_SECRET, SHARED_SECRET, SNS, SOURCE_ADDRESSES,
};
pub(crate) use objection::Objection;
pub(crate) use path_secret::PathSecret;
pub(crate) use shared_secret::{Carrier, SharedSecret};
pub(crate) use sns::{Sns, Topic};
pub(crate) use source_addresses::SourceAddresses;

/// One check, with the credential it holds requests against.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Bearer(Bearer),
    Basic(Basic),
    Jwt(Jwt),
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
            Self::Jwt(_) => JWT,
            Self::PathSecret(_) => PATH_SECRET,
            Self::SharedSecret(_) => SHARED_SECRET,
            Self::SourceAddresses(_) => SOURCE_ADDRESSES,
            Self::Hmac(_) => HMAC,
            Self::JdcloudSignature(_) => JDCLOUD_SIGNATURE,
            Self::Sns(_) => SNS,
        }
    }
}
