//! What can only be seen from outside of a process: its stderr, its exit, its signals.
//!
//! The process is this test binary, started again with the name of a case; the test `child` then plays it.
//! `child` is ignored otherwise, and does nothing when somebody asks for it without a case.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may; clippy knows only #[test] functions as such"
)]

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread;

use mdss_relay_host::{
    Others, Program, Read, Stream, Writing, lines_dropped, logs, settings_failure, signal, start,
};
use serde_json::Value;

const CASE: &str = "HOST_TEST_CASE";

#[test]
#[ignore = "is the process the other tests start"]
fn child() {
    match env::var(CASE).as_deref() {
        Ok("shape") => {
            let _logs = logs("info", Writing::Direct(Stream::Stderr)).unwrap();
            let span = tracing::info_span!("invoke", requestId = "a\r\nb");
            let _entered = span.enter();
            tracing::info!(
                mdss.dialect = "oci",
                size_bytes = 7,
                key = "a\r\nb\u{1b}[31m\u{2028}\u{0}\"é",
                "accepted"
            );
            tracing::debug!("not shown");
        }
        Ok("trace") => {
            logs("trace,lambda_runtime=trace", Writing::Direct(Stream::Stderr)).unwrap();
            tracing::trace!(target: "lambda_runtime::layers::api_response", body = "s3cret", "raw");
            tracing::debug!(target: "hyper_util::client", "pooled");
            tracing::trace!(target: "mdss_relay_core", "ours");
        }
        Ok("panic") => {
            // The filter is as closed as it gets; a panic is shown all the same.
            logs("off", Writing::Direct(Stream::Stderr)).unwrap();
            tracing::error!("not shown");
            assert!(thread::spawn(|| panic!("s3cret\r\n{}", "k3y")).join().is_err());
        }
        Ok("threads") => {
            logs("info", Writing::Direct(Stream::Stderr)).unwrap();
            thread::scope(|scope| {
                for number in 0..4 {
                    scope.spawn(move || {
                        (0..200)
                            .for_each(|line| tracing::info!(number, line, text = "x".repeat(200), "busy"));
                    });
                }
            });
        }
        Ok("closed") => {
            logs("info", Writing::Direct(Stream::Stderr)).unwrap();
            // Wait for the parent to close its end: it ends our stdin when it has.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            (0..3).for_each(|_| tracing::info!("nobody reads this"));
            println!("still here");
        }
        Ok("queued") => {
            let logs = logs("info", Writing::Queued).unwrap();
            (0..100).for_each(|line| tracing::info!(line, "short"));
            assert!(thread::spawn(|| panic!("s3cret")).join().is_err());
            drop(logs);
        }
        Ok("stalled") => {
            let logs = logs("info", Writing::Queued).unwrap();
            // 64 KiB fit into the pipe, 512 KiB into the queue and as many into the writer's hands.
            (0..4000).for_each(|line| tracing::info!(line, text = "x".repeat(1000), "busy"));
            println!("dropped {}", lines_dropped());
            // The parent reads from here on, if it has been asked to.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            let begun = std::time::Instant::now();
            drop(logs);
            println!("ended after {}", begun.elapsed().as_secs());
        }
        Ok("stdout") => {
            logs("info", Writing::Direct(Stream::Stdout)).unwrap();
            tracing::error!("on stdout");
            assert!(thread::spawn(|| panic!("s3cret")).join().is_err());
        }
        Ok("twice") => {
            logs("info", Writing::Direct(Stream::Stderr)).unwrap();
            println!("{}", logs("info", Writing::Direct(Stream::Stderr)).err().unwrap());
        }
        Ok("settings") => {
            let exit = settings_failure("mdss-relay-http", &["one".to_owned(), "two\nlines".to_owned()]);
            std::process::exit(exit as i32);
        }
        Ok("start") => {
            let program = Program {
                name: "mdss-relay-http",
                about: "",
                settings: String::new,
                // The test's own.
                others: Others::Ignored,
                writing: Writing::Queued,
                filter_name: "RELAY_LOG",
            };
            let outcome: Result<(), _> = Err(vec!["APIKEY: expected a text".to_owned()]);
            let read = |_| Read { filter: "inof".to_owned(), shown: None, warnings: Vec::new(), outcome };
            let exit = start(&program, read).err().unwrap();
            std::process::exit(exit as i32);
        }
        Ok("signal") => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let stop = signal().unwrap();
                println!("ready");
                // Long enough that the signal comes before anybody has polled the future.
                std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
                println!("stopped by {}", stop.await);
            });
        }
        _ => {}
    }
}

fn spawn(case: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CASE, case)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(case: &str) -> Ended {
    let output = spawn(case).wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line:?}")))
        .collect()
}

#[test]
fn a_line_is_one_json_object_with_its_fields_on_top() {
    let ended = run("shape");
    let [line] = &lines(&ended.stderr)[..] else { panic!("{}", ended.stderr) };
    let mut line = line.as_object().unwrap().clone();
    let timestamp = line.remove("timestamp").unwrap();
    let expected = serde_json::json!({
        "level": "INFO",
        "message": "accepted",
        "mdss.dialect": "oci",
        "size_bytes": 7,
        "key": "a\r\nb\u{1b}[31m\u{2028}\u{0}\"é",
        "target": "process",
        "spans": [{"name": "invoke", "requestId": "a\r\nb"}],
    });
    assert_eq!(Value::Object(line), expected);
    // RFC 3339 in UTC: 2026-11-21T18:57:00.123456Z
    let shape: String = timestamp
        .as_str()
        .unwrap()
        .chars()
        .map(|character| if character.is_ascii_digit() { '0' } else { character })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
    // No control character reaches the terminal as it is.
    assert!(!ended.stderr.trim_end_matches('\n').contains(char::is_control), "{:?}", ended.stderr);
}

