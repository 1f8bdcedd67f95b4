//! A set-up that doctor looks at: the settings of a relay, its secrets, and the directory of its spool.

#![allow(unreachable_pub, dead_code, reason = "shared by test binaries, none of which uses all of it")]
#![allow(clippy::unwrap_used, reason = "support of tests, which end where they fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// A user that no machine lists.
pub const STRANGER: u32 = 65_001;

/// A configuration with nothing to say about it; DIR stands for its directory.
pub const GOOD: &str = r#"
[mdss]
endpoint = "https://mdss.example"
api_key_file = "DIR/api-key"

[http]
mode = "spooled"
data_dir = "DIR/spool"
spool_limit = "1MiB"

[[source]]
name = "minio"
path = "/minio"
dialect = "minio"
auth = { bearer = { token_file = "DIR/token" } }

[[route]]
bucket = "invoices"
exclude_prefix = ["quarantine/"]
storage_client_id = "unit-1"
"#;

/// A directory with a set-up; on a disk, where the temporary directory may be in memory.
pub fn set_up(config: &str) -> TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fill(dir.path(), config);
    dir
}

pub fn fill(dir: &Path, config: &str) {
    write(&dir.join("api-key"), "0123456789abcdef0123456789abcdef\n", 0o600);
    write(&dir.join("token"), "fedcba9876543210fedcba9876543210\n", 0o600);
    write(&dir.join("relay.toml"), &config.replace("DIR", dir.to_str().unwrap()), 0o644);
    fs::create_dir(dir.join("spool")).unwrap();
    fs::set_permissions(dir.join("spool"), PermissionsExt::from_mode(0o700)).unwrap();
}

pub fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}
