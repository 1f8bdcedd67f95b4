//! The checks a policy can be made of.

mod alibaba_eventbridge;
mod alibaba_mns;
mod basic;
mod bearer;
mod header_signature;
mod hmac;
mod huawei_smn;
mod jdcloud_signature;
mod jwt;
mod names;
mod objection;
mod path_secret;
mod shared_secret;
mod sns;
mod source_addresses;
mod trust;

pub(crate) use alibaba_eventbridge::AlibabaEventbridge;
pub(crate) use alibaba_mns::{AlibabaMns, MNS, MnsTopic};
pub(crate) use basic::Basic;
pub(crate) use bearer::{Bearer, bearer_remark};
pub(crate) use header_signature::{ContentMd5, HeaderSignature};
pub(crate) use hmac::{Encoding, Hmac};
pub(crate) use huawei_smn::{HuaweiSmn, SmnTopic, host};
pub(crate) use jdcloud_signature::JDCLOUD;
pub(crate) use jwt::{
    Cloud, EVENT_GRID, EVENT_GRID_ROLE, Entra, Expected, GOOGLE_KEYS, Issuer, IssuerKeys, Jwt,
};
pub(crate) use names::{
    ALIBABA_EVENTBRIDGE, ALIBABA_MNS, BASIC, BEARER, HMAC, HUAWEI_SMN, JDCLOUD_SIGNATURE, JWT, PATH_SECRET,
    SHARED_SECRET, SNS, SOURCE_ADDRESSES,
};
pub(crate) use objection::Objection;
pub(crate) use path_secret::PathSecret;
pub(crate) use shared_secret::{Carrier, SharedSecret};
pub(crate) use sns::{Sns, Topic};
pub(crate) use source_addresses::SourceAddresses;
pub(crate) use trust::Trust;

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
    JdcloudSignature(HeaderSignature),
    AlibabaEventbridge(AlibabaEventbridge),
    AlibabaMns(AlibabaMns),
    HuaweiSmn(HuaweiSmn),
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
            Self::AlibabaEventbridge(_) => ALIBABA_EVENTBRIDGE,
            Self::AlibabaMns(_) => ALIBABA_MNS,
            Self::HuaweiSmn(_) => HUAWEI_SMN,
            Self::Sns(_) => SNS,
        }
    }
}
