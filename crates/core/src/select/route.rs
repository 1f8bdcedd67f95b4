//! Routes: which object belongs to which storage unit of MDSS.
//!
//! A route *names* a bucket and *takes* an object. The difference matters when nothing fits: an object of a named
//! bucket that no route takes is one the operator does not want scanned, and a skip; an object of a bucket nobody has
//! named may be one the operator has forgotten, and a failure.

use std::fmt;

use serde_json::value::RawValue;

use crate::model::event::{Change, Compartments, ObjectEvent};
use crate::model::failure::{Cause, Failure};
use crate::model::raw::Raw;
use crate::model::unit::{ObjectName, StorageClientId, StorageType};
use crate::plain::line;
use crate::plain::pattern::Pattern;
use crate::select::condition::{Comparisons, Condition, ConditionVerdict};
use crate::select::notification::Notification;

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
    /// What people call its storage unit; only shown.
    pub(crate) name: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) bucket: Pattern,
    pub(crate) namespace: Option<Pattern>,
    pub(crate) prefix: Vec<String>,
    pub(crate) suffix: Vec<String>,
    /// The same in any letter case; an object needs to end in one of either list.
    pub(crate) suffix_any_case: Vec<String>,
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
    pub(crate) object_name: ObjectName,
}

/// `invoices* of minio (a part) -> 0c5454e3-… (Invoices)`: what it names and where it leads, in a few words.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.bucket.as_str())?;
        if let Some(source) = &self.source {
            write!(f, " of {source}")?;
        }
        let lists = [&self.prefix, &self.suffix, &self.suffix_any_case, &self.exclude_prefix];
        let lists = lists.into_iter().chain([&self.exclude_suffix, &self.compartments]);
        let documents = self.condition.is_some() || self.notification.is_some() || self.namespace.is_some();
        if documents || lists.into_iter().any(|list| !list.is_empty()) {
            f.write_str(" (a part)")?;
        }
        write!(f, " -> {}", self.storage_client_id.as_str())?;
        self.name.iter().try_for_each(|name| write!(f, " ({name})"))
    }
}

impl Route {
    /// The route that `STORAGECLIENTID` stands for: every object of every bucket.
    pub(crate) fn everything(storage_client_id: StorageClientId) -> Self {
        Self {
            name: None,
            source: None,
            bucket: Pattern::new("*"),
            namespace: None,
            prefix: Vec::new(),
            suffix: Vec::new(),
            suffix_any_case: Vec::new(),
            exclude_prefix: Vec::new(),
            exclude_suffix: Vec::new(),
            condition: None,
            notification: None,
            compartments: Vec::new(),
            storage_client_id,
            storage_type: None,
            scan_id: None,
            object_name: ObjectName::default(),
        }
    }

    /// What people call its storage unit.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The bucket's name or pattern, as it was written.
    pub fn bucket(&self) -> &str {
        self.bucket.as_str()
    }

    /// The unit that it sends to.
    pub fn storage_client_id(&self) -> &StorageClientId {
        &self.storage_client_id
    }

    /// The partition scan that it names.
    pub fn scan_id(&self) -> Option<&str> {
        self.scan_id.as_deref()
    }

    /// The source that it belongs to; `None`: to each.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The type with which the unit is registered, if the operator has said so.
    pub fn storage_type(&self) -> Option<StorageType> {
        self.storage_type
    }

