//! What MDSS would say to a request: a pure function of the units, the headers and the body.
//!
//! Where MDSS is probably lenient (it seems to bind member names without regard to case) this is strict:
//! only the documented form passes, so that a slip in a forwarder cannot hide behind a guess about MDSS.

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};

use crate::config::{ApiKey, KeyCheck};
use crate::refusal::Refusal;
use crate::unit::{Unit, UnitState};

/// The header that carries the key, spelt so in the vendor's samples (`OPSWAT/metadefender-k8s`,
/// `terraform/CloudFunctions/Azure/webhook-notification`); header names have no case.
const API_KEY_HEADER: &str = "ApiKey";

/// The object a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) storage_client_id: String,
    pub(crate) key: String,
}

/// Why a request is turned down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    Unauthorized,
    /// The contract is broken; the sentence says where.
    Malformed(String),
    Refused(Refusal),
}

/// Whether the request carries the key, once.
pub(crate) fn knows_key(headers: &HeaderMap, key: &ApiKey) -> bool {
    let mut sent = headers.get_all(API_KEY_HEADER).iter();
    matches!((sent.next(), sent.next()), (Some(one), None) if key.is(one.as_bytes()))
}

/// Whether the request carries the key as a bearer token.
pub(crate) fn knows_bearer(headers: &HeaderMap, key: &ApiKey) -> bool {
    let sent = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    sent.and_then(|sent| sent.strip_prefix(b"Bearer ")).is_some_and(|sent| key.is(sent))
}

/// What the stand-in knows, as far as it matters for an object.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) units: &'a [Unit],
    pub(crate) any_unit: bool,
    pub(crate) key_check: KeyCheck,
}

/// Accepts the object or says why not.
pub(crate) fn judge(
    rules: Rules<'_>,
    authorized: bool,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Object, Objection> {
    if !authorized && rules.key_check == KeyCheck::First {
        return Err(Objection::Unauthorized);
    }
    let malformed = |sentence: String| Err(Objection::Malformed(sentence));
    if let Err(found) = json_content_type(headers) {
        return malformed(format!("content-type is {found}, expected application/json"));
    }
    let members = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => members,
        Ok(other) => return malformed(format!("the body is {}, expected an object", kind(&other))),
        Err(error) => return malformed(format!("the body is not JSON: {error}")),
    };
    if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return malformed(format!("member {name:?}, expected only {}", MEMBERS.join(", ")));
    }
    let id = text(&members, "storageClientId")?.ok_or_else(|| missing("storageClientId"))?;
    let metadata = text(&members, "metadata")?.ok_or_else(|| missing("metadata"))?;
    let scan_id = text(&members, "scanId")?;

    let Some(unit) = rules.units.iter().find(|unit| unit.storage_client_id == id) else {
        return match Glimpse::of(body).key {
            Some(key) if rules.any_unit && authorized => Ok(Object { storage_client_id: id.to_owned(), key }),
            _ if rules.any_unit && !authorized => Err(Objection::Unauthorized),
            _ => Err(Objection::Refused(Refusal::StorageNotFound)),
        };
    };
    if !authorized {
        return Err(Objection::Unauthorized);
    }
    match unit.state {
        UnitState::EventBased => {}
        UnitState::NotEnabled => return Err(Objection::Refused(Refusal::NotEnabled)),
        UnitState::Polling => return Err(Objection::Refused(Refusal::NotEventBased)),
    }
    if scan_id != unit.scan_id.as_deref() {
        return Err(Objection::Refused(Refusal::ScanNotFound));
    }
    let key = key_in(metadata, unit).map_err(Objection::Malformed)?;
    Ok(Object { storage_client_id: id.to_owned(), key })
}

/// What can be made out of a body, right or wrong: for the record, and for steps that wait for a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) storage_client_id: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) scan_id: Option<String>,
}

