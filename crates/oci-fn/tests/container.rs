//! What the platform does to a function's container, and where it gets one from: start, freeze, sandbox. `fn-shim` has the
//! same situations, under the same numbers, for the contract on the socket; here they meet MDSS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod function;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use drive::{FnClient, Program, until};
use function::{Function, LIMIT, created, program, start};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use serde_json::json;

/// How many sockets of the process are TCP or UDP, open or about to be.
fn network_sockets(process: u32) -> usize {
    let of = |name: &str| format!("/proc/{process}/{name}");
    let inodes: Vec<String> = ["net/tcp", "net/tcp6", "net/udp", "net/udp6"]
        .iter()
        // A machine without IPv6 lacks two of them.
        .filter_map(|table| fs::read_to_string(of(table)).ok())
        .flat_map(|table| {
            let rows: Vec<_> = table.lines().skip(1).map(str::to_owned).collect();
            rows
        })
        .filter_map(|row| row.split_whitespace().nth(9).map(|inode| format!("socket:[{inode}]")))
        .collect();
    fs::read_dir(of("fd"))
        .unwrap()
        .filter_map(|file| fs::read_link(file.unwrap().path()).ok())
        .filter(|target| inodes.iter().any(|inode| target == Path::new(inode)))
        .count()
}

/// Waits until a process has nothing more to do of its own: each of its threads sleeps, and none has woken in between.
async fn idle(process: u32) {
    let mut before = String::new();
    until("the process sleeps", LIMIT, async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let status =
            |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let now: String = threads
            .map(|thread| status(thread.unwrap()))
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| line.starts_with("State:") || line.contains("ctxt_switches:"))
            .collect();
        let asleep = now == before && !now.contains("running");
        before = now;
        asleep
    })
    .await
    .unwrap();
}

/// Events sends no `Fn-Intent` that has been seen, and the service may set one at any time: unless a gateway says the URL of
/// a request, the body is the event.
#[tokio::test]
async fn a17_event_is_taken_as_it_is_whatever_the_intent() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = start(&sim, &[]).await;
    for intent in ["cloudevent", "httprequest"] {
        let headers = [("fn-intent", intent), ("fn-http-method", "GET")];
        let answer = function.client.call(created(intent), LIMIT, &headers).await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &report["outcome"]), (200, &json!("done")), "{intent}");
        assert_eq!(answer.header("fn-http-status"), None, "{intent}");
    }
    assert_eq!(sim.accepted().len(), 2);
}

/// First the settings, then the socket, then the network: a function's start costs what its platform waits for, and an
/// MDSS that is down keeps no event from being received.
#[tokio::test]
async fn a28_start_is_settings_and_socket_and_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["mdss.example".to_owned()]).unwrap();
    fs::write(&authorities, made.cert.pem().repeat(500)).unwrap();
    // TEST-NET-1 (RFC 5737): nothing answers there, not even with a refusal.
    for endpoint in ["https://192.0.2.1/api/webhook/realtime", "https://mdss.invalid/api/webhook/realtime"] {
        let folder = tempfile::tempdir().unwrap();
        let launched = Instant::now();
        let mut process = program(&folder)
            .env("APIENDPOINT", endpoint)
            .env("APIKEY", "key")
            .env("STORAGECLIENTID", units::ORACLE)
            .env("RELAY_CA_FILE", &authorities)
            .start()
            .unwrap();
        process.wait_for_path(folder.path().join("lsnr.sock"), LIMIT).await.unwrap();
        let took = launched.elapsed();
        // The agent waits for 5 s (fnproject/fn, `api/agent/config.go`, `HotStartTimeout`).
        assert!(took < Duration::from_secs(2), "{endpoint}: {took:?}");
        idle(process.id()).await;
        assert_eq!(network_sockets(process.id()), 0, "{endpoint}");
    }
}

#[tokio::test]
async fn a28_network_is_used_by_the_first_call() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = start(&sim, &[]).await;
    idle(function.process.id()).await;
    assert_eq!((sim.connections(), network_sockets(function.process.id())), (0, 0));
    assert_eq!(function.call(&created("a")).await.0, 200);
    assert_eq!((sim.connections(), network_sockets(function.process.id())), (1, 1));
}

/// A container is frozen when it has been idle for 50 ms (fnproject/fn, `api/agent/config.go`, `FN_FREEZE_IDLE_MSECS`),
/// sees neither a connection being closed nor its own timers run out, and is thawed for the next call. One attempt has
/// to do.
async fn event_after_a_freeze(freeze: Duration) {
    let before = Sim::start(Config::default()).await.unwrap();
    let address = before.addr();
    let mut function = start(&before, &[("RELAY_ATTEMPTS", "1")]).await;
    assert_eq!(function.call(&created("before")).await.0, 200);
    function.process.signal("STOP").unwrap();

    // MDSS closes its side, and is there again.
    before.stop().await;
    let after = Sim::start(Config { listen: address, ..Config::default() }).await.unwrap();
    tokio::time::sleep(freeze).await;

    // The call waits for the function, as the close does.
    let client = function.client.clone();
    let call = tokio::spawn(async move { client.call(created("after"), LIMIT, &[]).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!call.is_finished());
    function.process.signal("CONT").unwrap();
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());

    let accepted: Vec<_> = after.accepted().into_iter().map(|object| (object.key, object.times)).collect();
    assert_eq!(accepted, [("after".to_owned(), 1)]);
    assert_eq!(after.requests().len(), 1);
}

#[tokio::test]
async fn a34_event_after_five_seconds_of_freeze() {
    event_after_a_freeze(Duration::from_secs(5)).await;
}

/// So short that the connection is still kept: only its close says that it is no good.
#[tokio::test]
async fn a34_event_after_a_short_freeze() {
    event_after_a_freeze(Duration::from_millis(500)).await;
}

/// fnproject/fn, `api/agent/drivers/docker/cookie.go`. `localhost` has to be looked up, which takes a thread.
#[tokio::test]
async fn a35_events_are_delivered_from_the_platforms_sandbox() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("function");
    let sockets = folder.path().join("iofs");
    fs::create_dir(&sockets).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_mdss-relay-oci-fn"), &binary).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (&sockets, 0o777), (&binary, 0o755)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let socket = sockets.join("lsnr.sock");
    let mut process = Program::new("/bin/sh")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../fn-shim/tests/container/sandbox.sh"))
        .arg(&sockets)
        .arg(&binary)
        .env("FN_FORMAT", "http-stream")
        .env("FN_LISTENER", format!("unix:{}", socket.display()))
        .env("APIENDPOINT", format!("http://localhost:{}/api/webhook/realtime", sim.addr().port()))
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::ORACLE)
        .start()
        .unwrap();
    process.wait_for_path(&socket, LIMIT).await.unwrap();
    let confined = process.wait_for_line("sandbox: ", LIMIT).await.unwrap();
    // Written, not printed: seen although the test passes.
    std::io::stderr().write_all(format!("a35: {confined}\n").as_bytes()).unwrap();

    let mut function = Function { process, client: FnClient::new(socket), folder };
    for number in 0..50 {
        let (status, report) = function.call(&created(&format!("k{number}"))).await;
        assert_eq!(status, 200, "{report}");
    }
    assert_eq!(sim.accepted().len(), 50);
    function.process.signal("TERM").unwrap();
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(&sockets).unwrap().count(), 0);
}
