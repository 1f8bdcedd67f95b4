//! Whom a container of Azure Blob Storage tells: the subscriptions of Event Grid to its storage account.
//!
//! A subscription belongs to the account's system topic, of which there is at most one, or hangs on the account itself. Both are asked
//! of the management of Azure, where no key of an account is worth anything: an identity is needed.
//! <https://learn.microsoft.com/en-us/rest/api/eventgrid/controlplane/system-topic-event-subscriptions/list-by-system-topic>
//! <https://learn.microsoft.com/en-us/rest/api/eventgrid/controlplane/event-subscriptions/list-by-resource>

use serde_json::Value;

use crate::list::query::{encode, query};
use crate::notifies::ask::{json, list, text, texts};
use crate::notifies::entry::{DeadLetter, Entry, Selects, Tells, Test, Tests};
use crate::sign::Service;
use crate::store::Store;
use crate::trouble::{Trouble, TroubleKind};

/// The role EventGrid EventSubscription Reader has both, and Reader of the resource group.
const ON_ACCOUNT: &str =
    "Microsoft.EventGrid/eventSubscriptions/read (role EventGrid EventSubscription Reader)";
const TOPICS: &str = "Microsoft.EventGrid/systemTopics/read (role Reader of the resource group)";
const OF_TOPIC: &str =
    "Microsoft.EventGrid/systemTopics/eventSubscriptions/read (role Reader of the resource group)";

const API: &str = "2022-06-15";

/// <https://learn.microsoft.com/en-us/azure/event-grid/event-schema-blob-storage>. With a hierarchical namespace there is also
/// `Microsoft.Storage.BlobRenamed`, which is asked of nobody: without such a namespace it never comes.
const CREATIONS: &[&str] = &["Microsoft.Storage.BlobCreated"];

/// Calls that end an upload. The others that make this event are its beginnings.
const UPLOADS: [&str; 4] = ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"];

const MOST_PAGES: usize = 10;

/// # Errors
/// Nothing could be looked at.
pub(crate) async fn tells(store: &Store, container: &str) -> Result<Tells, Trouble> {
    let settings = store.settings();
    let Some(account) = settings.resource_id.as_deref().map(|id| id.trim_end_matches('/')) else {
        let detail = "its resource_id is not set, by which the management of Azure knows the storage account";
        return Err(Trouble::new(TroubleKind::Refused, &settings.name, detail).of(container));
    };
    let mut tells = Tells::default();
    let path = format!("{account}/providers/Microsoft.EventGrid/eventSubscriptions");
    let (on_account, of_topics) =
        tokio::join!(pages(store, container, &path, &[], ON_ACCOUNT), topics(store, container, account));
    let mut seen: Vec<String> = Vec::new();
    for found in [on_account, of_topics] {
        match found {
            Ok(subscriptions) => {
                for subscription in subscriptions {
                    let id = text(&subscription, "id").unwrap_or_default().to_lowercase();
                    if id.is_empty() || !seen.contains(&id) {
                        seen.push(id);
                        tells.entries.extend(entry(&subscription, container));
                    }
                }
            }
            Err(trouble) => tells.unseen.push(trouble),
        }
    }
    match (tells.entries.is_empty(), tells.unseen.len()) {
        (true, 2) => Err(tells.unseen.remove(0)),
        _ => Ok(tells),
    }
}

/// The subscriptions to the account's system topics.
async fn topics(store: &Store, container: &str, account: &str) -> Result<Vec<Value>, Trouble> {
    // "/subscriptions/ID/resourceGroups/…": the topic may be in any group of the subscription.
    let subscription = account.split('/').nth(2).unwrap_or_default();
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.EventGrid/systemTopics",
        encode(subscription.as_bytes())
    );
    let topics = pages(store, container, &path, &[], TOPICS).await?;
    let ours = topics.iter().filter(|topic| {
        text(&topic["properties"], "source").is_some_and(|source| source.eq_ignore_ascii_case(account))
    });
    let mut found = Vec::new();
    for id in ours.filter_map(|topic| text(topic, "id")) {
        found.extend(pages(store, container, &format!("{id}/eventSubscriptions"), &[], OF_TOPIC).await?);
    }
    Ok(found)
}

/// Every page of a list.
async fn pages(
    store: &Store,
    container: &str,
    path: &str,
    more: &[(&str, &[u8])],
    permission: &'static str,
) -> Result<Vec<Value>, Trouble> {
    let base = store
        .settings()
        .management_endpoint
        .as_ref()
        .map(|url| url.as_str().trim_end_matches('/').to_owned());
    let base = base.unwrap_or_else(|| "https://management.azure.com".to_owned());
    let pairs = [&[("api-version", API.as_bytes())][..], more].concat();
    let mut next = Some(format!("{base}{path}?{}", query(&pairs)));
    let mut all = Vec::new();
    for _ in 0..MOST_PAGES {
        let Some(address) = next.take() else { break };
        let page = json(store, Service::AzureManagement, &address, container, permission).await?;
        all.extend_from_slice(list(&page, "value"));
        // A token is shown to nobody else.
        next =
            text(&page, "nextLink").filter(|link| link.starts_with(&format!("{base}/"))).map(str::to_owned);
    }
    Ok(all)
}

