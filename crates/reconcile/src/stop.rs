//! Being asked to stop.

use tokio::sync::watch;

/// Waits until somebody asks; for ever, if nobody is left who could.
pub(crate) async fn asked(stop: &mut watch::Receiver<bool>) {
    let asked = stop.wait_for(|stop| *stop).await.is_ok();
    if !asked {
        std::future::pending::<()>().await;
    }
}
