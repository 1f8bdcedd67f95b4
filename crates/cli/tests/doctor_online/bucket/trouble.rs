//! Stores that do not answer as they should, and set-ups that say too little.

use super::amazon::{EMPTY, OURS, document};
use super::{Case, Stand, Want, look, of_store, run, says_nothing, secret};

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>of the test</Message></Error>")
}

fn members(url: &str, key: &str) -> String {
    format!(
        "kind = \"s3\"\nbuckets = \"b\"\nendpoint = \"{url}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{key}\"\nexpects = \"{OURS}\"\n"
    )
}

#[tokio::test]
async fn d8_what_is_not_known_is_unknown_and_names_the_permission() {
    let folder = tempfile::tempdir().unwrap();
    let key = secret(&folder);
    let mut stands = Vec::new();
    let mut cases = Vec::new();
    type Answer = (u16, String);
    let rows: Vec<(&'static str, Answer, Answer, &[Want])> = vec![
        (
            "denied",
            (200, EMPTY.into()),
            (403, error("AccessDenied")),
            &[
                ("bucket.exists", "ok", ""),
                ("bucket.emits", "unknown", "s3:GetBucketNotification"),
                ("bucket.notifies", "skipped", "bucket.emits"),
                ("bucket.filter", "skipped", "bucket.emits"),
                ("bucket.created_only", "skipped", "bucket.emits"),
            ],
        ),
        (
            "list-denied",
            (403, error("AccessDenied")),
            (200, document("")),
            &[("bucket.exists", "ok", ""), ("bucket.list", "warn", "s3:ListBucket")],
        ),
        (
            "both-denied",
            (403, error("AccessDenied")),
            (403, error("AccessDenied")),
            &[("bucket.exists", "unknown", "s3:"), ("bucket.emits", "unknown", "")],
        ),
        (
            "missing",
            (404, error("NoSuchBucket")),
            (404, error("NoSuchBucket")),
            &[
                ("bucket.exists", "fail", "NoSuchBucket"),
                ("bucket.list", "skipped", "bucket.exists"),
                ("bucket.notifies", "skipped", "bucket.exists"),
            ],
        ),
        (
            "garbage",
            (200, "<html>".into()),
            (200, "<html><body>Log in</body></html>".into()),
            &[("bucket.exists", "unknown", ""), ("bucket.emits", "unknown", "html")],
        ),
        (
            "broken",
            (500, "oops".into()),
            (503, "oops".into()),
            &[("bucket.exists", "unknown", "50"), ("bucket.emits", "unknown", "503")],
        ),
        (
            "not-known-there",
            (200, EMPTY.into()),
            (501, error("NotImplemented")),
            &[("bucket.emits", "unknown", "NotImplemented")],
        ),
    ];
    for (what, listed, told, want) in rows {
        let stand =
            Stand::start(vec![("?notification", told.0, told.1), ("list-type=2", listed.0, listed.1)]).await;
        cases.push(Case::of(what, members(&stand.url, &key), want));
        stands.push(stand);
    }
    let silent = Stand::start(vec![("GET", 0, String::new())]).await;
    cases.push(Case::of(
        "silent",
        members(&silent.url, &key),
        &[("bucket.exists", "unknown", "within 5 s"), ("bucket.notifies", "skipped", "bucket.exists")],
    ));
    cases.push(Case::of(
        "nobody-there",
        members("http://127.0.0.1:9", &key),
        &[("bucket.exists", "unknown", "127.0.0.1:9"), ("bucket.emits", "skipped", "bucket.exists")],
    ));
    let found = look(&cases, "", &[]).await;
    assert!(found.took.as_secs() < 10, "{:?}", found.took);
}

/// D8: what is unknown fails nobody, except whoever asks to be strict.
#[tokio::test]
async fn d8_unknown_ends_with_0_and_strict_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let key = secret(&folder);
    let denied =
        Stand::start(vec![("?notification", 403, error("AccessDenied")), ("list-type=2", 200, EMPTY.into())])
            .await;
    let cases = [Case::of("denied", members(&denied.url, &key), &[])];
    for (arguments, status) in [(&[][..], 0), (&["--strict"], 1)] {
        let found = run(&cases, "", &[], arguments).await;
        let failed: Vec<_> = found.checks.iter().filter(|check| check["status"] == "fail").collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(
            (found.status, of_store(&found, "bucket.emits", "denied")["status"].as_str()),
            (status, Some("unknown"))
        );
    }
}

#[tokio::test]
async fn directories_patterns_and_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let tree = format!("kind = \"directory\"\nbuckets = \"b\"\npath = \"{path}\"");
    let gone = format!("kind = \"directory\"\nbuckets = \"b\"\npath = \"{path}/gone\"");
    let pattern =
        "kind = \"s3\"\nbuckets = \"in-*\"\nendpoint = \"http://127.0.0.1:9\"\naccess_key_id = \"id\"\n"
            .to_owned();
    let key = secret(&folder);
    let cases = [
        Case::of("tree", tree, &[("bucket.exists", "ok", ""), ("bucket.list", "ok", "")]),
        Case::of("gone", gone, &[("bucket.exists", "fail", "gone")]),
        Case::of(
            "pattern",
            format!("{pattern}secret_access_key_file = \"{key}\""),
            &[("bucket.exists", "unknown", "in-*")],
        ),
    ];
    let found = look(&cases, "", &[]).await;
    says_nothing(&found, "bucket.notifies", "tree");
    // Without a store there is no group; with `--offline` it is not looked at.
    assert!(run(&[], "", &[], &[]).await.all("bucket.exists").is_empty());
    assert!(run(&cases[..1], "", &[], &["--offline"]).await.all("bucket.exists").is_empty());
}
