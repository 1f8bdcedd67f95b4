//! What a ledger is told of an item that leaves, and of what is done by hand: made once, where it becomes known, and written in the transaction
//! that makes it so. The names are the core's ([`mdss_relay_core::facts`]).

use jiff::Timestamp;
use mdss_relay_core::{Details, facts, fields};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::clock::Moment;

/// What an uploader or a sender chooses of a write besides its name, and how long it may be: no store has longer ones, and a fact is held in
/// memory with thousands of others.
const MOST_TEXT_BYTES: usize = 1024;

/// Bytes of a usual one.
const USUAL: usize = 600;

/// A fact about one object. What is `None` is not in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact<'f> {
    pub(crate) kind: &'static str,
    pub(crate) at: Moment,
    pub(crate) source: Option<&'f str>,
    pub(crate) dialect: Option<&'static str>,
    pub(crate) bucket: Option<&'f str>,
    pub(crate) key: Option<&'f str>,
    pub(crate) details: &'f Details,
    pub(crate) received: Option<Moment>,
    /// Requests to MDSS after the first one; of an object that was never asked about there is none.
    pub(crate) resends: Option<u32>,
    pub(crate) lane: &'f str,
    pub(crate) correlation: Option<&'f str>,
    pub(crate) origin: Option<&'static str>,
    pub(crate) reason: Option<&'f str>,
}

impl Fact<'_> {
    /// As it is stored.
    pub(crate) fn json(&self) -> String {
        text(self)
    }
}

impl Serialize for Fact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let details = self.details;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(facts::TIMESTAMP, &format_args!("{}", time(self.at)))?;
        map.serialize_entry(facts::KIND, self.kind)?;
        let mut text = |name: &str, value: Option<&str>| match value {
            Some(value) => map.serialize_entry(name, value),
            None => Ok(()),
        };
        text(fields::SOURCE, self.source)?;
        text(fields::DIALECT, self.dialect)?;
        text(fields::BUCKET, self.bucket)?;
        text(fields::NAMESPACE, short(details.namespace.as_deref()))?;
        text(fields::KEY, self.key)?;
        text(fields::VERSION, short(details.version_id.as_deref()))?;
        text(fields::ETAG, short(details.etag.as_deref()))?;
        text(fields::LANE, Some(self.lane))?;
        text(fields::CORRELATION_ID, self.correlation)?;
        text(fields::ORIGIN, self.origin)?;
        text(fields::REASON, self.reason)?;
        let mut moment = |name: &str, value: Option<Timestamp>| match value {
            Some(value) => map.serialize_entry(name, &format_args!("{value}")),
            None => Ok(()),
        };
        moment(fields::EVENT_TIME, details.time)?;
        moment(fields::RECEIVED_TIME, self.received.map(time))?;
        let mut number = |name: &str, value: Option<u64>| match value {
            Some(value) => map.serialize_entry(name, &value),
            None => Ok(()),
        };
        number(fields::OBJECT_SIZE_BYTES, details.size)?;
        number(fields::RESEND_COUNT, self.resends.map(u64::from))?;
        map.end()
    }
}

/// A change that somebody has made by hand, of one transaction.
#[derive(Clone, Debug)]
pub(crate) struct ByHand {
    pub(crate) kind: &'static str,
    /// Who, if that is known.
    pub(crate) actor: Option<String>,
    /// Which items were meant.
    pub(crate) filter: String,
}

impl ByHand {
    /// As it is stored: what stands before the number of items, and what stands behind it.
    pub(crate) fn around_the_count(&self, at: Moment) -> (String, String) {
        let mut map = serde_json::Map::new();
        map.insert(facts::TIMESTAMP.into(), time(at).to_string().into());
        map.insert(facts::KIND.into(), self.kind.into());
        if let Some(actor) = &self.actor {
            map.insert(facts::ACTOR.into(), actor.as_str().into());
        }
        if !self.filter.is_empty() {
            map.insert(facts::FILTER.into(), self.filter.as_str().into());
        }
        let mut before = text(&map);
        before.truncate(before.len() - 1);
        before.push_str(&format!(",\"{}\":", facts::COUNT));
        (before, "}".into())
    }

    /// As it is stored, of so many items.
    pub(crate) fn json(&self, count: usize, at: Moment) -> String {
        let (before, behind) = self.around_the_count(at);
        format!("{before}{count}{behind}")
    }
}

