//! Signals by which the system ends a process for what was done to its files.
//!
//! A write beyond the limit of a file's size (`ulimit -f`, `LimitFSIZE`) is SIGXFSZ, and a read of a mapped file behind its end SIGBUS
//! (<https://man7.org/linux/man-pages/man7/signal.7.html>). Both kill without a word.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind};
use tracing::error;

use crate::Exit;
use crate::logs::Logs;
use crate::queue::Queue;

/// The longest the last line is waited for: nobody may be reading it.
const LAST_LINE: Duration = Duration::from_secs(1);

/// From here on a file that may not grow is an error of the write (EFBIG), which its writer tells, and no end of the process; and a mapped
/// file that was cut ends it with status 1, after one error line with `sentence`: what it means for this program, and what to do.
///
/// The access to the mapped file is tried again and again until then, since no handler can make it succeed; so nothing that comes
/// behind it is done.
///
/// # Errors
///
/// If the handlers cannot be set up, or the system has no thread for it.
pub fn faults(sentence: &'static str, logs: &Logs) -> io::Result<()> {
    let (ready, watched) = mpsc::channel();
    let waiting = logs.waiting();
    let thread = thread::Builder::new().name("faults".into());
    thread.spawn(move || match watch() {
        Ok((runtime, mut cut)) => {
            let _ = ready.send(Ok(()));
            if runtime.block_on(cut.recv()).is_some() {
                end(sentence, waiting);
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    })?;
    watched.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that watches signals has ended")))
}

/// A runtime of its own: whoever meets the fault may be a thread of the other one.
fn watch() -> io::Result<(Runtime, unix::Signal)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let cut = {
        let _entered = runtime.enter();
        // Nobody need hear of it: it is enough that there is a handler, and that stays.
        drop(unix::signal(kind(Signal::XFSZ))?);
        take_out_the_other_handler();
        unix::signal(kind(Signal::BUS))?
    };
    Ok((runtime, cut))
}

fn end(sentence: &'static str, waiting: Option<Arc<Queue>>) -> ! {
    let (said, line) = mpsc::channel();
    // On a thread of its own, because a log that nobody reads may keep whoever writes to it.
    let _ = thread::Builder::new().spawn(move || {
        error!({ "error.type" = "sigbus" }, "{sentence}");
        let _ = said.send(());
    });
    let _ = line.recv_timeout(LAST_LINE);
    if let Some(queue) = waiting {
        queue.flush(LAST_LINE);
    }
    std::process::exit(Exit::Failed as i32)
}

fn kind(signal: Signal) -> SignalKind {
    SignalKind::from_raw(signal.as_raw())
}

/// Rust's own handler of SIGBUS looks for stack overflows, which on Linux are SIGSEGV; of any other SIGBUS it makes the default, that
/// kills, again (<https://github.com/rust-lang/rust/blob/1.90.0/library/std/src/sys/pal/unix/stack_overflow.rs>, `signal_handler`). It is called before
/// ours, and so would end the process before ours can say a word. One SIGBUS that is none of its own, sent while nothing is read, makes it go.
fn take_out_the_other_handler() {
    if caught(Signal::BUS) {
        // Sent by nobody's access, so nothing is tried again when the handler returns.
        let _ = kill_process(getpid(), Signal::BUS);
        for _ in 0..1000 {
            if !caught(Signal::BUS) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether this process has a handler for a signal; none that is known of where the system does not say
/// (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>, `SigCgt`).
fn caught(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}
