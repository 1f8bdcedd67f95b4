//! The ground: reading foreign JSON, foreign text in sentences, mistakes, secrets, the names of log fields. Nothing here knows what
//! an event or MDSS is.

pub(crate) mod checked;
pub mod facts;
pub mod fields;
pub(crate) mod file;
pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod members;
pub(crate) mod mistake;
pub(crate) mod pattern;
pub(crate) mod secret;
pub(crate) mod text;
