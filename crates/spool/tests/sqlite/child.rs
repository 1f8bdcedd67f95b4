//! A second process: this test binary once more, with one of the tests below that are not tests.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_spool::{Pacing, Worker};

use crate::common::*;
use crate::file::*;

const DIR: &str = "SPOOL_TEST_DIR";
const URL: &str = "SPOOL_TEST_URL";
const ROUND: &str = "SPOOL_TEST_ROUND";

/// A child that is killed with the test.
pub(crate) struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// `program` is one of the functions below; `shell` comes before its start.
    pub(crate) fn start(program: &str, dir: &Path, url: &str, round: usize, shell: &str) -> Self {
        let program = format!("child::{program}");
        let mut child = Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", &program, "--nocapture", "--quiet"])
            .env(DIR, dir)
            .env(URL, url)
            .env(ROUND, round.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it says to us; `None` when it is gone.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.lines.find_map(|line| line.ok()?.strip_prefix("> ").map(str::to_owned))
    }

    /// SIGKILL, then everything it had said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n> {line}").unwrap();
    out.flush().unwrap();
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// Says each key once it was accepted, eight at a time, without end; and sends them, if told where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of another test"]
async fn accepts() {
    let (spool, _keeping) = start(var(DIR).as_ref());
    let url = var(URL);
    let relay = relay(if url.is_empty() { NOWHERE } else { &url }, &[]);
    if !url.is_empty() {
        let pacing = Pacing { rate: 10_000, park_after: None };
        tokio::spawn(Worker::new(spool.clone(), Arc::clone(&relay), pacing).run(std::future::pending()));
    }
    let round = var(ROUND);
    let senders = (0..8).map(|sender| {
        let (spool, relay, round) = (spool.clone(), Arc::clone(&relay), round.clone());
        tokio::spawn(async move {
            for n in 0.. {
                let key = format!("{round}-{sender}-{n}");
                let delivery = delivery(&[record("b", &key, Some("01"))]);
                if accept(&spool, &relay, delivery).await.is_ok() {
                    say(&key);
                }
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
}

/// Accepts until that fails, says how, and goes on until it works again.
#[tokio::test]
#[ignore = "the child of another test"]
async fn accepts_until_it_cannot() {
    let (spool, _keeping) = start(var(DIR).as_ref());
    let relay = relay(NOWHERE, &[]);
    let mut n = 0;
    let mut one = async || {
        n += 1;
        let key = format!("{n}-{}", "k".repeat(900));
        accept(&spool, &relay, delivery(&[record("b", &key, None)])).await.map(|_| key)
    };
    let trouble = loop {
        match one().await {
            Ok(key) => say(&key),
            Err(trouble) => break trouble,
        }
    };
    let ready = spool.ready().await.map_err(|t| t.kind.name());
    say(&format!("trouble {} {ready:?} {}", trouble.kind.name(), trouble.detail));
    let key = loop {
        match one().await {
            Ok(key) => break key,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    say(&key);
    until("ready again", async || spool.ready().await.is_ok()).await;
    say("again");
    std::future::pending::<()>().await;
}

/// Accepts until that fails, says so, and then sends what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of another test"]
async fn accepts_until_it_cannot_and_sends() {
    let (spool, _keeping) = start(var(DIR).as_ref());
    let relay = relay(&var(URL), &[("RELAY_CONCURRENCY", "1")]);
    for n in 0.. {
        let keys: Vec<_> = (0..20).map(|m| format!("{n}-{m}")).collect();
        let records: Vec<_> = keys.iter().map(|key| record("b", key, None)).collect();
        match accept(&spool, &relay, delivery(&records)).await {
            Ok(_) => keys.iter().for_each(|key| say(key)),
            Err(trouble) => {
                say(&format!("trouble {}", trouble.kind.name()));
                break;
            }
        }
    }
    let pacing = Pacing { rate: 10_000, park_after: None };
    Worker::new(spool, relay, pacing).run(std::future::pending()).await;
}

/// Holds the file as nobody should.
#[test]
#[ignore = "the child of another test"]
fn locks() {
    let db = rusqlite::Connection::open(Path::new(&var(DIR)).join("spool.db")).unwrap();
    db.execute_batch("BEGIN EXCLUSIVE").unwrap();
    say("locked");
    // Until the parent has had enough.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Does with the file what an operator may, over and over again.
#[test]
#[ignore = "the child of another test"]
fn tidies() {
    let path = Path::new(&var(DIR)).join("spool.db");
    for sql in [
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "UPDATE item SET detail = 'x'",
        "VACUUM",
        "PRAGMA wal_checkpoint(RESTART)",
    ]
    .iter()
    .cycle()
    .take(200)
    {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        // A pragma gives a row.
        let _ = db.execute_batch(sql);
        drop(db);
        say(sql);
        std::thread::sleep(Duration::from_millis(10));
    }
}
