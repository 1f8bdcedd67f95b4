//! What is said of a ledger, wherever it is kept: `doctor` of one in a file, `doctor` and `spool check` of one in a database.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mdss_relay_checks::Outcome;
use mdss_relay_ledger::{Ledger, Trouble, TroubleKind, Verified, Verify};
use mdss_relay_spool::OutboxSize;

/// Entries at the end of a chain that are verified. A checkpoint is made after 10,000, so among twice as many is the newest one; reading them takes about
/// 40 ms (`cargo bench -p mdss-relay-ledger`: 1.7 s a million).
pub(crate) const LAST: u64 = 20_000;

/// A fact is in the chain within a second. A ledger that could not be written is tried again after 30 s at most (`crates/http/src/ledger.rs`), so what has
/// waited for twice as long was refused at least once.
const SLOW: Duration = Duration::from_secs(60);

/// From here on nobody should wait any longer: the alert `MdssRelayLedgerNotWritten` has the same limit (`deploy/prometheus/alerts.yml`).
const STUCK: Duration = Duration::from_secs(600);

const LOOK: &str = "the relay's log says why, once a minute: journalctl -u mdss-relay-http | grep ledger; docs/ledger.md, \"When its disk is full, or it is damaged\"";

/// Whether the spool's facts reach the ledger; `runs`: a relay is there that would carry them.
pub(crate) fn outbox(size: &OutboxSize, runs: bool) -> Outcome {
    let OutboxSize { limit, rows, age: waited, lost, .. } = *size;
    let waits = format!("{rows} facts wait for the ledger, the oldest for {}", age(waited));
    let expected = format!("facts that wait for less than {} s", SLOW.as_secs());
    match () {
        () if lost > 0 => Outcome::fail(
            format!("{lost} facts had no room any more, and the ledger will have a gap; {waits}"),
            "room for what the ledger has to know",
            LOOK,
        ),
        () if !runs && rows > 0 => Outcome::unknown(
            format!("{waits}, and no relay runs that would write them"),
            "start the relay, and look again",
        ),
        () if rows == 0 && limit.is_none() && runs => Outcome::warn(
            "the relay that runs keeps no ledger",
            "a relay that runs with these settings",
            "restart it: RELAY_LEDGER takes effect at the start",
        ),
        () if rows == 0 && limit.is_none() => Outcome::unknown(
            "no relay has kept a ledger with this spool yet",
            "start the relay, and look again",
        ),
        () if waited >= STUCK => Outcome::fail(waits, expected, LOOK),
        () if waited >= SLOW => Outcome::warn(waits, expected, LOOK),
        () if rows == 0 => Outcome::ok("nothing waits for the ledger"),
        () => Outcome::ok(waits),
    }
}

/// The last entries of each chain with its newest checkpoint, read by whoever asks.
///
/// # Errors
/// [`Trouble`] if they cannot be read.
pub(crate) async fn ends(ledger: &Ledger) -> Result<Vec<Verified>, Trouble> {
    let chains = ledger.chains().await?;
    // However many there are, as much is read.
    let each = (LAST / chains.len().max(1) as u64).max(100);
    let mut ends = Vec::new();
    for chain in chains {
        let asked = Verify { ledger: Some(chain), last: Some(each), ..Verify::default() };
        ends.push(ledger.verify(asked).await?);
    }
    Ok(ends)
}

