mod jwt;
mod vectors;

use super::*;
use crate::head::Head;
use crate::keys::Keys;
use crate::testing::{Signer, now};
use crate::verdict::Verdict;

const PATH_TOKEN: &str = "0123456789abcdef";

fn files(path: &str) -> Result<String, String> {
    match path {
        "/token" => Ok("t0ken\r\n".to_owned()),
        "/empty" => Ok("\n".to_owned()),
        "/long" => Ok("0123456789abcdef\n".to_owned()),
        "/longer" => Ok("fedcba9876543210\n".to_owned()),
        "/pem" => Ok(Signer::one().plain_certificate()),
        "/expired" => Ok(Signer::one().certificate("example", &[], 2025)),
        "/two-lines" => Ok("0123456789abcdef\nfedcba9876543210\n".to_owned()),
        "/mark" => Ok("\u{feff}0123456789abcdef\n".to_owned()),
        "/blank" => Ok("                    \n".to_owned()),
        "/zeros" => Ok("\0".repeat(16)),
        "/jwks" => {
            Ok(serde_json::json!({ "keys": [drive::TokenSigner::one().rsa_key("k")] }).to_string() + "\n")
        }
        "/spaces" => Ok("0123456789abcdef \n".to_owned()),
        "/words" => Ok("Bearer 0123456789abcdef\n".to_owned()),
        _ => Err("no such file".to_owned()),
    }
}

