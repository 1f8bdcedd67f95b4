//! The guides' commands that bring a function's lines out of a cloud's log: each block is run as it is printed, with a stand-in for the cloud's command
//! line that answers in the form in which that cloud has the lines (`tests/exported`), and the ledger that comes of it is looked at.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod tool;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use drive::available;
use tool::root;

/// The stand-in: whatever asks for the log has the answer, and whatever asks where the log is, an id.
const CLOUD: &str = r#"#!/bin/sh
case "$*" in
    *filter-log-events* | *search-logs* | 'rest '* | 'logging read '* | 'LTS ListLogs '* | *GetLogs* | *SearchLog*) cat "$EXPORTED" ;;
    'LTS ListLogGroups '*) echo '{"log_groups": [{"log_group_name": "mdss-relay", "log_group_id": "g-1"}]}' ;;
    'LTS ListLogStream '*) echo '{"log_streams": [{"log_stream_name": "mdss-relay", "log_stream_id": "s-1"}]}' ;;
    'sts GetCallerIdentity '*) echo '{"AccountId": "1"}' ;;
    'deployment group show '*) echo w-1 ;;
    *) echo "not known: $*" >&2; exit 64 ;;
esac
"#;

/// What a reader has set before.
const SET: [(&str, &str); 6] = [
    ("FUNCTION_COMPARTMENT", "ocid1.compartment.oc1..relay"),
    ("GROUP", "mdss-relay"),
    ("PROJECT", "example-project"),
    ("HUAWEICLOUD_REGION", "cn-north-4"),
    ("ALIBABA_CLOUD_REGION_ID", "cn-hangzhou"),
    ("topic", "t-1"),
];

/// The block of commands of a guide that makes a ledger of the log.
fn block(guide: &str) -> String {
    let page = std::fs::read_to_string(root().join(guide)).unwrap();
    let mut blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains("mdss-relay ledger import"));
    block.unwrap_or_else(|| panic!("{guide} has no `mdss-relay ledger import`")).to_owned()
}

#[test]
fn each_guide_brings_the_lines_out_of_its_clouds_log_and_into_a_ledger() {
    if !available("jq", Path::new("/usr/bin/jq").exists()).unwrap() {
        return;
    }
    for (guide, command, name) in [
        ("docs/aws.md", "aws", "aws"),
        ("docs/oci.md", "oci", "oci"),
        ("docs/azure.md", "az", "azure"),
        ("docs/google.md", "gcloud", "google"),
        ("docs/alibaba.md", "aliyun", "alibaba"),
        ("docs/tencent.md", "tccli", "tencent"),
        ("docs/huawei.md", "hcloud", "huawei"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join(command), CLOUD).unwrap();
        std::fs::set_permissions(bin.join(command), PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mdss-relay"), bin.join("mdss-relay")).unwrap();
        std::os::unix::fs::symlink(root().join("deploy"), dir.path().join("deploy")).unwrap();
        let run = |script: &str| {
            let output = Command::new("bash")
                .args(["-euo", "pipefail", "-c", script])
                .current_dir(dir.path())
                .env_clear()
                .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
                .env("EXPORTED", root().join(format!("crates/cli/tests/exported/{name}.json")))
                .envs(SET)
                .output()
                .unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        };
        let (status, printed, wrong) = run(&block(guide));
        assert_eq!((status, wrong.as_str()), (Some(0), ""), "{guide}: {printed}");
        assert!(printed.contains(" 2 new, 0 there already, "), "{guide}: {printed}");
        assert!(printed.contains(" 0 that cannot be used"), "{guide}: {printed}");
        let audit = dir.path().join("audit");
        let show = |key: &str| {
            tool::run(
                "ledger",
                &["--data-dir", audit.to_str().unwrap(), "show", "--json", "inbox", key],
                &[],
                "",
            )
        };
        let tool::Said { status, stdout: shown, stderr } = show("a b+c%20中.txt");
        assert_eq!((status, stderr.as_str()), (0, ""), "{guide}");
        for part in [
            "\"settled_time\":\"2026-11-27T10:00:01.123Z\"",
            "\"size\":1024",
            "\"origin\":\"log\"",
            "\"correlation_id\":\"000000000000000000000001\"",
        ] {
            assert!(shown.contains(part), "{guide}: {part} in {shown}");
        }
        // Whoever uploads an object may call it like a line of the log: no entry comes of that.
        assert_eq!(show("forged").status, 1, "{guide}");
        // And once more: the same lines count once.
        let (status, printed, _) = run(&block(guide));
        assert!(status == Some(0) && printed.contains(" 0 new, 2 there already, "), "{guide}: {printed}");
    }
}
