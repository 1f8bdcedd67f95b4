//! A server on this machine, where there is one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails, and says how")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use drive::until;
use postgres_rig::{RigError, Server, ask, binaries, client, shared};

/// Only a test that has failed waits for so long.
const LIMIT: Duration = Duration::from_secs(30);

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state`; a zombie has ended.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own_and_an_ordinary_role() {
    let Some(server) = shared().unwrap() else { return };
    let (one, other) = (server.database().await.unwrap(), server.database().await.unwrap());
    assert_ne!(one, other);
    ask(&one, "CREATE SCHEMA mine; CREATE TABLE mine.t (n int); INSERT INTO mine.t VALUES (7)")
        .await
        .unwrap();
    assert_eq!(ask(&one, "SELECT n FROM mine.t").await.unwrap(), ["7"]);
    assert!(ask(&other, "SELECT n FROM mine.t").await.is_err());
    assert_eq!(
        ask(&one, "SELECT usesuper OR usecreatedb FROM pg_user WHERE usename = current_user").await.unwrap(),
        ["f"]
    );
    assert_eq!(server.ask("SHOW fsync").await.unwrap(), ["off"]);
    if let Some(socket) = server.socket() {
        let url = format!("host={} port={} user=relay dbname=postgres", socket.display(), server.port());
        assert_eq!(ask(&url, "SELECT inet_server_addr() IS NULL").await.unwrap(), ["t"]);
    }
}

#[tokio::test]
async fn it_keeps_its_data_and_its_port_through_a_kill_and_a_stop() {
    let Some(binaries) = binaries().unwrap() else { return };
    let mut server = Server::setup(&binaries).setting("log_min_messages", "log").start().unwrap();
    assert_eq!(server.ask("SHOW fsync").await.unwrap(), ["on"]);
    let (port, url) = (server.port(), server.database().await.unwrap());
    ask(&url, "CREATE TABLE t (n int)").await.unwrap();
    for kill in [true, false] {
        let held = client(&url).await.unwrap();
        held.simple_query("INSERT INTO t VALUES (1)").await.unwrap();
        let backend = held.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0);
        let pid = server.pid().unwrap();
        if kill { server.kill() } else { server.stop() }.unwrap();
        assert!(!runs(pid) && !runs(backend.unsigned_abs()), "{pid}, {backend}");
        assert!(held.simple_query("SELECT 1").await.is_err());
        server.start().unwrap();
        assert_eq!(server.port(), port);
    }
    assert_eq!(ask(&url, "SELECT count(*) FROM t").await.unwrap(), ["2"]);
    assert!(server.log().contains("database system was not properly shut down"), "{}", server.log());
    server.set("lock_timeout", "7s").unwrap();
    let taken_up = async || ask(&url, "SHOW lock_timeout").await.unwrap() == ["7s"];
    until("the new setting", LIMIT, taken_up).await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_answers_nobody_until_it_is_thawed() {
    let Some(binaries) = binaries().unwrap() else { return };
    let mut server = Server::setup(&binaries).fsync(false).start().unwrap();
    let url = server.url("postgres");
    let held = client(&url).await.unwrap();
    server.freeze().unwrap();
    let answer = held.simple_query("SELECT 1");
    tokio::pin!(answer);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut answer).await.is_err());
    server.thaw().unwrap();
    assert!(answer.await.is_ok());
    // Dropped while it is frozen, it goes all the same.
    server.freeze().unwrap();
    let (pid, data) = (server.pid().unwrap(), server.data());
    drop(server);
    assert!(!runs(pid) && !data.exists());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Some(binaries) = binaries().unwrap() else { return };
    let error = Server::setup(&binaries).setting("max_connections", "many").start().unwrap_err();
    let RigError::Failed { what, said } = error else { panic!("{error}") };
    assert_eq!(what, "the server has ended");
    assert!(said.contains("invalid value for parameter \"max_connections\": \"many\""), "{said}");
}

/// A panic drops what is held, as any other end of a test does.
#[test]
fn a_test_that_panics_leaves_nothing_behind() {
    let Some(binaries) = binaries().unwrap() else { return };
    let (sender, receiver) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let server = Server::setup(&binaries).fsync(false).start().unwrap();
        sender.send((server.pid().unwrap(), server.data())).unwrap();
        panic!("as a test that fails");
    });
    assert!(test.join().is_err());
    let (pid, data) = receiver.recv().unwrap();
    assert!(!runs(pid) && !data.exists());
}

/// The process of the test below: it holds a server until it is killed.
const HOLD: &str = "POSTGRES_RIG_HOLD";

#[tokio::test]
async fn a_killed_test_leaves_nothing_behind_for_long() {
    let Some(binaries) = binaries().unwrap() else { return };
    if let Some(note) = std::env::var_os(HOLD) {
        let server = Server::setup(&binaries).fsync(false).start().unwrap();
        let note = Path::new(&note);
        std::fs::write(
            note.with_extension("new"),
            format!("{} {}", server.pid().unwrap(), server.data().display()),
        )
        .and_then(|()| std::fs::rename(note.with_extension("new"), note))
        .unwrap();
        std::future::pending::<()>().await;
    }
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("note");
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_test_leaves_nothing_behind_for_long"])
        .env(HOLD, &note)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("a server", LIMIT, async || note.exists()).await.unwrap();
    let said = std::fs::read_to_string(&note).unwrap();
    let (pid, data) = said.split_once(' ').unwrap();
    let (pid, data) = (pid.parse().unwrap(), Path::new(data));
    assert!(runs(pid) && data.exists());
    test.kill().unwrap();
    test.wait().unwrap();
    until("the server to end", LIMIT, async || !runs(pid) && !data.exists()).await.unwrap();
    // With all that lay beside the data.
    until("the folder to go", LIMIT, async || !data.parent().unwrap().exists()).await.unwrap();
}

#[test]
fn no_server_is_one_line_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    // The environment is read when it is looked for, so a process of its own has another one.
    let program = std::env::current_exe().unwrap();
    let run = |required: &str| {
        let output = Command::new(&program)
            .args(["--exact", "each_test_has_a_database_of_its_own_and_an_ordinary_role"])
            .env("PG_BINDIR", dir.path())
            .env("REQUIRE_TOOLS", required)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (passed, said) = run("script");
    assert!(passed && said.contains("SKIPPED: a test needs postgres, which does not work here\n"), "{said}");
    let (passed, said) = run("script postgres");
    let sentence = format!(
        "PG_BINDIR is {}, expected a folder with postgres, initdb, pg_basebackup",
        dir.path().display()
    );
    assert!(!passed && said.contains(&sentence), "{said}");
}
