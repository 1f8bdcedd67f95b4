//! Group `machine`: the disk and the limits of the machine, looked at without any network.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::{LedgerPlace, LedgerSettings};
use mdss_relay_ledger::Ledger;
use mdss_relay_spool::{Desk, Glance, TroubleKind};

use super::subject::{Eyes, Subject};
use super::view::{Access, View, Want, not_seen, owner_and_mode};
use crate::doctor::off_thread::off_thread;
use mdss_relay_checks::Outcome;
use mdss_relay_checks::Results;

const DATA_DIR: &str = "machine.data_dir";

/// A sync that takes longer keeps senders waiting: each acknowledged event needs one, shared by those that come together.
const SLOW_SYNC: Duration = Duration::from_secs(1);

/// Files that 800 connections, connections to MDSS and the relay itself need (`crates/http/README.md`, "Connections").
const FILES: u64 = 850;

/// File systems on which a spool is not safe, by the number that statfs(2) lists: SQLite's log "does not work over a network filesystem"
/// (<https://www.sqlite.org/wal.html>), and what is in memory is gone with the power.
const UNSAFE: [(u64, &str); 6] = [
    (0x6969, "NFS, a network file system"),
    (0xff53_4d42, "CIFS, a network file system"),
    (0xfe53_4d42, "SMB, a network file system"),
    (0x00c3_6400, "Ceph, a network file system"),
    (0x0102_1994, "tmpfs, which is in memory"),
    (0x8584_58f6, "ramfs, which is in memory"),
];

/// A spool on a disk of this machine, and its ledger.
struct Spool {
    dir: PathBuf,
    limit: u64,
    ledger: Option<(PathBuf, u64)>,
}

/// Where a ledger is on a disk of this machine, and how much it may have.
fn ledger_of(settings: &LedgerSettings) -> Option<(PathBuf, u64)> {
    match &settings.place {
        LedgerPlace::Directory(dir) => Some((dir.clone(), settings.limit)),
        LedgerPlace::Database { .. } => None,
    }
}

pub(crate) async fn run(subject: &Arc<Subject>, results: &Results) {
    let spool = subject.http.spool.as_ref();
    if let Some((spool, dir)) = spool.and_then(|spool| Some((spool, spool.place.dir()?))) {
        let place = dir.display().to_string();
        let look = |at: fn(&Subject, &Spool) -> Outcome| {
            let ledger = spool.ledger.as_ref().and_then(ledger_of);
            let (subject, spool) =
                (subject.clone(), Spool { dir: dir.to_owned(), limit: spool.limit, ledger });
            off_thread(move || at(&subject, &spool))
        };
        let need = &[DATA_DIR];
        tokio::join!(
            results.check(DATA_DIR, &place, &[], look(data_dir)),
            results.check("machine.disk", &place, need, look(disk)),
            results.check("machine.spool_version", &place, need, look(spool_version)),
            results.check("machine.spool_damaged_files", &place, need, look(spool_damaged_files)),
        );
        if let Some(ledger) = &spool.ledger
            && let Some((at, _)) = ledger_of(ledger)
        {
            let place = at.display().to_string();
            tokio::join!(
                results.check("machine.ledger_version", &place, need, look(ledger_version)),
                super::ledger::run(subject, ledger, Some(dir), results),
                // On another disk than the spool there is a check of its own; on the same one they share it.
                async {
                    if at != dir {
                        results.check("machine.disk", &place, need, look(disk_of_ledger)).await;
                    }
                },
            );
        }
    }
    if let Some(ledger) = spool.and_then(|spool| spool.ledger.as_ref())
        && ledger_of(ledger).is_none()
    {
        super::ledger::run(subject, ledger, None, results).await;
    }
    results.check("machine.open_files", &subject.name, &[], async { open_files(subject) }).await;
}

// === The data directory ===

fn data_dir(subject: &Subject, spool: &Spool) -> Outcome {
    directory(subject, &spool.dir)
}

