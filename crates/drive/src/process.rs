//! A program as a process: what is put in, what it prints, and how it ends.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::error::DriveError;

/// How often a path or an exit is looked for. Nothing tells us of either; two milliseconds are below what a start takes.
const LOOK: Duration = Duration::from_millis(2);

/// After the exit, how long the rest of the output is waited for. A child of the process may hold the pipes open.
const REST: Duration = Duration::from_secs(1);

/// A program to be started, with an empty environment unless something is put into it.
///
/// A test that inherits the environment of whoever runs it passes on one machine and fails on the next.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    inherit: bool,
    dir: Option<PathBuf>,
}

impl Program {
    /// The program at `path`. A name without a slash is looked for in this process's `PATH`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), args: Vec::new(), env: Vec::new(), inherit: false, dir: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets variables, [`RuntimeApi::env`](crate::RuntimeApi::env) for instance.
    #[must_use]
    pub fn envs(
        mut self,
        vars: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        self.env.extend(vars.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Lets the process have the variables of this one too; those set here win.
    #[must_use]
    pub fn inherit_env(mut self) -> Self {
        self.inherit = true;
        self
    }

    /// Starts it in this directory instead of the current one.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Starts it. Its stdin is empty; what it prints is captured from its first byte.
    ///
    /// # Errors
    ///
    /// [`DriveError::Process`] if it cannot be started.
    pub fn start(&self) -> Result<Process, DriveError> {
        let mut command = Command::new(&self.path);
        if !self.inherit {
            command.env_clear();
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let mut child = command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| DriveError::Process {
                what: format!("cannot start {}", self.path.display()),
                source,
            })?;
        let printed = Arc::new(Printed::default());
        printed.capture(child.stdout.take(), |text| &mut text.stdout);
        printed.capture(child.stderr.take(), |text| &mut text.stderr);
        Ok(Process { child, printed })
    }
}

/// A running program. It is killed (SIGKILL) when this is dropped, so that a failed test leaves nothing behind.
#[derive(Debug)]
pub struct Process {
    child: Child,
    printed: Arc<Printed>,
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a complete line, on either stream, that contains `pattern`, and gives it without its line break. Lines
    /// printed before the call count.
    ///
    /// # Errors
    ///
    /// [`DriveError::Ended`] as soon as the process has closed both its streams, [`DriveError::Waited`] after `limit`;
    /// both with all that was printed.
    pub async fn wait_for_line(&mut self, pattern: &str, limit: Duration) -> Result<String, DriveError> {
        let printed = Arc::clone(&self.printed);
        let what = || format!("printing a line with {pattern:?}");
        let search = async {
            loop {
                let changed = printed.changed.notified();
                tokio::pin!(changed);
                // From here on no change is missed, even one that comes before it is waited for.
                changed.as_mut().enable();
                let (line, over) = printed.find(pattern);
                match (line, over) {
                    (Some(line), _) => return Some(line),
                    (None, true) => return None,
                    (None, false) => changed.await,
                }
            }
        };
        match timeout(limit, search).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.ended_before(what())),
            Err(_) => Err(self.waited(what(), limit)),
        }
    }

    /// Waits until something is at `path`: a file, a socket, or a link that leads to one.
    ///
    /// # Errors
    ///
    /// [`DriveError::Ended`] if the process ends before, [`DriveError::Waited`] after `limit`.
    pub async fn wait_for_path(&mut self, path: impl AsRef<Path>, limit: Duration) -> Result<(), DriveError> {
        let path = path.as_ref();
        let what = || format!("making {}", path.display());
        let started = Instant::now();
        // `exists` follows links, so a link to nothing does not count.
        while !path.exists() {
            if self.status()?.is_some() {
                return Err(self.ended_before(what()));
            }
            if started.elapsed() >= limit {
                return Err(self.waited(what(), limit));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Sends a signal by its name without `SIG`: `TERM`, `INT`, `KILL`, `STOP`, `CONT`, `HUP`.
    ///
    /// # Errors
    ///
    /// [`DriveError::Usage`] for a name that is none, [`DriveError::Ended`] if the process has ended before (its
    /// number may belong to another one by now), [`DriveError::Process`] if `kill` fails.
    pub fn signal(&mut self, name: &str) -> Result<(), DriveError> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            return Err(DriveError::Usage(format!("expected a signal's name like TERM, found {name:?}")));
        }
        // Until its exit status is collected, which only `status` does, the number stays this process's own.
        if self.status()?.is_some() {
            return Err(self.ended_before(format!("being sent {name}")));
        }
        // The shell's own `kill`: the program of that name is not on every machine, the shell is. The standard
        // library can send SIGKILL only.
        let status = Command::new("/bin/sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &self.id().to_string()])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let failed = |source| DriveError::Process { what: format!("cannot send {name}"), source };
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(std::io::Error::other(format!("kill: {status}")))),
            Err(error) => Err(failed(error)),
        }
    }

