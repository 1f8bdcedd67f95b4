//! Stores that are busy, broken or hostile.

use std::time::{Duration, Instant};

use mdss_relay_core::RetryPolicy;
use mdss_relay_stores::{Store, Trouble, TroubleKind};

use crate::bucket::{Bucket, SECRET, error};
use crate::common::{file, settings, store, whole};
use crate::server::{Reply, Server};

/// How often a page is asked for: once, and five times more.
const ATTEMPTS: usize = 6;

async fn of_replies(replies: Vec<Reply>) -> (Result<usize, Trouble>, usize) {
    let bucket = Bucket::numbered(5, 10);
    let server = Server::start(move |asked| match replies.get(asked.number) {
        Some(reply) => reply.clone(),
        None => bucket.answer(asked),
    })
    .await;
    let (_folder, secret) = file(SECRET);
    let listed = whole(store(&server.s3(&secret)).list("b", b"")).await;
    (listed.map(|whole| whole.objects.len()), server.asked().len())
}

#[tokio::test]
async fn a_busy_store_is_asked_again_and_in_the_end_named() {
    for status in [408, 429, 500, 503] {
        let busy = error(status, "SlowDown", "Please reduce your request rate.");
        let (listed, asked) = of_replies(vec![busy.clone(); 5]).await;
        assert_eq!((listed.unwrap(), asked), (5, ATTEMPTS), "{status}");
        let (listed, asked) = of_replies(vec![busy; 99]).await;
        let trouble = listed.unwrap_err();
        assert_eq!((trouble.kind, asked), (TroubleKind::Busy, ATTEMPTS), "{status}");
        assert_eq!(
            trouble.to_string(),
            format!("store \"here\", bucket \"b\": {status} SlowDown: Please reduce your request rate.")
        );
    }
}

