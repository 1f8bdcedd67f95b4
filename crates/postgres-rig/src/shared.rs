//! One server for all tests of a process.

use std::sync::OnceLock;

use crate::binaries::Binaries;
use crate::error::RigError;
use crate::server::Server;

/// What `REQUIRE_TOOLS` calls it.
const TOOL: &str = "postgres";

/// The programs, or nothing where no server is installed: then a test is passed over, and a line says so.
///
/// # Errors
///
/// [`RigError::Missing`] if there is none and `REQUIRE_TOOLS` names `postgres`, as it does in the CI; others as
/// [`Binaries::find`].
pub fn binaries() -> Result<Option<Binaries>, RigError> {
    match Binaries::find() {
        Ok(found) => Ok(Some(found)),
        Err(RigError::Missing(why)) => match drive::available(TOOL, false) {
            Ok(_) => Ok(None),
            Err(error) => Err(RigError::Missing(format!("{error}: {why}"))),
        },
        Err(other) => Err(other),
    }
}

/// A server that all tests of this process share, each with a database of its own. It does not sync: what it keeps is not
/// meant to outlive anything. It ends with the process.
///
/// # Errors
///
/// As [`binaries`], and if the server does not start.
pub fn shared() -> Result<Option<&'static Server>, RigError> {
    static SERVER: OnceLock<Result<Option<Server>, String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let start = || match binaries()? {
            Some(binaries) => Server::setup(&binaries).fsync(false).start().map(Some),
            None => Ok(None),
        };
        start().map_err(|error| error.to_string())
    });
    match server {
        Ok(server) => Ok(server.as_ref()),
        Err(said) => Err(RigError::Failed { what: "there is no server to share".into(), said: said.clone() }),
    }
}
