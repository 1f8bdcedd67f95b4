//! Notification configurations, which operators take from a store, and the events they are tried on.

use mdss_relay_core::{Notification, NotificationVerdict, Rule, Store};

/// Reads a document, writes it, reads it again, and tries both on events.
pub fn notification(bytes: &[u8]) {
    let notification = match Notification::parse(bytes) {
        Ok(notification) => notification,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a reason");
            mistakes.iter().for_each(|mistake| check_line(&mistake.to_string()));
            return;
        }
    };
    notification.warnings().iter().for_each(|warning| check_line(warning));

    let written = notification.to_xml();
    let again = Notification::parse(written.as_bytes()).expect("what is written can be read");
    assert_eq!(again.store(), notification.store(), "{written}");
    assert_eq!(without_lines(&again), without_lines(&notification), "{written}");
    assert_eq!(again.to_xml(), written, "the same rules are the same document");

    for (event, key) in made_up(&notification) {
        let verdict = notification.verdict(&event, &key);
        assert_eq!(again.verdict(&event, &key), verdict, "the same rules fire: {event:?} {key:?}");
        check_verdict(&notification, &verdict);
    }
    for (index, rule) in notification.rules().iter().enumerate() {
        let Some((event, key)) = wanted(notification.store(), rule) else { continue };
        let verdict = notification.verdict(&event, &key);
        let fires = match &verdict {
            NotificationVerdict::Fired(fired) => match notification.store() {
                // Or one before it does.
                Store::JdCloud => fired.iter().all(|first| *first <= index),
                Store::Amazon | Store::Other => fired.contains(&index),
            },
            NotificationVerdict::Not(_) => false,
        };
        assert!(fires, "{rule:?} does not fire for its own: {verdict:?}");
    }
}

/// A sentence for people or for the log.
fn check_line(line: &str) {
    let bends = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!line.is_empty() && !line.contains(bends), "{line:?}");
}

fn check_verdict(notification: &Notification, verdict: &NotificationVerdict) {
    match verdict {
        NotificationVerdict::Fired(fired) => {
            let rises = fired.windows(2).all(|pair| pair[0] < pair[1]);
            let is_there = fired.last().is_some_and(|last| *last < notification.rules().len());
            assert!(rises && is_there, "rules that are there, in order, each once: {fired:?}");
            assert!(
                notification.store() != Store::JdCloud || fired.len() == 1,
                "the first that fits ends it"
            );
        }
        NotificationVerdict::Not(misses) => {
            assert_eq!(misses.len(), notification.rules().len(), "a reason for each rule");
            misses.iter().for_each(|miss| check_line(&miss.to_string()));
        }
    }
}

/// The rules, wherever they stand.
fn without_lines(notification: &Notification) -> Vec<Rule> {
    notification.rules().iter().map(|rule| Rule { line: 0, ..rule.clone() }).collect()
}

/// Events as stores name them, and as none does, with keys of which some look like the document's own filters.
fn made_up(notification: &Notification) -> Vec<(String, String)> {
    let mut keys: Vec<String> =
        ["", "a", "in/a b+c%41.pdf", "\u{1b}[2J\n", "é\u{202e}"].map(str::to_owned).into();
    let affixes = notification.rules().iter().flat_map(|rule| [&rule.prefix, &rule.suffix]).flatten();
    keys.extend(affixes.take(4).map(|affix| affix.as_str().to_owned()));
    let mut events: Vec<String> =
        ["s3:ObjectCreated:Put", "ObjectCreated:Copy", "s3:ObjectCreated:*", "s3:", "*", "", "\u{7}\n"]
            .map(str::to_owned)
            .into();
    events.extend(notification.rules().iter().flat_map(|rule| &rule.events).take(4).cloned());
    events.iter().flat_map(|event| keys.iter().map(|key| (event.clone(), key.clone()))).collect()
}

/// An event and a key that a rule asks for, as far as that can be told from what is written: a filter of Amazon's may be
/// encoded.
fn wanted(store: Store, rule: &Rule) -> Option<(String, String)> {
    let event = match rule.events.first() {
        Some(event) => event.strip_suffix(":*").map_or(event.clone(), |family| format!("{family}:Put")),
        None => "s3:ObjectCreated:Put".into(),
    };
    let affixes = [&rule.prefix, &rule.suffix];
    let key: String = affixes.into_iter().flatten().map(|affix| affix.as_str()).collect();
    (store != Store::Amazon || !key.contains(['%', '+'])).then_some((event, key))
}
