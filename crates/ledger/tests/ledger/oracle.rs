//! Matching against a naive oracle: a list of everything, looked through from the beginning for each result.

use std::collections::BTreeSet;
use std::time::Duration;

use mdss_relay_ledger::{Became, Fact, Moment, OutboxId, Posted};
use proptest::prelude::*;
use serde_json::json;

use crate::common::{Bench, START, World, write};

#[derive(Clone, Debug)]
enum Step {
    /// MDSS accepts a write of a key in a unit, at this second.
    Accepted { unit: &'static str, key: &'static str, second: u64 },
    /// MDSS tells of a scan of this path, ended at this second; with the id that it has given for the write of this number, if there is one.
    Told { path: &'static str, second: u64, id: Option<usize> },
    /// What waits is looked at again, a while later.
    Swept,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let unit = prop::sample::select(vec!["u", "v"]);
    let key = prop::sample::select(vec!["a", "b", "c", "ä c"]);
    let step = prop_oneof![
        3 => (unit, key.clone(), 0u64..100).prop_map(|(unit, key, second)| Step::Accepted { unit, key, second }),
        4 => (key, 0u64..100, prop::option::of(0usize..8)).prop_map(|(path, second, id)| Step::Told { path, second, id }),
        1 => Just(Step::Swept),
    ];
    prop::collection::vec(step, 1..24)
}

#[derive(Debug)]
struct Write {
    seq: u64,
    unit: &'static str,
    key: &'static str,
    second: u64,
    confidence: Option<&'static str>,
    /// Results about it.
    results: usize,
}

impl Write {
    fn has(&mut self, confidence: &'static str) {
        self.confidence.get_or_insert(confidence);
        self.results += 1;
    }
}

/// What MDSS has given for the write of this number.
fn correlation(number: usize) -> String {
    format!("{number:030x}ff")
}

#[derive(Debug)]
struct Came {
    path: &'static str,
    second: u64,
    id: Option<usize>,
    became: Became,
    /// When it is looked at next, by the oracle's clock.
    due: u64,
    tries: u32,
}

/// So long is a step of what is looked at again, seconds.
const STEP: u64 = 5;

#[derive(Default)]
struct Oracle {
    /// Whether it was learned that ids are to be used.
    ids: bool,
    now: u64,
    writes: Vec<Write>,
    /// What came before, in the order of its arrival.
    came: Vec<Came>,
}

impl Oracle {
    fn told(&mut self, path: &'static str, second: u64, id: Option<usize>) -> Became {
        if self.came.iter().any(|came| (came.path, came.second, came.id) == (path, second, id)) {
            return Became::Repeated;
        }
        let became = self.decide(path, second, id);
        self.came.push(Came { path, second, id, became, due: self.now + 1, tries: 0 });
        became
    }

    fn decide(&mut self, path: &str, second: u64, id: Option<usize>) -> Became {
        let ids = self.ids && id.is_some();
        if let Some(its) = id.filter(|&id| ids && id < self.writes.len()) {
            let Write { unit, key, second, seq, confidence, .. } = self.writes[its];
            // Whatever path it is told with.
            if confidence.is_none() {
                let before = self.writes.iter_mut().filter(|write| (write.unit, write.key) == (unit, key));
                let before = before.filter(|write| (write.second, write.seq) <= (second, seq));
                before.filter(|write| write.confidence.is_none()).for_each(|write| write.has("id"));
                return Became::Matched;
            }
            // It has its result, and is found by its path.
            if key == path {
                self.writes[its].has("id");
                return Became::Again;
            }
        }
        let told = |write: &&mut Write| write.key == path && write.second <= second + 5;
        let mut known: Vec<_> = self.writes.iter_mut().filter(told).collect();
        known.sort_by_key(|write| (write.second, write.seq));
        let all: BTreeSet<_> = known.iter().map(|write| write.unit).collect();
        let waiting: BTreeSet<_> =
            known.iter().filter(|write| write.confidence.is_none()).map(|write| write.unit).collect();
        match (waiting.len(), all.len()) {
            (1, 2..) if ids => Became::Ambiguous,
            (1, all) => {
                let open = known.into_iter().find(|write| write.confidence.is_none()).unwrap();
                open.has(if all == 1 { "path" } else { "path-shared" });
                Became::Matched
            }
            (0, 0) => Became::Waiting,
            (0, 1) => {
                known.into_iter().next_back().unwrap().has("path");
                Became::Again
            }
            _ => Became::Ambiguous,
        }
    }

