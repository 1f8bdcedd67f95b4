//! `doctor --offline` as an operator, a script and systemd run it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod set_up;
mod tool;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use set_up::{GOOD, STRANGER, fill, set_up, write};
use tempfile::TempDir;
use tool::Said;

fn doctor(dir: &Path, more: &[&str]) -> Said {
    let config = dir.join("relay.toml");
    let arguments = [&["--offline", "--config", config.to_str().unwrap()], more].concat();
    tool::run("doctor", &arguments, &[], "")
}

/// The checks of a JSON answer.
fn checks(said: &Said) -> Vec<Value> {
    let answer: Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", said.stdout, said.stderr));
    answer["checks"].as_array().unwrap().clone()
}

/// The only element, or the one about this subject.
fn check<'c>(checks: &'c [Value], id: &str, subject: &str) -> &'c Value {
    let found = checks.iter().find(|c| c["id"] == id && c["subject"].as_str().unwrap().contains(subject));
    found.unwrap_or_else(|| panic!("no {id} about {subject} in {checks:#?}"))
}

#[test]
fn all_is_well_in_a_few_lines_and_at_once() {
    let dir = set_up(GOOD);
    let start = Instant::now();
    let said = doctor(dir.path(), &["--strict"]);
    let took = start.elapsed();
    let lines: Vec<_> = said.stdout.lines().collect();
    assert_eq!((said.status, said.stderr.as_str()), (0, ""), "{}", said.stdout);
    assert!(lines.len() <= 24, "{}", said.stdout);
    let groups: Vec<_> = lines.iter().filter(|line| line.starts_with("ok ")).collect();
    assert_eq!(groups.len(), 2, "a line for each group: {}", said.stdout);
    assert!(lines.last().unwrap().ends_with(": all is well"), "{}", said.stdout);
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Nothing is left behind.
    assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
    let verbose = doctor(dir.path(), &["--verbose"]);
    assert!(verbose.stdout.contains("writable, one sync takes 0."), "{}", verbose.stdout);
}

#[test]
fn an_object_for_each_check_with_the_same_members() {
    let dir = set_up(&GOOD.replace("https://", "http://"));
    let said = doctor(dir.path(), &["--json"]);
    assert_eq!(said.status, 0, "a warning is no failure: {}", said.stdout);
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    let members: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["checks", "counts", "subject", "version"]);
    let checks = checks(&said);
    let mut count = 0;
    for check in &checks {
        let members: Vec<_> = check.as_object().unwrap().keys().map(String::as_str).collect();
        let want = ["by", "doc", "expected", "found", "id", "ms", "remedy", "status", "subject"];
        assert_eq!(members, want, "{check}");
        let id = check["id"].as_str().unwrap();
        assert_eq!(check["doc"], format!("docs/doctor.md#{id}"));
        assert!(check["ms"].is_u64() && !check["subject"].as_str().unwrap().is_empty(), "{check}");
        let status = check["status"].as_str().unwrap();
        assert!(["ok", "warn", "fail", "unknown", "skipped"].contains(&status), "{check}");
        assert_eq!(check["remedy"].is_string(), status == "warn", "{check}");
        count += usize::from(status == "ok");
    }
    assert_eq!(
        (answer["counts"]["ok"].as_u64(), answer["counts"]["warn"].as_u64()),
        (Some(count as u64), Some(1))
    );
    assert_eq!(check(&checks, "settings.http_endpoint", "mdss.endpoint")["status"], "warn");
    assert_eq!(doctor(dir.path(), &["--strict"]).status, 1);
}

