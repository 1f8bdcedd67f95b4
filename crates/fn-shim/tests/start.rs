//! From the start of the process to the socket, and from a signal to its end.
//!
//! A number in a name stays with its situation, so that it can be referred to.

mod container;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use container::{Container, agent_call, ends_within, remark, run_to_end};

/// fdk-java, `socketShouldHaveCorrectPermissions`.
#[test]
fn a22_socket_is_for_everybody() {
    let container = Container::start();
    let mode = fs::metadata(container.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
}

/// fnproject/fn, `api/agent/agent_test.go`, `TestCheckSocketDestination`.
#[test]
fn a23_published_path_is_a_relative_link_to_a_socket() {
    let container = Container::start();
    let target = fs::read_link(container.socket()).unwrap();
    assert_eq!(target.parent(), Some(Path::new("")), "{target:?} has a directory part");
    assert_ne!(target, PathBuf::from("lsnr.sock"));
    assert!(fs::metadata(container.socket()).unwrap().file_type().is_socket());
}

/// fdk-go, `handler.go`, `startHTTPServer`.
#[test]
fn a24_stale_names_are_replaced() {
    let leftovers: [fn(&Path); 4] = [
        // A process killed amid its work; twice, should the private name ever change.
        |folder| {
            drop(UnixListener::bind(folder.join("_snr.sock")).unwrap());
            symlink("_snr.sock", folder.join("lsnr.sock")).unwrap();
        },
        |folder| drop(UnixListener::bind(folder.join("lsnr.sock")).unwrap()),
        // A process killed before it was published.
        |folder| drop(UnixListener::bind(folder.join("_snr.sock")).unwrap()),
        |folder| symlink("gone.sock", folder.join("lsnr.sock")).unwrap(),
    ];
    for (number, leave) in leftovers.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path());
        // A process that another test is just starting may hold the dropped listener open for a moment.
        for name in ["lsnr.sock", "_snr.sock"] {
            while UnixStream::connect(folder.path().join(name)).is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let container = Container::launch_in(folder);
        let started = Instant::now();
        // The stale name is there already, so its appearance says nothing.
        while UnixStream::connect(container.socket()).is_err() {
            assert!(started.elapsed() < Duration::from_secs(5), "leftover {number}");
        }
        container.assert_well();
    }
}

/// fn-docs, `fn/develop/fn-format.md`: the FDK is required to exit with an error.
#[test]
fn a25_listener_must_be_a_unix_path_of_107_bytes() {
    let too_long = format!("unix:/tmp/{}", "s".repeat(103));
    for listener in
        [None, Some(""), Some("tcp:127.0.0.1:8080"), Some("unix:"), Some("unix:x/lsnr.sock"), Some(&too_long)]
    {
        let vars: Vec<_> = listener.map(|listener| ("FN_LISTENER", listener)).into_iter().collect();
        let output = run_to_end(&vars);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{listener:?}: {said}");
        assert!(said.starts_with("FN_LISTENER is ") && said.contains(", expected "), "{listener:?}: {said}");
    }
}

/// fdk-python and fdk-node exit as well.
#[test]
fn a26_format_must_be_http_stream() {
    let output = run_to_end(&[("FN_LISTENER", "unix:/nowhere/lsnr.sock"), ("FN_FORMAT", "json")]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "FN_FORMAT is \"json\", expected \"http-stream\" or nothing\n");
}

#[test]
fn no_folder_for_the_socket_is_not_a_matter_of_settings() {
    let output = run_to_end(&[("FN_LISTENER", "unix:/nowhere/lsnr.sock")]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "cannot bind /nowhere/_snr.sock: No such file or directory (os error 2)\n");
}

/// fnproject/fdk-python, issue 60: there the socket appeared before anybody listened.
#[test]
fn a27_never_refused_once_published() {
    for start in 0..100 {
        let container = Container::launch_in(tempfile::tempdir().unwrap());
        container.await_socket();
        let connected = UnixStream::connect(container.socket());
        assert!(connected.is_ok(), "start {start}: {connected:?}");
        container.assert_well();
    }
}