impl Glimpse {
    pub(crate) fn of(body: &[u8]) -> Self {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Self::default();
        };
        let text = |name| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let metadata = text("metadata").and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let key = metadata.as_ref().and_then(|metadata| {
            ["/s3/object/key", "/oss/object/key", "/Name"].iter().find_map(|path| metadata.pointer(path))
        });
        Self {
            storage_client_id: text("storageClientId"),
            key: key.and_then(Value::as_str).map(str::to_owned),
            scan_id: text("scanId"),
        }
    }
}

/// Source: OPSWAT, "Event-Based request format".
const MEMBERS: [&str; 3] = ["storageClientId", "metadata", "scanId"];

fn missing(name: &str) -> Objection {
    Objection::Malformed(format!("{name} is missing, expected a string"))
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Objection> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Objection::Malformed(format!("{name} is {}, expected a string", kind(other)))),
    }
}

/// The key in `metadata`, if it has exactly the shape the unit's type wants.
fn key_in(metadata: &str, unit: &Unit) -> Result<String, String> {
    let storage_type = unit.storage_type;
    let path = storage_type.key_path();
    let wrong =
        |found: String| format!("{found}, expected {} for a unit of type {storage_type}", shape(path));
    let mut value: Value =
        serde_json::from_str(metadata).map_err(|error| wrong(format!("metadata is not JSON ({error})")))?;
    for name in path {
        let Value::Object(mut members) = value else {
            return Err(wrong(format!("metadata has {} where {name:?} should be a member", kind(&value))));
        };
        value = members.remove(*name).ok_or_else(|| wrong(format!("metadata has no {name:?}")))?;
        if let Some(more) = members.keys().next()
            && !storage_type.tolerates_more()
        {
            return Err(wrong(format!("metadata has {more:?} beside {name:?}")));
        }
    }
    match value {
        Value::String(key) if !key.is_empty() => Ok(key),
        Value::String(_) => Err(wrong("metadata has an empty key".into())),
        other => Err(wrong(format!("metadata has {} for a key", kind(&other)))),
    }
}

/// `{"s3":{"object":{"key":…}}}` for `["s3", "object", "key"]`.
fn shape(path: &[&str]) -> String {
    path.iter().rev().fold("…".to_owned(), |inner, name| format!("{{\"{name}\":{inner}}}"))
}

