//! `initdb` takes most of a second, a copy of what it made a fraction of that: it runs once in a process.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binaries::{Binaries, finish};
use crate::error::RigError;
use crate::folder::Folder;

/// Who may do everything. Nobody but this machine's users reaches the server, and everybody is trusted.
pub(crate) const ADMIN: &str = "postgres";

/// Who owns the databases, may see how the server does, and may do nothing else: what a relay has.
pub(crate) const ROLE: &str = "relay";

/// Lays a new data directory at `data`.
pub(crate) fn lay(binaries: &Binaries, data: &Path) -> Result<(), RigError> {
    static TEMPLATE: OnceLock<Result<Folder, String>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| make(binaries).map_err(|error| error.to_string()));
    let template = match template {
        Ok(folder) => folder.path().join("data"),
        Err(said) => return Err(RigError::Failed { what: "initdb failed".into(), said: said.clone() }),
    };
    finish("cp", Command::new("cp").arg("-a").arg(template).arg(data))
}

fn make(binaries: &Binaries) -> Result<Folder, RigError> {
    let folder = Folder::new(binaries)?;
    let data = folder.path().join("data");
    binaries.run("initdb", |command| {
        command
            .args(["--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .arg(format!("--username={ADMIN}"))
            .arg("--pgdata")
            .arg(&data)
    })?;
    // A server for one user alone: no port, no second start.
    let mut single = binaries.command("postgres");
    single.args(["--single", "-F", "-D"]).arg(&data).arg("postgres");
    let mut single = single
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RigError::system("postgres --single cannot be started"))?;
    if let Some(mut words) = single.stdin.take() {
        // One that has ended by itself says below why.
        let _ =
            words.write_all(format!("CREATE ROLE {ROLE} LOGIN;\nGRANT pg_monitor TO {ROLE};\n").as_bytes());
    }
    let output = single.wait_with_output().map_err(RigError::system("postgres --single is gone"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() || said.contains("ERROR") {
        return Err(RigError::Failed { what: format!("the role {ROLE} cannot be made"), said });
    }
    Ok(folder)
}
