use mdss_relay_core::{Role, Settings};

use super::*;

const SECRET: &str = "0123456789abcdef";

const SOURCES: &str = r#"
[[source]]
name = "open"
path = "/open"
auth = "none"

[[source]]
name = "token"
path = "/a/b"
auth = { bearer = { token = "t0ken" } }

[[source]]
name = "hidden"
path = "/jd"
auth = { path_secret = { secret = "0123456789abcdef" } }

[[source]]
name = "beside"
path = "/jd/beside"
auth = "none"

[[source]]
name = "signed"
path = "/signed"
auth = { bearer = { token = "t0ken" }, hmac = { header = "X-Signature", secret = "0123456789abcdef" } }

[[source]]
name = "fetched"
path = "/fetched"
auth = { jdcloud_signature = { certificate_urls = ["https://keys.example/jd.pem"] } }
"#;

fn no_file(_: &str) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}

fn draft(config: &str) -> (Sources, Draft) {
    let mut draft = Settings::read([("RELAY_CONFIG_TOML".into(), config.into())], Role::Explain);
    let sources = Sources::of(&mut draft, Timestamp::UNIX_EPOCH, &no_file);
    (sources, draft)
}

fn sources() -> Sources {
    let (sources, draft) = draft(SOURCES);
    assert_eq!(draft.mistakes, []);
    sources
}

/// The verdict in a word or two.
fn word(verdict: &DoorVerdict) -> String {
    let of = |source: &Option<Arc<Source>>| source.as_ref().map_or("-".to_owned(), |s| s.name.clone());
    match verdict {
        DoorVerdict::NeedBody(source) => format!("{}: body", source.name),
        DoorVerdict::NeedKey { source, url, .. } => format!("{}: key {url}", source.name),
        DoorVerdict::Entered(entered) => format!("{}: entered", entered.source.name),
        DoorVerdict::Answered(source, Answered::Present) => format!("{}: present", of(source)),
        DoorVerdict::Answered(source, Answered::UnknownPath { .. }) => format!("{}: unknown", of(source)),
        DoorVerdict::Answered(source, Answered::WrongMethod(_)) => format!("{}: method", of(source)),
        DoorVerdict::Answered(source, Answered::Refused(refusal)) => {
            format!("{}: {}", of(source), refusal.check)
        }
        DoorVerdict::Answered(source, Answered::Unavailable(what)) => {
            format!("{}: no key, {}", of(source), what.check)
        }
    }
}

fn enter(
    sources: &Sources,
    method: &str,
    target: &str,
    headers: &[(&str, &[u8])],
    body: Option<&[u8]>,
) -> String {
    let head = RequestHead { method, target, headers, client: None };
    word(&sources.enter(&head, body, Timestamp::UNIX_EPOCH, &Keys::new()))
}

