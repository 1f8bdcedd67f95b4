//! The protocol of S3, with what stores make of it.

use std::sync::atomic::{AtomicBool, Ordering};

use mdss_relay_core::{Role, Settings};
use mdss_relay_stores::{Cursor, Order, Store, StoreSettings, TroubleKind};

use crate::bucket::{Bucket, SECRET, Writes, error};
use crate::common::{
    file, quick, r3_goes_on_where_it_was_broken_off, r6_every_odd_key_is_listed_unchanged, store, whole,
    whole_from,
};
use crate::emulator::ODD_KEYS;
use crate::server::{Reply, Server};

fn odd() -> Bucket {
    Bucket::of(ODD_KEYS.iter().map(|key| key.as_bytes().to_vec()).collect(), 3)
}

/// A server of one bucket, and a store there.
async fn serving(bucket: Bucket) -> (Server, Store, tempfile::TempDir) {
    let server = Server::start(move |asked| bucket.answer(asked)).await;
    let (folder, secret) = file(SECRET);
    let store = store(&server.s3(&secret));
    (server, store, folder)
}

#[tokio::test]
async fn r6_in_each_way_of_writing_keys() {
    for writes in [Writes::Form, Writes::Percent, Writes::Path] {
        let (_server, store, _folder) = serving(Bucket { writes, ..odd() }).await;
        let all = whole(store.list("b", b"")).await.unwrap();
        r6_every_odd_key_is_listed_unchanged(&all, &[]);
        assert_eq!((all.order, all.pages), (Order::Bytes, 5), "{writes:?}");
    }
    // Without an encoding XML has no character 1.
    let mut plain = Bucket { writes: Writes::Plain, ..odd() };
    plain.keys.retain(|key| key.is_ascii() && !key.contains(&1));
    let (_server, store, _folder) = serving(plain).await;
    let all = whole(store.list("b", b"")).await.unwrap();
    r6_every_odd_key_is_listed_unchanged(&all, &["ctl\u{1}x", "ünï/cö.txt"]);
}

