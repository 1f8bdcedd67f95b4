//! A run that was broken off: where the next one goes on, and that nothing is sent twice.

use std::time::{Duration, Instant};

use mdss_relay_ledger::Origin;
use serde_json::{Value, json};

use crate::s3::{Content, Object, Store};
use crate::world::{LIMIT, Said, World, ago, objects, said, until};

/// Within so long a run that is started again goes on.
const GOES_ON: Duration = Duration::from_secs(5);

/// More than two pages of a listing.
const COUNT: usize = 2300;

const FORWARD: [&str; 6] = ["--route", "invoices", "--forward", "--rate", "800", "--json"];

/// Forwards `COUNT` objects, is killed on the second page, and is started again; gives what the second run has said, and in which time it has said where it
/// begins. MDSS has accepted `first` before. Nothing is sent twice.
async fn killed_and_started_again(world: &World) -> (Said, Duration) {
    let mut killed = world.begin(&FORWARD);
    until("the second page has begun", || world.sim.accepted().len() > 1100).await;
    killed.signal("KILL").unwrap();
    killed.wait(LIMIT).await.unwrap();
    assert!(world.sim.accepted().len() < COUNT, "it was over before it was killed");
    // What the killed one has left in the spool arrives by itself.
    let left = world.in_spool("o/").await;
    let known = left + world.sim.accepted().len();
    let begun = Instant::now();
    let mut again = world.begin(&FORWARD);
    again.wait_for_line("the run of", LIMIT).await.unwrap();
    let took = begun.elapsed();
    until("it forwards what is new", || world.sim.accepted().len() > known).await;
    let status = again.wait(LIMIT).await.unwrap().code().unwrap();
    let said = Said { status, stdout: again.stdout(), stderr: again.stderr() };
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!((&said.json()["complete"], &said.counts()["listed"]), (&json!(true), &json!(COUNT)));
    until("all are accepted", || world.sim.accepted().len() == COUNT + 1).await;
    nothing_is_sent_twice(world);
    (said, took)
}

