//! Detection, parsing and planning of whatever a sender may send.

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::LazyLock;

use mdss_relay_core::{
    Decision, Delivery, Dialect, Door, Kind, Plan, Planned, QUEUE_ANSWER, Role, Settings, explain, subjects,
};
use serde_json::{Value, json};

use crate::head;

/// Routes that look at everything a route can look at.
const ROUTES: &str = r#"
[[route]]
bucket = "b*"
prefix = "in/"
exclude_suffix = ".part"
compartments = ["ocid1.compartment.oc1..a"]
storage_client_id = "00000000-0000-4000-8000-000000000001"
storage_type = "oracle"

[[route]]
bucket = "*"
condition = { data = { resourceName = ["*.pdf", "in/*"] }, s3 = { object = { size = [1, 2] } } }
storage_client_id = "00000000-0000-4000-8000-000000000002"

[[route]]
bucket = "*"
storage_client_id = "00000000-0000-4000-8000-000000000003"
"#;

pub(crate) static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let variables = [(OsString::from("RELAY_CONFIG_TOML"), OsString::from(ROUTES))];
    Settings::read(variables, Role::Explain).finish().expect("the settings above are good")
});

/// Plans a delivery and explains the plan.
///
/// The input is a body, as a function gets it; or a request: its first line is then the name of the dialect its source is
/// pinned to, or `-`, and headers follow up to an empty line.
pub fn plan(bytes: &[u8]) {
    let delivery = delivery(bytes);
    let plan = mdss_relay_core::plan(&SETTINGS.rules, &delivery);
    check(&plan, &delivery);
    let subjects = subjects(&delivery);
    assert!(is_unique(subjects.iter().map(|s| &s.item)), "items of subjects are unique: {subjects:?}");
}

fn delivery(bytes: &[u8]) -> Delivery {
    let request = head::split(bytes).and_then(|parts| match parts.first {
        "-" => Some((None, parts)),
        name => Some((Some(name.parse::<Dialect>().ok()?), parts)),
    });
    let Some((dialect, parts)) = request else { return Delivery::from_function(bytes, "") };
    // The server hands on only headers that are text.
    let header =
        |(name, value): &(&str, &[u8])| Some(((*name).to_owned(), str::from_utf8(value).ok()?.to_owned()));
    Delivery {
        source: Some("s".into()),
        dialect,
        method: "POST".into(),
        headers: parts.headers.iter().filter_map(header).collect(),
        body: parts.body.to_vec(),
        id: String::new(),
    }
}

pub(crate) fn check(plan: &Plan, delivery: &Delivery) {
    assert!(is_unique(plan.records.iter().map(|r| &r.item)), "items are unique: {plan:?}");
    plan.records.iter().for_each(check_record);

    let line = explain("f", &Door::Open(plan));
    assert!(line.bytes().all(|byte| byte >= b' '), "one line: {line:?}");
    let line: Value = serde_json::from_str(&line).expect("the line is JSON");
    assert_eq!(line["records"].as_array().map(Vec::len), Some(plan.records.len()));

    let failed = plan.records.iter().any(|r| matches!(r.decision, Decision::Fail(_)));
    assert_eq!(plan.queue_answer().is_some(), plan.is_queue());
    if let Some(answer) = plan.queue_answer() {
        let failures = answer[QUEUE_ANSWER].as_array().expect("a list of failures");
        assert_eq!(failed, !failures.is_empty(), "a queue hears of failures, and of nothing else: {answer}");
    }
    assert!(plan.reply.is_none() || delivery.source.is_some(), "a function answers no handshake: {plan:?}");
    if plan.reply.is_some() || plan.confirm.is_some() {
        let sends = plan.records.iter().any(|r| matches!(r.decision, Decision::Send(_)));
        assert!(!sends, "a handshake takes no objects along: {plan:?}");
    }
    if let Some(confirm) = &plan.confirm {
        let host = host(&confirm.url).unwrap_or_default();
        let oracle = host.ends_with(".oraclecloud.com");
        let amazon = host.starts_with("sns.")
            && [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|domain| host.ends_with(domain));
        let huawei = host
            .strip_suffix("console.huaweicloud.com")
            .is_some_and(|region| region.is_empty() || region.ends_with('-') && !region.contains('.'));
        assert!(oracle || amazon || huawei, "the URL leads to a provider: {:?}", confirm.url);
    }
}

fn check_record(record: &Planned) {
    let name = |text: &str| !text.is_empty();
    assert!(name(&record.item), "{record:?}");
    assert!(record.bucket.as_ref().is_none_or(|b| name(b.as_str())), "{record:?}");
    assert!(record.key.as_ref().is_none_or(|k| name(k.as_str())), "{record:?}");
    match &record.decision {
        Decision::Send(submission) => {
            assert_eq!(record.kind, Some(Kind::Created), "only new content is sent: {record:?}");
            let key = record.key.as_ref().expect("what is sent has a key").as_str();
            let empty_folder = key.ends_with('/') && record.details.size == Some(0);
            assert!(record.bucket.is_some() && !empty_folder, "{record:?}");
            let submission = serde_json::to_value(submission).expect("a submission is JSON");
            let metadata = submission["metadata"].as_str().expect("metadata is a text");
            let metadata: Value = serde_json::from_str(metadata).expect("of JSON");
            let shapes = [
                json!({ "s3": { "object": { "key": key } } }),
                json!({ "Name": key }),
                json!({ "oss": { "object": { "key": key } } }),
            ];
            assert!(shapes.contains(&metadata), "MDSS hears the key as it is: {metadata} {record:?}");
        }
        Decision::Skip(_) => {
            assert!(record.kind.is_some(), "what is not understood is not skipped: {record:?}")
        }
        Decision::Fail(failure) => {
            let sentence = &failure.detail;
            let bends =
                |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(name(sentence) && !sentence.contains(bends), "{sentence:?}");
        }
    }
}

/// The host of an https URL in its plainest form; read by hand, because it judges those who read it with a library.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // A comma is odd, and leads nowhere else; a name before an `@`, a port or a second slash would.
    let plain = |c: char| c.is_ascii_graphic() && !"@:\\%".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then_some(host)
}

fn is_unique<'a>(items: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = HashSet::new();
    items.into_iter().all(|item| seen.insert(item))
}
