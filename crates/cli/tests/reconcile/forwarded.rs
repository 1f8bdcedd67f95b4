//! What is forwarded: how, how fast, and once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use mdss_relay_ledger::Origin;
use serde_json::json;

use crate::emulator::ODD_KEYS;
use crate::s3::{Object, Store};
use crate::world::{HOUR, Said, World, ago, objects, said, until};

#[tokio::test(flavor = "multi_thread")]
async fn r2_and_r6_what_is_missing_goes_through_the_spool_with_its_key_as_it_is() {
    let store = Store::of(ODD_KEYS.iter().map(|key| ((*key).to_owned(), Object::of(ago(HOUR))))).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    // So that the file of the spool is there.
    world.accepted("first", None).await;
    let begun = Instant::now();
    let child = world.start(&["--route", "invoices", "--forward", "--json"]);
    until("the first one is accepted", || world.sim.accepted().len() > 1).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let said = tokio::task::spawn_blocking(move || said(child)).await.unwrap();
    r6_the_odd_keys_arrive(&world, &said, &["--route", "invoices", "--forward", "--json"]).await;
}

/// The odd keys were forwarded by a run, and arrive as they are. The bucket has nothing else; MDSS has accepted `first` before. `arguments` are the run's.
pub(crate) async fn r6_the_odd_keys_arrive(world: &World, said: &Said, arguments: &[&str]) {
    assert_eq!(
        (said.status, said.counts()["forwarded"].as_u64()),
        (0, Some(ODD_KEYS.len() as u64)),
        "{}",
        said.stderr
    );
    until("all are accepted", || world.sim.accepted().len() == ODD_KEYS.len() + 1).await;
    let accepted: BTreeSet<String> = world.sim.accepted_keys().into_iter().collect();
    assert_eq!(accepted, ODD_KEYS.iter().chain(&["first"]).map(|key| (*key).to_owned()).collect());
    for key in ODD_KEYS {
        let shown = world.in_ledger(key, 1).await;
        assert_eq!(shown[0].entry.fact.origin, Some(Origin::Reconcile), "{key:?}");
        assert_eq!(shown[0].entry.fact.unit.as_deref(), Some(crate::world::UNIT));
    }
    // They are covered from now on, and a second run sends nothing.
    let again = world.run(arguments).await.counts();
    assert_eq!((&again["covered"], &again["forwarded"]), (&json!(ODD_KEYS.len()), &json!(0)), "{again}");
}

/// By MDSS's own clock. A machine on which the relay stands still for a moment sends two moments' objects in one, and such a round proves nothing: it is
/// enough if in one of five no second has more. Of a throttle that lets too many pass each round has.
#[tokio::test(flavor = "multi_thread")]
async fn r7_no_more_than_the_rate_reach_mdss() {
    const RATE: usize = 50;
    const COUNT: usize = 3 * RATE;
    let store = Store::of([]).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    let mut seen = Vec::new();
    for round in 1..=5 {
        for n in 0..COUNT {
            store.put(&format!("round-{round}/{n:03}"), Object::of(ago(HOUR)));
        }
        world.sim.forget();
        let rate = RATE.to_string();
        let said = world.run(&["--route", "invoices", "--forward", "--rate", &rate, "--json"]).await;
        assert_eq!(said.counts()["forwarded"], COUNT, "{}", said.stderr);
        until("all are accepted", || world.sim.accepted().len() == COUNT).await;
        let times: Vec<SystemTime> = world.sim.requests().iter().map(|request| request.time).collect();
        let most = |window: Duration| {
            let within = |from: &SystemTime| {
                let soon = |time: &&SystemTime| time.duration_since(*from).is_ok_and(|since| since < window);
                times.iter().filter(soon).count()
            };
            times.iter().map(within).max().unwrap()
        };
        // Evenly: a fifth of a second has no more than half of them.
        let (a_second, a_fifth) = (most(Duration::from_secs(1)), most(Duration::from_millis(200)));
        println!("round {round}: at most {a_second} in a second, {a_fifth} in a fifth of one");
        if a_second <= RATE && a_fifth <= RATE / 2 {
            return;
        }
        seen.push((a_second, a_fifth));
    }
    panic!("in each round more than {RATE} in a second, or {} in a fifth of one: {seen:?}", RATE / 2);
}

