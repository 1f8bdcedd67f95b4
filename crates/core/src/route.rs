//! Routes: which object belongs to which storage unit of MDSS.
//!
//! A route *names* a bucket and *takes* an object. The difference matters when nothing fits: an object of a named
//! bucket that no route takes is one the operator does not want scanned, and a skip; an object of a bucket nobody has
//! named may be one the operator has forgotten, and a failure.

use std::fmt;

use crate::event::ObjectEvent;
use crate::mdss::request::StorageType;
use crate::pattern::Pattern;

/// The id of a storage unit, copied from the MDSS dashboard. A UUID in every example; opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClientId(String);

impl StorageClientId {
    /// `None` for text no dashboard shows: empty, or with white space or control characters in it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let odd = text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control());
        (!odd).then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `[[route]]`.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) source: Option<String>,
    pub(crate) bucket: Pattern,
    pub(crate) namespace: Option<Pattern>,
    pub(crate) prefix: Vec<String>,
    pub(crate) suffix: Vec<String>,
    pub(crate) exclude_prefix: Vec<String>,
    pub(crate) exclude_suffix: Vec<String>,
    pub(crate) storage_client_id: StorageClientId,
    pub(crate) storage_type: Option<StorageType>,
    pub(crate) scan_id: Option<String>,
}

impl Route {
    /// The route that `STORAGECLIENTID` stands for: every object of every bucket.
    pub(crate) fn everything(storage_client_id: StorageClientId) -> Self {
        Self {
            source: None,
            bucket: Pattern::new("*"),
            namespace: None,
            prefix: Vec::new(),
            suffix: Vec::new(),
            exclude_prefix: Vec::new(),
            exclude_suffix: Vec::new(),
            storage_client_id,
            storage_type: None,
            scan_id: None,
        }
    }

    /// On functions there is no source (`None`), and a route's own `source` always holds.
    fn names(&self, source: Option<&str>, event: &ObjectEvent) -> bool {
        let source_fits = match (source, &self.source) {
            (Some(here), Some(wanted)) => here == wanted,
            (None, _) | (_, None) => true,
        };
        let namespace_fits = match (&self.namespace, &event.details.namespace) {
            (None, _) => true,
            (Some(pattern), Some(namespace)) => pattern.matches(namespace),
            (Some(_), None) => false,
        };
        source_fits && namespace_fits && self.bucket.matches(event.bucket.as_str())
    }

    fn takes(&self, event: &ObjectEvent) -> bool {
        let key = event.key.as_str();
        let starts = |list: &[String]| list.iter().any(|p| key.starts_with(p.as_str()));
        let ends = |list: &[String]| list.iter().any(|s| key.ends_with(s.as_str()));
        (self.prefix.is_empty() || starts(&self.prefix))
            && (self.suffix.is_empty() || ends(&self.suffix))
            && !starts(&self.exclude_prefix)
            && !ends(&self.exclude_suffix)
    }
}

/// Where an object goes.
pub(crate) enum Choice<'r> {
    To(&'r Route),
    /// A route names the bucket, and none takes the object.
    NotSelected,
    /// No route names the bucket.
    Unmapped,
}

/// The first route that names the bucket and takes the object.
pub(crate) fn choose<'r>(routes: &'r [Route], source: Option<&str>, event: &ObjectEvent) -> Choice<'r> {
    let mut named = routes.iter().filter(|r| r.names(source, event)).peekable();
    if named.peek().is_none() {
        return Choice::Unmapped;
    }
    named.find(|r| r.takes(event)).map_or(Choice::NotSelected, Choice::To)
}