/// Facts that were not kept, in between these moments; `None`: nobody knows how many.
pub(crate) fn gap(at: Moment, from: Moment, to: Moment, count: Option<u64>, why: &str) -> String {
    let mut map = serde_json::Map::new();
    map.insert(facts::TIMESTAMP.into(), time(at).to_string().into());
    map.insert(facts::KIND.into(), facts::GAP.into());
    map.insert(facts::GAP_FROM.into(), time(from).to_string().into());
    map.insert(facts::GAP_TO.into(), time(to).to_string().into());
    if let Some(count) = count {
        map.insert(facts::COUNT.into(), count.into());
    }
    map.insert(fields::REASON.into(), why.into());
    text(&map)
}

/// What is longer is none.
pub(crate) fn short(text: Option<&str>) -> Option<&str> {
    text.filter(|text| text.len() <= MOST_TEXT_BYTES)
}

/// A moment that a calendar has; what a clock that has gone mad says beyond it is its end.
pub(crate) fn time(moment: Moment) -> Timestamp {
    let end = if moment.as_millis() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(moment.as_millis()).unwrap_or(end)
}

fn text(value: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut json, value).expect("texts and numbers always serialise");
    String::from_utf8(json).expect("JSON is text")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fact(details: &Details) -> Value {
        let fact = Fact {
            kind: facts::ACCEPTED,
            at: Moment::from_millis(1_700_000_000_123),
            source: Some("s"),
            dialect: Some("oci"),
            bucket: Some("b"),
            key: Some("a\u{0}\"é"),
            details,
            received: Some(Moment::from_millis(1_700_000_000_000)),
            resends: Some(2),
            lane: "unit",
            correlation: Some("c"),
            origin: Some("retry"),
            reason: None,
        };
        serde_json::from_str(&fact.json()).unwrap()
    }

    /// Whoever reads facts knows the members of the core's list and no others.
    #[test]
    fn a_fact_has_the_members_of_its_kind() {
        let details = Details {
            namespace: Some("n".into()),
            version_id: Some("v".into()),
            etag: Some("e".into()),
            size: Some(7),
            time: Some("2026-11-27T01:02:03.5Z".parse().unwrap()),
            ..Details::default()
        };
        let fact = fact(&details);
        assert_eq!(
            fact,
            json!({ "timestamp": "2023-11-14T22:13:20.123Z", "kind": "accepted", "mdss.source": "s", "mdss.dialect": "oci",
                "faas.document.collection": "b", "mdss.namespace": "n", "faas.document.name": "a\u{0}\"é", "mdss.object.version": "v",
                "mdss.object.etag": "e", "mdss.object.size_bytes": 7, "faas.document.time": "2026-11-27T01:02:03.5Z",
                "mdss.received_time": "2023-11-14T22:13:20Z", "http.request.resend_count": 2, "mdss.lane": "unit",
                "mdss.correlation_id": "c", "mdss.origin": "retry" })
        );
        let hand = ByHand { kind: facts::PURGED, actor: Some("anna \"".into()), filter: "bucket b".into() };
        let moment = Moment::from_millis(0);
        for (kind, json) in [
            (facts::ACCEPTED, fact),
            (facts::PURGED, serde_json::from_str(&hand.json(3, moment)).unwrap()),
            (facts::GAP, serde_json::from_str(&gap(moment, moment, moment, Some(5), "full")).unwrap()),
        ] {
            let members = facts::MEMBERS.iter().filter(|member| member.kinds.contains(&kind));
            let mut want: Vec<_> = members.map(|member| member.name).collect();
            let mut found: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
            want.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, want, "{kind}");
        }
    }

    /// Else one event with a version of megabytes would be held in memory with every batch.
    #[test]
    fn what_no_store_has_is_left_out() {
        let long = Some("x".repeat(MOST_TEXT_BYTES + 1));
        let details = Details { version_id: long.clone(), etag: long, ..Details::default() };
        let fact = fact(&details);
        assert!(fact.get(fields::VERSION).is_none() && fact.get(fields::ETAG).is_none());
        assert_eq!(short(Some(&"x".repeat(MOST_TEXT_BYTES))).map(str::len), Some(MOST_TEXT_BYTES));
    }
}
