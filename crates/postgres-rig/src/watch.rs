//! Whoever started something may be killed before it can end it: a shell ends it then.
//!
//! The shell is the parent of what it watches, so a process id stays that process's own until the shell has waited for it.
//! It reads from a pipe whose other end only this process holds (the standard library opens pipes close-on-exec). At the
//! end of that, however it came, it ends what it started.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::RigError;

/// How long an ordered end may take. Only a machine in trouble comes near it.
const LIMIT: Duration = Duration::from_secs(60);

/// The signal comes as a line; at the end of the pipe it is the one given. CONT is for a process that was frozen; it
/// gets the other one first, so that it does nothing else. What a shell starts in the background ignores INT and QUIT
/// unless it asks for them, as the server does.
const PROCESS: &str = r#"
"$@" < /dev/null >> "$WATCH_LOG" 2>&1 &
pid=$!
echo "$pid"
exec > /dev/null
read -r signal || signal=$WATCH_SIGNAL
kill -s "$signal" "$pid" 2> /dev/null
kill -s CONT "$pid" 2> /dev/null
wait "$pid"
"#;

/// A server that is just ending may still put a file where it is being removed.
const FOLDER: &str = r#"
echo
exec > /dev/null 2>&1
read -r _
n=0
while [ $n -lt 100 ]; do
    if [ -n "$2" ]; then
        umount "$2"
        # What could not be unmounted is not emptied either.
        rm -rf --one-file-system "$1"
    else
        rm -rf "$1"
    fi
    [ -e "$1" ] || exit 0
    n=$((n + 1))
    sleep 0.1
done
"#;

/// Something that does not outlive this process.
#[derive(Debug)]
pub(crate) struct Watch {
    shell: Child,
    words: Option<ChildStdin>,
    /// What the shell said first: a process id, or nothing.
    first: String,
}

impl Watch {
    /// Starts `command`; what it prints is added to the file `log`. `signal` is what ends it at last.
    pub(crate) fn process(command: &Command, log: &Path, signal: &str) -> Result<Self, RigError> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", PROCESS, "watch"]).arg(command.get_program()).args(command.get_args());
        shell.env_clear().env("WATCH_LOG", log).env("WATCH_SIGNAL", signal);
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        Self::start(shell)
    }

    /// Removes `folder` at the end, after it has unmounted what is at `mount`, which may be nothing.
    pub(crate) fn folder(folder: &Path, mount: Option<&Path>) -> Result<Self, RigError> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", FOLDER, "watch"]).arg(folder).arg(mount.unwrap_or(Path::new("")));
        Self::start(shell)
    }

    fn start(mut shell: Command) -> Result<Self, RigError> {
        let failed = || RigError::system("a shell cannot be started");
        // A process group of its own: what interrupts a test at a terminal must not end the shell before its work.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().map_err(failed())?;
        let words = shell.stdin.take();
        let mut first = String::new();
        if let Some(said) = shell.stdout.take() {
            BufReader::new(said).read_line(&mut first).map_err(failed())?;
        }
        Ok(Self { shell, words, first: first.trim().to_owned() })
    }

    /// The process that is watched.
    pub(crate) fn pid(&self) -> Result<u32, RigError> {
        self.first.parse().map_err(|_| RigError::Failed {
            what: "a shell started nothing".into(),
            said: self.first.clone(),
        })
    }

    /// Sends a signal by its name without `SIG`, and waits until the process has ended.
    ///
    /// # Errors
    ///
    /// [`RigError::Failed`] if it does not end within a minute.
    pub(crate) fn end(&mut self, signal: &str) -> Result<(), RigError> {
        if let Some(mut words) = self.words.take() {
            // A shell that cannot be told has ended.
            let _ = writeln!(words, "{signal}");
        }
        let begin = Instant::now();
        while begin.elapsed() < LIMIT {
            match self.shell.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(source) => return Err(RigError::System { what: "a shell is gone".into(), source }),
            }
        }
        Err(RigError::Failed {
            what: format!("the process does not end within {LIMIT:?} after SIG{signal}"),
            said: String::new(),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.words = None;
        // Its own limit is in the server: five seconds after an immediate shutdown it kills its children.
        let _ = self.shell.wait();
    }
}
