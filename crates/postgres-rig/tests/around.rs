//! What can happen to a server, and between it and its clients.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails, and says how")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use drive::{available, until};
use postgres_rig::{Line, Pooler, Proxy, Server, SmallDisk, ask, binaries, client, shared, wrong_clock};
use tokio::time::timeout;

/// Only a test that has failed waits for so long.
const LIMIT: Duration = Duration::from_secs(30);

/// Long enough to see that nothing happens; a test waits for it each time.
const SILENCE: Duration = Duration::from_millis(150);

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn through(proxy: &Proxy) -> String {
    format!("postgres://postgres@{}/postgres?sslmode=disable", proxy.address())
}

/// The whole life of a pair: a commit waits for the standby, which has the row when the primary is gone, and the old
/// primary comes back as a standby.
#[tokio::test]
async fn a_synchronous_standby_has_what_was_acknowledged() {
    let Some(binaries) = binaries().unwrap() else { return };
    let setup = Server::setup(&binaries).fsync(false).setting("synchronous_standby_names", "b");
    // No commit can end before the standby is there, not even of this; a database's creation waits as well.
    let mut a = setup.start().unwrap();
    let mut b = a.standby("b").unwrap();
    a.followed("b", true).await.unwrap();
    a.named_database("relay").await.unwrap();
    let url = a.url("relay");
    ask(&url, "CREATE TABLE t (n int)").await.unwrap();
    b.freeze().unwrap();
    let writer = client(&url).await.unwrap();
    let insert =
        tokio::spawn(async move { writer.simple_query("INSERT INTO t VALUES (1)").await.map(|_| ()) });
    tokio::time::sleep(SILENCE).await;
    assert!(!insert.is_finished());
    b.thaw().unwrap();
    insert.await.unwrap().unwrap();
    a.kill().unwrap();
    assert!(ask(&b.url("relay"), "INSERT INTO t VALUES (2)").await.is_err(), "a standby takes no writes");
    b.set("synchronous_standby_names", "").unwrap();
    b.promote().await.unwrap();
    assert_eq!(
        ask(&b.url("relay"), "INSERT INTO t VALUES (3); SELECT count(*) FROM t").await.unwrap(),
        ["2"]
    );
    let port = a.port();
    a.rejoin(&b, "a").unwrap();
    b.followed("a", false).await.unwrap();
    assert_eq!(a.port(), port);
    b.set("synchronous_standby_names", "a").unwrap();
    b.followed("a", true).await.unwrap();
    ask(&b.url("relay"), "SET synchronous_commit = remote_apply; INSERT INTO t VALUES (4)").await.unwrap();
    assert_eq!(ask(&a.url("relay"), "SELECT count(*) FROM t").await.unwrap(), ["3"]);
}

#[tokio::test]
async fn a_line_is_held_and_what_was_sent_arrives_later() {
    let Some(server) = shared().unwrap() else { return };
    let proxy = Proxy::start([at(server.port())]).await.unwrap();
    let held = client(&through(&proxy)).await.unwrap();
    for line in [Line::Held, Line::Unheard] {
        proxy.set(line);
        let answer = held.simple_query("SELECT 1");
        tokio::pin!(answer);
        assert!(timeout(SILENCE, &mut answer).await.is_err(), "{line:?}");
        let url = through(&proxy);
        let late = tokio::spawn(async move { ask(&url, "SELECT 1").await });
        tokio::time::sleep(SILENCE).await;
        assert!(!late.is_finished(), "{line:?}");
        proxy.set(Line::Open);
        answer.await.unwrap();
        assert_eq!(late.await.unwrap().unwrap(), ["1"], "{line:?}");
    }
}

#[tokio::test]
async fn what_nobody_hears_of_is_done_all_the_same() {
    let Some(server) = shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    ask(&url, "CREATE TABLE t (n int)").await.unwrap();
    let proxy = Proxy::start([at(server.port())]).await.unwrap();
    let unheard = url.replace(&server.port().to_string(), &proxy.address().port().to_string());
    let writer = client(&unheard).await.unwrap();
    proxy.set(Line::Unheard);
    let insert =
        tokio::spawn(async move { writer.simple_query("INSERT INTO t VALUES (1)").await.map(|_| ()) });
    until("the row", LIMIT, async || ask(&url, "SELECT count(*) FROM t").await.unwrap() == ["1"])
        .await
        .unwrap();
    assert!(!insert.is_finished());
    let passed = proxy.passed();
    assert!(passed > "INSERT INTO t VALUES (1)".len() as u64, "{passed}");
    proxy.set(Line::Reset);
    assert!(insert.await.unwrap().is_err());
    assert!(client(&unheard).await.is_err(), "a new connection is reset, too");
    proxy.set(Line::Open);
    assert_eq!(ask(&unheard, "SELECT count(*) FROM t").await.unwrap(), ["1"]);
    proxy.delay(Duration::from_millis(60));
    let begin = std::time::Instant::now();
    ask(&unheard, "SELECT 1").await.unwrap();
    // Two exchanges at least, in both directions.
    assert!(begin.elapsed() >= Duration::from_millis(240), "{:?}", begin.elapsed());
    let address = proxy.address();
    drop(proxy);
    until("nobody listens", LIMIT, async || tokio::net::TcpStream::connect(address).await.is_err())
        .await
        .unwrap();
}

