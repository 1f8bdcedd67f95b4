//! The Azure Functions host, as a custom handler sees it.
//!
//! Source of all that follows, unless another one is named: Azure/azure-functions-host, `src/WebJobs.Script/Workers`:
//! `Http/DefaultHttpWorkerService.cs` (calls), `ProcessManagement/WorkerProcess.cs` and `Http/HttpFunctionInvocationDispatcher.cs` (the process).

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::answer::Answer;
use crate::error::DriveError;
use crate::http_poster::HttpPoster;
use crate::id;
use crate::process::{Process, Program};

/// How often the host looks whether the process answers (`WorkerConstants.cs`, `WorkerReadyCheckPollingIntervalMilliseconds`).
const READY_CHECK: Duration = Duration::from_millis(25);

/// How often a process may crash, with less than half an hour between two crashes, before the host shuts down.
const MOST_CRASHES: usize = 3;

/// A custom handler as a process, started, called and started again the way the Functions host does.
///
/// - The process is called once it has answered `GET /` in any way.
/// - An invocation is `POST /FUNCTION` with JSON, and has succeeded only if the answer is 2xx with JSON of an object.
/// - After exit status 0 no process is started again. After 200 one is. After any other one is, until the third.
#[derive(Debug)]
pub struct FunctionsHost {
    program: Program,
    port: u16,
    poster: HttpPoster,
    limit: Duration,
    process: Process,
    crashes: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The process ended with status 0: nothing answers any more.
    Left,
    /// Too many crashes.
    ShutDown,
}

/// What became of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub enum Invoked {
    /// The response object.
    Succeeded(Value),
    /// Everything else that is an answer, with the status and the body, and why it is none; or no answer at all.
    Failed {
        /// The status, if there was an answer.
        status: Option<u16>,
        /// The answer's body.
        body: String,
        /// The host's reason.
        why: String,
    },
    /// A success whose body reads as null: the host waits for a result until `functionTimeout`. It is told here at once.
    Hung,
}

/// What a trigger has, by its kind in the host; each is written into the request in its own way
/// (`MessageExtensions/ScriptInvocationContextExtensions.cs`, and the host's `DefaultHttpWorkerServiceTests.cs`).
#[derive(Clone, Debug)]
pub enum Triggered {
    /// An object, written once.
    Object(Value),
    /// A text: encoded as JSON, and the result once more.
    Text(String),
    /// `"cardinality": "many"`: a list, written as a text of JSON.
    Many(Vec<Value>),
    /// `"dataType": "binary"`: Base64.
    Bytes(Vec<u8>),
}

/// What became of a queue's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// An invocation succeeded; which one, from 1.
    Taken {
        /// Invocations, this one included.
        after: u64,
    },
    /// None did: it is in the poison queue (of Service Bus: in the dead-letter queue).
    Poisoned,
}

impl FunctionsHost {
    /// Starts `program` and waits until it answers. `limit` is for that, and for each invocation.
    ///
    /// # Errors
    ///
    /// As [`Program::start`]; [`DriveError::Ended`] if the host has shut down or has no process any more, [`DriveError::Never`] if nothing answers.
    pub async fn start(program: Program, limit: Duration) -> Result<Self, DriveError> {
        let unknown = |source| DriveError::Process { what: "no port is free".to_owned(), source };
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(unknown)?.port();
        let program = program
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("FUNCTIONS_HTTPWORKER_PORT", port.to_string())
            .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", id::uuid());
        let process = program.start()?;
        let poster = HttpPoster::new(limit);
        let mut host = Self { program, port, poster, limit, process, crashes: 0, state: State::Running };
        host.ready().await?;
        Ok(host)
    }

    /// The process that runs now.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// How often a process has crashed.
    #[must_use]
    pub fn crashes(&self) -> usize {
        self.crashes
    }

