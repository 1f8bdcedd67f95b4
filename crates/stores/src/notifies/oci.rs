//! Whom a bucket of OCI Object Storage tells: its own switch, and the rules of OCI Events in its compartment and those above.

use futures_util::future::join_all;
use mdss_relay_core::Condition;
use serde_json::Value;

use crate::list::query::{encode, query};
use crate::notifies::ask::{json, list, text, unreadable};
use crate::notifies::entry::{DeadLetter, Entry, Selects, Switch, Tells};
use crate::notifies::rule::{CREATIONS, OciBucket, OciRule};
use crate::sign::Service;
use crate::store::Store;
use crate::trouble::{Trouble, words};

const NAMESPACE: &str = "OBJECTSTORAGE_NAMESPACE_READ (\"to read objectstorage-namespaces\")";
const BUCKET: &str = "BUCKET_READ (\"to read buckets\")";
/// `inspect` lists rules without their actions; `read` shows these.
/// <https://docs.oracle.com/iaas/Content/Identity/Reference/cloudeventspolicyreference.htm>
const RULES: &str = "EVENTRULE_LIST (\"to read cloudevents-rules\")";
const RULE: &str = "EVENTRULE_READ (\"to read cloudevents-rules\")";
const COMPARTMENTS: &str = "COMPARTMENT_INSPECT (\"to inspect compartments\")";

/// "up to six levels deep", and the tenancy
/// (<https://docs.oracle.com/en-us/iaas/Content/Identity/compartments/managingcompartments.htm>).
const MOST_LEVELS: usize = 7;

/// Pages of rules that are read in one compartment.
const MOST_PAGES: usize = 10;

/// # Errors
/// The bucket could not be looked at.
pub(crate) async fn tells(store: &Store, bucket: &str) -> Result<Tells, Trouble> {
    let base = address(store, "objectstorage");
    let namespace = match &store.settings().namespace {
        Some(namespace) => namespace.clone(),
        None => {
            let said = json(store, Service::Own, &format!("{base}/n/"), bucket, NAMESPACE).await?;
            said.as_str().map(str::to_owned).ok_or_else(|| unreadable(store, bucket, "no namespace"))?
        }
    };
    // <https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Bucket/GetBucket>
    let path = format!("{base}/n/{}/b/{}", part(&namespace), part(bucket));
    let said = json(store, Service::Own, &path, bucket, BUCKET).await?;
    let on = said["objectEventsEnabled"].as_bool();
    let compartment =
        text(&said, "compartmentId").ok_or_else(|| unreadable(store, bucket, "no bucket of OCI"))?.to_owned();
    let oci = OciBucket {
        name: bucket.to_owned(),
        namespace,
        id: text(&said, "id").unwrap_or_default().to_owned(),
        compartment: compartment.clone(),
    };
    let switch = Switch { name: "objectEventsEnabled (Emit Object Events)", on: Some(on.unwrap_or(false)) };
    let mut tells = Tells { switch: Some(switch), ..Tells::default() };
    let expects = &store.settings().expects;
    let mut here = compartment;
    for level in 0..MOST_LEVELS {
        match rules(store, &oci, &here).await {
            Ok(entries) => tells.entries.extend(entries),
            Err(trouble) => tells.unseen.push(trouble),
        }
        // "Rules apply to events in the compartment in which you create them and any child compartments."
        if tells.entries.iter().any(|entry| entry.off.is_none() && entry.names(expects))
            || level + 1 == MOST_LEVELS
        {
            break;
        }
        match above(store, bucket, &here).await {
            Ok(Some(compartment)) => here = compartment,
            Ok(None) => break,
            Err(trouble) => {
                tells.unseen.push(trouble);
                break;
            }
        }
    }
    Ok(tells)
}

/// The rules of a compartment that are about the bucket.
async fn rules(store: &Store, bucket: &OciBucket, compartment: &str) -> Result<Vec<Entry>, Trouble> {
    let base = address(store, "events");
    let mut about = Vec::new();
    let mut page = None;
    for _ in 0..MOST_PAGES {
        // <https://docs.oracle.com/en-us/iaas/api/#/en/events/20181201/Rule/ListRules>: the summaries have conditions, and no actions.
        let mut pairs: Vec<(&str, &[u8])> = vec![("compartmentId", compartment.as_bytes()), ("limit", b"50")];
        if let Some(page) = &page {
            let page: &String = page;
            pairs.push(("page", page.as_bytes()));
        }
        let address = format!("{base}/20181201/rules?{}", query(&pairs));
        let (said, next) = page_of(store, &address, &bucket.name).await?;
        let Value::Array(rules) = said else {
            return Err(unreadable(store, &bucket.name, "no list of rules"));
        };
        for rule in rules {
            let condition = Condition::from_json(text(&rule, "condition").unwrap_or("{}"))
                .map_err(|mistakes| mistakes.first().map(ToString::to_string).unwrap_or_default());
            let tried = OciRule { condition, bucket: bucket.clone() };
            let Some(id) = text(&rule, "id") else { continue };
            if tried.concerns() {
                about.push((id.to_owned(), tried));
            }
        }
        page = next;
        if page.is_none() {
            break;
        }
    }
    let whole = about.into_iter().map(|(id, tried)| {
        let address = format!("{base}/20181201/rules/{}", part(&id));
        async move {
            // <https://docs.oracle.com/en-us/iaas/api/#/en/events/20181201/Rule/GetRule>
            let rule = json(store, Service::Own, &address, &bucket.name, RULE).await?;
            Ok(entries(&rule, &tried))
        }
    });
    let whole: Result<Vec<_>, Trouble> = join_all(whole).await.into_iter().collect();
    Ok(whole?.into_iter().flatten().collect())
}

