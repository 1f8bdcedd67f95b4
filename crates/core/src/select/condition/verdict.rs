//! Conditions: the filter language of OCI Events rules, for the records of any dialect.
//!
//! Whoever runs on OCI has such conditions in the rules already, and bucket and prefix cannot say what they say. So the
//! language is Oracle's, not one more of our own: "Matching Events with Filters",
//! <https://docs.oracle.com/en-us/iaas/Content/Events/Concepts/filterevents.htm> (read 2026-09). Where that page is silent,
//! `docs/conditions.md` says what was chosen and why, and `condition/tests.rs` has a row for each rule and each choice.
//!
//! A condition sees the innermost JSON value that one record was read from. It walks over the text of that value once a
//! level and reads only the fields it names: what else stands there, however odd, neither costs nor breaks anything.

use std::cell::Cell;
use std::fmt;

use serde_json::value::RawValue;

use super::filter::{Filter, Want, member};
use super::matching::{Limits, MOST_EVENT_LEVELS, Miss, Why};
use crate::plain::json;
use crate::plain::line;

/// How many values an event and a condition may be compared in, before nobody can tell. All the metadata that a store takes
/// with an object (64 KiB at the most, some thousands of pairs) against a list of a hundred names fits; a body of a few million elements would
/// keep a processor for minutes. An uploader chooses what is in an event, so whoever cannot tell takes the object.
const MOST_COMPARISONS: usize = 1_000_000;

/// The same for all records of a delivery and all conditions together: about a second of a processor.
const MOST_COMPARISONS_IN_ALL: usize = 4_000_000;

/// What comparing may still cost.
#[derive(Debug)]
pub(crate) struct Comparisons(Cell<usize>);

impl Default for Comparisons {
    fn default() -> Self {
        Self(Cell::new(MOST_COMPARISONS_IN_ALL))
    }
}

/// A condition: which records a route takes, beside what it says about keys.
///
/// ```
/// use mdss_relay_core::Condition;
/// let condition = Condition::from_json(r#"{"data": {"resourceName": ["in/*", "*.pdf"]}}"#).unwrap();
/// assert_eq!(condition.mismatch(r#"{"data": {"resourceName": "in/a.txt"}}"#), Ok(None));
///
/// let mismatch = condition.mismatch(r#"{"data": {"resourceName": "out/a.txt"}}"#).unwrap().unwrap();
/// assert_eq!(mismatch.to_string(), r#"data.resourceName is "out/a.txt", wanted ["in/*","*.pdf"]"#);
/// ```
#[derive(Clone, Debug)]
pub struct Condition {
    pub(super) filter: Filter,
    pub(super) warnings: Vec<String>,
}

/// The first field that decided that a condition does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its place: `data.resourceName`.
    pub field: String,
    /// What stands there, as one line of JSON; `None` if the field is absent.
    pub seen: Option<String>,
    /// What the condition wants there, as one line of JSON.
    pub wanted: String,
}

/// What a condition says of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConditionVerdict {
    Matches,
    Differs,
    /// Nobody can tell: there is more to compare than the limits allow; the sentence.
    TooMuch(String),
    /// Nobody can tell: a listing does not say what is asked; the sentence.
    Unsaid(String),
    /// Nobody can tell: two readers would understand two things; the sentence.
    Unclear(String),
}

/// Why nobody can tell.
#[derive(Debug)]
struct Unclear {
    detail: String,
    why: Doubt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Because of the limits.
    TooMuch,
    /// What was looked at says less than the event would.
    Unsaid,
    /// Two readers would understand two things.
    Ambiguous,
}

impl Condition {
    /// What is no mistake and hardly meant: fields that can never match.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The texts that are wanted of one field, with their stars; empty if the field is not asked about.
    pub(crate) fn texts_wanted(&self, path: &[&str]) -> Vec<&str> {
        let mut wants: Vec<&Want> = Vec::new();
        let mut filters = vec![&self.filter];
        for name in path {
            wants = filters
                .iter()
                .flat_map(|f| f.fields.iter())
                .filter(|(n, _)| n == name)
                .map(|(_, w)| w)
                .collect();
            wants = wants.into_iter().flat_map(Want::alternatives).collect();
            filters =
                wants.iter().filter_map(|w| if let Want::Fields(f) = w { Some(f) } else { None }).collect();
        }
        wants.into_iter().filter_map(Want::as_text).collect()
    }

    /// Whether a field is asked about, or anything in it.
    pub(crate) fn asks_at(&self, path: &[&str]) -> bool {
        let mut filters = vec![&self.filter];
        for (depth, name) in path.iter().enumerate() {
            let fields = filters.iter().flat_map(|f| f.fields.iter()).filter(|(n, _)| n == name);
            let wants: Vec<&Want> = fields.flat_map(|(_, w)| w.alternatives()).collect();
            if wants.is_empty() || depth + 1 == path.len() {
                return !wants.is_empty();
            }
            filters = wants
                .into_iter()
                .filter_map(|w| if let Want::Fields(f) = w { Some(f) } else { None })
                .collect();
        }
        true
    }

