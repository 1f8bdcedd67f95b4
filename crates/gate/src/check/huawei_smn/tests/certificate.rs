//! Which certificates are asked for, and what is believed of them.

use super::*;

const STRANGE: &str = "the signing_cert_url is not one of SMN";

/// What is asked for, with nothing fetched yet.
fn ask_of(check: &HuaweiSmn, url: &str) -> Result<Option<ReplayKey>, Objection> {
    judge_at(check, &[], with(signed(), "signing_cert_url", url).to_string().as_bytes(), &Keys::new(), now())
}

pub(super) fn ask(url: &str) -> Result<Option<ReplayKey>, Objection> {
    ask_of(&check(), url)
}

#[test]
fn row_01_a_certificate_of_somebody_elses_host_is_never_asked_for() {
    let file = "smn/SMN_cn-north-4_b98100eca1bf44e2b2b8b0d5a4a2b9ee.pem";
    for host in [
        "smn.cn-north-4.myhuaweicloud.com.evil",
        "smn.cn-north-4.obs.cn-north-4.example",
        "evil.example",
        "xsmn.cn-north-4.example",
    ] {
        let url = format!("https://{host}/{file}");
        // SMN repeats after 5xx alone, and an operator may have to list the host.
        let unknown = Objection::UnknownUrl("the host of the certificate is not listed", url.clone());
        assert_eq!(ask(&url), Err(unknown), "{url}");
    }
    for host in [
        "evil.obs.cn-north-4.myhuaweicloud.com",
        "console.myhuaweicloud.com",
        "xsmn.cn-north-4.myhuaweicloud.com",
    ] {
        let url = format!("https://{host}/{file}");
        let wrong = Objection::WrongUrl(
            "the host of the certificate is not the one of the topic's region",
            url.clone(),
        );
        assert_eq!(ask(&url), Err(wrong), "{url}");
    }
    assert_eq!(ask(URL), Err(Objection::NeedKey(KeyUrl::derived(URL))));
    let Err(Objection::NeedKey(url)) = ask(URL) else { panic!() };
    assert!(!url.is_listed(), "it is fetched from public addresses alone");
}

#[test]
fn row_02_the_url_is_of_one_form_alone() {
    let host = "smn.cn-north-4.myhuaweicloud.com";
    // At the right host none of these is fetched either, but the sender may come again: SMN itself may call its file so one day.
    for url in [
        format!("{URL}?x"),
        format!("{URL}#x"),
        format!("{URL}/"),
        format!("{URL}\n"),
        URL.replace("/smn/", "/SMN/"),
        URL.replace("/smn/", "/x/../smn/"),
        URL.replace("/smn/", "/smn/x/"),
        URL.replace("/smn/", "//smn/"),
        URL.replace("/smn/SMN_", "/smn/"),
        URL.replace("/smn/SMN_", "/smn/%2e%2e/SMN_"),
        URL.replace("/smn/SMN_", "/smn/SMN_../"),
        URL.replace(".pem", ".pem.exe"),
        URL.replace(".pem", "%2epem"),
        URL.replace(".pem", ".crt"),
        URL.replace("b98100", "B98100"),
        URL.replace("b98100", "b9810"),
        URL.replace("_b98100", "_0b98100"),
        URL.replace("https", "http"),
        format!("https://{host}"),
        format!("https://{host}?x"),
    ] {
        assert_eq!(ask(&url), Err(Objection::UnknownUrl(STRANGE, shown(url.as_bytes()))), "{url}");
    }
    for url in [
        format!(" {URL}"),
        URL.replace("https", "HTTPS"),
        URL.replace(host, &format!("{host}:443")),
        URL.replace(host, &format!("{host}.")),
        URL.replace(host, &format!("u@{host}")),
        URL.replace(host, &format!("evil.example\\@{host}")),
        URL.replace(host, &format!("evil.example/smn/SMN_x.pem?{host}")),
        URL.replace(host, &host.to_uppercase()),
        URL.replace(host, "127.0.0.1"),
        URL.replace(host, "[::1]"),
        URL.replace(host, "localhost"),
        URL.replace(host, ""),
        "file:///smn/SMN_x.pem".into(),
        String::new(),
    ] {
        let shown = shown(url.as_bytes());
        let judged = ask(&url);
        assert!(
            matches!(&judged, Err(Objection::WrongUrl(STRANGE, given)) if *given == shown),
            "{url}: {judged:?}"
        );
    }
}

