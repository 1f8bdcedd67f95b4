//! The function against a Runtime API that nobody here wrote: cargo-lambda's
//! (<https://www.cargo-lambda.info/commands/watch.html>), version 1.9.2.
//!
//! It differs from the platform in ways that a function has to stand: the address has a scheme and a path, the deadline
//! lies in 1970, and an event has no content type. Where it is not installed the test says so and passes, unless
//! `REQUIRE_EMULATOR` names it, as it does in the CI wherever it could be installed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use drive::{DriveError, HttpPoster, Process, Program};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// The emulator refuses the name of a function that is not a binary of the workspace.
const NAME: &str = "mdss-relay-lambda";

/// Where `.ci/emulator` has put it.
fn installed() -> Option<PathBuf> {
    if let Some(required) = std::env::var_os("REQUIRE_EMULATOR").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(required);
        assert!(path.is_file(), "{} is required, and not there", path.display());
        return Some(path);
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("emulator/bin/cargo-lambda");
    if path.is_file() {
        return Some(path);
    }
    // Written, not printed: what is printed by a test that passes nobody sees.
    let line =
        "SKIPPED: cargo-lambda is not installed, so it runs no function ('make emulator' installs it)\n";
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

struct Emulator {
    address: String,
    /// One process without children: it is told not to build or run the function, and ends with this.
    _process: Process,
}

impl Emulator {
    async fn start(path: &Path) -> Self {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            // It asks cargo which binaries there are, which needs no network.
            let mut process = Program::new(path)
                .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"])
                .args(["--invoke-port", &port.to_string()])
                .inherit_env()
                .env("CARGO_NET_OFFLINE", "true")
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .start()
                .unwrap();
            let address = format!("127.0.0.1:{port}");
            let listens = async {
                while TcpStream::connect(&address).is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                () = listens => {}
                // The port may have been taken in the meantime.
                ended = process.wait(LIMIT) => match ended {
                    Ok(_) => continue,
                    Err(error) => panic!("the emulator does not listen: {error}"),
                },
            }
            // Somebody else may be listening there; then this one ends.
            if process.wait(Duration::from_millis(200)).await.is_err() {
                return Self { address, _process: process };
            }
        }
        panic!("the emulator found no port")
    }

    fn function(&self, sim: &Sim, more: &[(&str, &str)]) -> Process {
        let api = format!("http://{}/.rt/{NAME}", self.address);
        let mut program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda"))
            .env("AWS_LAMBDA_RUNTIME_API", api)
            .env("AWS_LAMBDA_FUNCTION_NAME", NAME)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("STORAGECLIENTID", units::AMAZON_S3)
            .env("RELAY_ATTEMPTS", "2");
        for (name, value) in more {
            program = program.env(*name, *value);
        }
        program.start().unwrap()
    }

    /// What a caller of the function hears: the status and the body.
    async fn invoke(&self, event: &str) -> Result<(u16, Value), DriveError> {
        let url = format!("http://{}/2015-03-31/functions/{NAME}/invocations", self.address);
        let answer = HttpPoster::new(LIMIT).send("POST", &url, &[], event.to_owned()).await?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_else(|_| answer.text().into())))
    }
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name).with_extension("json");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn it_runs_the_function_as_the_platform_does() {
    let Some(path) = installed() else { return };
    let sim = Sim::start(Config::default()).await.unwrap();
    let emulator = Emulator::start(&path).await;
    let mut function = emulator.function(&sim, &[]);

    // First what fails: what MDSS has accepted a warm function does not send again.
    for (event, steps, error_type) in [
        ("aws-s3/create", vec![Step::Unavailable; 2], "mdss_unavailable"),
        ("aws-sns/create", vec![Step::status(StatusCode::FORBIDDEN)], "mdss_unauthorized"),
        ("aws-eventbridge/create", vec![Step::WebPage], "mdss_unexpected_answer"),
        ("aws-sqs/body-not-text", vec![], "unreadable"),
        ("aws-eventbridge/missing-key", vec![], "missing_key"),
    ] {
        sim.push(steps);
        let (status, error) = emulator.invoke(&fixture(event)).await.unwrap();
        assert_eq!((status, error["errorType"].as_str()), (500, Some(error_type)), "{event}: {error}");
        let report: Value = serde_json::from_str(error["errorMessage"].as_str().unwrap()).unwrap();
        assert!(report["records"].is_array(), "{event}: {report}");
    }

    // Every asynchronous caller, and a queue that fails as a whole.
    for (event, key) in [
        ("aws-s3/create", "claim-20260304-0012.pdf"),
        ("aws-s3/create-odd-key", "Q1 report+final 100% (1).pdf"),
        ("aws-sns/create", "claim-20260304-0012.pdf"),
        ("aws-eventbridge/create", "claim-20260304-0012.pdf"),
        ("aws-sqs/sns-inside", "claim-2.pdf"),
    ] {
        let before = sim.requests().len();
        let (status, report) = emulator.invoke(&fixture(event)).await.unwrap();
        assert_eq!((status, report["outcome"].as_str()), (200, Some("done")), "{event}: {report}");
        let requests = sim.requests().split_off(before);
        assert_eq!(requests.len(), report["records"].as_array().unwrap().len(), "{event}: {report}");
        assert!(requests.iter().any(|r| String::from_utf8_lossy(&r.body).contains(key)), "{event}: {report}");
    }

    // One function at a time has the name.
    function.signal("TERM").unwrap();
    function.wait(LIMIT).await.unwrap();
    let _partial = emulator.function(&sim, &[("RELAY_QUEUE_PARTIAL", "on")]);
    let ids: Vec<String> =
        serde_json::from_str::<Value>(&fixture("aws-sqs/batch-one-bad")).unwrap()["Records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["messageId"].as_str().unwrap().to_owned())
            .collect();
    let failures = |ids: &[String]| json!({ "batchItemFailures": ids.iter().map(|id| json!({ "itemIdentifier": id })).collect::<Vec<_>>() });
    let answer = emulator.invoke(&fixture("aws-sqs/batch-one-bad")).await.unwrap();
    assert_eq!(answer, (200, failures(&ids[1..2])));
    assert_eq!(emulator.invoke(&fixture("aws-sqs/sns-inside")).await.unwrap(), (200, failures(&[])));
}
