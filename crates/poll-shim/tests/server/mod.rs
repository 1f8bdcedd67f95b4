//! A server that keeps to a script, byte for byte: what it is asked is kept as text, what it answers need not be HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use drive::until;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use poll_shim::{Environment, Profile, TENCENT_SCF, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// 200 without a body.
pub(crate) const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// An event with this head.
pub(crate) fn event(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// What a shim asked, in order, while it was answered these things; each on a connection of its own. After the last one nothing is
/// answered any more, and the shim is asked to stop when it has come so far.
pub(crate) async fn asked(profile: &'static Profile, more: &[(&str, &str)], answers: &[&str]) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.as_bytes().to_vec()).collect();
    let (expected, requests) = (answers.len() + 1, Arc::new(Mutex::new(Vec::new())));
    let server = tokio::spawn(answer(listener, answers, Arc::clone(&requests)));
    let environment = environment(profile, port, more);
    let came_so_far = async {
        let done = async || requests.lock().unwrap().len() >= expected;
        until("the script has come to its end", LIMIT, done).await.unwrap();
    };
    serve(environment, service_fn(handle), came_so_far).await.unwrap();
    server.abort();
    requests.lock().unwrap().clone()
}

pub(crate) fn environment(profile: &'static Profile, port: u16, more: &[(&str, &str)]) -> Environment {
    let (port, address) = (port.to_string(), format!("127.0.0.1:{port}"));
    let mut vars = vec![("RUNTIME_API_ADDR", &*address)];
    if std::ptr::eq(profile, &TENCENT_SCF) {
        vars = vec![("SCF_RUNTIME_API", "127.0.0.1"), ("SCF_RUNTIME_API_PORT", &*port)];
    }
    Environment::from_vars(profile, vars.into_iter().chain(more.iter().copied())).unwrap()
}

async fn answer(listener: TcpListener, answers: Vec<Vec<u8>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut answers = answers.into_iter();
    let mut open = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) {
            let mut more = [0; 4096];
            let read = stream.read(&mut more).await.unwrap();
            assert!(read > 0, "half a request: {}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&more[..read]);
        }
        requests.lock().unwrap().push(String::from_utf8(request).unwrap());
        match answers.next() {
            // The shim may have gone away before it has read everything.
            Some(answer) => drop(stream.write_all(&answer).await),
            None => open.push(stream),
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).take(4096).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    request.len() - end - 4 >= length.unwrap_or(0)
}

/// Panics, fails, is slow or echoes, as the event says.
pub(crate) async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    assert!(event.payload["panic"].is_null(), "s3cret");
    if let Some(message) = event.payload["fail"].as_str() {
        return Err(Diagnostic { error_type: "boom".to_owned(), error_message: message.to_owned() });
    }
    if let Some(ms) = event.payload["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let deadline = event.context.deadline != 0;
    Ok(json!({ "event": event.payload, "id": event.context.request_id, "deadline": deadline }))
}
