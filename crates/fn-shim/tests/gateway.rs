//! Calls that an HTTP gateway made, and those that only look like it.
//!
//! A number in a name stays with its situation, so that it can be referred to.

mod container;

use std::io::Write;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use container::{Connection, Container, Reply, agent_call, sized};
use serde_json::{Value, json};

const GATEWAY: &str = "Fn-Intent: httprequest\r\nFn-Http-Method: PUT\r\n\
    Fn-Http-Request-Url: /foo-bar?baz\r\nFn-Http-H-Host: example.com\r\n";

/// A gateway's request whose body makes the handler respond with this.
fn replied(connection: &mut Connection, response: &Value) -> Reply {
    connection.ask(&agent_call(GATEWAY, &json!({"reply": response}).to_string()))
}

/// What the handler saw of a gateway's request.
fn seen(connection: &mut Connection, headers: &str, body: &str) -> Value {
    let reply = connection.ask(&agent_call(headers, body));
    assert_eq!((reply.status, reply.header("fn-http-status")), (200, Some("200")), "{reply:?}");
    reply.json()
}

/// fdk-python, `test_default_enforced_response_code`: there is no 404 on the socket, whoever wants one.
#[test]
fn a11_other_statuses_never_reach_the_socket() {
    let container = Container::start_http();
    let mut connection = container.connect();
    for status in [200, 201, 204, 302, 404, 418, 500, 502, 503, 599] {
        let reply = replied(&mut connection, &json!({"statusCode": status}));
        let text = status.to_string();
        assert_eq!((reply.status, reply.header("fn-http-status")), (200, Some(text.as_str())), "{status}");
        assert!(reply.header("fn-fdk-version").is_some(), "{status}");
    }
    // Without a gateway, `statusCode` is a member like any other: there is nobody to read it.
    let reply = connection.call(r#"{"statusCode":404}"#);
    assert_eq!((reply.status, reply.text()), (200, r#"{"statusCode":404}"#));
    assert_eq!(reply.header("fn-http-status"), None);
    // And a handler that fails is 502, for a gateway too; it passes that on.
    let reply = connection.ask(&agent_call(GATEWAY, r#"{"fail":"not found"}"#));
    assert_eq!((reply.status, reply.error_type()), (502, "Asked".to_owned()));
}

/// fdk-go, `TestHandler/httpgw`.
#[test]
fn a15_gateway_request_and_reply() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let event = seen(&mut connection, &format!("{GATEWAY}Fn-Http-H-Yo: dawg\r\n"), "hello");
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "$default");
    assert_eq!(event["rawPath"], "/foo-bar");
    assert_eq!(event["rawQueryString"], "baz");
    assert_eq!(
        event["headers"],
        json!({"content-type": "application/json", "host": "example.com", "yo": "dawg"})
    );
    assert_eq!(event["queryStringParameters"], json!({"baz": ""}));
    assert_eq!(event["requestContext"]["http"]["method"], "PUT");
    assert_eq!(event["requestContext"]["http"]["path"], "/foo-bar");
    assert_eq!(event["requestContext"]["domainName"], "example.com");
    assert_eq!(event["requestContext"]["requestId"], "01ABC");
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("hello"), &json!(false)));

    let response =
        json!({"statusCode": 201, "headers": {"Yo": "dawg", "Content-Type": "text/html"}, "body": "<p>"});
    let reply = replied(&mut connection, &response);
    assert_eq!((reply.status, reply.text()), (200, "<p>"));
    assert_eq!(reply.header("fn-http-status"), Some("201"));
    assert_eq!(reply.header("fn-http-h-yo"), Some("dawg"));
    assert_eq!(reply.headers("content-type"), ["text/html"]);
    assert_eq!((reply.header("yo"), reply.header("fn-http-h-content-type")), (None, None));
    assert!(reply.header("fn-fdk-version").is_some() && reply.header("fn-fdk-runtime").is_some());
}

/// The event is what a handler written for Amazon's gateway takes, and its response is understood.
#[test]
fn a15_types_made_for_amazons_gateway_fit() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let headers = format!("{GATEWAY}Fn-Http-H-Cookie: a=1; b=2\r\nFn-Http-H-User-Agent: curl/8\r\n");
    for body in ["hello", ""] {
        let event = seen(&mut connection, &headers, body);
        let request: ApiGatewayV2httpRequest = serde_json::from_value(event).unwrap();
        assert_eq!(request.raw_path.as_deref(), Some("/foo-bar"));
        assert_eq!(request.request_context.http.method, "PUT");
        assert_eq!(request.request_context.http.user_agent.as_deref(), Some("curl/8"));
        assert!(request.request_context.time_epoch > 0);
        assert_eq!(request.cookies, Some(vec!["a=1".to_owned(), "b=2".to_owned()]));
        assert_eq!(request.headers["host"], "example.com");
        assert_eq!(request.query_string_parameters.all("baz"), Some(vec![""]));
        assert_eq!(request.body.unwrap_or_default(), body);
    }

    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = 207;
    response.headers.insert("x-one", "1".parse().unwrap());
    response.multi_value_headers = response.headers.clone();
    response.multi_value_headers.append("x-one", "2".parse().unwrap());
    response.cookies = vec!["a=1".to_owned(), "b=2".to_owned()];
    response.body = Some(Body::Binary(vec![0, 159, 146, 150]));
    response.is_base64_encoded = true;
    let reply = replied(&mut connection, &serde_json::to_value(&response).unwrap());
    assert_eq!((reply.status, reply.header("fn-http-status")), (200, Some("207")));
    assert_eq!(reply.headers("fn-http-h-x-one"), ["1", "2"]);
    assert_eq!(reply.headers("fn-http-h-set-cookie"), ["a=1", "b=2"]);
    assert_eq!(reply.body, [0, 159, 146, 150]);
    assert_eq!(reply.headers("content-type"), ["application/octet-stream"]);
}

