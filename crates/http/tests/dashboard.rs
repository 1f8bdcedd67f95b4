//! The dashboard, panel by panel: a real Prometheus, configured as the scrape example says, scrapes a relay in each mode, and each query
//! finds something. Prometheus is the one on PATH, else the one of `.ci/servers`; without it the test is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use drive::{HttpPoster, Program, Server, available};
use mdss_sim::{Away, Config, DEFAULT_API_KEY, Notify, Sim, Step, units};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn prometheus() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let places = [PathBuf::from("prometheus"), target.join("servers/usr/bin/prometheus")];
    let found = places
        .into_iter()
        .find(|path| Command::new(path).arg("--version").output().is_ok_and(|o| o.status.success()));
    available("prometheus", found.is_some()).unwrap().then_some(found).flatten()
}

const SECRET: &str = "0123456789abcdef";

/// A relay with one route, which takes what is below `in/`, and the rest of its configuration.
fn relay(mdss: &str, more: &str) -> Program {
    let config = format!(
        "[[route]]\nbucket = \"b\"\nprefix = \"in/\"\nstorage_client_id = \"{}\"\n\
         [[source]]\nname = \"s\"\npath = \"/s\"\nauth = {{ path_secret = {{ secret = \"{SECRET}\" }} }}\n{more}",
        units::S3_COMPATIBLE
    );
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("RELAY_CONFIG_TOML", config)
        .env("APIENDPOINT", mdss)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_DEADLINE", "1s")
}

/// Where MDSS tells what it has scanned, and a bucket that is compared by schedule: a folder with one object.
fn loop_of(folder: &Path) -> String {
    let tree = folder.join("tree");
    std::fs::create_dir_all(tree.join("in")).unwrap();
    std::fs::write(tree.join("in/there"), "an object").unwrap();
    format!(
        "[[results]]\nname = \"mdss\"\npath = \"/results\"\nauth = {{ path_secret = {{ secret = \"{SECRET}\" }} }}\n\
         [[store]]\nname = \"tree\"\nkind = \"directory\"\nbuckets = \"b\"\npath = \"{}\"\n\
         [[reconcile]]\nbucket = \"b\"\nevery = \"1m\"\ngrace = \"1ms\"\n",
        tree.display()
    )
}

/// One of everything: accepted, not selected, without a route, unusable, refused.
async fn post(server: &Server, n: usize) {
    let good = mdss_sim::created("minio:s3", "b", &[&format!("in/{n}")]);
    let elsewhere = mdss_sim::created("minio:s3", "other", &[&format!("{n}")]);
    let unselected = mdss_sim::created("minio:s3", "b", &[&format!("out/{n}")]);
    for (path, body) in [
        (format!("/s/{SECRET}"), good),
        (format!("/s/{SECRET}"), elsewhere),
        (format!("/s/{SECRET}"), unselected),
        (format!("/s/{SECRET}"), format!("garbage {n}")),
        ("/s/another-secret-of-16".to_owned(), String::new()),
    ] {
        server.send("POST", &path, &[], body).await.unwrap();
    }
    // A scan of what nobody has told of. In direct mode nobody asks for it.
    let foreign =
        serde_json::json!({ "FilePath": format!("foreign/{n}"), "FileStatus": "Allowed" }).to_string();
    server.send("POST", &format!("/results/{SECRET}"), &[], foreign).await.unwrap();
}

/// The example, with these relays, and scraping once a second.
fn configuration(direct: &str, spooled: &str) -> String {
    let replaced = |text: String, from: &str, to: &str| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    };
    let text = read("deploy/prometheus/prometheus.yml");
    let text = replaced(text, "scrape_interval: 30s", "scrape_interval: 1s\n  evaluation_interval: 1s");
    let text = replaced(text, "\"127.0.0.1:9464\"", &format!("\"{direct}\""));
    let two = format!(
        "labels: {{instance: direct}}\n      - targets: [\"{spooled}\"]\n        labels: {{instance: spooled}}"
    );
    replaced(text, "labels: {instance: relay-1}", &two)
}

/// A panel that shows something, and where its description says that it may be empty.
struct Panel {
    title: String,
    /// Its own words, and those of its row.
    words: String,
    queries: Vec<String>,
}

fn panels() -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/mdss-relay.json")).unwrap();
    let mut row = String::new();
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let text = |name: &str| panel[name].as_str().unwrap_or_default().to_owned();
        if panel["type"] == "row" {
            row = text("title");
            continue;
        }
        let targets = panel["targets"].as_array().unwrap().iter();
        let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
        panels.push(Panel {
            title: text("title"),
            words: format!("{} {row}", text("description")).to_lowercase(),
            queries,
        });
    }
    panels
}

/// How many series a query finds now, of the relays that fit.
async fn found(prometheus: &str, query: &str, instance: &str) -> usize {
    let query = query.replace("$__rate_interval", "15s").replace("$instance", instance);
    assert!(!query.contains('$'), "{query}");
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let url = format!("http://{prometheus}/api/v1/query?query={encoded}");
    let answer = HttpPoster::new(LIMIT).send("GET", &url, &[], Vec::new()).await.unwrap();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let result = answer["data"]["result"].as_array().unwrap();
    // A share of nothing is not a number, and draws nothing.
    result.iter().filter(|series| series["value"][1] != "NaN").count()
}

#[tokio::test]
async fn every_panel_shows_something_or_says_when_it_does_not() {
    let Some(prometheus) = prometheus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let away = Away::new().unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let direct = Server::start(&relay(&sim.url(), ""), LIMIT).await.unwrap();
    let spooled = relay(&away.url(), &loop_of(folder.path()))
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.path().join("data"))
        .env("RELAY_LEDGER", "on");
    let spooled = Server::start(&spooled, LIMIT).await.unwrap();
    let notify = Notify::to(format!("http://{}/results/{SECRET}", spooled.address).parse().unwrap());
    let sims = [sim, away.back(Config { notify: Some(notify), ..Config::default() }).await.unwrap()];
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, configuration(&direct.address, &spooled.address)).unwrap();
    std::fs::copy(root().join("deploy/prometheus/alerts.yml"), folder.path().join("alerts.yml")).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut process = Program::new(prometheus)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .start()
        .unwrap();
    process.wait_for_line("ready to receive web requests", LIMIT).await.unwrap();

    let mut empty = Vec::new();
    for panel in panels() {
        let may_be_empty =
            ["empty in direct mode", "empty while"].iter().any(|words| panel.words.contains(words));
        for query in panel.queries {
            empty.push((panel.title.clone(), query.clone(), ".+"));
            if !may_be_empty {
                empty.push((panel.title.clone(), query, "direct"));
            }
        }
    }
    assert!(empty.len() > 40);
    let (started, mut is_away) = (Instant::now(), false);
    for n in 0.. {
        post(&direct, n).await;
        post(&spooled, n).await;
        let mut still_empty = Vec::new();
        for (title, query, instance) in empty {
            if found(&address, &query, instance).await == 0 {
                still_empty.push((title, query, instance));
            }
        }
        empty = still_empty;
        if empty.is_empty() {
            break;
        }
        // First all is well, until it has been seen what was accepted. Then MDSS is away.
        if !is_away && empty.iter().all(|(title, ..)| !title.contains("ccept")) {
            sims.iter().for_each(|sim| sim.push(vec![Step::Unavailable; 10_000]));
            is_away = true;
        }
        assert!(started.elapsed() < LIMIT, "{empty:#?}\n{}", process.output());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(is_away, "how long MDSS has been away is shown while it is there");
    process.signal("TERM").unwrap();
    process.wait(LIMIT).await.unwrap();
}
