//! Whom a bucket of S3's protocol tells; on Amazon also what is behind: EventBridge's rules and the queue's dead letters.

use futures_util::future::join_all;
use serde_json::json;

use crate::list::query::{encode, query};
use crate::notifies::ask::{call, json, list, text};
use crate::notifies::ceph;
use crate::notifies::document::{Document, is_amazon};
use crate::notifies::entry::{DeadLetter, Entry, Selects, Switch, Tells};
use crate::notifies::pattern;
use crate::sign::Service;
use crate::store::Store;
use crate::trouble::{Trouble, TroubleKind};

const DOCUMENT: &str = "s3:GetBucketNotification";
const RULES: &str = "events:ListRules";
const TARGETS: &str = "events:ListTargetsByRule";
const QUEUE: &str = "sqs:GetQueueAttributes";
const MAPPINGS: &str = "lambda:ListEventSourceMappings";
const FUNCTION: &str = "lambda:GetFunctionConfiguration";

/// Pages of rules that are read: an account has 300 on a bus, unless it has asked for more
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
const MOST_PAGES: usize = 20;

/// "Set the queue's visibility timeout to at least six times the function's timeout"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
const VISIBILITY_TIMES: u64 = 6;

const EVENT_BRIDGE: &str = "Amazon EventBridge";

/// # Errors
/// The document could not be read.
pub(crate) async fn tells(store: &Store, bucket: &str) -> Result<Tells, Trouble> {
    let answer = store.ask(bucket, &[("notification", "")]).await?;
    let answer = store.judge(answer, Some(bucket), DOCUMENT)?;
    let document = Document::parse(&answer.body).map_err(|why| {
        Trouble::new(TroubleKind::Unreadable, &store.settings().name, format!("answers with {why}"))
            .of(bucket)
    })?;
    let mut tells =
        Tells { entries: document.entries, first_alone: document.first_alone, ..Tells::default() };
    if document.event_bridge {
        tells.switch = Some(Switch { name: "sending to Amazon EventBridge", on: Some(true) });
    }
    if !of_amazon(store) {
        // Topics of Ceph: they are read where that can tell something, and another's may not be.
        for entry in &mut tells.entries {
            let named = entry.names(&store.settings().expects);
            match ceph::behind(store, bucket, entry).await {
                Ok(()) => {}
                Err(trouble) if named => entry.dead_letter = DeadLetter::Unknown(trouble.to_string()),
                Err(trouble) => tells.unseen.push(trouble),
            }
        }
    }
    let region = region(store);
    let beside = of_amazon(store) || store.settings().management_endpoint.is_some();
    // Other stores that speak of EventBridge do not give the switch back: moto 5.2 is one.
    if beside && (document.event_bridge || !of_amazon(store)) {
        match rules(store, bucket, &region).await {
            Ok(rules) => {
                if !document.event_bridge && !rules.is_empty() {
                    let name = "whether the bucket sends to Amazon EventBridge";
                    tells.switch = Some(Switch { name, on: None });
                }
                tells.entries.extend(rules);
            }
            Err(trouble) if document.event_bridge => tells.unseen.push(trouble),
            Err(_) => {}
        }
    }
    if document.event_bridge && tells.entries.iter().all(|entry| entry.creations != pattern::CREATIONS) {
        tells.entries.push(Entry {
            name: EVENT_BRIDGE.to_owned(),
            targets: Vec::new(),
            off: Some("no rule of the default bus is about this bucket, as far as they could be read".into()),
            selects: Selects::Tests(Default::default()),
            creations: pattern::CREATIONS,
            dead_letter: DeadLetter::NoSuchThing,
        });
    }
    if beside {
        let expects = &store.settings().expects;
        let ours = tells.entries.iter_mut().filter(|entry| entry.names(expects));
        let ours = ours.filter(|entry| entry.targets.iter().any(|target| is_amazon(target)));
        join_all(ours.map(|entry| dead_letters(store, bucket, entry))).await;
    }
    Ok(tells)
}

/// The rules of the default bus, which S3 sends to, that are about the bucket.
async fn rules(store: &Store, bucket: &str, region: &str) -> Result<Vec<Entry>, Trouble> {
    let (service, address) = (Service::Amazon { name: "events", region }, address(store, "events", region));
    let mut about = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let mut body = json!({ "Limit": 100 });
        if let Some(token) = &token {
            body["NextToken"] = json!(token);
        }
        // <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html>
        let how = ("1.1", "AWSEvents.ListRules");
        let page = call(store, service, &address, how, &body, bucket, RULES).await?;
        for rule in list(&page, "Rules") {
            let (Some(name), Some(pattern)) = (text(rule, "Name"), text(rule, "EventPattern")) else {
                continue;
            };
            let Some(tests) = pattern::tests(pattern, bucket) else { continue };
            let state = text(rule, "State").unwrap_or("ENABLED");
            // `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` is on as well.
            let off = (!state.starts_with("ENABLED")).then(|| format!("the rule is {state}"));
            about.push((name.to_owned(), off, tests));
        }
        token = text(&page, "NextToken").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    let address = &address;
    let targets = about.into_iter().map(|(name, off, tests)| async move {
        // <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html>
        let (how, body) = (("1.1", "AWSEvents.ListTargetsByRule"), json!({ "Rule": &name }));
        let page = call(store, service, address, how, &body, bucket, TARGETS).await?;
        let targets =
            list(&page, "Targets").iter().filter_map(|target| text(target, "Arn").map(str::to_owned));
        Ok(Entry {
            name: format!("rule {name}"),
            targets: targets.collect(),
            off,
            selects: Selects::Tests(tests),
            creations: pattern::CREATIONS,
            dead_letter: DeadLetter::NoSuchThing,
        })
    });
    join_all(targets).await.into_iter().collect()
}

