//! What a bucket says whom it tells, in one form for all stores.

use mdss_relay_core::Pattern;
use url::Url;

use crate::notifies::rule::OciRule;
use crate::notifies::takes::Takes;
use crate::trouble::Trouble;

/// Whom a bucket tells of its objects.
#[derive(Debug, Default)]
pub struct Tells {
    /// Everything that tells somebody of new objects of this bucket, or might.
    pub entries: Vec<Entry>,
    /// Whether only the first entry that takes an object tells of it (JD Cloud).
    pub first_alone: bool,
    /// The store's own switch, if it has one.
    pub switch: Option<Switch>,
    /// What could not be looked at: somebody may be told there.
    pub unseen: Vec<Trouble>,
}

/// A switch without which a bucket tells nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What the store calls it.
    pub name: &'static str,
    /// Whether it is on; `None`: the store does not show it.
    pub on: Option<bool>,
}

/// One thing that makes a store tell somebody: an entry of a document, a rule, a subscription.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the store calls it.
    pub name: String,
    /// Whom it tells, by every name that is known: ARN, URL, id.
    pub targets: Vec<String>,
    /// Why it tells nobody, if it does not.
    pub off: Option<String>,
    /// Of which objects.
    pub selects: Selects,
    /// What new objects are called there. It has to send each of these.
    pub creations: &'static [&'static str],
    /// Where events go that the target does not take.
    pub dead_letter: DeadLetter,
}

/// Where events go that a target does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetter {
    /// There.
    To(String),
    /// There, and something about it is not as it should be.
    Doubtful(String),
    /// Nowhere: they are lost.
    Nowhere,
    /// It could not be looked at; the sentence.
    Unknown(String),
    /// This store has no such place for this kind of target.
    NoSuchThing,
}

/// Of which events an entry tells.
#[derive(Clone, Debug)]
pub enum Selects {
    /// By the event's name, and by tests of a text that ends with the key.
    Tests(Tests),
    /// By a condition of OCI.
    Condition(Box<OciRule>),
}

/// Tests of an event's name and of a text with the key in it.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// The events, as the entry names them; a `*` at the end stands for the rest. Empty: all.
    pub events: Vec<String>,
    /// What stands before the key in the text.
    pub before: String,
    /// Whether letters of either case are the same.
    pub any_case: bool,
    /// All of these have to hold, and of each of them one test.
    pub all: Vec<Vec<Test>>,
    /// What else it looks at; whether that holds is not known here.
    pub unclear: Vec<String>,
}

/// A test of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It begins so. Bytes: an encoded prefix may end inside a character.
    Begins(Vec<u8>),
    /// It ends so.
    Ends(Vec<u8>),
    /// It holds this.
    Holds(Vec<u8>),
    /// It is this.
    Is(Vec<u8>),
    /// `*` stands for any characters.
    Like(String),
}

impl Entry {
    /// Whether it tells of such an event of a key.
    pub fn takes(&self, event: &str, key: &str) -> Takes {
        match &self.selects {
            Selects::Tests(tests) => tests.takes(event, key),
            Selects::Condition(rule) => rule.takes(event, key),
        }
    }

    /// Whether it tells one of these.
    pub fn names(&self, wanted: &[String]) -> bool {
        self.targets.iter().any(|target| wanted.iter().any(|wanted| same(target, wanted)))
    }

    /// What it tells of beside new objects, in the store's words.
    pub fn superfluous(&self) -> Vec<String> {
        match &self.selects {
            Selects::Tests(tests) if tests.events.is_empty() => vec!["every event".to_owned()],
            Selects::Tests(tests) => {
                let others = tests.events.iter().filter(|own| !is_creation(own, self.creations));
                others.cloned().collect()
            }
            Selects::Condition(rule) => rule.superfluous(),
        }
    }
}

/// Whether an event that an entry names is a creation. A family is one only if it is the family of creations: `s3:*` has everything else, too.
fn is_creation(named: &str, creations: &[&str]) -> bool {
    creations.contains(&named.strip_suffix('*').unwrap_or(named)) || named.contains("ObjectCreated:")
}

