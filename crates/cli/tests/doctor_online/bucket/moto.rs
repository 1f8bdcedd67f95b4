//! Amazon, as moto plays it (`.ci/moto`): S3, SQS and EventBridge. It does not give the switch of EventBridge back.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Case, look, of_store, run, secret};
use crate::found::{file, said};
use crate::tool;

/// A process that is ended with its standard input.
struct Moto {
    child: Child,
    address: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn moto() -> Option<Moto> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tool::root().join("target"), PathBuf::from);
    let python = target.join("moto/bin/python");
    if !drive::available("moto", python.is_file()).unwrap() {
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctor_online/bucket/serve_moto.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    Some(Moto { child, address: address.trim().to_owned() })
}

const OURS: &str = "arn:aws:sqs:us-east-1:123456789012:relay";

fn of(moto: &Moto, key: &str, bucket: &str, expects: &str) -> String {
    let url = format!("http://{}", moto.address);
    format!(
        "kind = \"s3\"\nbuckets = \"{bucket}\"\nendpoint = \"{url}\"\nmanagement_endpoint = \"{url}\"\naccess_key_id = \"id\"\n\
         secret_access_key_file = \"{key}\"\nexpects = \"{expects}\"\n"
    )
}

#[tokio::test]
async fn d7_against_moto() {
    let Some(moto) = moto() else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = secret(&folder);
    let case =
        |bucket: &'static str, expects, want: &[_]| Case::of(bucket, of(&moto, &key, bucket, expects), want);
    let bare = "arn:aws:sqs:us-east-1:123456789012:bare";
    let cases = [
        case(
            "healthy",
            OURS,
            &[
                ("bucket.exists", "ok", ""),
                ("bucket.list", "ok", ""),
                ("bucket.emits", "ok", ""),
                ("bucket.notifies", "ok", ""),
                ("bucket.filter", "ok", ""),
                ("bucket.dead_letter", "ok", "relay-dead"),
                ("bucket.created_only", "ok", ""),
            ],
        ),
        case("overwritten", OURS, &[("bucket.notifies", "fail", "theirs"), ("bucket.filter", "skipped", "")]),
        case("narrow", OURS, &[("bucket.filter", "fail", "in/")]),
        case("removals", OURS, &[("bucket.created_only", "warn", "s3:ObjectRemoved:*")]),
        case(
            "no-dead-letters",
            bare,
            &[("bucket.notifies", "ok", ""), ("bucket.dead_letter", "warn", "lost")],
        ),
        case("bridge", OURS, &[("bucket.notifies", "unknown", "does not show")]),
        case("quiet", OURS, &[("bucket.emits", "fail", "nobody")]),
        case("nowhere", OURS, &[("bucket.exists", "fail", "NoSuchBucket")]),
    ];
    let found = look(&cases, "", &[]).await;
    assert!(found.took.as_secs() < 10, "{:?}", found.took);
    put_back(&moto, &folder, &key).await;
}

/// The command, as it is printed, run by a shell: then ours is there, and so is theirs. Only where the tools of it are.
async fn put_back(moto: &Moto, folder: &tempfile::TempDir, key: &str) {
    let has = |tool: &str| {
        Command::new("sh").args(["-c", &format!("{tool} --version")]).output().unwrap().status.success()
    };
    if !has("aws") || !has("jq") {
        return;
    }
    for bucket in ["overwritten", "quiet"] {
        let cases = [Case::of(bucket, of(moto, key, bucket, OURS), &[])];
        let routes = "[[route]]\nbucket = \"*\"\nprefix = [\"in/\", \"mail/\"]\nstorage_type = \"s3-compatible\"\nstorage_client_id = \"UNIT\"\n";
        let before = run(&cases, routes, &[], &[]).await;
        let remedy = said(of_store(&before, "bucket.notifies", bucket), "remedy").to_owned();
        let config =
            file(folder.path(), "relay.toml", &routes.replace("UNIT", mdss_sim::units::S3_COMPATIBLE));
        let own = Path::new(env!("CARGO_BIN_EXE_mdss-relay")).parent().unwrap().to_owned();
        let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
        let variables = [
            ("PATH", path.as_str()),
            ("RELAY_CONFIG", &config),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ];
        // Twice: what is there already is not doubled.
        for _ in 0..2 {
            let ran = Command::new("sh").args(["-c", &remedy]).envs(variables).output().unwrap();
            assert!(ran.status.success(), "{remedy}: {}", String::from_utf8_lossy(&ran.stderr));
        }
        let after = run(&cases, routes, &[], &[]).await;
        assert_eq!(of_store(&after, "bucket.notifies", bucket)["status"], "ok", "{remedy}");
        assert_eq!(of_store(&after, "bucket.filter", bucket)["status"], "ok", "{remedy}");
        let emits = of_store(&after, "bucket.emits", bucket)["found"].as_str().unwrap().to_owned();
        assert_eq!(emits.contains(":theirs"), bucket == "overwritten", "{emits}");
        assert_eq!(emits.matches(OURS).count(), 2, "{emits}");
    }
}
