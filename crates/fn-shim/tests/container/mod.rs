//! A container without a container: an example as a process of its own, on a real socket in a
//! folder of its own, and the agent's side of the conversation, written by hand so that nothing between the
//! test and the socket tidies it up.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries, none of which uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "support of tests, which clippy takes for production code"
)]

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// Nothing in these tests takes as long as this unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

// === the process ===

/// An example, `echo` or `http`. A plain `cargo test` builds it before it runs the integration tests of the package and puts
/// it beside them (the Cargo book, "cargo test", "Target selection"); `--test` and `--all-targets` do not,
/// and may leave an older one there, so then it is built here.
fn example(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    // <target>/[<triple>/]<profile>/deps/<test>
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = |name: &str| profile.join("examples").join(name);
    BUILD.call_once(|| {
        let newest = newest_source();
        let is_new =
            |name| fs::metadata(path(name)).and_then(|m| m.modified()).is_ok_and(|built| built >= newest);
        if !["echo", "http"].into_iter().all(is_new) {
            build_examples(profile);
        }
    });
    path(name)
}

fn build_examples(profile: &Path) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", "fn-shim", "--examples"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--target-dir").arg(target);
    if !profile.ends_with("debug") {
        command.arg("--profile").arg(profile.file_name().unwrap());
    }
    let folder = profile.parent().unwrap();
    if folder != target {
        command.arg("--target").arg(folder.file_name().unwrap());
    }
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn newest_source() -> SystemTime {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "examples"].map(|folder| fs::read_dir(package.join(folder)).unwrap());
    files
        .into_iter()
        .flatten()
        .map(|file| file.unwrap().metadata().unwrap().modified().unwrap())
        .max()
        .unwrap()
}

pub struct Container {
    process: Child,
    folder: TempDir,
    socket: PathBuf,
    throttle: Option<Child>,
}

