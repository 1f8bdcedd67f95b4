//! The server as a process: on port 0, against the stand-in, with real sockets.
//! Helpers stand here, the tests in one file for each question.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod answers;
mod at_start;
mod bad_input;
mod life;
mod logs;
mod secrets;
mod version;
mod yandex;

use std::time::{Duration, Instant};

use drive::{Answer, Program, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::{Value, json};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(20);
const TOKEN: &str = "t0ken-of-the-test";

const SECRET: &str = "a-long-path-secret-1";

fn program() -> Program {
    Program::new(drive::binary(env!("CARGO_BIN_EXE_mdss-relay-http"))).env("RELAY_LISTEN", "127.0.0.1:0")
}

fn configured(sim: &Sim) -> Program {
    program().env("APIENDPOINT", sim.url()).env("APIKEY", DEFAULT_API_KEY).env("RELAY_ATTEMPTS", "2")
}

/// A server with `/events` and a token.
fn simple(sim: &Sim) -> Program {
    configured(sim).env("STORAGECLIENTID", units::S3_COMPATIBLE).env("RELAY_TOKEN", TOKEN)
}

/// A server with sources of every kind.
fn sources(sim: &Sim) -> Program {
    let route = |source: &str| {
        format!(
            "[[route]]\nsource = \"{source}\"\nbucket = \"b\"\nstorage_client_id = \"{}\"\n",
            units::S3_COMPATIBLE
        )
    };
    let config = [
        route("jd"),
        route("minio"),
        route("open"),
        format!("[[source]]\nname = \"jd\"\npath = \"/jd\"\ndialect = \"jdcloud\"\nauth = {{ path_secret = {{ secret = \"{SECRET}\" }} }}\n"),
        format!("[[source]]\nname = \"minio\"\npath = \"/minio\"\ndialect = \"minio\"\nauth = {{ bearer = {{ token = \"{TOKEN}\" }} }}\n"),
        "[[source]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\n".to_owned(),
    ]
    .concat();
    configured(sim).env("RELAY_CONFIG_TOML", config)
}

async fn start(program: Program) -> Server {
    Server::start(&program, LIMIT).await.unwrap()
}

async fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    server.send(method, path, headers, body).await.unwrap()
}

async fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    send(server, "POST", path, headers, body).await
}

/// A post with the token, to a server with `/events`.
async fn event(server: &Server, body: impl Into<Vec<u8>>) -> Answer {
    post(server, "/events", &[("authorization", &format!("Bearer {TOKEN}"))], body).await
}

fn created(keys: &[&str]) -> String {
    mdss_sim::created("minio:s3", "b", keys)
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}
