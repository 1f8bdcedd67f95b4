//! Work that grows with a body, done where it keeps nobody waiting.
//!
//! Planning a delivery, hashing it for a signature and unpacking it take a time that grows with the body. For a usual event that
//! is microseconds, and handing it to another thread would cost more than doing it. A body of megabytes takes long enough that
//! everybody else whose task runs on the same thread would wait, so it goes to one of two threads.
//!
//! Two, and always the same for the whole process: the system's allocator gives each thread a heap of its own (`malloc(3)`,
//! "arenas") and keeps what was freed there, so that what became of one large body would be kept as often as there are threads.
//! Measured with 32 deliveries of 20,000 records: 260 MB at the peak on tokio's pool of blocking threads, 105 MB here. Two,
//! so that a body that takes its time does not keep all others waiting. A process that never sees a large body never starts them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Up to so many bytes are worked on at once, on the caller's own thread.
const QUICK: usize = 64 * 1024;

const THREADS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// The work has panicked. The panic's own line says where; its text is made of what was being worked on, and goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Does `work` on a body of so many bytes: at once if it is small, else on one of two threads that are there for this alone.
///
/// # Errors
/// [`Panicked`], wherever it was done: a defect that one body meets is no end of whoever serves all of them.
pub async fn offload<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Panicked> {
    static THREADS: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    let jobs = if bytes > QUICK { THREADS.get_or_init(start).as_ref() } else { None };
    // A system that has no thread for it must do with the one there is.
    let Some(jobs) = jobs else { return catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked) };
    let (done, result) = oneshot::channel();
    let job: Job = Box::new(move || {
        let _ = done.send(work());
    });
    jobs.send(job).map_err(|_| Panicked)?;
    result.await.map_err(|_| Panicked)
}

/// The way to the threads, if there is one at least.
fn start() -> Option<Sender<Job>> {
    let (jobs, queue) = channel();
    let queue = Arc::new(Mutex::new(queue));
    let started = (0..THREADS).filter(|_| {
        let queue = queue.clone();
        thread::Builder::new().name("bodies".into()).spawn(move || serve(&queue)).is_ok()
    });
    (started.count() > 0).then_some(jobs)
}

fn serve(queue: &Mutex<Receiver<Job>>) {
    loop {
        // Held while this thread waits; whoever comes next waits for the lock instead.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Option<String> {
        thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn what_is_quick_is_done_at_once_and_what_is_not_elsewhere() {
        assert_eq!(offload(QUICK, name).await, Ok(name()));
        assert_eq!(offload(QUICK + 1, name).await, Ok(Some("bodies".to_owned())));
        assert_eq!(QUICK, 65_536);
    }

    #[tokio::test]
    async fn a_panic_costs_the_work_and_no_thread() {
        for bytes in [0, usize::MAX].repeat(3 * THREADS) {
            assert_eq!(offload(bytes, || -> u8 { panic!("on purpose") }).await, Err(Panicked));
        }
        assert_eq!(offload(usize::MAX, name).await, Ok(Some("bodies".to_owned())));
    }

    #[tokio::test]
    async fn one_that_takes_its_time_does_not_keep_the_others_waiting() {
        let (go, turn) = channel::<()>();
        let slow = offload(usize::MAX, move || turn.recv().is_ok());
        let quick = async {
            for n in 0..10 {
                assert_eq!(offload(usize::MAX, move || n).await, Ok(n));
            }
            go.send(()).unwrap();
        };
        assert_eq!(tokio::join!(slow, quick).0, Ok(true));
    }
}