/// Whether they fit.
pub(crate) fn chains(ends: &Result<Vec<Verified>, Trouble>, version: &'static str) -> Outcome {
    let expected = "a chain in which nothing was changed since it was written";
    let verify = "mdss-relay ledger verify --checkpoint FILE, with the checkpoints of the log, says what; keep a copy of the ledger as it is";
    let ends = match ends {
        Ok(ends) => ends,
        Err(trouble) => {
            return match trouble.kind {
                TroubleKind::Absent => Outcome::ok("there is no ledger yet"),
                TroubleKind::Foreign => Outcome::skipped(version),
                TroubleKind::Damaged => Outcome::fail(&trouble.detail, expected, LOOK),
                _ => Outcome::unknown(&trouble.detail, "run doctor as the user of the relay, or as root"),
            };
        }
    };
    if let Some((end, fault)) = ends.iter().find_map(|end| Some((end, end.faults.first()?))) {
        let all: u64 = ends.iter().map(|end| end.all_faults).sum();
        let chain = end.head.genesis.ledger;
        let found = format!(
            "{all} things do not fit, the first at entry {} of chain {chain}: {}",
            fault.seq, fault.what
        );
        return Outcome::fail(
            found.replacen("1 things do", "1 thing does", usize::from(all == 1)),
            expected,
            verify,
        );
    }
    let entries: u64 = ends.iter().map(|end| end.entries).sum();
    match ends.iter().filter_map(|end| end.last_checkpoint).max_by_key(|checkpoint| checkpoint.at) {
        _ if entries == 0 => Outcome::ok("the ledger has no entry yet"),
        Some(newest) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let then = Duration::from_millis(u64::try_from(newest.at.as_millis()).unwrap_or(0));
            let ago = age(now.saturating_sub(then));
            Outcome::ok(format!("the last {entries} entries fit, and the newest checkpoint, of {ago} ago"))
        }
        None => Outcome::ok(format!("the last {entries} entries fit; no checkpoint was made yet")),
    }
}

/// Whether the key in a directory is the one that signs a ledger now.
pub(crate) fn key(dir: &Path, own: &Result<Option<[u8; 32]>, Trouble>, signing: Option<[u8; 32]>) -> Outcome {
    let path = dir.join("ledger.key");
    let path = path.display();
    let expected = "the key of the ledger: without it nothing is written into it";
    let remedy = "bring it back from its copy; with several relays, the same file for each of them. If there is none, or a replacement was interrupted: mdss-relay ledger rekey (docs/ledger.md)";
    match (own, signing) {
        (Err(trouble), _) => Outcome::fail(&trouble.detail, expected, remedy),
        (Ok(None), None) => Outcome::ok(format!("{path} is made when the ledger is begun")),
        (Ok(None), Some(_)) => {
            Outcome::fail(format!("{path} does not exist, and there is a ledger"), expected, remedy)
        }
        (Ok(Some(own)), None) => {
            Outcome::ok(format!("{path}, public half {}; no ledger was begun yet", hex(own)))
        }
        (Ok(Some(own)), Some(signing)) if *own == signing => {
            Outcome::ok(format!("{path}, public half {}", hex(own)))
        }
        (Ok(Some(own)), Some(signing)) => Outcome::fail(
            format!(
                "{path} is another ledger's: its public half is {}, and this ledger is signed by {}",
                hex(own),
                hex(&signing)
            ),
            expected,
            remedy,
        ),
    }
}

/// A span of time, for people.
pub(crate) fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use mdss_relay_checks::Status;

    use super::*;

    #[test]
    fn what_waits_is_said_by_how_long_it_has_waited() {
        let size = |rows, seconds, limit, lost| OutboxSize {
            limit,
            rows,
            bytes: 0,
            age: Duration::from_secs(seconds),
            lost,
        };
        let kept = Some(1 << 20);
        for (size, runs, want) in [
            (size(0, 0, kept, 0), true, Status::Ok),
            (size(0, 0, kept, 0), false, Status::Ok),
            (size(9, 59, kept, 0), true, Status::Ok),
            (size(9, 60, kept, 0), true, Status::Warn),
            (size(9, 600, kept, 0), true, Status::Fail),
            // Whether what waits would be written nobody can tell without a relay.
            (size(9, 1, kept, 0), false, Status::Unknown),
            (size(9, 900, kept, 0), false, Status::Unknown),
            (size(0, 0, None, 0), false, Status::Unknown),
            (size(0, 0, None, 0), true, Status::Warn),
            (size(9, 1, kept, 1), true, Status::Fail),
            (size(9, 1, kept, 1), false, Status::Fail),
        ] {
            assert_eq!(outbox(&size, runs).status, want, "{size:?}, {runs}");
        }
    }
}