impl Container {
    /// Starts and waits for the socket to appear.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(vars: &[(&str, &str)]) -> Self {
        let container = Self::launch(Command::new(example("echo")), vars, tempfile::tempdir().unwrap());
        container.await_socket();
        container
    }

    /// Starts the function that wants HTTP requests.
    pub fn start_http() -> Self {
        let container = Self::launch(Command::new(example("http")), &[], tempfile::tempdir().unwrap());
        container.await_socket();
        container
    }

    /// Starts in a folder that holds something already; does not wait.
    pub fn launch_in(folder: TempDir) -> Self {
        Self::launch(Command::new(example("echo")), &[], folder)
    }

    /// Starts with a tenth of a processor, as OCI grants the smallest functions (`FN_CPUS=100m`): stopped for 45 ms out
    /// of 50, from before the first instruction on. Does not wait.
    pub fn launch_throttled() -> Self {
        let mut stopped = Command::new("sh");
        stopped.args(["-c", "kill -STOP $$ && exec \"$0\""]).arg(example("echo"));
        let mut container = Self::launch(stopped, &[], tempfile::tempdir().unwrap());
        let turns =
            "while kill -CONT $0 && sleep 0.005 && kill -STOP $0 && sleep 0.045; do :; done 2> /dev/null";
        let throttle = Command::new("sh").args(["-c", turns, &container.process.id().to_string()]).spawn();
        container.throttle = Some(throttle.unwrap());
        container
    }

    /// Starts confined as the platform does it, as far as the machine allows; also says how far that is.
    pub fn start_confined() -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        // Another user is going to look for the function, and to make the socket.
        let binary = folder.path().join("function");
        let socket_folder = folder.path().join("iofs");
        fs::create_dir(&socket_folder).unwrap();
        fs::copy(example("echo"), &binary).unwrap();
        for (path, mode) in [(folder.path(), 0o755), (&socket_folder, 0o777), (&binary, 0o755)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        let mut command = Command::new("sh");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/container/sandbox.sh");
        command.arg(script).args([&socket_folder, &binary]);
        let mut container = Self::launch_at(command, &[], folder, "iofs/lsnr.sock");
        container.await_socket();
        let confined = container.next_line();
        (container, confined)
    }

    /// The next line on its stderr.
    pub fn next_line(&mut self) -> String {
        let mut line = Vec::new();
        let stderr = self.process.stderr.as_mut().unwrap();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            stderr.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        String::from_utf8(line).unwrap()
    }

    /// Starts with at most that many open files.
    pub fn start_with_files(limit: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\"")]).arg(example("echo"));
        let container = Self::launch(shell, &[], tempfile::tempdir().unwrap());
        container.await_socket();
        container
    }

    fn launch(command: Command, vars: &[(&str, &str)], folder: TempDir) -> Self {
        Self::launch_at(command, vars, folder, "lsnr.sock")
    }

    fn launch_at(mut command: Command, vars: &[(&str, &str)], folder: TempDir, socket: &str) -> Self {
        let socket = folder.path().join(socket);
        let listener = format!("unix:{}", socket.display());
        let process = command
            .env_clear()
            // As fnproject/fn, `api/agent/call.go`, sets them.
            .envs([("FN_LISTENER", listener.as_str()), ("FN_FORMAT", "http-stream"), ("FN_TYPE", "sync")])
            .envs([("FN_FN_ID", "fn1"), ("FN_APP_ID", "app1"), ("FN_MEMORY", "128")])
            .envs(vars.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { process, folder, socket, throttle: None }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the kernel says about the process, `status` or `limits` for example.
    pub fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).unwrap()
    }

    pub fn await_socket(&self) {
        let started = Instant::now();
        while self.socket().symlink_metadata().is_err() {
            // The agent's own patience: fnproject/fn, `api/agent/config.go`, `HotStartTimeout`.
            assert!(started.elapsed() < Duration::from_secs(5), "no socket");
        }
    }

    /// Whether it has as many files open as this limit allows: no number below it is free.
    pub fn has_all_files(&self, limit: u32) -> bool {
        let numbers = fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap();
        let below = |file: &fs::DirEntry| file.file_name().to_str().unwrap().parse::<u32>().unwrap() < limit;
        numbers.filter(|file| below(file.as_ref().unwrap())).count() == limit as usize
    }

    /// Waits until that is so.
    pub fn await_all_files(&self, limit: u32) {
        let started = Instant::now();
        while !self.has_all_files(limit) {
            assert!(started.elapsed() < PATIENCE, "files have not become short");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn connect(&self) -> Connection {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Connection { stream, read: Vec::new() }
    }

    /// One call on a connection of its own.
    pub fn call(&self, body: &str) -> Reply {
        self.connect().call(body)
    }

    /// Fails unless an ordinary call is answered as it should be.
    pub fn assert_well(&self) {
        let reply = self.call("{\"are you\": \"there\"}");
        assert_eq!((reply.status, reply.text()), (200, "{\"are you\": \"there\"}"));
    }

    pub fn signal(&self, name: &str) {
        // The shell's own `kill`, which is there wherever a shell is.
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the process has printed to stdout and stderr; ends it.
    pub fn printed(mut self) -> (String, String) {
        self.process.kill().unwrap();
        let mut text = (String::new(), String::new());
        self.process.stdout.take().unwrap().read_to_string(&mut text.0).unwrap();
        self.process.stderr.take().unwrap().read_to_string(&mut text.1).unwrap();
        text
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for process in self.throttle.iter_mut().chain([&mut self.process]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Says something that is seen although the test passes: what it had to leave out. (libtest captures what is printed,
/// not what is written.)
pub fn remark(line: &str) {
    io::stderr().write_all(format!("{}\n", line.trim_end()).as_bytes()).unwrap();
}

/// Whether `attempt` ends within `limit`, in one of three tries: a busy machine is late now and then, code that waits for too
/// long always is.
pub fn ends_within(limit: Duration, mut attempt: impl FnMut() -> Duration) {
    let tries = (0..3).map(|_| attempt());
    let mut late = Vec::new();
    for took in tries {
        if took < limit {
            return;
        }
        late.push(took);
    }
    panic!("not within {limit:?}: {late:?}");
}

/// Runs the example with exactly this environment, to its end.
pub fn run_to_end(vars: &[(&str, &str)]) -> Output {
    let mut command = Command::new(example("echo"));
    command.env_clear().envs(vars.iter().copied()).stdin(Stdio::null());
    command.output().unwrap()
}

// === the agent's side ===

/// The headers of a call as seen on OCI, without those that frame the body. The tracing ones are there
/// whether or not tracing is on.
pub const AGENT_HEADERS: &str = "Host: localhost\r\nUser-Agent: Go-http-client/1.1\r\n\
    Content-Type: application/json\r\nAccept-Encoding: gzip\r\nFn-Call-Id: 01ABC\r\n\
    Oci-Subject-Type: resource\r\nOpc-Request-Id: /A79EAB4A/01ES54MA\r\nX-B3-Traceid: 1\r\nX-B3-Sampled: 1\r\n";

/// `POST /call` as the agent sends it: chunked, because Go does not know the length of a stream.
pub fn agent_call(headers: &str, body: &str) -> Vec<u8> {
    chunked(headers, body, 32 * 1024)
}

/// `POST /call` in chunks of at most that many bytes.
pub fn chunked(headers: &str, body: &str, size: usize) -> Vec<u8> {
    let head = format!("POST /call HTTP/1.1\r\n{AGENT_HEADERS}{headers}Transfer-Encoding: chunked\r\n\r\n");
    let mut request = head.into_bytes();
    for chunk in body.as_bytes().chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// Any request with a `Content-Length`.
pub fn sized(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\n{AGENT_HEADERS}{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A `Fn-Deadline` header that long from now, to the millisecond.
pub fn deadline_in(milliseconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_millis(milliseconds);
    format!("Fn-Deadline: {at:.3}\r\n")
}

pub struct Connection {
    pub stream: UnixStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn call(&mut self, body: &str) -> Reply {
        self.send(&agent_call("", body));
        self.receive()
    }

    pub fn ask(&mut self, request: &[u8]) -> Reply {
        self.send(request);
        self.receive()
    }

    /// What is too long is refused before it is written to its end, and its answer is there all the same.
    pub fn send(&mut self, request: &[u8]) {
        match self.stream.write_all(request) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            outcome => outcome.unwrap(),
        }
    }

    /// One reply, informational ones included, off the connection.
    pub fn receive(&mut self) -> Reply {
        let (head_size, reply) = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break (end + 4, String::from_utf8(self.read[..end + 2].to_vec()).unwrap());
            }
            self.more();
        };
        let (status_line, headers) = reply.split_once("\r\n").unwrap();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, headers: headers.to_owned(), body: Vec::new() };
        let size: usize = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.read.len() < head_size + size {
            self.more();
        }
        reply.body = self.read[head_size..head_size + size].to_vec();
        self.read.drain(..head_size + size);
        reply
    }

    fn more(&mut self) {
        let mut buffer = [0; 65_536];
        let size = self.read(&mut buffer).unwrap();
        assert_ne!(size, 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
        self.read.extend_from_slice(&buffer[..size]);
    }

    /// A child that ends elsewhere in the test binary may interrupt a read here.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Whether the other side has closed, without anything more to read.
    pub fn is_closed(&mut self) -> bool {
        match self.read(&mut [0; 1]) {
            Ok(size) => size == 0,
            // Closed with something of ours unread, which a Unix socket reports in this way.
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// All values of a header, in order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The stable name in a failure's body.
    pub fn error_type(&self) -> String {
        self.json()["errorType"].as_str().unwrap_or_default().to_owned()
    }
}
