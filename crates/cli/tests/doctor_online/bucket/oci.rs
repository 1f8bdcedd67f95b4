//! OCI: the bucket's own switch, and rules in its compartment and those above.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::EncodePrivateKey as _;

use super::{Case, Stand, Want, look, of_store, says_nothing};
use crate::found::{file, said};

const FUNCTION: &str = "ocid1.fnfunc.oc1.eu-frankfurt-1.relay";

/// <https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Bucket/GetBucket>
fn bucket(events: &str) -> String {
    format!(
        r#"{{"namespace": "ns", "name": "b", "compartmentId": "ocid1.compartment.oc1..own", "id": "ocid1.bucket.oc1.x.b", {events}"storageTier": "Standard"}}"#
    )
}

const ON: &str = "\"objectEventsEnabled\": true, ";

const BOTH: &str = r#"{\"eventType\": [\"com.oraclecloud.objectstorage.createobject\", \"com.oraclecloud.objectstorage.updateobject\"], \"data\": {\"additionalDetails\": {\"bucketName\": [\"b\"]}}}"#;
const CREATE: &str = r#"{\"eventType\": [\"com.oraclecloud.objectstorage.createobject\"], \"data\": {\"additionalDetails\": {\"bucketName\": \"b\"}}}"#;
const OF_FOLDER: &str =
    r#"{\"eventType\": \"com.oraclecloud.objectstorage.*object\", \"data\": {\"resourceName\": \"in/*\"}}"#;
const OF_TAG: &str = r#"{\"data\": {\"freeformTags\": {\"scan\": \"yes\"}}}"#;
const OF_OTHERS: &str = r#"{\"eventType\": \"com.oraclecloud.computeapi.launchinstance.end\"}"#;

/// A summary, which has no actions: <https://docs.oracle.com/en-us/iaas/api/#/en/events/20181201/RuleSummary/>.
fn rules(condition: &str) -> String {
    format!(
        r#"[{{"id": "ocid1.eventrule.oc1..r", "displayName": "objects", "isEnabled": true, "lifecycleState": "ACTIVE", "condition": "{condition}"}}]"#
    )
}

/// The whole rule: <https://docs.oracle.com/en-us/iaas/api/#/en/events/20181201/Rule/>.
fn rule(enabled: bool, function: &str, action: &str) -> String {
    format!(
        r#"{{"id": "ocid1.eventrule.oc1..r", "displayName": "objects", "isEnabled": {enabled}, "lifecycleState": "{}", "condition": "{{}}",
            "actions": {{"actions": [{{"actionType": "FAAS", "id": "a", "lifecycleState": "{action}", "lifecycleMessage": "not allowed", "isEnabled": true, "functionId": "{function}"}}]}}}}"#,
        if enabled { "ACTIVE" } else { "INACTIVE" }
    )
}