#[test]
fn what_sns_or_smn_has_signed_is_read_as_its_message_and_nothing_else() {
    const TOPIC: &str = "urn:smn:cn-north-4:28a70000000000000000000000000005:intake";
    const SMN: &str =
        "auth = { huawei_smn = { topics = ['urn:smn:cn-north-4:28a70000000000000000000000000005:intake'] } }";
    const SNS: &str = "auth = { sns = { topics = ['arn:aws:sns:eu-central-1:111122223333:claims'] } }";
    for (members, want) in [
        (SNS.to_owned(), Ok(Some(Dialect::AwsSns))),
        (format!("{SNS}\ndialect = 'aws-sns'"), Ok(Some(Dialect::AwsSns))),
        (
            format!("{SNS}\ndialect = 'jdcloud'"),
            Err(
                "source[0].dialect: found \"jdcloud\", expected aws-sns, or nothing: its auth.sns admits messages of \
                 aws-sns only",
            ),
        ),
        (SMN.to_owned(), Ok(Some(Dialect::HuaweiObs))),
        (
            format!("{SMN}\ndialect = 'aws-sns'"),
            Err(
                "source[0].dialect: found \"aws-sns\", expected huawei-obs, or nothing: its auth.huawei_smn admits messages of \
                 huawei-obs only",
            ),
        ),
        // A confirmation is visited on the word of its signature alone.
        (format!("{SMN}\nconfirm_topics = ['{TOPIC}']"), Ok(Some(Dialect::HuaweiObs))),
        (
            format!("auth = {{ path_secret = {{ secret = '0123456789abcdef' }} }}\nconfirm_topics = ['{TOPIC}']"),
            Err(
                "source[0].confirm_topics: found \"urn:smn:cn-north-4:28a70000000000000000000000000005:intake\", expected no topic of \
                 SMN without auth.huawei_smn, which proves that a confirmation comes from SMN; or confirm it by hand",
            ),
        ),
        // The whole body is signed, so whoever reads it reads what was signed.
        (
            "auth = { path_secret = { secret = '0123456789abcdef' }, alibaba_eventbridge = { public_url = 'https://a.example/s', \
             certificate_urls = ['https://b.example/c.pem'] } }"
                .to_owned(),
            Ok(None),
        ),
        ("auth = { bearer = { token = 't' } }".to_owned(), Ok(None)),
        ("auth = 'none'\ndialect = 'jdcloud'".to_owned(), Ok(Some(Dialect::JdCloud))),
        (
            "auth = { nothing = 1 }".to_owned(),
            Err("source[0].auth.nothing: found \"nothing\", expected one of source_addresses, path_secret, \
                 shared_secret, bearer, basic, jwt, hmac, jdcloud_signature, alibaba_eventbridge, alibaba_mns, huawei_smn, sns"),
        ),
    ] {
        let config = format!("[[source]]\nname = 's'\npath = '/s'\n{members}\n");
        let (sources, draft) = draft(&config);
        let mistakes: Vec<String> = draft.mistakes.iter().map(ToString::to_string).collect();
        let got = match mistakes.first() {
            Some(first) => Err(first.as_str()),
            None => Ok(sources.list.first().and_then(|source| source.dialect)),
        };
        assert_eq!(got, want, "{config}");
    }
}

/// The relay knows how long a sender waits, and keeps none waiting so long.
#[test]
fn a_request_waits_a_second_less_than_its_sender() {
    const SMN: &str =
        "huawei_smn = { topics = ['urn:smn:cn-north-4:28a70000000000000000000000000005:intake'] }";
    const SNS: &str = "sns = { topics = ['arn:aws:sns:eu-central-1:111122223333:claims'] }";
    const MNS: &str = "alibaba_mns = { topics = ['1/t'], certificate_urls = ['https://a.example/c.pem'] }";
    let secret = "path_secret = { secret = '0123456789abcdef' }";
    for (members, seconds) in [
        (format!("auth = {{ {SMN} }}"), Some(4)),
        (format!("auth = {{ {secret}, {MNS} }}"), Some(4)),
        (format!("auth = {{ {secret}, {MNS} }}\ndialect = 'alibaba-oss'"), Some(4)),
        (format!("auth = {{ {secret} }}\ndialect = 'alibaba-oss'"), Some(4)),
        (format!("auth = {{ {SNS} }}"), Some(14)),
        ("auth = 'none'\ndialect = 'b2'".to_owned(), Some(2)),
        ("auth = 'none'\ndialect = 'minio'".to_owned(), None),
        ("auth = 'none'".to_owned(), None),
    ] {
        let (sources, draft) = draft(&format!("[[source]]\nname = 's'\npath = '/s'\n{members}\n"));
        assert_eq!(draft.mistakes, [], "{members}");
        let waits = sources.list[0].longest_wait().map(|waits| waits.as_secs());
        assert_eq!(waits, seconds, "{members}");
    }
}

