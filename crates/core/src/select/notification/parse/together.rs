//! What rules do to each other: ids that repeat, and rules that take each other's events.

use std::collections::{HashMap, HashSet};

use super::content::JD_EVENTS;
use super::parser::{Parser, Raw};
use crate::select::notification::document::{Rule, Store, bare, tells_of};
use crate::select::notification::xml;

impl Parser {
    /// "the unique identifier of TopicConfiguration" (JD; the Chinese page: ids may not repeat), "An optional unique
    /// identifier" (Amazon).
    pub(super) fn ids(&mut self, raws: &[Raw<'_>]) {
        let mut first = HashMap::new();
        for raw in raws {
            let Some(id) = raw.id else { continue };
            let text = id.text.trim_matches(xml::is_space);
            if text.is_empty() {
                continue;
            }
            if let Some(earlier) = first.get(text) {
                let place = format!("{}.Id", raw.place);
                self.mistake(id.line, &place, Some(text), format!("another id than that of {earlier}"));
            } else {
                first.insert(text, raw.place.clone());
            }
        }
    }

    // === what rules do to each other; at most `MOST_RULES` of them with `MOST_EVENTS` events. Those that
    // are wrong in themselves are not among them, so each comes with its index ===

    pub(super) fn together(&mut self, rules: &[(usize, Rule)]) {
        if self.store == Store::JdCloud {
            return self.never_reached(rules);
        }
        // Rules of every event, pair by pair, would be slow; with sets a pair takes one look an event.
        let names_of_earlier: Vec<EventNames<'_>> =
            rules.iter().map(|(_, rule)| EventNames::by(rule)).collect();
        for (position, (index, rule)) in rules.iter().enumerate() {
            for ((earlier_index, earlier), names_of_earlier) in
                rules[..position].iter().zip(&names_of_earlier)
            {
                if !rule.shares_keys_with(earlier) {
                    continue;
                }
                let shared = rule.events.iter().find(|event| names_of_earlier.shares(event));
                let Some(event) = shared else { continue };
                let earlier = earlier.name(*earlier_index);
                let place = format!("rule[{index}]");
                if self.store == Store::Amazon {
                    // "cannot define filtering rules with overlapping prefixes, overlapping suffixes, or overlapping
                    // combinations [...] for the same event types" (Amazon, key name filtering).
                    let expected = format!(
                        "no event and key that {earlier} takes too, or S3 refuses the document; both take some keys of {event}"
                    );
                    self.mistake(rule.line, &place, None, expected);
                } else {
                    let sentence =
                        format!("takes some keys of {event} that {earlier} takes, too; S3 would refuse that");
                    self.warn(rule.line, &place, &sentence);
                }
            }
        }
    }

    /// With JD Cloud the first rule that fits ends it, so a rule may be there in vain.
    fn never_reached(&mut self, rules: &[(usize, Rule)]) {
        for (position, (index, rule)) in rules.iter().enumerate() {
            let mut takers = Vec::new();
            let all_taken = members(rule).iter().all(|event| {
                let taker = rules[..position].iter().position(|(_, earlier)| {
                    earlier.covers_keys_of(rule) && earlier.events.iter().any(|e| tells_of(e, event))
                });
                takers.extend(taker);
                taker.is_some()
            });
            if all_taken && !takers.is_empty() {
                takers.sort_unstable();
                takers.dedup();
                let names: Vec<_> = takers.iter().map(|i| rules[*i].1.name(rules[*i].0)).collect();
                let sentence =
                    format!("never fires: everything it would take, {} takes before", names.join(" or "));
                self.warn(rule.line, &format!("rule[{index}]"), &sentence);
            }
        }
    }
}

/// The events of a rule, to find out whether another rule tells of one of them.
struct EventNames<'r> {
    names: HashSet<&'r str>,
    /// The names, and every family one of them belongs to.
    families: HashSet<&'r str>,
}

impl<'r> EventNames<'r> {
    fn by(rule: &'r Rule) -> Self {
        let names = || rule.events.iter().map(|event| name(event));
        Self { names: names().collect(), families: names().flat_map(families).collect() }
    }

    /// Whether the event is one of them, or takes one of them in, or is taken in by one.
    fn shares(&self, event: &str) -> bool {
        self.families.contains(name(event)) || families(name(event)).any(|family| self.names.contains(family))
    }
}

/// A whole family is the beginning its events have in common, with a colon at the end, which no single event has.
fn name(event: &str) -> &str {
    let bare = bare(event);
    bare.strip_suffix('*').filter(|family| family.ends_with(':')).unwrap_or(bare)
}

/// The families a name belongs to, and the name.
fn families(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(':').map(|(at, _)| &name[..=at]).chain(std::iter::once(name))
}

/// The single events a rule of JD Cloud tells of: `ObjectCreated:*` is "Put Object, Post Object, Copy Object and Complete
/// Multipart Upload", `ObjectRemoved:*` "Delete Object".
fn members(rule: &Rule) -> HashSet<&'static str> {
    let single = JD_EVENTS.iter().copied().filter(|event| !event.ends_with('*'));
    single.filter(|event| rule.events.iter().any(|e| tells_of(e, event))).collect()
}
