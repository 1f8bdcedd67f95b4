//! What lies in the data directory, and who may read it.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::Delivery;
use mdss_relay_spool::Sender;

use crate::common::*;
use crate::file::*;

#[tokio::test]
async fn no_credential_is_in_any_file_and_nobody_else_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, keeping) = start(dir.path());
    let headers = [("Authorization", "Bearer t0ken-0123"), ("X-Other", "t0ken-0123")];
    let delivery = Delivery {
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        ..delivery(&[record("b", "k", None)])
    };
    let plan = routed().plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    drop(spool);
    keeping.wait();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(10).any(|w| w == b"t0ken-0123"), "{}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn the_log_of_the_file_is_nobody_elses_either() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("data/relay");
    let (spool, _keeping) = start(&new);
    keep(&spool, &routed(), "k").await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&new), 0o700);
    for file in ["spool.db", "spool.db-wal", "spool.db-shm", "relay.lock"] {
        assert_eq!(mode(&new.join(file)), 0o600, "{file}");
    }
}
