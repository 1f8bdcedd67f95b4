//! F12: between two calls on one connection lies more time than any platform leaves between them, and nobody closes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod function;

use std::time::Duration;

use function::running;
use port_shim::{ALIBABA_FC, HUAWEI_FUNCTIONGRAPH, TENCENT_SCF, VOLCENGINE_FAAS, YANDEX_CONTAINERS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Time is told to pass: a timer of the server's would be due before the one that is waited for here.
#[tokio::test(start_paused = true)]
async fn f12_an_idle_connection_is_kept_for_as_long_as_its_client_wants() {
    for (profile, head) in [
        (&ALIBABA_FC, "POST /invoke HTTP/1.1\r\n"),
        (&TENCENT_SCF, "POST /event-invoke HTTP/1.1\r\n"),
        (&HUAWEI_FUNCTIONGRAPH, "POST /invoke HTTP/1.1\r\n"),
        (&VOLCENGINE_FAAS, "POST / HTTP/1.1\r\nX-Faas-Event-Type: cloudevent\r\n"),
        (&YANDEX_CONTAINERS, "POST / HTTP/1.1\r\n"),
    ] {
        let (address, _stop) = running(profile, &[]).await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        for idle in [0, 10, 16, 24 * 60] {
            tokio::time::sleep(Duration::from_secs(idle * 60)).await;
            let request = format!("{head}Host: a\r\nContent-Length: 2\r\n\r\n{{}}");
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let read = connection.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "after {idle} minutes: {answer:?}");
        }
    }
}