/// A directory in which the relay keeps what must not be lost.
pub(super) fn directory(subject: &Subject, dir: &Path) -> Outcome {
    let service = subject.service.as_ref();
    if dir.as_os_str().is_empty() {
        return Outcome::skipped("settings.valid");
    }
    if !dir.is_absolute() {
        return Outcome::fail(
            format!("{} is not an absolute path", dir.display()),
            "a path that does not depend on where the relay is started",
            "write the whole path, such as /var/lib/mdss-relay",
        );
    }
    if let Some(setting) = service.and_then(|service| service.keeps_from_writing(dir)) {
        return Outcome::fail(
            format!("{setting} of the unit makes {} read-only for the relay", dir.display()),
            "a directory of StateDirectory= or ReadWritePaths=",
            format!(
                "use %S/mdss-relay with StateDirectory=mdss-relay, or add ReadWritePaths={}",
                dir.display()
            ),
        );
    }
    let made = service.is_some_and(|service| service.made.iter().any(|made| *dir == **made));
    match std::fs::metadata(dir) {
        Err(error) => match not_seen(dir, &error) {
            Access::Unknown(why) => Outcome::unknown(why, ""),
            _ if made => Outcome::ok(format!("{} is made by systemd at the start", dir.display())),
            _ => missing(subject, dir),
        },
        Ok(found) if !found.is_dir() => Outcome::fail(
            format!("{} is no directory", dir.display()),
            "a directory",
            "give the path of a directory",
        ),
        Ok(found) => {
            // systemd gives a directory that it makes to the service's user at each start, with what is in it.
            if !made && let Some(outcome) = not_ours(subject, dir, &found) {
                return outcome;
            }
            synced(subject, dir)
        }
    }
}

/// The relay makes a directory that is not there, if it may.
fn missing(subject: &Subject, dir: &Path) -> Outcome {
    let above = dir.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
    match subject.access(above, Want::Change) {
        Access::Yes => Outcome::ok(format!(
            "{} is made by the relay at its start, in {}",
            dir.display(),
            above.display()
        )),
        Access::Unknown(why) => Outcome::unknown(why, ""),
        Access::No(why) => Outcome::fail(
            format!("{} does not exist, and the relay cannot make it: {why}", dir.display()),
            "a directory of the relay's user",
            give(subject, dir),
        ),
    }
}

fn not_ours(subject: &Subject, dir: &Path, found: &std::fs::Metadata) -> Option<Outcome> {
    let expected = "a directory that belongs to the relay's user, mode 0700";
    match subject.access(dir, Want::Change) {
        Access::Yes => {}
        Access::Unknown(why) => return Some(Outcome::unknown(why, "")),
        Access::No(why) => return Some(Outcome::fail(why, expected, give(subject, dir))),
    }
    // Others who may change it could take the spool's files away.
    (found.permissions().mode() & 0o022 != 0).then(|| {
        let found = format!("others may change what is in {} ({})", dir.display(), owner_and_mode(found));
        Outcome::warn(found, expected, format!("chmod 0700 {}", dir.display()))
    })
}

fn give(subject: &Subject, dir: &Path) -> String {
    let name = match &subject.eyes {
        Eyes::Others(View(Some(account))) => account.name.as_str(),
        _ => "USER",
    };
    format!("install -d -m 0700 -o {name} {}", dir.display())
}

/// One write with its sync, as each acknowledged event needs it, in a file that is removed again.
fn synced(subject: &Subject, dir: &Path) -> Outcome {
    let kind = rustix::fs::statfs(dir).ok().and_then(|found| u64::try_from(found.f_type).ok());
    if let Some((_, what)) =
        UNSAFE.iter().find(|(number, _)| Some(*number) == kind.map(|kind| kind & 0xffff_ffff))
    {
        return Outcome::warn(
            format!("{} is on {what}", dir.display()),
            "a disk of this machine, or one that only this machine mounts",
            "put the data directory on a local disk; docs/operation.md says what it is for",
        );
    }
    let root = rustix::process::geteuid().is_root();
    if !root && !matches!(subject.eyes, Eyes::Own) {
        return Outcome::unknown(
            format!(
                "{} belongs to another user, so nothing is written there to see whether it syncs",
                dir.display()
            ),
            "run doctor as root",
        );
    }
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    match sync(&path) {
        Ok(took) if took > SLOW_SYNC => Outcome::warn(
            format!("one sync takes {:.3} s", took.as_secs_f64()),
            "less than 1 s: a sender waits for it",
            "use a faster disk; see what else writes to it",
        ),
        Ok(took) => {
            Outcome::ok(format!("{}: writable, one sync takes {:.3} s", dir.display(), took.as_secs_f64()))
        }
        Err(error) => Outcome::fail(
            format!("a file in {} cannot be written and synced: {error}", dir.display()),
            "a directory that takes files, on a disk that syncs",
            "see whether the disk is full, read-only or broken (dmesg)",
        ),
    }
}

