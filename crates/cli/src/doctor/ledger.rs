//! The ledger's part of the group `machine`: its directory, its files, its key, and what is in it. Nothing here needs a network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mdss_relay_core::{LedgerPlace, LedgerSettings};
use mdss_relay_ledger::{Ledger, Options, Place};
use mdss_relay_spool::{Desk, Glance};

use super::machine::directory;
use super::off_thread::off_thread;
use super::secrets::rights;
use super::subject::Subject;
use super::view::{Access, Want};
use crate::evidence;
use mdss_relay_checks::{Outcome, Results, Status};

const VERSION: &str = "machine.ledger_version";
const KEY: &str = "ledger.key";

/// The file and its log, as SQLite names them.
const FILES: [&str; 4] = ["ledger.db", "ledger.db-wal", "ledger.db-shm", KEY];

/// The checks of a ledger on a disk of this machine, or of its key alone where it is in a database.
pub(super) async fn run(
    subject: &Arc<Subject>,
    settings: &LedgerSettings,
    data_dir: Option<&Path>,
    results: &Results,
) {
    let LedgerPlace::Directory(at) = &settings.place else {
        let LedgerPlace::Database { key } = &settings.place else { return };
        let place = key.display().to_string();
        let look = of_key(subject, key.clone(), false);
        return results.check_each("machine.ledger_key", &place, &[], look).await;
    };
    let place = at.display().to_string();
    let shares = data_dir == Some(at.as_path());
    let files = {
        let (subject, at) = (subject.clone(), at.clone());
        off_thread(move || writable(&subject, &at, shares))
    };
    let spool = data_dir.map(Path::to_owned);
    tokio::join!(
        results.check("machine.ledger_writable", &place, &["machine.data_dir"], files),
        results.check_each("machine.ledger_key", &place, &[VERSION], of_key(subject, at.clone(), true)),
        results.check("machine.ledger_outbox", &place, &["machine.spool_version"], outbox(spool)),
        results.check("machine.ledger_chain", &place, &[], chain(at.clone())),
    );
}

