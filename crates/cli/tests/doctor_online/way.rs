//! D2 to D4: the way to MDSS.

use std::net::SocketAddr;
use std::time::Duration;

use mdss_sim::{Config, Date, Sim, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::found::{MDSS, NETWORK, doctor, file, said};

/// A server that says this to whoever connects and has said something.
pub(crate) async fn says(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                while stream.read(&mut asked).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    address
}

/// An authority called "Example Root", and a certificate for localhost that it has signed, with this many days to live.
pub(crate) struct Signed {
    pub(crate) authority: rcgen::Certificate,
    pub(crate) tls: Tls,
}

pub(crate) fn signed(days: i64, with_authority: bool) -> Signed {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Example Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::from_params(&params, &key);
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "mdss.example");
    let day = |at: i64| {
        let at = jiff::Timestamp::now().as_second() / 86_400 + at;
        let date =
            jiff::Timestamp::from_second(at * 86_400).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    (leaf.not_before, leaf.not_after) = (day(days.min(0) - 100), day(days));
    let own = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&own, &issuer).unwrap();
    let chain = if with_authority { certificate.pem() + &authority.pem() } else { certificate.pem() };
    let tls = Tls { certificate_pem: chain.into(), key_pem: own.serialize_pem().into() };
    Signed { authority, tls }
}

pub(crate) async fn with_tls(tls: Tls, more: Config) -> Sim {
    Sim::start(Config { tls: Some(tls), ..more }).await.unwrap()
}

#[tokio::test]
async fn d2_a_typo_in_the_host_is_the_resolvers_word_and_nothing_else_is_blamed() {
    // A name that no resolver has (RFC 6761, 6.4).
    let found = doctor(&[], &[("APIENDPOINT", "https://mdss-typo.invalid/api/webhook/realtime")]).await;
    let dns = found.one("network.dns");
    assert_eq!((said(dns, "status"), found.status), ("fail", 1), "{dns}");
    assert!(
        said(dns, "found").starts_with("no address for \"mdss-typo.invalid\"; the resolver's answer: "),
        "{dns}"
    );
    assert!(
        said(dns, "found").len() > "no address for \"mdss-typo.invalid\"; the resolver's answer: ".len(),
        "{dns}"
    );
    assert!(said(dns, "remedy").contains("APIENDPOINT"), "{dns}");
    found.assert_skipped(&NETWORK, "network.dns");
    found.assert_skipped(&MDSS, "network.dns");
    assert!(found.took < Duration::from_secs(3), "{:?}", found.took);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let away = mdss_sim::Away::new().unwrap();
    let found = doctor(&[], &[("APIENDPOINT", &away.url())]).await;
    let connect = found.one("network.connect");
    let place = away.url().replace("http://", "").replace("/api/webhook/realtime", "");
    assert_eq!(said(connect, "status"), "fail");
    assert!(said(connect, "found").starts_with(&format!("no connection to {place}: ")), "{connect}");
    found.assert_skipped(&NETWORK[1..], "network.connect");
    found.assert_skipped(&MDSS, "network.connect");
}