/// What a plus means is asked once, and only where there is one.
#[tokio::test]
async fn a_plus_is_no_guess() {
    for (writes, requests) in [(Writes::Path, 3), (Writes::Form, 2)] {
        let keys = [&b"a+b c"[..], b"a b+c"].map(<[u8]>::to_vec).to_vec();
        let (server, store, _folder) = serving(Bucket { writes, ..Bucket::of(keys, 9) }).await;
        let all = whole(store.list("b", b"")).await.unwrap();
        assert_eq!(all.keys(), ["a b+c", "a+b c"], "{writes:?}");
        assert_eq!(server.asked().len(), requests, "{writes:?}");
    }
    let (server, _store, folder) = serving(Bucket { writes: Writes::Path, ..odd() }).await;
    let secret = folder.path().join("secret");
    let told = store(&format!("{}plus = \"plus\"", server.s3(secret.to_str().unwrap())));
    assert_eq!(whole(told.list("b", b"sp")).await.unwrap().keys(), ["sp ace+plus.txt"]);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn r3_in_both_versions_of_the_call() {
    for old in [None, Some(None), Some(Some("NotImplemented"))] {
        let (server, store, _folder) = serving(Bucket { old, ..Bucket::numbered(25, 10) }).await;
        r3_goes_on_where_it_was_broken_off(&store, "b", 3).await;
        let markers = server.asked().iter().filter(|asked| asked.parameter("marker").is_some()).count();
        assert_eq!(markers > 0, old.is_some(), "{old:?}");
    }
}

#[tokio::test]
async fn r3_a_killed_run_goes_on_after_its_last_key() {
    let (server, store, _folder) = serving(Bucket::numbered(25, 10)).await;
    let mut listing = store.list("b", b"");
    let first = listing.page(None).await.unwrap();
    let kept = first.next.unwrap().to_string();
    assert_eq!(kept, "ordered incoming/000009.pdf 10");
    drop(listing);
    let before = server.asked().len();
    let mut later = store.list("b", b"");
    let second = later.page(Some(&kept.parse().unwrap())).await.unwrap();
    assert_eq!(second.objects[0].key, b"incoming/000010.pdf");
    let asked = &server.asked()[before];
    assert_eq!(asked.text("start-after").unwrap(), "incoming/000009.pdf");
    // The token may have expired.
    assert_eq!(asked.parameter("continuation-token"), None);
}

/// NAVER Cloud documents that its listings come in no order.
#[tokio::test]
async fn r10_no_order() {
    let mut keys = Bucket::numbered(30, 10).keys;
    keys.swap(12, 17);
    let mixed = || Bucket { keys: keys.clone(), ..Bucket::of(Vec::new(), 10) };
    let (_server, store, _folder) = serving(mixed()).await;
    let mut listing = store.list("b", b"");
    let first = listing.page(None).await.unwrap();
    assert_eq!(listing.order(), Order::Bytes);
    let second = listing.page(first.next.as_ref()).await.unwrap();
    assert_eq!(listing.order(), Order::None);
    let third = listing.page(second.next.as_ref()).await.unwrap();
    assert_eq!((third.objects.len(), third.next, listing.order()), (10, None, Order::None));

    // Behind the first page the last key seemed to be a place; it is none, and the run hears it.
    let kept: Cursor = first.next.unwrap().to_string().parse().unwrap();
    let trouble = whole_from(store.list("b", b""), Some(kept)).await.err().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Unordered, "{trouble}");
    // And where it is known already, nobody goes on by a token that may have expired, even if there is one.
    for kept in ["unordered incoming/000009.pdf", "unordered incoming/000009.pdf 10"] {
        let trouble = store.list("b", b"").page(Some(&kept.parse().unwrap())).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unordered, "{trouble}");
        assert!(trouble.to_string().contains("begin again from the start"), "{trouble}");
    }
}

/// One page is fetched while the caller works on another one, and no more.
#[tokio::test]
async fn one_page_ahead() {
    let (server, store, _folder) = serving(Bucket::numbered(50, 10)).await;
    let mut listing = store.list("b", b"");
    let mut next = listing.page(None).await.unwrap().next;
    while server.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked().len(), 2);
    while let Some(cursor) = next {
        next = listing.page(Some(&cursor)).await.unwrap().next;
    }
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn a_bucket_is_found_in_its_region() {
    for headed in [true, false] {
        let bucket = Bucket { region: "eu-central-1", ..Bucket::numbered(5, 2) };
        let server = Server::start(move |asked| {
            if asked.header("authorization").contains("/eu-central-1/") {
                return bucket.answer(asked);
            }
            if headed {
                error(301, "PermanentRedirect", "elsewhere").with("x-amz-bucket-region", "eu-central-1")
            } else {
                Reply::of(
                    400,
                    "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>",
                )
            }
        })
        .await;
        let (_folder, secret) = file(SECRET);
        let all = whole(store(&server.s3(&secret)).list("b", b"")).await.unwrap();
        assert_eq!((all.objects.len(), server.asked().len()), (5, 4), "{headed}");

        // Who names a region has it.
        let fixed = store(&format!("{}region = \"us-west-1\"", server.s3(&secret)));
        let trouble = fixed.list("b", b"").page(None).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    }
}

