//! A program under test as a process: its start, its end, its pages, its share of the processor.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// A program under test, and what it has started; ended by its process id.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx's first process ends the others when it is asked to.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let (out, err) = (File::create(log).unwrap(), File::create(log.with_extension("err")).unwrap());
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        Self { child: command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")), log: log.to_owned() }
    }

    /// Waits until it does.
    pub(crate) fn wait_until(&self, does: impl Fn() -> bool) {
        let begin = Instant::now();
        while !does() {
            let log = || {
                fs::read_to_string(&self.log).unwrap()
                    + &fs::read_to_string(self.log.with_extension("err")).unwrap()
            };
            assert!(begin.elapsed() < LIMIT, "waited for {LIMIT:?}; {}", log());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn wait_until_it_listens(&self, port: u16) {
        self.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// The processor's time it has had so far, with its children, kernel included (`utime` and `stime` of proc(5), in ticks of 10 ms).
    pub(crate) fn cpu(&self) -> Duration {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let ids = children.split_whitespace().map(|id| id.parse().unwrap()).chain([id]);
        ids.map(|id: u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            // Behind the name, which may hold anything, in parentheses.
            let cells: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
            let ticks: u64 = cells[11].parse::<u64>().unwrap() + cells[12].parse::<u64>().unwrap();
            Duration::from_millis(ticks * 10)
        })
        .sum()
    }
}

/// A port that nobody listens on.
pub(crate) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is: in the path, or where `.ci/servers` puts it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../servers/usr");
    let places = std::env::split_paths(&path);
    places
        .chain(["/usr/sbin".into(), target.join("bin"), target.join("sbin")])
        .map(|p| p.join(name))
        .find(|p| p.is_file())
}

/// What a page of the server says.
pub(crate) fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The sum of a metric over its labels.
pub(crate) fn metric(page: &str, name: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    page.lines()
        .filter(|line| of(line))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}
