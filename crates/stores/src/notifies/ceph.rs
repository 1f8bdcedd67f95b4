//! What is behind a topic of Ceph's object gateway: the address that it posts to, and whether it keeps what is not taken.
//! <https://docs.ceph.com/en/latest/radosgw/notifications/#get-topic-attributes>

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::list::query::query;
use crate::list::xml::{Step, walk};
use crate::notifies::ask::{text, unreadable};
use crate::notifies::document::is_amazon;
use crate::notifies::entry::{DeadLetter, Entry};
use crate::sign::Service;
use crate::store::Store;
use crate::trouble::Trouble;

/// Only the owner of a topic, or whom its policy names, may read it.
const TOPIC: &str = "sns:GetTopicAttributes";

/// Whether a target is a topic of Ceph: `arn:aws:sns:ZONEGROUP:TENANT:NAME`.
pub(crate) fn is_topic(target: &str) -> bool {
    target.starts_with("arn:aws:sns:") && !is_amazon(target)
}

/// Looks behind the topic of an entry.
///
/// # Errors
/// It could not be read.
pub(crate) async fn behind(store: &Store, bucket: &str, entry: &mut Entry) -> Result<(), Trouble> {
    let Some(arn) = entry.targets.iter().find(|target| is_topic(target)).cloned() else { return Ok(()) };
    let Some(endpoint) = &store.settings().endpoint else { return Ok(()) };
    let body =
        query(&[("Action", b"GetTopicAttributes"), ("TopicArn", arn.as_bytes()), ("Version", b"2010-03-31")]);
    let request = Request::post(endpoint.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(body))
        .map_err(|_| unreadable(store, bucket, "a name of which no address can be made"))?;
    let region = store.settings().region.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let service = Service::Amazon { name: "sns", region: &region };
    let answer = store.send(service, request).await.map_err(|trouble| trouble.of(bucket))?;
    let answer = store.judge(answer, Some(bucket), TOPIC)?;
    let said = endpoint_of(&answer.body).map_err(|why| unreadable(store, bucket, &why))?;
    if let Some(address) = text(&said, "EndpointAddress") {
        entry.targets.push(address.to_owned());
    }
    // Written as a text or as a truth value, by version.
    let persistent = said.get("Persistent").map(|value| value.as_bool().unwrap_or(value == "true"));
    entry.dead_letter = match persistent {
        Some(true) => DeadLetter::To(format!("the queue of the topic {arn}, which is persistent")),
        Some(false) => DeadLetter::Doubtful(format!(
            "the topic {arn} is not persistent: each upload waits for the relay, and an event that it does not take is lost"
        )),
        None => DeadLetter::Unknown(format!("the topic {arn} does not say whether it is persistent")),
    };
    Ok(())
}

/// The attribute `EndPoint`, which is JSON.
pub(crate) fn endpoint_of(body: &[u8]) -> Result<Value, String> {
    let (mut key, mut found) = (String::new(), None);
    walk(body, |path, step| {
        if let (Some(name), Step::End { text, .. }) = (path.last(), step) {
            match name.as_str() {
                "key" => key = text.trim().to_owned(),
                "value" if key == "EndPoint" => found = Some(text.to_owned()),
                _ => {}
            }
        }
        Ok(())
    })?;
    let found = found.ok_or("no attributes of a topic")?;
    serde_json::from_str(&found).map_err(|_| "an EndPoint that is no JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_says() {
        let answer = |end: &str| {
            format!(
                "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>Name</key><value>t</value></entry><entry><key>EndPoint</key><value>{end}</value></entry></Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>"
            )
        };
        let said = endpoint_of(
            answer(
                "{&quot;EndpointAddress&quot;:&quot;http://r:8080/ceph&quot;,&quot;Persistent&quot;:true}",
            )
            .as_bytes(),
        )
        .unwrap();
        assert_eq!(text(&said, "EndpointAddress"), Some("http://r:8080/ceph"));
        for body in ["", "{}", "<a><key>EndPoint</key></a>", &answer("no JSON")] {
            assert!(endpoint_of(body.as_bytes()).is_err(), "{body}");
        }
        for (target, want) in [
            ("arn:aws:sns:default::relay", true),
            ("arn:aws:sns:eu:tenant:relay", true),
            ("arn:aws:sns:eu-west-1:111122223333:relay", false),
            ("arn:minio:sqs::R:webhook", false),
        ] {
            assert_eq!(is_topic(target), want, "{target}");
        }
    }
}
