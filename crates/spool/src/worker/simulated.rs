//! The pace, the seats of lanes and the breakers together, against servers of several kinds: all of them pure, so that minutes take moments.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::{Cause, Failure};

use super::pauses::Pauses;
use super::ready::Item;
use super::ready::testing::ready;

/// As many as `RELAY_CONCURRENCY` has in spooled mode.
const SEATS: usize = 128;

/// Items of a lane that are kept ready, as the worker does.
const AHEAD: usize = 300;

/// What answers, and how.
#[derive(Clone, Copy, Debug)]
enum Server {
    /// Takes so many a second, and so many at once above that; refuses the others (nginx's `limit_req`, with `nodelay`).
    Bucket { rate: f64, burst: f64 },
    /// Takes so many in each second, and refuses the others.
    Seconds { most: u32 },
    /// Takes everything, and works off so many a second, one after the other.
    Queue { rate: f64 },
    /// Takes everything at once.
    Fast,
}

/// A server at work, each of whose answers takes `base` at least.
struct Working {
    server: Server,
    base: Duration,
    /// Of the bucket: what has not drained. Of the seconds: what this one had.
    level: f64,
    /// When that was; of the queue, when it is empty.
    when: Instant,
}

impl Working {
    /// Whether a request is taken, and after how long its answer comes.
    fn asked(&mut self, now: Instant) -> (bool, Duration) {
        match self.server {
            Server::Fast => (true, self.base),
            Server::Bucket { rate, burst } => {
                let drained = now.duration_since(self.when).as_secs_f64() * rate;
                (self.level, self.when) = ((self.level - drained).max(0.0), now);
                let takes = self.level < burst + 1.0;
                self.level += if takes { 1.0 } else { 0.0 };
                (takes, self.base)
            }
            Server::Seconds { most } => {
                if now.duration_since(self.when) >= Duration::from_secs(1) {
                    (self.level, self.when) = (0.0, now);
                }
                self.level += 1.0;
                (self.level <= f64::from(most), self.base)
            }
            Server::Queue { rate } => {
                self.when = self.when.max(now) + Duration::from_secs_f64(1.0 / rate);
                (true, self.when - now + self.base)
            }
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Result {
    accepted: Vec<u32>,
    refused: u32,
    slowest: Duration,
    lasted: Duration,
}

/// A relay and its lanes, each with a server of its own, or all with the first one's word on whether a request is taken.
struct Simulation {
    pauses: Pauses,
    servers: Vec<Working>,
    now: Instant,
    next_item: i64,
    /// Answers on their way: when, which, and of what.
    answers: BinaryHeap<Reverse<(Instant, u64)>>,
    under_way: HashMap<u64, (Item, usize, bool, Instant)>,
    starts: u64,
    /// Items that wait for their turn, by lane.
    waiting: Vec<usize>,
}

impl Simulation {
    fn new(cap: u32, servers: &[(Server, u64)]) -> Self {
        let now = Instant::now();
        let working = |(server, millis): &(Server, u64)| Working {
            server: *server,
            base: Duration::from_millis(*millis),
            level: 0.0,
            when: now,
        };
        Self {
            pauses: Pauses::new(cap, SEATS, None, Arc::default()),
            servers: servers.iter().map(working).collect(),
            now,
            next_item: 0,
            answers: BinaryHeap::new(),
            under_way: HashMap::new(),
            starts: 0,
            waiting: vec![0; servers.len()],
        }
    }

    /// Goes on for so long, with as much in each lane as it can take, or until so many are accepted.
    fn run(&mut self, time: Duration, enough: u32) -> Result {
        let (begin, end) = (self.now, self.now + time);
        let mut result = Result { accepted: vec![0; self.servers.len()], ..Result::default() };
        let mut waiting = std::mem::take(&mut self.waiting);
        while self.now < end && result.accepted.iter().sum::<u32>() < enough {
            while let Some(Reverse((when, number))) = self.answers.peek().copied()
                && when <= self.now
            {
                self.answers.pop();
                let (item, lane, taken, started) = self.under_way.remove(&number).unwrap();
                let took = when - started;
                if taken {
                    self.pauses.succeeded(&item, took, self.now);
                    result.accepted[lane] += 1;
                    result.slowest = result.slowest.max(took);
                } else {
                    let failure = Failure { throttled: true, ..Failure::new(Cause::MdssUnavailable, "x") };
                    // What waited before a closed lane is given back.
                    waiting[lane] -= self.pauses.failed(&item, &failure, took, self.now).back.len();
                    result.refused += 1;
                }
            }
            for (lane, waiting) in waiting.iter_mut().enumerate() {
                while *waiting < AHEAD {
                    self.next_item += 1;
                    *waiting += 1;
                    self.pauses.lanes.push(ready(&lane.to_string(), self.next_item));
                }
            }
            while let Some((ready, _)) = self.pauses.next(self.now) {
                let lane: usize = ready.item.lane.parse().unwrap();
                waiting[lane] -= 1;
                let (taken, takes) = self.servers[lane].asked(self.now);
                self.starts += 1;
                self.under_way.insert(self.starts, (ready.item, lane, taken, self.now));
                self.answers.push(Reverse((self.now + takes, self.starts)));
                if waiting[lane] == 0 {
                    break;
                }
            }
            let tick = self.now + Duration::from_millis(1);
            let wake = self.pauses.wake(self.now).map(|wake| wake.max(tick));
            let answer = self.answers.peek().map(|Reverse((when, _))| (*when).max(self.now));
            self.now = [wake, answer, Some(self.now + Duration::from_millis(100))]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(tick)
                .max(self.now + Duration::from_micros(50));
        }
        self.waiting = waiting;
        result.lasted = self.now - begin;
        result
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// What share of what it could take the first server took, and what share of the requests it refused.
fn shares(result: &Result, rate: f64) -> (f64, f64) {
    let accepted = f64::from(result.accepted[0]);
    let refused = f64::from(result.refused);
    (accepted / result.lasted.as_secs_f64() / rate, refused / (accepted + refused))
}

#[test]
fn a_rate_that_mdss_does_not_name_is_found_and_kept_to() {
    let bucket = |rate, burst| (Server::Bucket { rate, burst }, rate);
    let seconds = |most| (Server::Seconds { most }, f64::from(most));
    for ((server, rate), latencies) in [
        (bucket(300.0, 300.0), &[2, 20, 200][..]),
        (bucket(300.0, 20.0), &[2, 20, 200]),
        (bucket(30.0, 5.0), &[2, 200]),
        (bucket(3000.0, 300.0), &[2, 20]),
        (seconds(30), &[2]),
        (seconds(300), &[2, 20, 200]),
        (seconds(3000), &[2, 20]),
    ] {
        for latency in latencies {
            let mut simulation = Simulation::new(10_000, &[(server, *latency)]);
            let begin = simulation.run(Duration::from_secs(10), u32::MAX);
            let steady = simulation.run(MINUTE, u32::MAX);
            for (what, result, least, most) in
                [("at first", &begin, 0.75, 0.12), ("then", &steady, 0.9, 0.05)]
            {
                let (goodput, refused) = shares(result, rate);
                let row =
                    format!("{server:?}, {latency} ms, {what}: {goodput:.3} of it, {refused:.4} refused");
                println!("{row}");
                assert!(goodput >= least && refused <= most, "{row}");
            }
        }
    }
}

#[test]
fn a_limit_that_is_lifted_is_forgotten_and_one_that_falls_is_followed() {
    let mut simulation = Simulation::new(10_000, &[(Server::Bucket { rate: 300.0, burst: 20.0 }, 2)]);
    simulation.run(Duration::from_secs(20), u32::MAX);
    simulation.servers[0].server = Server::Fast;
    let result = simulation.run(MINUTE, 27_000);
    assert!(result.lasted < Duration::from_secs(20), "{:?}", result.lasted);
    simulation.servers[0].server = Server::Bucket { rate: 300.0, burst: 20.0 };
    let (goodput, refused) = shares(&simulation.run(MINUTE, u32::MAX), 300.0);
    assert!(goodput >= 0.9 && refused <= 0.05, "{goodput:.3} of it, {refused:.4} refused");
}

#[test]
fn a_server_that_is_slower_the_fuller_it_is_is_kept_busy_and_not_filled() {
    for rate in [50.0, 300.0, 2000.0] {
        for latency in [1, 10, 50] {
            let mut simulation = Simulation::new(10_000, &[(Server::Queue { rate }, latency)]);
            simulation.run(Duration::from_secs(10), u32::MAX);
            let steady = simulation.run(MINUTE, u32::MAX);
            let (goodput, _) = shares(&steady, rate);
            let row =
                format!("{rate} a second, {latency} ms: {goodput:.3} of it, slowest {:?}", steady.slowest);
            println!("{row}");
            // All seats would make them wait for 128 / rate.
            let full = Duration::from_secs_f64(SEATS as f64 / rate);
            assert!(goodput >= 0.9 && steady.slowest < full / 2 + Duration::from_millis(latency), "{row}");
        }
    }
}

#[test]
fn a_burst_is_over_as_soon_as_it_can_be() {
    for latency in [1, 5, 10] {
        let mut simulation = Simulation::new(10_000, &[(Server::Fast, latency)]);
        let lasted = simulation.run(MINUTE, 27_000).lasted;
        // 2.7 s are ten thousand a second from the first request on.
        assert!(lasted < Duration::from_millis(3300), "{latency} ms: {lasted:?}");
    }
}

#[test]
fn a_slow_unit_does_not_hold_a_fast_one_back() {
    let run = |servers: &[(Server, u64)]| {
        let mut simulation = Simulation::new(10_000, servers);
        simulation.run(Duration::from_secs(20), u32::MAX);
        simulation.run(Duration::from_secs(10), u32::MAX)
    };
    let alone = run(&[(Server::Fast, 5)]).accepted[0];
    let both = run(&[(Server::Fast, 5), (Server::Fast, 1000)]);
    assert!(f64::from(both.accepted[0]) >= 0.85 * f64::from(alone), "{alone}: {both:?}");
    assert!(both.accepted[1] >= 250, "{both:?}");
}
