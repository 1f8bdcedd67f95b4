//! Against a store that somebody else has written: moto plays Amazon S3.

use std::collections::BTreeSet;

use serde_json::json;

use crate::emulator::{ODD_KEYS, encoded, moto, put};
use crate::forwarded::until;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn r2_and_r6_from_a_bucket_of_moto_to_mdss() {
    let Some(moto) = moto() else { return };
    put(&moto.line, "/invoices", "");
    for key in ODD_KEYS {
        put(&moto.line, &format!("/invoices/{}", encoded(key, true)), key);
    }
    let mut world = World::new(&World::s3(&format!("http://{}", moto.line))).await;
    world.relay().await;
    world.accepted("first", None).await;
    let dry = world.run(&["--route", "invoices", "--grace", "0", "--json"]).await;
    assert_eq!(dry.counts()["missing"], ODD_KEYS.len(), "{}", dry.stderr);
    let forwarded = world.run(&["--route", "invoices", "--grace", "0", "--forward", "--json"]).await;
    assert_eq!(
        (forwarded.status, &forwarded.counts()["forwarded"]),
        (0, &json!(ODD_KEYS.len())),
        "{}",
        forwarded.stderr
    );
    until("all are accepted", || world.sim.accepted().len() == ODD_KEYS.len() + 1).await;
    let accepted: BTreeSet<String> = world.sim.accepted_keys().into_iter().collect();
    assert_eq!(accepted, ODD_KEYS.iter().chain(&["first"]).map(|key| (*key).to_owned()).collect());
    for key in ODD_KEYS {
        world.in_ledger(key, 1).await;
    }
    let again = world.run(&["--route", "invoices", "--grace", "0", "--forward", "--json"]).await.counts();
    assert_eq!((&again["covered"], &again["forwarded"]), (&json!(ODD_KEYS.len()), &json!(0)), "{again}");
}