fn sync(path: &PathBuf) -> std::io::Result<Duration> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let done = || {
        file.write_all(&[0; 4096])?;
        let start = Instant::now();
        file.sync_all()?;
        Ok(start.elapsed())
    };
    let took = { done }();
    let removed = std::fs::remove_file(path);
    took.and_then(|took| removed.map(|()| took))
}

fn disk(_: &Subject, spool: &Spool) -> Outcome {
    // What the relay will make is on the disk of what is there.
    let dir = spool.dir.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let free = match rustix::fs::statvfs(dir) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return Outcome::unknown(format!("{}: {error}", dir.display()), "run doctor as root"),
    };
    let (reserve, used) = (Glance::RESERVE, Desk::glance(&spool.dir).bytes);
    if free < reserve {
        return Outcome::fail(
            format!("{} are free", mebibytes(free)),
            format!("at least {}: below it senders are answered 503", mebibytes(reserve)),
            "make room on the disk, or move the data directory",
        );
    }
    // A ledger in the same directory takes of the same disk.
    let ledger = spool.ledger.as_ref().filter(|(at, _)| *at == spool.dir);
    let (more, there) = ledger.map_or((0, 0), |(at, limit)| (*limit, Ledger::glance(at).bytes));
    let room = free.saturating_sub(reserve).saturating_add(used).saturating_add(there);
    if more > 0 && room >= spool.limit && room < spool.limit.saturating_add(more) {
        return Outcome::warn(
            format!(
                "{} are free; the spool has {}, the ledger {}",
                mebibytes(free),
                mebibytes(used),
                mebibytes(there)
            ),
            format!(
                "room for RELAY_SPOOL_LIMIT and RELAY_LEDGER_LIMIT, {}, and {} that stay free",
                mebibytes(spool.limit.saturating_add(more)),
                mebibytes(reserve)
            ),
            "make room on the disk, lower RELAY_LEDGER_LIMIT, or put the ledger on another disk with RELAY_LEDGER_DIR: it takes room from events",
        );
    }
    if room < spool.limit {
        return Outcome::warn(
            format!("{} are free, and the spool has {}", mebibytes(free), mebibytes(used)),
            format!(
                "room for RELAY_SPOOL_LIMIT, {}, and {} that stay free",
                mebibytes(spool.limit),
                mebibytes(reserve)
            ),
            "make room on the disk, or lower RELAY_SPOOL_LIMIT: the disk is full before the spool is",
        );
    }
    Outcome::ok(format!(
        "{} are free, of which the spool may take {}",
        mebibytes(free),
        mebibytes(spool.limit)
    ))
}

fn disk_of_ledger(_: &Subject, spool: &Spool) -> Outcome {
    let Some((at, limit)) = &spool.ledger else { return Outcome::ok("there is no ledger") };
    let dir = at.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let free = match rustix::fs::statvfs(dir) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return Outcome::unknown(format!("{}: {error}", dir.display()), "run doctor as root"),
    };
    let used = Ledger::glance(at).bytes;
    if free.saturating_add(used) < *limit {
        return Outcome::warn(
            format!("{} are free, and the ledger has {}", mebibytes(free), mebibytes(used)),
            format!("room for RELAY_LEDGER_LIMIT, {}", mebibytes(*limit)),
            "make room on the disk, or lower RELAY_LEDGER_LIMIT: on a full disk the ledger gets gaps; events are not concerned",
        );
    }
    Outcome::ok(format!("{} are free, of which the ledger may take {}", mebibytes(free), mebibytes(*limit)))
}