    /// The first field, in the order of the condition, that does not fit the event; `None` if all do.
    ///
    /// # Errors
    /// A sentence, if nobody can tell: the event is not a JSON object, or a field of the condition stands in it twice,
    /// which two readers would understand in two ways.
    pub fn mismatch(&self, event: &str) -> Result<Option<Mismatch>, String> {
        let event: &RawValue = serde_json::from_str(event).map_err(|e| format!("not one JSON value: {e}"))?;
        self.mismatch_raw(event)
    }

    fn mismatch_raw(&self, event: &RawValue) -> Result<Option<Mismatch>, String> {
        match self.test(event, &Comparisons::default(), false).map_err(|unclear| unclear.detail)? {
            None => Ok(None),
            Some((path, seen, wanted)) => Ok(Some(Mismatch {
                field: field(path),
                seen: seen.map(|raw| one_line(raw.get())),
                wanted: one_line(
                    &serde_json::to_string(wanted)
                        .expect("texts, numbers and string-keyed maps always serialise"),
                ),
            })),
        }
    }

    /// Whether the event matches, for whoever does not ask why not: sentences cost more than the answer.
    /// `left` is what the delivery it came in may still cost; `partial`: what is looked at says less than the event would.
    pub(crate) fn verdict(&self, event: &RawValue, left: &Comparisons, partial: bool) -> ConditionVerdict {
        match self.test(event, left, partial) {
            Ok(None) => ConditionVerdict::Matches,
            Ok(Some(_)) => ConditionVerdict::Differs,
            Err(Unclear { detail, why: Doubt::TooMuch }) => ConditionVerdict::TooMuch(detail),
            Err(Unclear { detail, why: Doubt::Unsaid }) => ConditionVerdict::Unsaid(detail),
            Err(Unclear { detail, why: Doubt::Ambiguous }) => ConditionVerdict::Unclear(detail),
        }
    }

    /// The field that decided, what stands there, and what is wanted there.
    #[expect(
        clippy::type_complexity,
        reason = "the three parts of a mismatch, before anything is put together"
    )]
    fn test<'a>(
        &'a self,
        event: &'a RawValue,
        all: &Comparisons,
        partial: bool,
    ) -> Result<Option<(Vec<&'a str>, Option<&'a RawValue>, &'a Want)>, Unclear> {
        if !event.get().starts_with('{') {
            let detail = format!("expected an object, found {}", json::found(event.get()));
            return Err(Unclear { detail, why: Doubt::Ambiguous });
        }
        let most = MOST_COMPARISONS.min(all.0.get());
        let left = Cell::new(most);
        let tested = self.filter.test(event, Limits { levels: MOST_EVENT_LEVELS, left: &left, partial });
        all.0.set(all.0.get() - (most - left.get()));
        match tested {
            Ok(()) => Ok(None),
            Err(Miss { path, why: Why::Differs { seen, wanted } }) => Ok(Some((path, seen, wanted))),
            Err(Miss { path, why }) => {
                let place = field(path);
                let doubt = match why {
                    Why::TooDeep | Why::TooMuch => Doubt::TooMuch,
                    Why::Unsaid => Doubt::Unsaid,
                    Why::Twice | Why::Unreadable(_) | Why::Differs { .. } => Doubt::Ambiguous,
                };
                let detail = match why {
                    Why::Unsaid => format!("{place}: a listing does not say it"),
                    Why::Twice => format!("{place}: stands there twice, expected once"),
                    Why::TooDeep => {
                        format!("{place}: deeper than the {MOST_EVENT_LEVELS} levels that are looked into")
                    }
                    Why::TooMuch => format!("{place}: more than {most} comparisons"),
                    Why::Unreadable(e) => format!("{place}: {e}"),
                    Why::Differs { .. } => place,
                };
                Err(Unclear { detail, why: doubt })
            }
        }
    }
}

/// The condition as one line of JSON.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&serde_json::to_string(&self.filter).map_err(|_| fmt::Error)?))
    }
}

impl fmt::Display for Mismatch {
    /// For people: long values are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, seen, wanted } = self;
        let seen = seen.as_deref().map_or_else(|| "absent".into(), |seen| line::clip(seen, 200));
        write!(f, "{field} is {seen}, wanted {}", line::clip(wanted, 200))
    }
}

// === showing ===

/// A place as one writes it: `data.resourceName`.
fn field(innermost_first: Vec<&str>) -> String {
    innermost_first.into_iter().rev().fold(String::new(), |place, name| member(&place, name))
}

/// The same JSON on one line, and safe for a terminal: without white space between its parts, and with characters that
/// end lines or turn the writing direction as the escapes that mean the same.
pub(super) fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
        if line::bends(c) { line::escape(c, &mut line) } else { line.push(c) }
    }
    line
}
