//! One version, wherever it is said.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test]
async fn the_command_line_the_log_the_metrics_and_the_answers_name_one_version() {
    let mut asked = program().arg("--version").start().unwrap();
    assert!(asked.wait(LIMIT).await.unwrap().success());
    assert_eq!(asked.stdout(), format!("mdss-relay-http {VERSION}\n"));

    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(simple(&sim)).await;
    let named = format!("mdss-relay/{VERSION}");
    let taken = event(&server, created(&["a"])).await;
    let refused = post(&server, "/events", &[], "{}").await;
    let nowhere = post(&server, "/nowhere", &[], "{}").await;
    let metrics = send(&server, "GET", "/metrics", &[], "").await;
    for (answer, status) in [(&taken, 200), (&refused, 401), (&nowhere, 404), (&metrics, 200)] {
        assert_eq!((answer.status, answer.header("server")), (status, Some(named.as_str())), "{answer:?}");
    }
    let log = server.process.output();
    let first = log.lines().find(|line| line.contains("\"service.version\"")).unwrap_or_default();
    assert!(first.contains(&format!("\"service.version\":\"{VERSION}\"")), "{log}");
    let build = format!("\nmdss_relay_build_info{{version=\"{VERSION}\"}} 1\n");
    assert!(metrics.text().contains(&build), "{}", metrics.text());
    // What is no HTTP gets its answer past `hyper`, which encodes nothing for it any more.
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(b"GET / SPDY/1\r\n\r\n").await.unwrap();
    let mut last = String::new();
    stream.read_to_string(&mut last).await.unwrap();
    assert!(last.contains(&format!("\r\nserver: {named}\r\n")), "{last}");
}

/// What is shipped together is one version: each crate takes it from the workspace.
#[test]
fn every_crate_takes_the_version_of_the_workspace() {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut seen = 0;
    for folder in std::fs::read_dir(crates).unwrap() {
        let manifest = folder.unwrap().path().join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("\nversion.workspace = true\n"), "{}", manifest.display());
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}
