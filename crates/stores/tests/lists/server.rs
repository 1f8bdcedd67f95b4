//! A server for one test: each request is answered by a function.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request, as far as the stand-ins look at it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query, as they came.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// The number of the request, from 0.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The decoded value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.into_iter().find(|(own, _)| *own == name)?;
        Some(percent_decode_str(found.1).collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.parameter(name).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// More than the body has: the connection is closed before that much has come.
    pub(crate) announced: Option<usize>,
}

impl Reply {
    pub(crate) fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), announced: None }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, all) = (Arc::new(answer), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, all) = (answer.clone(), all.clone());
                tokio::spawn(async move { serve(stream, &*answer, &all).await });
            }
        });
        Self { address, asked, task }
    }

    /// The same with TLS.
    pub(crate) async fn start_tls(
        served: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, all) = (Arc::new(answer), asked.clone());
        let task = tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(served);
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, all, acceptor) = (answer.clone(), all.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    serve(stream, &*answer, &all).await;
                });
            }
        });
        Self { address, asked, task }
    }

    /// The members of a `[[store]]` of kind `s3` here.
    pub(crate) fn s3(&self, secret: &str) -> String {
        let address = &self.address;
        format!(
            "kind = \"s3\"\nendpoint = \"http://{address}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{secret}\"\n"
        )
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(impl Fn(&Asked) -> Reply + ?Sized),
    all: &Mutex<Vec<Asked>>,
) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let mut more = [0; 8192];
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read.extend_from_slice(&more[..n]),
            }
        };
        let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        let asked = {
            let mut all = all.lock().unwrap();
            let asked = Asked {
                method: first.next().unwrap().to_owned(),
                target: first.next().unwrap().to_owned(),
                headers,
                number: all.len(),
            };
            all.push(asked.clone());
            asked
        };
        let reply = answer(&asked);
        let length = reply.announced.unwrap_or(reply.body.len());
        let mut head = format!("HTTP/1.1 {} Said\r\nContent-Length: {length}\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let bytes = [head.as_bytes(), &reply.body].concat();
        if stream.write_all(&bytes).await.is_err() || reply.announced.is_some() {
            return;
        }
    }
}
