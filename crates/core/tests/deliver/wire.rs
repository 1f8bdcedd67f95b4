//! The way to MDSS: TLS and proxies.

use mdss_sim::Tls;

use super::*;

async fn tls_sim() -> (Sim, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls =
        Tls { certificate_pem: made.cert.pem().into(), key_pem: made.signing_key.serialize_pem().into() };
    let sim = Sim::start(Config { tls: Some(tls), ..Config::default() }).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    (sim, file)
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_given_and_only_then() {
    let (sim, ca) = tls_sim().await;
    let url = format!("https://localhost:{}/api/webhook/realtime", sim.addr().port());
    let with = |more: &[(&str, &str)]| {
        let more: Vec<_> = [("APIENDPOINT", url.as_str())].into_iter().chain(more.iter().copied()).collect();
        settings(&sim, &more)
    };
    let refused = deliver(with(&[]), &event(&["a"]), None).await;
    assert_eq!((reason(&refused), refused.records[0].attempts), ("mdss_certificate", 1));
    assert_eq!(refused.outcome, Outcome::Config);
    assert_eq!(sim.requests().len(), 0, "the key has not left");

    let ca_file = ca.path().to_str().unwrap();
    let accepted = deliver(with(&[("RELAY_CA_FILE", ca_file)]), &event(&["a"]), None).await;
    assert_eq!(reason(&accepted), "accepted", "{}", accepted.json());

    let unverified = deliver(with(&[("RELAY_TLS_VERIFY", "off")]), &event(&["b"]), None).await;
    assert_eq!(reason(&unverified), "accepted", "{}", unverified.json());

    // The right authority, another name.
    let other = format!("https://127.0.0.1:{}/api/webhook/realtime", sim.addr().port());
    let report =
        deliver(with(&[("APIENDPOINT", &other), ("RELAY_CA_FILE", ca_file)]), &event(&["c"]), None).await;
    assert_eq!(reason(&report), "mdss_certificate", "{}", report.json());
}

#[tokio::test]
async fn a_slow_handshake_is_a_connection_that_did_not_come() {
    let (sim, ca) = tls_sim().await;
    sim.push([Step::SlowHandshake { ms: 5000 }]);
    let url = format!("https://localhost:{}/api/webhook/realtime", sim.addr().port());
    let more = [
        ("APIENDPOINT", url.as_str()),
        ("RELAY_CA_FILE", ca.path().to_str().unwrap()),
        ("RELAY_CONNECT_TIMEOUT", "300ms"),
    ];
    let started = Instant::now();
    let report = deliver(settings(&sim, &more), &event(&["a"]), None).await;
    assert_eq!((reason(&report), report.records[0].attempts), ("accepted", 2), "{}", report.json());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_proxy_is_used_unless_the_host_is_exempt() {
    let sim = Sim::start(Config::default()).await.unwrap();
    // Any HTTP server sees a proxied request: its target is a whole URL, which the stand-in does not serve.
    let proxy = Sim::start(Config::default()).await.unwrap();
    let address = format!("http://{}", proxy.addr());
    let through = deliver(settings(&sim, &[("http_proxy", &address)]), &event(&["a"]), None).await;
    assert_ne!(sim.connections() + proxy.connections(), 0);
    assert_eq!((sim.connections(), proxy.connections()), (0, 1), "{}", through.json());
    let exempt = [("http_proxy", address.as_str()), ("no_proxy", "127.0.0.1")];
    assert_eq!(reason(&deliver(settings(&sim, &exempt), &event(&["a"]), None).await), "accepted");
    assert_eq!((sim.connections(), proxy.connections()), (1, 1));
}
