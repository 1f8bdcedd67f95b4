//! A floor for `make bench`: a tokio program that starts, listens on a Unix socket and does nothing else.
#![expect(clippy::unwrap_used, reason = "a floor ends where it fails")]

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let path = std::env::args_os().nth(1).unwrap();
    let _listener = tokio::net::UnixListener::bind(path).unwrap();
    std::future::pending::<()>().await;
}
