//! The pattern of a rule of Amazon EventBridge, as far as it speaks of new objects of a bucket.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>, and of the events
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use serde_json::Value;

use crate::notifies::entry::{Test, Tests};

/// The one event of new objects.
pub(crate) const CREATIONS: &[&str] = &["Object Created"];

/// What the pattern says of a bucket's objects; `None` if it is about other things.
pub(crate) fn tests(pattern: &str, bucket: &str) -> Option<Tests> {
    let Ok(Value::Object(pattern)) = serde_json::from_str(pattern) else { return None };
    let mut tests = Tests::default();
    for (name, wanted) in &pattern {
        match name.as_str() {
            "source" => may(wanted, "aws.s3")?,
            "detail-type" => tests.events = events(wanted, &mut tests.unclear)?,
            "detail" => detail(wanted, bucket, &mut tests)?,
            "resources" => may(wanted, &format!("arn:aws:s3:::{bucket}"))?,
            // Rules are of the account and the region of the bus, which the bucket's events come to.
            "account" | "region" => {}
            other => tests.unclear.push(format!("its pattern asks for {other}")),
        }
    }
    // A pattern without any of these is about every event of the bus.
    Some(tests)
}

fn detail(wanted: &Value, bucket: &str, tests: &mut Tests) -> Option<()> {
    let Value::Object(members) = wanted else { return None };
    for (name, wanted) in members {
        match (name.as_str(), wanted) {
            ("bucket", Value::Object(inner)) => {
                for (name, wanted) in inner {
                    match name.as_str() {
                        "name" => may(wanted, bucket)?,
                        other => tests.unclear.push(format!("its pattern asks for detail.bucket.{other}")),
                    }
                }
            }
            ("object", Value::Object(inner)) => {
                for (name, wanted) in inner {
                    match (name.as_str(), keys(wanted)) {
                        ("key", Some(list)) => tests.all.push(list),
                        _ => tests.unclear.push(format!("its pattern asks for detail.object.{name}")),
                    }
                }
            }
            // Another event of the same bucket has it: "Object Access Tier Changed" and others.
            (other, _) => tests.unclear.push(format!("its pattern asks for detail.{other}")),
        }
    }
    Some(())
}

/// The events that are named.
fn events(wanted: &Value, unclear: &mut Vec<String>) -> Option<Vec<String>> {
    let list = wanted.as_array()?;
    let mut named = Vec::new();
    for one in list {
        match (one, one.get("prefix").and_then(Value::as_str)) {
            (Value::String(text), _) => named.push(text.clone()),
            (_, Some(prefix)) => named.push(format!("{prefix}*")),
            _ => unclear.push("its pattern asks for detail-type in a way that is not read here".to_owned()),
        }
    }
    if named.is_empty() && !list.is_empty() {
        named.push("*".to_owned());
    }
    Some(named)
}

/// Whether a list of wanted values may take a text: `None` if it surely does not.
fn may(wanted: &Value, text: &str) -> Option<()> {
    let Some(list) = keys(wanted) else { return Some(()) };
    let taken = list.iter().any(|test| match test {
        Test::Begins(start) => text.as_bytes().starts_with(start),
        Test::Ends(end) => text.as_bytes().ends_with(end),
        Test::Is(whole) => text.as_bytes() == whole,
        Test::Like(pattern) => mdss_relay_core::Pattern::new(pattern).matches(text),
        Test::Holds(_) => true,
    });
    taken.then_some(())
}

/// Each wanted value as a test; `None` if one of them is not read here: `anything-but` and others, which leave something out.
fn keys(wanted: &Value) -> Option<Vec<Test>> {
    let one = |wanted: &Value| {
        if let Value::String(text) = wanted {
            return Some(Test::Is(text.clone().into_bytes()));
        }
        let object = wanted.as_object().filter(|object| object.len() == 1)?;
        let (operator, value) = object.iter().next()?;
        let text = value.as_str()?;
        match operator.as_str() {
            "prefix" => Some(Test::Begins(text.as_bytes().to_vec())),
            "suffix" => Some(Test::Ends(text.as_bytes().to_vec())),
            "wildcard" if !text.contains('\\') => Some(Test::Like(text.to_owned())),
            _ => None,
        }
    };
    wanted.as_array()?.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifies::entry::{DeadLetter, Entry, Selects};
    use crate::notifies::takes::Takes;

    #[test]
    fn what_patterns_take() {
        let all = r#"{"source": ["aws.s3"], "detail-type": ["Object Created"]"#;
        for (pattern, want) in [
            (format!("{all}}}"), "Yes"),
            (r#"{"source": [{"prefix": "aws."}]}"#.into(), "Yes"),
            (format!(r#"{all}, "detail": {{"bucket": {{"name": ["other", "b"]}}}}}}"#), "Yes"),
            (format!(r#"{all}, "detail": {{"bucket": {{"name": ["other"]}}}}}}"#), "None"),
            (format!(r#"{all}, "detail": {{"object": {{"key": [{{"prefix": "in/"}}]}}}}}}"#), "Yes"),
            (format!(r#"{all}, "detail": {{"object": {{"key": [{{"wildcard": "in/*.pdf"}}]}}}}}}"#), "Yes"),
            (
                format!(
                    r#"{all}, "detail": {{"object": {{"key": [{{"prefix": "out/"}}, {{"suffix": ".doc"}}]}}}}}}"#
                ),
                "No",
            ),
            (format!(r#"{all}, "detail": {{"object": {{"key": [{{"anything-but": "x"}}]}}}}}}"#), "Unclear"),
            (format!(r#"{all}, "detail": {{"object": {{"size": [{{"numeric": ["<", 5]}}]}}}}}}"#), "Unclear"),
            (format!(r#"{all}, "detail": {{"reason": ["PutObject"]}}}}"#), "Unclear"),
            (r#"{"source": ["aws.s3"], "detail-type": ["Object Deleted"]}"#.into(), "No"),
            (r#"{"source": ["aws.ec2"]}"#.into(), "None"),
            ("nonsense".into(), "None"),
        ] {
            let takes = tests(&pattern, "b").map(|tests| {
                let selects = Selects::Tests(tests);
                let (targets, dead_letter) = (Vec::new(), DeadLetter::Nowhere);
                let entry = Entry {
                    name: String::new(),
                    targets,
                    off: None,
                    selects,
                    creations: CREATIONS,
                    dead_letter,
                };
                entry.takes(CREATIONS[0], "in/a.pdf")
            });
            let said = takes.as_ref().map_or("None".to_owned(), |takes: &Takes| format!("{takes:?}"));
            assert!(
                said.starts_with(want) && (want != "No" || !said.starts_with("None")),
                "{pattern}: {said}"
            );
        }
    }
}
