//! `ledger resend`: what was accepted and never scanned, told once more.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mdss_relay_ledger::{
    BucketName, Clock, Export, Fact, Format, Keys, Kind, Ledger, Moment, Options, Origin, OutboxId, Place,
};
use serde_json::{Value, json};

use crate::emulator::ODD_KEYS;
use crate::forwarded::r6_the_odd_keys_arrive;
use crate::s3::{Object, Store};
use crate::world::{Said, UNIT, World, said};

/// A clock that stands still.
struct Past(Moment);

impl Clock for Past {
    fn now(&self) -> Moment {
        self.0
    }
}

fn ago(hours: i64) -> Moment {
    Moment::from_millis(jiff::Timestamp::now().as_millisecond() - hours * 3_600_000)
}

impl World {
    /// The ledger as it was so many hours ago.
    async fn past(&self, hours: i64, keys: Keys) -> Ledger {
        let options = Options { clock: Arc::new(Past(ago(hours))), keys, ..Options::default() };
        Ledger::open(&self.ledger(), options).await.unwrap()
    }

    /// An object that was accepted nine hours ago, and of which MDSS was asked `times`.
    async fn told(&self, row: i64, bucket: &str, key: &str, times: i64) {
        let fact = Fact {
            dialect: Some("minio".into()),
            bucket: Some(bucket.into()),
            unit: Some(UNIT.into()),
            key: Some(key.into()),
            ..Fact::new(Kind::Accepted, ago(9))
        };
        let ledger = self.past(9, Keys::Clear).await;
        ledger.append(vec![(OutboxId(row), fact)]).await.unwrap();
        // Else the next one is not the first of several writers, who alone asks MDSS.
        ledger.close().await;
        for hours in [5, 3].into_iter().take(usize::try_from(times).unwrap()) {
            let ledger = self.past(hours, Keys::Clear).await;
            let asked = ledger.questions().await.unwrap().into_iter().find(|asked| asked.key == key).unwrap();
            ledger.answered(asked.seq, None).await.unwrap();
            ledger.close().await;
        }
    }

    async fn resend(&self, arguments: &[&str]) -> Said {
        let child = self.tool(&["ledger", "resend"], arguments).spawn().unwrap();
        tokio::task::spawn_blocking(move || said(child)).await.unwrap()
    }
}