    /// On functions there is no source (`None`), and a route's own `source` always holds.
    fn names(&self, source: Option<&str>, event: &ObjectEvent) -> bool {
        let namespace_fits = match (&self.namespace, &event.details.namespace) {
            (None, _) => true,
            (Some(pattern), Some(namespace)) => pattern.matches(namespace),
            // A listing need not know in which one its bucket is.
            (Some(_), None) => event.change == Change::Listed,
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

    /// The members that decide, in this order, until one is against it.
    ///
    /// # Errors
    /// Nobody can tell: the record is ambiguous where the route looks.
    fn takes(&self, candidate: &Candidate<'_>) -> Result<Taken, Failure> {
        let key = candidate.event.key.as_str();
        let starts = |list: &[String]| list.iter().any(|p| key.starts_with(p.as_str()));
        let ends = |list: &[String]| list.iter().any(|s| key.ends_with(s.as_str()));
        let ends_anyhow = || self.suffix_any_case.iter().any(|s| ends_in_any_case(key, s));
        let by_suffix = !self.suffix.is_empty() || !self.suffix_any_case.is_empty();
        if !self.prefix.is_empty() && !starts(&self.prefix) {
            return Ok(Taken::Not(Member::Prefix));
        }
        if by_suffix && !ends(&self.suffix) && !ends_anyhow() {
            return Ok(Taken::Not(Member::Suffix));
        }
        if starts(&self.exclude_prefix) {
            return Ok(Taken::Not(Member::ExcludePrefix));
        }
        if ends(&self.exclude_suffix) {
            return Ok(Taken::Not(Member::ExcludeSuffix));
        }
        if self.document_against(candidate.event).is_some() {
            return Ok(Taken::Not(Member::Notification));
        }
        let unsaid = self.unsaid(candidate.event);
        if unsaid.is_none() && !self.takes_compartment(candidate)? {
            return Ok(Taken::Not(Member::Compartments));
        }
        match (self.takes_record(candidate)?, unsaid) {
            (Taken::Yes, Some(place)) => Ok(Taken::InDoubt(format!("{place}: a listing does not say it"))),
            (taken, _) => Ok(taken),
        }
    }

    /// The member of the route that asks what the listing of a bucket does not say; `None` if there is none, or it is an event.
    fn unsaid(&self, event: &ObjectEvent) -> Option<&'static str> {
        if event.change != Change::Listed {
            return None;
        }
        if self.namespace.is_some() && event.details.namespace.is_none() {
            return Some("namespace");
        }
        (!self.compartments.is_empty()).then_some("compartments")
    }

    /// The sentence for a record that the route does not take, by the member that decided.
    fn why_not(&self, member: Member, candidate: &Candidate<'_>) -> String {
        let key = line::clip(candidate.event.key.as_str(), 100);
        let texts = |list: &[String]| {
            let shown: Vec<_> =
                list.iter().take(5).map(|text| format!("{:?}", line::clip(text, 60))).collect();
            format!("{}{}", shown.join(", "), if list.len() > 5 { ", …" } else { "" })
        };
        match member {
            Member::Prefix => format!("key {key:?} begins with none of prefix {}", texts(&self.prefix)),
            Member::Suffix => {
                let lists = [("suffix", &self.suffix), ("suffix_any_case", &self.suffix_any_case)];
                let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
                let lists: Vec<_> = lists.map(|(name, list)| format!("{name} {}", texts(list))).collect();
                format!("key {key:?} ends in none of {}", lists.join(", "))
            }
            Member::ExcludePrefix => {
                format!("key {key:?} begins with one of exclude_prefix {}", texts(&self.exclude_prefix))
            }
            Member::ExcludeSuffix => {
                format!("key {key:?} ends in one of exclude_suffix {}", texts(&self.exclude_suffix))
            }
            Member::Notification => self.document_against(candidate.event).unwrap_or_default(),
            Member::Compartments => {
                let seen = match &candidate.event.details.compartments {
                    Compartments::Named(named) => named.as_slice(),
                    Compartments::Unclear(_) => &[],
                };
                let seen = if seen.is_empty() { "none".into() } else { texts(seen) };
                format!("the compartment is {seen}, wanted one of {}", texts(&self.compartments))
            }
            Member::Condition => {
                let mismatch = |raw: &RawValue| self.condition.as_ref()?.mismatch(raw.get()).ok().flatten();
                let mismatch =
                    candidate.raw.and_then(|raw| mismatch(raw.decoded.as_ref().unwrap_or(&raw.sent)));
                mismatch.map_or_else(
                    || "the condition does not match".into(),
                    |mismatch| format!("by its condition {mismatch}"),
                )
            }
        }
    }

    /// Why the route's document does not take the event; `None` if it does, or there is none.
    ///
    /// Any rule that fires will do, whomever it tells: the document says which objects matter, and the event is here. So
    /// JD Cloud's order makes no difference, nor does it whether several rules fire.
    fn document_against(&self, event: &ObjectEvent) -> Option<String> {
        let Imported { name, document } = self.notification.as_deref()?;
        let event_name = event.details.event_name.as_deref().unwrap_or_default();
        let key = event.key.as_str();
        // How the object of a listing was written is not known: any rule about new objects will do.
        let fires = match event.change {
            Change::Listed => document.may_tell_of(key),
            _ => document.fires(event_name, key),
        };
        if fires {
            return None;
        }
        let (shown, key_shown) = (line::clip(event_name, 60), line::clip(key, 100));
        let why = document.nearest_miss(event_name, key).map(|(index, rule, miss)| {
            let (field, wanted) = (miss.field.name(), line::clip(&miss.wanted, 100));
            format!("; {} wants {field} {wanted:?}", rule.name(index))
        });
        Some(format!("no rule of {name} fires for {shown:?} of {key_shown:?}{}", why.unwrap_or_default()))
    }

    /// "Rules apply to events in the compartment in which you create them and any child compartments" (Oracle, "Matching
    /// Events with Filters"). An event does not say which compartments are above its own, so a route lists them all.
    fn takes_compartment(&self, candidate: &Candidate<'_>) -> Result<bool, Failure> {
        if self.compartments.is_empty() {
            return Ok(true);
        }
        match &candidate.event.details.compartments {
            Compartments::Named(named) => Ok(named.iter().any(|id| self.compartments.contains(id))),
            Compartments::Unclear(detail) => Err(Failure::new(Cause::Unreadable, detail)),
        }
    }

    /// A condition sees the record as it was sent, and with the key decoded; either may match.
    fn takes_record(&self, candidate: &Candidate<'_>) -> Result<Taken, Failure> {
        let Some(condition) = &self.condition else { return Ok(Taken::Yes) };
        let raw = candidate.raw()?;
        let partial = candidate.event.change == Change::Listed;
        let mut doubt = None;
        for event in [Some(&raw.sent), raw.decoded.as_ref()].into_iter().flatten() {
            match condition.verdict(event, candidate.comparisons, partial) {
                ConditionVerdict::Matches => return Ok(Taken::Yes),
                ConditionVerdict::Differs => {}
                ConditionVerdict::TooMuch(detail) | ConditionVerdict::Unsaid(detail) => {
                    doubt = Some(format!("condition: {detail}"));
                }
                ConditionVerdict::Unclear(detail) => {
                    let detail = format!("{detail}, because a route's condition looks there");
                    return Err(Failure::new(Cause::Unreadable, detail));
                }
            }
        }
        Ok(doubt.map_or(Taken::Not(Member::Condition), Taken::InDoubt))
    }
}

/// Whether a key ends so, whatever the letter case: whoever uploads writes `.PDF` as well as `.pdf`.
fn ends_in_any_case(key: &str, suffix: &str) -> bool {
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    folded(key).ends_with(&folded(suffix))
}

/// A member of a route that can be against an object, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Prefix,
    Suffix,
    ExcludePrefix,
    ExcludeSuffix,
    Notification,
    Compartments,
    Condition,
}

