//! What stands out about routes, without any event: a route that gets nothing, two that compete, one that takes what MDSS writes.
//!
//! Only what is certain is said to cover; an overlap is said where it is possible. Whoever prints this warns and refuses nothing.

use crate::plain::pattern::Pattern;
use crate::select::route::Route;
use crate::select::rules::Rules;

/// What stands out; routes are named by their place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Whatever `route` takes, the earlier route `by` has taken before.
    Unreachable {
        /// The route that gets nothing.
        route: usize,
        /// The one that takes everything of it.
        by: usize,
    },
    /// Both can take one object, neither takes a part of the other, and they name different units: their order decides.
    Overlap {
        /// The one that gets such an object.
        first: usize,
        /// The one that does not.
        second: usize,
    },
    /// A route without any selection: it takes what MDSS writes back into the bucket as well.
    Unselective(usize),
}

impl Rules {
    /// Everything that stands out, in the order of the routes.
    pub fn survey(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for (index, route) in self.routes.iter().enumerate() {
            let earlier = || self.routes[..index].iter().enumerate();
            if let Some((by, _)) = earlier().find(|(_, before)| before.covers(route)) {
                remarks.push(Remark::Unreachable { route: index, by });
                continue;
            }
            for (first, _) in earlier().filter(|(_, before)| before.competes_with(route)) {
                remarks.push(Remark::Overlap { first, second: index });
            }
            if route.is_unselective() {
                remarks.push(Remark::Unselective(index));
            }
        }
        remarks
    }

    /// Whether some route belongs to a source.
    pub fn has_route_of(&self, source: &str) -> bool {
        self.routes.iter().any(|route| route.is_of(source))
    }
}

impl Route {
    /// Whether it belongs to a source; a route that names none belongs to each.
    pub fn is_of(&self, source: &str) -> bool {
        self.source.as_deref().is_none_or(|own| own == source)
    }

    /// Whether it takes every object that `other` takes. False if that cannot be told.
    fn covers(&self, other: &Self) -> bool {
        let source = self.source.is_none() || self.source == other.source;
        let namespace = match (&self.namespace, &other.namespace) {
            (None, _) => true,
            (Some(own), Some(other)) => is_part(other, own),
            (Some(_), None) => false,
        };
        let compartments = self.compartments.is_empty()
            || (!other.compartments.is_empty()
                && other.compartments.iter().all(|id| self.compartments.contains(id)));
        source
            && is_part(&other.bucket, &self.bucket)
            && namespace
            && compartments
            && self.condition.is_none()
            && self.notification.is_none()
            && self.covers_prefixes(other)
            && self.covers_suffixes(other)
            && self.excludes_no_more_than(other)
    }

    fn covers_prefixes(&self, other: &Self) -> bool {
        let begins = |text: &String| self.prefix.iter().any(|own| text.starts_with(own.as_str()));
        self.prefix.is_empty() || (!other.prefix.is_empty() && other.prefix.iter().all(begins))
    }

    fn covers_suffixes(&self, other: &Self) -> bool {
        let (own, own_any) = (&self.suffix, &self.suffix_any_case);
        let ends_any =
            |text: &String| own_any.iter().any(|own| text.to_lowercase().ends_with(&own.to_lowercase()));
        let ends = |text: &String| own.iter().any(|own| text.ends_with(own.as_str())) || ends_any(text);
        let given = !other.suffix.is_empty() || !other.suffix_any_case.is_empty();
        let all = other.suffix.iter().all(ends) && other.suffix_any_case.iter().all(ends_any);
        (own.is_empty() && own_any.is_empty()) || (given && all)
    }

    /// Whether `other` leaves out everything that this route leaves out.
    fn excludes_no_more_than(&self, other: &Self) -> bool {
        let begins = |text: &String| other.exclude_prefix.iter().any(|out| text.starts_with(out.as_str()));
        // What none of the other's objects begins with is nothing that it could lose.
        let elsewhere = |text: &String| {
            !other.prefix.is_empty()
                && !other
                    .prefix
                    .iter()
                    .any(|own| text.starts_with(own.as_str()) || own.starts_with(text.as_str()))
        };
        let ends = |text: &String| other.exclude_suffix.iter().any(|out| text.ends_with(out.as_str()));
        self.exclude_prefix.iter().all(|text| begins(text) || elsewhere(text))
            && self.exclude_suffix.iter().all(ends)
    }

    /// Whether both may take one object, and only their order says which unit gets it. A route before a wider one is how exceptions are
    /// written, and competes with nothing.
    fn competes_with(&self, later: &Self) -> bool {
        let told = |route: &Self| route.condition.is_none() && route.notification.is_none();
        let same_unit = self.storage_client_id == later.storage_client_id
            && self.storage_type == later.storage_type
            && self.scan_id == later.scan_id
            && self.object_name == later.object_name;
        !same_unit && told(self) && told(later) && !later.covers(self) && self.meets(later)
    }

