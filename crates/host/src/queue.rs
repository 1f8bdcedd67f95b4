//! Lines on their way to stderr, written by a thread of their own.
//!
//! A pipe that nobody empties takes 64 KiB and then keeps whoever writes to it (`pipe(7)`,
//! <https://man7.org/linux/man-pages/man7/pipe.7.html>, "Pipe capacity"). Whoever reads a server's stderr may stall: a
//! shipper whose disk is full, or a container's log driver in its blocking mode. A server that waited for it would answer
//! nobody, and could not be stopped either.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::line;

/// Bytes of lines that wait. As many again may be in the writer's hands. Some thousand lines: enough for a reader that pauses
/// for a moment, and little beside what a server needs.
const MOST_WAITING: usize = 512 * 1024;

/// How long the writer lets lines gather. One wake and one write for each line cost a busy server more than making the line.
const GATHER: Duration = Duration::from_millis(1);

/// Lines of this process that were dropped because nothing took them.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines of this process's log were dropped because stderr took nothing and the queue before it was full.
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The lines, and who waits for them.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something is there to be written.
    filled: Condvar,
    /// All that was there is written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    /// One behind the other.
    lines: Vec<u8>,
    /// Dropped after the last of `lines`.
    dropped: u64,
    /// The writer has lines in its hands, or is about to take some.
    writing: bool,
}

impl Queue {
    /// A queue with its writer.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(crate) fn start(write: impl Fn(&[u8]) + Send + 'static) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let writer = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_all(write))?;
        Ok(queue)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a line at the end, or drops it if too much waits. Never waits for stderr.
    pub(crate) fn put(&self, line: &[u8]) {
        let mut state = self.state();
        // Once one is dropped so are all others until the writer has taken what waits: the line that says how many are
        // missing then stands where they are missing.
        let full = state.dropped > 0 || state.lines.len() + line.len() > MOST_WAITING;
        if full && !state.lines.is_empty() {
            state.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.lines.extend_from_slice(line);
        let idle = !state.writing;
        drop(state);
        if idle {
            self.filled.notify_one();
        }
    }

    /// Waits until everything is written, `limit` at the most.
    pub(crate) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = self.state();
        while state.writing || !state.lines.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write_all(&self, write: impl Fn(&[u8])) -> ! {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state();
            state.writing = false;
            while state.lines.is_empty() {
                self.emptied.notify_all();
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writing = true;
            drop(state);
            thread::sleep(GATHER);
            let mut state = self.state();
            std::mem::swap(&mut lines, &mut state.lines);
            let dropped = std::mem::take(&mut state.dropped);
            drop(state);
            write(&lines);
            if dropped > 0 {
                write(&line::own("WARN", &gap(dropped), module_path!()));
            }
            lines.clear();
            // Of the one line that was longer than all that may wait.
            lines.shrink_to(MOST_WAITING);
        }
    }
}

fn gap(dropped: u64) -> String {
    let lines = if dropped == 1 { "line is" } else { "lines are" };
    format!("{dropped} {lines} missing here: the reader of this log took nothing for a while")
}

/// Writes a line to stdout, and sends it on its way. As with [`stderr`], a closed one costs the line.
pub(crate) fn stdout(line: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(line).and_then(|()| stdout.flush());
}

/// Writes lines to stderr. A closed stderr costs the lines and not the process; nobody is left to be told.
pub(crate) fn stderr(lines: &[u8]) {
    let _ = io::stderr().write_all(lines);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A queue whose writer takes what waits for each word that comes over the second channel.
    fn held() -> (Arc<Queue>, Receiver<String>, std::sync::mpsc::Sender<()>) {
        let (written, lines) = channel();
        let (go, turn) = channel();
        let turn = Mutex::new(turn);
        let queue = Queue::start(move |line| {
            let _ = turn.lock().unwrap().recv();
            let _ = written.send(String::from_utf8_lossy(line).into_owned());
        });
        (queue.unwrap(), lines, go)
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn what_waits_is_bounded_and_what_is_missing_is_told_in_its_place() {
        let (queue, written, go) = held();
        queue.put(b"first");
        // The writer has the first one in its hands.
        let begun = Instant::now();
        while !queue.state().lines.is_empty() {
            assert!(begun.elapsed() < LIMIT);
            thread::yield_now();
        }
        let line = vec![b'x'; MOST_WAITING / 4];
        let before = lines_dropped();
        for _ in 0..7 {
            queue.put(&line);
        }
        // A short one would fit, and would stand before those that are missing.
        queue.put(b"y");
        let held = queue.state().lines.len();
        assert_eq!((held, lines_dropped() - before), (MOST_WAITING, 4));
        queue.flush(Duration::from_millis(20));
        for _ in 0..4 {
            go.send(()).unwrap();
        }
        let lines: Vec<String> = (0..3).map(|_| written.recv_timeout(LIMIT).unwrap()).collect();
        assert_eq!(lines[0], "first");
        assert_eq!(lines[1].len(), 4 * line.len());
        assert!(lines[2].contains("\"4 lines are missing here"), "{}", lines[2]);
        queue.put(b"later");
        assert_eq!(written.recv_timeout(LIMIT).unwrap(), "later");
        queue.flush(LIMIT);
        assert!(queue.state().lines.is_empty() && !queue.state().writing);
    }

    #[test]
    fn a_line_that_is_longer_than_the_queue_is_written_nevertheless() {
        let (queue, written, go) = held();
        go.send(()).unwrap();
        queue.put(&vec![b'x'; MOST_WAITING + 1]);
        assert_eq!(written.recv_timeout(LIMIT).unwrap().len(), MOST_WAITING + 1);
    }
}
