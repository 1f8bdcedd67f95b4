use mdss_relay_core::LedgerPlace;
use rusqlite::Connection;
use serde_json::Value;

use super::*;

/// In fewer transactions each fact costs less; but an auditor who looks finds what was accepted a second ago.
#[test]
fn the_longer_a_pass_took_the_longer_the_outbox_gathers_and_a_second_at_most() {
    let millis = Duration::from_millis;
    for (took, pause) in [(0, 250), (10, 250), (20, 500), (40, 1000), (60_000, 1000)] {
        assert_eq!(pause_after(millis(took)), millis(pause), "{took}");
    }
    assert_eq!(pause_after(Duration::MAX), LONGEST_PAUSE);
}

/// Each jump is an entry, with how far it went and in which direction; a clock that goes as time does is none.
#[tokio::test]
async fn a_clock_that_has_jumped_is_an_entry_of_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    let config = spool::Config { place: spool::Place::Directory(dir.clone()), limit: 1 << 30 };
    let (spool, _thread) = Spool::start(config, Arc::new(spool::SystemClock)).unwrap();
    let settings = LedgerSettings {
        place: LedgerPlace::Directory(dir.clone()),
        keys: LedgerKeys::Clear,
        days: 400,
        limit: 1 << 30,
    };
    let mut pump = Pump::new(spool, settings, Place::Directory(dir.clone()), Book::default());
    let (wall, begun) = (spool::SystemClock.now(), Instant::now());
    // Seconds that have passed, and seconds that the wall's clock then shows.
    for (passed, shows) in [(0, 0), (10, 10), (20, 3620), (30, 30), (40, 42)] {
        let seconds = Duration::from_secs;
        pump.watch_the_clock(wall.plus(seconds(shows)), begun + seconds(passed));
    }
    assert!(pump.pass().await.is_ok());
    let db = Connection::open(dir.join("ledger.db")).unwrap();
    // The number of this kind in the file.
    let mut statement = db.prepare("SELECT detail FROM entry WHERE kind = 11 ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let said: Vec<Value> = rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect();
    assert_eq!(
        said,
        [json!({ "ahead_ms": 3_600_000, "behind_ms": 0 }), json!({ "ahead_ms": 0, "behind_ms": 3_600_000 })]
    );
    let ledger = Ledger::open(&Place::Directory(dir), Options::reading()).await.unwrap();
    assert_eq!(ledger.verify(Default::default()).await.unwrap().faults, []);
}
