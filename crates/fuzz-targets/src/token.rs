//! Tokens: whatever is posted as one, nobody is let in without one that was signed, whoever's keys are at hand.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use mdss_relay_gate::{Head, Keys, Policy, Verdict};

use crate::gate::file;
use crate::head;

/// The issuers that are tried. The keys of the first ones are pinned.
const PINNED: [&str; 3] = [
    "{ jwt = { issuer = 'google', audience = 'https://relay.example/gcs', email = 'push@demo.iam.gserviceaccount.com', jwks_file = '/jwks' } }",
    "{ jwt = { issuer = 'entra', tenant = '72f988bf-0000-41af-91ab-2d7cd011db47', audience = 'api://relay', jwks_file = '/jwks' } }",
    "{ jwt = { issuer_url = 'https://issuer.example', jwks_file = '/jwks', audience = 'relay', claims = { sub = 'poster', groups = ['relay'] } } }",
];
const FETCHED: &str = "{ jwt = { issuer_url = 'https://issuer.example', jwks_url = 'https://issuer.example/keys', audience = 'relay', claims = { sub = 'poster' } } }";

/// The tokens that were signed, by another program (PyJWT). The keys were thrown away.
const SIGNED: [&[u8]; 5] = [
    include_bytes!("../../../fuzz/corpus/token/google"),
    include_bytes!("../../../fuzz/corpus/token/entra-v1"),
    include_bytes!("../../../fuzz/corpus/token/entra-v2"),
    include_bytes!("../../../fuzz/corpus/token/other-rs256"),
    include_bytes!("../../../fuzz/corpus/token/other-es256"),
];

static TOKENS: LazyLock<Vec<&[u8]>> = LazyLock::new(|| {
    let token = |signed: &&'static [u8]| {
        let parts = head::split(signed).expect("it has a first line");
        let (_, value) = parts.headers.first().copied().expect("it has a token");
        value.strip_prefix(b"Bearer ").expect("it has a scheme")
    };
    SIGNED.iter().map(token).collect()
});

static POLICIES: LazyLock<(Vec<Policy>, Policy)> = LazyLock::new(|| {
    let parse = |text: &str| Policy::parse_text(text, "auth", &mut file).expect("the texts above are good");
    (PINNED.iter().map(|text| parse(text)).collect(), parse(FETCHED))
});

/// Posts a token, and says whether any issuer's check lets it in.
///
/// The first line is one of these words:
///
/// - `posted`: the headers are as they stand, and the issuers' keys are pinned.
/// - `encoded`: the body is a header, a line feed and claims, of which a token is made, with a signature of another one.
/// - `keys`: the headers are as they stand, and the body is what the issuer answers when it is asked for its keys.
pub fn token(bytes: &[u8]) -> bool {
    let Some(parts) = head::split(bytes) else { return false };
    let (pinned, fetched) = &*POLICIES;
    match parts.first {
        "encoded" => {
            let at = parts.body.iter().position(|byte| *byte == b'\n').unwrap_or(parts.body.len());
            let (header, claims) = parts.body.split_at(at);
            let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
            let text = format!("Bearer {}.{}.", encode(header), encode(claims.get(1..).unwrap_or_default()));
            let signature = TOKENS[0].rsplit(|byte| *byte == b'.').next().unwrap_or_default();
            let value = [text.as_bytes(), signature].concat();
            pinned
                .iter()
                .any(|policy| is_admitted(policy, &[("authorization", &value)], &mut Keys::new(), b""))
        }
        "keys" => {
            let admitted = is_admitted(fetched, &parts.headers, &mut Keys::new(), parts.body);
            // Whoever puts keys of his own there is the issuer; nobody can make one that fits a signature of another.
            let own = |name: &str| {
                let keys: serde_json::Value = serde_json::from_str(ISSUER_KEYS).expect("it is JSON");
                let number = keys["keys"].as_array().into_iter().flatten().find_map(|key| key[name].as_str());
                let number = number.unwrap_or_default().to_owned();
                parts.body.windows(number.len()).any(|part| part == number.as_bytes())
            };
            let escaped = parts.body.contains(&b'\\');
            assert!(!admitted || escaped || own("n") || own("x"), "let in by a key that signed nothing");
            admitted
        }
        _ => pinned.iter().any(|policy| is_admitted(policy, &parts.headers, &mut Keys::new(), b"")),
    }
}

/// What both fuzzing of tokens and of the gate pin.
pub(crate) const ISSUER_KEYS: &str = include_str!("issuer-keys.json");

fn is_admitted(policy: &Policy, headers: &[(&str, &[u8])], keys: &mut Keys, fetched: &[u8]) -> bool {
    let now = Timestamp::from_second(1_772_612_142).expect("2026 is in range");
    let head = Head { method: "POST", path: "/s", path_rest: None, headers, client: None };
    let mut verdict = policy.check_head(&head, now, keys);
    if let Verdict::NeedKey { url, .. } = &verdict {
        if keys.store(url, fetched, now).is_err() {
            let again = policy.check_head(&head, now, keys);
            assert!(matches!(again, Verdict::Unavailable(_)), "a key that cannot be had: {again:?}");
        }
        verdict = policy.check_head(&head, now, keys);
        assert!(!matches!(verdict, Verdict::NeedKey { .. }), "asked for a second time");
    }
    let Verdict::Admitted(_) = verdict else { return false };
    let bearers: Vec<_> =
        headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).collect();
    assert!(bearers.len() == 1, "let in with {} tokens", bearers.len());
    let (_, value) = bearers[0];
    let token = value.get(7..).unwrap_or_default().trim_ascii_start();
    assert!(TOKENS.contains(&token), "let in with a token that nobody has signed");
    true
}
