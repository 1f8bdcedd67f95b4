//! Amazon S3, as moto plays it (`.ci/moto`).

use mdss_relay_stores::{Order, Store};

use crate::common::{
    file, r3_goes_on_where_it_was_broken_off, r6_every_odd_key_is_listed_unchanged, store, whole,
};
use crate::emulator::{ODD_KEYS, Program, encoded, moto, put};

fn of(moto: &Program, secret: &str) -> Store {
    let address = &moto.line;
    store(&format!(
        "kind = \"s3\"\nendpoint = \"http://{address}\"\naccess_key_id = \"id\"\nsecret_access_key_file = \"{secret}\""
    ))
}

#[tokio::test]
async fn r6_moto() {
    let Some(moto) = moto() else { return };
    put(&moto.line, "/odd", "");
    for key in ODD_KEYS {
        put(&moto.line, &format!("/odd/{}", encoded(key, true)), key);
    }
    let (_folder, secret) = file("key");
    let store = of(&moto, &secret);
    let odd = whole(store.list("odd", b"")).await.unwrap();
    r6_every_odd_key_is_listed_unchanged(&odd, &[]);
    assert_eq!(odd.order, Order::Bytes);
    assert!(odd.objects.iter().all(|object| object.etag.as_ref().is_some_and(|etag| etag.len() == 32)));
    let below = whole(store.list("odd", "a//".as_bytes())).await.unwrap();
    assert_eq!(below.keys(), ["a//b"]);
    r3_goes_on_where_it_was_broken_off(&store, "many", 3).await;

    let missing = store.list("nowhere", b"").page(None).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "store \"here\", bucket \"nowhere\": 404 NoSuchBucket: The specified bucket does not exist"
    );
    let notification = store.ask("odd", &[("notification", "")]).await.unwrap();
    assert_eq!(notification.status, 200);
}