/// Whether the relay may write what it has to. A file that somebody else has made by a command as root is what mostly keeps it from that.
fn writable(subject: &Subject, at: &Path, shares: bool) -> Outcome {
    // The data directory has a check of its own.
    let dir = if shares { Outcome::ok("") } else { directory(subject, at) };
    if dir.status != Status::Ok {
        return dir;
    }
    let mut there = 0;
    for name in FILES {
        let path = at.join(name);
        let is_gone = || {
            std::fs::symlink_metadata(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        if is_gone() {
            continue;
        }
        let want = if name == KEY { Want::Read } else { Want::Write };
        let access = subject.access(&path, want);
        // SQLite deletes its log when the last one has closed the file: a check beside this one, for instance.
        if is_gone() {
            continue;
        }
        there += 1;
        match access {
            Access::Yes => {}
            Access::Unknown(why) => return Outcome::unknown(why, "run doctor as root"),
            Access::No(why) => {
                return Outcome::fail(
                    why,
                    "files of the ledger that the relay's user may write",
                    format!(
                        "chown --reference={} {}: a command that was given as another user has made it",
                        at.display(),
                        path.display()
                    ),
                );
            }
        }
    }
    Outcome::ok(match there {
        0 => "there is no ledger yet".to_owned(),
        _ => format!("the relay may write {}", at.join(FILES[0]).display()),
    })
}

/// The file of the key: whether the relay may read it, who else may, and whether it is the one that signs the ledger of that directory (`has_ledger`).
async fn of_key(subject: &Arc<Subject>, dir: PathBuf, has_ledger: bool) -> Vec<(String, Outcome)> {
    let path = dir.join(KEY);
    let place = path.display().to_string();
    let (subject, there) = (subject.clone(), dir.clone());
    let looked = off_thread(move || {
        let path = there.join(KEY);
        let readable = match path.exists() {
            true => subject.access(&path, Want::Read),
            // Whoever may not look into the directory does not see it either.
            false => match subject.access(&there, Want::Read) {
                Access::Unknown(why) => Access::Unknown(why),
                _ => Access::Yes,
            },
        };
        let own = Ledger::public_key(&there);
        // What the relay may read and this process may not is not known, and no fault.
        let hidden = own.is_err()
            && std::fs::File::open(&path).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
        let mode = rights(&subject, "", &path, "chmod 0600").map(|(_, outcome)| outcome);
        (readable, own, hidden, mode)
    });
    let (readable, own, hidden, mode) = looked.await;
    let root = "run doctor as the user of the relay, or as root";
    let found = match readable {
        Access::No(why) => Outcome::fail(
            why,
            "a key that the relay may read: without it nothing is written into the ledger",
            format!("chown to the relay's user and chmod 0400 {place}"),
        ),
        Access::Unknown(why) => Outcome::unknown(why, root),
        Access::Yes if hidden => Outcome::unknown(format!("this process may not read {place}"), root),
        Access::Yes => {
            let signing = match (has_ledger, Ledger::glance(&dir).bytes) {
                // In a database it is compared by the group of that.
                (false, _) | (true, 0) => Ok(None),
                (true, _) => match Ledger::open(&Place::Directory(dir.clone()), Options::reading()).await {
                    Ok(ledger) => ledger.signing_key().await,
                    Err(trouble) => Err(trouble),
                },
            };
            match (signing, &own) {
                (Ok(signing), _) => evidence::key(&dir, &own, signing),
                (Err(_), Err(_)) => evidence::key(&dir, &own, None),
                (Err(trouble), Ok(_)) => Outcome::unknown(
                    format!("whether it is the ledger's cannot be told: {}", trouble.detail),
                    root,
                ),
            }
        }
    };
    match mode.filter(|mode| found.status == Status::Ok && mode.status != Status::Ok) {
        Some(mode) => vec![(place, mode)],
        None => vec![(place, found)],
    }
}

/// What waits in the spool's file. Opening it brings it to today's version, which is the relay's to do: another one is left alone.
async fn outbox(dir: Option<PathBuf>) -> Outcome {
    let Some(dir) = dir else { return Outcome::unknown("the spool is in no directory", "") };
    let looked = off_thread(move || {
        match Desk::glance(&dir).version {
            Ok(None) => return Err(Outcome::ok("there is no spool yet")),
            Ok(Some(Glance::NEWEST)) => {}
            Ok(Some(version)) => {
                let why = format!(
                    "the spool has tables of version {version}, and no relay has brought it to {}",
                    Glance::NEWEST
                );
                return Err(Outcome::unknown(why, "start the relay, and look again"));
            }
            Err(trouble) => return Err(Outcome::unknown(trouble.detail, "see machine.spool_version")),
        }
        let unknown = |trouble: mdss_relay_spool::Trouble| {
            Outcome::unknown(trouble.detail, "run doctor as the user of the relay, or as root")
        };
        let runs = Desk::is_worked_on(&dir);
        Desk::open(&dir).map(|desk| (desk, runs)).map_err(unknown)
    });
    match looked.await {
        Err(outcome) => outcome,
        Ok((desk, runs)) => {
            let size = desk.outbox().await;
            // Whoever closes the file last waits for the disk.
            off_thread(move || drop(desk)).await;
            match size {
                Ok(size) => evidence::outbox(&size, runs),
                Err(trouble) => {
                    Outcome::unknown(trouble.detail, "run doctor as the user of the relay, or as root")
                }
            }
        }
    }
}

/// The end of the chain.
async fn chain(at: PathBuf) -> Outcome {
    if Ledger::glance(&at).bytes == 0 {
        return match std::fs::metadata(at.join(FILES[0])) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Outcome::unknown(format!("{}: {error}", at.display()), "run doctor as root")
            }
            _ => Outcome::ok("there is no ledger yet"),
        };
    }
    let ends = match Ledger::open(&Place::Directory(at), Options::reading()).await {
        Ok(ledger) => evidence::ends(&ledger).await,
        Err(trouble) => Err(trouble),
    };
    evidence::chains(&ends, VERSION)
}
