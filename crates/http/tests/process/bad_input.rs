//! Bodies that are odd, too long or not understood.

use std::io::Write;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn bad_input_gets_its_status_and_costs_nothing_that_was_good() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(simple(&sim)).await;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    let large = format!(r#"{{"x":"{}"}}"#, "a".repeat((6 << 20) - 8));
    assert_eq!(large.len(), 6 << 20);
    for (body, status) in [
        (b"".to_vec(), 400),
        (b"not json".to_vec(), 400),
        (b"{\"Records\":[".to_vec(), 400),
        (b"{\"Records\":\"\xff\"}".to_vec(), 400),
        (deep.into_bytes(), 400),
        (large.clone().into_bytes(), 400),
        ((large + " ").into_bytes(), 413),
        (b"{\"Records\":[]}".to_vec(), 200),
        (created(&["a%00b%0D%0Ac"]).into_bytes(), 200),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(event(&server, body).await.status, status, "{shown}");
        assert_eq!(event(&server, created(&["good"])).await.status, 200, "after {shown}");
    }
    assert_eq!(sim.accepted_keys(), ["a\0b\r\nc", "good"]);
    let line = server.process.wait_for_line("body_too_large", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["size_bytes"], &line["mdss.source"]), (&json!((6 << 20) + 1), &json!("events")));
    let log = server.process.stderr();
    assert!(log.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()), "one JSON object a line: {log}");
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_counted_too() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(simple(&sim).env("RELAY_BODY_LIMIT", "1KiB")).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
    for _ in 0..3 {
        // The server may have answered and closed before the last one.
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn what_boxes_on_the_way_do_to_a_body_costs_no_event() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim)).await;
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| post(&server, "/open", headers, body).await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let coded = [("content-encoding", "gzip")];
    assert_eq!(post(&coded, gzip(created(&["packed"]).as_bytes())).await.status, 200);
    assert_eq!(post(&[], gzip(created(&["packed-unsaid"]).as_bytes())).await.status, 200);
    assert_eq!(post(&coded, created(&["said-and-not-packed"]).into()).await.status, 200);
    assert_eq!(post(&[], [b"\xef\xbb\xbf", created(&["marked"]).as_bytes()].concat()).await.status, 200);
    // A header that an uploader has sent, as Ceph passes it on.
    let latin = created(&["latin"])
        .replace("\"key\":\"latin\"", "\"key\":\"latin\",\"userMetadata\":{\"x-amz-meta-a\":\"M@ller\"}");
    let latin: Vec<u8> = latin.bytes().map(|b| if b == b'@' { 0xfc } else { b }).collect();
    assert_eq!(post(&[], latin).await.status, 200);
    assert_eq!(sim.accepted_keys(), ["latin", "marked", "packed", "packed-unsaid", "said-and-not-packed"]);

    let brotli = post(&[("content-encoding", "br")], b"\x0b\x02\x80{}\x03".to_vec()).await;
    assert_eq!(
        (brotli.status, json_of(&brotli)["records"][0]["reason"].as_str()),
        (415, Some("unsupported_encoding"))
    );
    let broken = gzip(created(&["k"]).as_bytes());
    assert_eq!(post(&coded, broken[..broken.len() - 9].to_vec()).await.status, 400);
    // What is small on the way and large here is measured here.
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 100_000);
    assert_eq!(post(&coded, bomb).await.status, 413);
}

#[tokio::test]
async fn what_is_not_understood_is_not_done() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let aws = |name: &str, key: &str, size: u64| {
        json!({ "Records": [{ "eventSource": "aws:s3", "eventName": name,
                "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": size } } }] })
        .to_string()
    };
    let mut server = start(sources(&sim)).await;
    let answer = post(&server, "/open", &[], aws("ObjectDreamt:Put", "k", 1)).await;
    assert_eq!(
        (answer.status, json_of(&answer)["records"][0]["reason"].as_str()),
        (400, Some("unknown_event"))
    );
    let line = server.process.wait_for_line("event cannot be used", LIMIT).await.unwrap();
    assert!(line.contains("ObjectDreamt:Put") && line.contains("RELAY_UNKNOWN_EVENTS=send"), "{line}");
    assert_eq!(
        post(&server, "/open", &[], aws("ObjectCreated:Put", "malware.exe/", 5_000_000)).await.status,
        200
    );
    let marker = post(&server, "/open", &[], aws("ObjectCreated:Put", "folder/", 0)).await;
    assert_eq!(json_of(&marker)["records"][0]["reason"], "folder_marker");

    let server = start(sources(&sim).env("RELAY_UNKNOWN_EVENTS", "send")).await;
    assert_eq!(post(&server, "/open", &[], aws("ObjectDreamt:Put", "dreamt", 1)).await.status, 200);
    assert_eq!(sim.accepted_keys(), ["dreamt", "malware.exe/"]);
}
