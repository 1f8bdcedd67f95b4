//! Notifications of scanned files: to a listener of the test's own, as a reader of them sees them.

use std::num::NonZeroUsize;
use std::time::Duration;

use mdss_sim::{Config, FileIdForm, Notified, Notify, NotifyHeaders, NotifyMethod, Sim, units};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::client::{Client, object, request};

/// Where notifications arrive: answers each with 200.
struct Listener(TcpListener);

impl Listener {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn notify(&self) -> Notify {
        Notify::to(format!("http://{}/results?x=1", self.0.local_addr().unwrap()).parse().unwrap())
    }

    /// The next notification: its first line, its head in lower case, its body.
    async fn next(&self) -> (String, String, Value) {
        let read = async {
            let (socket, _) = self.0.accept().await.unwrap();
            let mut socket = BufReader::new(socket);
            let (mut first, mut head) = (String::new(), String::new());
            socket.read_line(&mut first).await.unwrap();
            while !head.ends_with("\r\n\r\n") {
                socket.read_line(&mut head).await.unwrap();
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            socket.read_exact(&mut body).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            (first.trim_end().to_owned(), head, serde_json::from_slice(&body).unwrap())
        };
        timeout(Duration::from_secs(10), read).await.unwrap()
    }

    async fn paths(&self, count: usize) -> Vec<String> {
        let mut paths = Vec::new();
        for _ in 0..count {
            paths.push(self.next().await.2["FilePath"].as_str().unwrap().to_owned());
        }
        paths
    }
}

async fn start(notify: Notify) -> (Sim, Client) {
    let sim = Sim::start(Config { notify: Some(notify), file_api: true, ..Config::default() }).await.unwrap();
    let client = Client::connect(sim.addr()).await;
    (sim, client)
}

/// Waits until so many are written down, which is after they were answered.
async fn notified(sim: &Sim, count: usize) -> Vec<Notified> {
    let wait = async {
        loop {
            let notified = sim.notified();
            if notified.len() >= count {
                return notified;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.unwrap()
}

#[tokio::test]
async fn a_notification_has_the_documented_members_and_the_headers_it_was_given() {
    let listener = Listener::new().await;
    let headers = NotifyHeaders(vec!["Authorization: Bearer t".parse().unwrap()]);
    let (sim, mut client) = start(Notify { method: NotifyMethod::Put, headers, ..listener.notify() }).await;
    let id = client.ask(object(units::ORACLE, "folder/file.txt")).await.correlation_id();
    let (first, head, body) = listener.next().await;
    assert_eq!(first, "PUT /results?x=1 HTTP/1.1");
    assert!(
        head.contains("authorization: bearer t\r\n") && head.contains("content-type: application/json"),
        "{head}"
    );
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented = [
        "FileId",
        "FileName",
        "FilePath",
        "FileStatus",
        "CoreScanResult",
        "FileState",
        "RemediationResult",
        "ScanCompletedTimeStamp",
        "WorkflowName",
        "Rules",
        "ExceptionDetails",
        "RemediationErrors",
        "WebhookNotificationType",
    ];
    documented.sort_unstable();
    let mut sorted = members.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, documented);
    assert_eq!(body["FileName"], "file.txt");
    assert_eq!((&body["FilePath"], &body["FileStatus"]), (&json!("folder/file.txt"), &json!("Allowed")));
    assert_ne!(body["FileId"], json!(id));
    assert_eq!(notified(&sim, 1).await[0].status, Some(200));
}

#[tokio::test]
async fn twice_out_of_order_in_other_forms_or_never() {
    let listener = Listener::new().await;
    let (_sim, mut client) = start(Notify {
        times: 2,
        reversed: NonZeroUsize::new(2).unwrap(),
        paths: vec!["slash".parse().unwrap()],
        findings: vec![".lost=never".parse().unwrap(), ".exe=blocked".parse().unwrap()],
        file_id: FileIdForm::Correlation,
        ..listener.notify()
    })
    .await;
    client.ask(object(units::ORACLE, "a.exe")).await;
    client.ask(object(units::ORACLE, "b.lost")).await;
    let id = client.ask(object(units::ORACLE, "c")).await.correlation_id();
    let (_, _, body) = listener.next().await;
    assert_eq!((&body["FilePath"], &body["FileId"]), (&json!("/c"), &json!(id)));
    assert_eq!(listener.paths(3).await, ["/c", "/a.exe", "/a.exe"]);
}

#[tokio::test]
async fn blocked_only_tells_of_nothing_else_and_late_is_late() {
    let listener = Listener::new().await;
    let late = Duration::from_millis(100);
    let (sim, mut client) = start(Notify {
        blocked_only: true,
        delay: late,
        findings: vec![".exe=blocked".parse().unwrap(), ".bad=failed".parse().unwrap()],
        ..listener.notify()
    })
    .await;
    for key in ["a", "b.bad"] {
        client.ask(object(units::ORACLE, key)).await;
    }
    let asked = std::time::Instant::now();
    client.ask(object(units::ORACLE, "c.exe")).await;
    assert_eq!(listener.paths(1).await, ["c.exe"]);
    assert!(asked.elapsed() >= late);
    assert_eq!(notified(&sim, 1).await.len(), 1);
}

#[tokio::test]
async fn the_file_api_takes_the_documented_filters() {
    let (_sim, mut client) = start(Notify {
        times: 0,
        findings: vec![".exe=blocked".parse().unwrap(), ".bad=failed".parse().unwrap()],
        ..Listener::new().await.notify()
    })
    .await;
    for (unit, key) in
        [(units::ORACLE, "d/a"), (units::ORACLE, "d/b.exe"), (units::GOOGLE, "d/a"), (units::GOOGLE, "c.bad")]
    {
        client.ask(object(unit, key)).await;
    }
    let key = format!("ApiKey: {}\r\n", mdss_sim::DEFAULT_API_KEY);
    let oracle = format!("storageId={}&search=d%2Fa&scanType=2", units::ORACLE);
    for (query, want) in [
        ("", vec!["d/a", "d/b.exe", "d/a", "c.bad"]),
        (oracle.as_str(), vec!["d/a"]),
        ("result=1", vec!["d/b.exe"]),
        ("processingState=1,2", vec!["c.bad"]),
        ("scanType=0,1", vec![]),
        ("startIndex=1&count=2", vec!["d/b.exe", "d/a"]),
        ("startDate=2999-01-01T00:00:00Z", vec![]),
        ("endDate=2000-01-01T00:00:00Z", vec![]),
    ] {
        let answer = client.ask(request("GET", &format!("{}?{query}", mdss_sim::FILES_PATH), &key, "")).await;
        let found = answer.json();
        let paths: Vec<_> = found["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["filePath"].as_str().unwrap())
            .collect();
        assert_eq!(paths, want, "{query}");
    }
    for (headers, query, want) in
        [("", "", 401), (key.as_str(), "storage=1", 400), (key.as_str(), "result=x", 400)]
    {
        let answer =
            client.ask(request("GET", &format!("{}?{query}", mdss_sim::FILES_PATH), headers, "")).await;
        assert_eq!(answer.status, want, "{query}");
    }
}
