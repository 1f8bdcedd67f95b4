//! Azure Blob Storage, as azurite plays it (`.ci/azurite`). It looks at signatures.

use std::process::Command;

use bytes::Bytes;
use http::Request;
use mdss_relay_stores::{Order, TroubleKind};
use reqsign_azure_storage::{RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, Signer};

use crate::common::{
    file, r3_goes_on_where_it_was_broken_off, r6_every_odd_key_is_listed_unchanged, store, whole,
};
use crate::emulator::{ODD_KEYS, Program, encoded, installed, send_raw};

/// The account and the key that every azurite has; they open nothing else.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// It takes the one and then lists with 500, because it writes every name into XML as it is; and it stores the other one with a slash.
const NOT_HERE: [&str; 2] = ["ctl\u{1}x", "back\\slash"];

async fn put(azurite: &Program, path: &str, body: &str) {
    let signer = Signer::new(
        Context::new(),
        StaticCredentialProvider::new_shared_key(ACCOUNT, KEY),
        RequestSigner::new(),
    );
    let request = Request::put(format!("http://{}/{ACCOUNT}/{path}", azurite.line))
        .header("x-ms-version", "2021-12-02")
        .header("x-ms-blob-type", "BlockBlob")
        .header("content-length", body.len().to_string());
    let mut parts = request.body(Bytes::new()).unwrap().into_parts().0;
    signer.sign(&mut parts, None).await.unwrap();
    let mut head = format!("PUT {} HTTP/1.1\r\nHost: {}", parts.uri.path_and_query().unwrap(), azurite.line);
    for (name, value) in &parts.headers {
        if name != "content-length" && name != "host" {
            head.push_str(&format!("\r\n{name}: {}", value.to_str().unwrap()));
        }
    }
    let answer = send_raw(&azurite.line, &head, body.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 201"), "{path}: {answer}");
}

#[tokio::test]
async fn r6_azurite() {
    let place = installed("azurite");
    let works =
        Command::new("node").arg("--version").output().is_ok() && place.join("node_modules/azurite").is_dir();
    if !drive::available("azurite", works).unwrap() {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists/serve_azurite.js");
    let azurite = Program::start(Command::new("node").arg(script).arg(place.canonicalize().unwrap()));
    put(&azurite, "odd?restype=container", "").await;
    for key in ODD_KEYS.into_iter().filter(|key| !NOT_HERE.contains(key)) {
        put(&azurite, &format!("odd/{}", encoded(key, true)), key).await;
    }
    put(&azurite, "many?restype=container", "").await;
    for number in 0..1010 {
        put(&azurite, &format!("many/{number:05}"), "").await;
    }
    let members = format!("kind = \"azure\"\nendpoint = \"http://{}/{ACCOUNT}\"\n", azurite.line);
    let (_folder, key) = file(KEY);
    let own = store(&format!("{members}account = \"{ACCOUNT}\"\naccount_key_file = \"{key}\""));
    let odd = whole(own.list("odd", b"")).await.unwrap();
    r6_every_odd_key_is_listed_unchanged(&odd, &NOT_HERE);
    assert_eq!(odd.order, Order::Bytes);
    assert_eq!(whole(own.list("odd", b"a//")).await.unwrap().keys(), ["a//b"]);
    r3_goes_on_where_it_was_broken_off(&own, "many", 2).await;

    let trouble = own.list("nothing", b"").page(None).await.unwrap_err();
    assert_eq!(
        (trouble.kind, trouble.code.as_deref()),
        (TroubleKind::Missing, Some("ContainerNotFound")),
        "{trouble}"
    );
    let (_other, wrong) = file("d3Jvbmc=");
    let stranger = store(&format!("{members}account = \"{ACCOUNT}\"\naccount_key_file = \"{wrong}\""));
    let trouble = stranger.list("odd", b"").page(None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Denied, "{trouble}");
    assert!(trouble.to_string().contains("Storage Blob Data Reader"), "{trouble}");
}