/// A subscription, if it may be about the container.
fn entry(subscription: &Value, container: &str) -> Option<Entry> {
    let properties = &subscription["properties"];
    let filter = &properties["filter"];
    let mut tests = Tests {
        events: texts(filter, "includedEventTypes"),
        before: format!("/blobServices/default/containers/{container}/blobs/"),
        any_case: !filter["isSubjectCaseSensitive"].as_bool().unwrap_or(false),
        ..Tests::default()
    };
    if let Some(start) = text(filter, "subjectBeginsWith") {
        tests.all.push(vec![Test::Begins(start.as_bytes().to_vec())]);
    }
    if let Some(end) = text(filter, "subjectEndsWith") {
        tests.all.push(vec![Test::Ends(end.as_bytes().to_vec())]);
    }
    for advanced in list(filter, "advancedFilters") {
        match advanced_test(advanced) {
            Advanced::Tests(one_of) => tests.all.push(one_of),
            Advanced::Harmless => {}
            Advanced::Unclear(why) => tests.unclear.push(why),
        }
    }
    // Another container's: its subjects begin with another name.
    let folded = |text: &str| if tests.any_case { text.to_lowercase() } else { text.to_owned() };
    let before = folded(&tests.before);
    let may = |test: &Test| match test {
        Test::Begins(start) => {
            let start = folded(&String::from_utf8_lossy(start));
            before.starts_with(&start) || start.starts_with(&before)
        }
        _ => true,
    };
    if !tests.all.iter().all(|one_of| one_of.iter().any(may)) {
        return None;
    }
    let state = text(properties, "provisioningState").unwrap_or("Succeeded");
    let destination = &properties["destination"];
    let destination = if destination.is_object() {
        destination
    } else {
        &properties["deliveryWithResourceIdentity"]["destination"]
    };
    let dead_letter = [
        &properties["deadLetterDestination"],
        &properties["deadLetterWithResourceIdentity"]["deadLetterDestination"],
    ];
    let place = dead_letter.into_iter().find(|place| place.is_object()).map(|place| &place["properties"]);
    let name = format!("subscription {}", text(subscription, "name").unwrap_or("without a name"));
    Some(Entry {
        name: name.clone(),
        targets: targets(&destination["properties"]),
        off: (state != "Succeeded").then(|| format!("its state is {state}")),
        selects: Selects::Tests(tests),
        creations: CREATIONS,
        dead_letter: match place {
            Some(place) => {
                let place =
                    format!("the container {:?}", text(place, "blobContainerName").unwrap_or_default());
                match gives_up_early(&properties["retryPolicy"]) {
                    Some(when) => DeadLetter::Doubtful(format!(
                        "{name} gives an event up after {when}, and it goes to {place}"
                    )),
                    None => DeadLetter::To(place),
                }
            }
            // 400, 401, 403 and 413 are not tried again
            // (<https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry>).
            None => DeadLetter::Nowhere,
        },
    })
}

/// The most attempts that Event Grid makes, and the longest that it makes them, in minutes; both are what it does unless it is told otherwise
/// (<https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry>, "Retry policy").
const MOST_ATTEMPTS: u64 = 30;
const LONGEST_MINUTES: u64 = 1440;

/// When an event is given up, if that is sooner than it has to be: an MDSS that is away for a night is away for longer.
fn gives_up_early(policy: &Value) -> Option<String> {
    let of = |member: &str, most: u64| policy[member].as_u64().unwrap_or(most);
    let (attempts, minutes) =
        (of("maxDeliveryAttempts", MOST_ATTEMPTS), of("eventTimeToLiveInMinutes", LONGEST_MINUTES));
    (attempts < MOST_ATTEMPTS || minutes < LONGEST_MINUTES).then(|| {
        format!(
            "{attempts} attempts or {minutes} minutes, where {MOST_ATTEMPTS} and {LONGEST_MINUTES} may be (--max-delivery-attempts, --event-ttl)"
        )
    })
}

/// Whom it tells: an address, of which Azure shows the part without the query; or a resource, of a queue with its name.
fn targets(properties: &Value) -> Vec<String> {
    let mut targets: Vec<String> = ["endpointUrl", "endpointBaseUrl", "resourceId"]
        .iter()
        .filter_map(|member| text(properties, member).map(str::to_owned))
        .collect();
    if let (Some(account), Some(queue)) = (text(properties, "resourceId"), text(properties, "queueName")) {
        targets.insert(0, format!("{account}/queueServices/default/queues/{queue}"));
    }
    targets
}

enum Advanced {
    Tests(Vec<Test>),
    /// It keeps back nothing that matters.
    Harmless,
    Unclear(String),
}

