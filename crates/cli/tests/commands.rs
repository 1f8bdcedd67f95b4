//! The commands as a person and a script use them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::io::Write;
use std::net::SocketAddr;

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::SETTINGS;
use mdss_relay_http::{Configuration, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::Value;
use tokio::net::TcpListener;

const EVENT: &str = r#"{"Records":[{"eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a%2Fb+c"}}}]}"#;
const TOKEN: &str = "t0ken-of-the-test";

fn run(args: &[&str], vars: &[(&str, &str)], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdss-relay"));
    command.args(args).env_clear().envs(vars.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command line that is refused is refused before anything is read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_names_no_setting_that_there_is_not() {
    let mut named = 0;
    for command in [
        vec!["explain"],
        vec!["match"],
        vec!["replay"],
        vec!["notification", "write"],
        vec!["notification", "check"],
        vec!["spool"],
        vec!["spool", "purge"],
    ] {
        let output = run(&[&command[..], &["--help"]].concat(), &[], "");
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let help = text(&output.stdout);
        let words = help.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        for word in words.filter(|word| word.starts_with("RELAY_")) {
            named += 1;
            assert!(SETTINGS.iter().any(|setting| setting.variable == word), "{command:?}: {word}");
        }
    }
    assert!(named >= 4, "only {named} names were found");
}

// === explain ===

#[test]
fn explain_reads_standard_input_and_the_settings() {
    let output = run(&["explain", "-"], &[("STORAGECLIENTID", "unit-1")], EVENT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((line["file"].as_str(), line["records"][0]["key"].as_str()), (Some("-"), Some("a/b c")));
    assert_eq!(line["records"][0]["request"]["storageClientId"], "unit-1");
    assert_eq!(text(&output.stdout).lines().count(), 1);

    let ceph = run(&["explain", "--dialect", "ceph", "-"], &[], EVENT);
    let line: Value = serde_json::from_slice(&ceph.stdout).unwrap();
    assert_eq!(line["records"][0]["key"], "a%2Fb+c");
    assert_eq!(line["records"][0]["reason"], "unmapped_bucket", "without a route");
    assert_eq!(line["outcome"], "reject");
}

#[test]
fn explain_shows_no_character_that_a_terminal_acts_on() {
    let event = EVENT.replace("a%2Fb+c", "%E2%80%AEfdp%C2%9B2J%7F");
    let output = run(&["explain", "-"], &[("STORAGECLIENTID", "unit-1")], &event);
    let line = text(&output.stdout);
    assert!(line.contains(r#""key":"\u202efdp\u009b2J\u007f""#), "{line}");
    assert!(!line.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{line}");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["records"][0]["key"], "\u{202e}fdp\u{9b}2J\u{7f}");
}

#[test]
fn explain_exits_2_only_for_what_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, b"\xff\x00{").unwrap();
    let garbage = garbage.to_str().unwrap();
    let rejected = run(&["explain", garbage], &[], "");
    assert_eq!(rejected.status.code(), Some(0));
    assert!(text(&rejected.stdout).contains(r#""outcome":"reject""#));

    // The files that can be read are printed all the same.
    let missing = run(&["explain", "/nonexistent.json", garbage], &[], "");
    assert_eq!((missing.status.code(), text(&missing.stdout).lines().count()), (Some(2), 1));
    assert!(text(&missing.stderr).contains("/nonexistent.json"));

    for (args, vars, words) in [
        (vec!["explain", "--dialect", "s3", "-"], vec![], "one of oci, oci-stream"),
        (vec!["explain", "--at", "noon", "-"], vec![], "RFC 3339"),
        (vec!["explain"], vec![], "EVENT"),
        (vec!["explain", "--config", "/nonexistent.toml", "-"], vec![], "/nonexistent.toml"),
        (vec!["explain", "-"], vec![("RELAY_TIMOUT", "s3cret")], "is RELAY_TIMEOUT meant?"),
        (
            vec!["explain", "-"],
            vec![("APIKEY", "s3cret\u{e9}"), ("RELAY_DEADLINE", "5")],
            "2 mistakes in the settings",
        ),
    ] {
        let output = run(&args, &vars, EVENT);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(words), "{args:?}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("s3cret") && output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn explain_stands_at_the_same_gate_as_the_server() {
    let wrapped = |path: &str, headers: &str| {
        serde_json::json!({ "method": "POST", "path": path, "headers": serde_json::from_str::<Value>(headers).unwrap(), "body": EVENT })
            .to_string()
    };
    let bearer = format!(r#"{{"authorization":"Bearer {TOKEN}"}}"#);
    let unit = ("STORAGECLIENTID", "unit-1");
    for (vars, input, outcome) in [
        // Without a guard in the settings there is no gate, and no path either.
        (vec![unit], wrapped("/anything", "{}"), "ok"),
        (vec![unit, ("RELAY_TOKEN", TOKEN)], wrapped("/anything", &bearer), "ok"),
        (vec![unit, ("RELAY_TOKEN", TOKEN)], wrapped("/events", "{}"), "unauthorized"),
        (vec![unit, ("RELAY_TOKEN", TOKEN)], EVENT.to_owned(), "ok"),
        (vec![unit], r#"{"method":"GET","body":""}"#.into(), "reject"),
        (vec![unit], r#"{"method":"HEAD","body":""}"#.into(), "ok"),
    ] {
        let output = run(&["explain", "-"], &vars, &input);
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(line["outcome"], outcome, "{vars:?} {input}");
        if outcome == "unauthorized" {
            assert_eq!(line["records"], serde_json::json!([]), "nothing is said of the body");
        }
    }
}

#[test]
fn explain_is_strict_where_it_is_asked_to_be() {
    let toml =
        "[[route]]\nname = \"the invoices\"\nbucket = \"b\"\nprefix = \"a/\"\nstorage_client_id = \"unit-1\"";
    let vars = [("RELAY_CONFIG_TOML", toml)];
    let request = |method: &str| serde_json::json!({ "method": method, "body": "{}" }).to_string();
    for (what, input, status) in [
        ("sent", EVENT.to_owned(), 0),
        ("a deletion", EVENT.replace("ObjectCreated:Put", "ObjectRemoved:Delete"), 0),
        ("not selected", EVENT.replace("a%2F", "c%2F"), 1),
        ("no route", EVENT.replace(r#""b""#, r#""other""#), 1),
        ("garbage", "garbage".to_owned(), 1),
        ("a wrong method", request("PUT"), 1),
    ] {
        let strict = run(&["explain", "--strict", "-"], &vars, &input);
        assert_eq!(strict.status.code(), Some(status), "{what}: {}", text(&strict.stdout));
        assert_eq!(run(&["explain", "-"], &vars, &input).status.code(), Some(0), "{what}");
        let line: Value = serde_json::from_slice(&strict.stdout).unwrap();
        let names = &line["records"][0]["unit_names"];
        let want = if what == "sent" { serde_json::json!(["the invoices"]) } else { Value::Null };
        assert_eq!(*names, want, "{what}");
    }
    let gate = run(&["explain", "--strict", "-"], &[("RELAY_TOKEN", TOKEN)], &request("POST"));
    assert_eq!(gate.status.code(), Some(1), "refused by the gate: {}", text(&gate.stdout));
    assert_eq!(run(&["explain", "--strict", "/nonexistent", "-"], &vars, EVENT).status.code(), Some(2));
}

// === replay ===

/// The HTTP adapter's own server, in this process; returns its URL.
async fn server(sim: &Sim) -> String {
    let vars = [
        ("APIENDPOINT", sim.url()),
        ("APIKEY", DEFAULT_API_KEY.to_owned()),
        ("STORAGECLIENTID", units::S3_COMPATIBLE.to_owned()),
        ("RELAY_TOKEN", TOKEN.to_owned()),
        ("RELAY_ATTEMPTS", "1".to_owned()),
    ];
    let reading = Configuration::read(vars.into_iter().map(|(n, v)| (n.into(), v.into())));
    let configuration = reading.outcome.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(
        async move { Server::new(configuration).serve(listener, std::future::pending::<&str>()).await },
    );
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_shows_what_became_of_each_object() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let url = server(&sim).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), EVENT).unwrap();
    std::fs::write(folder.path().join("b.json"), EVENT.replace("a%2Fb", "later")).unwrap();
    std::fs::write(folder.path().join("c.json"), "garbage").unwrap();
    std::fs::write(folder.path().join("a.want.json"), "an answer, not a delivery").unwrap();
    let folder = folder.path().to_str().unwrap().to_owned();
    sim.push_for("later c", vec![Step::Unavailable; 9]);

    let (url_, folder_) = (url.clone(), folder.clone());
    let replay = move |args: &[&str], token: &str| {
        let mut all = vec!["replay", "--url", &url_];
        all.extend(args);
        all.push(&folder_);
        run(&all, &[("RELAY_TOKEN", token)], "")
    };
    let table = tokio::task::block_in_place(|| replay(&[], TOKEN));
    assert_eq!(table.status.code(), Some(1), "something failed");
    let shown = text(&table.stdout);
    for words in [
        "b/a/b c ",
        "accepted",
        "mdss_unavailable",
        "unreadable",
        "3 deliveries: 1 done, 1 permanent, 1 transient; 3 records: 1 accepted, 2 failed",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.contains(&sim.accepted()[0].last_correlation_id), "{shown}");

    let json = tokio::task::block_in_place(|| replay(&["--json"], TOKEN));
    let lines: Vec<Value> = text(&json.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let outcomes: Vec<_> =
        lines.iter().map(|l| (l["outcome"].as_str().unwrap(), l["status"].as_u64())).collect();
    assert_eq!(outcomes, [("done", Some(200)), ("transient", Some(503)), ("permanent", Some(400))]);

    let refused = tokio::task::block_in_place(|| replay(&["--json"], "another-token"));
    assert_eq!(
        (refused.status.code(), text(&refused.stdout).matches(r#""outcome":"refused""#).count()),
        (Some(1), 3)
    );
    assert!(!text(&refused.stdout).contains("another-token"));
}

/// What an operator does to try the way through the proxy: its certificate is a private one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_goes_over_tls_and_says_whose_certificate_it_lacks() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let behind = server(&sim).await;
    let folder = tempfile::tempdir().unwrap();
    let (proxy, certificate) = tls_in_front_of(&behind, folder.path()).await;
    let event = folder.path().join("a.json");
    std::fs::write(&event, EVENT).unwrap();
    let (event, url) = (event.to_str().unwrap(), format!("https://{proxy}/events"));
    let replay = |args: &[&str], token: &str| {
        let vars = [("RELAY_TOKEN", token)];
        let vars = if token.is_empty() { &[][..] } else { &vars };
        tokio::task::block_in_place(|| run(&[&["replay"], args, &[event]].concat(), vars, ""))
    };
    let through = ["--url", &url, "--ca-file", &certificate];
    let good = replay(&through, TOKEN);
    assert_eq!(good.status.code(), Some(0), "{}{}", text(&good.stdout), text(&good.stderr));
    assert!(
        text(&good.stdout).contains("1 delivery: 1 done; 1 record: 1 accepted"),
        "{}",
        text(&good.stdout)
    );

    let untrusted = replay(&["--url", &url], TOKEN);
    assert_eq!(untrusted.status.code(), Some(1));
    assert!(text(&untrusted.stdout).contains("--ca-file trusts"), "{}", text(&untrusted.stdout));
    let plain = behind.replace("http://", "https://");
    let plain = replay(&["--url", &plain], TOKEN);
    assert!(text(&plain.stdout).contains("is http:// meant?"), "{}", text(&plain.stdout));

    for (token, words) in [("", "RELAY_TOKEN is not set here"), ("wr0ng", "not what this source expects")] {
        let refused = replay(&through, token);
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(said.contains(words) && said.contains("token_file") && !said.contains("wr0ng"), "{said}");
    }
    for (args, words) in [
        (&["--url", "127.0.0.1:8080/s3cret"][..], "is http://127.0.0.1:8080/… meant?"),
        (&["--url", "ftp://127.0.0.1/s3cret"], "http:// or https://"),
        (&["--url", &url, "--ca-file", event], "expected certificates in PEM"),
    ] {
        let refused = replay(args, TOKEN);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        let said = text(&refused.stderr);
        assert!(said.contains(words) && !said.contains("s3cret"), "{args:?}: {said}");
    }
}

/// Something that speaks TLS and hands everything on to the server at a URL; and the file with its certificate.
async fn tls_in_front_of(url: &str, folder: &std::path::Path) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let file = folder.join("ca.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let behind = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let (Ok(mut near), Ok(mut far)) =
                    (acceptor.accept(stream).await, tokio::net::TcpStream::connect(behind).await)
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, file.to_str().unwrap().to_owned())
}

/// Function Compute believes a header and no status.
#[test]
fn replay_tells_when_a_platform_takes_a_failure_for_done() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let function = std::thread::spawn(move || {
        for head in ["HTTP/1.1 404 Not Found\r\n", "HTTP/1.1 404 Not Found\r\nx-fc-status: 404\r\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            // The body follows its head, or comes with it.
            let mut request = [0; 4096];
            let mut read = 0;
            while !request[..read].ends_with(EVENT.as_bytes()) {
                read += std::io::Read::read(&mut stream, &mut request[read..]).unwrap();
            }
            let answer = format!("{head}content-length: 2\r\nconnection: close\r\n\r\nno");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, EVENT).unwrap();
    let args = ["replay", "--function-port", &address, "--platform", "alibaba-fc", file.to_str().unwrap()];
    for reason in ["taken_for_done", "http_404"] {
        let output = run(&args, &[], "");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(reason), "{reason}: {}", text(&output.stdout));
    }
    function.join().unwrap();
}

#[tokio::test]
async fn replay_tells_when_nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, EVENT).unwrap();
    let file = file.to_str().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (url, port) = (format!("http://{closed}/events"), closed.to_string());
    for (args, words) in [
        (vec!["replay", "--url", &url, file], "unanswered"),
        (vec!["replay", "--fn-socket", "/nonexistent/lsnr.sock", file], "unanswered"),
        (vec!["replay", "--runtime-api", "127.0.0.1:0", "--timeout", "1", file], "unanswered"),
        (vec!["replay", "--scf-runtime-api", "127.0.0.1:0", "--timeout", "1", file], "unanswered"),
        (vec!["replay", "--functiongraph-runtime-api", "127.0.0.1:0", "--timeout", "1", file], "unanswered"),
        (vec!["replay", "--function-port", &port, "--platform", "tencent-scf", file], "unanswered"),
    ] {
        let started = std::time::Instant::now();
        let output = run(&args, &[], "");
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(words), "{args:?}: {}", text(&output.stdout));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    for args in [
        vec!["replay", file],
        vec!["replay", "--url", "127.0.0.1/", file],
        vec!["replay", "--url", &url, "--fn-socket", "/x", file],
        vec!["replay", "--runtime-api", "0.0.0.0:0", file],
        vec!["replay", "--scf-runtime-api", "0.0.0.0:0", file],
        vec!["replay", "--function-port", &port, file],
        vec!["replay", "--platform", "alibaba-fc", file],
        vec!["replay", "--function-port", &port, "--platform", "yandex", file],
        vec!["replay", "--url", &url, "/nonexistent"],
    ] {
        assert_eq!(run(&args, &[], "").status.code(), Some(2), "{args:?}");
    }
}
