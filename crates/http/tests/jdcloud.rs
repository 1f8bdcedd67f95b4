//! `deploy/jdcloud/notification.sh`, run against a stand-in for JD Cloud OSS that checks signatures by itself and does the
//! handshake as JD does (`deploy/jdcloud/tests/oss.py`), and against the server itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use drive::{Program, Server};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};
use serde_json::Value;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);
/// As the stand-in knows it: everything that a configuration file of curl could trip over.
const SECRET_KEY: &str = r#"se"cr\et/key+1"#;
const PATH_SECRET: &str = "a-long-path-secret-1";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/jdcloud").canonicalize().unwrap()
}

/// A server that gives this answer to its first caller, and its address.
fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address
}

/// The stand-in for the bucket, ended with its test.
struct Oss(Child);

impl Drop for Oss {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Place {
    folder: TempDir,
    _oss: Oss,
    oss: String,
    _sim: Sim,
    _relay: Server,
    url: String,
}

struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
    requests: Vec<String>,
}

impl Ran {
    #[track_caller]
    fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(self, sentence: &str) -> Self {
        assert!(
            self.out.contains(sentence) || self.err.contains(sentence),
            "{sentence:?} is not in:\n{}{}",
            self.out,
            self.err
        );
        self
    }
}

impl Place {
    async fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        for (name, text) in [("rules.xml", rules), ("key", SECRET_KEY), ("path-secret", PATH_SECRET)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut oss = Command::new("python3")
            .arg(self::folder().join("tests/oss.py"))
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(oss.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let oss = Oss(oss);

        let sim = Sim::start(mdss_sim::Config::default()).await.unwrap();
        let config = format!(
            "[[route]]\nsource = \"jd\"\nbucket = \"b\"\nstorage_client_id = \"{}\"\n\
             [[source]]\nname = \"jd\"\npath = \"/jdcloud\"\ndialect = \"jdcloud\"\nauth = {{ path_secret = {{ secret = \"{PATH_SECRET}\" }} }}\n",
            units::S3_COMPATIBLE
        );
        let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
            .env("RELAY_LISTEN", "127.0.0.1:0")
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("RELAY_CONFIG_TOML", config);
        let relay = Server::start(&program, LIMIT).await.unwrap();
        Self {
            folder,
            _oss: oss,
            oss: format!("http://127.0.0.1:{}", port.trim()),
            _sim: sim,
            url: relay.url("/jdcloud"),
            _relay: relay,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn rules(&self) -> String {
        fs::read_to_string(self.path("rules.xml")).unwrap()
    }

    fn put(&self, more: &[&str]) -> Ran {
        self.run(&[&["--url", &self.url, "--allow-http"], more].concat(), &[])
    }

    /// Every run, whatever it is for, is checked for what must hold always.
    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Ran {
        let _ = fs::remove_file(self.path("requests"));
        let output = Command::new(folder().join("notification.sh"))
            .args([
                "--access-key-id",
                "AKTEST",
                "--region",
                "cn-north-1",
                "--bucket",
                "b",
                "--endpoint",
                &self.oss,
            ])
            .args(words)
            .env("SECRET_KEY_FILE", self.path("key"))
            .env("PATH_SECRET_FILE", self.path("path-secret"))
            .env("TMPDIR", self.path("tmp"))
            .env("no_proxy", "127.0.0.1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let requests = fs::read_to_string(self.path("requests")).unwrap_or_default();
        let ran = Ran {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            requests: requests.lines().map(str::to_owned).collect(),
        };
        for secret in [SECRET_KEY, PATH_SECRET] {
            assert!(
                !ran.out.contains(secret) && !ran.err.contains(secret),
                "a secret is printed:\n{}{}",
                ran.out,
                ran.err
            );
        }
        let left: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        ran
    }
}

/// A rule of somebody else, and a target of a kind the script does not make.
const THEIRS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <CloudFunctionConfiguration><Id>f</Id><CloudFunction>jrn:function:thumbs</CloudFunction><Event>s3:ObjectRemoved:*</Event></CloudFunctionConfiguration>
  <TopicConfiguration><Id>pictures</Id><Filter><S3Key><FilterRule><Name>prefix</Name><Value>pictures/</Value></FilterRule></S3Key></Filter>
    <Topic>NS:https://other.example/with-a-secret-in-it</Topic><Event>s3:ObjectCreated:Put</Event></TopicConfiguration>
</NotificationConfiguration>"#;

fn position(text: &str, part: &str) -> usize {
    text.find(part).unwrap_or_else(|| panic!("{part} is not in:\n{text}"))
}

#[tokio::test]
async fn a_rule_is_put_signed_and_after_a_handshake_and_only_once() {
    let place = Place::new("").await;
    let ran = place.put(&["--prefix", "in & out/", "--suffix", ".pdf"]).ended(0);
    assert_eq!(ran.requests, ["GET 200", "PUT 200", "GET 200"]);
    let rules = place.rules();
    let topic = format!("<Topic>NS:{}/{PATH_SECRET}</Topic>", place.url);
    for part in [
        "<Id>mdss-relay</Id>",
        "<Name>prefix</Name><Value>in &amp; out/</Value>",
        "<Name>suffix</Name><Value>.pdf</Value>",
        "<Event>s3:ObjectCreated:*</Event>",
        &topic,
    ] {
        position(&rules, part);
    }
    let ran = place.put(&["--prefix", "in & out/", "--suffix", ".pdf"]).ended(0).says("nothing to change");
    assert_eq!(ran.requests, ["GET 200"]);

    let ran = place.put(&[]).ended(0);
    assert_eq!(ran.requests, ["GET 200", "PUT 200", "GET 200"], "another filter");
    assert!(!place.rules().contains("Filter"), "{}", place.rules());
    place.run(&["--show"], &[]).ended(0).says("1. 'mdss-relay': s3:ObjectCreated:*, to 127.0.0.1");
    place.run(&["--remove"], &[]).ended(0);
    assert!(!place.rules().contains("TopicConfiguration"));
    place.run(&["--remove"], &[]).ended(0).says("nothing to change");
}

#[tokio::test]
async fn other_rules_stay_and_whose_comes_first_is_decided_by_somebody() {
    let place = Place::new(THEIRS).await;
    // Ours would get no event of pictures/, so nothing is written.
    let ran = place
        .put(&[])
        .ended(1)
        .says("These rules come before ours")
        .says("'pictures': s3:ObjectCreated:Put with prefix 'pictures/', to other.example");
    assert!(!ran.out.contains("with-a-secret-in-it") && !ran.err.contains("with-a-secret-in-it"));
    assert_eq!((ran.requests, place.rules().as_str()), (vec!["GET 200".to_owned()], THEIRS));

    // Nothing in common, or somebody has decided.
    place.put(&["--prefix", "incoming/"]).ended(0);
    let rules = place.rules();
    assert!(position(&rules, "pictures/") < position(&rules, "incoming/"));
    position(&rules, "<CloudFunction>jrn:function:thumbs</CloudFunction>");
    position(&rules, "NS:https://other.example/with-a-secret-in-it");

    let ran =
        place.put(&["--first"]).ended(0).says("gets no more events of objects that ours takes: 'pictures'");
    assert!(!ran.err.contains("'f'"), "removals are no concern of ours: {}", ran.err);
    assert!(position(&place.rules(), "mdss-relay") < position(&place.rules(), "thumbs"));
    let ran = place.put(&[]).ended(0).says("nothing to change");
    assert_eq!(ran.requests, ["GET 200"], "it stays where it was put");
    place.put(&["--last"]).ended(0).says("gets no events of objects that it takes: 'pictures'");
    assert!(position(&place.rules(), "mdss-relay") > position(&place.rules(), "pictures/"));
    place.run(&["--remove"], &[]).ended(0);
    let rules = place.rules();
    assert!(!rules.contains("mdss-relay") && rules.contains("thumbs") && rules.contains("pictures/"));
}

#[tokio::test]
async fn a_callback_that_would_fail_is_found_out_before_anything_is_written() {
    let place = Place::new(THEIRS).await;
    fs::write(place.path("other"), "another-long-secret-22").unwrap();
    let other = place.path("other");
    let wrong = [("PATH_SECRET_FILE", other.to_str().unwrap())];
    let nobody = "http://127.0.0.1:9/jdcloud";
    let other_answer =
        answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_owned());
    for (words, variables, sentence) in [
        (vec!["--url", &*place.url], &wrong[..], "the relay refuses the handshake with 403"),
        (vec!["--url", nobody], &[], "no server answers at this address"),
        (vec!["--url", &other_answer], &[], "not with the base64 of the handshake"),
        (vec!["--url", &place.oss], &[], "the answer to the handshake is 501, expected 200"),
        (vec!["--url", "http://127.0.0.1:9/jd", "--no-handshake"], &[], "the answer to HEAD is 000"),
    ] {
        let words = [&words[..], &["--allow-http", "--first"]].concat();
        let ran = place.run(&words, variables).ended(1).says(sentence);
        assert!(!ran.requests.iter().any(|r| r.starts_with("PUT")), "{:?}", ran.requests);
    }
    place.put(&["--first", "--no-handshake"]).ended(0);

    // What only JD finds out.
    let words = ["--url", &place.url, "--allow-http", "--no-handshake"];
    let ran = place.run(&words, &wrong).ended(1).says("with 400, InvalidArgument: Topic does not exist");
    assert_eq!(ran.requests, ["GET 200", "PUT 400"]);
}

#[tokio::test]
async fn what_jd_refuses_and_what_others_change_is_said() {
    let place = Place::new("").await;
    fs::write(place.path("meddle"), "").unwrap();
    place.put(&[]).ended(1).says("the rules differ from what was just written");
    fs::remove_file(place.path("meddle")).unwrap();

    fs::write(place.path("key"), "another-key").unwrap();
    place.run(&["--show"], &[]).ended(1).says("with 403, SignatureDoesNotMatch");
    fs::write(place.path("key"), SECRET_KEY).unwrap();
    for (rules, sentence) in [
        ("<NotificationConfiguration>", "is no XML"),
        ("<Error/>", "found the element Error"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><NotificationConfiguration/>", "has a DOCTYPE"),
    ] {
        fs::write(place.path("rules.xml"), rules).unwrap();
        place.put(&[]).ended(1).says(sentence);
        assert_eq!(place.rules(), rules);
    }
    let rule = |n: usize| {
        format!(
            "<TopicConfiguration><Id>{n}</Id><Topic>NS:https://a</Topic><Event>s3:ObjectRemoved:*</Event></TopicConfiguration>"
        )
    };
    let hundred: String = (0..100).map(rule).collect();
    fs::write(
        place.path("rules.xml"),
        format!("<NotificationConfiguration>{hundred}</NotificationConfiguration>"),
    )
    .unwrap();
    place.put(&[]).ended(1).says("the bucket has 100 rules already");
}

#[tokio::test]
async fn mistakes_are_told_at_once_and_a_dry_run_calls_nobody() {
    let place = Place::new("").await;
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--url relay.example", "--url: 'relay.example'"),
        ("--url http://relay.example/jd", "--allow-http accepts it"),
        ("--url https://relay.example/jd?a=1", "--url: one has"),
        ("--id a/b", "--id: 'a/b'"),
        ("--event s3:ObjectRemoved:*", "--event: 's3:ObjectRemoved:*' is not an event of new content"),
        ("--secret-key topsecret", "--secret-key: a secret is never an argument"),
        ("--secret=topsecret", "--secret: a secret is never an argument"),
        ("--prefix", "--prefix: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let mut ran = place.run(&words, &[("SECRET_KEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in wrong {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    ran = ran.says("SECRET_KEY_FILE: '/nowhere'");
    assert!(ran.requests.is_empty() && !ran.err.contains("topsecret"));

    let ran = place.put(&["--dry-run"]).ended(0);
    assert!(ran.requests.is_empty() && ran.out.contains("--aws-sigv4 aws:amz:cn-north-1:s3"), "{}", ran.out);
    assert!(ran.out.contains("--request PUT") && ran.out.contains(r#"user = "AKTEST:***""#), "{}", ran.out);
    place.run(&["--help"], &[]).ended(0).says("Exit status");
    for script in ["notification.sh", "rules.py", "tests/oss.py"] {
        assert_eq!(
            fs::metadata(folder().join(script)).unwrap().permissions().mode() & 0o111,
            0o111,
            "{script}"
        );
    }
}

#[tokio::test]
async fn what_function_service_hands_on_is_taken_or_fails_there() {
    let sim = Sim::start(mdss_sim::Config::default()).await.unwrap();
    let mut relay = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_TOKEN", PATH_SECRET)
        .env(
            "RELAY_CONFIG_TOML",
            format!("[[route]]\nbucket = \"b\"\nstorage_client_id = \"{}\"", units::S3_COMPATIBLE),
        )
        .start()
        .unwrap();
    let line = relay.wait_for_line("listening on", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://127.0.0.1:{}/events", line["server.port"]);
    let event = |bucket: &str| {
        serde_json::json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": "中" } } }] })
        .to_string()
    };
    // The token is for the relay, not for whomever an answer names.
    let thief = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
    let elsewhere = answering(format!(
        "HTTP/1.1 302 Found\r\nLocation: {thief}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    for (url, program, bucket, token, taken) in [
        (&url, "handler(sys.argv[1], None)", "b", PATH_SECRET, true),
        (&url, "handler(sys.argv[1].encode(), None)", "b", PATH_SECRET, true),
        (&url, "handler(json.loads(sys.argv[1]), None)", "b", PATH_SECRET, true),
        (&url, "handler(sys.argv[1], None)", "unmapped", PATH_SECRET, false),
        (&url, "handler(sys.argv[1], None)", "b", "another-token", false),
        (&elsewhere, "handler(sys.argv[1], None)", "b", PATH_SECRET, false),
    ] {
        let output = Command::new("python3")
            .args(["-c", &format!("import json, sys, forward; print(forward.{program})"), &event(bucket)])
            .current_dir(folder())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("no_proxy", "127.0.0.1")
            .env("RELAY_URL", url)
            .env("RELAY_TOKEN", token)
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), taken, "{url} {program} {bucket} {token}: {out}");
        assert_eq!(out.contains("\"accepted\""), taken, "{url} {program} {bucket} {token}: {out}");
    }
}
