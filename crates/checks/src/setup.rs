//! What is looked at.

use std::path::PathBuf;

use mdss_relay_core::{HttpSettings, Settings};
use mdss_relay_stores::StoreSettings;

use crate::outcome::Outcome;

/// The set-up of one server, as its process reads it.
pub struct Setup {
    /// Where it is from, for what concerns all of it.
    pub name: String,
    /// Its settings; where there is a mistake in them, the default stands.
    pub settings: Settings,
    /// Those of the server.
    pub http: HttpSettings,
    /// The stores whose buckets are to tell it.
    pub stores: Vec<StoreSettings>,
    /// Whether the stores' tables have a mistake, so that some may be missing here.
    pub stores_are_wrong: bool,
    /// The file of its configuration, for commands that are to be pasted.
    pub config: Option<PathBuf>,
    /// What a check says that needs the API key, where whoever looks has none.
    pub key_missing: Outcome,
    /// How the server gets another API key: commands.
    pub replace_key: String,
}

/// How far a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Again and again, by itself: nothing that could raise an alarm in MDSS, such as a request with a wrong key.
    Repeated,
    /// Somebody has asked for it.
    Asked,
    /// Somebody wants it although MDSS takes some of it for submissions.
    Live,
}