/// The handshake of CloudEvents: through the door where a dialect has it and the origin is one of its senders', and then through
/// the gate like every other request.
#[test]
fn an_options_goes_through_the_door_only_where_a_row_wants_it() {
    let config = "[[source]]\nname = 'azure'\npath = '/azure'\ndialect = 'azure-blob'\n\
                  auth = { shared_secret = { query = 'code', secret = '0123456789abcdef' } }\n\
                  [[source]]\nname = 'any'\npath = '/any'\nauth = 'none'\n\
                  [[source]]\nname = 'minio'\npath = '/minio'\ndialect = 'minio'\nauth = 'none'\n\
                  [[source]]\nname = 'entra'\npath = '/entra'\ndialect = 'azure-blob'\nauth = { jwt = { issuer = 'entra', \
                  tenant = '72f988bf-0000-41af-91ab-2d7cd011db47', audience = 'api://relay' } }\n";
    let (sources, draft) = draft(config);
    assert_eq!(draft.mistakes, []);
    let known: (&str, &[u8]) = ("WebHook-Request-Origin", b"eventgrid.azure.net");
    let code = "/azure?code=0123456789abcdef";
    for (target, headers, want) in [
        (code, &[known][..], "azure: body"),
        (code, &[("webhook-request-origin", b"EVENTGRID.azure.us")], "azure: body"),
        (code, &[("webhook-request-origin", b"evil.example")], "azure: method"),
        (code, &[("webhook-request-origin", b"eventgrid.azure.net.evil.example")], "azure: method"),
        (code, &[("webhook-request-origin", b"eventgrid.azure.net\r\nx: y")], "azure: method"),
        (code, &[("webhook-request-origin", b"eventgrid.azure.net\xff")], "azure: method"),
        (code, &[("webhook-request-origin", b"*")], "azure: method"),
        (code, &[("aeg-event-type", b"SubscriptionValidation")], "azure: method"),
        (code, &[], "azure: method"),
        ("/azure?code=another", &[known], "azure: shared_secret"),
        ("/azure", &[known], "azure: shared_secret"),
        ("/any", &[known], "any: body"),
        ("/minio", &[known], "minio: method"),
        // Event Grid's token is on it as well, and nobody is granted anything without one.
        ("/entra", &[known], "entra: jwt"),
        ("/entra", &[known, ("authorization", b"Bearer x.y.z")], "entra: jwt"),
    ] {
        assert_eq!(enter(&sources, "OPTIONS", target, headers, None), want, "{target} {headers:?}");
    }
    assert_eq!(enter(&sources, "options", code, &[known], None), "azure: method");
    assert_eq!(enter(&sources, "OPTIONS", code, &[known], Some(b"")), "azure: entered");
}

#[test]
fn requests_find_their_source_and_nothing_else() {
    let token: (&str, &[u8]) = ("authorization", b"Bearer t0ken");
    for (method, target, headers, want) in [
        ("POST", "/open", vec![], "open: body"),
        ("POST", "/open?x=1", vec![], "open: body"),
        ("HEAD", "/open", vec![], "open: present"),
        ("GET", "/open", vec![], "open: method"),
        ("OPTIONS", "/open", vec![], "open: method"),
        ("post", "/open", vec![], "open: method"),
        ("POST", "/open/", vec![], "-: unknown"),
        ("POST", "/open/x", vec![], "-: unknown"),
        ("POST", "/OPEN", vec![], "-: unknown"),
        ("POST", "/", vec![], "-: unknown"),
        ("POST", "", vec![], "-: unknown"),
        ("GET", "/", vec![], "-: unknown"),
        ("POST", "/a/b", vec![token], "token: body"),
        ("POST", "/a/b", vec![], "token: bearer"),
        // Whether somebody is there is no secret, and neither is the method.
        ("HEAD", "/a/b", vec![], "token: present"),
        ("GET", "/a/b", vec![], "token: method"),
        ("POST", "/a", vec![token], "-: unknown"),
        ("POST", "/jd/0123456789abcdef", vec![], "hidden: body"),
        ("POST", "/jd/0123456789abcdef?q", vec![], "hidden: body"),
        ("POST", "/jd", vec![], "hidden: path_secret"),
        ("POST", "/jd/0123456789abcdeF", vec![], "hidden: path_secret"),
        ("POST", "/jd/0123456789abcdef/x", vec![], "-: unknown"),
        ("POST", "/jdx", vec![], "-: unknown"),
        ("POST", "/jd/beside", vec![], "beside: body"),
        // These look at the body; the token is looked at before there is one.
        ("POST", "/signed", vec![token], "signed: body"),
        ("POST", "/signed", vec![], "signed: bearer"),
    ] {
        assert_eq!(enter(&sources(), method, target, &headers, None), want, "{method} {target}");
    }
}

