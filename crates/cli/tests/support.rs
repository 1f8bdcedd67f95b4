//! `support`: everything about a relay, and no secret, wherever one has been put.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod tool;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use mdss_relay_core::{Delivery, Role, Settings, plan};
use mdss_relay_spool::{Config, Place, Sender, Spool, SystemClock};
use serde_json::json;

/// Every place in which a secret may stand, each with one of its own. None is in an ordinary word.
const SECRETS: [&str; 12] = [
    "s3cret-api-key-in-a-file",
    "s3cret-token-in-a-file",
    "s3cret-token-in-a-variable",
    "s3cret-basic-password",
    "s3cret-hmac-in-the-toml",
    "s3cret-path-segment",
    "s3cret-shared",
    "s3cret-proxy-password",
    "s3cret-endpoint-user",
    "s3cret-endpoint-query",
    "s3cret-near-miss",
    "s3cret/\"quoted\"",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_the_file_wherever_it_was_put() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [key, token, variable, password, hmac, path, shared, proxy, user, query, miss, quoted] = SECRETS;
    let (key_file, token_file) = (file("api-key", &format!("{key}\n")), file("token", token));
    let path_file = file("path", path);
    let config = file(
        "relay.toml",
        &format!(
            r#"
            [mdss]
            endpoint = "http://u:{user}@127.0.0.1:9/api/webhook/realtime?key={query}"
            api_key_file = {key_file:?}
            [[source]]
            name = "minio"
            path = "/minio"
            auth = {{ bearer = {{ token_file = {token_file:?} }} }}
            [[source]]
            name = "jd"
            path = "/jd"
            auth = {{ path_secret = {{ secret_file = {path_file:?} }} }}
            [[source]]
            name = "three"
            path = "/three/{path}"
            auth = {{ basic = {{ user = "me", password = "{password}" }}, hmac = {{ header = "X-Sign", secret = "{hmac}" }} }}
            [[source]]
            name = "four"
            path = "/four"
            auth = {{ shared_secret = {{ header = "X-Key", secret = {quoted:?} }} }}
            [[source]]
            name = "five"
            path = "/five"
            auth = {{ not_yet_known = {{ anything = "{shared}" }} }}
            [[route]]
            name = "the invoices"
            source = "minio"
            bucket = "invoices"
            storage_client_id = "unit-1"
            "#
        ),
    );
    let data = dir.path().join("data");
    let (spool, keeping) =
        Spool::start(Config { place: Place::Directory(data.clone()), limit: 1 << 30 }, Arc::new(SystemClock))
            .unwrap();
    let body = json!({ "Records": [{ "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put", "secret": shared,
        "s3": { "bucket": { "name": "invoices" }, "object": { "key": "payroll-2026.pdf" } } }] });
    let delivery = Delivery {
        id: "minio-1".into(),
        headers: vec![("authorization".into(), format!("Bearer {token}"))],
        body: body.to_string().into(),
        ..Delivery::default()
    };
    let planned = plan(&Settings::read([], Role::Explain).settings.rules, &delivery);
    spool.accept(delivery, &planned, Sender::Proven).await.unwrap();
    // No line of a relay says these; whatever does, they are not handed on.
    let log: String = SECRETS
        .iter()
        .map(|secret| {
            json!({ "message": format!("said {secret} here"), "faas.document.name": "payroll-2026.pdf" })
                .to_string()
                + "\n"
        })
        .collect();
    let log = file("relay.log", &log);
    let pages = pages();
    let out = dir.path().join("support.txt");
    let variables = [
        ("RELAY_TOKEN", variable),
        ("RELAY_TOKN", miss),
        ("https_proxy", &format!("http://p:{proxy}@127.0.0.1:9")),
        ("PATH", "/usr/bin:/bin"),
    ];
    let mut arguments =
        vec!["--config", &config, "--data-dir", data.to_str().unwrap(), "--log", &log, "--url", &pages];
    arguments.extend(["--out", out.to_str().unwrap()]);
    let run = |more: &[&str]| {
        tokio::task::block_in_place(|| tool::run("support", &[&arguments, more].concat(), &variables, ""))
    };
    let said = run(&[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let text = std::fs::read_to_string(&out).unwrap();
    for secret in SECRETS {
        let escaped = secret.replace('"', "\\\"");
        assert!(!text.contains(secret) && !text.contains(&escaped), "{secret}: {text}");
        assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{secret}");
    }
    for words in [
        concat!("mdss-relay ", env!("CARGO_PKG_VERSION")),
        "=== system",
        "mdss.endpoint = http://127.0.0.1:9/api/webhook/realtime",
        &format!("source[0].auth.bearer.token_file = {token_file}"),
        "source[2].path = /three/…",
        "source[2].auth.basic.password = [hidden]",
        "route[0].name = the invoices",
        "RELAY_TOKEN=[hidden]",
        "is RELAY_TOKEN meant?",
        "\"id\":\"settings.",
        "\"depths\":",
        "payroll-2026.pdf",
        "status 200\nready as ever",
        "said [hidden] here",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("s3:ObjectCreated"), "no body is in it: {text}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(&[]);
    assert!(
        again.status == 1 && again.stderr.contains("File exists"),
        "it writes over nothing: {}",
        again.stderr
    );

    std::fs::remove_file(&out).unwrap();
    assert_eq!(run(&["--without-keys"]).status, 0);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(!text.contains("payroll") && text.matches("sha256:").count() > SECRETS.len(), "{text}");
    drop(spool);
    keeping.wait();
}

/// Answers every request like a relay that is ready, until the test ends.
fn pages() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\nready as ever",
            );
        }
    });
    format!("http://{address}")
}
