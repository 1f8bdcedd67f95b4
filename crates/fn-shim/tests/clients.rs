//! Clients that nobody here wrote: what a hand-written agent gets wrong, these may get right.
//!
//! A client that is not installed is passed over with a line that says so, unless `REQUIRE_CLIENTS` names it, as it does
//! in the CI wherever it could be installed.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it inside #[test] functions only")]

mod container;

use std::path::Path;
use std::process::{Command, Output};

use container::{Container, remark};

/// Whether to go on with this client.
fn is_installed(client: &str) -> bool {
    let answers = |flag| Command::new(client).arg(flag).output().is_ok_and(|output| output.status.success());
    if answers("--version") || answers("version") {
        return true;
    }
    let required = std::env::var("REQUIRE_CLIENTS").unwrap_or_default();
    assert!(!required.split_whitespace().any(|name| name == client), "{client} is required, and not there");
    remark(&format!(
        "SKIPPED: {client} is not installed, so it calls no function ('make clients' installs it)"
    ));
    false
}

fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// The agent's language, library and settings: see `tests/go/main.go`.
#[test]
fn go_calls_as_the_agent_does() {
    if !is_installed("go") {
        return;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let agent = place.join("agent");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&agent).arg("main.go");
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"));
    // The standard library alone: no modules, no network, no C compiler, nothing outside the target folder.
    build.envs([("GO111MODULE", "off"), ("GOFLAGS", ""), ("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local")]);
    build.env("GOCACHE", place.join("cache")).env("GOPATH", place.join("path"));
    succeeded(&mut build);

    let container = Container::start();
    let output = Command::new(&agent).arg(container.socket()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "8 situations\n");
}

fn curl(container: &Container, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    // Not what the user's own configuration says, nor a proxy of his.
    command.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--max-time", "20"]);
    command.arg("--unix-socket").arg(container.socket()).args(arguments);
    String::from_utf8(succeeded(&mut command).stdout).unwrap()
}

const URL: &str = "http://localhost/call";

#[test]
fn curl_calls_a_function() {
    if !is_installed("curl") {
        return;
    }
    let container = Container::start();
    // A body with its length, and one without.
    assert_eq!(curl(&container, &["--data", "{\"a\": 1}", URL]), "{\"a\": 1}");
    let chunked = "Transfer-Encoding: chunked";
    assert_eq!(curl(&container, &["--header", chunked, "--data", "{\"a\": 1}", URL]), "{\"a\": 1}");
    // Two calls on one connection: the second makes none.
    let written = curl(&container, &["--write-out", " %{num_connects};", "--data", "1", URL, URL]);
    assert_eq!(written, "1 1;1 0;");
    // More than curl sends unasked: it waits for "100 Continue".
    let file = container.folder().join("large.json");
    std::fs::write(&file, format!("\"{}\"", "x".repeat(3 * 1024 * 1024))).unwrap();
    let data = format!("@{}", file.display());
    let written = "%{http_code} %{size_download}";
    let counted = ["--output", "/dev/null", "--write-out", written, "--data-binary"];
    let expects = [&counted[..], &[data.as_str(), "--header", "Expect: 100-continue", URL]].concat();
    assert_eq!(curl(&container, &expects), "200 3145730");
    // What is refused.
    for (arguments, status) in [
        (&["--data", "{", URL][..], "502"),
        (&[URL], "502"),
        (&["--data", "1", "http://localhost/other"], "502"),
        (&["--data", "{\"behave\":\"late\"}", URL], "504"),
    ] {
        let code = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        assert_eq!(curl(&container, &[&code[..], arguments].concat()), status, "{arguments:?}");
    }
}

#[test]
fn curl_asks_as_a_gateway_does() {
    if !is_installed("curl") {
        return;
    }
    let container = Container::start_http();
    let reply = r#"{"reply": {"statusCode": 404, "headers": {"x-one": "1"}, "body": "not here"}}"#;
    let (intent, target) = ("Fn-Intent: httprequest", "Fn-Http-Request-Url: /a");
    let answer =
        curl(&container, &["--include", "--header", intent, "--header", target, "--data", reply, URL]);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nnot here"), "{answer}");
    let lower = answer.to_lowercase();
    assert!(lower.contains("\r\nfn-http-status: 404\r\n"), "{answer}");
    assert!(lower.contains("\r\nfn-http-h-x-one: 1\r\n"), "{answer}");
}
