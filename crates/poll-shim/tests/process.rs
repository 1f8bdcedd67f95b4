//! A function as a process, on servers that play the platforms. `tNN` and `hNN` are situations of the table in the README.
//!
//! The function's process is this test binary, started again; the test `function` then plays it. It is ignored otherwise.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test ends where it fails")]

use std::env;
use std::io::Write as _;
use std::process::exit;
use std::time::Duration;

use drive::{DriveError, Fault, Invocation, Outcome, Process, Program, Runtime, RuntimeApi, Then, until};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use poll_shim::{HUAWEI_FUNCTIONGRAPH, TENCENT_SCF};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);
const BOTH: [Runtime; 2] = [Runtime::TencentScf, Runtime::HuaweiFunctionGraph];

#[test]
#[ignore = "is the process the other tests start"]
fn function() {
    let profile = match env::var("PLATFORM").as_deref() {
        Ok("TencentScf") => &TENCENT_SCF,
        Ok("HuaweiFunctionGraph") => &HUAWEI_FUNCTIONGRAPH,
        _ => return,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(poll_shim::run(profile, service_fn(handle)));
    if let Err(error) = &outcome {
        eprintln!("ended: {error}");
    }
    exit(outcome.map_or(7, |()| 0));
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    std::io::stdout().write_all(b"at work\n").unwrap();
    assert!(event.payload["panic"].is_null(), "on purpose");
    if let Some(ms) = event.payload["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    Ok(json!({ "id": event.context.request_id }))
}

fn program(runtime: Runtime) -> Program {
    Program::new(env::current_exe().unwrap())
        .args(["--exact", "function", "--ignored", "--nocapture"])
        .env("PLATFORM", format!("{runtime:?}"))
}

async fn started(runtime: Runtime) -> (RuntimeApi, Process) {
    let api = runtime.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let process = program(runtime).envs(api.env()).start().unwrap();
    api.wait_for_poll(LIMIT).await.unwrap();
    (api, process)
}

fn error_type(outcome: Outcome) -> String {
    let Outcome::Error { error_type, .. } = outcome else { panic!("{outcome:?}") };
    error_type
}

async fn works(api: &RuntimeApi) {
    let outcome = api.invoke("{}", LIMIT).await.unwrap();
    assert!(matches!(outcome, Outcome::Response(_)), "{outcome:?}");
}

#[tokio::test]
async fn t11_and_h07_a_panic_is_a_failed_call_and_the_next_one_is_made() {
    for runtime in BOTH {
        let (api, _process) = started(runtime).await;
        assert_eq!(error_type(api.invoke("{\"panic\":1}", LIMIT).await.unwrap()), "panic");
        works(&api).await;
    }
}

#[tokio::test]
async fn what_comes_half_and_stalls_ends_with_its_time() {
    let (api, _process) = started(Runtime::TencentScf).await;
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nrequest_id: x\r\ntime_limit_in_ms: 600\r\ncontent-length: 9\r\n\r\n{\"a\""[..],
        b"HTTP/1.1 200 OK\r\nrequest_id: x\r\ntime_limit_in_ms: 600\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        api.fault(Fault::NextRaw { bytes, then: Then::Silent });
    }
    works(&api).await;
}

#[tokio::test]
async fn what_breaks_amid_an_answer_or_has_no_end_ends_no_process() {
    let head =
        b"HTTP/1.1 200 OK\r\nx-cff-request-id: x\r\nrequest_id: x\r\ncontent-length: 9999999999\r\n\r\n{";
    for runtime in BOTH {
        let (api, process) = started(runtime).await;
        api.fault(Fault::NextClosed);
        for then in [Then::Closed, Then::Reset, Then::Endless] {
            api.fault(Fault::NextRaw { bytes: head, then });
        }
        api.fault(Fault::NextRaw { bytes: b"", then: Then::Reset });
        works(&api).await;
        // Thirty-two megabytes of it are looked at and none is kept.
        let peak = process.peak_memory().unwrap();
        assert!(peak < 64 * 1024 * 1024, "{peak}");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for() {
    for runtime in BOTH {
        let (api, mut process) = started(runtime).await;
        let address = api.address();
        tokio::select! {
            _ = api.invoke("{\"sleep_ms\":300}", LIMIT) => panic!("it went away before"),
            at_work = process.wait_for_line("at work", LIMIT) => drop(at_work.unwrap()),
        }
        drop(api);
        let is_free = async || tokio::net::TcpListener::bind(address).await.is_ok();
        until("its port is free", LIMIT, is_free).await.unwrap();
        // The result of the call is lost, and so are some questions.
        let nobody = tokio::net::TcpListener::bind(address).await.unwrap();
        for _ in 0..3 {
            drop(tokio::time::timeout(LIMIT, nobody.accept()).await.unwrap());
        }
        drop(nobody);
        assert!(process.ended().unwrap().is_none());
        let api = runtime.listen(address).await.unwrap();
        if runtime == Runtime::HuaweiFunctionGraph {
            works(&api).await;
        } else {
            // Another server knows nothing of this function's start, and gives it no event. The platform would start another instance.
            let call = Invocation::new("{}", LIMIT).poll_within(Duration::from_millis(300));
            assert!(matches!(api.invoke_with(call).await, Err(DriveError::NoPoll { .. })));
            assert!(process.ended().unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn t10_without_a_server_a_function_that_has_to_say_that_it_started_ends() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let vars = [("SCF_RUNTIME_API", "127.0.0.1"), ("SCF_RUNTIME_API_PORT", &*unused)];
    let mut process = program(Runtime::TencentScf).envs(vars).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(7));
    let line = "ended: the platform's server did not take POST /runtime/init/ready: no connection: Connection refused";
    assert!(process.stderr().contains(line), "{}", process.stderr());
    let api = Runtime::TencentScf.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    api.fault(Fault::ReadyStatus(500));
    let mut process = program(Runtime::TencentScf).envs(api.env()).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn h13_without_its_variable_a_function_ends_with_a_line() {
    let mut process = program(Runtime::HuaweiFunctionGraph).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(7));
    let line = "ended: RUNTIME_API_ADDR: expected host and port, which Huawei FunctionGraph sets";
    assert!(process.stderr().contains(line), "{}", process.stderr());
}

#[tokio::test]
async fn a_signal_ends_it_when_the_call_has_been_answered() {
    for runtime in BOTH {
        let (_api, mut process) = started(runtime).await;
        process.signal("TERM").unwrap();
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(0), "idle");

        let (api, mut process) = started(runtime).await;
        let call = api.invoke("{\"sleep_ms\":400}", LIMIT);
        let stopped = async {
            process.wait_for_line("at work", LIMIT).await.unwrap();
            process.signal("TERM").unwrap();
            process.wait(LIMIT).await.unwrap().code()
        };
        let (outcome, code) = tokio::join!(call, stopped);
        assert!(matches!(outcome.unwrap(), Outcome::Response(_)));
        assert_eq!(code, Some(0), "at work");

        let (api, mut process) = started(runtime).await;
        let insisted = async {
            process.wait_for_line("at work", LIMIT).await.unwrap();
            // Two signals at once may be one.
            while process.ended().unwrap().is_none() {
                let _ = process.signal("TERM");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            process.wait(LIMIT).await.unwrap().code()
        };
        tokio::select! {
            outcome = api.invoke("{\"sleep_ms\":60000}", LIMIT) => panic!("{outcome:?}"),
            code = insisted => assert_eq!(code, Some(7), "insisted"),
        }
    }
}
