//! Each rule of the contract, over a socket.

use std::time::{Duration, SystemTime};

use mdss_sim::{
    Accepted, Config, Date, KeyCheck, Rate, Sim, StatusCode, Statuses, Step, StorageList, StorageType, Unit,
    WEBHOOK_PATH, units,
};
use serde_json::json;

use crate::client::{Client, body, object, post, request};

async fn sim() -> Sim {
    Sim::start(Config::default()).await.unwrap()
}

async fn ask(sim: &Sim, request: impl AsRef<[u8]>) -> crate::client::Answer {
    Client::connect(sim.addr()).await.ask(request).await
}

#[tokio::test]
async fn an_object_is_accepted_and_remembered() {
    let sim = sim().await;
    assert_eq!(sim.url(), format!("http://{}/api/webhook/realtime", sim.addr()));
    assert_eq!(sim.url(), format!("{}{WEBHOOK_PATH}", sim.base_url()));
    let before = SystemTime::now();
    let mut client = Client::connect(sim.addr()).await;

    let first = client.ask(object(units::ORACLE, "a b/ü.txt")).await;
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/json")));
    let second = client.ask(object(units::ORACLE, "a b/ü.txt")).await.correlation_id();
    assert_eq!(second.len(), 24);
    assert!(second.bytes().all(|byte| byte.is_ascii_hexdigit()), "{second}");
    assert_ne!(first.correlation_id(), second);

    let sent = post(&body(units::AMAZON_S3, json!({ "s3": { "object": { "key": "k" } } })));
    let third = ask(&sim, &sent).await.correlation_id();
    let accepted = |id: &str, key: &str, times, last: &str| Accepted {
        storage_client_id: id.into(),
        key: key.into(),
        times,
        last_correlation_id: last.into(),
    };
    let mut want =
        [accepted(units::ORACLE, "a b/ü.txt", 2, &second), accepted(units::AMAZON_S3, "k", 1, &third)];
    want.sort_by(|a, b| a.storage_client_id.cmp(&b.storage_client_id));
    assert_eq!(sim.accepted(), want);

    let requests = sim.requests();
    assert_eq!(requests.len(), 3);
    let one = &requests[0];
    assert_eq!((one.method.as_str(), one.path.as_str()), ("POST", WEBHOOK_PATH));
    assert!(one.authorized && one.time >= before && one.time <= SystemTime::now());
    assert_eq!(one.storage_client_id.as_deref(), Some(units::ORACLE));
    assert_eq!((one.key.as_deref(), one.scan_id.as_deref()), (Some("a b/ü.txt"), None));
    assert_eq!(one.status, Some(StatusCode::OK));
    assert!(sent.ends_with(std::str::from_utf8(&requests[2].body).unwrap()) && !requests[2].body.is_empty());
    assert_eq!(requests.iter().map(|one| one.connection).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(one.remote_port, client.local_port());
    assert_eq!(sim.connections(), 2);

    sim.forget();
    assert_eq!((sim.requests().len(), sim.accepted().len()), (0, 0));
}

#[tokio::test]
async fn the_key_is_required_and_leaks_nowhere() {
    let config = Config { api_key: "s3cret-key".into(), ..Config::default() };
    assert!(!format!("{config:?}").contains("s3cret"));
    let sim = Sim::start(config).await.unwrap();
    let good = body(units::ORACLE, json!({ "Name": "k" }));
    let with = |headers: &str| request("POST", WEBHOOK_PATH, headers, &good);

    for headers in ["", "ApiKey: wrong\r\n", "ApiKey: s3cret-key\r\nApiKey: s3cret-key\r\n"] {
        let answer = ask(&sim, with(headers)).await;
        assert_eq!((answer.status, answer.json()), (401, json!({ "message": "Unauthorized" })), "{headers}");
    }
    assert_eq!(sim.accepted(), []);
    for headers in ["ApiKey: s3cret-key\r\n", "apikey: s3cret-key\r\n", "APIKEY: s3cret-key\r\n"] {
        ask(&sim, with(headers)).await.correlation_id();
    }
    let requests = sim.requests();
    let right: Vec<_> = requests.iter().map(|one| one.authorized).collect();
    assert_eq!(right, [false, false, false, true, true, true]);
    assert!(!format!("{requests:?}{sim:?}").contains("s3cret"));
    let shown = ask(&sim, request("GET", "/_sim/requests", "", "")).await.text();
    assert!(!shown.contains("s3cret") && shown.contains("\"authorized\":false"), "{shown}");
}

#[tokio::test]
async fn documented_errors_come_word_by_word() {
    let sim = sim().await;
    let mut client = Client::connect(sim.addr()).await;
    for (id, key, message) in [
        ("nobody", "REST_API_MSG_FAILED_STORAGE_NOT_FOUND", "The storage could not be found"),
        (
            units::NOT_ENABLED,
            "REST_API_MSG_FAILED_STORAGE_RTP_NOT_ENABLED",
            "Real-Time Process is not enabled.",
        ),
        (
            units::POLLING,
            "REST_API_MSG_FAILED_STORAGE_RTP_NOT_EVENT_BASED",
            "Real-Time Process is enabled, but it is not set to Event Based.",
        ),
        (units::PARTITIONED, "REST_API_MSG_FAILED_SCAN_NOT_FOUND", "The scan could not be found"),
    ] {
        let answer = client.ask(object(id, "k")).await;
        let want = json!({ "responseKey": key, "responseMessage": message });
        assert_eq!((answer.status, answer.json()), (400, want), "{id}");
    }
    let scan = json!({
        "storageClientId": units::PARTITIONED, "metadata": "{\"Name\":\"k\"}", "scanId": units::SCAN_ID,
    });
    client.ask(post(&scan.to_string())).await.correlation_id();
    assert_eq!(sim.requests()[4].scan_id.as_deref(), Some(units::SCAN_ID));
    assert_eq!(sim.accepted().len(), 1);
}

#[tokio::test]
async fn a_broken_body_is_refused_with_the_place() {
    let sim = sim().await;
    let mut client = Client::connect(sim.addr()).await;
    let wrong_shape = body(units::AMAZON_S3, json!({ "Name": "k" }));
    for (sent, sentence) in [
        ("{".to_owned(), "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        (
            wrong_shape,
            "metadata has no \"s3\", expected {\"s3\":{\"object\":{\"key\":…}}} for a unit of type amazon-s3",
        ),
    ] {
        let answer = client.ask(post(&sent)).await;
        assert_eq!((answer.status, answer.json()), (400, json!({ "message": sentence })), "{sent}");
    }
    let form = post("a=b").replace("application/json", "application/x-www-form-urlencoded");
    assert_eq!(client.ask(form).await.status, 400);
    // What was readable is on record all the same.
    assert_eq!(sim.requests()[1].key.as_deref(), Some("k"));
    assert_eq!(sim.accepted(), []);
}

#[tokio::test]
async fn statuses_and_prefix_are_settings() {
    let status = |number| StatusCode::from_u16(number).unwrap();
    let sim = Sim::start(Config {
        prefix: "/mdss".into(),
        units: vec![Unit::new("u", StorageType::Smb)],
        statuses: Statuses {
            accepted: status(202),
            refused: status(200),
            malformed: status(422),
            unauthorized: status(403),
        },
        ..Config::default()
    })
    .await
    .unwrap();
    assert_eq!(sim.url(), format!("http://{}/mdss/api/webhook/realtime", sim.addr()));
    let mut client = Client::connect(sim.addr()).await;
    let prefixed = |request: String| request.replacen("/api", "/mdss/api", 1);
    for (sent, want) in [
        (prefixed(object("u", "k")), 202),
        (prefixed(object(units::ORACLE, "k")), 200),
        (prefixed(post("[]")), 422),
        (prefixed(object("u", "k")).replace("test-key", "x"), 403),
        (object("u", "k"), 405), // without the prefix this is no path of the REST API
        (request("POST", "/mdss/api/x", "", ""), 404),
    ] {
        assert_eq!(client.ask(&sent).await.status, want, "{sent}");
    }
    assert_eq!(sim.accepted().len(), 1);
}

#[tokio::test]
async fn other_paths_and_methods_look_like_the_web_interface() {
    let sim = sim().await;
    sim.push([Step::Hang]);
    let mut client = Client::connect(sim.addr()).await;
    for (method, path, status, html) in [
        ("GET", "/", 200, true),
        ("GET", "/api/webhook/realtime", 200, true),
        ("GET", "/api/nothing", 200, true),
        ("POST", "/api/webhook", 404, false),
        ("POST", "/api/webhook/realtime/", 404, false),
        ("PUT", "/api/x", 404, false),
        ("POST", "/", 405, true),
        ("POST", "/webhook/realtime", 405, true),
        ("POST", "/apiary", 405, true),
        ("PUT", "/api/webhook/realtime", 405, true),
    ] {
        let answer = client.ask(request(method, path, "ApiKey: test-key\r\n", "{}")).await;
        assert_eq!((answer.status, answer.text().contains("<html")), (status, html), "{method} {path}");
        let content_type = if html { "text/html" } else { "application/json" };
        assert_eq!(answer.header("content-type"), Some(content_type), "{method} {path}");
    }
    // All recorded, and none of them took a webhook request's step.
    assert_eq!((sim.requests().len(), sim.steps_left()), (10, 1));
    assert_eq!(client.ask(request("GET", "/_sim/nothing", "", "")).await.status, 404);
    assert_eq!(sim.requests().len(), 10);

    // A query does not make it another path, and is not recorded: it is where keys are put by mistake.
    sim.push([Step::EmptyObject]);
    let mut other = Client::connect(sim.addr()).await;
    other.send(object(units::ORACLE, "k").replace("/realtime", "/realtime?apikey=x")).await;
    while sim.steps_left() == 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(sim.requests()[10].path, WEBHOOK_PATH);
}

#[tokio::test]
async fn the_list_of_units_is_for_those_who_may_have_it() {
    const KEY: &str = "ApiKey: test-key\r\n";
    const BEARER: &str = "Authorization: Bearer test-key\r\n";
    for (list, by_key, by_bearer, by_neither) in [
        (StorageList::KeyOrBearer, 200, 200, 401),
        (StorageList::Key, 200, 401, 401),
        (StorageList::Bearer, 401, 200, 401),
        (StorageList::Forbidden, 403, 403, 401),
        (StorageList::WebPage, 200, 200, 200),
    ] {
        let config = Config { storage_list: list, prefix: "/mdss".into(), ..Config::default() };
        let sim = Sim::start(config).await.unwrap();
        let mut client = Client::connect(sim.addr()).await;
        for (headers, status) in [(KEY, by_key), (BEARER, by_bearer), ("ApiKey: wrong\r\n", by_neither)] {
            let answer = client.ask(request("GET", "/mdss/api/storage/all", headers, "")).await;
            assert_eq!(answer.status, status, "{list:?} {headers}");
            let listed = answer.text().contains(&format!("\"{}\"", units::POLLING));
            assert_eq!(listed, status == 200 && list != StorageList::WebPage, "{list:?} {headers}");
        }
        assert_eq!(list.name().parse(), Ok(list));
    }
}

#[tokio::test]
async fn the_clock_is_a_setting() {
    let off_by = |answer: &crate::client::Answer| {
        let date = answer.header("date")?;
        let date = jiff::fmt::rfc2822::parse(date).unwrap();
        Some((date.timestamp().as_second() - jiff::Timestamp::now().as_second() + 150).div_euclid(300))
    };
    for (date, want) in
        [("now", Some(0)), ("none", None), ("-5m", Some(-1)), ("+5m", Some(1)), ("600s", Some(2))]
    {
        let config = Config { date: date.parse().unwrap(), ..Config::default() };
        let sim = Sim::start(config).await.unwrap();
        let mut client = Client::connect(sim.addr()).await;
        for asked in [request("GET", "/", "", ""), object(units::ORACLE, "k"), object("nobody", "k")] {
            assert_eq!(off_by(&client.ask(asked).await), want, "{date}");
        }
    }
    assert!("5".parse::<Date>().unwrap_err().starts_with("date \"5\", expected now, none, or"));
}

#[tokio::test]
async fn what_an_unknown_unit_hears_is_a_setting() {
    let wrong = object("nobody", "k").replace("test-key", "wrong");
    let not_found = json!("The storage could not be found");
    for (key_check, any_unit, right_key, wrong_key) in [
        (KeyCheck::First, false, 400, 401),
        (KeyCheck::AfterUnit, false, 400, 400),
        (KeyCheck::First, true, 200, 401),
        (KeyCheck::AfterUnit, true, 200, 401),
    ] {
        let sim = Sim::start(Config { key_check, any_unit, ..Config::default() }).await.unwrap();
        for (sent, status) in [(object("nobody", "k"), right_key), (wrong.clone(), wrong_key)] {
            let answer = ask(&sim, sent).await;
            assert_eq!(answer.status, status, "{key_check:?} {any_unit}");
            assert_eq!(answer.json()["responseMessage"] == not_found, status == 400);
        }
        assert_eq!(sim.accepted().len(), usize::from(any_unit));
        assert_eq!(key_check.name().parse(), Ok(key_check));
    }
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_turned_away_unread() {
    const LIMIT: usize = 1024 * 1024;
    let sim = sim().await;
    sim.push([Step::Accept]);
    let too_large = |answer: &crate::client::Answer| {
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
        assert!(answer.text().contains("<center><h1>413 Request Entity Too Large</h1></center>"));
    };

    // Announced: answered before any of it is sent.
    let mut client = Client::connect(sim.addr()).await;
    let head = format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nhost: mdss\r\ncontent-length: {}\r\n\r\n", LIMIT + 1);
    client.send(&head).await;
    too_large(&client.answer().await.unwrap());

    // A client that does not listen while it sends can send it all, and then read the answer.
    let mut client = Client::connect(sim.addr()).await;
    client
        .send(format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nhost: mdss\r\ncontent-length: {}\r\n\r\n", 20 * LIMIT))
        .await;
    client.send(vec![b'x'; 20 * LIMIT]).await;
    too_large(&client.answer().await.unwrap());

    // Not announced: counted.
    let mut client = Client::connect(sim.addr()).await;
    client
        .send(format!("POST {WEBHOOK_PATH} HTTP/1.1\r\nhost: mdss\r\ntransfer-encoding: chunked\r\n\r\n"))
        .await;
    for _ in 0..17 {
        client.send(format!("10000\r\n{}\r\n", "x".repeat(0x10000))).await;
    }
    too_large(&client.answer().await.unwrap());

    // One byte less is a body like any other.
    let full = body(units::ORACLE, json!({ "Name": "k".repeat(1000) }));
    let padded = format!("{full}{}", " ".repeat(LIMIT - full.len()));
    assert_eq!(sim.steps_left(), 1);
    ask(&sim, post(&padded)).await.correlation_id();

    let requests = sim.requests();
    assert_eq!(requests.iter().map(|one| one.body.len()).collect::<Vec<_>>(), [0, 0, 0, LIMIT]);
    assert_eq!(requests[0].status, Some(StatusCode::PAYLOAD_TOO_LARGE));
}

#[tokio::test]
async fn above_the_rate_nginx_answers() {
    let rate = Some(Rate { per_second: 0, burst: 2 });
    let sim = Sim::start(Config { rate, ..Config::default() }).await.unwrap();
    sim.push([Step::Accept, Step::Accept, Step::Accept, Step::Hang]);
    let mut client = Client::connect(sim.addr()).await;
    for _ in 0..3 {
        client.ask(object(units::ORACLE, "k")).await.correlation_id();
    }
    let answer = client.ask(object(units::ORACLE, "k")).await;
    assert_eq!((answer.status, answer.header("content-type")), (503, Some("text/html")));
    assert!(answer.text().contains("503 Service Temporarily Unavailable"));
    assert_eq!(sim.steps_left(), 1);
    assert_eq!(client.ask(request("GET", "/", "", "")).await.status, 200);
    assert_eq!(sim.accepted()[0].times, 3);
}

#[tokio::test]
async fn a_body_that_never_ends_is_no_request() {
    let sim = sim().await;
    let mut client = Client::connect(sim.addr()).await;
    let whole = object(units::ORACLE, "k");
    client.send(&whole[..whole.len() - 1]).await;
    drop(client);
    ask(&sim, object(units::ORACLE, "other")).await.correlation_id();
    assert_eq!(sim.requests().len(), 1);
}

#[tokio::test]
async fn settings_that_contradict_each_other_do_not_start() {
    let config = Config { listen: "0.0.0.0:0".parse().unwrap(), prefix: "mdss".into(), ..Config::default() };
    let error = Sim::start(config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let sentence = error.to_string();
    assert!(
        sentence.contains("0.0.0.0:0 is not loopback") && sentence.contains("prefix \"mdss\""),
        "{sentence}"
    );

    let remote = Config { allow_remote: true, prefix: String::new(), ..config };
    let sim = Sim::start(remote).await.unwrap();
    assert!(sim.addr().ip().is_unspecified());
}

#[tokio::test]
async fn stop_frees_the_port_and_closes_connections() {
    let sim = sim().await;
    sim.push([Step::Hang]);
    let addr = sim.addr();
    let mut client = Client::connect(addr).await;
    client.send(object(units::ORACLE, "k")).await;
    while sim.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sim.stop().await;
    assert_eq!(client.answer().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let again = Sim::start(Config { listen: addr, ..Config::default() }).await.unwrap();
    drop(again);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

/// A test may block its only thread, or stop its clock: the stand-in has its own.
#[tokio::test(start_paused = true)]
async fn it_does_not_depend_on_the_tests_runtime() {
    use std::io::{Read, Write};
    let sim = sim().await;
    sim.push([Step::Delay { ms: 20 }]);
    let mut blocking = std::net::TcpStream::connect(sim.addr()).unwrap();
    blocking.write_all(object(units::ORACLE, "k").as_bytes()).unwrap();
    let mut bytes = [0; 4096];
    let read = blocking.read(&mut bytes).unwrap();
    assert!(bytes[..read].starts_with(b"HTTP/1.1 200 OK"));
}