    /// Whether there can be an object that both take, conditions and documents aside.
    fn meets(&self, other: &Self) -> bool {
        let source = self.source.is_none() || other.source.is_none() || self.source == other.source;
        let namespace = match (&self.namespace, &other.namespace) {
            (Some(own), Some(other)) => meet(own.as_str(), other.as_str()),
            _ => true,
        };
        let compartments = self.compartments.is_empty()
            || other.compartments.is_empty()
            || self.compartments.iter().any(|id| other.compartments.contains(id));
        let excluded = |text: &str| {
            self.exclude_prefix.iter().chain(&other.exclude_prefix).any(|out| text.starts_with(out.as_str()))
        };
        // The longer of two prefixes of which one begins with the other; without a prefix there is the empty one.
        let any = || [String::new()];
        let (own, its) = (any(), any());
        let list = |list| -> &[String] { list };
        let own = list(if self.prefix.is_empty() { &own } else { &self.prefix });
        let its = list(if other.prefix.is_empty() { &its } else { &other.prefix });
        let prefixes = own.iter().any(|a| {
            its.iter().any(|b| {
                let longer = if a.len() > b.len() { a } else { b };
                (a.starts_with(b.as_str()) || b.starts_with(a.as_str())) && !excluded(longer)
            })
        });
        source
            && namespace
            && compartments
            && prefixes
            && meet(self.bucket.as_str(), other.bucket.as_str())
            && self.suffixes_meet(other)
    }

    fn suffixes_meet(&self, other: &Self) -> bool {
        let all = |route: &Self| -> Vec<String> {
            let texts = route.suffix.iter().chain(&route.suffix_any_case);
            texts.map(|text| text.to_lowercase()).collect()
        };
        let (own, its) = (all(self), all(other));
        own.is_empty()
            || its.is_empty()
            || own.iter().any(|a| its.iter().any(|b| a.ends_with(b.as_str()) || b.ends_with(a.as_str())))
    }

    fn is_unselective(&self) -> bool {
        self.prefix.is_empty()
            && self.suffix.is_empty()
            && self.suffix_any_case.is_empty()
            && self.exclude_prefix.is_empty()
            && self.exclude_suffix.is_empty()
            && self.condition.is_none()
            && self.notification.is_none()
    }
}

/// Whether every text that `part` describes is described by `whole`. Stars of the part can only be met by stars of the whole, which take
/// whatever the part's stars stand for.
fn is_part(part: &Pattern, whole: &Pattern) -> bool {
    whole.matches(part.as_str())
}