#[test]
fn the_runtime_never_logs_an_event() {
    let ended = run("trace");
    let messages: Vec<_> = lines(&ended.stderr).iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["ours"]);
    assert!(!ended.stderr.contains("s3cret"));
}

#[test]
fn a_panic_says_where_and_not_why() {
    let ended = run("panic");
    let [line] = &lines(&ended.stderr)[..] else { panic!("{}", ended.stderr) };
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["error.type"], "panic");
    assert!(line["code.file.path"].as_str().unwrap().ends_with("tests/process.rs"), "{line}");
    assert!(line["code.line.number"].as_u64().unwrap() > 1, "{line}");
    for withheld in ["s3cret", "k3y"] {
        assert!(!ended.stderr.contains(withheld) && !ended.stdout.contains(withheld), "{}", ended.stderr);
    }
    assert_eq!(ended.code, Some(0), "the thread ended, not the process");
}

#[test]
fn a_log_on_stdout_is_nowhere_else() {
    let ended = run("stdout");
    assert_eq!(ended.stderr, "");
    let lines: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() == 2 && lines[0].contains("on stdout") && lines[1].contains("panic"), "{lines:?}");
}

#[test]
fn lines_of_several_threads_do_not_mix() {
    assert_eq!(lines(&run("threads").stderr).len(), 800);
}

#[test]
fn a_closed_stderr_costs_the_lines_and_not_the_process() {
    let mut child = spawn("closed");
    drop(child.stderr.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("still here"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_waits_in_the_queue_is_written_before_the_process_ends() {
    let ended = run("queued");
    let lines = lines(&ended.stderr);
    let numbers: Vec<_> = lines.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert_eq!(lines[100]["error.type"], "panic");
    assert!(!ended.stderr.contains("s3cret"));
}

/// `dropped N`, once the process has written its lines.
fn stalled() -> (Child, BufReader<std::process::ChildStdout>, u64) {
    let mut child = spawn("stalled");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("dropped ") || !seen.ends_with('\n') {
        assert_ne!(stdout.read_line(&mut seen).unwrap(), 0, "ended early: {seen}");
    }
    let dropped = seen.split("dropped ").nth(1).unwrap().trim().parse().unwrap();
    (child, stdout, dropped)
}

#[test]
fn a_stderr_that_nobody_reads_costs_lines_and_neither_the_work_nor_the_end() {
    let (mut child, mut stdout, dropped) = stalled();
    assert!((2500..4000).contains(&dropped), "{dropped}");
    drop(child.stdin.take());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("ended after 1"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn once_somebody_reads_again_a_line_says_how_many_are_missing() {
    let (mut child, _stdout, dropped) = stalled();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let (mut next, mut text) = (0, String::new());
    loop {
        text.clear();
        assert_ne!(stderr.read_line(&mut text).unwrap(), 0, "the end came first");
        let line: Value = serde_json::from_str(&text).unwrap();
        match line["line"].as_u64() {
            Some(number) => assert_eq!(number, next, "in their order, and none but the last is missing"),
            None => {
                let expected = format!("{dropped} lines are missing here");
                assert!(line["message"].as_str().unwrap().starts_with(&expected), "{line}");
                assert_eq!((next + dropped, &line["level"]), (4000, &"WARN".into()));
                break;
            }
        }
        next += 1;
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn logs_are_started_once() {
    assert!(run("twice").stdout.contains("the logs of this process have been started before"));
}

#[test]
fn mistakes_are_printed_plainly_and_the_exit_code_is_2() {
    let ended = run("settings");
    assert_eq!(ended.stderr, "mdss-relay-http: 2 mistakes in the settings\n- one\n- two\\u000alines\n");
    assert_eq!(ended.code, Some(2));
}

#[test]
fn a_mistake_in_the_filter_is_one_among_the_others() {
    let ended = run("start");
    assert_eq!(
        ended.stderr,
        "mdss-relay-http: 2 mistakes in the settings\n- APIKEY: expected a text\n- RELAY_LOG: found \"inof\", expected \
         a level (off, error, warn, info, debug, trace) or target=level\n"
    );
    assert_eq!(ended.code, Some(2));
}

#[test]
fn both_signals_are_taken_over_before_the_future_is_polled() {
    for (name, expected) in [("TERM", "stopped by SIGTERM"), ("INT", "stopped by SIGINT")] {
        let mut child = spawn("signal");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("ready") {
            assert_ne!(stdout.read_line(&mut seen).unwrap(), 0, "ended early: {seen}");
        }
        let kill = format!("kill -s {name} {}", child.id());
        assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
        drop(child.stdin.take());
        stdout.read_to_string(&mut seen).unwrap();
        assert!(seen.contains(expected), "{seen}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}
