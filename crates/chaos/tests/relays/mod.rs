//! Relays that pass bodies on as they are, most of them badly. Each is also a program: this test binary once more.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drive::HttpPoster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a relay does with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Passes it on, and then passes MDSS's answer back.
    Honest,
    /// Says "done", and that is all.
    Forgets,
    /// Says "done", and passes it on a little later, again and again, out of its memory.
    Remembers,
    /// Says "done", and tries once.
    GivesUp,
    /// Is honest, and tells MDSS of something else, too.
    Invents,
    /// Is honest, twice.
    Doubles,
    /// Says "later" to everything.
    Refuses,
}

impl Behaviour {
    const ALL: [Self; 7] = [
        Self::Honest,
        Self::Forgets,
        Self::Remembers,
        Self::GivesUp,
        Self::Invents,
        Self::Doubles,
        Self::Refuses,
    ];
}

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|b| format!("{b:?}") == name).ok_or_else(|| name.to_owned())
    }
}

const BEHAVIOUR: &str = "CHAOS_TEST_BEHAVIOUR";

/// A program that behaves like this where `RELAY_LISTEN` says, towards `APIENDPOINT`.
pub(crate) fn as_program(behaviour: Behaviour, dir: &Path) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt;
    let path = dir.join("relay");
    let me = std::env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\n{BEHAVIOUR}={behaviour:?} exec '{}' --ignored --exact relays::program --nocapture\n",
        me.display()
    );
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o700).open(&path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    path
}

#[tokio::test]
#[ignore = "the program that another test starts"]
async fn program() {
    let var = |name: &str| std::env::var(name).unwrap();
    let listener = TcpListener::bind(var("RELAY_LISTEN")).await.unwrap();
    let key = std::fs::read_to_string(var("APIKEY_FILE")).unwrap();
    serve(listener, var(BEHAVIOUR).parse().unwrap(), var("APIENDPOINT"), key).await;
}

/// A relay in this process, for as long as this lives.
pub(crate) struct Running {
    address: std::net::SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Running {
    pub(crate) fn start(behaviour: Behaviour, mdss: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, behaviour, mdss.to_owned(), mdss_sim::DEFAULT_API_KEY.to_owned()));
        Self { address, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/any", self.address)
    }
}

async fn serve(listener: TcpListener, behaviour: Behaviour, mdss: String, key: String) {
    let forward = Arc::new(Forward {
        poster: HttpPoster::new(Duration::from_secs(5)),
        mdss,
        key,
        invented: false.into(),
    });
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        tokio::spawn(one(socket, behaviour, Arc::clone(&forward)));
    }
}

struct Forward {
    poster: HttpPoster,
    mdss: String,
    key: String,
    invented: AtomicBool,
}

impl Forward {
    async fn send(&self, body: &str) -> bool {
        let headers = [("content-type", "application/json"), ("apikey", self.key.as_str())];
        let answer = self.poster.send("POST", &self.mdss, &headers, body.to_owned()).await;
        answer.is_ok_and(|answer| answer.status == 200 && answer.text().contains("correlationId"))
    }
}

/// One request, one connection.
async fn one(mut socket: TcpStream, behaviour: Behaviour, forward: Arc<Forward>) {
    let Some(body) = read(&mut socket).await else { return };
    let status = match behaviour {
        Behaviour::Honest | Behaviour::Invents | Behaviour::Doubles => {
            let mut done = forward.send(&body).await;
            if behaviour == Behaviour::Doubles {
                done &= forward.send(&body).await;
            }
            // Which object comes first is for the senders to decide; the first number comes in every row.
            let invented = body.replace("/00000000", "/99999999");
            if behaviour == Behaviour::Invents
                && invented != body
                && !forward.invented.swap(true, Ordering::SeqCst)
            {
                done &= forward.send(&invented).await;
            }
            if done { "200 OK" } else { "503 Service Unavailable" }
        }
        Behaviour::Forgets => "204 No Content",
        Behaviour::Remembers => {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                while !forward.send(&body).await {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            "200 OK"
        }
        Behaviour::GivesUp => {
            tokio::spawn(async move { forward.send(&body).await });
            "200 OK"
        }
        Behaviour::Refuses => "503 Service Unavailable",
    };
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
    let _ = socket.write_all(answer.as_bytes()).await;
}

/// The body, as long as the head says, or none.
async fn read(socket: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let whole = String::from_utf8(text.clone()).ok()?;
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            // Who only asks has no body.
            let length = length.unwrap_or(0);
            if body.len() >= length {
                return Some(body.to_owned());
            }
        }
        if socket.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}
