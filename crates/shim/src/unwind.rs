//! Panics of the handler stop at the call that caused them.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose panics, also those while it is dropped half-way, come out as a value.
pub(crate) struct CatchUnwind<F>(Option<Pin<Box<F>>>);

/// The future panicked. What it said went to the panic hook, and stays there: a message made for a developer
/// may quote anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl<F: Future> CatchUnwind<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Ready(Err(Panicked)) };
        // Unwind safety: whatever the panic left half done is behind the future, which is not polled again,
        // or in the handler, which `lambda_runtime` goes on using after a panic just the same (its
        // `layers/panic.rs`).
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

impl<F> Drop for CatchUnwind<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
            tracing::error!("the handler panicked while it was being dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Grudge;

    impl Drop for Grudge {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[tokio::test]
    async fn values_pass_and_panics_become_one() {
        assert_eq!(CatchUnwind::new(async { 7 }).await, Ok(7));
        assert_eq!(CatchUnwind::new(async { panic!("polled") }).await, Err::<(), _>(Panicked));
    }

    #[tokio::test]
    async fn a_panic_while_dropping_half_way_is_caught() {
        let future = CatchUnwind::new(async {
            let _grudge = Grudge;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), future).await.is_err());
    }
}