/// An entry for each of a rule's actions: each may be off by itself.
fn entries(rule: &Value, tried: &OciRule) -> Vec<Entry> {
    let name = text(rule, "displayName").or_else(|| text(rule, "id")).unwrap_or("without a name");
    let state = text(rule, "lifecycleState").unwrap_or("ACTIVE");
    let rule_off = (!rule["isEnabled"].as_bool().unwrap_or(true) || state != "ACTIVE")
        .then(|| format!("the rule is switched off ({state})"));
    let entry = |targets, off| Entry {
        name: format!("rule {name}"),
        targets,
        off,
        selects: Selects::Condition(Box::new(tried.clone())),
        creations: CREATIONS,
        dead_letter: DeadLetter::NoSuchThing,
    };
    let of_action = |action: &Value| {
        // One of them: a function, a topic, a stream.
        let named = ["functionId", "topicId", "streamId"].iter().find_map(|member| text(action, member));
        let state = text(action, "lifecycleState").unwrap_or("ACTIVE");
        let off = (!action["isEnabled"].as_bool().unwrap_or(true) || state != "ACTIVE").then(|| {
            let message = text(action, "lifecycleMessage").unwrap_or("switched off");
            format!("its action is {state}: {}", words(message))
        });
        entry(named.map(str::to_owned).into_iter().collect(), rule_off.clone().or(off))
    };
    match list(&rule["actions"], "actions") {
        [] => vec![entry(Vec::new(), rule_off.clone().or(Some("the rule has no action".into())))],
        actions => actions.iter().map(of_action).collect(),
    }
}

/// A page, and the token of the next one.
async fn page_of(store: &Store, address: &str, bucket: &str) -> Result<(Value, Option<String>), Trouble> {
    let request = http::Request::get(address)
        .body(bytes::Bytes::new())
        .map_err(|_| unreadable(store, bucket, "names of which no address can be made"))?;
    let answer = store.send(Service::Own, request).await.map_err(|trouble| trouble.of(bucket))?;
    let answer = store.judge(answer, Some(bucket), RULES)?;
    let next = answer.header("opc-next-page").filter(|next| !next.is_empty()).map(str::to_owned);
    let said = serde_json::from_slice(&answer.body);
    let said = said.map_err(|e| unreadable(store, bucket, &format!("what is no JSON: {e}")))?;
    Ok((said, next))
}

/// The compartment that another one is in; `None` above the tenancy.
async fn above(store: &Store, bucket: &str, compartment: &str) -> Result<Option<String>, Trouble> {
    if compartment.starts_with("ocid1.tenancy.") {
        return Ok(None);
    }
    // <https://docs.oracle.com/en-us/iaas/api/#/en/identity/20160918/Compartment/GetCompartment>
    let address = format!("{}/20160918/compartments/{}", address(store, "identity"), part(compartment));
    let said = json(store, Service::Own, &address, bucket, COMPARTMENTS).await?;
    Ok(text(&said, "compartmentId").filter(|above| *above != compartment).map(str::to_owned))
}

fn part(text: &str) -> String {
    encode(text.as_bytes())
}

/// Where a service of OCI is, without a `/` at the end.
/// <https://docs.oracle.com/en-us/iaas/api/>, "API Reference and Endpoints"
fn address(store: &Store, service: &str) -> String {
    let settings = store.settings();
    let own = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    let region = || {
        let host = settings.endpoint.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        // `objectstorage.eu-frankfurt-1.oraclecloud.com`
        let of_host = host.split('.').nth(1).unwrap_or_default().to_owned();
        settings.region.clone().unwrap_or(of_host)
    };
    match (service, &settings.endpoint, &settings.management_endpoint) {
        ("objectstorage", Some(endpoint), _) => own(endpoint),
        ("objectstorage", None, _) => format!("https://objectstorage.{}.oraclecloud.com", region()),
        (_, _, Some(endpoint)) => own(endpoint),
        (service, _, None) => format!("https://{service}.{}.oci.oraclecloud.com", region()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for in sentences is what the document for doctor has.
    #[test]
    fn the_rights_are_those_of_the_document() {
        let document = include_str!("../../../../deploy/oci/doctor-statements.json");
        for permission in [NAMESPACE, BUCKET, RULES, RULE, COMPARTMENTS, "\"to inspect objects\""] {
            let words = permission.split('"').nth(1).unwrap().trim_start_matches("to ");
            assert!(document.contains(&format!("to {words} in")), "{permission}");
        }
    }
}