/// <https://learn.microsoft.com/en-us/azure/event-grid/event-filtering>
fn advanced_test(advanced: &Value) -> Advanced {
    let operator = text(advanced, "operatorType").unwrap_or_default();
    let key = text(advanced, "key").unwrap_or_default();
    let values = texts(advanced, "values");
    let of = |test: fn(Vec<u8>) -> Test| {
        Advanced::Tests(values.iter().map(|value| test(value.clone().into_bytes())).collect())
    };
    match (key.to_lowercase().as_str(), operator) {
        ("subject", "StringBeginsWith") => of(Test::Begins),
        ("subject", "StringEndsWith") => of(Test::Ends),
        ("subject", "StringContains") => of(Test::Holds),
        ("subject", "StringIn") => of(Test::Is),
        // Beginnings of an upload, of which the end is announced, too.
        ("data.api", "StringNotIn")
            if !UPLOADS.iter().any(|upload| values.iter().any(|value| value == upload)) =>
        {
            Advanced::Harmless
        }
        ("data.api", "StringIn")
            if UPLOADS.iter().all(|upload| values.iter().any(|value| value == upload)) =>
        {
            Advanced::Harmless
        }
        _ => Advanced::Unclear(format!("it has an advanced filter {operator} on {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifies::takes::Takes;

    /// The shape of <https://learn.microsoft.com/en-us/rest/api/eventgrid/controlplane/event-subscriptions/get>, "Sample response".
    fn subscription(filter: &str) -> Option<Entry> {
        let text = format!(
            r#"{{"id": "/subscriptions/s/x", "name": "relay", "properties": {{"provisioningState": "Succeeded", "filter": {filter},
                "destination": {{"endpointType": "WebHook", "properties": {{"endpointBaseUrl": "https://relay.example/azure"}}}}}}}}"#
        );
        entry(&serde_json::from_str(&text).unwrap(), "invoices")
    }

    #[test]
    fn what_filters_take() {
        let created = CREATIONS[0];
        for (filter, want) in [
            ("{}", "Yes"),
            (r#"{"includedEventTypes": ["Microsoft.Storage.BlobDeleted"]}"#, "No"),
            (r#"{"subjectBeginsWith": "/blobServices/default/containers/INVOICES/"}"#, "Yes"),
            (
                r#"{"subjectBeginsWith": "/blobServices/default/containers/INVOICES/", "isSubjectCaseSensitive": true}"#,
                "none",
            ),
            (r#"{"subjectBeginsWith": "/blobServices/default/containers/other/"}"#, "none"),
            (r#"{"subjectBeginsWith": "/blobServices/default/containers/invoices/blobs/out/"}"#, "No"),
            (r#"{"subjectEndsWith": ".PDF"}"#, "Yes"),
            (r#"{"subjectEndsWith": ".doc"}"#, "No"),
            (
                r#"{"advancedFilters": [{"operatorType": "StringBeginsWith", "key": "subject", "values": ["/blobServices/default/containers/a/", "/blobServices/default/containers/invoices/"]}]}"#,
                "Yes",
            ),
            (
                r#"{"advancedFilters": [{"operatorType": "StringBeginsWith", "key": "Subject", "values": ["/blobServices/default/containers/a/"]}]}"#,
                "none",
            ),
            (
                r#"{"advancedFilters": [{"operatorType": "StringNotIn", "key": "data.api", "values": ["CreateFile"]}]}"#,
                "Yes",
            ),
            (
                r#"{"advancedFilters": [{"operatorType": "StringIn", "key": "data.api", "values": ["PutBlob"]}]}"#,
                "Unclear",
            ),
            (
                r#"{"advancedFilters": [{"operatorType": "NumberLessThan", "key": "data.contentLength", "value": 5}]}"#,
                "Unclear",
            ),
        ] {
            let entry = subscription(filter);
            let said =
                entry.map_or("none".to_owned(), |entry| format!("{:?}", entry.takes(created, "in/a.pdf")));
            assert!(said.starts_with(want), "{filter}: {said}");
        }
        assert!(matches!(
            subscription("{}").unwrap().takes("Microsoft.Storage.BlobDeleted", "x"),
            Takes::Yes
        ));
    }

    #[test]
    fn whom_a_destination_names() {
        let queue = serde_json::json!({ "resourceId": "/subscriptions/s/a", "queueName": "q" });
        assert_eq!(
            targets(&queue),
            ["/subscriptions/s/a/queueServices/default/queues/q", "/subscriptions/s/a"]
        );
        assert!(targets(&Value::Null).is_empty());
    }

    /// What is asked for in sentences is what the document for doctor has.
    #[test]
    fn the_rights_are_those_of_the_document() {
        let document = include_str!("../../../../deploy/azure/doctor-role.json");
        for permission in [ON_ACCOUNT, TOPICS, OF_TOPIC] {
            let permission = permission.split(' ').next().unwrap();
            assert!(document.contains(&format!("\"{permission}\"")), "{permission}");
        }
    }
}