/// fdk-go, `TestHandler/httpgw-rm-nongw`.
#[test]
fn a16_headers_of_the_call_are_not_visible() {
    let container = Container::start_http();
    let headers = format!("{GATEWAY}Yo: dawg\r\nFn-Http-H-: nameless\r\nFn-Http-H-Seen: yes\r\n");
    let event = seen(&mut container.connect(), &headers, "{}");
    let want = json!({"content-type": "application/json", "host": "example.com", "seen": "yes"});
    assert_eq!(event["headers"], want);
}

/// fdk-python, `test_request_url_and_method_set_with_gateway`: only the intent makes a gateway's request.
#[test]
fn a17_without_the_intent_it_is_a_plain_call() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let other = "fn-http-method: PUT\r\nfn-http-request-url: /foo-bar?baz\r\nFn-Http-H-Yo: dawg\r\n";
    for intent in ["", "Fn-Intent: cloudevent\r\n", "Fn-Intent: \r\n", "Fn-Intent: HTTPREQUEST\r\n"] {
        let reply = connection.ask(&agent_call(&format!("{intent}{other}"), "{\"a\":1}"));
        assert_eq!((reply.status, reply.text()), (200, "{\"a\":1}"), "{intent:?}");
        assert_eq!(reply.header("fn-http-status"), None, "{intent:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{intent:?}");
    }
}

/// Nor does the intent, for a handler that did not ask to be told.
#[test]
fn a17_handler_of_plain_calls_gets_every_body_as_it_is() {
    let container = Container::start();
    let reply = container.connect().ask(&agent_call(GATEWAY, "{ \"a\" : 1 }"));
    assert_eq!((reply.status, reply.text()), (200, "{ \"a\" : 1 }"));
    assert_eq!(reply.header("fn-http-status"), None);
}