/// Whether some text is described by both patterns.
fn meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `meets[j]`: the rest of `one` from where the loop stands, and the rest of `other` from `j`, have a text in common.
    let only_stars = |rest: &[char]| rest.iter().all(|c| *c == '*');
    let mut below: Vec<bool> = (0..=other.len()).map(|j| only_stars(&other[j..])).collect();
    for i in (0..one.len()).rev() {
        let mut meets = vec![false; other.len() + 1];
        meets[other.len()] = only_stars(&one[i..]);
        for j in (0..other.len()).rev() {
            meets[j] = match (one[i], other[j]) {
                ('*', _) | (_, '*') => below[j] || meets[j + 1],
                (a, b) => a == b && below[j + 1],
            };
        }
        below = meets;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Role, Settings};

    fn survey(routes: &str) -> Vec<Remark> {
        let config = routes.replace("UNIT", "storage_client_id = \"u\"");
        let draft = Settings::read([("RELAY_CONFIG_TOML".into(), config.into())], Role::Explain);
        assert_eq!(draft.mistakes, [], "{routes}");
        let remarks = draft.settings.rules.survey();
        remarks.into_iter().filter(|remark| !matches!(remark, Remark::Unselective(_))).collect()
    }

    #[test]
    fn a_route_that_gets_nothing() {
        for (first, second, gets_nothing) in [
            ("bucket = '*'", "bucket = 'a'", true),
            ("bucket = 'a*'", "bucket = 'ab*'", true),
            ("bucket = 'a*'", "bucket = 'a*c*'", true),
            ("bucket = 'ab*'", "bucket = 'a*'", false),
            ("bucket = 'a'", "bucket = '*'", false),
            ("bucket = 'a'\nprefix = 'x/'", "bucket = 'a'\nprefix = 'x/y/'", true),
            ("bucket = 'a'\nprefix = 'x/y/'", "bucket = 'a'\nprefix = 'x/'", false),
            ("bucket = 'a'\nprefix = ['x', 'y']", "bucket = 'a'\nprefix = ['xx', 'z']", false),
            ("bucket = 'a'\nsuffix_any_case = '.pdf'", "bucket = 'a'\nsuffix = '.PDF'", true),
            ("bucket = 'a'\nsuffix = '.PDF'", "bucket = 'a'\nsuffix_any_case = '.pdf'", false),
            ("bucket = 'a'\nexclude_prefix = 'q/'", "bucket = 'a'", false),
            ("bucket = 'a'\nexclude_prefix = 'q/'", "bucket = 'a'\nexclude_prefix = 'q'", true),
            ("bucket = 'a'\nexclude_prefix = 'q/'", "bucket = 'a'\nprefix = 'x/'", true),
            ("bucket = 'a'\nexclude_prefix = 'q/'", "bucket = 'a'\nprefix = 'q'", false),
            ("bucket = 'a'\nexclude_suffix = '.x'", "bucket = 'a'", false),
            ("bucket = 'a'\ncondition = { a = 'b' }", "bucket = 'a'", false),
            ("bucket = 'a'", "bucket = 'a'\ncondition = { a = 'b' }", true),
            ("bucket = 'a'\nnamespace = 'n*'", "bucket = 'a'\nnamespace = 'nn'", true),
            ("bucket = 'a'\nnamespace = 'nn'", "bucket = 'a'", false),
            ("bucket = 'a'\ncompartments = 'ocid1.tenancy.x'", "bucket = 'a'", false),
        ] {
            let routes = format!("[[route]]\n{first}\nUNIT\n[[route]]\n{second}\nUNIT\n");
            let want = Remark::Unreachable { route: 1, by: 0 };
            assert_eq!(survey(&routes).contains(&want), gets_nothing, "{routes}");
        }
    }

    #[test]
    fn routes_whose_order_decides() {
        const OTHER: &str = "storage_client_id = \"v\"";
        for (first, second, competes) in [
            ("bucket = 'a'\nprefix = 'x/'", "bucket = 'a'\nsuffix = '.pdf'", true),
            ("bucket = 'a*'", "bucket = '*b'", true),
            ("bucket = 'a*c'", "bucket = 'a*d'", false),
            ("bucket = 'a'\nprefix = 'x/'", "bucket = 'a'\nprefix = 'y/'", false),
            // An exception, and then the rule.
            ("bucket = 'a'\nprefix = 'x/'", "bucket = 'a'", false),
            ("bucket = 'a'\nprefix = 'x/'", "bucket = '*'", false),
            (
                "bucket = 'a'\nsuffix = '.pdf'\nprefix = 'x'",
                "bucket = 'a'\nsuffix = '.PDF'\nprefix = 'xy'",
                true,
            ),
            ("bucket = 'a'\nsuffix = '.pdf'", "bucket = 'a'\nsuffix = '.exe'", false),
            ("bucket = 'a'\nprefix = 'x/'", "bucket = '*'\nexclude_prefix = 'x/'", false),
            // What a condition says cannot be told.
            ("bucket = 'a'\ncondition = { a = 'b' }", "bucket = 'a*'\nsuffix = '.x'", false),
            ("bucket = 'a'\nnamespace = 'n'", "bucket = 'a*'\nprefix = 'x'", true),
            ("bucket = 'a'\nnamespace = 'n'", "bucket = 'a*'\nnamespace = 'm*'\nprefix = 'x'", false),
        ] {
            let routes = format!("[[route]]\n{first}\nUNIT\n[[route]]\n{second}\n{OTHER}\n");
            let want = Remark::Overlap { first: 0, second: 1 };
            assert_eq!(survey(&routes).contains(&want), competes, "{routes}");
            // To one unit, whichever comes first.
            assert!(!survey(&routes.replace(OTHER, "UNIT")).contains(&want), "{routes}");
        }
    }

    #[test]
    fn patterns_meet_if_one_text_fits_both() {
        for (one, other, want) in [
            ("", "", true),
            ("", "*", true),
            ("a", "", false),
            ("*", "*", true),
            ("a*b", "*c*", true),
            ("a*", "b*", false),
            ("*a", "*b", false),
            ("ab", "a*b", true),
            ("a*a", "a", false),
            ("é*", "*é", true),
        ] {
            assert_eq!((meet(one, other), meet(other, one)), (want, want), "{one} {other}");
        }
    }

    proptest::proptest! {
        /// What is said to be covered has no text of its own; what is said not to meet has none in common.
        #[test]
        fn patterns_keep_their_word(one in "[ab*]{0,5}", other in "[ab*]{0,5}", text in "[ab]{0,6}") {
            let (a, b) = (Pattern::new(&one), Pattern::new(&other));
            if is_part(&a, &b) {
                proptest::prop_assert!(!a.matches(&text) || b.matches(&text));
            }
            if a.matches(&text) && b.matches(&text) {
                proptest::prop_assert!(meet(&one, &other));
            }
        }
    }
}