#[test]
fn a_body_is_no_way_around_the_head() {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag: String = ring::hmac::sign(&key, b"{}").as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let token: (&str, &[u8]) = ("authorization", b"Bearer t0ken");
    let signature: (&str, &[u8]) = ("x-signature", tag.as_bytes());
    for (method, target, headers, body, want) in [
        ("POST", "/open", vec![], "", "open: entered"),
        ("POST", "/a/b", vec![token], "{}", "token: entered"),
        ("POST", "/a/b", vec![], "{}", "token: bearer"),
        ("GET", "/a/b", vec![token], "{}", "token: method"),
        ("POST", "/c", vec![token], "{}", "-: unknown"),
        ("POST", "/signed", vec![token, signature], "{}", "signed: entered"),
        ("POST", "/signed", vec![token, signature], "{ }", "signed: hmac"),
        ("POST", "/signed", vec![token], "{}", "signed: hmac"),
        ("POST", "/signed", vec![signature], "{}", "signed: bearer"),
    ] {
        assert_eq!(
            enter(&sources(), method, target, &headers, Some(body.as_bytes())),
            want,
            "{method} {target} {body}"
        );
    }
}

#[test]
fn without_sources_of_its_own_a_draft_has_one_and_its_path_may_mean_nothing() {
    let mut draft = Settings::read([("RELAY_TOKEN".into(), "0123456789abcdef".into())], Role::Explain);
    let sources = Sources::of(&mut draft, Timestamp::UNIX_EPOCH, &no_file);
    assert_eq!(sources.names().collect::<Vec<_>>(), ["events"]);
    let token: (&str, &[u8]) = ("authorization", b"Bearer 0123456789abcdef");
    assert_eq!(enter(&sources, "POST", "/events", &[token], None), "events: body");
    assert_eq!(enter(&sources, "POST", "/anything", &[token], None), "-: unknown");
    let sources = sources.at_any_path();
    assert_eq!(enter(&sources, "POST", "/anything", &[token], Some(b"")), "events: entered");
    assert_eq!(enter(&sources, "POST", "", &[], Some(b"")), "events: bearer");
    assert_eq!(enter(&sources, "GET", "/anything", &[token], Some(b"")), "events: method");
}

#[test]
fn the_operator_learns_what_an_unknown_path_is_like_and_never_the_path() {
    for (path, want) in [
        (
            "/s3cret",
            "its path of 7 bytes belongs to no source; there are /open, /a/b, /jd/<secret>, /jd/beside, /signed, /fetched",
        ),
        (
            "/a/b/s3cret",
            "its path of 11 bytes begins like that of source \"token\", but goes on; there are /open, /a/b, /jd/<secret>, \
             /jd/beside, /signed, /fetched",
        ),
        ("/open//", "its path is that of source \"open\", except for a slash at its end"),
        ("/OPEN/", "its path is that of source \"open\", except for capital letters"),
        ("/a/B?s3cret", "its path is that of source \"token\", except for capital letters"),
    ] {
        let head = RequestHead { method: "POST", target: path, headers: &[], client: None };
        let verdict = sources().enter(&head, None, Timestamp::UNIX_EPOCH, &Keys::new());
        let DoorVerdict::Answered(None, Answered::UnknownPath { failure, hint }) = verdict else {
            panic!("{path}")
        };
        assert_eq!(hint, want);
        assert_eq!(
            failure.detail,
            "the request's path belongs to no source (it is not shown, it may hold a secret)"
        );
    }
}

