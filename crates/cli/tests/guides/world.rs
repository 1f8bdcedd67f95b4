//! The machine on which a guide is run, made anew for each one.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::page::{Block, Use};

/// A private view of files, network and processes, all of which end with the first process in it.
const UNSHARE: [&str; 6] = ["--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child"];

/// However slow the machine is.
const LIMIT: Duration = Duration::from_secs(240);

pub(crate) fn repository() -> PathBuf {
    std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

/// One bash that does what the blocks say, and says before each where it is.
fn script(name: &str, blocks: &[Block]) -> String {
    let mut script = String::new();
    for Block { line, text, used } in blocks {
        writeln!(script, "at {name}:{line}").unwrap();
        match used {
            // What it asks for is typed into each block anew.
            Use::Typed => writeln!(script, "exec < \"$TYPED\"\n{text}").unwrap(),
            Use::Written { path, added } => {
                let how = if *added { ">>" } else { ">" };
                let path =
                    path.strip_prefix("~/").map_or_else(|| path.clone(), |rest| format!("\"$HOME\"/{rest}"));
                writeln!(script, "cat {how} {path} <<'END-OF-THE-BLOCK'\n{text}END-OF-THE-BLOCK").unwrap();
            }
            Use::Shown | Use::NotRun(_) => {}
        }
    }
    script
}

/// What the machine needs of the real one.
const NEEDS: &str = "for tool in curl ip jq openssl setpriv useradd /usr/bin/python3; do command -v $tool || exit; done; \
                     mount -t tmpfs x /mnt";

/// Whether there can be such a machine here: root makes it, on Linux, with users of its own.
fn possible() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(UNSHARE).args(["sh", "-c", NEEDS]);
    let works =
        tried.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    drive::available("namespaces", works).unwrap()
}

/// Runs the blocks.
///
/// # Panics
///
/// If one fails, with the end of what was printed.
pub(crate) fn run(name: &str, blocks: &[Block]) {
    if !possible() {
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guides/world");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("guide.sh"), script(name, blocks)).unwrap();
    std::fs::create_dir(path("root")).unwrap();
    // The certificate of every https address in the guides; the reader's authority vouches for it, and is it.
    let names =
        ["mdss.example", "relay.example", "inbox.s3.cn-north-1.jdcloud-oss.com"].map(str::to_owned).to_vec();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(path("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();

    let binaries = Path::new(env!("CARGO_BIN_EXE_mdss-relay")).parent().unwrap();
    for program in [
        "mdss-relay-http",
        "mdss-relay-lambda",
        "mdss-relay-oci-fn",
        "mdss-relay-azure-functions",
        "mdss-relay-alibaba-fc",
        "mdss-relay-volcengine-faas",
        "mdss-relay-tencent-scf",
        "mdss-relay-huawei-functiongraph",
        "mdss-sim",
    ] {
        assert!(
            binaries.join(program).is_file(),
            "{} is missing; 'cargo build --package {program}' makes it",
            binaries.join(program).display()
        );
    }
    let printed = std::fs::File::create(path("printed")).unwrap();
    let page = Path::new(name).file_stem().unwrap();
    let mut child = Command::new("unshare")
        .args(UNSHARE)
        .arg(here.join("enter"))
        .args([folder.path(), &repository(), binaries, Path::new(page)])
        .stdin(Stdio::null())
        .stdout(printed.try_clone().unwrap())
        .stderr(printed)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let printed = String::from_utf8_lossy(&std::fs::read(path("printed")).unwrap()).into_owned();
    let tail: Vec<&str> = printed.lines().rev().take(80).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    let late = if status.signal().is_some() { " (killed: it took too long)" } else { "" };
    assert!(status.success(), "{name}: ended with {status}{late}; the last lines were\n{}", tail.join("\n"));
    println!("{}: {:.1} s", name, begun.elapsed().as_secs_f64());
}
