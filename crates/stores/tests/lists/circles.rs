//! Listings that would never end.

use std::sync::Arc;

use mdss_relay_stores::{Trouble, TroubleKind};

use crate::common::{file, store, whole};
use crate::server::{Asked, Reply, Server};

/// A page of S3 that says that it is not the last one.
fn page(keys: &[String], token: &str) -> Reply {
    let keys: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    Reply::of(
        200,
        format!(
            "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>{token}</NextContinuationToken>{keys}</ListBucketResult>"
        ),
    )
}

/// How it ends, after how many requests.
async fn listed(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Trouble, usize) {
    let server = Server::start(answer).await;
    let (_folder, secret) = file("key");
    let trouble = whole(store(&server.s3(&secret)).list("b", b"")).await.err().unwrap();
    (trouble, server.asked().len())
}

type Answer = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

#[tokio::test]
async fn a_listing_that_leads_in_a_circle_is_refused() {
    let key = |number: usize| vec![format!("k{number:06}")];
    let cases: Vec<(&str, Answer, usize)> = vec![
        ("always the same", Arc::new(move |_: &Asked| page(&key(1), "t")), 4),
        ("the same token", Arc::new(move |asked: &Asked| page(&key(asked.number), "t")), 4),
        ("the same page", Arc::new(move |asked: &Asked| page(&key(1), &asked.number.to_string())), 4),
        (
            "five tokens in a circle",
            Arc::new(move |asked: &Asked| page(&key(asked.number), &(asked.number % 5).to_string())),
            25,
        ),
        (
            "a hundred pages in a circle",
            Arc::new(move |asked: &Asked| page(&key(asked.number % 100), &asked.number.to_string())),
            450,
        ),
        ("nothing for ever", Arc::new(|asked: &Asked| page(&[], &asked.number.to_string())), 1100),
    ];
    for (name, answer, most) in cases {
        let (trouble, asked) = listed(move |asked| answer(asked)).await;
        assert_eq!(trouble.kind, TroubleKind::Endless, "{name}: {trouble}");
        assert!(trouble.to_string().ends_with("it would never end"), "{name}: {trouble}");
        assert!(asked <= most, "{name}: {asked} requests");
    }
}

/// The same for stores that have tokens of another kind.
#[tokio::test]
async fn a_marker_that_stays_is_refused() {
    let server = Server::start(|asked| {
        Reply::of(
            200,
            format!(
                "<EnumerationResults><Blobs><Blob><Name>n{:04}</Name></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>",
                asked.number
            ),
        )
    })
    .await;
    let (_folder, sas) = file("?sv=2021-12-02&sig=x");
    let azure = store(&format!(
        "kind = \"azure\"\nendpoint = \"http://{}\"\nsas_token_file = \"{sas}\"",
        server.address
    ));
    let trouble = whole(azure.list("c", b"")).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Endless, "{trouble}");
    assert!(server.asked()[0].target.ends_with("&sv=2021-12-02&sig=x"), "{}", server.asked()[0].target);

    let server = Server::start(|asked| {
        Reply::of(
            200,
            format!("{{\"items\":[{{\"name\":\"n{:04}\"}}],\"nextPageToken\":\"t\"}}", asked.number),
        )
    })
    .await;
    let (_folder, token) = file("token");
    let google = store(&format!(
        "kind = \"gcs\"\nendpoint = \"http://{}\"\naccess_token_file = \"{token}\"",
        server.address
    ));
    let trouble = whole(google.list("b", b"")).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Endless, "{trouble}");
    assert_eq!(server.asked()[0].header("authorization"), "Bearer token");
}