/// fdk-python, `test_encap_request_headers_gateway`.
#[test]
fn a18_repeated_headers_keep_their_order() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let headers = format!(
        "{GATEWAY}Fn-Http-H-Yo: c\r\nFn-Http-H-Other: 1\r\nFn-Http-H-Yo: a\r\nfn-http-h-yo: b\r\n\
         Fn-Http-H-Cookie: z=1; y=2\r\nFn-Http-H-Cookie: x=3\r\n"
    );
    let event = seen(&mut connection, &headers, "");
    assert_eq!(event["headers"]["yo"], "c,a,b");
    assert_eq!(event["cookies"], json!(["z=1", "y=2", "x=3"]));
    let response =
        json!({"statusCode": 200, "multiValueHeaders": {"Yo": ["c", "a", "b", "a"]}, "headers": {"yo": "a"}});
    let reply = replied(&mut connection, &response);
    assert_eq!(reply.headers("fn-http-h-yo"), ["c", "a", "b", "a"]);
}

/// fdk-java, `shouldStripHopToHopHeadersFromFunctionInput`, and fnproject/fn, `TestFnInvokeRunnerExecution`.
#[test]
fn a19_headers_between_two_hosts_are_not_emitted() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let dropped = [
        ("Connection", "close"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic"),
        ("Proxy-Connection", "close"),
        ("TE", "trailers"),
        ("Trailer", "Expires"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "websocket"),
        ("Content-Length", "1"),
    ];
    let mut headers: serde_json::Map<String, Value> =
        dropped.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    headers.insert("X-Kept".to_owned(), json!("yes"));
    let response = json!({"statusCode": 200, "headers": headers, "multiValueHeaders": headers.iter()
        .map(|(name, value)| (name.clone(), json!([value]))).collect::<serde_json::Map<_, _>>(), "body": "hello"});
    let reply = replied(&mut connection, &response);
    assert_eq!((reply.status, reply.text()), (200, "hello"));
    assert_eq!(reply.headers("fn-http-h-x-kept"), ["yes"]);
    for (name, _) in dropped {
        assert_eq!(reply.header(&format!("fn-http-h-{name}")), None, "{name}");
        if name != "Content-Length" {
            assert_eq!(reply.header(name), None, "{name}");
        }
    }
    assert_eq!(reply.headers("content-length"), ["5"]);
    assert_eq!(connection.call("1").status, 200, "on the same connection");
}

#[test]
fn bodies_that_are_no_text_come_as_base64() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let head = format!("POST /call HTTP/1.1\r\nHost: h\r\n{GATEWAY}Content-Length: 4\r\n\r\n");
    let reply = connection.ask(&[head.as_bytes(), b"\x00\x9f\x92\x96"].concat());
    let event = reply.json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("AJ+Slg=="), &json!(true)));
    let event = seen(&mut connection, GATEWAY, "");
    assert_eq!((event.get("body"), &event["isBase64Encoded"]), (None, &json!(false)));
}

/// `Fn-Intent` may be set by whoever invokes a function, and then nothing goes with it.
#[test]
fn an_intent_alone_makes_no_request() {
    let container = Container::start_http();
    let mut connection = container.connect();
    for headers in ["Fn-Intent: httprequest\r\n", "Fn-Intent: httprequest\r\nFn-Http-Method: PUT\r\n"] {
        let reply = connection.ask(&agent_call(headers, "{\"a\":1}"));
        assert_eq!((reply.status, reply.text()), (200, "{\"a\":1}"), "{headers:?}");
        assert_eq!(reply.header("fn-http-status"), None, "{headers:?}");
    }
    let event = seen(&mut connection, "Fn-Intent: httprequest\r\nFn-Http-Request-Url: /\r\n", "{}");
    assert_eq!(
        (&event["rawPath"], &event["requestContext"]["http"]["method"]),
        (&json!("/"), &json!("POST"))
    );
}

