//! HTTP requests that a function URL, API Gateway, a load balancer or the Azure Functions host hands to the function, beside the same
//! requests to the server: the same door, and the same answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drive::{HttpPoster, Invocation, Outcome, Process, Program, RuntimeApi};
use mdss_relay_http::{Configuration, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(20);
const BEARER: &str = "Bearer not-a-secret-of-minio";

/// Sources of each kind; `more` is written behind them.
fn settings(more: &str) -> String {
    let unit = units::S3_COMPATIBLE;
    let sources = [
        ("minio", r#"dialect = "minio", auth = { bearer = { token = "not-a-secret-of-minio" } }"#),
        ("basic", r#"auth = { basic = { user = "u", password = "not-a-secret-of-basic" } }"#),
        ("jd", r#"dialect = "jdcloud", auth = { path_secret = { secret = "not-a-secret-of-jd" } }"#),
        ("near", r#"auth = { source_addresses = ["192.0.2.0/24"] }"#),
        (
            "grid",
            r#"dialect = "azure-blob", auth = { shared_secret = { query = "code", secret = "not-a-secret+of%query" } }"#,
        ),
        ("query", r#"auth = { shared_secret = { query = "code", secret = "not-a-secret+of%query" } }"#),
    ];
    let mut text = String::from("[http]\nbody_limit = \"16KiB\"\n");
    for (name, _) in sources {
        text.push_str(&format!(
            "[[route]]\nsource = \"{name}\"\nbucket = \"*\"\nstorage_client_id = \"{unit}\"\n"
        ));
    }
    for (name, rest) in sources {
        let rest = rest.replace("\", auth", "\"\nauth");
        text.push_str(&format!("[[source]]\nname = \"{name}\"\npath = \"/{name}\"\n{rest}\n"));
    }
    text + more
}

struct Function {
    process: Process,
    api: RuntimeApi,
}

impl Function {
    async fn start(sim: &Sim, settings: &str) -> Self {
        let api = RuntimeApi::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda"))
            .envs(api.env())
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("RELAY_ATTEMPTS", "2");
        program = match settings {
            "" => program.env("STORAGECLIENTID", units::S3_COMPATIBLE),
            settings => program.env("RELAY_CONFIG_TOML", settings),
        };
        let process = program.start().unwrap();
        api.wait_for_poll(LIMIT).await.unwrap();
        Self { process, api }
    }

    async fn invoke(&self, event: &Value) -> Result<Value, (String, String)> {
        match self.api.invoke(event.to_string(), LIMIT).await.unwrap() {
            Outcome::Response(body) => Ok(serde_json::from_slice(&body).unwrap()),
            Outcome::Error { error_type, error_message, .. } => Err((error_type, error_message)),
        }
    }
}

/// A server with the same settings, in this process.
async fn server(sim: &Sim, settings: &str) -> String {
    let variables = [
        ("RELAY_CONFIG_TOML", settings),
        ("APIENDPOINT", &sim.url()),
        ("APIKEY", DEFAULT_API_KEY),
        ("RELAY_ATTEMPTS", "2"),
        ("RELAY_LISTEN", "127.0.0.1:0"),
    ];
    let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let configuration = Configuration::read(variables).outcome.unwrap();
    let listener = TcpListener::bind(configuration.listen()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(Server::new(configuration));
    tokio::spawn(async move { server.serve(listener, std::future::pending::<&str>()).await });
    format!("http://{address}")
}

/// A request, whoever takes it.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    path: &'static str,
    query: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

/// What is heard of it: the status, the headers that say something, and the body without what is another's each time.
#[derive(Debug, PartialEq)]
struct Heard {
    status: u64,
    headers: Vec<(String, String)>,
    body: String,
}

const SAYING: [&str; 6] = [
    "content-type",
    "retry-after",
    "allow",
    "www-authenticate",
    "webhook-allowed-origin",
    "webhook-allowed-rate",
];

fn heard(status: u64, headers: impl Iterator<Item = (String, String)>, body: &str) -> Heard {
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| SAYING.contains(&name.as_str()))
        .collect();
    headers.sort();
    let body = match serde_json::from_str::<Value>(body) {
        Ok(mut report) => {
            for record in report["records"].as_array_mut().into_iter().flatten() {
                record["ms"] = json!(0);
                record["correlation_id"] = json!(record["correlation_id"].is_string());
            }
            report.to_string()
        }
        Err(_) => body.to_owned(),
    };
    Heard { status, headers, body }
}

impl Sent {
    fn post(path: &'static str, headers: &[(&'static str, &'static str)], body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST", path, query: "", headers: headers.to_vec(), body: body.into() }
    }

    async fn to_server(&self, url: &str) -> Heard {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let url = format!("{url}{}{query}", self.path);
        let answer = HttpPoster::new(LIMIT).send(self.method, &url, &self.headers, self.body.clone()).await;
        let answer = answer.unwrap();
        let text = answer.text();
        heard(answer.status.into(), answer.headers.into_iter(), &text)
    }

    /// The body as text, if it is one, else base64.
    fn carried_body(&self) -> (Value, bool) {
        match std::str::from_utf8(&self.body) {
            Ok("") => (Value::Null, false),
            Ok(text) => (json!(text), false),
            Err(_) => (json!(STANDARD.encode(&self.body)), true),
        }
    }

    fn single(&self) -> Map<String, Value> {
        self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    fn several(&self) -> Map<String, Value> {
        self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect()
    }

    /// Names and values of the query, decoded as API Gateway does it, or not.
    fn parameters(&self, decode: fn(&str) -> String) -> Map<String, Value> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (decode(name), json!([decode(value)]))).collect()
    }

    fn function_url(&self) -> Value {
        let (_, base64) = self.carried_body();
        // Amazon encodes what it takes for binary; here every body is.
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": self.path, "rawQueryString": self.query,
            "headers": self.single(), "isBase64Encoded": true, "body": STANDARD.encode(&self.body),
            "requestContext": { "http": { "method": self.method, "path": self.path, "sourceIp": "192.0.2.7" },
                                "stage": "$default", "requestId": if base64 { "b" } else { "t" } },
        })
    }

    fn rest_api(&self) -> Value {
        let (body, encoded) = self.carried_body();
        let decode = |text: &str| percent(text);
        json!({
            "resource": "/{proxy+}", "path": self.path, "httpMethod": self.method, "headers": null,
            "multiValueHeaders": self.several(), "multiValueQueryStringParameters": self.parameters(decode),
            "requestContext": { "stage": "prod", "identity": { "sourceIp": "192.0.2.7" } },
            "body": body, "isBase64Encoded": encoded,
        })
    }

    fn load_balancer(&self, several: bool) -> Value {
        let (body, encoded) = self.carried_body();
        let mut event = json!({
            "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/r/1" } },
            "httpMethod": self.method, "path": self.path, "isBase64Encoded": encoded,
            "body": if body.is_null() { json!("") } else { body },
        });
        let parameters = self.parameters(str::to_owned);
        if several {
            event["multiValueHeaders"] = json!(self.several());
            event["multiValueQueryStringParameters"] = json!(parameters);
        } else {
            event["headers"] = json!(self.single());
            let single: Map<_, _> =
                parameters.into_iter().map(|(name, value)| (name, value[0].clone())).collect();
            event["queryStringParameters"] = json!(single);
        }
        event
    }

    fn functions_host(&self) -> Value {
        let (body, encoded) = self.carried_body();
        let mut headers = self.several();
        if encoded {
            headers.insert("Content-Type".to_owned(), json!(["application/octet-stream"]));
        }
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let url = format!("https://relay.azurewebsites.net{}{query}", self.path);
        let mut request = json!({ "Url": url, "Method": self.method, "Query": {}, "Headers": headers });
        if !body.is_null() {
            request["Body"] = body;
        }
        json!({ "Data": { "req": request }, "Metadata": { "sys": { "MethodName": "relay" } } })
    }
}

/// Percent-decoded.
fn percent(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (*first, more) {
            let digits = [*high, *low];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = more;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// What a gateway's caller hears of a function's response.
fn of_gateway(response: &Value) -> Heard {
    assert_eq!(response["isBase64Encoded"], json!(false), "{response}");
    let headers = response["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    heard(response["statusCode"].as_u64().unwrap(), headers, response["body"].as_str().unwrap())
}

fn of_load_balancer(response: &Value) -> Heard {
    let status = response["statusCode"].to_string();
    assert!(response["statusDescription"].as_str().unwrap().starts_with(&format!("{status} ")), "{response}");
    let Some(lists) = response["multiValueHeaders"].as_object() else { return of_gateway(response) };
    assert_eq!(response.get("headers"), None, "{response}");
    let headers = lists.iter().map(|(name, value)| (name.clone(), value[0].as_str().unwrap().to_owned()));
    heard(response["statusCode"].as_u64().unwrap(), headers, response["body"].as_str().unwrap())
}

fn of_functions_host(response: &Value) -> Heard {
    assert_eq!((&response["Logs"], &response["ReturnValue"]), (&json!([]), &Value::Null));
    let response = &response["Outputs"]["res"];
    let headers = response["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let status = response["statusCode"].as_str().unwrap().parse().unwrap();
    heard(status, headers, response["body"].as_str().unwrap())
}

fn event(key: &str) -> String {
    mdss_sim::created("minio:s3", "b", &[key])
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_function_answers_requests_as_the_server_does() {
    let sim = Sim::start(Config::default()).await.unwrap();
    for key in ["later", "config"] {
        let step = if key == "later" { Step::Unavailable } else { Step::WebPage };
        sim.push_for(key, vec![step; 999]);
    }
    let settings = settings("");
    let url = server(&sim, &settings).await;
    let function = Function::start(&sim, &settings).await;
    let minio = [("authorization", BEARER), ("content-type", "application/json")];
    let with = |header: (&'static str, &'static str)| [minio[0], header];
    let jd = "/jd/not-a-secret-of-jd";
    let handshake = ("x-jdcloud-message-type", "SubscriptionConfirmation");
    let other = |method| Sent { method, ..Sent::post("/minio", &minio, "") };
    let query = Sent { query: "a=b&code=not-a-secret%2Bof%25query", ..Sent::post("/query", &[], event("q")) };
    let origin = [("WebHook-Request-Origin", "eventgrid.azure.net"), ("WebHook-Request-Rate", "120")];
    let validation = r#"[{"id":"1","topic":"/t","subject":"","data":{"validationCode":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6","validationUrl":"https://x.invalid"},
        "eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","eventTime":"2026-01-25T22:12:19Z","metadataVersion":"1","dataVersion":"1"}]"#;
    for (status, sent) in [
        (200, Sent::post("/minio", &minio, event("good"))),
        (200, Sent::post("/minio", &minio, event("r%C3%A9sum%C3%A9+1.pdf"))),
        (200, Sent::post("/minio", &with(("content-encoding", "gzip")), gzip(&event("packed")))),
        (200, Sent::post("/minio", &minio, "")),
        (200, Sent::post(jd, &[handshake], "test message, \u{e9}")),
        (
            200,
            Sent::post(
                "/basic",
                &[("authorization", "Basic dTpub3QtYS1zZWNyZXQtb2YtYmFzaWM=")],
                event("basic"),
            ),
        ),
        (200, query.clone()),
        // The handshakes of Event Grid.
        (
            200,
            Sent {
                method: "OPTIONS",
                path: "/grid",
                headers: origin.to_vec(),
                body: Vec::new(),
                ..query.clone()
            },
        ),
        (
            200,
            Sent {
                path: "/grid",
                headers: vec![("aeg-event-type", "SubscriptionValidation")],
                body: validation.into(),
                ..query.clone()
            },
        ),
        (405, Sent { method: "OPTIONS", path: "/grid", body: Vec::new(), ..query.clone() }),
        (200, Sent { method: "HEAD", ..Sent::post("/minio", &[], "") }),
        // MinIO repeats without end, and others do not.
        (200, Sent::post("/minio", &minio, "{\"no\":\"event\"}")),
        (400, Sent::post(jd, &[], "{\"no\":\"event\"}")),
        (500, Sent::post("/minio", &minio, event("config"))),
        (503, Sent::post("/minio", &minio, event("later"))),
        (401, Sent::post("/minio", &[("authorization", "Bearer another-secret")], event("stranger"))),
        (401, Sent::post("/minio", &[], event("stranger"))),
        (403, Sent::post("/jd/not-the-secret-of-jd", &[], event("stranger"))),
        (403, Sent { query: "code=another", ..query }),
        // The server is asked from loopback, and the function's platform names another address, or none.
        (404, Sent::post("/elsewhere", &minio, event("stranger"))),
        (405, other("GET")),
        (405, other("PUT")),
        (405, other("OPTIONS")),
        (413, Sent::post("/minio", &minio, "x".repeat(16 * 1024 + 1))),
        (413, Sent::post("/minio", &minio, gzip(&" ".repeat(16 * 1024 + 1)))),
        (415, Sent::post("/minio", &with(("content-encoding", "br")), "\u{1}")),
    ] {
        let want = sent.to_server(&url).await;
        let said = format!("{} {} {:?}", sent.method, sent.path, sent.headers);
        assert_eq!(want.status, status, "{said}: {want:?}");
        type Heard1 = fn(&Value) -> Heard;
        for (platform, event, heard) in [
            ("function URL", sent.function_url(), of_gateway as Heard1),
            ("REST API", sent.rest_api(), of_gateway),
            ("load balancer", sent.load_balancer(false), of_load_balancer),
            ("load balancer, several values", sent.load_balancer(true), of_load_balancer),
            ("Functions host", sent.functions_host(), of_functions_host),
        ] {
            let response = function.invoke(&event).await.unwrap();
            assert_eq!(heard(&response), want, "{platform}: {said}");
        }
    }
    let accepted: Vec<_> = sim.accepted().into_iter().map(|object| object.key).collect();
    assert!(!accepted.iter().any(|key| key == "stranger"), "{accepted:?}");
    // By the server, and for each of the five platforms: the events have no mark by which a repetition would be known.
    for key in ["good", "r\u{e9}sum\u{e9} 1.pdf", "packed", "basic", "q"] {
        let object = sim.accepted().into_iter().find(|object| object.key == key);
        assert_eq!(object.map(|object| object.times), Some(6), "{key}");
    }
}

#[tokio::test]
async fn the_platforms_own_word_counts_for_where_a_request_comes_from() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = Function::start(&sim, &settings("")).await;
    let forwarded = [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.7")];
    let sent = Sent::post("/near", &forwarded, event("near"));
    for (status, event) in [
        (200, sent.function_url()),
        (200, sent.rest_api()),
        (403, sent.load_balancer(false)),
        (403, sent.functions_host()),
    ] {
        let response = function.invoke(&event).await.unwrap();
        let response = response.get("Outputs").map_or(&response, |outputs| &outputs["res"]);
        let got = response["statusCode"].as_u64().or_else(|| response["statusCode"].as_str()?.parse().ok());
        assert_eq!(got, Some(status), "{event}");
    }
    let mut stranger = sent.function_url();
    stranger["requestContext"]["http"]["sourceIp"] = json!("198.51.100.1");
    assert_eq!(function.invoke(&stranger).await.unwrap()["statusCode"], json!(403));
}

#[tokio::test]
async fn without_sources_a_request_is_refused_and_says_what_to_set() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut function = Function::start(&sim, "").await;
    let sent = Sent::post("/minio", &[("authorization", BEARER)], event("a"));
    for event in [
        sent.function_url(),
        sent.rest_api(),
        sent.load_balancer(false),
        sent.load_balancer(true),
        sent.functions_host(),
    ] {
        let (error_type, message) = function.invoke(&event).await.unwrap_err();
        assert_eq!(error_type, "no_source", "{event}: {message}");
        assert!(
            message.contains("this is an HTTP request") && message.contains("expected a [[source]]"),
            "{message}"
        );
    }
    function.process.wait_for_line("no_source", LIMIT).await.unwrap();
    assert_eq!(sim.requests().len(), 0);
}

#[tokio::test]
async fn a_request_that_its_platform_has_spoiled_is_no_success() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut function = Function::start(&sim, &settings("")).await;
    let sent = Sent::post("/minio", &[("authorization", BEARER)], event("a"));
    let mut bad_base64 = sent.function_url();
    bad_base64["body"] = json!("e30=!");
    let mut no_text = sent.rest_api();
    no_text["body"] = json!({ "Records": [] });
    let mut bad_headers = sent.load_balancer(true);
    bad_headers["multiValueHeaders"] = json!({ "authorization": [1] });
    let mut no_method = sent.function_url();
    no_method["requestContext"]["http"] = json!({});
    // An empty body would be a probe of MinIO's, and a success.
    let mut chunked =
        Sent::post("/minio", &[("authorization", BEARER), ("transfer-encoding", "chunked")], "");
    chunked.method = "POST";
    for (event, error_type, words) in [
        (bad_base64, "unreadable", "body: expected base64"),
        (no_text, "unreadable", "body: expected a text"),
        (bad_headers, "unreadable", "multiValueHeaders: expected"),
        (no_method, "unreadable", "method: expected a text"),
        (chunked.functions_host(), "body_incomplete", "that was sent in chunks"),
    ] {
        let (got, message) = function.invoke(&event).await.unwrap_err();
        assert_eq!(got, error_type, "{event}: {message}");
        assert!(message.contains(words) && !message.contains("not-a-secret"), "{message}");
        function.process.wait_for_line(words, LIMIT).await.unwrap();
    }
    assert_eq!(sim.requests().len(), 0);
}

#[tokio::test]
async fn pages_are_there_for_who_asks_whether_the_function_lives() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = Function::start(&sim, &settings("")).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 404)] {
        let sent = Sent { method: "GET", ..Sent::post(path, &[], "") };
        let response = function.invoke(&sent.load_balancer(false)).await.unwrap();
        assert_eq!(response["statusCode"], json!(status), "{path}: {response}");
    }
}

