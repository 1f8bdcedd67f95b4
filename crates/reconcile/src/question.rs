//! What a run is asked.

use std::time::Duration;

use jiff::Timestamp;
use mdss_relay_ledger::RunStart;
use serde_json::{Value, json};

/// For how long the event of a new object may be on its way, if nobody says otherwise.
pub const GRACE: Duration = Duration::from_secs(900);

/// Objects a second that are forwarded, if nobody says otherwise.
pub const RATE: u32 = 20;

/// What a run is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks: a person, or the schedule.
    pub actor: String,
    /// The bucket.
    pub bucket: String,
    /// What keys begin with.
    pub prefix: Vec<u8>,
    /// The name of a route, and the storage unit that it leads to: what goes elsewhere does not count.
    pub route: Option<(String, String)>,
    /// For how long the event of a new object may be on its way.
    pub grace: Duration,
    /// Only what was last written before.
    pub before: Option<Timestamp>,
    /// What is missing is put into the spool.
    pub forward: bool,
    /// What is undecidable, too.
    pub undecidable: bool,
    /// MDSS is asked about what is missing: it may have scanned it by itself.
    pub ask_mdss: bool,
    /// Objects a second, at most.
    pub rate: u32,
}

impl Question {
    /// About a whole bucket, without forwarding.
    pub fn about(bucket: impl Into<String>, actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            bucket: bucket.into(),
            prefix: Vec::new(),
            route: None,
            grace: GRACE,
            before: None,
            forward: false,
            undecidable: false,
            ask_mdss: false,
            rate: RATE,
        }
    }

    /// How a run with it in this store begins in the ledger.
    pub fn start(&self, store: &str) -> RunStart {
        RunStart {
            actor: self.actor.clone(),
            store: store.to_owned(),
            bucket: self.bucket.clone(),
            route: self.route.as_ref().map(|(name, _)| name.clone()),
            question: self.text(),
        }
    }

    /// What makes it another question, as a text: a run that was broken off goes on if somebody asks the same again. How fast it goes makes
    /// no difference.
    fn text(&self) -> String {
        let prefix = match std::str::from_utf8(&self.prefix) {
            Ok(prefix) => Value::from(prefix),
            Err(_) => Value::from(self.prefix.escape_ascii().to_string()),
        };
        json!({
            "ask_mdss": self.ask_mdss,
            "before": self.before.map(|before| before.to_string()),
            "forward": self.forward,
            "grace_seconds": self.grace.as_secs(),
            "prefix": prefix,
            "undecidable": self.undecidable,
            "unit": self.route.as_ref().map(|(_, unit)| unit),
        })
        .to_string()
    }
}