    /// Sends one request to the process, as it is.
    ///
    /// # Errors
    ///
    /// As [`HttpPoster::send`].
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, DriveError> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        self.poster.send(method, &url, headers, body.to_owned()).await
    }

    /// Waits until the process answers `GET /`; starts another one if it ends instead, as often as the host does.
    async fn ready(&mut self) -> Result<(), DriveError> {
        let started = Instant::now();
        while self.send("GET", "/", &[], "").await.is_err() {
            if started.elapsed() >= self.limit {
                return Err(DriveError::Never { what: "an answer to GET /".to_owned(), after: self.limit });
            }
            if self.process.ended()?.is_some() {
                self.restart().await?;
            }
            sleep(READY_CHECK).await;
        }
        Ok(())
    }

    /// What the host does about a process that has ended; nothing if it runs.
    ///
    /// # Errors
    ///
    /// [`DriveError::Ended`] if there is no process any more, as [`FunctionsHost::start`] else.
    pub async fn look_after(&mut self) -> Result<(), DriveError> {
        if self.process.ended()?.is_none() {
            return Ok(());
        }
        self.restart().await?;
        self.ready().await
    }

    async fn restart(&mut self) -> Result<(), DriveError> {
        let status = self.process.wait(self.limit).await?;
        match status.code() {
            Some(0) => self.state = State::Left,
            Some(200) => {}
            _ => {
                self.crashes += 1;
                if self.crashes >= MOST_CRASHES {
                    self.state = State::ShutDown;
                }
            }
        }
        let what = match self.state {
            State::Running => {
                self.process = self.program.start()?;
                return Ok(());
            }
            State::Left => "being called again: after exit status 0 the host starts no process",
            State::ShutDown => "staying up: the host has shut down after the third crash",
        };
        Err(DriveError::Ended { what: what.to_owned(), status: Some(status), output: self.process.output() })
    }

    /// Invokes `function` with this body.
    pub async fn invoke(&self, function: &str, body: &str) -> Invoked {
        let id = id::uuid();
        let headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("X-Azure-Functions-InvocationId", &id),
            ("X-Azure-Functions-HostVersion", "4.1036.0.0"),
            ("User-Agent", "Azure-Functions-Host/4.1036.0.0"),
        ];
        match self.send("POST", &format!("/{function}"), &headers, body).await {
            Ok(answer) => judge(&answer),
            Err(error) => Invoked::Failed { status: None, body: String::new(), why: error.to_string() },
        }
    }

    /// Invokes `function` for a message of a queue until it succeeds, `attempts` times at most: 5 is what a Storage queue has by default
    /// (`maxDequeueCount`, <https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#poison-messages>), 10 a Service Bus queue.
    ///
    /// # Errors
    ///
    /// As [`FunctionsHost::look_after`].
    pub async fn queue(
        &mut self,
        function: &str,
        message: &Triggered,
        attempts: u64,
    ) -> Result<Fate, DriveError> {
        for attempt in 1..=attempts {
            self.look_after().await?;
            let metadata = json!({
                "DequeueCount": attempt.to_string(), "Id": "\"800a0d1e\"", "PopReceipt": "\"AgAAAA==\"",
                "ExpirationTime": "2026-12-08T00:00:00+00:00",
            });
            if let Invoked::Succeeded(_) =
                self.invoke(function, &request("message", message, &metadata)).await
            {
                return Ok(Fate::Taken { after: attempt });
            }
        }
        Ok(Fate::Poisoned)
    }

    /// Invokes `function` for each event of a delivery at once, and gives the status that Event Grid gets: 500 if any of them failed, for
    /// which it sends all of them again, else 202 (Azure/azure-sdk-for-net,
    /// `sdk/eventgrid/Microsoft.Azure.WebJobs.Extensions.EventGrid/src/Config/EventGridExtensionConfigProvider.cs`).
    pub async fn event_grid(&self, function: &str, events: &[Value]) -> u16 {
        let bodies: Vec<_> = events
            .iter()
            .map(|event| {
                request("event", &Triggered::Object(event.clone()), &json!({ "data": event["data"] }))
            })
            .collect();
        let invoked = join_all(bodies.iter().map(|body| self.invoke(function, body))).await;
        let all = invoked.iter().all(|invoked| matches!(invoked, Invoked::Succeeded(_)));
        if all { 202 } else { 500 }
    }
}

/// What the host posts for a trigger: `binding` is its name in `function.json`.
#[must_use]
pub fn request(binding: &str, triggered: &Triggered, metadata: &Value) -> String {
    let value = match triggered {
        Triggered::Object(value) => value.clone(),
        Triggered::Text(text) => Value::from(Value::from(text.as_str()).to_string()),
        Triggered::Many(values) => Value::from(Value::from(values.clone()).to_string()),
        Triggered::Bytes(bytes) => Value::from(BASE64.encode(bytes)),
    };
    let mut metadata = metadata.clone();
    metadata["sys"] = json!({
        "MethodName": "function", "UtcNow": "2026-12-01T00:00:00.0000000Z", "RandGuid": id::uuid(),
    });
    json!({ "Data": { binding: value }, "Metadata": metadata }).to_string()
}