#[test]
fn row_04_region_of_certificate_and_topic_are_one() {
    let region = "the certificate is not one of the topic's region";
    for url in
        [URL.replace("SMN_cn-north-4", "SMN_cn-south-1"), URL.replace("SMN_cn-north-4", "SMN_cn-north-44")]
    {
        assert_eq!(ask(&url), Err(Objection::UnknownUrl(region, url.clone())), "{url}");
    }
    let both = URL.replace("cn-north-4", "cn-south-1");
    assert_eq!(ask(&both), Err(Objection::WrongUrl(region, both.clone())));
    let other = URL.replace("smn.cn-north-4", "smn.cn-south-1");
    let host = "the host of the certificate is not the one of the topic's region";
    assert_eq!(ask(&other), Err(Objection::WrongUrl(host, other.clone())));
    // Of the other topic on the list it is the right one.
    let south = URL.replace("cn-north-4", "cn-south-1");
    let message = with(
        with(notification(), "topic_urn", "urn:smn:cn-south-1:28a70000000000000000000000000005:other"),
        "signing_cert_url",
        &*south,
    );
    let judged = judge_at(&check(), &[], sign(message).to_string().as_bytes(), &Keys::new(), now());
    assert_eq!(judged, Err(Objection::NeedKey(KeyUrl::derived(&south))));
}

#[test]
fn other_brands_have_hosts_that_are_listed() {
    let check = HuaweiSmn { hosts: vec!["console.brand.example".into()], ..check() };
    let asked =
        |url: &str| assert_eq!(ask_of(&check, url), Err(Objection::NeedKey(KeyUrl::derived(url))), "{url}");
    asked(URL);
    asked("https://console.brand.example/smn/SMN_cn-north-4_b98100eca1bf44e2b2b8b0d5a4a2b9ee.pem");
    asked("https://console.brand.example/smn/SMN_something-else.pem");
    for url in [
        "https://console.brand.example/smn/SMN_cn-south-1_b98100eca1bf44e2b2b8b0d5a4a2b9ee.pem",
        "https://console.brand.example/smn/SMN_a/../b.pem",
        "https://console.brand.example/x.pem",
        "https://x.console.brand.example/smn/SMN_a.pem",
    ] {
        assert!(matches!(ask_of(&check, url), Err(Objection::UnknownUrl(..))), "{url}");
    }
    let port = "https://console.brand.example:444/smn/SMN_a.pem";
    assert!(matches!(ask_of(&check, port), Err(Objection::WrongUrl(..))));
    for text in ["smn.ru-moscow-1.hc.cloud.ru", "smn.eu-de.otc.t-systems.com", "a.b"] {
        assert_eq!(host(text).as_deref(), Ok(text));
    }
    let long = "a".repeat(64) + ".example";
    for text in [
        "",
        "localhost",
        "A.example",
        "a.example.",
        ".example",
        "a..example",
        "https://a.example",
        "a.example:443",
        "a.example/x",
        "*.example",
        "10.0.0.1",
        "-a.example",
        "a-.example",
        "a b.example",
        &long,
    ] {
        assert!(host(text).is_err(), "{text}");
    }
}