#[test]
fn replies_that_are_none_are_502() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let many: serde_json::Map<String, Value> =
        (0..2000).map(|number| (format!("x-{number}"), json!("x".repeat(50)))).collect();
    let table = [
        json!(null),
        json!("text"),
        json!([]),
        json!({}),
        json!({"body": "no status"}),
        json!({"statusCode": "200"}),
        json!({"statusCode": 200.5}),
        json!({"statusCode": -1}),
        json!({"statusCode": 0}),
        json!({"statusCode": 101}),
        json!({"statusCode": 600}),
        json!({"statusCode": 99999}),
        json!({"statusCode": 200, "headers": ["a"]}),
        json!({"statusCode": 200, "headers": {"a": 1}}),
        json!({"statusCode": 200, "headers": {"a b": "c"}}),
        json!({"statusCode": 200, "headers": {"": "c"}}),
        json!({"statusCode": 200, "headers": {"a": "b\r\nFn-Http-Status: 404"}}),
        json!({"statusCode": 200, "headers": {"a": "\u{0}"}}),
        json!({"statusCode": 200, "headers": {"content-type": "a\nb"}}),
        json!({"statusCode": 200, "headers": {"connection": "a\nb"}}),
        json!({"statusCode": 200, "headers": many}),
        json!({"statusCode": 200, "multiValueHeaders": {"a": "b"}}),
        json!({"statusCode": 200, "cookies": "a=b"}),
        json!({"statusCode": 200, "cookies": ["a\r\nb"]}),
        json!({"statusCode": 200, "body": {"a": 1}}),
        json!({"statusCode": 200, "body": "secret!", "isBase64Encoded": true}),
        json!({"statusCode": 200, "isBase64Encoded": "no"}),
    ];
    for response in table {
        let reply = replied(&mut connection, &response);
        assert_eq!((reply.status, reply.error_type()), (502, "response_not_http".to_owned()), "{response}");
        assert_eq!(reply.header("fn-http-status"), None, "{response}");
        assert!(!reply.text().contains("secret"), "{}", reply.text());
    }
    for response in [
        json!({"statusCode": 200, "headers": null, "multiValueHeaders": null, "cookies": null, "body": null}),
        json!({"statusCode": 200, "isBase64Encoded": null, "somethingElse": [1]}),
    ] {
        let reply = replied(&mut connection, &response);
        assert_eq!((reply.status, reply.text()), (200, ""), "{response}");
        assert_eq!(reply.header("content-type"), None, "nothing has no type");
    }
}

/// Whatever a body begins with: hyper's own client errors are told from it.
#[test]
fn a_body_that_looks_like_an_answer_is_left_alone() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let wide: serde_json::Map<String, Value> =
        (0..500).map(|number| (format!("x-{number}"), json!("x".repeat(100)))).collect();
    for headers in [json!({}), Value::Object(wide)] {
        for size in [0, 100_000, 4_000_000] {
            let body = format!("HTTP/1.1 400 Bad Request\r\n\r\n{}", "x".repeat(size));
            let response = json!({"statusCode": 200, "headers": headers, "body": body});
            let reply = replied(&mut connection, &response);
            assert!(reply.status == 200 && reply.text() == body, "{size}: {}", reply.status);
            assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        }
    }
    // Two at once, which the agent never sends: the second answer waits for the first to be taken.
    let body = format!("HTTP/1.1 400 Bad Request\r\n\r\n{}", "x".repeat(3_000_000));
    let request = agent_call(GATEWAY, &json!({"reply": {"statusCode": 200, "body": body}}).to_string());
    let mut sending = connection.stream.try_clone().unwrap();
    let both = std::thread::spawn(move || sending.write_all(&[request.clone(), request].concat()).unwrap());
    for _ in 0..2 {
        let reply = connection.receive();
        assert!(reply.status == 200 && reply.text() == body, "{}", reply.status);
    }
    both.join().unwrap();
    assert_eq!(connection.ask(b"nonsense\r\n\r\n").status, 502);
}

/// The rest of the contract holds for a gateway's requests as for any other.
#[test]
fn gateway_requests_keep_to_the_container_contract() {
    let container = Container::start_http();
    let mut connection = container.connect();
    let too_large = "x".repeat(6 * 1024 * 1024 + 1);
    let reply = connection.ask(&sized("POST", "/call", GATEWAY, &too_large));
    assert_eq!((reply.status, reply.error_type()), (502, "body_too_large".to_owned()));
    let reply = connection.ask(&sized("GET", "/call", GATEWAY, ""));
    assert_eq!((reply.status, reply.error_type()), (502, "unknown_route".to_owned()));
    let event = seen(&mut connection, GATEWAY, &too_large[1..]);
    assert_eq!(event["body"].as_str().map(str::len), Some(6 * 1024 * 1024));
}