#[tokio::test]
async fn d3_a_private_authority_is_shown_with_every_certificate_and_the_setting_that_trusts_it() {
    let dir = tempfile::tempdir().unwrap();
    for with_authority in [true, false] {
        let signed = signed(100, with_authority);
        let sim = with_tls(signed.tls, Config::default()).await;
        let url = format!("https://localhost:{}", sim.addr().port());
        let found = doctor(&[], &[("APIENDPOINT", &url)]).await;
        let tls = found.one("network.tls");
        assert_eq!((said(tls, "status"), found.status), ("fail", 1), "{tls}");
        let text = said(tls, "found");
        let certificates = if with_authority { 2 } else { 1 };
        assert!(
            text.contains(&format!(
                "certificate 1 of {certificates}: CN=mdss.example, issued by CN=Example Root, valid until 20"
            )),
            "{text}"
        );
        if with_authority {
            assert!(
                text.contains("certificate 2 of 2: CN=Example Root, issued by CN=Example Root, valid until "),
                "{text}"
            );
            assert!(
                text.ends_with(
                    "certificate 2 is not trusted: it has signed itself, and RELAY_CA_FILE does not list it"
                ),
                "{text}"
            );
        } else {
            assert!(text.contains("certificate 1 is not trusted: CN=Example Root has signed it"), "{text}");
        }
        assert!(said(tls, "remedy").contains("RELAY_CA_FILE"), "{tls}");
        found.assert_skipped(&NETWORK[3..], "network.tls");
        found.assert_skipped(&MDSS, "network.tls");
        assert!(found.took < Duration::from_secs(3), "{:?}", found.took);
        assert_eq!(sim.requests().len(), 0);

        let listed = file(dir.path(), "ca.pem", &signed.authority.pem());
        let trusted = doctor(&[], &[("APIENDPOINT", &url), ("RELAY_CA_FILE", &listed)]).await;
        assert_eq!(trusted.status_of("network.tls"), "ok", "{}", trusted.text);
        assert_eq!(trusted.status_of("network.tls_expiry"), "ok", "{}", trusted.text);
        assert_eq!(trusted.status_of("mdss.key"), "ok", "{}", trusted.text);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    for (days, host, id, status, sentence) in [
        (20, "localhost", "network.tls_expiry", "warn", "CN=mdss.example ends on "),
        (-3, "localhost", "network.tls", "fail", "certificate 1 is not trusted: it has expired on "),
        (100, "127.0.0.2", "network.tls", "fail", "is for other names (localhost, 127.0.0.1)"),
    ] {
        let signed = signed(days, true);
        let listen = "0.0.0.0:0".parse().unwrap();
        let sim = with_tls(signed.tls, Config { listen, allow_remote: true, ..Config::default() }).await;
        let listed = file(dir.path(), "ca.pem", &signed.authority.pem());
        let url = format!("https://{host}:{}", sim.addr().port());
        let found = doctor(&[], &[("APIENDPOINT", &url), ("RELAY_CA_FILE", &listed)]).await;
        let check = found.one(id);
        assert_eq!(said(check, "status"), status, "{check}");
        assert!(said(check, "found").contains(sentence), "{check}");
    }
}

#[tokio::test]
async fn tls_that_hangs_and_ports_without_it_are_failures_with_a_sentence() {
    let hanging = Config { handshake_delay: Duration::from_secs(3600), ..Config::default() };
    let sim = with_tls(signed(100, true).tls, hanging).await;
    let plain = Sim::start(Config::default()).await.unwrap();
    for (port, limit, sentence) in
        [(sim.addr().port(), "1s", "no answer within 1s"), (plain.addr().port(), "5s", "answers without TLS")]
    {
        let url = format!("https://localhost:{port}");
        let found = doctor(&[], &[("APIENDPOINT", &url), ("RELAY_CONNECT_TIMEOUT", limit)]).await;
        let tls = found.one("network.tls");
        assert_eq!(said(tls, "status"), "fail", "{tls}");
        assert!(said(tls, "found").contains(sentence), "{tls}");
        found.assert_skipped(&MDSS, "network.tls");
        assert!(found.took < Duration::from_secs(4), "{:?}", found.took);
    }
    // The other way round it is the API that is not there.
    let sim = with_tls(signed(100, true).tls, Config::default()).await;
    let url = format!("http://localhost:{}", sim.addr().port());
    let found = doctor(&[], &[("APIENDPOINT", &url)]).await;
    let api = found.one("mdss.api");
    assert_eq!(said(api, "status"), "fail", "{api}");
    assert!(said(api, "remedy").starts_with("is https:// or another port meant"), "{api}");
}

#[tokio::test]
async fn d4_a_proxy_that_refuses_is_named_with_its_status_and_mdss_is_not_blamed() {
    const WANTS: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    const FORBIDS: &[u8] = b"HTTP/1.1 403 Forbidden by policy\r\nContent-Length: 6\r\n\r\ndenied";
    const AWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    for (scheme, word, status, remedy) in [
        ("https", WANTS, "407 Proxy Authentication Required", "USER:PASSWORD"),
        ("https", FORBIDS, "403 Forbidden by policy", "let the proxy pass mdss.example:443"),
        ("https", AWAY, "502 Bad Gateway", "its log says why"),
        ("http", WANTS, "407 Proxy Authentication Required", "USER:PASSWORD"),
    ] {
        let proxy = says(word).await;
        let url = format!("{scheme}://mdss.example");
        let address = format!("http://relay:s3cret-password@{proxy}");
        let found = doctor(&[], &[("APIENDPOINT", &url), ("all_proxy", &address)]).await;
        let check = found.one("network.proxy");
        assert_eq!((said(check, "status"), found.status), ("fail", 1), "{check}");
        let port = if scheme == "https" { 443 } else { 80 };
        let asked = if scheme == "https" { "CONNECT" } else { "a request for" };
        let want = format!("the proxy http://{proxy} answered {status} to {asked} mdss.example:{port}");
        assert_eq!(said(check, "found"), want);
        assert!(said(check, "remedy").contains(remedy), "{check}");
        found.assert_skipped(&NETWORK[2..], "network.proxy");
        found.assert_skipped(&MDSS, "network.proxy");
        assert!(found.took < Duration::from_secs(3), "{:?}", found.took);
    }
    let strange = says(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let proxied = [("APIENDPOINT", "https://mdss.example"), ("all_proxy", &format!("http://{strange}"))];
    let found = doctor(&[], &proxied).await;
    assert!(said(found.one("network.proxy"), "found").ends_with("the answer is no HTTP"), "{}", found.text);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_measured() {
    for (date, status, sentence) in [
        (Date::Now, "ok", "as MDSS's to the second"),
        (Date::Off(jiff::SignedDuration::from_secs(-90)), "warn", "90 s ahead of MDSS's"),
        (Date::Off(jiff::SignedDuration::from_mins(6)), "fail", "360 s behind MDSS's"),
        (Date::Absent, "unknown", "the answer has no Date header"),
    ] {
        let sim = Sim::start(Config { date, ..Config::default() }).await.unwrap();
        let found = doctor(&[], &[("APIENDPOINT", &sim.url())]).await;
        let clock = found.one("network.clock");
        assert_eq!(said(clock, "status"), status, "{clock}");
        let close = |text: &str| {
            text.replace("91 s", "90 s")
                .replace("89 s", "90 s")
                .replace("359", "360")
                .replace("361", "360")
                .replace("1 s ahead of MDSS's", sentence)
                .replace("1 s behind MDSS's", sentence)
        };
        assert!(close(said(clock, "found")).contains(sentence), "{clock}");
    }
}
