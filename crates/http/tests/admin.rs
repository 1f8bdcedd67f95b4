//! The second port, for those who watch the relay: what is there, what is not, and that neither port takes anything from the other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::time::Duration;

use drive::{HttpPoster, Program, Server, address_in};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use tokio::net::{TcpSocket, TcpStream};

const LIMIT: Duration = Duration::from_secs(20);
const PAGES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

fn program(sim: &Sim) -> Program {
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("RELAY_ADMIN_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
}

/// A server, and where its pages are.
async fn start(program: &Program) -> (Server, String) {
    let mut server = Server::start(program, LIMIT).await.unwrap();
    let line = server.process.wait_for_line("/metrics, /readyz and /healthz are on", LIMIT).await.unwrap();
    let admin = address_in(&line).unwrap();
    (server, admin)
}

async fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let url = format!("http://{address}{path}");
    let answer = HttpPoster::new(LIMIT).send(method, &url, &[], body.as_bytes().to_vec()).await.unwrap();
    (answer.status, answer.text())
}

fn created() -> String {
    mdss_sim::created("minio:s3", "b", &["k"])
}

#[tokio::test]
async fn the_pages_are_on_the_second_port_and_nowhere_else() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (server, admin) = start(&program(&sim)).await;
    for page in PAGES {
        assert_eq!(ask(&admin, "GET", page, "").await.0, 200, "{page}");
        assert_eq!(ask(&admin, "POST", page, "").await.0, 405, "{page}");
        // As any path that belongs to nobody: a stranger does not learn that there is such a page.
        let (status, body) = ask(&server.address, "GET", page, "").await;
        assert_eq!((status, body.contains("belongs to no source")), (404, true), "{page} {body}");
    }
    let (status, body) = ask(&admin, "POST", "/events", &created()).await;
    assert_eq!((status, body.contains("events go to the other one")), (404, true), "{body}");
    assert!(sim.accepted().is_empty());
    assert_eq!(ask(&server.address, "POST", "/events", &created()).await.0, 200);
    assert_eq!(sim.accepted().len(), 1);
    // What the other port has answered is counted here.
    let (_, page) = ask(&admin, "GET", "/metrics", "").await;
    assert!(page.contains("mdss_relay_requests_total{source=\"events\",status=\"200\"} 1\n"), "{page}");
}

/// Connections on which nothing is said, from addresses that end with these numbers, so many from each.
async fn silent(to: &str, from: std::ops::Range<u8>, each: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for last in from {
        for _ in 0..each {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(format!("127.0.0.{last}:0").parse().unwrap()).unwrap();
            streams.push(socket.connect(to.parse().unwrap()).await.unwrap());
        }
    }
    streams
}

#[tokio::test]
async fn who_takes_every_connection_of_one_port_takes_none_of_the_other() {
    let sim = Sim::start(Config::default()).await.unwrap();
    // A trusted proxy may have every connection of a port, and none of its connections is closed for another.
    let program = program(&sim).env("RELAY_TRUSTED_PROXIES", "127.0.0.2");
    let (server, admin) = start(&program).await;
    let watchers = silent(&admin, 2..3, 28).await;
    assert_eq!(ask(&admin, "GET", "/healthz", "").await.0, 200, "there are some for probes alone");
    let probes = silent(&admin, 3..5, 2).await;
    assert_eq!(ask(&server.address, "POST", "/events", &created()).await.0, 200);
    drop((watchers, probes));
    let senders = silent(&server.address, 2..3, 784).await;
    assert_eq!(ask(&server.address, "POST", "/events", &created()).await.0, 503, "the port is full");
    let probes = silent(&server.address, 3..7, 4).await;
    for page in PAGES {
        assert_eq!(ask(&admin, "GET", page, "").await.0, 200, "{page}");
    }
    drop((senders, probes));
}

#[tokio::test]
async fn two_ports_that_are_one_are_a_mistake() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let taken = "127.0.0.1:8080";
    let ended = async |program: Program| {
        let mut process = program.start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.output())
    };
    let (code, output) =
        ended(program(&sim).env("RELAY_LISTEN", taken).env("RELAY_ADMIN_LISTEN", taken)).await;
    let want =
        format!("RELAY_ADMIN_LISTEN: found {taken:?}, expected another port than that of RELAY_LISTEN");
    assert!(code == Some(2) && output.contains(&want), "{code:?} {output}");
    let (code, output) = ended(program(&sim).env("RELAY_ADMIN_LISTEN", "nine")).await;
    assert!(code == Some(2) && output.contains("RELAY_ADMIN_LISTEN: found \"nine\""), "{code:?} {output}");
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named_with_its_setting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut process = program(&sim).env("RELAY_ADMIN_LISTEN", &address).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(1));
    let output = process.output();
    assert!(output.contains(&format!("cannot listen on {address} (RELAY_ADMIN_LISTEN)")), "{output}");
}

#[tokio::test]
async fn another_second_port_needs_a_restart_and_says_so() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n").unwrap();
    // A variable would win over the file.
    let program =
        program(&sim).env("RELAY_LISTEN", "").env("RELAY_ADMIN_LISTEN", "").env("RELAY_CONFIG", &file);
    let (mut server, admin) = start(&program).await;
    std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    server.process.signal("HUP").unwrap();
    let line = server.process.wait_for_line("can only be changed by a restart", LIMIT).await.unwrap();
    assert!(line.contains("RELAY_ADMIN_LISTEN can only"), "{line}");
    assert_eq!(ask(&admin, "GET", "/healthz", "").await.0, 200);
    assert_eq!(ask(&server.address, "GET", "/healthz", "").await.0, 404);
}
