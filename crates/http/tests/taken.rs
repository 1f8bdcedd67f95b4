//! What somebody does to the files of a running relay: nobody hears 200 for an event that the next start does not find.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drive::{HttpPoster, Program, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use rustix::fs::{CWD, RenameFlags};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// An MDSS that takes requests and answers none: nothing is sent, and nothing fails and has to wait.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/api/webhook/realtime", self.0.local_addr().unwrap())
    }
}

/// Events before a deed and after it.
const EVENTS: usize = 12;

async fn start(data: &Path, mdss: &str) -> Server {
    start_by(data, mdss, "exec \"$0\"").await
}

/// The process keeps the shell's number.
async fn start_by(data: &Path, mdss: &str, shell: &str) -> Server {
    let program = Program::new("/bin/sh")
        .args(["-c", shell, env!("CARGO_BIN_EXE_mdss-relay-http")])
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", mdss)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", data);
    Server::start(&program, LIMIT).await.unwrap()
}

/// Those of so many new events whose senders have heard that they are done.
async fn post_all(server: &Server, prefix: &str) -> BTreeSet<String> {
    let mut done = BTreeSet::new();
    for key in (0..EVENTS).map(|n| format!("{prefix}-{n}")) {
        if post(&server.address, &key).await {
            done.insert(key);
        }
    }
    done
}

/// Whether the sender of this key has heard that it is done.
async fn post(address: &str, key: &str) -> bool {
    let mut record = mdss_sim::created_record("minio:s3", "b", key);
    record["s3"]["object"]["sequencer"] = json!("01");
    let body = json!({ "Records": [record] });
    let poster = HttpPoster::new(LIMIT);
    let answer = poster.send("POST", &format!("http://{address}/events"), &[], body.to_string()).await;
    match answer {
        Ok(answer) if answer.status == 200 => true,
        Ok(answer) => {
            assert_eq!(answer.status, 503, "{}", answer.text());
            false
        }
        Err(_) => false,
    }
}

fn arrived(sim: &Sim) -> BTreeSet<String> {
    sim.accepted_keys().into_iter().collect()
}

/// What becomes of the events that were acknowledged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// They are sent after the next start.
    Sent,
    /// They are in what was moved away, and nowhere else.
    Away(&'static str),
}

struct Deed {
    name: &'static str,
    does: fn(&Path),
    before: Before,
    /// Whether new events are taken again without anybody's help.
    heals: bool,
    /// A part of the line that says so; empty: nothing is to be said.
    line: &'static str,
}

/// SQLite makes an index anew that is not in order, if it is the first to look.
const MENDED: &str = "or nothing";

fn part(dir: &Path, tail: &str) -> PathBuf {
    dir.join(format!("spool.db{tail}"))
}

fn remove(dir: &Path, tails: &[&str]) {
    tails.iter().for_each(|tail| fs::remove_file(part(dir, tail)).unwrap());
}

/// As a tool does it that writes a new file and puts it in place.
fn exchange(dir: &Path, tail: &str) {
    let copy = dir.join("copy");
    fs::copy(part(dir, tail), &copy).unwrap();
    fs::rename(copy, part(dir, tail)).unwrap();
}

/// To that part of what it was; 0: nothing is left.
fn cut(dir: &Path, tail: &str, share: u64) {
    let file = OpenOptions::new().write(true).open(part(dir, tail)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.checked_div(share).unwrap_or(0)).unwrap();
}

fn wipe(dir: &Path, tail: &str) {
    let length = fs::metadata(part(dir, tail)).unwrap().len();
    OpenOptions::new().write(true).truncate(true).open(part(dir, tail)).unwrap().set_len(length).unwrap();
}

fn link(dir: &Path, tail: &str) {
    // At once: a relay that finds no name there has closed the file before the link comes, and takes no link for its own.
    let (elsewhere, link) = (dir.join(format!("elsewhere{tail}")), dir.join("link"));
    fs::hard_link(part(dir, tail), &elsewhere).unwrap();
    symlink(elsewhere, &link).unwrap();
    fs::rename(link, part(dir, tail)).unwrap();
}

/// Puts a directory in the file's place, at once for the same reason.
fn directory(dir: &Path, tail: &str) {
    let made = dir.join("made");
    fs::create_dir(&made).unwrap();
    rustix::fs::renameat_with(CWD, &made, CWD, part(dir, tail), RenameFlags::EXCHANGE).unwrap();
    fs::remove_file(made).unwrap();
}

