//! Keys that routes take, made up: whoever asks whether a bucket announces what the routes take tries them.
//!
//! A bucket's own filter cannot be compared with a route by its words, because each store has other words. A key can be tried on both.
//! The part in the middle is one that nobody's filter has by accident, so a filter that takes it takes whatever stands there.

use crate::select::route::Route;
use crate::select::rules::Rules;

/// What stands where a route says nothing. No store forbids one of these characters in a key, and none needs to be encoded anywhere.
const MIDDLE: &str = "mdss-relay-doctor_any.object";

/// No more than these of a route: a hundred rules are the most that a bucket has.
const MOST_OF_ROUTE: usize = 100;

/// A key that a route takes, as far as the key decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The route, by its place in the list.
    pub route: usize,
    /// The key, decoded.
    pub key: String,
    /// What else of the route decides, and cannot be told without an event: `condition`.
    pub undecided: Option<&'static str>,
}

impl Rules {
    /// Keys of a bucket that its routes take: of each route that names the bucket, each prefix with each suffix. `source` leaves out the
    /// routes of other sources.
    ///
    /// ```
    /// use mdss_relay_core::{Role, Settings};
    /// let toml = "[[route]]\nbucket = 'b'\nprefix = 'in/'\nsuffix = ['.pdf', '.doc']\nstorage_client_id = 'u'\n";
    /// let settings = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain).settings;
    /// let samples = settings.rules.samples(None, "b");
    /// assert_eq!(samples[0].key, "in/mdss-relay-doctor_any.object.pdf");
    /// assert_eq!(samples.len(), 2);
    /// assert!(settings.rules.samples(None, "other").is_empty());
    /// ```
    pub fn samples(&self, source: Option<&str>, bucket: &str) -> Vec<Sample> {
        let named = self.routes.iter().enumerate().filter(|(_, route)| route.names_bucket(source, bucket));
        named.flat_map(|(index, route)| of(index, route)).collect()
    }
}

fn of(index: usize, route: &Route) -> Vec<Sample> {
    let undecided = match () {
        () if route.condition.is_some() => Some("condition"),
        () if route.notification.is_some() => Some("notification_file"),
        () if !route.compartments.is_empty() => Some("compartments"),
        () if route.namespace.is_some() => Some("namespace"),
        () => None,
    };
    let mut suffixes = route.suffix.clone();
    for suffix in &route.suffix_any_case {
        for written in [suffix.to_lowercase(), suffix.to_uppercase()] {
            if !suffixes.contains(&written) {
                suffixes.push(written);
            }
        }
    }
    let any = |list: Vec<String>| if list.is_empty() { vec![String::new()] } else { list };
    let mut samples = Vec::new();
    for prefix in any(route.prefix.clone()) {
        for suffix in any(suffixes.clone()) {
            let key = format!("{prefix}{MIDDLE}{suffix}");
            let excluded = route.exclude_prefix.iter().any(|out| key.starts_with(out.as_str()))
                || route.exclude_suffix.iter().any(|out| key.ends_with(out.as_str()));
            if !excluded && samples.len() < MOST_OF_ROUTE {
                samples.push(Sample { route: index, key, undecided });
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Role, Settings};

    #[test]
    fn keys_that_a_route_takes() {
        let cases: &[(&str, &[&str])] = &[
            ("", &["M"]),
            ("prefix = ['a/', 'b']", &["a/M", "bM"]),
            ("suffix = '.x'\nsuffix_any_case = '.Pdf'", &["M.x", "M.pdf", "M.PDF"]),
            // A prefix of which everything is left out gives none.
            ("prefix = ['in/', 'out/']\nexclude_prefix = 'out/'\nexclude_suffix = '.tmp'", &["in/M"]),
            ("prefix = 'in/'\nexclude_prefix = 'in/old/'", &["in/M"]),
        ];
        for (members, want) in cases {
            let toml = format!("[[route]]\nbucket = 'b-*'\nstorage_client_id = 'u'\n{members}\n");
            let draft = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
            assert_eq!(draft.mistakes, [], "{members}");
            let keys: Vec<_> =
                draft.settings.rules.samples(None, "b-1").into_iter().map(|sample| sample.key).collect();
            let want: Vec<_> = want.iter().map(|key| key.replace('M', MIDDLE)).collect();
            assert_eq!(keys, want, "{members}");
        }
    }

    #[test]
    fn what_else_decides_is_said() {
        let toml = "[[route]]\nbucket = 'b'\nstorage_client_id = 'u'\ncondition = { data = { x = 'y' } }\n\
                    [[route]]\nbucket = 'b'\nnamespace = 'n'\nstorage_client_id = 'u'\n[[route]]\nbucket = 'b'\nstorage_client_id = 'u'\n";
        let draft = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
        assert_eq!(draft.mistakes, []);
        let samples = draft.settings.rules.samples(Some("events"), "b");
        let said: Vec<_> = samples.iter().map(|sample| (sample.route, sample.undecided)).collect();
        assert_eq!(said, [(0, Some("condition")), (1, Some("namespace")), (2, None)]);
    }
}