fn ledger_version(_: &Subject, spool: &Spool) -> Outcome {
    let Some((at, _)) = &spool.ledger else { return Outcome::ok("there is no ledger") };
    let found = Ledger::glance(at);
    match found.version {
        None if found.bytes == 0 => Outcome::ok("there is no ledger yet"),
        None => Outcome::fail(
            format!("{} is no database", at.join("ledger.db").display()),
            "a ledger, or no file",
            "look at what it is before the relay starts: then it is renamed to ledger.db.damaged-…, and a new one begun",
        ),
        Some(version) if !found.ours || version > found.newest => Outcome::fail(
            format!(
                "{} has version {version}{}",
                at.join("ledger.db").display(),
                if found.ours { "" } else { " of another program" }
            ),
            format!("a ledger of version {} at most", found.newest),
            "install the mdss-relay that has made it, or give another directory; the file is not touched",
        ),
        Some(_) if !found.key => Outcome::fail(
            format!("{} is missing, beside a ledger", at.join("ledger.key").display()),
            "the key of the ledger: without it nothing is written into it",
            "bring it back from the backup; or move ledger.db away, and a new ledger is begun",
        ),
        Some(version) if version == found.newest => Outcome::ok(format!("version {version}")),
        Some(version) => {
            Outcome::ok(format!("version {version}, which the next start brings to version {}", found.newest))
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn spool_version(_: &Subject, spool: &Spool) -> Outcome {
    let newest = Glance::NEWEST;
    match Desk::glance(&spool.dir).version {
        Ok(None) => Outcome::ok("there is no spool yet"),
        Ok(Some(version)) if version == newest => Outcome::ok(format!("version {version}")),
        Ok(Some(version)) => {
            Outcome::ok(format!("version {version}, which the next start brings to version {newest}"))
        }
        Err(trouble) => match trouble.kind {
            TroubleKind::Foreign => Outcome::fail(
                trouble.detail,
                format!("a spool of version {newest} at most"),
                "install the mdss-relay that has made it, or give another data directory; the file is not touched",
            ),
            TroubleKind::Damaged => Outcome::fail(
                trouble.detail,
                "a spool, or no file",
                "look at what it is before the relay starts: then it is renamed to spool.db.damaged-…, and a new one begun",
            ),
            _ => Outcome::unknown(trouble.detail, "run doctor as root, or as the relay's user"),
        },
    }
}

fn spool_damaged_files(_: &Subject, spool: &Spool) -> Outcome {
    let set_aside = Desk::glance(&spool.dir).set_aside;
    let Some((newest, _)) = set_aside.last() else {
        return Outcome::ok("no file was set aside as damaged");
    };
    let bytes = set_aside.iter().map(|(_, bytes)| bytes).sum();
    Outcome::warn(
        format!("{} files, {}, the newest {}", set_aside.len(), mebibytes(bytes), newest.display()),
        "none: the relay has found its file damaged, and copied what it could read",
        "see whether the disk is healthy (dmesg, smartctl); docs/operation.md, \"Backup and restore\", says what may be in them; then remove them",
    )
}

// === Limits ===

fn open_files(subject: &Subject) -> Outcome {
    let (limit, whose) = match &subject.service {
        Some(service) => (service.open_files, "LimitNOFILE of the unit"),
        None => (
            rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX),
            "the limit of this process",
        ),
    };
    if limit < FILES {
        return Outcome::warn(
            format!("{whose} is {limit}"),
            format!("at least {FILES}, for 800 connections"),
            "set LimitNOFILE=1024 in the unit (ulimit -n 1024 in a shell): with fewer, fewer senders are served at once",
        );
    }
    Outcome::ok(if limit == u64::MAX { format!("{whose}: none") } else { format!("{whose}: {limit}") })
}