    /// Bytes of memory that it has held at most (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>, `VmHWM`).
    ///
    /// # Errors
    ///
    /// [`DriveError::Process`] if the system does not say, because the process has ended for instance.
    pub fn peak_memory(&self) -> Result<u64, DriveError> {
        let path = format!("/proc/{}/status", self.id());
        let unknown = |source| DriveError::Process { what: format!("cannot read {path}"), source };
        let status = std::fs::read_to_string(&path).map_err(unknown)?;
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        let kilobytes: Option<u64> = kilobytes.and_then(|number| number.parse().ok());
        let missing = || unknown(std::io::Error::other("there is no VmHWM in it"));
        Ok(kilobytes.ok_or_else(missing)? * 1024)
    }

    /// The same, once it has not grown for a second: whatever the process still takes in by itself is in it.
    ///
    /// # Errors
    ///
    /// As [`Process::peak_memory`]; [`DriveError::Waited`] if it grows for longer than `limit`.
    pub async fn peak_memory_at_rest(&self, limit: Duration) -> Result<u64, DriveError> {
        let started = Instant::now();
        let (mut highest, mut since) = (self.peak_memory()?, started);
        while since.elapsed() < Duration::from_secs(1) {
            if started.elapsed() >= limit {
                let what = "its memory standing still".to_owned();
                return Err(DriveError::Waited { what, after: limit, output: self.output() });
            }
            sleep(LOOK).await;
            let now = self.peak_memory()?;
            if now > highest {
                (highest, since) = (now, Instant::now());
            }
        }
        Ok(highest)
    }

    /// Waits for the process to end by itself, and for the rest of its output.
    ///
    /// # Errors
    ///
    /// [`DriveError::Waited`] after `limit`; the process goes on.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus, DriveError> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.status()? {
                break status;
            }
            if started.elapsed() >= limit {
                return Err(self.waited("ending".to_owned(), limit));
            }
            sleep(LOOK).await;
        };
        let ended = Instant::now();
        while !self.printed.text().over() && ended.elapsed() < REST {
            sleep(LOOK).await;
        }
        Ok(status)
    }

    /// Everything printed so far, stdout first, then stderr, with replacement characters where it is not UTF-8. For
    /// checks that something was never printed; in a line that is not complete yet, too.
    #[must_use]
    pub fn output(&self) -> String {
        let text = self.printed.text();
        String::from_utf8_lossy(&[&text.stdout[..], &text.stderr[..]].concat()).into_owned()
    }

    /// Everything printed to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.printed.text().stdout).into_owned()
    }

    /// Everything printed to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.printed.text().stderr).into_owned()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// [`DriveError::Process`] if the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, DriveError> {
        self.status()
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, DriveError> {
        let what = || "cannot read the exit status".to_owned();
        self.child.try_wait().map_err(|source| DriveError::Process { what: what(), source })
    }

    fn ended_before(&mut self, what: String) -> DriveError {
        DriveError::Ended { what, status: self.status().ok().flatten(), output: self.output() }
    }

    fn waited(&self, what: String, after: Duration) -> DriveError {
        DriveError::Waited { what, after, output: self.output() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended and been collected already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === what it prints ===

#[derive(Debug, Default)]
struct Printed {
    text: Mutex<Text>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Text {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// How many of the two streams have ended.
    ended: u8,
}

impl Printed {
    /// Reads `stream` to its end, in a thread: a process whose pipe is full stands still, whatever the test does.
    fn capture(
        self: &Arc<Self>,
        stream: Option<impl Read + Send + 'static>,
        into: fn(&mut Text) -> &mut Vec<u8>,
    ) {
        let printed = Arc::clone(self);
        thread::spawn(move || {
            if let Some(mut stream) = stream {
                let mut piece = [0; 4096];
                loop {
                    match stream.read(&mut piece) {
                        Ok(0) => break,
                        Ok(length) => {
                            into(&mut printed.text()).extend_from_slice(&piece[..length]);
                            printed.changed.notify_waiters();
                        }
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(_) => break,
                    }
                }
            }
            printed.text().ended += 1;
            printed.changed.notify_waiters();
        });
    }

    fn text(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first line with `pattern`, and whether nothing more can come.
    fn find(&self, pattern: &str) -> (Option<String>, bool) {
        let text = self.text();
        let line = [&text.stdout, &text.stderr].into_iter().find_map(|stream| {
            // The last line may be half of one as long as more can come.
            let end = if text.over() {
                stream.len()
            } else {
                stream.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
            };
            String::from_utf8_lossy(&stream[..end])
                .lines()
                .find(|line| line.contains(pattern))
                .map(str::to_owned)
        });
        (line, text.over())
    }
}

impl Text {
    fn over(&self) -> bool {
        self.ended == 2
    }
}