#[tokio::test]
async fn connections_take_turns_and_pass_over_who_is_not_there() {
    let Some(server) = shared().unwrap() else { return };
    let other = Proxy::start([at(server.port())]).await.unwrap();
    let nobody = at(postgres_rig::free_port().unwrap());
    let balancer = Proxy::start([at(server.port()), nobody, other.address()]).await.unwrap();
    other.set(Line::Held);
    let mut served = 0;
    for _ in 0..6 {
        served += u32::from(timeout(SILENCE, ask(&through(&balancer), "SELECT 1")).await.is_ok());
    }
    // The turns of the one that is not there go to the next.
    assert_eq!(served, 2);
    balancer.aim([at(server.port())]);
    assert_eq!(ask(&through(&balancer), "SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_pooler_gives_each_transaction_a_connection() {
    let Some(binaries) = binaries().unwrap() else { return };
    let Some(server) = shared().unwrap() else { return };
    let name = "pooled";
    server.named_database(name).await.unwrap();
    let Some(mut pooler) = Pooler::start(&binaries, server).unwrap() else { return };
    let held = client(&pooler.url(name)).await.unwrap();
    held.simple_query("SET lock_timeout = '7s'").await.unwrap();
    // Session state is whoever's comes next: the mark of transaction mode.
    assert_eq!(ask(&pooler.url(name), "SHOW lock_timeout").await.unwrap(), ["7s"]);
    assert_eq!(ask(&pooler.url(name), "SELECT current_user").await.unwrap(), ["relay"]);
    pooler.kill().unwrap();
    assert!(held.simple_query("SELECT 1").await.is_err());
    assert!(ask(&pooler.url(name), "SELECT 1").await.is_err());
    pooler.start_again().unwrap();
    assert_eq!(ask(&pooler.url(name), "SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_small_disk_is_full_for_its_tables_alone() {
    let Some(binaries) = binaries().unwrap() else { return };
    let Some(server) = shared().unwrap() else { return };
    let disk = SmallDisk::mount(&binaries, 24 << 20);
    if !available("mount", disk.is_ok()).unwrap() {
        return;
    }
    let disk = disk.unwrap();
    server.ask(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display())).await.unwrap();
    server.ask("CREATE DATABASE small OWNER relay TEMPLATE template0 TABLESPACE small").await.unwrap();
    let url = server.url("small");
    ask(&url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    disk.fill().unwrap();
    let error = ask(&url, "INSERT INTO t SELECT generate_series(1, 100000)").await.unwrap_err();
    let postgres_rig::RigError::Sql { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.code().map(|code| code.code().to_owned()).as_deref(), Some("53100"), "{source}");
    assert_eq!(ask(&url, "SELECT count(*) FROM t").await.unwrap(), ["1"]);
    disk.free().unwrap();
    ask(&url, "INSERT INTO t SELECT generate_series(1, 100000)").await.unwrap();
    server.ask("DROP DATABASE small").await.unwrap();
    server.ask("DROP TABLESPACE small").await.unwrap();
    let folder = disk.path().parent().unwrap().parent().unwrap().to_owned();
    drop(disk);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_clock_can_be_wrong() {
    let Some(binaries) = binaries().unwrap() else { return };
    let vars = wrong_clock(600);
    if !available("faketime", vars.is_some()).unwrap() {
        return;
    }
    let mut server = Server::setup(&binaries).fsync(false).start().unwrap();
    let ahead = async |server: &Server| {
        let there = server.ask("SELECT extract(epoch FROM clock_timestamp())::bigint").await.unwrap();
        let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        there[0].parse::<u64>().unwrap().abs_diff(here)
    };
    assert!(ahead(&server).await < 60);
    server.stop().unwrap();
    server.env(vars.unwrap());
    server.start().unwrap();
    assert!(ahead(&server).await.abs_diff(600) < 60);
}
