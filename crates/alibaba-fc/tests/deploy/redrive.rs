//! `redrive.py`, against a stand-in for the queue's own protocol that checks each signature by itself (`deploy/alibaba/tests/fake/mns.py`).

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// The queue's messages are files, which go when they are deleted.
struct Queue {
    /// Ends when its standard input does.
    server: Child,
    account: Account,
    endpoint: String,
}

impl Drop for Queue {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

impl Queue {
    fn new(messages: &[(&str, &str)]) -> Self {
        let account = Account::new();
        account.write("function", "{}");
        fs::create_dir(account.path("messages")).unwrap();
        for (name, body) in messages {
            account.write(&format!("messages/{name}"), body);
        }
        let server = Command::new(folder().join("tests/fake/mns.py"))
            .args([&account.text("messages"), "mdss-relay-dead", &account.text("port")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        while !account.has("port") {
            std::thread::sleep(Duration::from_millis(5));
        }
        let endpoint = format!("http://127.0.0.1:{}", account.read("port"));
        Self { server, account, endpoint }
    }

    /// Status, what was printed, and what went to stderr.
    fn redrive(&self, more: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        for folder in ["calls", "given"] {
            fs::remove_dir_all(self.account.path(folder)).unwrap();
            fs::create_dir(self.account.path(folder)).unwrap();
        }
        let output = Command::new(folder().join("redrive.py"))
            .args(["--region", "cn-hangzhou", "--endpoint", &self.endpoint])
            .args(more)
            .envs(self.account.variables())
            .env("HOME", self.account.path("tmp"))
            .env_remove("ALIBABA_CLOUD_SECURITY_TOKEN")
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        for secret in ["testsecret", "testtoken"] {
            assert!(!out.contains(secret) && !err.contains(secret), "a secret is printed: {out}{err}");
        }
        (output.status.code(), out, err)
    }

    /// The events that the function was called with.
    fn brought(&self) -> Vec<String> {
        self.account.list("given").iter().map(|name| self.account.read(&format!("given/{name}"))).collect()
    }
}

fn letter(event: &str) -> String {
    json!({ "timestamp": "2026-01-02T03:04:05Z", "requestContext": { "requestId": "1", "approximateInvokeCount": 9 },
            "requestPayload": event, "responseContext": { "statusCode": 200, "functionError": "UnhandledInvocationError" }, "responsePayload": "" })
    .to_string()
}

const EVENT: &str =
    r#"{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"object":{"key":"a b/日 & <c>.bin"}}}]}"#;

#[test]
fn dead_letters_come_back_as_they_were() {
    let base64 = STANDARD.encode(letter("{\"events\":[]}"));
    let queue = Queue::new(&[("1", &letter(EVENT)), ("2", &base64)]);
    assert_eq!(queue.redrive(&["--look"], &[]).0, Some(3), "something waits");
    let (status, out, err) = queue.redrive(&[], &[("ALIBABA_CLOUD_SECURITY_TOKEN", "testtoken")]);
    assert_eq!(status, Some(0), "{out}{err}");
    assert!(out.contains("2 events were brought back; 0 messages stay"), "{out}");
    assert_eq!(queue.brought(), [EVENT, "{\"events\":[]}"]);
    let call = queue.account.read("calls/0002");
    let call: Vec<_> = call.lines().collect();
    assert_eq!(
        call[..5],
        [
            "fc",
            "POST",
            "/2023-03-30/functions/mdss-relay/invocations",
            "--header",
            "x-fc-invocation-type=Async"
        ]
    );
    assert!(queue.account.list("messages").is_empty());
    assert_eq!(queue.redrive(&["--look"], &[]).0, Some(0));
}

#[test]
fn a_letter_that_function_compute_does_not_take_stays() {
    let queue = Queue::new(&[("1", &letter(EVENT))]);
    // The first call asks for the account.
    let (status, _, err) = queue.redrive(&[], &[("FAKE_FAIL", "2")]);
    assert_eq!(status, Some(1));
    assert!(err.contains("'aliyun fc POST' ended with status 1; what is in the queue stays there"), "{err}");
    assert_eq!(queue.account.list("messages"), ["1"]);
}

#[test]
fn what_is_no_letter_stays_and_is_named() {
    let queue = Queue::new(&[("1", "hello"), ("2", &letter(EVENT)), ("3", "{}")]);
    let (status, out, err) = queue.redrive(&[], &[]);
    assert_eq!(status, Some(1));
    assert!(err.contains("message id-1 is no event") && err.contains("message id-3 is no event"), "{err}");
    assert!(out.contains("1 events were brought back; 2 messages stay"), "{out}");
    assert_eq!(queue.account.list("messages"), ["1", "3"]);
}

#[test]
fn what_fails_again_meanwhile_is_left_for_the_next_try() {
    // A message of the far future, as one that came back while this ran.
    let queue = Queue::new(&[("1", &letter(EVENT)), ("2-4000000000000", &letter(EVENT))]);
    let (status, _, err) = queue.redrive(&[], &[]);
    assert_eq!(status, Some(1));
    assert!(err.contains("has failed again meanwhile"), "{err}");
    assert_eq!(queue.brought().len(), 1);
}

#[test]
fn a_wrong_key_and_no_key_are_said() {
    let queue = Queue::new(&[]);
    let (status, _, err) = queue.redrive(&["--look"], &[("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "other")]);
    assert_eq!(
        (status, err.contains("the queue answered 403: SignatureDoesNotMatch")),
        (Some(1), true),
        "{err}"
    );
    let (status, _, err) = queue.redrive(&["--look"], &[("ALIBABA_CLOUD_ACCESS_KEY_ID", "")]);
    assert_eq!(
        (status, err.contains("no access key: set ALIBABA_CLOUD_ACCESS_KEY_ID")),
        (Some(1), true),
        "{err}"
    );
    // A profile of the command line's.
    fs::create_dir(queue.account.path("tmp/.aliyun")).unwrap();
    let profile = json!({ "name": "default", "mode": "StsToken", "access_key_id": "testid", "access_key_secret": "testsecret", "sts_token": "testtoken" });
    let config = json!({ "current": "default", "profiles": [profile] });
    queue.account.write("tmp/.aliyun/config.json", &config.to_string());
    let (status, _, err) = queue.redrive(&["--look"], &[("ALIBABA_CLOUD_ACCESS_KEY_ID", "")]);
    assert_eq!(status, Some(0), "{err}");
    let (status, _, err) = queue.redrive(&["--nonsense"], &[]);
    assert_eq!((status, err.contains("'--nonsense': not an option")), (Some(2), true), "{err}");
}