/// Through a database the same is done: what is missing is forwarded with its key as it is, and what was never scanned is told once more.
#[tokio::test(flavor = "multi_thread")]
async fn r2_and_r6_what_is_missing_or_never_scanned_goes_through_a_spool_in_a_database() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let old = Timestamp::now() - Duration::from_secs(3600);
    let store = Store::of(ODD_KEYS.iter().map(|key| ((*key).to_owned(), Object::of(old)))).await;
    let mut world = World::shared(&World::s3(&store.url), server.database().await.unwrap()).await;
    // Before the relay is there, which is the first writer then.
    world.told(-1, "invoices", "never.txt", 2).await;
    world.relay().await;
    world.accepted("first", None).await;
    let arguments = ["--route", "invoices", "--forward", "--json"];
    let done = world.run(&arguments).await;
    r6_the_odd_keys_arrive(&world, &done, &arguments).await;

    let done = world.resend(&["--yes", "--json"]).await;
    assert_eq!((done.status, &done.json()["resent"]), (0, &json!(1)), "{}{}", done.stdout, done.stderr);
    let shown = world.in_ledger("never.txt", 2).await;
    assert!(shown.iter().any(|shown| shown.entry.fact.origin == Some(Origin::Reconcile)), "{shown:?}");
    let again = world.resend(&["--yes", "--json"]).await;
    assert_eq!(again.json()["resent"], 0, "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_scanned_is_told_once_more_by_hand() {
    let mut world = World::new(&World::s3("http://127.0.0.1:9")).await;
    world.told(-1, "invoices", "a b+c%20/ü.txt", 2).await;
    world.told(-2, "invoices", "once.txt", 1).await;
    // No route selects it any more, and nobody knows what this one is called.
    world.told(-3, "elsewhere", "gone.txt", 2).await;
    let hashed = Fact {
        bucket: Some("hashed".into()),
        key: Some("secret.txt".into()),
        unit: Some(UNIT.into()),
        ..Fact::new(Kind::Accepted, ago(9))
    };
    world.past(3, Keys::Hashed).await.append(vec![(OutboxId(-4), hashed)]).await.unwrap();

    let without = world.resend(&["--yes"]).await;
    assert_eq!(without.status, 2, "{}", without.stderr);
    assert!(without.stderr.contains("there is no spool to put anything into"), "{}", without.stderr);
    world.relay().await;
    world.accepted("first", None).await;
    let asked = world.resend(&[]).await;
    assert_eq!((asked.status, world.sim.accepted_keys()), (1, vec!["first".to_owned()]), "{}", asked.stderr);
    assert!(asked.stderr.contains("2 accepted writes that no scan is known of?"), "{}", asked.stderr);

    let done = world.resend(&["--yes", "--json"]).await;
    assert_eq!(
        done.json(),
        json!({ "resent": 1, "in_spool": 0, "unselected": 1, "unnamed": 0, "complete": true }),
        "{}",
        done.stderr
    );
    assert_eq!(done.status, 0);
    let shown = world.in_ledger("a b+c%20/ü.txt", 2).await;
    let origins: Vec<_> = shown.iter().map(|shown| shown.entry.fact.origin).collect();
    assert_eq!(origins, [None, Some(Origin::Reconcile)]);
    assert_eq!(world.sim.accepted_keys(), ["a b+c%20/ü.txt", "first"]);

    // It waits for its result now; the other one has no route.
    let again = world.resend(&["--yes", "--json"]).await;
    assert_eq!(
        again.json(),
        json!({ "resent": 0, "in_spool": 0, "unselected": 1, "unnamed": 0, "complete": true }),
        "{}",
        again.stderr
    );
    let none = world.resend(&["--bucket", "invoices", "--json"]).await;
    assert_eq!((none.status, none.json()["resent"].as_u64()), (1, Some(0)), "{}", none.stderr);

    // Without asking MDSS: what has no result for so long. A hashed key is no key.
    let late = world.resend(&["--unconfirmed", "--older", "2h", "--unit", UNIT, "--yes", "--json"]).await;
    assert_eq!(
        late.json(),
        json!({ "resent": 2, "in_spool": 0, "unselected": 1, "unnamed": 1, "complete": true }),
        "{}",
        late.stderr
    );
    world.in_ledger("once.txt", 2).await;
    assert_eq!(world.in_ledger("a b+c%20/ü.txt", 3).await.len(), 3);
    assert_eq!(world.sim.accepted_keys(), ["a b+c%20/ü.txt", "first", "once.txt"]);

    // What MDSS does not take stays in the spool, and is not put there again.
    world.told(-5, "invoices", "refused.txt", 2).await;
    world.sim.push(vec![mdss_sim::Step::Unavailable; 5000]);
    let bucket = ["--bucket", "invoices", "--yes", "--json"];
    assert_eq!(world.resend(&bucket).await.json()["resent"], 1);
    let again = world.resend(&bucket).await.json();
    assert_eq!((&again["resent"], &again["in_spool"]), (&json!(0), &json!(1)));
    world.sim.calm();
    world.in_ledger("refused.txt", 2).await;

    // Somebody did that, and the chain says so.
    let ledger = Ledger::open(&Place::Directory(world.data()), Options::reading()).await.unwrap();
    let (out, export) =
        (tempfile::NamedTempFile::new().unwrap(), Export { format: Format::Jsonl, ..Export::default() });
    ledger.export(export, out.reopen().unwrap()).await.unwrap();
    let exported = std::fs::read_to_string(out.path()).unwrap();
    let lines = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let retried = lines.filter(|line| line["kind"] == "retried");
    let retried: Vec<_> = retried.map(|line| (line["count"].clone(), line["reason"].clone())).collect();
    assert_eq!(
        retried,
        [
            (json!(1), json!("never scanned")),
            (json!(2), json!("no result")),
            (json!(1), json!("never scanned"))
        ]
    );
    assert_eq!(ledger.show(&BucketName::new("elsewhere"), b"gone.txt").await.unwrap().len(), 1);
}
