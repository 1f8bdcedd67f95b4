//! Whom a bucket of Google Cloud Storage tells: its notification configurations name topics, and subscriptions take from these.
//! <https://cloud.google.com/storage/docs/json_api/v1/notifications/list>
//! <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/list>

use serde_json::Value;

use crate::list::query::{encode, query};
use crate::notifies::ask::{json, list, text, texts};
use crate::notifies::entry::{DeadLetter, Entry, Selects, Tells, Test, Tests};
use crate::sign::Service;
use crate::store::Store;
use crate::trouble::Trouble;

const CONFIGURATIONS: &str = "storage.buckets.get";
const SUBSCRIPTIONS: &str = "pubsub.subscriptions.list";

/// "Sent when a new object (or a new generation of an existing object) is successfully created"
/// (<https://cloud.google.com/storage/docs/pubsub-notifications>).
const CREATIONS: &[&str] = &["OBJECT_FINALIZE"];

const MOST_PAGES: usize = 20;

/// # Errors
/// The configurations could not be read.
pub(crate) async fn tells(store: &Store, bucket: &str) -> Result<Tells, Trouble> {
    let settings = store.settings();
    let own = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    let base = settings.endpoint.as_ref().map_or("https://storage.googleapis.com".to_owned(), own);
    let address = format!("{base}/storage/v1/b/{}/notificationConfigs", encode(bucket.as_bytes()));
    let said = json(store, Service::Own, &address, bucket, CONFIGURATIONS).await?;
    let mut tells = Tells::default();
    let pubsub = match (&settings.management_endpoint, &settings.endpoint) {
        (Some(url), _) => Some(own(url)),
        (None, None) => Some("https://pubsub.googleapis.com".to_owned()),
        // Another's store has another's topics.
        (None, Some(url)) if url.host_str().is_some_and(|host| host.ends_with(".googleapis.com")) => {
            Some("https://pubsub.googleapis.com".to_owned())
        }
        (None, Some(_)) => None,
    };
    let mut read: Vec<(String, Result<Vec<Value>, Trouble>)> = Vec::new();
    for configuration in list(&said, "items") {
        let mut entry = entry(configuration);
        let topic = entry.targets.first().cloned().unwrap_or_default();
        let project = topic.split('/').nth(1).unwrap_or_default().to_owned();
        if let Some(pubsub) = &pubsub {
            if !read.iter().any(|(known, _)| *known == project) {
                let found = subscriptions(store, bucket, pubsub, &project).await;
                read.push((project.clone(), found));
            }
            match read.iter().find(|(known, _)| *known == project).map(|(_, found)| found) {
                Some(Ok(all)) => behind(&mut entry, &topic, all, &settings.expects),
                Some(Err(trouble)) => {
                    entry.dead_letter = DeadLetter::Unknown(trouble.to_string());
                    if !entry.names(&settings.expects) {
                        tells.unseen.push(trouble.clone());
                    }
                }
                None => {}
            }
        }
        tells.entries.push(entry);
    }
    Ok(tells)
}

/// Every subscription of a project.
async fn subscriptions(
    store: &Store,
    bucket: &str,
    base: &str,
    project: &str,
) -> Result<Vec<Value>, Trouble> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut pairs: Vec<(&str, &[u8])> = vec![("pageSize", b"1000")];
        if let Some(token) = &token {
            pairs.push(("pageToken", token.as_bytes()));
        }
        let address =
            format!("{base}/v1/projects/{}/subscriptions?{}", encode(project.as_bytes()), query(&pairs));
        let page = json(store, Service::Own, &address, bucket, SUBSCRIPTIONS).await?;
        all.extend_from_slice(list(&page, "subscriptions"));
        token = text(&page, "nextPageToken").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    Ok(all)
}

fn entry(configuration: &Value) -> Entry {
    let mut tests = Tests { events: texts(configuration, "event_types"), ..Tests::default() };
    if let Some(prefix) = text(configuration, "object_name_prefix") {
        tests.all.push(vec![Test::Begins(prefix.as_bytes().to_vec())]);
    }
    // `//pubsub.googleapis.com/projects/PROJECT/topics/TOPIC`
    let topic = text(configuration, "topic").unwrap_or_default();
    let topic = topic.strip_prefix("//pubsub.googleapis.com/").unwrap_or(topic);
    Entry {
        name: format!("configuration {}", text(configuration, "id").unwrap_or("without an id")),
        targets: vec![topic.to_owned()],
        off: None,
        selects: Selects::Tests(tests),
        creations: CREATIONS,
        dead_letter: DeadLetter::NoSuchThing,
    }
}