/// fnproject/fn, `TestInitTimeoutContainer`: the agent waits for 5 s (`api/agent/config.go`, `HotStartTimeout`), and
/// then calls it a failure. A bound far from both ends: a machine may be busy, a start must not be slow.
#[test]
fn a28_socket_appears_long_before_the_agent_gives_up() {
    for start in 0..5 {
        let launched = Instant::now();
        let container = Container::launch_in(tempfile::tempdir().unwrap());
        container.await_socket();
        let took = launched.elapsed();
        assert!(took < Duration::from_secs(1), "start {start}: {took:?}");
    }
}

#[test]
fn a28_socket_appears_in_time_with_a_tenth_of_a_processor() {
    let launched = Instant::now();
    let container = Container::launch_throttled();
    container.await_socket();
    let took = launched.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
    container.assert_well();
}

/// fn-docs, `fn/develop/fn-format.md`: the socket file should be removed before exit.
#[test]
fn a33_signal_while_idle_ends_in_order() {
    for signal in ["TERM", "INT"] {
        // Less than the second that is given to connections amid a request.
        ends_within(Duration::from_millis(900), || {
            let mut container = Container::start();
            // An idle connection is no reason to stay.
            let mut idle = container.connect();
            assert_eq!(idle.call("1").status, 200);
            let _silent = container.connect();
            container.signal(signal);
            let asked = Instant::now();
            assert_eq!(container.wait().code(), Some(0), "{signal}");
            let took = asked.elapsed();
            assert_eq!(fs::read_dir(container.folder()).unwrap().count(), 0, "{signal}");
            assert!(idle.is_closed());
            took
        });
    }
}

#[test]
fn a33_signal_amid_a_call_lets_it_finish() {
    let mut container = Container::start();
    let mut connection = container.connect();
    connection.send(&agent_call("", "{\"behave\":\"sleep\",\"ms\":1500}"));
    assert_eq!(container.next_line(), "asleep\n");
    container.signal("TERM");
    let reply = connection.receive();
    assert_eq!((reply.status, reply.text()), (200, "{\"behave\":\"sleep\",\"ms\":1500}"));
    assert_eq!(container.wait().code(), Some(0));
    assert_eq!(fs::read_dir(container.folder()).unwrap().count(), 0);
}

/// fnproject/fn, `api/agent/drivers/docker/cookie.go`.
#[test]
fn a35_confined_as_the_platform_does_it() {
    let (mut container, confined) = Container::start_confined();
    remark(&format!("a35: {confined}"));
    let required = std::env::var("REQUIRE_TOOLS").unwrap_or_default();
    if required.split_whitespace().any(|tool| tool == "setpriv") {
        assert!(confined.contains("user 1000"), "setpriv is required: {confined}");
    }
    // Otherwise this would be a test of nothing.
    let limits = container.proc("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert!(files.contains(" 350 "), "{files}");
    let status = container.proc("status");
    if confined.contains("user 1000") {
        for line in ["Uid:\t1000\t1000\t1000\t1000", "NoNewPrivs:\t1", "CapEff:\t0000000000000000"] {
            assert!(status.contains(line), "{line}: {status}");
        }
    }
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:\t")).unwrap();
    assert!(threads.parse::<u32>().unwrap() <= 2, "of 50: {threads}");

    container.assert_well();
    let large = format!("\"{}\"", "x".repeat(6 * 1024 * 1024 - 2));
    assert_eq!(container.call(&large).status, 200);
    assert_eq!(container.call("{\"behave\":\"panic\"}").status, 502);
    // Many more connections in all than files, never many at a time.
    for _ in 0..500 {
        assert_eq!(container.call("1").status, 200);
    }
    let idle: Vec<_> = (0..100).map(|_| container.connect()).collect();
    container.assert_well();
    drop(idle);
    container.signal("TERM");
    assert_eq!(container.wait().code(), Some(0));
    let folder = container.socket().parent().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a33_half_a_request_does_not_keep_the_process() {
    let mut container = Container::start();
    let mut head = container.connect();
    head.send(b"POST /call HTT");
    let mut body = container.connect();
    body.send(b"POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    container.assert_well();
    container.signal("TERM");
    let asked = Instant::now();
    assert_eq!(container.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(fs::read_dir(container.folder()).unwrap().count(), 0);
}
