//! Two stores that have a bucket of the same name, and a key of the same name in it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::s3::{Object, Store};
use crate::world::{HOUR, OTHER, UNIT, World, ago, said};

/// What was told of the bucket of one store, or waits for it, says nothing of the other store's.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_another_source_is_of_another_bucket() {
    let objects = || ["told.pdf", "waits.pdf"].map(|key| (key.to_owned(), Object::of(ago(HOUR))));
    let (a, b) = (Store::of(objects()).await, Store::of(objects()).await);
    let mut world = World::of_two(&a.url, &b.url).await;
    world.relay().await;
    world.post_to("/a", "told.pdf", Some("0d73")).await;
    world.in_ledger("told.pdf", 1).await;
    // The other one waits in the spool.
    world.sim.push(vec![mdss_sim::Step::Unavailable; 5000]);
    world.post_to("/a", "waits.pdf", Some("0d73")).await;
    let counts = async |route: &str| {
        let said = world.run(&["--route", route, "--json"]).await;
        assert_eq!(said.status, 0, "{}", said.stderr);
        let counts = said.counts();
        ["covered", "missing", "in_spool", "gone"].map(|name| counts[name].clone())
    };
    assert_eq!(counts("of-a").await, [json!(1), json!(0), json!({ "waiting": 1 }), json!(0)]);
    assert_eq!(counts("of-b").await, [json!(0), json!(2), json!({}), json!(0)]);
    world.sim.calm();
    world.in_ledger("waits.pdf", 1).await;

    let done = world.run(&["--route", "of-b", "--forward", "--json"]).await;
    assert_eq!(done.counts()["forwarded"], json!(2), "{}", done.stderr);
    for key in ["told.pdf", "waits.pdf"] {
        world.in_ledger(key, 2).await;
    }
    let accepted: Vec<Value> = world
        .sim
        .accepted()
        .iter()
        .map(|accepted| json!([accepted.storage_client_id, accepted.key, accepted.times]))
        .collect();
    let each = [(UNIT, "told.pdf"), (UNIT, "waits.pdf"), (OTHER, "told.pdf"), (OTHER, "waits.pdf")];
    assert_eq!(accepted, each.map(|(unit, key)| json!([unit, key, 1])));
    for route in ["of-a", "of-b"] {
        assert_eq!(counts(route).await, [json!(2), json!(0), json!({}), json!(0)], "{route}");
    }

    // Nor is one the repetition of the other where all of them are told once more.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let arguments = ["--unconfirmed", "--older", "1s", "--yes", "--json"];
    let again = said(world.tool(&["ledger", "resend"], &arguments).spawn().unwrap());
    let whole = json!({ "resent": 4, "in_spool": 0, "unselected": 0, "unnamed": 0, "complete": true });
    assert_eq!(again.json(), whole, "{}", again.stderr);
}
