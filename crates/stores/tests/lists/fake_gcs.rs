//! Google Cloud Storage, as fake-gcs-server plays it (`.ci/fake-gcs`).

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mdss_relay_stores::{Order, TroubleKind};

use crate::common::{
    file, r3_goes_on_where_it_was_broken_off, r6_every_odd_key_is_listed_unchanged, store, whole,
};
use crate::emulator::{ODD_KEYS, encoded, installed, send_raw};

struct FakeGcs {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl FakeGcs {
    /// With a bucket `many` of 1,010 objects. It does not say which port it has found, so it is given one.
    fn start(program: &std::path::Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("many")).unwrap();
        for number in 0..1010 {
            std::fs::write(data.path().join(format!("many/{number:05}")), "").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let child = Command::new(program)
            .args([
                "-backend",
                "memory",
                "-scheme",
                "http",
                "-host",
                "127.0.0.1",
                "-log-level",
                "error",
                "-port",
                &port,
            ])
            .arg("-data")
            .arg(data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut this = Self { child, address, _data: data };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&this.address).is_err() {
            assert!(this.child.try_wait().unwrap().is_none() && Instant::now() < end, "fake-gcs-server");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for FakeGcs {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn r6_fake_gcs() {
    let program = installed("fake-gcs").join("fake-gcs-server");
    if !drive::available("fake-gcs", program.is_file()).unwrap() {
        return;
    }
    let server = FakeGcs::start(&program);
    let post = |path: &str, kind: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}", server.address);
        let answer = send_raw(&server.address, &head, body.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    };
    post("/storage/v1/b?project=p", "application/json", "{\"name\":\"odd\"}");
    for key in ODD_KEYS {
        let path = format!("/upload/storage/v1/b/odd/o?uploadType=media&name={}", encoded(key, false));
        post(&path, "application/octet-stream", key);
    }
    let (_folder, token) = file("token");
    let store = store(&format!(
        "kind = \"gcs\"\nendpoint = \"http://{}\"\naccess_token_file = \"{token}\"",
        server.address
    ));
    let odd = whole(store.list("odd", b"")).await.unwrap();
    r6_every_odd_key_is_listed_unchanged(&odd, &[]);
    assert_eq!(odd.order, Order::Bytes);
    assert!(odd.objects.iter().all(|object| object.version.is_some() && object.etag.is_some()));
    assert_eq!(whole(store.list("odd", b"a//")).await.unwrap().keys(), ["a//b"]);
    r3_goes_on_where_it_was_broken_off(&store, "many", 2).await;
    let trouble = store.list("nothing", b"").page(None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing, "{trouble}");
}