#[test]
fn several_faults_are_all_found_in_one_run() {
    let dir = set_up(
        &(GOOD
            .replace("https://", "http://")
            .replace("exclude_prefix = [\"quarantine/\"]\n", "")
            .replace("dialect = \"minio\"\n", "")
            .replace("DIR/token", "DIR/no-token")
            .replace("[http]", "tls_verify = \"off\"\n[http]")
            + "[[route]]\nbucket = \"invoices\"\nprefix = \"a/\"\nstorage_client_id = \"unit-2\"\n"
            + "[[route]]\nbucket = \"a*\"\nprefix = \"x/\"\nstorage_client_id = \"unit-2\"\n"
            + "[[route]]\nbucket = \"*a\"\nsuffix = \"-\"\nstorage_client_id = \"unit-3\"\n"
            + "[log]\nfiltre = \"info\"\n"),
    );
    let spool = dir.path().join("spool");
    write(&dir.path().join("api-key"), "0123456789abcdef", 0o644);
    write(&spool.join("spool.db"), &"no database ".repeat(20), 0o600);
    write(&spool.join("spool.db.damaged-7"), "x", 0o600);
    let said = doctor(dir.path(), &["--json"]);
    assert_eq!(said.status, 1);
    let checks = checks(&said);
    for (id, subject, status, words) in [
        ("settings.valid", "log.filtre", "fail", "is filter meant?"),
        ("settings.http_endpoint", "mdss.endpoint", "warn", "in the clear"),
        ("settings.tls_verify_off", "RELAY_TLS_VERIFY", "warn", "anybody"),
        ("settings.route_overlap", "route[3]", "warn", "route[2]"),
        ("settings.route_unreachable", "route[1]", "warn", "route[0]"),
        ("settings.storage_type_default", "route[0]", "warn", "minio takes events of every dialect"),
        ("settings.feedback_loop", "route[0]", "warn", "quarantine"),
        ("settings.secrets_readable", "source[0].auth.bearer.token_file", "fail", "does not exist"),
        ("settings.secrets_mode", "mdss.api_key_file", "warn", "every user of this machine may read"),
        ("machine.spool_version", "spool", "fail", "no SQLite database"),
        ("machine.spool_damaged_files", "spool", "warn", "damaged-7"),
    ] {
        let check = check(&checks, id, subject);
        assert_eq!(check["status"], status, "{check}");
        assert!(check.to_string().contains(words), "{words}: {check}");
    }
    // One trouble, one failure: the file that is not there is a mistake in the settings as well.
    assert!(
        !checks
            .iter()
            .any(|c| c["id"] == "settings.valid" && c["subject"].as_str().unwrap().contains("token_file"))
    );
    // Each has its lines for people, with what to do.
    let shown = doctor(dir.path(), &[]).stdout;
    assert!(
        shown.contains("chmod 0600") && shown.contains("more:     docs/doctor.md#settings.secrets_mode"),
        "{shown}"
    );
    assert!(shown.contains("mdss-relay secret "), "{shown}");
}

#[test]
fn an_unreadable_toml_is_one_failure() {
    let dir = set_up("[mdss]\nendpoint =\n");
    let checks = checks(&doctor(dir.path(), &["--json"]));
    let failed: Vec<_> = checks.iter().filter(|c| c["status"] == "fail").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0]["expected"].as_str().unwrap().contains("line 2"), "{failed:#?}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let dir = set_up(GOOD);
    for arguments in [&["--live"][..], &["--unit-file", "/nowhere.service"], &["--nonsense"]] {
        let said = doctor(dir.path(), arguments);
        assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!said.stderr.is_empty());
    }
}

/// A source that no route belongs to, and a spool of a version that does not exist yet.
#[test]
fn what_only_the_next_event_or_the_next_start_would_find() {
    let dir = set_up(&GOOD.replace("bucket =", "source = \"minio\"\nbucket =").replace(
        "[[route]]",
        "[[source]]\nname = \"ceph\"\npath = \"/ceph\"\ndialect = \"ceph\"\nauth = \"none\"\n[[route]]",
    ));
    // A header of SQLite's, with the relay's application id and the version 99.
    let mut header = vec![0; 100];
    header[..16].copy_from_slice(b"SQLite format 3\0");
    header[60..64].copy_from_slice(&99_u32.to_be_bytes());
    header[68..72].copy_from_slice(&0x4d44_5352_u32.to_be_bytes());
    let file = dir.path().join("spool/spool.db");
    fs::write(&file, &header).unwrap();
    let checks = checks(&doctor(dir.path(), &["--json"]));
    assert_eq!(check(&checks, "settings.bucket_without_route", "ceph")["status"], "warn");
    let version = check(&checks, "machine.spool_version", "spool");
    assert!(
        version["status"] == "fail" && version["found"].as_str().unwrap().contains("version 99"),
        "{version}"
    );
    assert_eq!(fs::read(&file).unwrap(), header, "it is not touched");
}

// === A unit ===

