//! MDSS's list of storage units. One example shows the call (`OPSWAT/metadefender-k8s`, `terraform/mdss-tf-config-examples/main.tf`), no
//! page shows the answer: so it is searched for ids, wherever they stand.

use mdss_relay_core::{Approach, Client, Credential};
use serde_json::{Map, Value};

use crate::words::WEBHOOK_PATH;

const LIST_PATH: &str = "/api/Storage/all";

/// The list as it came.
pub(super) struct List(Value);

impl List {
    /// Asks for it: with the key in its own header, then as a bearer token, as the example has it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn of(client: &Client, approach: &Approach) -> Result<Self, String> {
        let Some(base) = approach.path.strip_suffix(WEBHOOK_PATH) else {
            return Err(format!(
                "the endpoint's path is {}, so it cannot be told where MDSS's list of storage units is",
                approach.path
            ));
        };
        let mut why = String::new();
        for credential in [Credential::Key, Credential::Bearer] {
            let page = client.look(&format!("{base}{LIST_PATH}"), credential).await.map_err(|e| e.detail)?;
            why = match (page.status, serde_json::from_slice::<Value>(&page.body)) {
                (200..=299, Ok(list @ (Value::Array(_) | Value::Object(_)))) => return Ok(Self(list)),
                (200..=299, _) => "no JSON came for MDSS's list of storage units".to_owned(),
                (status, _) => format!("MDSS answered {status} when asked for its list of storage units"),
            };
            if !matches!(page.status, 401 | 403) {
                break;
            }
        }
        Err(why)
    }

    /// Whether an id stands anywhere in it; and what stands beside it that speaks of real time, for people to read: what it means is
    /// not documented.
    pub(super) fn entry(&self, id: &str) -> Option<String> {
        let mut beside = None;
        find(&self.0, id, None, &mut beside);
        beside
    }
}

fn find(value: &Value, id: &str, around: Option<&Map<String, Value>>, beside: &mut Option<String>) {
    match value {
        Value::String(text) if text.eq_ignore_ascii_case(id) => {
            beside.get_or_insert_with(|| around.map(of_real_time).unwrap_or_default());
        }
        Value::Array(list) => list.iter().for_each(|one| find(one, id, around, beside)),
        Value::Object(members) => members.values().for_each(|one| find(one, id, Some(members), beside)),
        _ => {}
    }
}

fn of_real_time(members: &Map<String, Value>) -> String {
    let speaks = |name: &str| {
        let name = name.to_ascii_lowercase().replace(['_', '-'], "");
        ["realtime", "rtp", "eventbased"].iter().any(|part| name.contains(part))
    };
    let plain = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
    let told: Vec<_> = members
        .iter()
        .filter(|(name, value)| speaks(name) && plain(value))
        .map(|(name, value)| format!("{name}: {value}"))
        .take(4)
        .collect();
    told.join(", ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_found_wherever_it_stands() {
        let list = List(json!({ "entries": [
            { "id": 1, "storageClientId": "AB-1", "isRealTimeProcessingEnabled": true, "rtpSettings": { "x": 1 } },
            { "unit": { "ids": ["cd-2"] }, "name": "ef-3 and more" },
        ] }));
        assert_eq!(list.entry("ab-1").unwrap(), "isRealTimeProcessingEnabled: true");
        assert_eq!(list.entry("cd-2").unwrap(), "");
        assert_eq!(list.entry("ef-3"), None);
        assert_eq!(list.entry("storageClientId"), None);
    }
}
