//! Which server is measured.

use std::path::PathBuf;

/// The one that `MDSS_RELAY_HTTP` names, as `make bench` does with what is shipped; or the one just built for the bench.
pub(crate) fn relay() -> PathBuf {
    let named = std::env::var_os("MDSS_RELAY_HTTP").map(PathBuf::from).filter(|path| path.is_file());
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_mdss-relay-http").into())
}
