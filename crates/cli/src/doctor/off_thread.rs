//! Looks that a disk may keep waiting.

/// Looks where the system may keep one waiting: at files. A look that hangs is left behind; the process ends without it.
pub(super) async fn off_thread<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(look).await {
        Ok(found) => found,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and nobody waits for this any more.
            Err(_) => std::future::pending().await,
        },
    }
}
