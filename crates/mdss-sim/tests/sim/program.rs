//! The program, started as a process, driven over its port, ended by a signal.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, object, request};

struct Program {
    child: Child,
    url: String,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdss-sim"));
    command.args(args).env_remove("MDSS_SIM_API_KEY").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it and waits for its one line.
fn start(mut command: Command) -> Program {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
    let url = url.unwrap_or_else(|| panic!("{line:?} {}", stderr(&mut child)));
    Program { child, url }
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
    text
}

/// What it says on stderr, and its exit code, when it does not start.
fn fails(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"", "{output:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

impl Program {
    fn addr(&self) -> SocketAddr {
        self.url.split('/').nth(2).unwrap().parse().unwrap()
    }

    fn signal(mut self, name: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        let patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still there 10 seconds after {name}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_is_driven_over_its_port_and_stops_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let key = write(&dir.path().join("key"), "file-key\n");
    let script = write(&dir.path().join("script.json"), r#"["unavailable"]"#);
    let keyed = write(&dir.path().join("keyed.json"), r#"{"key": "bad", "steps": ["web_page"]}"#);
    let port_file = dir.path().join("port");
    let args = [
        ["--listen", "127.0.0.1:0", "--unit", "u-1=oracle", "--unit"],
        ["u-2=s3-compatible:event-based:scan-1", "--api-key-file", &key, "--script", &script],
        ["--script", &keyed, "--port-file", port_file.to_str().unwrap(), "--status-accepted=202"],
    ];
    let program = start(command(args.as_flattened()));
    assert_eq!(program.url, format!("http://{}/api/webhook/realtime", program.addr()));
    let port = std::fs::read_to_string(&port_file).unwrap();
    assert_eq!(port, format!("{}\n", program.addr().port()));

    let mut client = Client::connect(program.addr()).await;
    let object = |key| object("u-1", key).replace("test-key", "file-key");
    assert_eq!(client.ask(object("good")).await.status, 503);
    assert_eq!(client.ask(object("bad")).await.header("content-type"), Some("text/html"));
    let id = client.ask(object("good")).await.correlation_id();

    // Another process looks, and changes what comes next.
    let accepted = client.ask(request("GET", "/_sim/accepted", "", "")).await;
    assert_eq!(
        accepted.json(),
        json!([{ "storage_client_id": "u-1", "key": "good", "times": 1, "last_correlation_id": id }])
    );
    let requests = client.ask(request("GET", "/_sim/requests", "", "")).await.json();
    assert_eq!(requests.as_array().unwrap().len(), 3);
    assert_eq!(requests[2]["status"], 202);
    assert_eq!(
        requests[2]["body"],
        "{\"metadata\":\"{\\\"Name\\\":\\\"good\\\"}\",\"storageClientId\":\"u-1\"}"
    );
    assert!(!requests.to_string().contains("file-key"));

    let queue = |text: &str| request("POST", "/_sim/script", "", text);
    assert_eq!(client.ask(queue(r#"["empty_object", "hang"]"#)).await.json(), json!({ "queued": 2 }));
    let mistake = client.ask(queue(r#"["hangs"]"#)).await;
    assert!(
        mistake.status == 400 && mistake.text().contains("step 1: unknown variant `hangs`"),
        "{mistake:?}"
    );
    assert_eq!(client.ask(object("k")).await.json(), json!({}));
    assert_eq!(client.ask(request("DELETE", "/_sim/script", "", "")).await.status, 204);
    client.ask(object("k")).await.correlation_id();

    assert_eq!(client.ask(request("DELETE", "/_sim/requests", "", "")).await.status, 204);
    for list in ["/_sim/accepted", "/_sim/requests"] {
        assert_eq!(client.ask(request("GET", list, "", "")).await.json(), json!([]), "{list}");
    }
    assert_eq!(program.signal("-TERM").code(), Some(0));
}

#[tokio::test]
async fn a_hanging_request_does_not_keep_it_from_stopping() {
    let mut command = command(&[]);
    let program = start({
        command.env("MDSS_SIM_API_KEY", "from-env");
        command
    });
    let mut client = Client::connect(program.addr()).await;
    assert_eq!(client.ask(object(mdss_sim::units::ORACLE, "k")).await.status, 401);
    client.ask(request("POST", "/_sim/script", "", r#"["hang"]"#)).await;
    client.send(object(mdss_sim::units::ORACLE, "k").replace("test-key", "from-env")).await;
    assert_eq!(program.signal("-INT").code(), Some(0));
    assert!(client.answer().await.is_err());
}

#[tokio::test]
async fn it_serves_tls_and_a_rate() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = write(&dir.path().join("cert.pem"), &made.cert.pem());
    let key = write(&dir.path().join("key.pem"), &made.signing_key.serialize_pem());
    let program = start(command(&["--tls-cert", &certificate, "--tls-key", &key]));
    assert!(program.url.starts_with("https://127.0.0.1:"), "{}", program.url);

    // What a tool that examines a set-up has to cope with.
    let odd = ["--any-unit", "--key-check=after-unit", "--storage-list=bearer", "--date", "-5m"];
    let program = start(command(&[&odd[..], &["--handshake-delay", "50ms"]].concat()));
    let started = Instant::now();
    let mut client = Client::connect(program.addr()).await;
    assert_eq!(client.ask(object("nobody", "k")).await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(50));
    let listed = client.ask(request("GET", mdss_sim::STORAGES_PATH, "ApiKey: test-key\r\n", "")).await;
    assert_eq!(listed.status, 401);

    let program = start(command(&["--rate", "0", "--burst", "0"]));
    let mut client = Client::connect(program.addr()).await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(client.ask(object(mdss_sim::units::ORACLE, "k")).await.status);
    }
    assert_eq!(statuses, [200, 503]);
}

#[tokio::test]
async fn what_it_accepted_is_known_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    let unit = mdss_sim::units::ORACLE;
    for key in ["a", "b"] {
        let mut program = start(command(&["--journal", journal.to_str().unwrap()]));
        let mut client = Client::connect(program.addr()).await;
        assert_eq!(client.ask(object(unit, key)).await.status, 200);
        assert_eq!(client.ask(object("nobody", "refused")).await.status, 400);
        program.child.kill().unwrap();
        program.child.wait().unwrap();
    }
    let text = std::fs::read_to_string(&journal).unwrap();
    let keys: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| (line["storage_client_id"] == unit, line["key"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(keys, [(true, "a".to_owned()), (true, "b".to_owned())]);

    // What cannot be written down is not accepted.
    let program = start(command(&["--journal", "/dev/full"]));
    let mut client = Client::connect(program.addr()).await;
    assert_eq!(client.ask(object(unit, "k")).await.status, 503);
    let accepted = client.ask(request("GET", "/_sim/accepted", "", "")).await;
    assert_eq!(accepted.json(), json!([]));
    program.signal("-TERM");
}

#[test]
fn mistakes_end_with_2_before_a_port_opens() {
    let dir = tempfile::tempdir().unwrap();
    let script = write(&dir.path().join("script.json"), r#"["hangs"]"#);
    let empty = write(&dir.path().join("empty"), "\n");
    for (args, sentence) in [
        (&["--listen", "localhost"][..], "invalid socket address"),
        (&["--listen", "0.0.0.0:0"], "0.0.0.0:0 is not loopback"),
        (&["--unit", "u=s3"], "storage type \"s3\", expected one of amazon-s3"),
        (&["--unit", "u=ftp", "--unit", "u=nfs"], "storage unit u is given twice"),
        (&["--script", &script], "step 1: unknown variant `hangs`"),
        (&["--script", "/nowhere"], "--script /nowhere: No such file"),
        (&["--api-key-file", &empty], "the API key is empty"),
        (&["--tls-cert", &empty], "--tls-key"),
        (&["--tls-cert", &empty, "--tls-key", &empty], "no PEM certificate found"),
        (&["--burst", "1"], "--rate"),
        (&["--status-accepted", "100"], "expected 200 to 999"),
        (&["--key-check", "last"], "key check \"last\", expected one of first, after-unit"),
        (&["--storage-list", "all"], "expected one of key-or-bearer, key, bearer, forbidden, web-page"),
        (&["--date", "5"], "by how much the clock is wrong"),
        (&["--handshake-delay=-1s"], "expected a duration with its unit"),
        (&["--lisen", "127.0.0.1:0"], "unexpected argument"),
    ] {
        let (code, text) = fails(command(args));
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(sentence), "{args:?}: {text}");
    }
    // Two mistakes are told together.
    let (_, text) = fails(command(&["--script", "/nowhere", "--api-key-file", "/nowhere"]));
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn a_port_in_use_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, text) = fails(command(&["--listen", &taken.local_addr().unwrap().to_string()]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("in use"), "{text}");
}