/// Looks behind an entry that tells a queue of Amazon's. Topics and functions have such places of their own, which are not read.
async fn dead_letters(store: &Store, bucket: &str, entry: &mut Entry) {
    let mut worst: Option<DeadLetter> = None;
    for target in entry.targets.iter().filter(|target| is_amazon(target)) {
        let parts: Vec<&str> = target.splitn(6, ':').collect();
        let [_, _, "sqs", region, account, name] = parts[..] else {
            let why = format!("only queues are looked into, and {target} is none");
            worst = worst.or(Some(DeadLetter::Unknown(why)));
            continue;
        };
        let found = queue(store, bucket, target, (region, account, name)).await;
        worst = Some(found.unwrap_or_else(|trouble| DeadLetter::Unknown(trouble.to_string())));
    }
    if let Some(worst) = worst {
        entry.dead_letter = worst;
    }
}

/// Where a queue puts what is received too often, and whether it hides a message long enough from the others while a function works.
async fn queue(
    store: &Store,
    bucket: &str,
    arn: &str,
    (region, account, name): (&str, &str, &str),
) -> Result<DeadLetter, Trouble> {
    let service = Service::Amazon { name: "sqs", region };
    let base = address(store, "sqs", region);
    // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
    let body = json!({
        "QueueUrl": format!("{base}{account}/{name}"),
        "AttributeNames": ["RedrivePolicy", "VisibilityTimeout"],
    });
    let how = ("1.0", "AmazonSQS.GetQueueAttributes");
    let answer = call(store, service, &base, how, &body, bucket, QUEUE).await?;
    let attributes = &answer["Attributes"];
    let policy = text(attributes, "RedrivePolicy").and_then(|text| serde_json::from_str(text).ok());
    let policy: serde_json::Value = policy.unwrap_or_default();
    let Some(place) = text(&policy, "deadLetterTargetArn").map(str::to_owned) else {
        return Ok(DeadLetter::Nowhere);
    };
    let visibility: Option<u64> = text(attributes, "VisibilityTimeout").and_then(|text| text.parse().ok());
    Ok(match (visibility, slowest(store, bucket, arn, region).await) {
        (_, Err(trouble)) => DeadLetter::Unknown(format!(
            "events that are given up go to {place}; whether the queue hides messages long enough: {trouble}"
        )),
        (Some(visibility), Ok(Some((function, timeout)))) if visibility < timeout * VISIBILITY_TIMES => {
            DeadLetter::Doubtful(format!(
                "the queue hides a message for {visibility} s, and {function} may take {timeout} s: less than {VISIBILITY_TIMES} times \
                 as long, so messages come again while they are worked on"
            ))
        }
        _ => DeadLetter::To(place),
    })
}

/// The function with the longest time-out that takes from the queue, and that time-out in seconds; `None`: no function does.
async fn slowest(
    store: &Store,
    bucket: &str,
    arn: &str,
    region: &str,
) -> Result<Option<(String, u64)>, Trouble> {
    let service = Service::Amazon { name: "lambda", region };
    let base = address(store, "lambda", region);
    let query = query(&[("EventSourceArn", arn.as_bytes())]);
    // <https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html>
    let mappings =
        json(store, service, &format!("{base}2015-03-31/event-source-mappings?{query}"), bucket, MAPPINGS)
            .await?;
    let mut slowest = None;
    for mapping in list(&mappings, "EventSourceMappings") {
        let Some(function) = text(mapping, "FunctionArn") else { continue };
        // <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>
        let path = format!("{base}2015-03-31/functions/{}/configuration", encode(function.as_bytes()));
        let configuration = json(store, service, &path, bucket, FUNCTION).await?;
        let timeout = configuration["Timeout"].as_u64().unwrap_or_default();
        if slowest.as_ref().is_none_or(|(_, longest)| *longest < timeout) {
            slowest = Some((function.to_owned(), timeout));
        }
    }
    Ok(slowest)
}

/// Whether the store is Amazon's.
fn of_amazon(store: &Store) -> bool {
    let host = store.settings().endpoint.as_ref().and_then(|endpoint| endpoint.host_str());
    host.is_none_or(|host| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

/// Where the rules are: in the region of the bucket, which is that of the settings, or of what is expected.
fn region(store: &Store) -> String {
    let settings = store.settings();
    let of_arn = |arn: &String| {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        (is_amazon(arn) && !parts[3].is_empty()).then(|| parts[3].to_owned())
    };
    let found = settings.region.clone().or_else(|| settings.expects.iter().find_map(of_arn));
    found.unwrap_or_else(|| "us-east-1".to_owned())
}

/// Where one of Amazon's services is, with a `/` at the end.
fn address(store: &Store, service: &str, region: &str) -> String {
    if let Some(endpoint) = &store.settings().management_endpoint {
        return format!("{}/", endpoint.as_str().trim_end_matches('/'));
    }
    let above = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{above}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for in sentences is what the document for doctor has.
    #[test]
    fn the_rights_are_those_of_the_document() {
        let document = include_str!("../../../../deploy/aws/doctor-policy.json");
        for permission in [DOCUMENT, RULES, TARGETS, QUEUE, MAPPINGS, FUNCTION, "s3:ListBucket"] {
            assert!(document.contains(permission), "{permission}");
        }
    }
}