fn parse(text: &str) -> Result<Policy, Vec<String>> {
    Policy::parse_text(text, "auth", &mut files)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

fn mistakes(text: &str) -> Vec<String> {
    parse(text).map(|policy| format!("{policy:?}")).unwrap_err()
}

fn admits(policy: &Policy, authorization: &str, rest: Option<&str>) -> bool {
    let headers = [("Authorization", authorization.as_bytes())];
    let head = Head { method: "POST", path: "/", path_rest: rest, headers: &headers, client: None };
    matches!(policy.check_head(&head, now(), &Keys::new()), Verdict::Admitted(_))
}

#[test]
fn every_form_is_read() {
    assert!(parse("none").unwrap().is_none());
    assert!(parse("\"none\"").unwrap().is_none());
    assert!(admits(&parse("{ bearer = { token = 'abc' } }").unwrap(), "Bearer abc", None));
    // The newline at the end of a file is no part of the token.
    assert!(admits(&parse("{ bearer = { token_file = '/token' } }").unwrap(), "Bearer t0ken", None));
    let basic = parse("{ basic = { user = 'u', password_file = '/token' } }").unwrap();
    assert!(admits(&basic, "Basic dTp0MGtlbg==", None));
    assert!(admits(&parse("{ basic = { user = 'u', password = 'p' } }").unwrap(), "Basic dTpw", None));
    let path = parse("{ path_secret = { secret = '0123456789abcdef' } }").unwrap();
    assert!(path.has_path_secret() && admits(&path, "", Some("/0123456789abcdef")));
}

#[test]
fn several_members_are_several_checks() {
    let text = format!("{{ bearer = {{ token = 'abc' }}, path_secret = {{ secret = '{PATH_TOKEN}' }} }}");
    let policy = parse(&text).unwrap();
    let path = format!("/{PATH_TOKEN}");
    assert!(admits(&policy, "Bearer abc", Some(&path)));
    assert!(!admits(&policy, "Bearer abc", None));
    assert!(!admits(&policy, "Bearer x", Some(&path)));
}

#[test]
fn a_table_in_a_file_reads_like_the_variable() {
    let settings: Table = "[source.auth.bearer]\ntoken = 'abc'".parse().unwrap();
    let policy = Policy::parse(&settings["source"]["auth"], "source[0].auth", &mut files).unwrap();
    assert!(admits(&policy, "Bearer abc", None));
}

#[test]
fn mistakes_name_the_place_and_what_was_expected() {
    let expected = "expected \"none\", or a table with one or more of source_addresses, path_secret, shared_secret, \
                    bearer, basic, jwt, hmac, jdcloud_signature, alibaba_eventbridge, alibaba_mns, huawei_smn, sns";
    for (text, sentence) in [
        ("'s3cret'", format!("auth: found \"a text\", {expected}")),
        ("s3cret", format!("auth: found \"a text that is not a TOML value\", {expected}")),
        ("'None'", format!("auth: found \"a text\", {expected}")),
        ("{}", format!("auth: found \"an empty table\", {expected}")),
        ("[]", format!("auth: found \"a list\", {expected}")),
        ("7", format!("auth: found \"a number\", {expected}")),
        (
            "{ barer = { token = 's3cret' } }",
            format!("auth.barer: found \"barer\", expected one of {}; is bearer meant?", KNOWN.join(", ")),
        ),
        (
            "{ bearer = 's3cret' }",
            "auth.bearer: found \"a text\", expected a table with token, token_file".to_owned(),
        ),
        ("{ bearer = {} }", "auth.bearer: found \"neither\", expected either token or token_file".to_owned()),
        (
            "{ bearer = { token = 's3cret', token_file = '/token' } }",
            "auth.bearer: found \"both\", expected either token or token_file".to_owned(),
        ),
        ("{ bearer = { token = '' } }", "auth.bearer.token: expected a text that is not empty".to_owned()),
        ("{ bearer = { token = 7 } }", "auth.bearer.token: found \"a number\", expected a text".to_owned()),
        (
            "{ bearer = { token_file = '/empty' } }",
            "auth.bearer.token_file: expected a text that is not empty".to_owned(),
        ),
        (
            "{ bearer = { token_file = '/two-lines' } }",
            "auth.bearer.token_file: expected a single line".to_owned(),
        ),
        (
            "{ bearer = { tokn = 's3cret', token = 'abc' } }",
            "auth.bearer.tokn: found \"tokn\", expected one of token, token_file; is token meant?".to_owned(),
        ),
        (
            "{ bearer = { token_file = '/none' } }",
            "auth.bearer.token_file: found \"/none\", expected the path of a file that can be read (no such \
             file)"
                .to_owned(),
        ),
        (
            "{ bearer = { token_file = 's3cret' } }",
            "auth.bearer.token_file: expected the path of a file that can be read (no such file)".to_owned(),
        ),
        (
            "{ path_secret = { secret = 's3cret' } }",
            "auth.path_secret.secret: expected at least 16 characters, of letters, digits and - . _ ~ only"
                .to_owned(),
        ),
        (
            "{ basic = { user = 'a:b', password = 's3cret' } }",
            "auth.basic.user: found \"a:b\", expected a name that is not empty and has no colon and no control \
             character"
                .to_owned(),
        ),
        (
            "{ basic = { user = 'u', password = '' } }",
            "auth.basic.password: expected a text that is not empty".to_owned(),
        ),
        (
            "{ basic = { user = 'u', password_file = '/empty' } }",
            "auth.basic.password_file: expected a text that is not empty".to_owned(),
        ),
        (
            "{ basic = { user = 'u', password = 's3cret' }, bearer = { token = 's3cret' } }",
            "auth: expected either bearer or basic: a request has one header of a name, which cannot satisfy more than \
             one of them"
                .to_owned(),
        ),
    ] {
        assert_eq!(mistakes(text), [sentence], "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once_and_none_shows_a_secret() {
    let found = mistakes(
        "{ basic = { user = '', pass = 's3cret' }, zns = { topic = 's3cret' }, bearer = { token = 's3cret\\n', \
         tokenfile = 's3cret' }, path_secret = 's3cret' }"
            .replace('\'', "\"")
            .as_str(),
    );
    let places: Vec<_> = found.iter().map(|mistake| mistake.split(": ").next().unwrap_or_default()).collect();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "auth",
            "auth.basic",
            "auth.basic.pass",
            "auth.basic.user",
            "auth.bearer.token",
            "auth.bearer.tokenfile",
            "auth.path_secret",
            "auth.zns"
        ]
    );
    assert!(!found.join("\n").contains("s3cret"), "{found:#?}");
}

#[test]
fn every_form_of_the_newer_checks_is_read() {
    for text in [
        "{ shared_secret = { header = 'X-Key', secret = '0123456789abcdef' } }",
        "{ shared_secret = { query = 'code', secret_file = '/long' } }",
        "{ source_addresses = ['192.0.2.0/24', '2001:db8::/32', '10.1.2.3'] }",
        "{ hmac = { header = 'X-Signature', secret = '0123456789abcdef' } }",
        "{ hmac = { header = 'X-Signature', secret_file = '/long', encoding = 'hex', prefix = 'sha256=' } }",
        "{ hmac = { header = 'X-Signature', secrets = ['0123456789abcdef', 'fedcba9876543210'] } }",
        "{ hmac = { header = 'X-Signature', secret_files = ['/long', '/longer'], encoding = 'base64' } }",
        "{ hmac = { header = 'X-Relay-Signature', prefix = 'v1=', timed = true, secret_file = '/long' } }",
        "{ hmac = { header = 'X', timed = true, date_window = '1m', secret_files = ['/long', '/longer'] } }",
        "{ hmac = { header = 'X', timed = false, secret_file = '/long' } }",
        "{ jdcloud_signature = { certificate_file = '/pem' } }",
        "{ jdcloud_signature = { certificate_file = '/pem', content_md5 = 'optional', date_window = '1h 30m' } }",
        "{ jdcloud_signature = { certificate_urls = ['https://a.example/b.pem'] } }",
        "{ jdcloud_signature = { certificate_urls = ['http://a.example/b.pem'], allow_http = true } }",
        "{ jdcloud_signature = { certificate_urls = ['https://a.example/b.pem'], allow_http = false } }",
        "{ sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:topic'] } }",
        "{ sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:topic.fifo'], date_window = '24h' } }",
        "{ sns = { topics = ['arn:aws-iso:sns:us-iso-east-1:123456789012:t'], certificate_file = '/pem' } }",
        // Different headers, so all of them can be satisfied.
        "{ hmac = { header = 'X-A', secret_file = '/long' }, shared_secret = { header = 'X-B', secret_file = '/long' }, \
           bearer = { token = 't' }, source_addresses = ['::1'] }",
    ] {
        assert!(parse(text).is_ok(), "{text} {:?}", parse(text));
    }
}

#[test]
fn mistakes_in_the_newer_checks() {
    for (text, sentence) in [
        (
            "{ shared_secret = { secret_file = '/long' } }",
            "auth.shared_secret: found \"neither\", expected either header or query",
        ),
        (
            "{ shared_secret = { header = 'X', query = 'c', secret_file = '/long' } }",
            "auth.shared_secret: found \"both\", expected either header or query",
        ),
        (
            "{ shared_secret = { header = 'X Y', secret_file = '/long' } }",
            "auth.shared_secret.header: found \"X Y\", expected a header's name, such as X-Signature",
        ),
        (
            "{ shared_secret = { query = 'a&b', secret_file = '/long' } }",
            "auth.shared_secret.query: found \"a&b\", expected a parameter's name, of letters, digits and - . _ ~ only",
        ),
        (
            "{ shared_secret = { query = 'code', secret_file = '/token' } }",
            "auth.shared_secret.secret_file: expected at least 16 characters, printable ASCII without spaces",
        ),
        (
            "{ source_addresses = [] }",
            "auth.source_addresses: found \"an empty list\", expected a list of 1 to 64 texts",
        ),
        (
            "{ source_addresses = '10.0.0.1' }",
            "auth.source_addresses: found \"a text\", expected a list of 1 to 64 texts",
        ),
        (
            "{ source_addresses = ['10.1.2.3', '10.1.2.3/8'] }",
            "auth.source_addresses[1]: found \"10.1.2.3/8\", expected a network without bits beyond its prefix, such as \
             192.0.2.0/24",
        ),
        ("{ source_addresses = [7] }", "auth.source_addresses[0]: found \"a number\", expected a text"),
        (
            "{ hmac = { secret_file = '/long' } }",
            "auth.hmac.header: found \"nothing\", expected a header's name, such as X-Signature",
        ),
        (
            "{ hmac = { header = 'X' } }",
            "auth.hmac: found \"none of them\", expected either secret or secret_file or secrets or secret_files",
        ),
        (
            "{ hmac = { header = 'X', secret = 's3cret', secrets = ['s3cret'] } }",
            "auth.hmac: found \"secret and secrets\", expected either secret or secret_file or secrets or secret_files",
        ),
        ("{ hmac = { header = 'X', secret = 's3cret' } }", "auth.hmac.secret: expected at least 16 bytes"),
        (
            "{ hmac = { header = 'X', secrets = ['0123456789abcdef', 's3cret'] } }",
            "auth.hmac.secrets[1]: expected at least 16 bytes",
        ),
        (
            "{ hmac = { header = 'X', secret_files = ['/long', '/none'] } }",
            "auth.hmac.secret_files[1]: found \"/none\", expected the path of a file that can be read (no such file)",
        ),
        (
            "{ hmac = { header = 'X', secret_files = ['/long', 's3cret'] } }",
            "auth.hmac.secret_files[1]: expected the path of a file that can be read (no such file)",
        ),
        (
            "{ hmac = { header = 'X', secret_files = ['/long','/long','/long','/long','/long','/long','/long','/long','/long'] } }",
            "auth.hmac.secret_files: expected at most 8 secrets",
        ),
        (
            "{ hmac = { header = 'X', secret_file = '/long', encoding = 'HEX' } }",
            "auth.hmac.encoding: found \"HEX\", expected \"hex\" or \"base64\"",
        ),
        (
            "{ hmac = { header = 'X', secret_file = '/long', prefix = 'a,b' } }",
            "auth.hmac.prefix: expected printable ASCII characters without spaces and commas",
        ),
        (
            "{ hmac = { header = 'X', secret_file = '/long', timed = 'yes' } }",
            "auth.hmac.timed: found \"a text\", expected true or false",
        ),
        (
            "{ hmac = { header = 'X', secret_file = '/long', date_window = '5m' } }",
            "auth.hmac.date_window: expected nothing: only beside timed = true the signature covers a time",
        ),
        (
            "{ hmac = { header = 'X', secret_file = '/long', timed = true, date_window = '30s' } }",
            "auth.hmac.date_window: found \"30s\", expected a duration from 1m to 24h with its unit, such as 15m",
        ),
        (
            "{ jdcloud_signature = {} }",
            "auth.jdcloud_signature: found \"none of them\", expected either certificate_file or certificate or \
             certificate_urls",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem', certificate_urls = ['https://a.example/'] } }",
            "auth.jdcloud_signature: found \"certificate_file and certificate_urls\", expected either certificate_file or \
             certificate or certificate_urls",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/long' } }",
            "auth.jdcloud_signature.certificate_file: expected a certificate or a public key in PEM",
        ),
        (
            "{ jdcloud_signature = { certificate_urls = ['http://a.example/'] } }",
            "auth.jdcloud_signature.certificate_urls[0]: expected a URL that begins with https:// (http:// only beside \
             allow_http = true)",
        ),
        (
            "{ jdcloud_signature = { certificate_urls = ['https://u:s3cret@a.example/'] } }",
            "auth.jdcloud_signature.certificate_urls[0]: expected a URL of a host and a path, without user, password, \
             fragment and spaces",
        ),
        (
            "{ jdcloud_signature = { certificate_urls = ['https://a/','https://a/','https://a/','https://a/','https://a/','https://a/','https://a/','https://a/','https://a/'] } }",
            "auth.jdcloud_signature.certificate_urls: expected at most 8 URLs",
        ),
        (
            "{ jdcloud_signature = { certificate_urls = ['https://a.example/'], allow_http = 'yes' } }",
            "auth.jdcloud_signature.allow_http: found \"a text\", expected true or false",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem', allow_http = true } }",
            "auth.jdcloud_signature.allow_http: expected nothing: only certificate_urls are fetched",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem', content_md5 = 'none' } }",
            "auth.jdcloud_signature.content_md5: found \"none\", expected \"required\" or \"optional\"",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem', date_window = '15' } }",
            "auth.jdcloud_signature.date_window: found \"15\", expected a duration from 1m to 24h with its unit, such as \
             15m",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem', date_window = '25h' } }",
            "auth.jdcloud_signature.date_window: found \"25h\", expected a duration from 1m to 24h with its unit, such as \
             15m",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem', date_window = '-15m' } }",
            "auth.jdcloud_signature.date_window: found \"-15m\", expected a duration from 1m to 24h with its unit, such as \
             15m",
        ),
        (
            "{ sns = {} }",
            "auth.sns.topics: found \"nothing\", expected a list of topics' ARNs: SNS signs for every AWS customer",
        ),
        (
            "{ sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:*'] } }",
            "auth.sns.topics[0]: found \"arn:aws:sns:eu-central-1:123456789012:*\", expected a topic's ARN, such as \
             arn:aws:sns:eu-central-1:123456789012:topic",
        ),
        (
            "{ sns = { topics = ['arn:aws-iso:sns:us-iso-east-1:123456789012:t'] } }",
            "auth.sns.topics[0]: found \"arn:aws-iso:sns:us-iso-east-1:123456789012:t\", expected a topic of the partition \
             aws, aws-cn or aws-us-gov (others need certificate_file)",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem' }, bearer = { token = 't' } }",
            "auth: expected either bearer or jdcloud_signature: a request has one header of a name, which cannot satisfy \
             more than one of them",
        ),
        (
            "{ jdcloud_signature = { certificate_file = '/pem' }, basic = { user = 'u', password = 'p' } }",
            "auth: expected either basic or jdcloud_signature: a request has one header of a name, which cannot satisfy \
             more than one of them",
        ),
        (
            "{ hmac = { header = 'X-Key', secret_file = '/long' }, shared_secret = { header = 'x-key', secret_file = \
              '/long' } }",
            "auth: expected either shared_secret or hmac: a request has one header of a name, which cannot satisfy more \
             than one of them",
        ),
        (
            "{ hmac = { header = 'AUTHORIZATION', secret_file = '/long' }, bearer = { token = 't' } }",
            "auth: expected either bearer or hmac: a request has one header of a name, which cannot satisfy more than one \
             of them",
        ),
    ] {
        let found = mistakes(text);
        assert_eq!(found, [sentence], "{text}");
        assert!(!found.join("").contains("s3cret"), "{text}");
    }
}

/// One reader for all secret files: what one check refuses at the start no other one takes, to refuse everybody afterwards.
#[test]
fn a_file_that_is_no_secret_is_a_mistake_for_every_check() {
    for (file, expected) in [
        ("/empty", "a text that is not empty"),
        ("/blank", "a text that is not empty"),
        ("/mark", "a text without a byte order mark before it"),
        ("/two-lines", "a single line"),
        ("/zeros", "a text without control characters"),
        ("/spaces", "a text without spaces at its ends"),
    ] {
        for (check, member) in [
            ("bearer = { token_file = 'FILE' }", "bearer.token_file"),
            ("basic = { user = 'u', password_file = 'FILE' }", "basic.password_file"),
            ("path_secret = { secret_file = 'FILE' }", "path_secret.secret_file"),
            ("shared_secret = { header = 'X', secret_file = 'FILE' }", "shared_secret.secret_file"),
            ("hmac = { header = 'X', secret_file = 'FILE' }", "hmac.secret_file"),
            ("hmac = { header = 'X', secret_files = ['/long', 'FILE'] }", "hmac.secret_files[1]"),
        ] {
            let text = format!("{{ {} }}", check.replace("FILE", file));
            assert_eq!(mistakes(&text), [format!("auth.{member}: expected {expected}")], "{text}");
        }
    }
}

#[test]
fn what_can_be_guessed_or_proves_too_little_is_a_warning() {
    const SHORT: &str = ": fewer than 16 characters can be guessed";
    const SPACE: &str = ": the secret holds a space, which counts like every other character";
    for (text, expected) in [
        ("{ bearer = { token_file = '/long' } }", None),
        ("{ bearer = { token_file = '/token' } }", Some(format!("auth.bearer.token_file{SHORT}"))),
        (
            "{ bearer = { token_file = '/words' } }",
            Some(
                "auth.bearer.token_file: the token holds a space, so it has to be the whole Authorization header, the word \
                 Bearer included"
                    .to_owned(),
            ),
        ),
        ("{ basic = { user = 'u', password_file = '/long' } }", None),
        (
            "{ basic = { user = 'u', password = 'eight words of a password in one line' } }",
            Some(format!("auth.basic.password{SPACE}")),
        ),
        (
            "{ hmac = { header = 'X', encoding = 'hex', secrets = ['0123456789abcdef fedcba9876543210'] } }",
            Some(format!("auth.hmac.secrets[0]{SPACE}")),
        ),
        ("{ basic = { user = 'u', password = 'p' } }", Some(format!("auth.basic.password{SHORT}"))),
        ("{ jdcloud_signature = { certificate_urls = ['https://a.example/'] }, source_addresses = ['::1'] }", None),
        (
            "{ jdcloud_signature = { certificate_urls = ['https://a.example/'] }, path_secret = { secret_file = '/long' } }",
            None,
        ),
    ] {
        assert_eq!(parse(text).unwrap().warnings(now()), Vec::from_iter(expected), "{text}");
    }
    assert_eq!(Policy::bearer("RELAY_TOKEN", "t").unwrap().warnings(now()), [format!("RELAY_TOKEN{SHORT}")]);
}

/// What is wrong is never a check that is left out.
#[test]
fn a_policy_has_all_the_checks_that_are_written() {
    let text = "{ sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:t'] }, jdcloud_signature = { certificate_file = \
                '/pem' }, hmac = { header = 'X-A', secret_file = '/long' }, shared_secret = { header = 'X-B', secret_file \
                = '/long' }, path_secret = { secret_file = '/long' }, source_addresses = ['::1'] }";
    let policy = parse(text).unwrap();
    let shown = format!("{policy:?}");
    let mut at = 0;
    for check in ["SourceAddresses", "PathSecret", "SharedSecret", "Hmac", "HeaderSignature", "Sns"] {
        at += shown[at..]
            .find(&format!("({check} {{"))
            .or_else(|| shown[at..].find(&format!("({check}(")))
            .unwrap_or_else(|| panic!("{check} in {shown}"));
    }
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
    assert_eq!(
        policy.warnings(now()),
        ["auth.jdcloud_signature.certificate_file: the key has 1024 bits, fewer than 2048"]
    );
}

#[test]
fn warnings_name_the_place() {
    let text = "{ jdcloud_signature = { certificate_urls = ['http://a.example/b?s3cret', 'https://a.example/'], allow_http \
                = true, content_md5 = 'optional' } }";
    assert_eq!(
        parse(text).unwrap().warnings(now()),
        [
            "auth.jdcloud_signature: stands alone, and JD Cloud signs for all of its customers: any of them can have a \
             callback sent here; put path_secret or source_addresses beside it",
            "auth.jdcloud_signature: http://a.example/b?... is fetched over plain HTTP, where anybody on the way can \
             exchange it",
            "auth.jdcloud_signature: content_md5 is optional, so a body can be exchanged and a request be repeated"
        ]
    );
    let text =
        "{ sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:t'], certificate_file = '/expired' } }";
    assert_eq!(
        parse(text).unwrap().warnings(now()),
        [
            "auth.sns.certificate_file: the key has 1024 bits, fewer than 2048",
            "auth.sns.certificate_file: the certificate has expired (2025-12-31T00:00:00Z)"
        ]
    );
}