#[test]
fn a_delivery_has_no_credentials_and_no_bytes_that_are_no_text() {
    let headers: [(&str, &[u8]); 6] = [
        ("Authorization", b"Bearer t0ken"),
        ("proxy-authorization", b"x"),
        ("COOKIE", b"x"),
        ("x-odd", b"\xff"),
        ("x-tab", b"a\tb"),
        ("Content-Type", b"application/json"),
    ];
    let head = RequestHead { method: "POST", target: "/a/b", headers: &headers, client: None };
    let verdict = sources().enter(&head, Some(b"{}"), Timestamp::UNIX_EPOCH, &Keys::new());
    let DoorVerdict::Entered(entered) = verdict else { panic!("{verdict:?}") };
    let delivery = entered.delivery(&head, b"{}".to_vec());
    let names: Vec<_> =
        delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(names, [("x-tab", "a\tb"), ("Content-Type", "application/json")]);
    assert_eq!(
        (delivery.source.as_deref(), delivery.method.as_str(), delivery.body),
        (Some("token"), "POST", b"{}".to_vec())
    );
}

const RESULTS: &str = r#"
[[source]]
name = "open"
path = "/open"
auth = "none"

[[results]]
name = "mdss"
path = "/results"
auth = { path_secret = { secret = "0123456789abcdef" }, bearer = { token = "t0ken" } }
"#;

/// Results come through the same door, by either method that MDSS can be told to use, and past the same checks.
#[test]
fn l4_a_result_passes_the_checks_of_its_source_or_goes_no_further() {
    let (sources, draft) = draft(RESULTS);
    assert_eq!(draft.mistakes, []);
    let right: &[(&str, &[u8])] = &[("authorization", b"Bearer t0ken")];
    let wrong: &[(&str, &[u8])] = &[("authorization", b"Bearer t0kem")];
    let secret = "/results/0123456789abcdef";
    for (method, target, headers, want) in [
        ("POST", secret, right, "mdss: entered"),
        ("PUT", secret, right, "mdss: entered"),
        ("PUT", secret, wrong, "mdss: bearer"),
        ("POST", secret, &[], "mdss: bearer"),
        ("POST", "/results", right, "mdss: path_secret"),
        ("POST", "/results/0123456789abcdee", right, "mdss: path_secret"),
        ("GET", secret, right, "mdss: method"),
        ("DELETE", secret, right, "mdss: method"),
        ("OPTIONS", secret, right, "mdss: method"),
        ("HEAD", secret, right, "mdss: present"),
        // Nobody else may PUT.
        ("PUT", "/open", right, "open: method"),
    ] {
        assert_eq!(enter(&sources, method, target, headers, Some(b"{}")), want, "{method} {target}");
    }
    let takes: Vec<_> = sources.iter().map(|source| source.takes).collect();
    assert_eq!(takes, [Takes::Events, Takes::Results]);
}

#[test]
fn a_check_that_mdss_cannot_pass_is_a_mistake() {
    let sns = "auth = { sns = { topics = ['arn:aws:sns:eu-central-1:111122223333:claims'] } }";
    let (_, draft) = draft(&format!("[[results]]\nname = 'm'\npath = '/r'\n{sns}\n"));
    let mistakes: Vec<String> = draft.mistakes.iter().map(ToString::to_string).collect();
    assert!(
        mistakes.contains(&"results[0].auth.sns: expected a check that MDSS can pass, such as bearer or path_secret: it signs nothing".to_owned()),
        "{mistakes:?}"
    );
}