/// Whether two names are those of one target. Ids of Azure are the same in any case; Google puts the name of the service before a topic.
fn same(one: &str, other: &str) -> bool {
    fn bare(text: &str) -> &str {
        text.trim().strip_prefix("//pubsub.googleapis.com/").unwrap_or(text.trim()).trim_end_matches('/')
    }
    let (one, other) = (bare(one), bare(other));
    let of_azure =
        |text: &str| text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("/subscriptions/"));
    match (address(one), address(other)) {
        (Some(one), Some(other)) => {
            let place = |url: &Url| (url.origin(), url.path().trim_end_matches('/').to_owned());
            // Azure shows an address without its query.
            let query = one.query().is_none() || other.query().is_none() || one.query() == other.query();
            place(&one) == place(&other) && query
        }
        _ if of_azure(one) && of_azure(other) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

/// An address; user and password in it are no part of where it leads.
fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

impl Tests {
    fn takes(&self, event: &str, key: &str) -> Takes {
        let named = |own: &String| match own.strip_suffix('*') {
            Some(stem) => event.starts_with(stem),
            None => own == event,
        };
        if !self.events.is_empty() && !self.events.iter().any(named) {
            return Takes::No(format!("it does not tell of {event}, only of {}", self.events.join(", ")));
        }
        let folded = |bytes: &[u8]| {
            if self.any_case {
                String::from_utf8_lossy(bytes).to_lowercase().into_bytes()
            } else {
                bytes.to_vec()
            }
        };
        let text = folded(format!("{}{key}", self.before).as_bytes());
        for one_of in &self.all {
            if !one_of.iter().any(|test| test.holds(&text, &folded)) {
                let tests: Vec<String> = one_of.iter().map(|test| test.words(&self.before)).collect();
                return Takes::No(format!("it takes only what {}", tests.join(" or ")));
            }
        }
        match self.unclear.first() {
            Some(why) => Takes::Unclear(why.clone()),
            None => Takes::Yes,
        }
    }
}

impl Test {
    fn holds(&self, text: &[u8], folded: &dyn Fn(&[u8]) -> Vec<u8>) -> bool {
        match self {
            Self::Begins(start) => text.starts_with(&folded(start)),
            Self::Ends(end) => text.ends_with(&folded(end)),
            Self::Is(whole) => text == folded(whole),
            Self::Like(pattern) => {
                let pattern = String::from_utf8_lossy(&folded(pattern.as_bytes())).into_owned();
                Pattern::new(&pattern).matches_bytes(text)
            }
            Self::Holds(part) => {
                let part = folded(part);
                part.is_empty() || text.windows(part.len()).any(|window| window == part)
            }
        }
    }

    /// As part of a sentence, without what stands before every key.
    fn words(&self, before: &str) -> String {
        let (verb, bytes) = match self {
            Self::Begins(bytes) => ("begins with", bytes.strip_prefix(before.as_bytes()).unwrap_or(bytes)),
            Self::Is(bytes) => ("is", bytes.strip_prefix(before.as_bytes()).unwrap_or(bytes)),
            Self::Ends(bytes) => ("ends with", bytes.as_slice()),
            Self::Holds(bytes) => ("has in it", bytes.as_slice()),
            Self::Like(pattern) => ("is like", pattern.as_bytes()),
        };
        format!("{verb} {:?}", String::from_utf8_lossy(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_an_entry_names() {
        for (one, other, want) in [
            ("arn:aws:sqs:eu-central-1:111122223333:q", "arn:aws:sqs:eu-central-1:111122223333:q", true),
            ("arn:aws:sqs:eu-central-1:111122223333:q", "arn:aws:sqs:eu-central-1:111122223333:Q", false),
            ("//pubsub.googleapis.com/projects/p/topics/t", "projects/p/topics/t", true),
            ("https://relay.example/minio", "https://relay.example/minio/", true),
            ("https://relay.example/minio", "https://relay.example/other", false),
            ("https://relay.example/minio", "https://other.example/minio", false),
            ("https://relay:password@relay.example/ceph", "https://relay.example:443/ceph", true),
            ("https://relay.example/azure", "https://relay.example/azure?code=x", true),
            ("https://relay.example/azure?code=y", "https://relay.example/azure?code=x", false),
            ("/subscriptions/A/resourceGroups/G", "/SUBSCRIPTIONS/a/resourcegroups/g", true),
        ] {
            assert_eq!(same(one, other), want, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_creation() {
        let s3 = ["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"];
        for (named, creations, want) in [
            ("s3:ObjectCreated:*", &s3[..], true),
            ("s3:ObjectCreated:Put", &s3, true),
            ("s3:ObjectCreated:Something", &s3, true),
            ("s3:ObjectRemoved:*", &s3, false),
            ("s3:*", &s3, false),
            ("OBJECT_FINALIZE", &["OBJECT_FINALIZE"], true),
            ("OBJECT_DELETE", &["OBJECT_FINALIZE"], false),
        ] {
            assert_eq!(is_creation(named, creations), want, "{named}");
        }
    }
}