#[tokio::test]
async fn a_signature_holds_where_the_platform_keeps_what_it_covers() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let signer = drive::Signer::one();
    let source = |public_path: &str| {
        format!(
            "[[route]]\nsource = \"jd\"\nbucket = \"*\"\nstorage_client_id = \"{}\"\n\
             [[source]]\nname = \"jd\"\npath = \"/jd\"\n{public_path}dialect = \"jdcloud\"\n\
             auth = {{ jdcloud_signature = {{ certificate = \"\"\"{}\"\"\" }} }}\n",
            units::S3_COMPATIBLE,
            signer.plain_certificate()
        )
    };
    let function = Function::start(&sim, &source("")).await;
    let behind_a_stage = Function::start(&sim, &source("public_path = \"/prod/jd\"\n")).await;
    let signed = |id: &str, path: &str, key: &str| {
        let body = mdss_sim::created("jdcloud:s3", "b", &[key]);
        let mut event = Sent::post("/jd", &[], body.clone()).rest_api();
        for (name, value) in signer.jdcloud(id, path, "https://x.example/jd.pem", body.as_bytes()) {
            event["multiValueHeaders"][name] = json!([value]);
        }
        event
    };
    let staged = signed("8DD1777EF7999B19664EE139", "/prod/jd", "staged");
    for (function, event, status) in [
        (&function, signed("8DD1777EF7999B19664EE138", "/jd", "plain"), 200),
        // The stage is not in the path that the function sees, and JD has signed it.
        (&function, staged.clone(), 403),
        (&behind_a_stage, staged.clone(), 200),
        (&behind_a_stage, staged, 200),
    ] {
        let response = function.invoke(&event).await.unwrap();
        assert_eq!(response["statusCode"], json!(status), "{event}: {response}");
    }
    let mut forged = signed("8DD1777EF7999B19664EE140", "/jd", "plain");
    forged["body"] = json!(mdss_sim::created("jdcloud:s3", "b", &["stranger"]));
    assert_eq!(function.invoke(&forged).await.unwrap()["statusCode"], json!(403));
    let accepted: Vec<_> = sim.accepted().into_iter().map(|object| (object.key, object.times)).collect();
    // The repetition got the answer again, and MDSS nothing.
    assert_eq!(accepted, [("plain".to_owned(), 1), ("staged".to_owned(), 1)]);
}