/// What takes from the topic: if one subscription is named in what is expected, that one, else all.
fn behind(entry: &mut Entry, topic: &str, all: &[Value], expects: &[String]) {
    let of_topic: Vec<&Value> = all.iter().filter(|one| text(one, "topic") == Some(topic)).collect();
    let named = |one: &&Value| {
        let names = [text(one, "name"), text(&one["pushConfig"], "pushEndpoint")];
        let targets = names.into_iter().flatten().map(str::to_owned).collect();
        Entry { targets, ..entry.clone() }.names(expects)
    };
    let ours: Vec<&Value> = of_topic.iter().copied().filter(named).collect();
    let looked_at = if ours.is_empty() { &of_topic } else { &ours };
    let mut dead_letter = DeadLetter::Unknown(format!(
        "no subscription in the project of {topic} takes from it; where it is taken from is not known"
    ));
    for one in looked_at {
        let name = text(one, "name").unwrap_or_default();
        if let Some(filter) = text(one, "filter")
            && let Selects::Tests(tests) = &mut entry.selects
        {
            tests.unclear.push(format!("{name} has a filter, {filter}"));
        }
        dead_letter = match (text(&one["deadLetterPolicy"], "deadLetterTopic"), text(one, "state")) {
            (_, Some("RESOURCE_ERROR")) => {
                DeadLetter::Doubtful(format!("{name} is in the state RESOURCE_ERROR and delivers nothing"))
            }
            // "If the topic is deleted": `_deleted-topic_`.
            (Some(place), _) if place != "_deleted-topic_" => DeadLetter::To(place.to_owned()),
            (Some(_), _) => {
                DeadLetter::Doubtful(format!("the topic for dead letters of {name} has been deleted"))
            }
            (None, _) => DeadLetter::Nowhere,
        };
        entry.targets.extend(text(&one["pushConfig"], "pushEndpoint").map(str::to_owned));
        entry.targets.push(name.to_owned());
        if matches!(dead_letter, DeadLetter::Nowhere | DeadLetter::Doubtful(_)) {
            break;
        }
    }
    entry.dead_letter = dead_letter;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifies::takes::Takes;

    #[test]
    fn a_configuration_and_what_is_behind_it() {
        // <https://cloud.google.com/storage/docs/json_api/v1/notifications#resource-representations>
        let configuration = serde_json::json!({
            "kind": "storage#notification", "id": "7", "topic": "//pubsub.googleapis.com/projects/p/topics/t",
            "event_types": ["OBJECT_FINALIZE"], "object_name_prefix": "in/", "payload_format": "JSON_API_V1",
        });
        let dead =
            serde_json::json!({ "deadLetterTopic": "projects/p/topics/dead", "maxDeliveryAttempts": 100 });
        let subscription = |name: &str, url: &str, dead: &Value| {
            let push = serde_json::json!({ "pushEndpoint": url });
            let mut one = serde_json::json!({ "name": name, "topic": "projects/p/topics/t", "pushConfig": push, "state": "ACTIVE" });
            if !dead.is_null() {
                one["deadLetterPolicy"] = dead.clone();
            }
            one
        };
        let all = [
            subscription("projects/p/subscriptions/relay", "https://relay.example/gcs", &dead),
            subscription("projects/p/subscriptions/other", "https://other.example/", &Value::Null),
        ];
        for (expects, want) in [
            ("https://relay.example/gcs", "To(\"projects/p/topics/dead\")"),
            ("projects/p/subscriptions/other", "Nowhere"),
            // Nobody says which of them is ours.
            ("projects/p/topics/t", "Nowhere"),
        ] {
            let mut entry = entry(&configuration);
            behind(&mut entry, "projects/p/topics/t", &all, &[expects.to_owned()]);
            assert_eq!(format!("{:?}", entry.dead_letter), want, "{expects}");
            assert!(entry.names(&[expects.to_owned()]));
            assert_eq!(entry.takes("OBJECT_FINALIZE", "in/x"), Takes::Yes);
            assert!(matches!(entry.takes("OBJECT_FINALIZE", "out/x"), Takes::No(_)));
        }
        let mut alone = entry(&configuration);
        behind(&mut alone, "projects/p/topics/t", &[], &[]);
        assert!(matches!(alone.dead_letter, DeadLetter::Unknown(_)));
    }

    /// What is asked for in sentences is what the document for doctor has.
    #[test]
    fn the_rights_are_those_of_the_document() {
        let document = include_str!("../../../../deploy/google/doctor-role.yaml");
        for permission in [CONFIGURATIONS, SUBSCRIPTIONS, "storage.objects.list"] {
            assert!(document.contains(permission), "{permission}");
        }
    }
}
