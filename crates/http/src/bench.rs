//! Work on large bodies, on threads of its own, so that whoever is quick is answered meanwhile.
//!
//! Few threads, and always the same: the system's allocator gives each thread a heap of its own (`malloc(3)`, "arenas") and keeps what was freed
//! there, so that what became of one large body would be kept as often as there are threads. Measured with 32 deliveries of 20,000
//! records: 260 MB at the peak on tokio's pool of blocking threads, 105 MB here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Two, so that a body that takes its time does not keep all others waiting.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end when this is dropped.
pub(crate) struct Bench(Sender<Job>);

impl Bench {
    /// # Errors
    /// If the system has no thread for it.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let queue = queue.clone();
            thread::Builder::new().name("bodies".into()).spawn(move || work(&queue))?;
        }
        Ok(Self(jobs))
    }

    /// Does the work there; `None` if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            let _ = done.send(work());
        });
        self.0.send(job).ok()?;
        result.await.ok()
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // Held while this thread waits; whoever comes next waits for the lock instead.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The panic's own line says where.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_the_work_and_no_thread() {
        let bench = Bench::start().unwrap();
        for _ in 0..3 * THREADS {
            let panicked = bench.run(|| -> u8 { panic!("on purpose") }).await;
            assert_eq!(panicked, None);
        }
        let names = bench.run(|| thread::current().name().map(str::to_owned)).await;
        assert_eq!(names, Some(Some("bodies".to_owned())));
    }

    #[tokio::test]
    async fn one_that_takes_its_time_does_not_keep_the_others_waiting() {
        let bench = Bench::start().unwrap();
        let (go, turn) = channel::<()>();
        let slow = bench.run(move || turn.recv().is_ok());
        let quick = async {
            for n in 0..10 {
                assert_eq!(bench.run(move || n).await, Some(n));
            }
            go.send(()).unwrap();
        };
        assert_eq!(tokio::join!(slow, quick).0, Some(true));
    }
}
