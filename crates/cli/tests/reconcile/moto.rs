//! Against a store that somebody else has written: moto plays Amazon S3.

use crate::emulator::{ODD_KEYS, encoded, moto, put};
use crate::forwarded::r6_the_odd_keys_arrive;
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
    let arguments = ["--route", "invoices", "--grace", "0", "--forward", "--json"];
    let said = world.run(&arguments).await;
    r6_the_odd_keys_arrive(&world, &said, &arguments).await;
}