/// Through a proxy, and with the name of the bucket in the name of the host.
#[tokio::test]
async fn a_proxy_and_a_virtual_host() {
    let bucket = Bucket::numbered(3, 2);
    let proxy = Server::start(move |asked| bucket.answer(asked)).await;
    let (_folder, secret) = file(SECRET);
    let toml = format!(
        "[[store]]\nname = \"far\"\nkind = \"s3\"\nbuckets = \"*\"\nendpoint = \"http://s3.example\"\nstyle = \"virtual\"\n\
         access_key_id = \"id\"\nsecret_access_key_file = \"{secret}\""
    );
    let vars =
        [("RELAY_CONFIG_TOML", toml), ("http_proxy", format!("http://user:pa%20ss@{}", proxy.address))];
    let vars = vars.map(|(name, value)| (name.into(), value.into()));
    let mut mistakes = Vec::new();
    let mut settings =
        StoreSettings::read(&Settings::read(vars, Role::Explain).settings, &mut mistakes).remove(0);
    settings.retry = quick();
    let all = whole(Store::open(&settings).unwrap().list("invoices", b"")).await.unwrap();
    assert_eq!(all.objects.len(), 3);
    let asked = proxy.asked();
    assert!(asked[0].target.starts_with("http://invoices.s3.example/?"), "{}", asked[0].target);
    assert_eq!(asked[0].header("host"), "invoices.s3.example");
    assert_eq!(asked[0].header("proxy-authorization"), "Basic dXNlcjpwYSBzcw==");
    assert!(!format!("{settings:?}").contains("ss@"), "{settings:?}");
}

/// A key that has been changed in its file is read when the store refuses the old one.
#[tokio::test]
async fn credentials_are_read_again_when_they_are_refused() {
    let (_server, store, folder) = serving(Bucket::numbered(3, 2)).await;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "wrong").unwrap();
    let trouble = store.list("b", b"").page(None).await.unwrap_err();
    assert_eq!(
        trouble.to_string(),
        "store \"here\", bucket \"b\": 403 SignatureDoesNotMatch: the signature does not match; the credentials may lack s3:ListBucket"
    );
    std::fs::write(&secret, SECRET).unwrap();
    assert_eq!(whole(store.list("b", b"")).await.unwrap().objects.len(), 3);
    std::fs::remove_file(&secret).unwrap();
    // What is known is used.
    assert_eq!(whole(store.list("b", b"")).await.unwrap().objects.len(), 3);
}

/// With a private authority, which has to be named.
#[tokio::test]
async fn a_private_authority() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let served = std::sync::Arc::new(
        rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certified.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap(),
        )
        .unwrap(),
    );
    let bucket = Bucket::numbered(3, 2);
    let server = Server::start_tls(served, move |asked| bucket.answer(asked)).await;
    let (_folder, secret) = file(SECRET);
    let port = server.address.rsplit(':').next().unwrap();
    let members = format!(
        "kind = \"s3\"\nendpoint = \"https://localhost:{port}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{secret}\"\n"
    );
    let trouble = store(&members).list("b", b"").page(None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable);
    assert!(trouble.to_string().ends_with("give its authority in ca_file"), "{trouble}");
    let (_other, pem) = file(&certified.cert.pem());
    let all = whole(store(&format!("{members}ca_file = \"{pem}\"")).list("b", b"")).await.unwrap();
    assert_eq!(all.objects.len(), 3);
}

/// A listing whose caller has gone asks for nothing more.
#[tokio::test]
async fn what_is_ahead_ends_with_its_listing() {
    let bucket = Bucket::numbered(50, 10);
    let let_go = std::sync::Arc::new(AtomicBool::new(false));
    let seen = let_go.clone();
    let server = Server::start(move |asked| {
        if asked.number > 0 && !seen.load(Ordering::Relaxed) {
            return error(503, "SlowDown", "Please reduce your request rate").with("Retry-After", "60");
        }
        bucket.answer(asked)
    })
    .await;
    let (_folder, secret) = file(SECRET);
    let store = store(&server.s3(&secret));
    let mut listing = store.list("b", b"");
    listing.page(None).await.unwrap();
    while server.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(listing);
    let_go.store(true, Ordering::Relaxed);
    assert_eq!(whole(store.list("b", b"")).await.unwrap().objects.len(), 50);
    assert_eq!(server.asked().len(), 2 + 5);
}