/// What the host makes of an answer.
fn judge(answer: &Answer) -> Invoked {
    let failed =
        |why: &str| Invoked::Failed { status: Some(answer.status), body: answer.text(), why: why.to_owned() };
    if !(200..300).contains(&answer.status) {
        return failed("EnsureSuccessStatusCode");
    }
    // `ReadAsAsync` gives null without looking at the type if the length is 0.
    if answer.body.is_empty() {
        return Invoked::Hung;
    }
    let media_type = answer.header("content-type").and_then(|value| value.split(';').next()).map(str::trim);
    // The formatters of `ReadAsAsync` that read JSON.
    if !matches!(media_type, Some("application/json" | "text/json")) {
        return failed("no formatter for the media type");
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Null) => Invoked::Hung,
        Ok(value @ Value::Object(_)) => Invoked::Succeeded(value),
        Ok(_) => failed("the body is no object"),
        Err(_) => failed("the body is no JSON"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_success_is_2xx_with_an_object_of_json() {
        let answer = |status, media_type: Option<&str>, body: &'static str| {
            let headers = media_type.map(|value| ("content-type".to_owned(), value.to_owned()));
            let headers = headers.into_iter().collect();
            let body = Bytes::from_static(body.as_bytes());
            judge(&Answer { status, headers, body, elapsed: Duration::ZERO })
        };
        let json = Some("application/json");
        assert_eq!(answer(200, json, r#"{"key1":1}"#), Invoked::Succeeded(json!({ "key1": 1 })));
        assert!(matches!(answer(202, Some("application/json; charset=utf-8"), "{}"), Invoked::Succeeded(_)));
        for (status, media_type, body) in [(200, json, ""), (204, None, ""), (200, json, " null")] {
            assert_eq!(answer(status, media_type, body), Invoked::Hung, "{body:?}");
        }
        for (status, media_type, body) in [
            (503, json, "{}"),
            (404, None, ""),
            (200, Some("text/plain"), "{}"),
            (200, None, "{}"),
            (200, json, "done"),
            (200, json, "[]"),
        ] {
            let got = answer(status, media_type, body);
            assert!(matches!(got, Invoked::Failed { .. }), "{status} {body:?}: {got:?}");
        }
    }

    #[test]
    fn what_is_triggered_is_written_by_its_kind() {
        let data = |triggered: &Triggered| {
            let request: Value = serde_json::from_str(&request("x", triggered, &json!({}))).unwrap();
            request["Data"]["x"].clone()
        };
        assert_eq!(data(&Triggered::Object(json!({ "a": 1 }))), json!({ "a": 1 }));
        assert_eq!(data(&Triggered::Text(r#"{"a":1}"#.to_owned())), json!(r#""{\"a\":1}""#));
        assert_eq!(data(&Triggered::Many(vec![json!({ "a": 1 })])), json!(r#"[{"a":1}]"#));
        assert_eq!(data(&Triggered::Bytes(b"{}".to_vec())), json!("e30="));
    }

    #[tokio::test]
    async fn how_a_process_ends_decides_whether_there_is_another() {
        let limit = Duration::from_secs(20);
        for (status, said) in [
            (0, "after exit status 0 the host starts no process"),
            (2, "the host has shut down after the third crash"),
        ] {
            let program = Program::new("/bin/sh").args(["-c", &format!("exit {status}")]);
            let error = FunctionsHost::start(program, limit).await.unwrap_err().to_string();
            assert!(error.contains(said), "{status}: {error}");
        }
        // 200 is no crash, however often.
        let folder = tempfile::tempdir().unwrap();
        let script = r#"echo x >> "$0"; [ "$(wc -l < "$0")" -gt 4 ] && exit 0; exit 200"#;
        let count = folder.path().join("count");
        let program =
            Program::new("/bin/sh").args(["-c".into(), script.into(), count.clone().into_os_string()]);
        let error = FunctionsHost::start(program.env("PATH", "/usr/bin:/bin"), limit).await.unwrap_err();
        assert!(error.to_string().contains("after exit status 0"), "{error}");
        assert_eq!(std::fs::read_to_string(count).unwrap().lines().count(), 5);
    }
}
