use std::time::Duration;

use super::*;
use crate::model::dialect::Dialect;
use crate::model::event::UnknownEvents;

const UNIT: &str = "0c5454e3-d576-44c5-8ce4-cdc078011d0b";
const KEY: &str = "s3cret-key-of-mdss";

fn read(vars: &[(&str, &str)], role: Role) -> Draft {
    Settings::read(vars.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))), role)
}

fn mistakes(vars: &[(&str, &str)], role: Role) -> Vec<String> {
    read(vars, role).mistakes.iter().map(ToString::to_string).collect()
}

fn with(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut vars = vec![
        ("APIENDPOINT".to_owned(), "https://mdss.example/api/webhook/realtime".to_owned()),
        ("APIKEY".to_owned(), KEY.to_owned()),
        ("STORAGECLIENTID".to_owned(), UNIT.to_owned()),
    ];
    for (name, value) in more {
        vars.retain(|(n, _)| n != name);
        vars.push(((*name).to_owned(), (*value).to_owned()));
    }
    vars
}

fn drafted(more: &[(&str, &str)], role: Role) -> Draft {
    Settings::read(with(more).into_iter().map(|(n, v)| (n.into(), v.into())), role)
}

fn drafted_mistakes(more: &[(&str, &str)], role: Role) -> Vec<String> {
    drafted(more, role).mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_vendors_three_variables_work_unchanged() {
    let draft = drafted(&[], Role::Function);
    assert_eq!(draft.mistakes, []);
    let mdss = &draft.settings.mdss;
    assert_eq!(mdss.url.as_ref().unwrap().as_str(), "https://mdss.example/api/webhook/realtime");
    assert_eq!((mdss.connect_timeout.as_secs(), mdss.timeout.as_secs()), (3, 10));
    assert!(mdss.verify_certificates);
    assert_eq!(draft.settings.rules.routes.len(), 1);
    assert_eq!(draft.settings.warnings, [""; 0]);
}

#[test]
fn endpoints_are_completed_or_refused() {
    for (given, want) in [
        ("https://mdss.example", "https://mdss.example/api/webhook/realtime"),
        ("https://mdss.example/", "https://mdss.example/api/webhook/realtime"),
        ("https://mdss.example:8443/", "https://mdss.example:8443/api/webhook/realtime"),
        (
            "https://proxy.example/mdss/api/webhook/realtime",
            "https://proxy.example/mdss/api/webhook/realtime",
        ),
        ("https://mdss.example/?tenant=1", "https://mdss.example/api/webhook/realtime?tenant=1"),
    ] {
        let draft = drafted(&[("APIENDPOINT", given)], Role::Function);
        assert_eq!(draft.mistakes, [], "{given}");
        assert_eq!(draft.settings.mdss.url.unwrap().as_str(), want);
    }
    for (given, shown) in [
        ("mdss.example", true),
        ("ftp://mdss.example/", true),
        ("https://", true),
        ("https://user:s3cret@mdss.example/", false),
        ("https://mdss.example/#s3cret", false),
    ] {
        let mistakes = drafted_mistakes(&[("APIENDPOINT", given)], Role::Function);
        assert_eq!(mistakes.len(), 1, "{given}: {mistakes:?}");
        assert_eq!(mistakes[0].contains(given), shown, "{mistakes:?}");
        assert!(!mistakes[0].contains("s3cret"), "{mistakes:?}");
    }
    assert!(
        drafted(&[("APIENDPOINT", "http://mdss.example")], Role::Function).settings.warnings[0]
            .contains("http")
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mistakes = mistakes(
        &[
            ("APIENDPOINT", "mdss.example"),
            ("RELAY_TIMEOUT", "10"),
            ("RELAY_ATTEMPTS", "0"),
            ("RELAY_CONCURRENCY", "many"),
            ("RELAY_STORAGE_TYPE", "s3"),
            ("RELAY_ON_PERMANENT", "maybe"),
            ("RELAY_BODY_LIMIT", "6MB"),
            ("RELAY_LISTEN", "8080"),
            ("RELAY_TIMOUT", "5s"),
            ("RELAY_KEYS_MINIO", "raw"),
            ("RELAY_KEYS_MINI", "form"),
            ("RELAY_KEYS_AWS_SQS", "form"),
            ("RELAY_CA_FILE", "/nonexistent/ca.pem"),
            ("RELAY_MODE", "spooled"),
            ("https_proxy", "ftp://user:s3cret@proxy"),
        ],
        Role::Function,
    );
    insta::assert_snapshot!(mistakes.join("\n"), @r#"
    RELAY_TIMOUT: expected a known name; is RELAY_TIMEOUT meant?
    RELAY_KEYS_MINI: expected a known name; is RELAY_KEYS_MINIO meant?
    RELAY_STORAGE_TYPE: found "s3", expected one of amazon-s3, s3-compatible, alibaba, oracle, google, azure-blob, smb, nfs, sftp, ftp, netapp-ontap
    APIENDPOINT: found "mdss.example", expected the webhook's URL, such as https://mdss.example/api/webhook/realtime
    RELAY_CA_FILE: found "/nonexistent/ca.pem", expected a file of certificates in PEM (No such file or directory (os error 2))
    RELAY_TIMEOUT: found "10", expected a duration from 1ms to 1h with its unit, such as 500ms, 10s or 2m
    RELAY_ATTEMPTS: found "0", expected a whole number from 1 to 1000
    RELAY_CONCURRENCY: found "many", expected a whole number from 1 to 1000
    RELAY_ON_PERMANENT: found "maybe", expected fail or ok
    RELAY_LISTEN: found "8080", expected an address and a port, such as 127.0.0.1:8080 or [::1]:8080
    RELAY_BODY_LIMIT: found "6MB", expected a size from 1KiB to 64MiB with its unit, such as 6MiB
    APIKEY: expected an API key of MDSS, visible ASCII characters only; neither it nor APIKEY_FILE is set
    https_proxy: expected the address of an HTTP proxy, such as http://proxy:3128
    RELAY_MODE: found "spooled", expected direct: a function has no disk to keep events on
    STORAGECLIENTID: expected the storage client id of a unit, as the MDSS dashboard shows it; or [[route]] in the configuration
    RELAY_KEYS_AWS_SQS: expected no rule: aws-sqs is an envelope without keys
    RELAY_KEYS_MINIO: found "raw", expected form, percent or verbatim
    "#);
}

#[test]
fn the_spool_has_settings_of_its_own() {
    let spool = |vars: &[(&str, &str)]| drafted(vars, Role::Explain);
    let draft = spool(&[("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", "/data")]);
    let want = SpoolSettings {
        place: SpoolPlace::Directory("/data".into()),
        limit: 4 << 30,
        rate: 10_000,
        park_after: None,
        ledger: None,
    };
    assert_eq!(draft.settings.http.unwrap().spool, Some(want));
    // One relay for all, where a function is many.
    assert_eq!((draft.settings.mdss.concurrency, spool(&[]).settings.mdss.concurrency), (128, 16));
    let few = [("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", "/data"), ("RELAY_CONCURRENCY", "4")];
    assert_eq!(spool(&few).settings.mdss.concurrency, 4);
    for (name, value, mistake) in [
        ("RELAY_SPOOL_LIMIT", "1MiB", None),
        ("RELAY_SPOOL_LIMIT", "16TiB", None),
        ("RELAY_SPOOL_LIMIT", "1KiB", Some("a size from 1MiB to 16TiB with its unit, such as 6MiB or 4GiB")),
        ("RELAY_SPOOL_LIMIT", "17TiB", Some("a size from 1MiB to 16TiB with its unit, such as 6MiB or 4GiB")),
        ("RELAY_SPOOL_LIMIT", "4", Some("a size from 1MiB to 16TiB with its unit, such as 6MiB or 4GiB")),
        ("RELAY_SPOOL_RATE", "10000", None),
        ("RELAY_SPOOL_RATE", "0", Some("a whole number from 1 to 10000")),
        ("RELAY_PARK_AFTER", "never", None),
        ("RELAY_PARK_AFTER", "365d", None),
        (
            "RELAY_PARK_AFTER",
            "30m",
            Some("a duration from 1h to 365d with its unit, such as 12h or 7d; or never"),
        ),
        (
            "RELAY_PARK_AFTER",
            "366d",
            Some("a duration from 1h to 365d with its unit, such as 12h or 7d; or never"),
        ),
    ] {
        let draft = spool(&[("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", "/data"), (name, value)]);
        let found = draft.mistakes.iter().find(|m| m.name == name).map(|m| m.expected.as_str());
        assert_eq!(found, mistake, "{name}={value}");
        // Without a spool it is a mistake to set any.
        let draft = spool(&[(name, value)]);
        assert!(
            draft.mistakes.iter().any(|m| m.expected == "no value without RELAY_MODE=spooled"),
            "{name}={value}"
        );
        assert_eq!(draft.settings.http.unwrap().spool, None);
        // Except where the other mode is written out: to switch back is to change one line.
        let draft = spool(&[("RELAY_MODE", "direct"), (name, value)]);
        assert!(draft.mistakes.iter().all(|m| !m.expected.starts_with("no value")), "{name}={value}");
        let warning = format!("{name}: has no effect without RELAY_MODE=spooled");
        assert!(draft.settings.warnings.contains(&warning), "{name}={value}: {:?}", draft.settings.warnings);
    }
    let park = spool(&[("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", "/data"), ("RELAY_PARK_AFTER", "7d")]);
    assert_eq!(park.settings.http.unwrap().spool.unwrap().park_after, Some(Duration::from_secs(7 * 86_400)));
}

#[test]
fn a_secret_is_never_in_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, format!("{KEY}\u{e9}")).unwrap();
    let file = file.to_str().unwrap();
    let broken = format!("token = \"{KEY}\" \"");
    for (vars, name) in [
        (vec![("APIKEY", "s3cret-key-of-mdss\u{e9}")], "APIKEY"),
        (vec![("APIKEY", ""), ("APIKEY_FILE", file)], "APIKEY_FILE"),
        (vec![("APIKEY_FILE", file)], "APIKEY_FILE"),
        (vec![("RELAY_APIKEY", KEY)], "RELAY_APIKEY"),
        (vec![("RELAY_TOKN", KEY)], "RELAY_TOKN"),
        (vec![("RELAY_CONFIG_TOML", broken.as_str())], "RELAY_CONFIG_TOML"),
        (vec![("RELAY_AUTH", "none")], "RELAY_AUTH"),
        (vec![("http_proxy", "http://u:s3cret-key-of-mdss@ /")], "http_proxy"),
    ] {
        let vars: Vec<_> = vars.into_iter().chain([("RELAY_TOKEN", KEY)]).collect();
        let draft = drafted(&vars, Role::Http);
        assert!(draft.mistakes.len() == 1 && draft.mistakes[0].name == name, "{name}: {:?}", draft.mistakes);
        let shown = format!("{:?} {:?}", draft.mistakes, draft.settings);
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let good = drafted(&[("RELAY_TOKEN", KEY), ("http_proxy", "http://u:s3cret@proxy:1/")], Role::Http);
    assert_eq!(good.mistakes, []);
    assert!(!format!("{:?}", good.settings).contains("s3cret"));
}

#[test]
fn a_key_may_come_from_a_file_and_from_only_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let file = file.to_str().unwrap();
    let draft = drafted(&[("APIKEY", ""), ("APIKEY_FILE", file)], Role::Function);
    assert_eq!(draft.mistakes, []);
    assert_eq!(draft.settings.mdss.api_key.unwrap().expose(), KEY);
    assert_eq!(drafted_mistakes(&[("APIKEY_FILE", file)], Role::Function).len(), 1);
}

#[test]
fn explain_needs_nothing_and_still_names_mistakes() {
    assert_eq!(mistakes(&[], Role::Explain), [""; 0]);
    assert_eq!(mistakes(&[("RELAY_DEADLINE", "x")], Role::Explain).len(), 1);
}

#[test]
fn variables_win_over_the_configuration() {
    let config = "[mdss]\nendpoint = \"https://a.example\"\ntimeout = \"7s\"\nattempts = 2\ntls_verify = false\n\
                  [keys]\nceph = \"form\"\nminio = \"verbatim\"";
    let draft = drafted(
        &[("RELAY_CONFIG_TOML", config), ("RELAY_TIMEOUT", "8s"), ("RELAY_KEYS_CEPH", "percent")],
        Role::Function,
    );
    assert_eq!(draft.mistakes, []);
    let mdss = &draft.settings.mdss;
    assert_eq!(mdss.url.as_ref().unwrap().host_str(), Some("mdss.example"));
    assert_eq!(mdss.timeout.as_secs(), 8);
    assert_eq!(mdss.attempts, Some(2));
    assert!(!mdss.verify_certificates);
    assert!(draft.settings.warnings[0].starts_with("RELAY_TLS_VERIFY is off"));
    use crate::model::dialect::KeyEncoding::{Percent, Verbatim};
    assert_eq!(draft.settings.rules.keys.get(Dialect::Ceph), Some(Percent));
    assert_eq!(draft.settings.rules.keys.get(Dialect::Minio), Some(Verbatim));
}

#[test]
fn a_configuration_is_checked_to_its_last_member() {
    let config = r#"
        color = 1
        [mdss]
        endpiont = "https://a.example"
        timeout = [1]
        [[route]]
        bucket = "a"
        prefx = "in/"
        condition = { data = { resourceName = ["a*", "b", { prefix = "c" }], size = [[1]] }, eventTime = 2026-03-04 }
        compartments = ["prod"]
        prefix = ["x", ""]
        storage_client_id = "two words"
        storage_type = "s3"
        [[route]]
        storage_client_id = "0c5454e3-d576-44c5-8ce4-cdc078011d0b"
        condition = "{\"data\": {}, \"data\": {\"x\": 1}}"
        compartments = []
        [[source]]
        name = "a"
        path = "/a/"
        dialect = "s3"
        [[source]]
        name = "a"
        path = "/healthz"
        auth = "none"
        redelivers = "often"
        public_path = "x/../y"
    "#;
    let mut mistakes = mistakes(&[("RELAY_CONFIG_TOML", config), ("RELAY_SCAN_ID", "1")], Role::Http);
    mistakes.retain(|m| !m.starts_with("APIENDPOINT") && !m.starts_with("APIKEY"));
    insta::assert_snapshot!(mistakes.join("\n"), @r#"
    color: expected a known name: one of mdss, events, function, http, ledger, loop, log, keys, reconcile, results, route, source, store
    mdss.endpiont: expected a known name; is endpoint meant?
    mdss.timeout: found "array", expected a text or a number
    RELAY_SCAN_ID: expected no value, because the configuration has [[route]]: write it into the routes
    source[0].path: found "/a/", expected a path that begins with / and has no query, no / at its end and no empty or dot segment
    source[0].dialect: found "s3", expected one of oci, oci-stream, oci-notifications, aws-s3, aws-eventbridge, aws-sns, aws-sqs, jdcloud, jdcloud-function, minio, rustfs, ceph, storagegrid, azure-blob, gcs, ibm-cos, r2, b2, seaweedfs, tigris, alibaba-oss, tencent-cos, huawei-obs, yandex, volcengine-tos, s3-compatible, lighthouse
    source[0].auth: expected how this source proves who it is: { bearer = { token_file = "…" } }, another check, several of them, or "none" in writing
    source[1].path: found "/healthz", expected a path other than /healthz, /readyz, /metrics, which the server answers itself
    source[1].name: found "a", expected a name that no other source has
    source[1].public_path: found "x/../y", expected a path that begins with / and has no query, no / at its end and no empty or dot segment
    source[1].redelivers: found "often", expected forever, dead-letters, or no such member
    route[0].source: expected the name of a source: with more than one, a weak source must not reach a strong source's unit
    route[1].source: expected the name of a source: with more than one, a weak source must not reach a strong source's unit
    route[0].prefx: expected a known name; is prefix meant?
    route[0].storage_client_id: found "two words", expected the storage client id of a unit, as the MDSS dashboard shows it
    route[0].storage_type: found "s3", expected one of amazon-s3, s3-compatible, alibaba, oracle, google, azure-blob, smb, nfs, sftp, ftp, netapp-ontap
    route[0].prefix: expected a text or a list of texts, none of them empty
    route[0].condition.data.resourceName[2]: found "prefix", expected a text with a star at its end, such as "in/*"; this is EventBridge's syntax, not OCI's
    route[0].condition.data.size[0]: expected a value, found an array in an array
    route[0].condition.eventTime: expected a text, a number, true, false, null, a list of these, or an object of fields; found a date; JSON has only texts, so put it in quotes
    route[0].compartments: found "prod", expected ids of compartments, such as ocid1.compartment.oc1..aaaa…
    route[1].bucket: expected a bucket's name or pattern; "*" is every bucket
    route[1].condition.data: expected each name once, found it twice
    route[1].compartments: expected at least one id, or no such member: an empty list takes nothing
    "#);
}

#[test]
fn a_condition_that_can_never_match_is_warned_about() {
    let config = format!(
        "[[route]]\nbucket = \"*\"\nstorage_client_id = \"{UNIT}\"\ncondition = {{ data = {{ \"a*\" = [] }} }}"
    );
    let draft = drafted(&[("RELAY_CONFIG_TOML", &config), ("STORAGECLIENTID", "")], Role::Function);
    assert_eq!(draft.mistakes, []);
    insta::assert_snapshot!(draft.settings.warnings.join("\n"), @r"
    route[0].condition.data.a*: a star in a name is no wildcard; it wants a field of just this name
    route[0].condition.data.a*: an empty list matches nothing
    ");
}

#[test]
fn routes_and_sources_must_fit_each_other() {
    let route =
        |source: &str| format!("[[route]]\nbucket = \"*\"\nstorage_client_id = \"{UNIT}\"\n{source}\n");
    let source = |name: &str| format!("[[source]]\nname = \"{name}\"\npath = \"/{name}\"\nauth = \"none\"\n");
    let two = source("a") + &source("b");
    for (config, role, want) in [
        (route(""), Role::Http, 0),
        (route("source = \"a\"") + &source("a"), Role::Http, 0),
        (route("") + &source("a"), Role::Http, 0),
        (route("source = \"x\"") + &source("a"), Role::Http, 1),
        (route("source = \"x\""), Role::Http, 1),
        (route("source = \"events\""), Role::Http, 0),
        (route("") + &two, Role::Http, 1),
        (route("source = \"b\"") + &two, Role::Http, 0),
        // Whoever lets requests in is held to it, and a function without sources asks nothing.
        (route("") + &two, Role::Function, 1),
        (route("source = \"x\"") + &two, Role::Function, 1),
        (route("source = \"x\""), Role::Function, 0),
        (route("") + &two, Role::Explain, 0),
    ] {
        let mut vars = vec![("RELAY_CONFIG_TOML", config.as_str()), ("STORAGECLIENTID", "")];
        if !config.contains("[[source]]") {
            vars.push(("RELAY_TOKEN", "t0ken-t0ken"));
        }
        let mistakes = drafted_mistakes(&vars, role);
        assert_eq!(mistakes.len(), want, "{config} {role:?}: {mistakes:?}");
    }
    assert_eq!(
        drafted(&[("RELAY_CONFIG_TOML", &(route("") + &two)), ("STORAGECLIENTID", "")], Role::Explain)
            .settings
            .warnings
            .len(),
        1
    );
    // STORAGECLIENTID is exactly one route; beside another one it would be forgotten.
    assert_eq!(drafted_mistakes(&[("RELAY_CONFIG_TOML", &route(""))], Role::Function).len(), 1);
}

#[test]
fn http_wants_a_guard_in_writing() {
    for (vars, want) in [
        (vec![], Some("RELAY_TOKEN")),
        (vec![("RELAY_TOKEN", "t0ken-t0ken")], None),
        (vec![("RELAY_AUTH", "none")], None),
        (vec![("RELAY_AUTH", "bearer")], Some("RELAY_TOKEN")),
        (vec![("RELAY_AUTH", "open")], Some("RELAY_AUTH")),
        (vec![("RELAY_AUTH", "none"), ("RELAY_TOKEN", "t0ken-t0ken")], Some("RELAY_AUTH")),
    ] {
        let mistakes = drafted_mistakes(&vars, Role::Http);
        assert_eq!(mistakes.len(), usize::from(want.is_some()), "{vars:?}: {mistakes:?}");
        assert!(want.is_none_or(|w| mistakes[0].starts_with(w)), "{vars:?}: {mistakes:?}");
    }
}

#[test]
fn a_list_is_a_text_with_commas_or_a_list() {
    let listed = |name: &str, value: &str| {
        let draft = drafted(&[(name, value), ("RELAY_AUTH", "none")], Role::Http);
        assert_eq!(draft.mistakes, []);
        let listed = draft.settings.http.unwrap().trusted_proxies;
        (listed.name, listed.texts)
    };
    let texts = ["10.0.0.1", "10.1.0.0/16"].map(str::to_owned).to_vec();
    for (name, value, place) in [
        ("RELAY_TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16", "RELAY_TRUSTED_PROXIES"),
        (
            "RELAY_CONFIG_TOML",
            "[http]\ntrusted_proxies = [\"10.0.0.1\", \"10.1.0.0/16\"]",
            "http.trusted_proxies",
        ),
        ("RELAY_CONFIG_TOML", "[http]\ntrusted_proxies = \"10.0.0.1,10.1.0.0/16\"", "http.trusted_proxies"),
    ] {
        assert_eq!(listed(name, value), (place.to_owned(), texts.clone()), "{name}={value}");
    }
    let config = "[http]\ntrusted_proxies = [1]";
    let mistakes = drafted_mistakes(&[("RELAY_CONFIG_TOML", config)], Role::Explain);
    assert_eq!(mistakes, ["http.trusted_proxies: expected a text or a list of texts"]);
}

#[test]
fn a_role_has_its_own_groups_alone() {
    for (role, function, http) in
        [(Role::Function, true, false), (Role::Http, false, true), (Role::Explain, false, true)]
    {
        let settings = drafted(&[("RELAY_AUTH", "none")], role).finish().unwrap();
        assert_eq!((settings.function.is_some(), settings.http.is_some()), (function, http), "{role:?}");
    }
    // One configuration may serve a server and functions, so what the other one reads is no mistake, but is checked.
    let config = "[http]\nlisten = \"0.0.0.0:80\"\n[function]\non_permanent = \"fail\"\n";
    for role in [Role::Function, Role::Explain] {
        assert_eq!(drafted_mistakes(&[("RELAY_CONFIG_TOML", config)], role), [""; 0], "{role:?}");
        assert_eq!(drafted_mistakes(&[("RELAY_LISTEN", "80"), ("RELAY_QUEUE_PARTIAL", "?")], role).len(), 2);
    }
}

#[test]
fn what_was_once_let_through_is_a_mistake() {
    let source = |more: &str| {
        let route = format!("[[route]]\nbucket = \"*\"\nstorage_client_id = \"{UNIT}\"\n");
        format!("{route}[[source]]\nname = \"a\"\npath = \"/a\"\n{more}\n")
    };
    let topic = "ocid1.onstopic.oc1.phx.aaaa";
    let open_topic = source(&format!("auth = \"none\"\nconfirm_topics = [\"{topic}\"]"));
    let odd_topic = source("auth = { bearer = { token = \"t\" } }\nconfirm_topics = [\"intake\"]");
    for (vars, name) in [
        // All of it would be kept back for the answer.
        (vec![("RELAY_DEADLINE", "500ms")], "RELAY_DEADLINE"),
        (
            vec![("RELAY_CONFIG_TOML", open_topic.as_str()), ("STORAGECLIENTID", "")],
            "source[0].confirm_topics",
        ),
        (
            vec![("RELAY_CONFIG_TOML", odd_topic.as_str()), ("STORAGECLIENTID", "")],
            "source[0].confirm_topics",
        ),
    ] {
        let token = if vars.iter().any(|(n, _)| *n == "RELAY_CONFIG_TOML") { "" } else { "t0ken-t0ken" };
        let vars: Vec<_> = vars.into_iter().chain([("RELAY_TOKEN", token)]).collect();
        let mistakes = drafted_mistakes(&vars, Role::Http);
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(name), "{name}: {mistakes:?}");
    }
    // A source whose `auth` is no text and no table keeps it, so that the gate says what is wrong with it.
    let config = source("auth = false");
    let draft = drafted(&[("RELAY_CONFIG_TOML", &config), ("STORAGECLIENTID", "")], Role::Http);
    assert_eq!(draft.settings.http.unwrap().sources[0].auth, Some(toml::Value::Boolean(false)));
    // A secret in the wrong variable is not shown: it looks like no path.
    let vars = [("APIKEY", ""), ("APIKEY_FILE", KEY), ("RELAY_CONFIG", "auth = { token = \"s3cret\" }")];
    let mistakes = drafted_mistakes(&vars, Role::Function);
    assert!(mistakes.len() == 2 && !mistakes.concat().contains("s3cret"), "{mistakes:?}");
    // Nor is a credential in a Debug print.
    let config = source("auth = { bearer = { token = \"s3cret\" } }");
    let url = ("APIENDPOINT", "https://mdss.example/api?token=s3cret");
    let draft = drafted(&[url, ("RELAY_CONFIG_TOML", &config), ("STORAGECLIENTID", "")], Role::Http);
    assert!(
        draft.mistakes.is_empty() && !format!("{:?}", draft.settings).contains("s3cret"),
        "{:?}",
        draft.settings
    );
}

#[test]
fn what_selects_less_than_it_looks_like_is_warned_about() {
    let warnings = |members: &str| {
        let config = format!("[[route]]\nbucket = \"*\"\nstorage_client_id = \"unit-1\"\n{members}\n");
        let draft = read(&[("RELAY_CONFIG_TOML", &config)], Role::Explain);
        assert_eq!(draft.mistakes, [], "{members}");
        draft.settings.warnings
    };
    for (members, want) in [
        (
            r#"prefix = "/2026/""#,
            Some(
                "route[0].prefix: \"/2026/\" begins with a slash, and the names of objects rarely do; is \"2026/\" meant?",
            ),
        ),
        (r#"exclude_prefix = ["q/", "/q/"]"#, Some("route[0].exclude_prefix: \"/q/\" begins with a slash")),
        (
            r#"suffix = [".pdf", ".7z", ".0"]"#,
            Some("route[0].suffix: \".pdf\", \".7z\" in this letter case only"),
        ),
        (r#"suffix = ".001""#, None),
        (r#"suffix_any_case = [".pdf"]"#, None),
        (r#"prefix = "2026/""#, None),
        (
            r#"condition = { s3 = { object = { key = "2026/*" } } }"#,
            Some("route[0].condition.s3.object.key: \"2026/*\" is tried on the key as it was sent"),
        ),
        (
            r#"condition = { s3 = { object = { key = ["a*", "b c"] } } }"#,
            Some("route[0].condition.s3.object.key: \"b c\" is tried"),
        ),
        (
            r#"condition = { s3 = { object = [{ key = "b/c" }] } }"#,
            Some("route[0].condition.s3.object.key: \"b/c\" is tried"),
        ),
        (r#"condition = { s3 = { object = { key = "*.pdf" } } }"#, None),
        (r#"condition = { data = { resourceName = "2026/*" } }"#, None),
        (
            r#"condition = { s3 = { object = { contentType = "application/pdf" } } }"#,
            Some("route[0].condition.s3.object.contentType: the uploader chooses"),
        ),
        (
            r#"condition = { s3 = { object = { userMetadata = { a = "b" } } } }"#,
            Some("route[0].condition.s3.object.userMetadata: the uploader chooses"),
        ),
        (r#"condition = { s3 = { bucket = { name = "a/b" } } }"#, None),
    ] {
        let warnings = warnings(members);
        match want {
            None => assert_eq!(warnings, [""; 0], "{members}"),
            Some(want) => {
                assert_eq!(warnings.len(), 1, "{members}: {warnings:?}");
                assert!(warnings[0].starts_with(want), "{members}: {warnings:?}");
            }
        }
    }
}

#[test]
fn unknown_events() {
    let of = |word: &str| drafted(&[("RELAY_UNKNOWN_EVENTS", word)], Role::Explain);
    for (word, want) in [
        ("fail", UnknownEvents::Fail),
        ("send", UnknownEvents::Send),
        ("skip", UnknownEvents::Skip),
        ("", UnknownEvents::Fail),
    ] {
        assert_eq!(of(word).settings.rules.unknown_events, want, "{word:?}");
    }
    assert_eq!(
        of("sned").mistakes[0].to_string(),
        "RELAY_UNKNOWN_EVENTS: found \"sned\", expected fail, send or skip"
    );
    let config = "[events]\nunknown = \"send\"\n";
    let draft = drafted(&[("RELAY_CONFIG_TOML", config)], Role::Explain);
    assert_eq!((draft.settings.rules.unknown_events, draft.mistakes), (UnknownEvents::Send, Vec::new()));
}

#[test]
fn the_folder_of_seaweedfs_buckets() {
    let of = |folder: &str| drafted(&[("RELAY_SEAWEEDFS_BUCKETS", folder)], Role::Explain);
    for (folder, want) in [("/data/s3", "/data/s3"), ("/data/s3//", "/data/s3"), ("", "/buckets")] {
        assert_eq!(of(folder).settings.rules.keys.buckets_folder(), want, "{folder:?}");
    }
    for wrong in ["buckets", "/", "//"] {
        assert_eq!(
            of(wrong).mistakes[0].to_string(),
            format!("RELAY_SEAWEEDFS_BUCKETS: found {wrong:?}, expected an absolute path such as /buckets")
        );
    }
    let config = "[events]\nseaweedfs_buckets = \"/s3\"\n";
    let draft = drafted(&[("RELAY_CONFIG_TOML", config)], Role::Explain);
    assert_eq!((draft.settings.rules.keys.buckets_folder(), draft.mistakes.len()), ("/s3", 0));
}

/// A device that never ends, and a pipe that nobody writes to.
#[test]
fn a_file_that_has_no_end_is_a_mistake_and_no_wait() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let large = dir.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((4 << 20) + 1).unwrap();
    for (path, found) in [
        ("/dev/zero", "expected a plain file, found a device"),
        (pipe.to_str().unwrap(), "expected a plain file, found a pipe"),
        (dir.path().to_str().unwrap(), "expected a plain file, found a directory"),
        (large.to_str().unwrap(), "found more"),
    ] {
        let notification =
            format!("[[route]]\nbucket = \"b\"\nstorage_client_id = \"u\"\nnotification_file = \"{path}\"\n");
        for (name, value, place) in [
            ("RELAY_CONFIG", path, "RELAY_CONFIG"),
            ("APIKEY_FILE", path, "APIKEY_FILE"),
            ("RELAY_CA_FILE", path, "RELAY_CA_FILE"),
            ("RELAY_CONFIG_TOML", &notification, "route[0].notification_file"),
        ] {
            let draft = Settings::read([(name.into(), value.into())], Role::Explain);
            let told: Vec<_> = draft.mistakes.iter().map(ToString::to_string).collect();
            assert!(
                told.iter().any(|m| m.starts_with(place) && m.contains(found)),
                "{name}={path}: {told:?}"
            );
        }
    }
}

#[test]
fn the_port_is_the_platforms_where_it_is_named() {
    let listen = |vars: &[(&str, &str)]| {
        let draft = drafted(&[vars, &[("RELAY_AUTH", "none")]].concat(), Role::Http);
        let mistakes: Vec<_> = draft.mistakes.iter().map(ToString::to_string).collect();
        draft
            .settings
            .http
            .map(|http| http.listen.to_string())
            .filter(|_| mistakes.is_empty())
            .ok_or(mistakes)
    };
    assert_eq!(listen(&[("RELAY_LISTEN", "0.0.0.0:$PORT"), ("PORT", "9000")]).unwrap(), "0.0.0.0:9000");
    assert_eq!(listen(&[("PORT", "9000"), ("RELAY_LISTEN", "[::]:$PORT")]).unwrap(), "[::]:9000");
    // Nobody who has a variable of that name for another program is surprised.
    assert_eq!(listen(&[("PORT", "9000")]).unwrap(), "127.0.0.1:8080");
    assert_eq!(listen(&[("RELAY_LISTEN", "127.0.0.1:1"), ("PORT", "x")]).unwrap(), "127.0.0.1:1");
    for (vars, expected) in [
        (
            &[("RELAY_LISTEN", "0.0.0.0:$PORT")][..],
            "PORT: expected a port, because RELAY_LISTEN ends in :$PORT",
        ),
        (
            &[("RELAY_LISTEN", "0.0.0.0:$PORT"), ("PORT", "70000")],
            "PORT: found \"70000\", expected a port, because RELAY_LISTEN ends in :$PORT",
        ),
        (
            &[("RELAY_LISTEN", "$PORT"), ("PORT", "1")],
            "RELAY_LISTEN: found \"$PORT\", expected an address and a port, such as 127.0.0.1:8080 or [::1]:8080",
        ),
    ] {
        assert_eq!(listen(vars).unwrap_err(), [expected]);
    }
}
