//! How long a listing takes, and how much memory. Against an S3 store in the same process, which makes its pages as they are asked
//! for, and beside it the same pages fetched by a bare client that looks at none of them; then a tree with all files in one directory.
//!
//! `cargo bench -p mdss-relay-stores`; with `-- 10000` so many objects in place of 100,000 and a million.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and ends where it fails")]

use std::path::Path;
use std::time::{Duration, Instant};

use mdss_relay_core::{Role, Settings};
use mdss_relay_stores::{Listing, Store, StoreSettings};

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/lists/server.rs"]
mod server;

use server::{Asked, Reply, Server};

const PAGE: usize = 1000;

/// A bucket of so many keys of fifty bytes.
fn bucket(asked: &Asked, objects: usize) -> Reply {
    let from: usize = asked.text("continuation-token").map_or(0, |token| token.parse().unwrap());
    let end = (from + PAGE).min(objects);
    let mut xml = String::with_capacity(400_000);
    xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>");
    xml.push_str(&format!("<EncodingType>url</EncodingType><KeyCount>{}</KeyCount>", end - from));
    xml.push_str(&format!("<IsTruncated>{}</IsTruncated>", end < objects));
    if end < objects {
        xml.push_str(&format!("<NextContinuationToken>{end}</NextContinuationToken>"));
    }
    for number in from..end {
        xml.push_str(&format!(
            "<Contents><Key>incoming/2026/11/invoice%20of%20customer-{number:010}.pdf</Key><LastModified>2026-11-27T02:00:00.000Z</LastModified>\
             <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>48213</Size><StorageClass>STANDARD</StorageClass></Contents>"
        ));
    }
    xml.push_str("</ListBucketResult>");
    Reply::of(200, xml)
}

fn store(members: &str) -> Store {
    let toml = format!("[[store]]\nname = \"bench\"\nbuckets = \"*\"\n{members}");
    let read = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
    let mut mistakes = Vec::new();
    let stores = StoreSettings::read(&read.settings, &mut mistakes);
    assert_eq!(mistakes, []);
    Store::open(&stores[0]).unwrap()
}

async fn listed(mut listing: Listing) -> (usize, Duration) {
    let began = Instant::now();
    let (mut objects, mut next) = (0, None);
    loop {
        let page = listing.page(next.as_ref()).await.unwrap();
        objects += page.objects.len();
        next = page.next;
        if next.is_none() {
            return (objects, began.elapsed());
        }
    }
}

/// The same pages by a client that looks for the token alone.
async fn fetched(address: &str) -> Duration {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(mdss_relay_core::public_tls(&[]).unwrap())
        .no_proxy()
        .build()
        .unwrap();
    let (began, mut token) = (Instant::now(), String::new());
    loop {
        let url = format!("http://{address}/b?list-type=2{token}");
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        let Some((_, rest)) = text.split_once("<NextContinuationToken>") else { return began.elapsed() };
        token = format!("&continuation-token={}", rest.split_once('<').unwrap().0);
    }
}

/// The most memory that the process has had, and what it has now, in megabytes.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    (of("VmHWM:").unwrap_or_default() / 1024, of("VmRSS:").unwrap_or_default() / 1024)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok());
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    for objects in given.map_or(vec![100_000, 1_000_000], |one| vec![one]) {
        let server = Server::start(move |asked| bucket(asked, objects)).await;
        let bare = fetched(&server.address).await;
        let store = store(&server.s3(secret.to_str().unwrap()));
        let (found, took) = listed(store.list("b", b"")).await;
        assert_eq!(found, objects);
        let (most, now) = memory();
        println!(
            "S3: {objects} objects in {:.2} s, {:.0} a second; the same pages fetched and not read {:.2} s; memory with the store {now} MB, \
             at most {most} MB",
            took.as_secs_f64(),
            objects as f64 / took.as_secs_f64(),
            bare.as_secs_f64()
        );
    }
    let objects = given.unwrap_or(1_000_000);
    let tree = folder.path().join("tree");
    fill(&tree, objects);
    let (found, took) = listed(
        store(&format!("kind = \"directory\"\npath = \"{}/{{bucket}}\"", folder.path().display()))
            .list("tree", b""),
    )
    .await;
    assert_eq!(found, objects);
    let (most, now) = memory();
    println!(
        "one directory: {objects} files in {:.2} s, {:.0} a second; memory {now} MB, at most {most} MB",
        took.as_secs_f64(),
        objects as f64 / took.as_secs_f64()
    );
}

/// Files of one directory, all of them names of one empty file: as many as a file may have, then another one.
fn fill(tree: &Path, objects: usize) {
    const NAMES: usize = 60_000;
    std::fs::create_dir(tree).unwrap();
    let mut one = tree.to_owned();
    for number in 0..objects {
        let path =
            tree.join(format!("invoice of customer-{:010}.pdf", number.wrapping_mul(7_919) % 1_000_003));
        if number % NAMES == 0 {
            std::fs::write(&path, "").unwrap();
            one = path;
        } else {
            std::fs::hard_link(&one, &path).unwrap();
        }
    }
}