/// A set-up in a directory that everybody may enter, and a unit for it. Files belong to whoever runs the test.
fn unit(service: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let config = GOOD.replace("DIR/token", "/run/credentials/mdss-relay-http.service/token");
    fill(dir.path(), &config.replace("api_key_file = \"DIR/api-key\"", ""));
    let unit = dir.path().join("mdss-relay-http.service");
    let text = format!(
        "[Service]\nUser={STRANGER}\nEnvironment=RELAY_CONFIG=DIR/relay.toml\nLoadCredential=key:DIR/api-key\nEnvironment=APIKEY_FILE=%d/key\n{service}"
    );
    fs::write(&unit, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    (dir, unit)
}

fn doctor_of(unit: &Path) -> Vec<Value> {
    checks(&tool::run("doctor", &["--offline", "--json", "--unit-file", unit.to_str().unwrap()], &[], ""))
}

#[test]
fn a_service_is_seen_with_its_own_users_rights() {
    let (dir, unit) = unit("TimeoutStopSec=80\nLimitNOFILE=100\nProtectSystem=strict\n");
    let found = doctor_of(&unit);
    // The unit hands over a key and no token.
    let token = check(&found, "settings.secrets_readable", "token_file");
    assert_eq!(token["status"], "fail");
    assert!(
        token["remedy"].as_str().unwrap().contains("LoadCredential=token:/etc/mdss-relay/token"),
        "{token}"
    );
    assert_eq!(check(&found, "settings.secrets_readable", "APIKEY_FILE")["status"], "ok");
    assert_eq!(check(&found, "settings.stop_timeout", "mdss-relay-http")["status"], "ok");
    assert_eq!(check(&found, "machine.open_files", "mdss-relay-http")["status"], "warn");
    let data = check(&found, "machine.data_dir", "spool");
    assert!(
        data["status"] == "fail" && data["found"].as_str().unwrap().starts_with("ProtectSystem="),
        "{data}"
    );
    assert_eq!(check(&found, "machine.disk", "spool")["by"], "machine.data_dir");

    // A drop-in mends it, but for the directory, which is not the user's.
    fs::create_dir(dir.path().join("mdss-relay-http.service.d")).unwrap();
    let drop_in = format!(
        "[Service]\nLoadCredential=token:{0}/token\nLimitNOFILE=4096\nReadWritePaths={0}\nEnvironment=RELAY_DEADLINE=60s\n",
        dir.path().display()
    );
    fs::write(dir.path().join("mdss-relay-http.service.d/10.conf"), drop_in).unwrap();
    let found = doctor_of(&unit);
    assert_eq!(check(&found, "settings.valid", "mdss-relay-http")["status"], "ok");
    assert_eq!(check(&found, "settings.secrets_readable", "token_file")["status"], "ok");
    assert_eq!(check(&found, "machine.open_files", "mdss-relay-http")["status"], "ok");
    let stop = check(&found, "settings.stop_timeout", "mdss-relay-http");
    assert!(stop["status"] == "warn" && stop["expected"].as_str().unwrap().contains("146 s"), "{stop}");
    let data = check(&found, "machine.data_dir", "spool");
    assert!(
        data["status"] == "fail" && data["found"].as_str().unwrap().contains("may not make files in"),
        "{data}"
    );
    if chown(dir.path().join("spool"), Some(STRANGER), None).is_ok() {
        let data = doctor_of(&unit);
        let data = check(&data, "machine.data_dir", "spool");
        assert!(
            ["ok", "warn"].contains(&data["status"].as_str().unwrap()),
            "on a disk, or in memory: {data}"
        );
    }

    // A file that systemd does not hand over has to be readable for the user.
    let config = fs::read_to_string(dir.path().join("relay.toml")).unwrap();
    let named = format!("{}/token", dir.path().display());
    let config = config.replace("/run/credentials/mdss-relay-http.service/token", &named);
    fs::write(dir.path().join("relay.toml"), config).unwrap();
    let found = doctor_of(&unit);
    let token = check(&found, "settings.secrets_readable", "token_file");
    assert!(
        token["status"] == "fail" && token["found"].as_str().unwrap().contains("may not read"),
        "{token}"
    );
    assert!(token["remedy"].as_str().unwrap().contains("LoadCredential=token:"), "{token}");
    fs::set_permissions(dir.path().join("relay.toml"), PermissionsExt::from_mode(0o640)).unwrap();
    let found = doctor_of(&unit);
    assert_eq!(check(&found, "settings.valid", "RELAY_CONFIG")["status"], "fail");
}

#[test]
fn who_may_not_look_says_that_he_does_not_know() {
    let (dir, unit) = unit("LoadCredential=token:DIR/token\n");
    // Whoever runs the tests owns the files; another user looks, which only root can arrange.
    let tool = dir.path().join("mdss-relay");
    fs::copy(env!("CARGO_BIN_EXE_mdss-relay"), &tool).unwrap();
    let run = || {
        let mut command = Command::new(&tool);
        command
            .args(["doctor", "--offline", "--json", "--unit-file"])
            .arg(&unit)
            .env_clear()
            .stdin(Stdio::null());
        command.uid(STRANGER + 1).gid(STRANGER + 1).output()
    };
    let Ok(output) = run() else { return eprintln!("skipped: only root can run a program as another user") };
    let said = |output: std::process::Output| Said {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    let found = checks(&said(output));
    for (id, subject) in
        [("settings.valid", "APIKEY_FILE"), ("settings.valid", "token_file"), ("machine.data_dir", "spool")]
    {
        let unknown = check(&found, id, subject);
        let (unknown, expected) =
            if id == "machine.data_dir" { (unknown, "fail") } else { (unknown, "unknown") };
        assert_eq!(unknown["status"], expected, "{unknown}");
    }
    // The TOML itself: what stands in it cannot be told.
    fs::set_permissions(dir.path().join("relay.toml"), PermissionsExt::from_mode(0o600)).unwrap();
    let found = checks(&said(run().unwrap()));
    let valid = check(&found, "settings.valid", "RELAY_CONFIG");
    assert!(
        valid["status"] == "unknown" && valid["found"].as_str().unwrap().contains("run doctor as root"),
        "{valid}"
    );
    assert_eq!(check(&found, "settings.feedback_loop", "")["by"], "settings.valid");
}

/// Before each start the service's own user looks, without the unit's file; an operator looks with it. Both say the same of one fault.
#[test]
fn the_look_before_the_start_says_the_same_as_the_one_with_the_unit_file() {
    let folder = "/run/credentials/mdss-relay-http.service";
    let before_start = |dir: &Path, user: Option<u32>| {
        let tool = dir.join("mdss-relay");
        if !tool.exists() {
            fs::copy(env!("CARGO_BIN_EXE_mdss-relay"), &tool).unwrap();
        }
        let mut command = Command::new(&tool);
        command.args(["doctor", "--offline", "--json"]).env_clear().stdin(Stdio::null());
        command.env("CREDENTIALS_DIRECTORY", folder).env("RELAY_CONFIG", dir.join("relay.toml"));
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let output = command.output().ok()?;
        let stdout = String::from_utf8(output.stdout).unwrap();
        Some(checks(&Said { status: output.status.code().unwrap(), stdout, stderr: String::new() }))
    };
    let said = |found: &[Value]| {
        let token = check(found, "settings.secrets_readable", "token_file");
        ["status", "found", "expected", "remedy"].map(|member| token[member].as_str().unwrap().to_owned())
    };

    // The drop-in is missing.
    let (dir, unit) = unit("");
    let by_unit = said(&doctor_of(&unit));
    assert!(by_unit[1].ends_with("there is no LoadCredential=token in the unit"), "{by_unit:?}");
    assert!(by_unit[3].contains("then systemctl restart mdss-relay-http"), "{by_unit:?}");
    assert_eq!(said(&before_start(dir.path(), None).unwrap()), by_unit);

    // The TOML names root's file.
    let config = fs::read_to_string(dir.path().join("relay.toml")).unwrap();
    let named = dir.path().join("token");
    fs::write(
        dir.path().join("relay.toml"),
        config.replace(&format!("{folder}/token"), named.to_str().unwrap()),
    )
    .unwrap();
    let by_unit = said(&doctor_of(&unit));
    assert!(by_unit[1].contains("65001 may not read ") && by_unit[3].contains(folder), "{by_unit:?}");
    let Some(found) = before_start(dir.path(), Some(STRANGER)) else {
        return eprintln!("skipped: only root can run a program as another user");
    };
    assert_eq!(said(&found), by_unit);
}

#[test]
fn secrets_that_are_written_out_are_warned_about() {
    let (dir, unit) =
        unit("Environment=RELAY_TIMEOUT=5s\nEnvironmentFile=DIR/env\nLoadCredential=token:DIR/token\n");
    write(&dir.path().join("env"), "APIKEY=written-in-a-file\n", 0o644);
    let config = fs::read_to_string(dir.path().join("relay.toml")).unwrap();
    let config = config.replace(
        "token_file = \"/run/credentials/mdss-relay-http.service/token\"",
        "token = 's3cret-s3cret-s3cret-s3cret'",
    );
    fs::write(dir.path().join("relay.toml"), config).unwrap();
    let said = tool::run("doctor", &["--offline", "--json", "--unit-file", unit.to_str().unwrap()], &[], "");
    let found = checks(&said);
    for place in ["APIKEY in ", "source[0].auth.bearer.token in "] {
        assert_eq!(check(&found, "settings.secrets_mode", place)["status"], "warn", "{place}");
    }
    assert!(!said.stdout.contains("s3cret-s3cret") && !said.stdout.contains("written-in-a-file"));
}

/// The unit that is shipped: what it says of itself fits, and doctor before the start never keeps it from starting.
#[test]
fn the_shipped_unit_fits_itself() {
    let path = tool::root().join("deploy/systemd/mdss-relay-http.service");
    let text = fs::read_to_string(&path).unwrap();
    let before: Vec<_> = text.lines().filter(|line| line.starts_with("ExecStartPre=")).collect();
    assert_eq!(before, ["ExecStartPre=-/usr/bin/mdss-relay doctor --offline"]);
    let found = doctor_of(&path);
    assert_eq!(check(&found, "settings.stop_timeout", "mdss-relay-http")["status"], "ok");
    assert_eq!(check(&found, "machine.open_files", "mdss-relay-http")["status"], "ok");
}