fn nothing_is_sent_twice(world: &World) {
    let twice: Vec<_> = world.sim.accepted().into_iter().filter(|object| object.times > 1).collect();
    assert!(twice.is_empty(), "{} are sent twice, such as {:?}", twice.len(), twice.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_killed_run_goes_on_within_five_seconds_and_sends_nothing_twice() {
    let store = Store::of(objects(COUNT)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    let (said, took) = killed_and_started_again(&world).await;
    assert!(said.stderr.contains("goes on with the run of"), "{}", said.stderr);
    assert!(said.stderr.contains("behind 1000 objects, after o/000999\n"), "{}", said.stderr);
    assert!(took < GOES_ON, "{took:?}");
    assert_eq!(said.json()["resumed_behind"], 1000);
}

/// Ctrl-C is the same as a kill, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn r3_an_interrupted_run_says_so_and_the_next_one_does_the_rest() {
    let store = Store::of(objects(600)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    let child = world.start(&["--route", "invoices", "--forward", "--rate", "50", "--json"]);
    until("some are accepted", || world.sim.accepted().len() > 20).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let interrupted = tokio::task::spawn_blocking(move || said(child)).await.unwrap();
    assert_eq!((interrupted.status, &interrupted.json()["complete"]), (1, &json!(false)));
    assert!(interrupted.stderr.contains("goes on from here"), "{}", interrupted.stderr);
    let noted = world.run(&["--last", "--json"]).await.json();
    let rest = world.run(&["--route", "invoices", "--forward", "--rate", "2000", "--json"]).await;
    assert_eq!(rest.status, 0, "{}", rest.stderr);
    // What the first one had forwarded of its only page is noted as well.
    let forwarded = [&noted["counts"], &rest.counts()].map(|counts| counts["forwarded"].as_u64().unwrap());
    assert!(forwarded[0] > 0 && forwarded.iter().sum::<u64>() == 600, "{forwarded:?}: {noted}");
    until("the rest is accepted", || world.sim.accepted().len() == 601).await;
    nothing_is_sent_twice(&world);
}

/// A store that lists in no order, and cannot begin after a key.
fn shuffled() -> Vec<(String, Object)> {
    let mut shuffled: Vec<_> = objects(COUNT).collect();
    shuffled.swap(3, COUNT - 100);
    shuffled.reverse();
    shuffled
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_without_an_order_keys_are_looked_up() {
    let store = Store::start(Content::Shuffled(shuffled())).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    for n in [0, 7, 1200, 2200, 2299] {
        world.accepted(&format!("o/{n:06}"), Some("0d73")).await;
    }
    let said = world.run(&["--bucket", "invoices", "--json"]).await;
    let (counts, json) = (said.counts(), said.json());
    assert_eq!(
        (&counts["listed"], &counts["covered"], &counts["missing"]),
        (&json!(COUNT), &json!(5), &json!(COUNT - 5)),
        "{counts}"
    );
    assert_eq!((&json["ordered"], &counts["gone"]), (&json!(false), &json!(null)));
    assert!(said.stderr.contains("begins again from the start"), "{}", said.stderr);
}

/// Where there is no order there is no place to go on at: it begins again, says so, counts everything once, and sends nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn r10_without_an_order_a_killed_run_begins_again_and_sends_nothing_twice() {
    let store = Store::start(Content::Shuffled(shuffled())).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    let (said, _) = killed_and_started_again(&world).await;
    begins_again(&said, "the store lists in no order");
    assert_eq!(said.json()["ordered"], false);
}

/// A store may show only behind the place where a run was broken off that it has no order: what was counted before that is not known any more.
#[tokio::test(flavor = "multi_thread")]
async fn r10_an_order_that_ends_behind_the_place_of_a_killed_run_makes_it_begin_again() {
    let mut late: Vec<_> = objects(COUNT).collect();
    // Of both pages that the killed run has come to, the first alone is in order.
    late.swap(1500, 2200);
    let store = Store::start(Content::Shuffled(late)).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted("first", None).await;
    let (said, _) = killed_and_started_again(&world).await;
    assert!(said.stderr.contains("behind 1000 objects"), "{}", said.stderr);
    assert_eq!((&said.json()["ordered"], &said.json()["resumed_behind"]), (&json!(false), &Value::Null));
}

fn begins_again(said: &Said, why: &str) {
    assert!(said.stderr.contains(&format!("again from the start: {why}")), "{}", said.stderr);
    assert_eq!(said.json()["resumed_behind"], Value::Null);
}

/// A ledger that keeps keys as hashes cannot be read along with a listing, and how far a run has come is a key: all is looked up, and begins again.
#[tokio::test(flavor = "multi_thread")]
async fn with_hashed_keys_objects_are_looked_up_and_a_killed_run_begins_again() {
    let store = Store::of(objects(COUNT)).await;
    let mut world = World::new(&World::s3(&store.url)).await.set("RELAY_LEDGER_KEYS", "hashed");
    world.relay().await;
    world.accepted("first", None).await;
    let (said, _) = killed_and_started_again(&world).await;
    begins_again(&said, "the ledger does not keep how far it had come, because that is a key");
    assert_eq!((&said.json()["ordered"], &said.counts()["gone"]), (&json!(true), &Value::Null));
    // All that was forwarded is found by its hash, and so is what was written again since, and what is new.
    store.put("o/000007", Object { etag: "other".into(), ..Object::of(ago(0)) });
    store.put("p", Object::of(ago(3600)));
    assert_eq!(world.in_ledger("o/000008", 1).await[0].entry.fact.origin, Some(Origin::Reconcile));
    let counts = world.run(&["--route", "invoices", "--grace", "0", "--json"]).await.counts();
    assert_eq!(
        (&counts["covered"], &counts["missing_newer"], &counts["missing"], &counts["gone"]),
        (&json!(COUNT - 1), &json!(1), &json!(1), &Value::Null),
        "{counts}"
    );
    for file in ["ledger.db", "ledger.db-wal"] {
        let bytes = std::fs::read(world.data().join(file)).unwrap_or_default();
        assert!(!bytes.windows(8).any(|window| window == b"o/000008"), "a key stands in {file}");
    }
}

/// Without keys the ledger does not know of which objects it tells, and nothing that is not known counts as good.
#[tokio::test(flavor = "multi_thread")]
async fn without_keys_everything_counts_as_missing_and_it_is_said() {
    let store = Store::of(objects(3)).await;
    let mut world = World::new(&World::s3(&store.url)).await.set("RELAY_LEDGER_KEYS", "off");
    world.relay().await;
    world.post("o/000001", Some("0d73")).await;
    until("it is accepted", || world.sim.accepted().len() == 1).await;
    drive::until("it has left the spool", LIMIT, async || world.in_spool("o/").await == 0).await.unwrap();
    let said = world.run(&["--route", "invoices", "--json"]).await;
    let sentence = "RELAY_LEDGER_KEYS=off, so the ledger does not know of which objects it tells: everything counts as missing";
    assert!(said.stderr.contains(sentence), "{}", said.stderr);
    let counts = said.counts();
    assert_eq!(
        (&counts["missing"], &counts["covered"], &counts["gone"]),
        (&json!(3), &json!(0), &Value::Null)
    );
    assert_eq!((said.json()["coverage"].as_f64(), said.status), (Some(0.0), 0));
}
