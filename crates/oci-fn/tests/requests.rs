//! HTTP requests that OCI's API Gateway, or an HTTP trigger of Fn, hands to the function.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod function;

use drive::Answer;
use function::{Function, LIMIT, created, start, start_gateway};
use mdss_sim::{Config, Sim, Step, units};
use serde_json::{Value, json};

fn settings() -> String {
    format!(
        "[[route]]\nbucket = \"*\"\nsource = \"oci\"\nstorage_client_id = \"{}\"\n\
         [[source]]\nname = \"oci\"\npath = \"/oci\"\nauth = {{ bearer = {{ token = \"not-a-secret-of-oci\" }} }}\n\
         [[source]]\nname = \"near\"\npath = \"/near\"\nauth = {{ source_addresses = [\"192.0.2.0/24\"] }}\n",
        units::ORACLE
    )
}

impl Function {
    /// A call as the gateway makes it of a request.
    async fn request(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![
            ("fn-intent", "httprequest"),
            ("fn-http-method", method),
            ("fn-http-request-url", url),
            ("fn-http-h-host", "k3relaydemo.apigateway.eu-frankfurt-1.oci.customer-oci.com"),
            ("fn-http-h-x-forwarded-for", "192.0.2.7"),
        ];
        all.extend(headers);
        self.client.call(body.to_owned(), LIMIT, &all).await.unwrap()
    }
}

/// What the gateway's caller hears: the status, and the report.
fn heard(answer: &Answer) -> (u16, Option<&str>, Value) {
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    (answer.status, answer.header("fn-http-status"), body)
}

#[tokio::test]
async fn a_gateways_requests_stand_at_the_door() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 99]);
    let more = [("RELAY_CONFIG_TOML", settings()), ("STORAGECLIENTID", String::new())];
    let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let function = start_gateway(&sim, &more).await;
    let right = [("fn-http-h-authorization", "Bearer not-a-secret-of-oci")];
    let wrong = [("fn-http-h-authorization", "Bearer not-the-secret-of-oci")];
    for (method, url, headers, body, status, outcome) in [
        ("POST", "/oci", &right[..], created("a b+c%20.txt"), "200", json!("done")),
        ("POST", "https://gateway.example/oci?x=1", &right[..], created("second"), "200", json!("done")),
        ("POST", "/oci", &right[..], created("later"), "503", json!("transient")),
        ("POST", "/oci", &right[..], "{}".to_owned(), "400", json!("permanent")),
        ("POST", "/oci", &wrong[..], created("stranger"), "401", json!("refused")),
        ("POST", "/oci", &[], created("stranger"), "401", json!("refused")),
        ("POST", "/elsewhere", &right[..], created("stranger"), "404", json!("permanent")),
        ("GET", "/oci", &right[..], String::new(), "405", json!("permanent")),
        ("HEAD", "/oci", &[], String::new(), "200", Value::Null),
        // The gateway does not say where a request comes from, and anybody can write a header.
        ("POST", "/near", &[], created("stranger"), "403", json!("refused")),
    ] {
        let answer = function.request(method, url, headers, &body).await;
        let (call, given, report) = heard(&answer);
        assert_eq!((call, given), (200, Some(status)), "{method} {url}: {report}");
        assert_eq!(report.get("outcome").unwrap_or(&Value::Null), &outcome, "{method} {url}: {report}");
        let header = |name: &str| answer.header(&format!("fn-http-h-{name}"));
        assert_eq!(header("retry-after").is_some(), status == "503", "{method} {url}");
        assert_eq!(header("allow").is_some(), status == "405", "{method} {url}");
        assert_eq!(header("www-authenticate").is_some(), status == "401", "{method} {url}");
    }
    // A service of OCI calls the function itself, and the platform has decided that it may.
    let (status, report) = function.call(&created("an event")).await;
    assert_eq!((status, &report["outcome"]), (200, &json!("done")));
    assert_eq!(sim.accepted_keys(), ["a b+c%20.txt", "an event", "second"]);
}

#[tokio::test]
async fn without_sources_a_gateways_request_is_refused_and_says_what_to_set() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let with_sources = [("RELAY_CONFIG_TOML", settings()), ("STORAGECLIENTID", String::new())];
    let with_sources: Vec<_> = with_sources.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for mut function in
        [start(&sim, &[]).await, start(&sim, &with_sources).await, start_gateway(&sim, &[]).await]
    {
        let answer = function.request("POST", "/oci", &[], &created("stranger")).await;
        let (call, given, report) = heard(&answer);
        assert_eq!((call, given), (502, None), "{report}");
        let record = &report["records"][0];
        assert_eq!((&report["outcome"], &record["reason"]), (&json!("config"), &json!("no_source")));
        assert!(record["detail"].as_str().unwrap().contains("expected a [[source]]"), "{record}");
        function.process.wait_for_line("no_source", LIMIT).await.unwrap();
    }
    assert_eq!(sim.requests().len(), 0);
}
