//! Routes: which object belongs to which storage unit of MDSS.
//!
//! A route *names* a bucket and *takes* an object. The difference matters when nothing fits: an object of a named
//! bucket that no route takes is one the operator does not want scanned, and a skip; an object of a bucket nobody has
//! named may be one the operator has forgotten, and a failure.

use std::fmt;

use serde_json::value::RawValue;

use crate::condition::Condition;
use crate::dialect::{self, Dialect};
use crate::event::ObjectEvent;
use crate::failure::{Cause, Failure};
use crate::mdss::request::StorageType;
use crate::notification::Notification;
use crate::pattern::Pattern;
use crate::wire;

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

/// A document that a route takes its selection from.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    /// How sentences call it: `route[0].notification_file "bucket.xml"`.
    pub(crate) name: String,
    pub(crate) document: Notification,
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
    /// Boxed: most routes have none, and it is large.
    pub(crate) condition: Option<Box<Condition>>,
    /// A bucket's notification configuration, one of whose rules must fire.
    pub(crate) notification: Option<Box<Imported>>,
    /// OCI compartments, one of which the event must come from; empty: it may come from any.
    pub(crate) compartments: Vec<String>,
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
            condition: None,
            notification: None,
            compartments: Vec::new(),
            storage_client_id,
            storage_type: None,
            scan_id: None,
        }
    }

    /// On functions there is no source (`None`), and a route's own `source` always holds.
    fn names(&self, source: Option<&str>, event: &ObjectEvent) -> bool {
        let namespace_fits = match (&self.namespace, &event.details.namespace) {
            (None, _) => true,
            (Some(pattern), Some(namespace)) => pattern.matches(namespace),
            (Some(_), None) => false,
        };
        namespace_fits && self.names_bucket(source, event.bucket.as_str())
    }

    /// The same, as far as it can be told without an event.
    pub(crate) fn names_bucket(&self, source: Option<&str>, bucket: &str) -> bool {
        let source_fits = match (source, &self.source) {
            (Some(here), Some(wanted)) => here == wanted,
            (None, _) | (_, None) => true,
        };
        source_fits && self.bucket.matches(bucket)
    }

    /// # Errors
    /// Nobody can tell: the record is ambiguous where the condition looks.
    fn takes(&self, candidate: &Candidate<'_>) -> Result<Taken, Failure> {
        if !self.takes_key(candidate.event) {
            return Ok(Taken::No);
        }
        if let Some(sentence) = self.document_against(candidate.event) {
            return Ok(Taken::NotByDocument(sentence));
        }
        let taken = self.takes_compartment(candidate)? && self.takes_record(candidate)?;
        Ok(if taken { Taken::Yes } else { Taken::No })
    }

    /// Why the route's document does not take the event; `None` if it does, or there is none.
    ///
    /// Any rule that fires will do, whomever it tells: the document says which objects matter, and the event is here. So
    /// JD Cloud's order makes no difference, nor does it whether several rules fire.
    fn document_against(&self, event: &ObjectEvent) -> Option<String> {
        let Imported { name, document } = self.notification.as_deref()?;
        let event_name = event.details.event_name.as_deref().unwrap_or_default();
        let key = event.key.as_str();
        if document.fires(event_name, key) {
            return None;
        }
        let (shown, key_shown) = (wire::clip(event_name, 60), wire::clip(key, 100));
        let why = document.nearest_miss(event_name, key).map(|(index, rule, miss)| {
            let (field, wanted) = (miss.field.name(), wire::clip(&miss.wanted, 100));
            format!("; {} wants {field} {wanted:?}", rule.name(index))
        });
        Some(format!("no rule of {name} fires for {shown:?} of {key_shown:?}{}", why.unwrap_or_default()))
    }

    fn takes_key(&self, event: &ObjectEvent) -> bool {
        let key = event.key.as_str();
        let starts = |list: &[String]| list.iter().any(|p| key.starts_with(p.as_str()));
        let ends = |list: &[String]| list.iter().any(|s| key.ends_with(s.as_str()));
        (self.prefix.is_empty() || starts(&self.prefix))
            && (self.suffix.is_empty() || ends(&self.suffix))
            && !starts(&self.exclude_prefix)
            && !ends(&self.exclude_suffix)
    }

    /// "Rules apply to events in the compartment in which you create them and any child compartments" (Oracle, "Matching
    /// Events with Filters"). An event does not say which compartments are above its own, so a route lists them all.
    fn takes_compartment(&self, candidate: &Candidate<'_>) -> Result<bool, Failure> {
        if self.compartments.is_empty() {
            return Ok(true);
        }
        if candidate.provider != Some(Dialect::Oci) {
            return Ok(false);
        }
        let of_event = dialect::oci_compartments(candidate.raw()?.get())
            .map_err(|detail| Failure::new(Cause::Unreadable, detail))?;
        Ok(of_event.iter().any(|compartment| self.compartments.contains(compartment)))
    }

    fn takes_record(&self, candidate: &Candidate<'_>) -> Result<bool, Failure> {
        let Some(condition) = &self.condition else { return Ok(true) };
        condition.matches(candidate.raw()?).map_err(|detail| {
            Failure::new(Cause::Unreadable, format!("{detail}, because a route's condition looks there"))
        })
    }
}

enum Taken {
    Yes,
    No,
    /// It is the document that does not take it; the sentence.
    NotByDocument(String),
}

/// A new object, and what else routes look at.
pub(crate) struct Candidate<'c> {
    pub(crate) event: &'c ObjectEvent,
    pub(crate) provider: Option<Dialect>,
    /// The innermost JSON value the record was read from; there if [`look_into_records`] says so.
    pub(crate) raw: Option<&'c RawValue>,
}

impl Candidate<'_> {
    fn raw(&self) -> Result<&RawValue, Failure> {
        self.raw.ok_or_else(|| Failure::new(Cause::Internal, "the record's JSON was not kept for the routes"))
    }
}

/// Whether any route needs more of a record than its normal form. Keeping the JSON of each costs a copy.
pub(crate) fn look_into_records(routes: &[Route]) -> bool {
    routes.iter().any(|r| r.condition.is_some() || !r.compartments.is_empty())
}

/// Where an object goes.
pub(crate) enum Choice<'r> {
    To(&'r Route),
    /// A route names the bucket, and none takes the object; the sentence of the first route whose document was against it.
    NotSelected(Option<String>),
    /// No route names the bucket.
    Unmapped,
    /// Whether a route takes the object cannot be told; to go on with the next one would be a guess.
    Unclear(Failure),
}

/// The first route that names the bucket and takes the object.
pub(crate) fn choose<'r>(routes: &'r [Route], source: Option<&str>, candidate: &Candidate<'_>) -> Choice<'r> {
    let mut named = false;
    let mut against = None;
    for route in routes.iter().filter(|r| r.names(source, candidate.event)) {
        named = true;
        match route.takes(candidate) {
            Ok(Taken::Yes) => return Choice::To(route),
            Ok(Taken::No) => {}
            Ok(Taken::NotByDocument(sentence)) => against = against.or(Some(sentence)),
            Err(failure) => return Choice::Unclear(failure),
        }
    }
    if named { Choice::NotSelected(against) } else { Choice::Unmapped }
}