/// How long a hundred events are on their way, from a sender's request to MDSS's.
async fn a_hundred(world: &World, name: &str) -> Vec<Duration> {
    let mut sent = Vec::new();
    for n in 0..100 {
        let key = format!("{name}-{n}");
        sent.push((key.clone(), SystemTime::now()));
        world.post(&key, None).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let last = sent.last().map(|(key, _)| key.clone()).unwrap();
    until("the last one is accepted", || world.sim.accepted_keys().contains(&last)).await;
    let requests = world.sim.requests();
    let took = sent.iter().filter_map(|(key, when)| {
        let request = requests.iter().find(|request| request.key.as_ref() == Some(key))?;
        request.time.duration_since(*when).ok()
    });
    took.collect()
}

/// The time that one event of a hundred takes longer than.
fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100 - 1]
}

/// By how much more p99 may be later. The command syncs its own transactions on the same disk, of which the contract does not speak: where that takes a
/// millisecond, p99 is 4 ms alone, and on a machine that does other things as well 20 ms and more.
const ONE_SYNC: Duration = Duration::from_millis(1);

/// In turns, because the machine may do other things as well. It is enough if it holds over two of them, or over more: p99 of a hundred events is one event.
#[tokio::test(flavor = "multi_thread")]
async fn r7_live_events_are_not_later_while_it_forwards() {
    let store = Store::of(objects(3000)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    a_hundred(&world, "warm").await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for turn in 1..=10 {
        alone.extend(a_hundred(&world, &format!("alone-{turn}")).await);
        let before = world.sim.accepted().len();
        let mut child = world.start(&["--route", "invoices", "--forward", "--rate", "50"]);
        // From the first objects on: beginning is part of it.
        until("it forwards", || world.sim.accepted().len() > before).await;
        beside.extend(a_hundred(&world, &format!("beside-{turn}")).await);
        assert!(child.try_wait().unwrap().is_none(), "it was over before it was measured");
        child.kill().unwrap();
        child.wait().unwrap();
        let (alone, beside) = (p99(&mut alone), p99(&mut beside));
        println!(
            "turn {turn}: one event of a hundred takes longer than {alone:?} alone, and {beside:?} beside it"
        );
        // Before the relay looked more often it was 40 ms and more, and 4 ms alone.
        if turn > 1 && beside <= alone.mul_f64(1.2) + ONE_SYNC {
            return;
        }
    }
    panic!("p99 is more than 1.2 times what it is alone");
}

/// A condition that a listing cannot answer is no "no": it counts by itself, and is forwarded if somebody says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_undecidable_is_forwarded_only_if_asked_for() {
    let store = Store::of([("k".into(), Object::of(ago(HOUR)))]).await;
    let world = World::new(&World::s3(&store.url)).await;
    let config = std::fs::read_to_string(world.data().join("../relay.toml")).unwrap();
    let config = config.replace(
        "name = 'invoices'\n",
        "name = 'invoices'\ncondition = { userIdentity = { principalId = 'x' } }\n",
    );
    std::fs::write(world.data().join("../relay.toml"), config).unwrap();
    let mut world = world;
    world.relay().await;
    world.post("first", None).await;
    let plain = world.run(&["--route", "invoices", "--forward", "--json"]).await;
    let counts = plain.counts();
    assert_eq!(
        (&counts["undecidable"], &counts["forwarded"], plain.status),
        (&json!(1), &json!(0), 0),
        "{}",
        plain.stderr
    );
    assert!(!world.run(&["--route", "invoices", "--fail-under", "1"]).await.stdout.contains("100 %"));
    let all = world.run(&["--route", "invoices", "--forward", "--undecidable", "--json"]).await;
    assert_eq!(all.counts()["forwarded"], 1, "{}", all.stderr);
    until("it is accepted", || world.sim.accepted_keys().contains(&"k".to_owned())).await;
}