/// The rule for the host lets 16 to the 32nd names through.
#[test]
fn row_17_what_strangers_can_have_fetched_is_bounded() {
    let policy =
        Policy::parse_text(&format!("{{ huawei_smn = {{ topics = ['{TOPIC}'] }} }}"), "auth", &mut |_| {
            Err(String::new())
        })
        .unwrap();
    let verdict = |url: &str, keys: &Keys, seconds| {
        let body = with(signed(), "signing_cert_url", url).to_string();
        let post = Post {
            method: "POST",
            path: "/huawei".into(),
            rest: String::new(),
            headers: Vec::new(),
            body: body.into(),
        };
        post.shown(|request| policy.check_body(request, at(seconds), keys))
    };
    let (mut keys, mut fetches) = (Keys::new(), 0);
    for number in 0..1000_i64 {
        let url = URL.replace("b98100eca1bf44e2b2b8b0d5a4a2b9ee", &format!("{number:032x}"));
        // Ten a second.
        match verdict(&url, &keys, number / 10) {
            Verdict::NeedKey { url: asked, .. } => {
                assert_eq!(asked.as_str(), url);
                fetches += 1;
                keys.failed(&asked, at(number / 10));
                // What could not be had is not asked for again at once.
                assert!(matches!(verdict(&url, &keys, number / 10), Verdict::Unavailable(_)));
            }
            Verdict::Unavailable(what) => {
                assert_eq!(what.why, "too many keys were asked for at this host within a minute")
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fetches, 24, "twelve a minute, in 100 seconds");
    // A key that is here is used all the while.
    keys.store(&KeyUrl::derived(URL), Signer::one().plain_certificate().as_bytes(), at(99)).unwrap();
    assert!(matches!(verdict(URL, &keys, 99), Verdict::Admitted(_)));
    // Nor does what could be refused without a key cause a fetch.
    for message in [
        with(signed(), "timestamp", "2020-01-01T00:00:00Z"),
        with(signed(), "signature", "***"),
        with(signed(), "signature_version", "v2"),
        without(signed(), "message"),
    ] {
        let judged = judge_at(&check(), &[], message.to_string().as_bytes(), &Keys::new(), now());
        assert!(matches!(judged, Err(Objection::Refused(_) | Objection::OutOfDate(_))), "{judged:?}");
    }
}

#[test]
fn row_19_an_expired_certificate_is_a_warning() {
    let pem = Signer::one().certificate("smn", &[], 2025);
    let mut expired = Keys::new();
    let warnings = expired.store(&KeyUrl::derived(URL), pem.as_bytes(), now()).unwrap();
    assert!(
        warnings.contains(&"the certificate has expired (2025-12-31T00:00:00Z)".to_owned()),
        "{warnings:?}"
    );
    assert!(judge_at(&check(), &[], signed().to_string().as_bytes(), &expired, now()).is_ok());
    let pinned = Pinned { place: "auth".into(), keys: Key::all(pem.as_bytes()).unwrap() };
    let check = HuaweiSmn { pinned: Some(pinned), ..check() };
    assert!(judge_at(&check, &[], signed().to_string().as_bytes(), &Keys::new(), now()).is_ok());
}

#[test]
fn row_20_of_a_file_with_several_certificates_the_first_counts_and_it_has_to_be_rsa() {
    let (one, other) = (Signer::one().plain_certificate(), Signer::other().plain_certificate());
    let judge = |file: &str| {
        judge_at(&check(), &[], signed().to_string().as_bytes(), &holding(file), now()).map(drop)
    };
    assert_eq!(judge(&format!("{one}{other}")), Ok(()));
    assert_eq!(judge(&format!("{other}{one}")), Err(WRONG));
    let elliptic = rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap().cert.pem();
    assert_eq!(Keys::new().store(&KeyUrl::derived(URL), elliptic.as_bytes(), now()), Err("an RSA key"));
    let long = one + &" ".repeat(KeyUrl::MAX_BYTES);
    assert_eq!(Keys::new().store(&KeyUrl::derived(URL), long.as_bytes(), now()), Err("at most 64 KiB"));
}
