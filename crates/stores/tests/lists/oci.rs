//! OCI's own protocol: a stand-in that looks at each signature with the public key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mdss_relay_stores::{Order, Service, Store, TroubleKind};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use serde_json::{Value, json};

use crate::common::{
    file, r3_goes_on_where_it_was_broken_off, r6_every_odd_key_is_listed_unchanged, store, whole,
};
use crate::emulator::ODD_KEYS;
use crate::server::{Asked, Reply, Server};

const TENANCY: &str = "ocid1.tenancy.oc1..t";
const USER: &str = "ocid1.user.oc1..u";
const FINGERPRINT: &str = "aa:bb";

/// Whether the request is the user's.
/// <https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm>
fn verified(asked: &Asked, key: &[u8]) -> bool {
    let part = |name: &str| {
        let (_, rest) = asked.header("authorization").split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let (Some(headers), Some(signature), Some(id)) = (part("headers"), part("signature"), part("keyId"))
    else {
        return false;
    };
    let line = |name: &str| match name {
        "(request-target)" => format!("{name}: {} {}", asked.method.to_lowercase(), asked.target),
        name => format!("{name}: {}", asked.header(name)),
    };
    let text = headers.split(' ').map(line).collect::<Vec<_>>().join("\n");
    let signature = STANDARD.decode(signature).unwrap();
    id == format!("{TENANCY}/{USER}/{FINGERPRINT}")
        && ["date", "(request-target)", "host"].iter().all(|needed| headers.split(' ').any(|h| h == *needed))
        && UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(text.as_bytes(), &signature)
            .is_ok()
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::of(status, json!({ "code": code, "message": message }).to_string())
}

/// Its three calls: the namespace, a bucket, a bucket's objects.
fn answer(asked: &Asked, key: &[u8]) -> Reply {
    if !verified(asked, key) {
        return error(
            401,
            "NotAuthenticated",
            "The required information to complete authentication was not provided.",
        );
    }
    let (keys, page): (Vec<String>, usize) = match asked.path() {
        "/n/" => return Reply::of(200, "\"space\""),
        "/n/space/b/odd" => return Reply::of(200, json!({ "objectEventsEnabled": true }).to_string()),
        "/n/space/b/odd/o" => (ODD_KEYS.map(str::to_owned).to_vec(), 5),
        "/n/space/b/many/o" => ((0..25).map(|n| format!("k{n:02}")).collect(), 10),
        _ => {
            return error(
                404,
                "BucketNotFound",
                "Either the bucket named 'x' does not exist in the namespace 'space' or you are not authorized to access it",
            );
        }
    };
    // Without it there are only names.
    assert!(asked.text("fields").unwrap().contains("timeModified"));
    let from = match (asked.text("start"), asked.text("startAfter")) {
        (Some(start), _) => keys.iter().position(|key| *key >= start),
        (None, Some(after)) => keys.iter().position(|key| *key > after),
        (None, None) => Some(0),
    };
    let from = from.unwrap_or(keys.len());
    let end = (from + page).min(keys.len());
    let objects: Vec<Value> = keys[from..end]
        .iter()
        .map(|name| {
            let now = jiff::Timestamp::now().to_string();
            let state = match name.as_str() {
                "k01" => json!("Archived"),
                "k02" => json!("Restored"),
                _ => Value::Null,
            };
            json!({ "name": name, "size": name.len(), "etag": "e", "md5": "m", "timeCreated": "2020-01-01T00:00:00Z",
                    "timeModified": now, "storageTier": if state.is_null() { "Standard" } else { "Archive" }, "archivalState": state })
        })
        .collect();
    let next = keys.get(end).map_or(Value::Null, |next| json!(next));
    Reply::of(200, json!({ "objects": objects, "nextStartWith": next }).to_string())
}

async fn serving() -> (Server, Store, tempfile::TempDir) {
    let private = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let public = private.to_public_key().to_pkcs1_der().unwrap().as_bytes().to_vec();
    let server = Server::start(move |asked| answer(asked, &public)).await;
    let (folder, key) = file(&private.to_pkcs8_pem(LineEnding::LF).unwrap());
    let store = store(&format!(
        "kind = \"oci\"\nendpoint = \"http://{}\"\ntenancy = \"{TENANCY}\"\nuser = \"{USER}\"\nfingerprint = \"{FINGERPRINT}\"\n\
         private_key_file = \"{key}\"",
        server.address
    ));
    (server, store, folder)
}

#[tokio::test]
async fn r6_oci() {
    let (server, store, _folder) = serving().await;
    let odd = whole(store.list("odd", b"")).await.unwrap();
    r6_every_odd_key_is_listed_unchanged(&odd, &[]);
    assert_eq!((odd.order, odd.pages), (Order::Bytes, 3));
    // The namespace is asked for once.
    assert_eq!(server.asked().iter().filter(|asked| asked.path() == "/n/").count(), 1);
    r3_goes_on_where_it_was_broken_off(&store, "many", 3).await;
    let many = whole(store.list("many", b"")).await.unwrap();
    let archived: Vec<_> = many.objects.iter().filter(|object| object.archived).map(|o| &o.key).collect();
    assert_eq!(archived, [b"k01"]);

    let trouble = store.list("x", b"").page(None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing);
    assert!(
        trouble
            .to_string()
            .starts_with("store \"here\", bucket \"x\": 404 BucketNotFound: Either the bucket"),
        "{trouble}"
    );

    let request =
        http::Request::get(format!("http://{}/n/space/b/odd", server.address)).body(Bytes::new()).unwrap();
    let answer = store.send(Service::Own, request).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains("objectEventsEnabled"));
}

#[tokio::test]
async fn another_key_is_refused() {
    let (_server, store, folder) = serving().await;
    let other = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    std::fs::write(folder.path().join("secret"), other.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes())
        .unwrap();
    let trouble = store.list("odd", b"").page(None).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.status), (TroubleKind::Denied, Some(401)), "{trouble}");
    std::fs::write(folder.path().join("secret"), "no key").unwrap();
    let trouble = store.list("odd", b"").page(None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Credentials, "{trouble}");
    assert!(!trouble.to_string().contains("no key"), "{trouble}");
}