struct Oci {
    bucket: (u16, String),
    own: (u16, String),
    above: (u16, String),
    rule: (u16, String),
    compartment: (u16, &'static str),
}

impl Default for Oci {
    fn default() -> Self {
        Self {
            bucket: (200, bucket(ON)),
            own: (200, rules(BOTH)),
            above: (200, "[]".into()),
            rule: (200, rule(true, FUNCTION, "ACTIVE")),
            // <https://docs.oracle.com/en-us/iaas/api/#/en/identity/20160918/Compartment/GetCompartment>
            compartment: (
                200,
                r#"{"id": "ocid1.compartment.oc1..own", "compartmentId": "ocid1.tenancy.oc1..t"}"#,
            ),
        }
    }
}

/// <https://docs.oracle.com/en-us/iaas/Content/API/References/apierrors.htm>
const DENIED: &str = r#"{"code": "NotAuthorizedOrNotFound", "message": "Authorization failed or requested resource not found."}"#;

#[tokio::test]
async fn what_oci_says_of_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap().to_pkcs8_der().unwrap();
    let lines = STANDARD.encode(key.as_bytes());
    let lines: Vec<_> = lines.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let key = file(folder.path(), "oci.pem", &pem);
    let ours = FUNCTION;
    let rows: Vec<(&'static str, Oci, &[Want])> = vec![
        (
            "healthy",
            Oci::default(),
            &[
                ("bucket.exists", "ok", ""),
                ("bucket.list", "ok", ""),
                ("bucket.emits", "ok", "objectEventsEnabled"),
                ("bucket.notifies", "ok", "objects"),
                ("bucket.filter", "ok", ""),
                ("bucket.created_only", "ok", ""),
            ],
        ),
        // The switch is off where nobody has turned it on.
        (
            "switch-off",
            Oci { bucket: (200, bucket("\"objectEventsEnabled\": false, ")), ..Oci::default() },
            &[
                ("bucket.emits", "fail", "oci os bucket update --bucket-name b --object-events-enabled true"),
                ("bucket.notifies", "ok", ""),
            ],
        ),
        (
            "switch-unsaid",
            Oci { bucket: (200, bucket("")), ..Oci::default() },
            &[("bucket.emits", "fail", "")],
        ),
        (
            "d7-another-function",
            Oci {
                rule: (200, rule(true, "ocid1.fnfunc.oc1.eu-frankfurt-1.other", "ACTIVE")),
                ..Oci::default()
            },
            &[
                ("bucket.notifies", "fail", "frankfurt-1.other"),
                ("bucket.notifies", "fail", "oci events rule create"),
                ("bucket.notifies", "fail", "FAAS"),
            ],
        ),
        (
            "rule-off",
            Oci { rule: (200, rule(false, ours, "ACTIVE")), ..Oci::default() },
            &[("bucket.notifies", "fail", "switched off"), ("bucket.notifies", "fail", "--is-enabled true")],
        ),
        (
            "action-failed",
            Oci { rule: (200, rule(true, ours, "FAILED")), ..Oci::default() },
            &[("bucket.notifies", "fail", "not allowed")],
        ),
        (
            "created-only-half",
            Oci { own: (200, rules(CREATE)), ..Oci::default() },
            &[("bucket.filter", "fail", "updateobject")],
        ),
        (
            "a-folder",
            Oci { own: (200, rules(OF_FOLDER)), ..Oci::default() },
            &[
                ("bucket.filter", "fail", "in/*"),
                ("bucket.filter", "fail", "resourceName"),
                ("bucket.created_only", "ok", ""),
            ],
        ),
        (
            "a-tag",
            Oci { own: (200, rules(OF_TAG)), ..Oci::default() },
            &[("bucket.filter", "unknown", "freeformTags")],
        ),
        (
            "everything",
            Oci { own: (200, rules("{}")), ..Oci::default() },
            &[("bucket.filter", "ok", ""), ("bucket.created_only", "warn", "deleteobject")],
        ),
        (
            "rule-of-others",
            Oci { own: (200, rules(OF_OTHERS)), ..Oci::default() },
            &[("bucket.notifies", "fail", "no entries")],
        ),
        (
            "rule-above",
            Oci { own: (200, "[]".into()), above: (200, rules(BOTH)), ..Oci::default() },
            &[("bucket.notifies", "ok", "objects")],
        ),
        (
            "d8-no-right-to-rules",
            Oci { own: (404, DENIED.into()), above: (404, DENIED.into()), ..Oci::default() },
            &[("bucket.emits", "ok", ""), ("bucket.notifies", "unknown", "EVENTRULE_LIST")],
        ),
        (
            "d8-no-right-to-actions",
            Oci { rule: (404, DENIED.into()), ..Oci::default() },
            &[("bucket.notifies", "unknown", "EVENTRULE_READ")],
        ),
        (
            "d8-no-right-above",
            Oci { own: (200, "[]".into()), compartment: (404, DENIED), ..Oci::default() },
            &[("bucket.notifies", "unknown", "COMPARTMENT_INSPECT")],
        ),
        (
            "d8-no-right-to-the-bucket",
            Oci { bucket: (404, DENIED.into()), ..Oci::default() },
            &[
                ("bucket.exists", "ok", ""),
                ("bucket.emits", "unknown", "BUCKET_READ"),
                ("bucket.notifies", "skipped", "bucket.emits"),
            ],
        ),
        (
            "garbage",
            Oci { bucket: (200, "<html>".into()), ..Oci::default() },
            &[("bucket.emits", "unknown", "no JSON")],
        ),
        (
            "garbage-of-rules",
            Oci { own: (200, "{}".into()), above: (200, "[".into()), ..Oci::default() },
            &[("bucket.notifies", "unknown", "no list of rules")],
        ),
    ];
    let mut stands = Vec::new();
    let mut cases = Vec::new();
    for (what, oci, want) in rows {
        let stand = Stand::start(vec![
            ("/n/ns/b/b/o?", 200, r#"{"objects": []}"#.into()),
            ("/n/ns/b/b ", oci.bucket.0, oci.bucket.1),
            ("/20181201/rules?compartmentId=ocid1.compartment", oci.own.0, oci.own.1),
            ("/20181201/rules?compartmentId=ocid1.tenancy", oci.above.0, oci.above.1),
            ("/20181201/rules/ocid1.eventrule", oci.rule.0, oci.rule.1),
            ("/20160918/compartments/", oci.compartment.0, oci.compartment.1.into()),
        ])
        .await;
        let url = &stand.url;
        let members = format!(
            "kind = \"oci\"\nbuckets = \"b\"\nnamespace = \"ns\"\nendpoint = \"{url}\"\nmanagement_endpoint = \"{url}\"\nexpects = \"{ours}\"\n\
             tenancy = \"ocid1.tenancy.oc1..t\"\nuser = \"ocid1.user.oc1..u\"\nfingerprint = \"aa:bb\"\nprivate_key_file = \"{key}\""
        );
        cases.push(Case::of(what, members, want));
        stands.push(stand);
    }
    let found = look(&cases, "", &[]).await;
    stands.iter().for_each(Stand::assert_only_read);
    // Events has no place for what it gives up.
    says_nothing(&found, "bucket.dead_letter", "healthy");
    // What a person pastes is one command, quotes and all.
    let remedy = said(of_store(&found, "bucket.notifies", "d7-another-function"), "remedy");
    let words = std::process::Command::new("sh")
        .args(["-c", &format!("set -- {remedy}; printf '%s\\n' \"$@\"")])
        .output()
        .unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    let condition: serde_json::Value = serde_json::from_str(words.lines().nth_back(2).unwrap()).unwrap();
    assert_eq!(condition["data"]["additionalDetails"]["bucketName"][0], "b", "{words}");
}