/// A host that takes connections and says nothing.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jd.pem", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn a_key_that_does_not_come_is_waited_for_no_longer_than_the_call_lasts() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (_host, url) = silent().await;
    let source = format!(
        "[[route]]\nsource = \"signed\"\nbucket = \"*\"\nstorage_client_id = \"{}\"\n\
         [[source]]\nname = \"signed\"\npath = \"/signed\"\ndialect = \"jdcloud\"\n\
         auth = {{ jdcloud_signature = {{ certificate_urls = [\"{url}\"], allow_http = true }} }}\n",
        units::S3_COMPATIBLE
    );
    let function = Function::start(&sim, &source).await;
    let body = event("signed");
    let headers = drive::Signer::one().jdcloud("8DD1777EF7999B19664EE138", "/signed", &url, body.as_bytes());
    let mut event = Sent::post("/signed", &[], body).function_url();
    for (name, value) in headers {
        event["headers"][name.to_lowercase()] = json!(value);
    }
    let started = Instant::now();
    let limit = Duration::from_secs(2);
    let outcome = function.api.invoke_with(Invocation::new(event.to_string(), limit)).await.unwrap();
    let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    let response: Value = serde_json::from_slice(&response).unwrap();
    assert_eq!(response["statusCode"], json!(503), "{response}");
    assert!(response["body"].as_str().unwrap().contains("key_unavailable"), "{response}");
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert_eq!(sim.requests().len(), 0);
}