    /// What waits is looked at after 1 s, then after 2, 4, … 64 s; of several, first what has been due longest.
    fn swept(&mut self) {
        self.now += STEP;
        let is_due = |came: &Came| came.became == Became::Waiting && came.due <= self.now;
        let mut due: Vec<_> = (0..self.came.len()).filter(|&at| is_due(&self.came[at])).collect();
        due.sort_by_key(|&at| (self.came[at].due, at));
        for at in due {
            let became = self.decide(self.came[at].path, self.came[at].second, self.came[at].id);
            let came = &mut self.came[at];
            (came.became, came.tries) = (became, came.tries + 1);
            came.due = self.now + (1 << came.tries);
        }
    }
}

/// A scan of this path, ended at this second.
fn posted(path: &str, second: u64, id: Option<String>) -> Posted {
    let scanned = Moment::from_millis(START + second as i64 * 1000).to_string();
    let body =
        json!({ "FileId": id, "FilePath": path, "FileStatus": "Allowed", "ScanCompletedTimeStamp": scanned });
    Posted { source: "mdss".into(), body: body.to_string().into_bytes() }
}

/// A hundred pairs in a unit of their own teach that ids are to be used.
async fn teach(bench: &Bench) {
    let pairs = || (0..100).map(|n| (format!("pair-{n}"), write(n)));
    let rows = pairs().map(|(key, fact)| {
        let row = OutboxId(1_000 + fact.size.unwrap() as i64);
        (row, Fact { key: Some(key.into()), unit: Some("w".into()), ..fact })
    });
    bench.ledger.append(rows.collect()).await.unwrap();
    let results = pairs().map(|(key, fact)| posted(&key, 200, fact.correlation_id));
    bench.ledger.receive(results.collect()).await.unwrap();
    assert_eq!(bench.ledger.the_loop().await.unwrap().ids, Some(true));
}

async fn run(world: World, ids: bool, steps: Vec<Step>) {
    let bench = world.bench().await;
    bench.clock.set(START + 1_000_000);
    let mut oracle = Oracle { ids, ..Oracle::default() };
    if ids {
        teach(&bench).await;
    }
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Step::Accepted { unit, key, second } => {
                let fact = Fact {
                    key: Some(key.into()),
                    unit: Some(unit.into()),
                    correlation_id: Some(correlation(oracle.writes.len())),
                    ..write(second)
                };
                let rows = vec![(OutboxId(at as i64), fact)];
                let seq = bench.ledger.append(rows).await.unwrap().head;
                oracle.writes.push(Write { seq, unit, key, second, confidence: None, results: 0 });
            }
            Step::Told { path, second, id } => {
                let posted = posted(path, second, id.map(correlation));
                let taken = bench.ledger.receive(vec![posted]).await.unwrap();
                assert_eq!(taken[0].became, oracle.told(path, second, id), "step {at} of {steps:?}");
            }
            Step::Swept => {
                bench.clock.go(Duration::from_secs(STEP));
                bench.ledger.sweep().await.unwrap();
                oracle.swept();
            }
        }
    }
    for write in &oracle.writes {
        let sql = format!(
            "SELECT r.confidence FROM entry w LEFT JOIN entry r ON r.about = w.seq WHERE w.seq = {} ORDER BY r.seq LIMIT 1",
            write.seq
        );
        let confidence = bench.ask(&sql).await;
        assert_eq!(confidence, [write.confidence.unwrap_or_default()], "{write:?} {steps:?}");
        let count = format!("SELECT count(*) FROM entry WHERE about = {} AND kind = 2", write.seq);
        assert_eq!(bench.ask(&count).await, [write.results.to_string()], "{write:?} {steps:?}");
    }
    bench.intact().await;
}

/// Two results wait, and the second one is due first: it takes its write, and only one is left for the other.
#[tokio::test]
async fn what_is_due_first_is_matched_first() {
    let steps = vec![
        Step::Told { path: "b", second: 26, id: None },
        Step::Swept,
        Step::Accepted { unit: "u", key: "b", second: 24 },
        Step::Told { path: "b", second: 1, id: None },
        Step::Accepted { unit: "v", key: "b", second: 6 },
        Step::Swept,
    ];
    run(World::file(), false, steps).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn results_are_matched_as_a_naive_list_would(ids: bool, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(World::file(), ids, steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn results_are_matched_so_in_a_database_too(ids: bool, steps in steps()) {
        if let Some(world) = World::database() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(world, ids, steps));
        }
    }
}
