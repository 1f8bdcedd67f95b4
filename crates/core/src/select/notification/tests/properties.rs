//! The same against a slow and plain reading, with rules and keys made up.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Texts that meet each other often.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab/]{1,4}",
        1 => "[ab +%&<>'\"\u{e9}\u{4e2d}\r\n\t]{1,6}",
    ]
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab/]{1,8}", 1 => "[ab +%&<>\u{e9}\u{4e2d}\r\n]{1,8}"]
}

const SOME_EVENTS: &[&str] = &[
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
];
const SENT: &[&str] = &[
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
];

/// One rule as plain texts: prefix, suffix, events.
type Plain = (Option<String>, Option<String>, Vec<&'static str>);

fn plain() -> impl Strategy<Value = Vec<Plain>> {
    let names = proptest::sample::subsequence(SOME_EVENTS.to_vec(), 1..4);
    proptest::collection::vec((proptest::option::of(texts()), proptest::option::of(texts()), names), 0..6)
}

fn build(store: Store, rules: &[Plain]) -> Notification {
    let target = match store {
        Store::JdCloud => addresses(),
        Store::Amazon => Target::Queue(AMAZONS.into()),
        Store::Other => Target::Queue(MINIOS.into()),
    };
    let affix = |text: &Option<String>| Affix::new(store, text.as_deref()?);
    let rule = |(index, (prefix, suffix, names)): (usize, &Plain)| Rule {
        id: (index % 2 == 0).then(|| format!("id <{index}>")),
        line: 0,
        target: target.clone(),
        events: names.iter().map(|n| (*n).to_owned()).collect(),
        prefix: affix(prefix),
        suffix: affix(suffix),
    };
    Notification { store, rules: rules.iter().enumerate().map(rule).collect(), warnings: Vec::new() }
}

/// The rules that fire, told the slow way.
fn naive(rules: &[Plain], event: &str, key: &str) -> Vec<usize> {
    let fits = |(prefix, suffix, names): &Plain| {
        let named = names
            .iter()
            .any(|n| *n == event || n.strip_suffix('*').is_some_and(|family| event.starts_with(family)));
        let key: Vec<char> = key.chars().collect();
        let begins =
            prefix.as_ref().is_none_or(|p| key.iter().copied().take(p.chars().count()).eq(p.chars()));
        let ends = suffix
            .as_ref()
            .is_none_or(|s| key.iter().rev().copied().take(s.chars().count()).eq(s.chars().rev()));
        named && begins && ends
    };
    (0..rules.len()).filter(|i| fits(&rules[*i])).collect()
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Notification::parse(&bytes);
    }

    #[test]
    fn no_elements_are_too_odd(parts in proptest::collection::vec(prop_oneof![
        proptest::sample::select(vec![
            "<NotificationConfiguration>", "</NotificationConfiguration>", "<TopicConfiguration>", "</TopicConfiguration>",
            "<QueueConfiguration>", "</QueueConfiguration>", "<CloudFunctionConfiguration>", "</CloudFunctionConfiguration>",
            "<EventBridgeConfiguration/>", "<Id>", "</Id>", "<Filter>", "</Filter>", "<S3Key>", "</S3Key>", "<FilterRule>",
            "</FilterRule>", "<Name>prefix</Name>", "<Value>", "</Value>", "<Topic>NS:", "<Topic>", "</Topic>", "<Queue>",
            "</Queue>", "arn:aws:sqs:r:111122223333:q", "https://a.example/", ",", "<Event>", "</Event>", "s3:ObjectCreated:*",
            "&amp;", "&", ";", "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE", ">", "'", "\"", "=", "\n",
        ]).prop_map(str::to_owned),
        "\\PC{0,4}",
    ], 0..40)) {
        let _ = Notification::parse(parts.concat().as_bytes());
        let _ = Notification::parse(format!("<NotificationConfiguration>{}</NotificationConfiguration>", parts.concat()).as_bytes());
    }

    #[test]
    fn what_is_written_is_read(rules in plain(), store in proptest::sample::select(vec![Store::JdCloud, Store::Other])) {
        let written = build(store, &rules);
        let read = read(&written.to_xml());
        prop_assert_eq!(bare_rules(&read), bare_rules(&written));
        prop_assert_eq!(read.to_xml(), written.to_xml());
    }

    #[test]
    fn rules_fire_as_told_the_slow_way(rules in plain(), event in proptest::sample::select(SENT.to_vec()), key in keys()) {
        let slow = naive(&rules, event, &key);
        for store in [Store::JdCloud, Store::Other] {
            let notification = build(store, &rules);
            let want = if store == Store::JdCloud { slow.iter().copied().take(1).collect() } else { slow.clone() };
            prop_assert_eq!(notification.fires(event, &key), !want.is_empty());
            match notification.verdict(event, &key) {
                NotificationVerdict::Fired(fired) => prop_assert_eq!(fired, want),
                NotificationVerdict::Not(misses) => {
                    prop_assert_eq!(want, Vec::<usize>::new());
                    prop_assert_eq!(misses.len(), rules.len());
                }
            }
        }
    }

    #[test]
    fn a_rule_that_never_fires_never_fires(rules in plain(), event in proptest::sample::select(SENT.to_vec()), key in keys()) {
        let notification = read(&build(Store::JdCloud, &rules).to_xml());
        let dead: HashSet<usize> = (0..rules.len())
            .filter(|i| notification.warnings.iter().any(|w| w.contains(&format!("rule[{i}]: never fires"))))
            .collect();
        if let NotificationVerdict::Fired(fired) = notification.verdict(event, &key) {
            prop_assert!(!dead.contains(&fired[0]), "{:?} {:?}", notification.warnings, fired);
        }
    }

    #[test]
    fn amazons_rules_overlap_exactly_if_a_key_can_fit_two(rules in plain(), event in proptest::sample::select(SENT.to_vec())) {
        let encoded: Vec<Plain> = rules
            .iter()
            .map(|(p, s, names)| {
                let encode = |text: &Option<String>| {
                    text.as_ref().map(|t| percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string())
                };
                (encode(p), encode(s), names.clone())
            })
            .collect();
        let result = Notification::parse(build(Store::Amazon, &encoded).to_xml().as_bytes());
        // The key that begins and ends as both rules wish, if there is one, is made of their longer halves.
        let mut shared = false;
        for (i, a) in rules.iter().enumerate() {
            for b in &rules[..i] {
                let longer = |x: &Option<String>, y: &Option<String>| {
                    let (x, y) = (x.clone().unwrap_or_default(), y.clone().unwrap_or_default());
                    if x.len() > y.len() { x } else { y }
                };
                let key = longer(&a.0, &b.0) + &longer(&a.1, &b.1);
                shared |= SENT.iter().any(|event| naive(&[a.clone(), b.clone()], event, &key).len() == 2);
            }
        }
        prop_assert_eq!(result.is_err(), shared, "{:?}", result);
        let _ = event;
    }

    #[test]
    fn a_written_document_announces_what_the_routes_take(
        lists in proptest::collection::vec((proptest::collection::vec(texts(), 0..3), proptest::collection::vec(texts(), 0..3)), 1..4),
        key in keys(),
        amazon in any::<bool>(),
    ) {
        let toml_list = |name: &str, list: &[String]| match list {
            [] => String::new(),
            list => format!("{name} = {}\n", serde_json::to_string(list).unwrap()),
        };
        let routes: String = lists
            .iter()
            .map(|(p, s)| route(&format!("bucket = \"b\"\n{}{}", toml_list("prefix", p), toml_list("suffix", s))))
            .collect();
        let target = if amazon { Target::Queue(AMAZONS.into()) } else { addresses() };
        let taken = lists.iter().any(|(prefixes, suffixes)| {
            (prefixes.is_empty() || prefixes.iter().any(|p| key.starts_with(p.as_str())))
                && (suffixes.is_empty() || suffixes.iter().any(|s| key.ends_with(s.as_str())))
        });
        match Notification::for_routes(&settings(&routes).rules, "b", None, &target) {
            Ok(written) => {
                prop_assert_eq!(written.fires("ObjectCreated:Put", &key), taken, "{}", written.to_xml());
                prop_assert!(!written.warnings.iter().any(|w| w.contains("never fires")), "{:?}", written.warnings);
            }
            Err(mistakes) => prop_assert!(amazon, "{mistakes:?}"),
        }
    }
}