fn json_content_type(headers: &HeaderMap) -> Result<(), String> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Err("missing".into()) };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    match essence.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        true => Ok(()),
        false => Err(format!("{value:?}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::{StorageType, units};
    use serde_json::json;

    fn headers() -> HeaderMap {
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))]
            .into_iter()
            .collect()
    }

    fn rules(units: &[Unit]) -> Rules<'_> {
        Rules { units, any_unit: false, key_check: KeyCheck::First }
    }

    fn ask(body: impl AsRef<[u8]>) -> Result<Object, Objection> {
        judge(rules(&units::all()), true, &headers(), body.as_ref())
    }

    fn send(id: &str, metadata: Value) -> Result<Object, Objection> {
        ask(json!({ "storageClientId": id, "metadata": metadata.to_string() }).to_string())
    }

    const S3: &str = r#"{"s3":{"object":{"key":"a b/ü"}}}"#;
    const OSS: &str = r#"{"oss":{"object":{"key":"a b/ü"}}}"#;
    const NAME: &str = r#"{"Name":"a b/ü"}"#;

    #[test]
    fn each_type_takes_its_own_shape_and_no_other() {
        for storage_type in StorageType::ALL {
            let unit = Unit::new("u", storage_type);
            let want = match storage_type {
                StorageType::AmazonS3 | StorageType::S3Compatible => S3,
                StorageType::Alibaba => OSS,
                _ => NAME,
            };
            for sent in [S3, OSS, NAME] {
                let body = json!({ "storageClientId": "u", "metadata": sent }).to_string();
                let got = judge(rules(std::slice::from_ref(&unit)), true, &headers(), body.as_bytes());
                match sent == want {
                    true => assert_eq!(
                        got,
                        Ok(Object { storage_client_id: "u".into(), key: "a b/ü".into() }),
                        "{storage_type} {sent}"
                    ),
                    false => {
                        assert!(matches!(got, Err(Objection::Malformed(_))), "{storage_type} {sent}: {got:?}")
                    }
                }
            }
        }
    }

    #[test]
    fn more_members_pass_for_s3_and_azure_only() {
        let s3 = json!({ "eventName": "x", "s3": { "bucket": {}, "object": { "key": "k", "size": 1 } } });
        let name = json!({ "Name": "k", "api": "PutBlob" });
        let rows = [
            (units::AMAZON_S3, s3.clone(), true),
            (units::S3_COMPATIBLE, s3, true),
            (units::AZURE_BLOB, name.clone(), true),
            (units::ORACLE, name.clone(), false),
            (units::GOOGLE, name.clone(), false),
            (units::NETAPP_ONTAP, name, false),
            (units::ALIBABA, json!({ "oss": { "object": { "key": "k" } }, "x": 1 }), false),
            (units::ALIBABA, json!({ "oss": { "object": { "key": "k" }, "x": 1 } }), false),
            (units::ALIBABA, json!({ "oss": { "object": { "key": "k", "x": 1 } } }), false),
        ];
        for (id, metadata, passes) in rows {
            assert_eq!(send(id, metadata.clone()).is_ok(), passes, "{id} {metadata}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let id = units::ORACLE;
        let rows = [
            ("".into(), "the body is not JSON: EOF while parsing a value at line 1 column 0"),
            ("{} {}".into(), "the body is not JSON: trailing characters at line 1 column 4"),
            ("[]".into(), "the body is a list, expected an object"),
            ("{}".into(), "storageClientId is missing, expected a string"),
            (
                json!({ "storageClientId": 1, "metadata": NAME }).to_string(),
                "storageClientId is a number, expected a string",
            ),
            (json!({ "storageClientId": id }).to_string(), "metadata is missing, expected a string"),
            (
                json!({ "storageClientId": id, "metadata": { "Name": "k" } }).to_string(),
                "metadata is an object, expected a string",
            ),
            (
                json!({ "storageClientId": id, "metadata": NAME, "scanId": null }).to_string(),
                "scanId is null, expected a string",
            ),
            (
                json!({ "storageClientId": id, "Metadata": NAME }).to_string(),
                "member \"Metadata\", expected only storageClientId, metadata, scanId",
            ),
            (
                json!({ "storageClientId": id, "metadata": "{'Name':'k'}" }).to_string(),
                "metadata is not JSON (key must be a string at line 1 column 2), expected {\"Name\":…} for a unit of type oracle",
            ),
            (
                json!({ "storageClientId": id, "metadata": "{\"name\":\"k\"}" }).to_string(),
                "metadata has no \"Name\", expected {\"Name\":…} for a unit of type oracle",
            ),
            (
                json!({ "storageClientId": id, "metadata": "{\"Name\":\"\"}" }).to_string(),
                "metadata has an empty key, expected {\"Name\":…} for a unit of type oracle",
            ),
            (
                json!({ "storageClientId": id, "metadata": "{\"Name\":7}" }).to_string(),
                "metadata has a number for a key, expected {\"Name\":…} for a unit of type oracle",
            ),
            (
                json!({ "storageClientId": units::ALIBABA, "metadata": "{\"oss\":[]}" }).to_string(),
                "metadata has a list where \"object\" should be a member, expected {\"oss\":{\"object\":{\"key\":…}}} for a unit of type alibaba",
            ),
        ];
        for (body, sentence) in rows {
            assert_eq!(ask(&body), Err(Objection::Malformed(sentence.into())), "{body}");
        }
    }

    #[test]
    fn units_refuse_by_state_and_scan() {
        let ask = |id: &str, scan: Option<&str>| {
            let mut body = json!({ "storageClientId": id, "metadata": NAME });
            if let Some(scan) = scan {
                body["scanId"] = scan.into();
            }
            match ask(body.to_string()) {
                Ok(_) => None,
                Err(Objection::Refused(refusal)) => Some(refusal),
                Err(other) => panic!("{other:?}"),
            }
        };
        assert_eq!(ask("nobody", None), Some(Refusal::StorageNotFound));
        assert_eq!(ask(units::NOT_ENABLED, None), Some(Refusal::NotEnabled));
        assert_eq!(ask(units::POLLING, None), Some(Refusal::NotEventBased));
        assert_eq!(ask(units::PARTITIONED, None), Some(Refusal::ScanNotFound));
        assert_eq!(ask(units::PARTITIONED, Some("other")), Some(Refusal::ScanNotFound));
        assert_eq!(ask(units::PARTITIONED, Some(units::SCAN_ID)), None);
        assert_eq!(ask(units::ORACLE, Some(units::SCAN_ID)), Some(Refusal::ScanNotFound));
    }

    #[test]
    fn the_key_is_asked_for_once_and_first() {
        let key = ApiKey::from("k");
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("apikey", HeaderValue::from_static(value));
            }
            headers
        };
        assert!(knows_key(&with(&["k"]), &key));
        for values in [&[][..], &[""], &["K"], &["kk"], &["k", "k"], &["x", "k"]] {
            assert!(!knows_key(&with(values), &key), "{values:?}");
        }
        assert_eq!(judge(rules(&[]), false, &HeaderMap::new(), b"not JSON"), Err(Objection::Unauthorized));
    }

    #[test]
    fn what_an_unknown_unit_tells_of_the_key_is_a_setting() {
        let units = units::all();
        let rules = |any_unit, key_check| Rules { units: &units, any_unit, key_check };
        let not_found = Err(Objection::Refused(Refusal::StorageNotFound));
        let taken = Ok(Object { storage_client_id: "nobody".into(), key: "a b/ü".into() });
        let wrong = Err(Objection::Unauthorized);
        for (any_unit, key_check, right_key, wrong_key) in [
            (false, KeyCheck::First, &not_found, &wrong),
            (false, KeyCheck::AfterUnit, &not_found, &not_found),
            (true, KeyCheck::First, &taken, &wrong),
            (true, KeyCheck::AfterUnit, &taken, &wrong),
        ] {
            for (authorized, want) in [(true, right_key), (false, wrong_key)] {
                let body = json!({ "storageClientId": "nobody", "metadata": S3 }).to_string();
                let got = judge(rules(any_unit, key_check), authorized, &headers(), body.as_bytes());
                assert_eq!(&got, want, "{any_unit} {key_check:?} {authorized}");
            }
            // Of a unit that exists a wrong key never learns anything, not even its state.
            for id in [units::ORACLE, units::NOT_ENABLED] {
                let body = json!({ "storageClientId": id, "metadata": NAME }).to_string();
                let got = judge(rules(any_unit, key_check), false, &headers(), body.as_bytes());
                assert_eq!(got, wrong, "{id}");
            }
        }
    }

    #[test]
    fn the_content_type_counts() {
        let body = json!({ "storageClientId": units::ORACLE, "metadata": NAME }).to_string();
        let judge = |headers: &HeaderMap| judge(rules(&units::all()), true, headers, body.as_bytes());
        assert_eq!(
            judge(&HeaderMap::new()),
            Err(Objection::Malformed("content-type is missing, expected application/json".into()))
        );
        let mut form = HeaderMap::new();
        form.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(judge(&form).is_err());
        form.insert(header::CONTENT_TYPE, HeaderValue::from_static("Application/JSON"));
        assert!(judge(&form).is_ok());
    }

    #[test]
    fn a_glimpse_sees_what_is_there() {
        let body = json!({ "storageClientId": "u", "metadata": OSS, "scanId": 1 }).to_string();
        assert_eq!(
            Glimpse::of(body.as_bytes()),
            Glimpse { storage_client_id: Some("u".into()), key: Some("a b/ü".into()), scan_id: None }
        );
        assert_eq!(Glimpse::of(b"\xff"), Glimpse::default());
    }
}
