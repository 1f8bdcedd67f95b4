//! The examples of proxies, in real ones before a real server: senders get through, nobody outside sees the relay's own pages.
//! nginx and Caddy are those on PATH, else those of `.ci/servers`; without them these tests are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use drive::{HttpPoster, Process, Program, Server, available, until};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn example(name: &str) -> String {
    std::fs::read_to_string(root().join("deploy/http").join(name)).unwrap()
}

/// The program, if it runs here.
fn tool(name: &str, version: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let taken = ["usr/bin", "usr/sbin"].map(|folder| target.join("servers").join(folder).join(name));
    // By its whole path: a program that is started here has no search path of ours.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join(name));
    let places = installed.chain(taken);
    let found = places
        .into_iter()
        .find(|path| Command::new(path).arg(version).output().is_ok_and(|o| o.status.success()));
    available(name, found.is_some()).unwrap().then_some(found).flatten()
}

/// Replaces what stands once in the example.
fn replaced(text: String, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

async fn relay(sim: &Sim) -> Server {
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none");
    Server::start(&program, LIMIT).await.unwrap()
}

/// A port that nobody has just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn ask(port: u16, method: &str, path: &str, body: &str) -> Option<u16> {
    let url = format!("http://127.0.0.1:{port}{path}");
    let answer = HttpPoster::new(LIMIT).send(method, &url, &[], body.as_bytes().to_vec()).await;
    answer.ok().map(|answer| answer.status)
}

/// Holds the proxy against the example's promises; it goes on running.
async fn check(proxy: Program, port: u16, server: &Server, sim: &Sim) -> Process {
    let proxy: Process = proxy.start().unwrap();
    until("the proxy", LIMIT, async || ask(port, "HEAD", "/events", "").await == Some(200)).await.unwrap();
    for page in ["/metrics", "/readyz", "/healthz"] {
        assert_eq!(server.send("GET", page, &[], "").await.unwrap().status, 200, "without a proxy: {page}");
        for path in
            [page.to_owned(), format!("{page}?a=b"), format!("/%{:02x}{}", page.as_bytes()[1], &page[2..])]
        {
            assert_eq!(ask(port, "GET", &path, "").await, Some(404), "{path}");
        }
        for path in [format!("/{page}"), format!("{page}/"), format!("/a/..{page}"), format!("{page}/.")] {
            let status = ask(port, "GET", &path, "").await;
            assert!(matches!(status, Some(400 | 404)), "{path} {status:?}");
        }
    }
    assert_eq!(ask(port, "POST", "/events", &mdss_sim::created("minio:s3", "b", &["k"])).await, Some(200));
    assert_eq!(sim.accepted_keys(), ["k"]);
    proxy
}

async fn end(mut proxy: Process) {
    proxy.signal("TERM").unwrap();
    proxy.wait(LIMIT).await.unwrap();
}

#[tokio::test]
async fn nginx_lets_senders_through_and_shows_no_page() {
    let Some(nginx) = tool("nginx", "-v") else { return };
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let own = rcgen::generate_simple_self_signed(["relay.example".to_owned()]).unwrap();
    std::fs::write(at("cert.pem"), own.cert.pem()).unwrap();
    std::fs::write(at("cert.key"), own.signing_key.serialize_pem()).unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let (server, port, tls_port) = (relay(&sim).await, free_port(), free_port());
    let text = example("nginx.conf");
    let text = replaced(text, "/etc/nginx/tls/relay.example.pem", &at("cert.pem"));
    let text = replaced(text, "/etc/nginx/tls/relay.example.key", &at("cert.key"));
    let text = replaced(text, "/var/log/nginx/mdss-relay.log", &at("access.log"));
    let text = replaced(text, "/var/log/nginx/mdss-relay-error.log", &at("error.log"));
    let text = replaced(text, "http://127.0.0.1:8080", &format!("http://{}", server.address));
    // A second port, without TLS, that the test can ask.
    let listens = format!("listen 127.0.0.1:{tls_port} ssl http2;\n    listen 127.0.0.1:{port};");
    let text = replaced(text, "listen 443 ssl http2;", &listens);
    let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
        .concat();
    // One process, which ends with the test even if the test fails.
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {};\nerror_log {} warn;\nevents {{}}\nhttp {{\n{bodies}{text}}}\n",
        at("pid"),
        at("start.log")
    );
    std::fs::write(at("nginx.conf"), whole).unwrap();
    let arguments = |more: &[&str]| {
        let usual = ["-c", &at("nginx.conf"), "-p", &at(""), "-e", &at("start.log")].map(str::to_owned);
        more.iter().map(|s| (*s).to_owned()).chain(usual).collect::<Vec<_>>()
    };
    let checked = Command::new(&nginx).args(arguments(&["-t"])).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let proxy = check(Program::new(&nginx).args(arguments(&[])), port, &server, &sim).await;
    // The line follows the answer: a proxy that is ended between the two writes none.
    let log = || std::fs::read_to_string(at("access.log")).unwrap();
    until("the line of the event", LIMIT, async || log().contains(" POST 200 ")).await.unwrap();
    end(proxy).await;
    assert!(!log().contains("/events"), "{}", log());
}

#[tokio::test]
async fn caddy_lets_senders_through_and_shows_no_page() {
    let Some(caddy) = tool("caddy", "version") else { return };
    let folder = TempDir::new().unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let (server, port) = (relay(&sim).await, free_port());
    let text = replaced(example("Caddyfile"), "relay.example {", &format!("http://127.0.0.1:{port} {{"));
    let text = replaced(text, "127.0.0.1:8080", &server.address);
    // Its own second port is no part of the example.
    let text = replaced(text, "\tlog {", "\tadmin off\n\tlog {");
    let file = folder.path().join("Caddyfile");
    std::fs::write(&file, text).unwrap();
    let program = Program::new(&caddy)
        .args(["run", "--adapter", "caddyfile", "--config", file.to_str().unwrap()])
        .env("HOME", folder.path());
    end(check(program, port, &server, &sim).await).await;
}
