//! The function in an image: a process that SCF calls over port 9000. `tiNN` is a situation of the table in the README.
//!
//! The port is fixed, so the test runs in a network of its own: this test binary, started again by `unshare`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod platform;

use std::env;
use std::process::Command;

use drive::{HttpPoster, Process, Server, available, until};
use mdss_sim::{Config, Sim, Step};
use platform::{LIMIT, created, program, tells_no_secret};
use serde_json::Value;

const CALL: &str = "http://127.0.0.1:9000/event-invoke";
const HEADERS: [(&str, &str); 5] = [
    ("X-Scf-Request-Id", "r1"),
    ("X-Scf-Timeout", "20000"),
    ("X-Scf-Secret-Id", "planted-id"),
    ("X-Scf-Secret-Key", "planted-key"),
    ("X-Scf-Session-Token", "planted-session"),
];

#[test]
fn ti01_to_ti03_an_image_is_called_over_its_port() {
    let own_network = ["-rn", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let unshare = |args: &[&str]| Command::new("unshare").args(own_network).args(args).output();
    let works = unshare(&["true"]).is_ok_and(|output| output.status.success());
    if !available("unshare", works).unwrap() {
        return;
    }
    let itself = env::current_exe().unwrap();
    let output =
        unshare(&[itself.to_str().unwrap(), "--exact", "image", "--ignored", "--nocapture"]).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "needs a network of its own, which the test above makes"]
async fn image() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("down", vec![Step::Unavailable; 9]);
    let mut process: Process = program(&sim, &[]).start().unwrap();
    process.wait_for_line("listening on http://0.0.0.0:9000", LIMIT).await.unwrap();
    let poster = HttpPoster::new(LIMIT);
    for (keys, status, outcome) in [(["a b.bin"], 200, "done"), (["down"], 500, "transient")] {
        let answer = poster.send("POST", CALL, &HEADERS, created(&keys)).await.unwrap();
        tells_no_secret(&process, &answer.body, &[]);
        let report: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, report["outcome"].as_str()), (status, Some(outcome)), "{report}");
    }
    let requests = sim.requests().len();
    for (method, path) in [("GET", "/"), ("POST", "/"), ("GET", "/event-invoke"), ("POST", "/invoke")] {
        let url = format!("http://127.0.0.1:9000{path}");
        assert_eq!(
            poster.send(method, &url, &[], created(&["x"])).await.unwrap().status,
            404,
            "{method} {path}"
        );
    }
    assert_eq!((sim.accepted_keys(), sim.requests().len()), (vec!["a b.bin".to_owned()], requests));
    let line = process.wait_for_line("object accepted by MDSS", LIMIT).await.unwrap();
    assert!(line.contains("\"r1\""), "{line}");
    process.signal("TERM").unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(0));
    let is_gone = async || poster.send("GET", CALL, &[], "").await.is_err();
    until("the port is closed", LIMIT, is_gone).await.unwrap();
}

/// Also where the environment names the runtime API.
#[tokio::test]
async fn a_function_that_is_told_where_to_listen_asks_nobody() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let variables = [("SCF_RUNTIME_API", "127.0.0.1"), ("SCF_RUNTIME_API_PORT", "1")];
    let program = program(&sim, &variables).env("PORT_SHIM_LISTEN", "127.0.0.1:0");
    let function = Server::start(&program, LIMIT).await.unwrap();
    let answer = function.send("POST", "/event-invoke", &HEADERS, created(&["a"])).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(sim.accepted_keys(), ["a"]);
}
