//! The checks a policy can be made of.

mod basic;
mod bearer;
mod path_secret;

pub(crate) use basic::Basic;
pub(crate) use bearer::Bearer;
pub(crate) use path_secret::PathSecret;

/// The checks' names, as in the settings and in refusals.
pub(crate) const BEARER: &str = "bearer";
pub(crate) const BASIC: &str = "basic";
pub(crate) const PATH_SECRET: &str = "path_secret";

/// One check, with the credential it holds requests against.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Bearer(Bearer),
    Basic(Basic),
    PathSecret(PathSecret),
}
