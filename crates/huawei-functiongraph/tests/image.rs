//! The function in an image: a process that FunctionGraph calls over port 8000. `hiNN` is a situation of the table in the README.
//!
//! The port is fixed, so the test runs in a network of its own: this test binary, started again by `unshare`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod platform;

use std::env;
use std::process::Command;

use drive::{HttpPoster, Process, Server, available, until};
use mdss_sim::{Config, Sim, Step};
use platform::{LIMIT, created, program, tells_no_secret};
use serde_json::{Value, json};

const CALL: &str = "http://127.0.0.1:8000/invoke";
const HEADERS: [(&str, &str); 5] = [
    ("X-Cff-Request-Id", "r-1"),
    ("X-CFF-Access-Key", "planted-access"),
    ("X-CFF-Secret-Key", "planted-secret"),
    ("X-CFF-Security-Token", "planted-token"),
    ("X-CFF-Auth-Token", "planted-auth"),
];

#[test]
fn hi01_to_hi03_an_image_is_called_over_its_port() {
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
    // A setting that is only in what FunctionGraph hands over of the configured ones.
    let userdata = [("RUNTIME_USERDATA", "{\"RELAY_KEYS_HUAWEI_OBS\":\"verbatim\"}")];
    let mut process: Process = program(&sim, &userdata).start().unwrap();
    process.wait_for_line("listening on http://0.0.0.0:8000", LIMIT).await.unwrap();
    let poster = HttpPoster::new(LIMIT);
    let started = poster.send("POST", "http://127.0.0.1:8000/init", &HEADERS, "").await.unwrap();
    assert_eq!(started.status, 200);
    for (key, status, outcome) in [("a+b.bin", 200, "done"), ("down", 500, "transient")] {
        let answer = poster.send("POST", CALL, &HEADERS, created(key)).await.unwrap();
        tells_no_secret(&process, &answer.body, &[]);
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &said["statusCode"]), (status, &json!(status)), "{said}");
        assert_eq!((&said["isBase64Encoded"], &said["headers"]), (&json!(false), &json!({})), "{said}");
        let report: Value = serde_json::from_str(said["body"].as_str().unwrap()).unwrap();
        assert_eq!(report["outcome"], outcome, "{report}");
    }
    let requests = sim.requests().len();
    for (method, path) in [("GET", "/"), ("POST", "/"), ("GET", "/invoke"), ("POST", "/event-invoke")] {
        let url = format!("http://127.0.0.1:8000{path}");
        assert_eq!(
            poster.send(method, &url, &[], created("x")).await.unwrap().status,
            404,
            "{method} {path}"
        );
    }
    assert_eq!((sim.accepted_keys(), sim.requests().len()), (vec!["a+b.bin".to_owned()], requests));
    let line = process.wait_for_line("object accepted by MDSS", LIMIT).await.unwrap();
    assert!(line.contains("\"r-1\""), "{line}");
    process.signal("TERM").unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(0));
    let is_gone = async || poster.send("GET", CALL, &[], "").await.is_err();
    until("the port is closed", LIMIT, is_gone).await.unwrap();
}

/// Also where the environment names the runtime API.
#[tokio::test]
async fn a_function_that_is_told_where_to_listen_asks_nobody() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let variables = [("RUNTIME_API_ADDR", "127.0.0.1:1")];
    let program = program(&sim, &variables).env("PORT_SHIM_LISTEN", "127.0.0.1:0");
    let function = Server::start(&program, LIMIT).await.unwrap();
    let answer = function.send("POST", "/invoke", &HEADERS, created("a")).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(sim.accepted_keys(), ["a"]);
}