enum Taken {
    Yes,
    /// Nobody can tell within the limits, and a missed scan is worse than a superfluous one; the sentence.
    InDoubt(String),
    Not(Member),
}

/// A new object, and what else routes look at.
pub(crate) struct Candidate<'c> {
    pub(crate) event: &'c ObjectEvent,
    /// The innermost JSON value the record was read from; there if [`look_into_records`] says so.
    pub(crate) raw: Option<&'c Raw>,
    /// What comparing it with conditions may still cost.
    pub(crate) comparisons: &'c Comparisons,
}

impl Candidate<'_> {
    fn raw(&self) -> Result<&Raw, Failure> {
        self.raw.ok_or_else(|| Failure::new(Cause::Internal, "the record's JSON was not kept for the routes"))
    }
}

/// Whether any route needs more of a record than its normal form. Keeping the JSON of each costs a copy.
pub(crate) fn look_into_records(routes: &[Route]) -> bool {
    routes.iter().any(|r| r.condition.is_some() || !r.compartments.is_empty())
}

/// Where an object goes.
pub(crate) enum Choice<'r> {
    /// With a sentence, if it was in doubt whether the route takes it.
    To(&'r Route, Option<String>),
    /// A route names the bucket, and none takes the object: the nearest route, and the first member of it that was against it.
    NotSelected(String),
    /// No route names the bucket.
    Unmapped,
    /// Whether a route takes the object cannot be told; to go on with the next one would be a guess.
    Unclear(Failure),
}

/// The first route that names the bucket and takes the object.
pub(crate) fn choose<'r>(routes: &'r [Route], source: Option<&str>, candidate: &Candidate<'_>) -> Choice<'r> {
    // The one that got furthest, the first of equals.
    let mut nearest: Option<(Member, usize, &Route)> = None;
    let mut doubt = None;
    for (index, route) in routes.iter().enumerate().filter(|(_, r)| r.names(source, candidate.event)) {
        match route.takes(candidate) {
            Ok(Taken::Yes) => {
                // That a listing does not say what an earlier route asks must be seen: the event would have gone there.
                let doubt = doubt.filter(|_| candidate.event.change == Change::Listed);
                let sentence = doubt.map(|(earlier, _, detail): (usize, &Route, String)| {
                    format!("route[{earlier}].{detail}; route[{index}] takes it")
                });
                return Choice::To(route, sentence);
            }
            // A later route may take it for sure.
            Ok(Taken::InDoubt(detail)) => doubt = doubt.or(Some((index, route, detail))),
            Ok(Taken::Not(member)) if nearest.is_none_or(|(best, ..)| member > best) => {
                nearest = Some((member, index, route));
            }
            Ok(Taken::Not(_)) => {}
            Err(failure) => return Choice::Unclear(failure),
        }
    }
    if let Some((index, route, detail)) = doubt {
        let sentence = format!("route[{index}].{detail}; taken as matching");
        return Choice::To(route, Some(sentence));
    }
    match nearest {
        // The document is named by its route.
        Some((Member::Notification, _, route)) => {
            Choice::NotSelected(route.why_not(Member::Notification, candidate))
        }
        Some((member, index, route)) => Choice::NotSelected(format!(
            "route[{index}] is the nearest: {}",
            route.why_not(member, candidate)
        )),
        None => Choice::Unmapped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_in_any_case() {
        for (key, suffix, want) in [
            ("a.pdf", ".pdf", true),
            ("a.PDF", ".pdf", true),
            ("a.Pdf", ".PDF", true),
            ("a.pdf.exe", ".pdf", false),
            ("ÄRGER.ÖL", "ar.öl", false),
            ("ÄRGER.ÖL", "ger.öl", true),
            // The sign for kelvin is a K.
            ("a.\u{212a}", ".k", true),
            ("pdf", ".pdf", false),
            ("", ".pdf", false),
        ] {
            assert_eq!(ends_in_any_case(key, suffix), want, "{key} {suffix}");
        }
    }
}