fn deeds() -> Vec<Deed> {
    let all = |name, does, line| Deed { name, does, before: Before::Sent, heals: true, line };
    vec![
        all("nothing", |_| {}, ""),
        all("log removed", |d| remove(d, &["-wal"]), "-wal was removed"),
        all("log and index removed", |d| remove(d, &["-wal", "-shm"]), "-wal was removed"),
        all("log replaced by a copy", |d| exchange(d, "-wal"), "-wal was replaced"),
        all(
            "log and index replaced by copies",
            |d| {
                exchange(d, "-wal");
                exchange(d, "-shm")
            },
            "-wal was replaced",
        ),
        all("log emptied", |d| cut(d, "-wal", 0), "-wal has lost"),
        all("log cut in half", |d| cut(d, "-wal", 2), "-wal has lost"),
        all("log overwritten with nothing", |d| wipe(d, "-wal"), "-wal has lost"),
        all(
            "log cut and removed",
            |d| {
                cut(d, "-wal", 0);
                remove(d, &["-wal"])
            },
            "-wal has lost",
        ),
        all("log behind a link", |d| link(d, "-wal"), "symbolic link"),
        all("log is a directory", |d| directory(d, "-wal"), "-wal was replaced"),
        all("index emptied", |d| cut(d, "-shm", 0), "-shm was cut"),
        all("index cut", |d| cut(d, "-shm", 3), "-shm was cut"),
        all("index overwritten with nothing", |d| wipe(d, "-shm"), MENDED),
        all("index removed", |d| remove(d, &["-shm"]), "-shm was removed"),
        all("index replaced by a copy", |d| exchange(d, "-shm"), "-shm was replaced"),
        all("index behind a link", |d| link(d, "-shm"), "symbolic link"),
        all("file emptied", |d| cut(d, "", 0), "spool.db was cut"),
        all("file cut in half", |d| cut(d, "", 2), "spool.db was cut"),
        all("file removed", |d| remove(d, &[""]), "spool.db was removed"),
        all("file replaced by a copy", |d| exchange(d, ""), "spool.db was replaced"),
        all(
            "file replaced by an empty one",
            |d| {
                File::create(d.join("copy")).unwrap();
                fs::rename(d.join("copy"), part(d, "")).unwrap()
            },
            "spool.db was replaced",
        ),
        all("all removed", |d| remove(d, &["", "-wal", "-shm"]), "spool.db was removed"),
        all(
            "all replaced by copies",
            |d| ["", "-wal", "-shm"].iter().for_each(|tail| exchange(d, tail)),
            "spool.db was replaced",
        ),
        all(
            "directory removed",
            |d| {
                // At once: a relay that has noticed half of it makes a file anew, and the directory is not empty.
                let away = d.with_file_name("removed");
                fs::rename(d, &away).unwrap();
                fs::remove_dir_all(away).unwrap()
            },
            "spool.db was removed",
        ),
        all("lock removed", |d| fs::remove_file(d.join("relay.lock")).unwrap(), ""),
        all(
            "everything read-only",
            |d| {
                ["", "-wal", "-shm"].iter().for_each(|tail| {
                    fs::set_permissions(part(d, tail), fs::Permissions::from_mode(0o400)).unwrap()
                })
            },
            "",
        ),
        all(
            "hard links of everything",
            |d| {
                ["", "-wal", "-shm"]
                    .iter()
                    .for_each(|tail| fs::hard_link(part(d, tail), d.join(format!("link{tail}"))).unwrap())
            },
            "",
        ),
        all(
            "log replaced by a hard link of a copy",
            |d| {
                fs::copy(part(d, "-wal"), d.join("copy")).unwrap();
                fs::hard_link(d.join("copy"), d.join("new")).unwrap();
                // At once, as with a link: in between the log is removed.
                fs::rename(d.join("new"), part(d, "-wal")).unwrap()
            },
            "-wal was replaced",
        ),
        Deed {
            name: "file moved",
            does: |d| fs::rename(part(d, ""), d.join("moved")).unwrap(),
            before: Before::Away("moved"),
            heals: true,
            line: "spool.db was removed or moved",
        },
        Deed {
            name: "file under another name only",
            does: |d| {
                fs::hard_link(part(d, ""), d.join("kept")).unwrap();
                remove(d, &[""])
            },
            before: Before::Away("kept"),
            heals: true,
            line: "spool.db was removed or moved",
        },
        Deed {
            name: "all moved",
            does: |d| {
                ["", "-wal", "-shm"]
                    .iter()
                    .for_each(|tail| fs::rename(part(d, tail), d.join(format!("moved{tail}"))).unwrap())
            },
            before: Before::Away("moved"),
            heals: true,
            line: "spool.db was removed or moved",
        },
        Deed {
            name: "directory moved",
            does: |d| fs::rename(d, d.with_file_name("away")).unwrap(),
            before: Before::Away("../away/spool.db"),
            heals: true,
            line: "spool.db was removed or moved",
        },
        Deed {
            name: "file behind a link",
            does: |d| link(d, ""),
            before: Before::Away("elsewhere"),
            heals: false,
            line: "symbolic link",
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_after_a_deed_is_there_after_a_kill() {
    let mut running = tokio::task::JoinSet::new();
    for deed in deeds() {
        if running.len() >= 4 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(judge(deed));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

async fn judge(deed: Deed) {
    let name = deed.name;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let silent = Silent::new();
    let mut server = start(&data, &silent.url()).await;
    let before = post_all(&server, "before").await;
    assert_eq!(before.len(), EVENTS, "{name}");
    (deed.does)(&data);
    let mut after = post_all(&server, "after").await;
    // Senders repeat what they were refused.
    let end = Instant::now() + if deed.heals { LIMIT } else { Duration::from_secs(1) };
    let mut said = None;
    while !after.contains("again") && Instant::now() < end {
        if post(&server.address, "again").await {
            after.insert("again".into());
        }
        // The worker may have been reading in the very moment in which the index was cut.
        if let Ok(status) = server.process.wait(Duration::ZERO).await {
            let stderr = server.process.stderr();
            assert!(stderr.contains("was cut while it was in use"), "{name}: {status} {stderr}");
            // Whoever writes nothing over it has cut it, too, for a moment.
            let cuts = ["-shm was cut", MENDED].contains(&deed.line);
            assert_eq!((status.code(), cuts), (Some(1), true), "{name}");
            said = Some(stderr);
            server = start(&data, &silent.url()).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(after.contains("again"), deed.heals, "{name}: {}", server.process.stderr());
    if said.is_none() && !["", MENDED].contains(&deed.line) {
        server.process.wait_for_line(deed.line, LIMIT).await.unwrap();
    }
    let said = said.unwrap_or_else(|| server.process.stderr());
    let errors =
        said.lines().filter(|line| line.contains("\"ERROR\"")).filter(|line| !line.contains("MDSS is given"));
    let errors: Vec<_> = errors.collect();
    if deed.line != MENDED {
        assert_eq!(errors.is_empty(), deed.line.is_empty(), "{name}: {errors:?}");
    }
    server.process.signal("KILL").unwrap();
    server.process.wait(LIMIT).await.unwrap();

    // What was moved away, the operator puts where a relay finds it.
    let mut folders = vec![data.clone()];
    if let Before::Away(to) = deed.before {
        let away = folder.path().join("operator");
        fs::create_dir(&away).unwrap();
        for tail in ["", "-wal"] {
            let from = data.join(format!("{to}{tail}"));
            let _ = fs::rename(from, part(&away, tail));
        }
        if !deed.heals {
            fs::remove_file(part(&data, "")).unwrap();
        }
        folders.push(away);
    }
    let sim = Sim::start(Config::default()).await.unwrap();
    for folder in folders {
        let _server = start(&folder, &sim.url()).await;
        let want: BTreeSet<_> = match (deed.before, folder == data) {
            (Before::Sent, _) => before.union(&after).cloned().collect(),
            (Before::Away(_), true) => after.clone(),
            (Before::Away(_), false) => before.clone(),
        };
        let end = Instant::now() + LIMIT;
        while !arrived(&sim).is_superset(&want) {
            let lost: Vec<_> = want.difference(&arrived(&sim)).cloned().collect();
            assert!(Instant::now() < end, "{name}: {lost:?} of {} were lost; {errors:?}", want.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Names are taken away again and again while senders post: also between a commit and its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_names_are_taken_away_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let silent = Silent::new();
    let mut server = start(&data, &silent.url()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (stop, count, address) = (stop.clone(), count.clone(), server.address.clone());
            tokio::spawn(async move {
                let mut done = BTreeSet::new();
                let mut n = 0;
                while !stop.load(Ordering::SeqCst) {
                    let key = format!("{sender}-{n}");
                    n += 1;
                    if post(&address, &key).await {
                        done.insert(key);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
                done
            })
        })
        .collect();
    let ways: [fn(&Path); 5] = [
        |d| drop(fs::remove_file(part(d, "-wal"))),
        |d| drop(fs::remove_file(part(d, "-shm"))),
        |d| {
            drop(
                fs::copy(part(d, "-wal"), d.join("c")).and_then(|_| fs::rename(d.join("c"), part(d, "-wal"))),
            )
        },
        |d| drop(fs::copy(part(d, ""), d.join("c")).and_then(|_| fs::rename(d.join("c"), part(d, "")))),
        |d| drop(fs::remove_file(part(d, ""))),
    ];
    let some_more = async |server: &Server| {
        let enough = count.load(Ordering::SeqCst) + 20;
        let end = Instant::now() + LIMIT;
        while count.load(Ordering::SeqCst) < enough {
            assert!(Instant::now() < end, "nothing is taken any more: {}", server.process.stderr());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for round in 0..25 {
        some_more(&server).await;
        ways[round % ways.len()](&data);
    }
    // A file that is deleted in the moment of the kill is nobody's any more.
    some_more(&server).await;
    server.process.signal("KILL").unwrap();
    stop.store(true, Ordering::SeqCst);
    let mut want = BTreeSet::new();
    for sender in senders {
        want.append(&mut sender.await.unwrap());
    }
    server.process.wait(LIMIT).await.unwrap();
    let said = server.process.stderr();
    let noticed = said.lines().filter(|line| line.contains("while the relay was using it")).count();
    assert!(noticed >= 20, "{noticed}: {said}");
    // The worker lets nothing wait for long that another attempt might help.
    let sim = Sim::start(Config::default()).await.unwrap();
    let _server = start(&data, &sim.url()).await;
    let end = Instant::now() + Duration::from_secs(60);
    while !arrived(&sim).is_superset(&want) {
        let lost: Vec<_> = want.difference(&arrived(&sim)).cloned().collect();
        assert!(
            Instant::now() < end,
            "{} of {} were lost: {:?}",
            lost.len(),
            want.len(),
            &lost[..lost.len().min(5)]
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The index is mapped into memory: what is read behind its end is SIGBUS. Whoever cuts it in the middle of a write ends the process, with a
/// sentence; nothing that was acknowledged goes with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_cut_again_and_again_costs_at_most_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let silent = Silent::new();
    let mut want = BTreeSet::new();
    let (mut ended, mut went_on) = (0, 0);
    for round in 0..4 {
        let mut server = start(&data, &silent.url()).await;
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (stop, count, address) = (stop.clone(), count.clone(), server.address.clone());
                tokio::spawn(async move {
                    let mut done = BTreeSet::new();
                    for n in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let key = format!("{round}-{sender}-{n}");
                        if post(&address, &key).await {
                            done.insert(key);
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    done
                })
            })
            .collect();
        let end = Instant::now() + Duration::from_secs(2);
        let (mut status, mut next) = (None, 0);
        while status.is_none() && Instant::now() < end {
            if count.load(Ordering::SeqCst) >= next {
                next += 7;
                // Nobody is there to make it while the process ends.
                if let Ok(index) = OpenOptions::new().write(true).open(part(&data, "-shm")) {
                    index.set_len(0).unwrap();
                }
            }
            tokio::time::sleep(Duration::from_micros(300)).await;
            status = server.process.wait(Duration::ZERO).await.ok();
        }
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            want.append(&mut sender.await.unwrap());
        }
        match status {
            Some(status) => {
                ended += 1;
                assert_eq!(status.code(), Some(1), "{status}");
                let said = server.process.stderr();
                assert!(said.contains("spool.db-shm or ledger.db-shm was cut while it was in use"), "{said}");
            }
            None => {
                went_on += 1;
                server.process.signal("KILL").unwrap();
                server.process.wait(LIMIT).await.unwrap();
            }
        }
    }
    assert!(!want.is_empty());
    let sim = Sim::start(Config::default()).await.unwrap();
    let _server = start(&data, &sim.url()).await;
    let end = Instant::now() + Duration::from_secs(60);
    while !arrived(&sim).is_superset(&want) {
        let lost = want.difference(&arrived(&sim)).count();
        assert!(
            Instant::now() < end,
            "{lost} of {} were lost ({ended} ended, {went_on} went on)",
            want.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `ulimit -f` counts blocks of 512 bytes (<https://pubs.opengroup.org/onlinepubs/9799919799/utilities/ulimit.html>).
#[tokio::test]
async fn a_file_that_may_not_grow_is_503_and_no_end_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let silent = Silent::new();
    let mut server = start_by(&data, &silent.url(), "ulimit -f 600; exec \"$0\"").await;
    let mut done = BTreeSet::new();
    let mut refused = 0;
    for n in 0..300 {
        let key = format!("{n}-{}", "k".repeat(900));
        if post(&server.address, &key).await {
            done.insert(key);
        } else {
            refused += 1;
        }
        if refused > 5 {
            break;
        }
    }
    assert!(refused > 5 && !done.is_empty(), "{refused} refused, {} taken", done.len());
    let line = server.process.wait_for_line("the spool stores no events", LIMIT).await.unwrap();
    assert!(line.contains("spool_unwritable"), "{line}");
    // It has gone on answering; SIGXFSZ would have ended it.
    server.process.signal("KILL").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let _server = start(&data, &sim.url()).await;
    let end = Instant::now() + LIMIT;
    while !arrived(&sim).is_superset(&done) {
        assert!(Instant::now() < end, "{} were lost", done.difference(&arrived(&sim)).count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
