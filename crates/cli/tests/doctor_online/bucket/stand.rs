//! A server for one store: each answer belongs to a part of the request's first line or of its `X-Amz-Target`.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A part of the request, the status, the body; a status of 0 is no answer at all.
pub(crate) type Answer = (&'static str, u16, String);

pub(crate) struct Stand {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stand {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answers, all) = (Arc::new(answers), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, all) = (answers.clone(), all.clone());
                tokio::spawn(async move { serve(stream, &answers, &all).await });
            }
        });
        Self { url, asked, task }
    }

    /// What was asked: the first line, and the target of a call.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// It was only read: `GET`, and calls whose names say so.
    pub(crate) fn assert_only_read(&self) {
        for asked in self.asked() {
            let reads = asked.starts_with("GET ")
                || ["AWSEvents.List", "AmazonSQS.Get", "Action=GetTopicAttributes", "/oauth2/"]
                    .iter()
                    .any(|call| asked.contains(call));
            assert!(reads, "{asked}");
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answers: &[Answer], all: &Mutex<Vec<String>>) {
    let mut read = Vec::new();
    loop {
        let Some(head) = head(&mut stream, &mut read).await else { return };
        let value = |name: &str| {
            let of = head.lines().filter_map(|line| line.split_once(':'));
            let mut of = of.filter(|(own, _)| own.eq_ignore_ascii_case(name));
            of.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let length: usize = value("content-length").parse().unwrap_or_default();
        while read.len() < length {
            let mut more = [0; 8192];
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read.extend_from_slice(&more[..n]),
            }
        }
        let body = String::from_utf8_lossy(&read.drain(..length).collect::<Vec<_>>()).into_owned();
        let asked = format!("{} {} {body}", head.lines().next().unwrap(), value("x-amz-target"));
        all.lock().unwrap().push(asked.clone());
        let answer = answers.iter().find(|(part, ..)| asked.contains(part));
        let (status, body) = answer.map_or((404, "{}"), |(_, status, body)| (*status, body.as_str()));
        if status == 0 {
            std::future::pending::<()>().await;
        }
        let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(String::from_utf8_lossy(&read.drain(..end + 4).collect::<Vec<_>>()).into_owned());
        }
        let mut more = [0; 8192];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => read.extend_from_slice(&more[..n]),
        }
    }
}