#[tokio::test]
async fn a_wish_for_a_pause_is_granted() {
    for status in [429, 503] {
        let began = Instant::now();
        let busy = error(status, "SlowDown", "later").with("Retry-After", "1");
        let (listed, asked) = of_replies(vec![busy]).await;
        assert_eq!((listed.unwrap(), asked), (5, 2));
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

/// The pauses are the core's: a fifth of a second at first, then the double each time.
#[test]
fn five_retries_with_the_cores_pauses() {
    let members = "kind = \"directory\"\npath = \"/tmp/{bucket}\"";
    let mut own = settings(members);
    own.retry = RetryPolicy::new(Some(6));
    let toml = format!("[[store]]\nname = \"x\"\nbuckets = \"*\"\n{members}");
    let read = mdss_relay_core::Settings::read(
        [("RELAY_CONFIG_TOML".into(), toml.into())],
        mdss_relay_core::Role::Explain,
    );
    let default = mdss_relay_stores::StoreSettings::read(&read.settings, &mut Vec::new()).remove(0).retry;
    assert_eq!(
        (default.attempts, default.first, default.most),
        (own.retry.attempts, own.retry.first, own.retry.most)
    );
}

#[tokio::test]
async fn what_no_repetition_helps_is_said_at_once() {
    for (reply, kind, asked, says) in [
        // Twice, because the key's file may have changed.
        (
            error(403, "AccessDenied", "Access Denied."),
            TroubleKind::Denied,
            2,
            "403 AccessDenied: Access Denied.; the credentials may lack s3:ListBucket",
        ),
        (
            error(404, "NoSuchBucket", "The specified bucket does not exist"),
            TroubleKind::Missing,
            1,
            "404 NoSuchBucket: The specified bucket does not exist",
        ),
        (
            Reply::of(302, "").with("Location", "http://169.254.169.254/"),
            TroubleKind::Refused,
            1,
            "302: without a word",
        ),
        (error(418, "\u{1b}[2Jodd", "a\nb"), TroubleKind::Refused, 1, "418 \\u001b[2Jodd: a\\u000ab"),
    ] {
        let (listed, number) = of_replies(vec![reply; 9]).await;
        let trouble = listed.unwrap_err();
        assert_eq!((trouble.kind, number), (kind, asked), "{trouble}");
        assert_eq!(trouble.to_string(), format!("store \"here\", bucket \"b\": {says}"));
    }
}

fn page(inner: &str) -> Vec<u8> {
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>").into_bytes()
}

/// None of these is a page, and none is taken for the end of a bucket.
#[tokio::test]
async fn garbage_is_no_page() {
    let object = "<Contents><Key>k</Key></Contents>";
    let bomb = "<!DOCTYPE l [<!ENTITY a \"xxxxxxxxxx\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>".to_owned();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a page of the web", b"<html><body>Please log in</body></html>".to_vec()),
        ("JSON", b"{\"items\":[]}".to_vec()),
        ("half a page", page(object)[..60].to_vec()),
        ("a page and more", [page(object), b"<more/>".to_vec()].concat()),
        ("no end", b"<ListBucketResult><IsTruncated>false</IsTruncated>".to_vec()),
        ("no word of an end", b"<ListBucketResult></ListBucketResult>".to_vec()),
        (
            "an end that is none",
            b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>".to_vec(),
        ),
        ("entities of entities", [bomb.into_bytes(), page("<Prefix>&b;</Prefix>")].concat()),
        ("an entity of its own", page("<Contents><Key>&x;</Key></Contents>")),
        ("a reference to nothing", page("<Contents><Key>&#xFFFFFFFF;</Key></Contents>")),
        ("an object without a key", page("<Contents><Size>1</Size></Contents>")),
        ("no UTF-8", [b"<ListBucketResult>\xff".to_vec(), page("")].concat()),
        ("deep", page(&format!("{}{}", "<a>".repeat(50_000), "</a>".repeat(50_000)))),
        ("a long name", page(&format!("<{0}></{0}>", "n".repeat(1 << 20)))),
        ("too many", page(&object.repeat(10_001))),
        ("too much", page(&"x".repeat(9 << 20))),
    ];
    for (name, body) in cases {
        let (listed, asked) = of_replies(vec![Reply::of(200, body.clone()); ATTEMPTS]).await;
        let trouble = listed.map(|n| panic!("{name}: {n} objects")).unwrap_err();
        assert!(
            matches!(trouble.kind, TroubleKind::Unreadable | TroubleKind::Unreachable),
            "{name}: {trouble}"
        );
        assert_eq!(asked, ATTEMPTS, "{name}: {trouble}");
        // It may pass: a page of a gateway that restarts.
        let (listed, _) = of_replies(vec![Reply::of(200, body)]).await;
        assert_eq!(listed.unwrap(), 5, "{name}");
    }
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let mut reply = Reply::of(200, page("<Contents><Key>k</Key></Contents>"));
    reply.announced = Some(reply.body.len() + 100);
    let (listed, asked) = of_replies(vec![reply.clone(); 9]).await;
    let trouble = listed.unwrap_err();
    assert_eq!((trouble.kind, asked), (TroubleKind::Unreachable, ATTEMPTS), "{trouble}");
    let (listed, _) = of_replies(vec![reply]).await;
    assert_eq!(listed.unwrap(), 5);
}

#[tokio::test]
async fn nobody_there() {
    let (_folder, secret) = file(SECRET);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let members = format!(
        "kind = \"s3\"\nendpoint = \"http://127.0.0.1:{port}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{secret}\""
    );
    let trouble = store(&members).list("b", b"").page(None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable);
    let text = trouble.to_string();
    assert!(
        text.starts_with(&format!("store \"here\", bucket \"b\": no connection to 127.0.0.1:{port}: ")),
        "{text}"
    );
}

#[tokio::test]
async fn a_store_that_never_answers_costs_its_time_out() {
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_folder, secret) = file(SECRET);
    let members = format!(
        "kind = \"s3\"\nendpoint = \"http://{}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{secret}\"\ntimeout = \"20ms\"",
        silent.local_addr().unwrap()
    );
    let mut own = settings(&members);
    own.retry = RetryPolicy { attempts: Some(2), ..own.retry };
    let trouble = Store::open(&own).unwrap().list("b", b"").page(None).await.unwrap_err();
    assert!(trouble.detail.starts_with("no answer in time from 127.0.0.1:"), "{trouble}");
}
