//! Keys that are fetched: when, how often, and what is said while they cannot be had.

use jiff::SignedDuration;

use super::*;

const GOOGLE: &str = "https://www.googleapis.com/oauth2/v3/certs";
const NOT_HELD: &str =
    "503: the token's key is not held, and the issuer's keys could not be had a moment ago";

fn fetching() -> Policy {
    policy(&format!("issuer = 'google', audience = '{AUDIENCE}', email = '{EMAIL}'"))
}

fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// A policy, what was fetched for it, and a moment.
struct Gate {
    policy: Policy,
    keys: Keys,
    url: KeyUrl,
}

impl Gate {
    fn new() -> Self {
        Self { policy: fetching(), keys: Keys::new(), url: KeyUrl::key_set(GOOGLE, false).unwrap() }
    }

    fn ask(&self, token: &str, seconds: i64) -> String {
        let value = format!("Bearer {token}");
        at_head(&self.policy, &[("authorization", value.as_bytes())], at(seconds), &self.keys)
    }

    fn store(&mut self, keys: &[Value], seconds: i64) {
        let set = json!({ "keys": keys }).to_string();
        assert_eq!(self.keys.store(&self.url, set.as_bytes(), at(seconds)), Ok(vec![]));
    }
}

/// One that holds for longer than the tests below take.
fn token(key: &str) -> String {
    google_token(
        json!({ "kid": key }),
        json!({ "iat": now().as_second(), "exp": now().as_second() + 80_000 }),
    )
}

#[test]
fn keys_are_fetched_once_and_again_for_a_new_one() {
    let needs = format!("needs {GOOGLE}");
    let mut gate = Gate::new();
    assert_eq!(gate.ask(&token(KEY), 0), needs);
    gate.store(&[TokenSigner::one().rsa_key(KEY)], 0);
    for seconds in [0, 59, 3600] {
        assert_eq!(gate.ask(&token(KEY), seconds), "admitted", "{seconds}");
    }
    // A new key: the issuer is asked again, once a minute at most.
    for (seconds, expected) in [(0, UNKNOWN_KEY), (59, UNKNOWN_KEY), (60, &needs)] {
        assert_eq!(gate.ask(&token("new"), seconds), expected, "{seconds}");
    }
    gate.store(&[TokenSigner::one().rsa_key("new")], 60);
    assert_eq!(gate.ask(&token("new"), 60), "admitted");
    // What the issuer has taken back counts no more.
    assert_eq!(gate.ask(&token(KEY), 61), UNKNOWN_KEY);
    // A wrong signature by a key that is held is no reason to fetch.
    let forged = TokenSigner::other()
        .rs256(&with(&header(), json!({ "kid": "new" })).to_string(), &google_claims().to_string());
    assert_eq!(gate.ask(&forged, 600), WRONG);
}

/// J4, J6: whoever makes up ids causes a fetch a minute, and never one from where he says.
#[test]
fn a_flood_of_ids_is_a_fetch_a_minute() {
    let mut gate = Gate::new();
    gate.store(&[TokenSigner::one().rsa_key(KEY)], 0);
    let mut fetches = 0;
    for n in 0..600 {
        let token =
            google_token(json!({ "kid": format!("id-{n}"), "jku": "https://evil.example/keys" }), json!({}));
        match &*gate.ask(&token, n / 2) {
            UNKNOWN_KEY => {}
            needs => {
                assert_eq!(needs, format!("needs {GOOGLE}"));
                fetches += 1;
                gate.store(&[TokenSigner::one().rsa_key(KEY)], n / 2);
            }
        }
    }
    assert_eq!(fetches, 4, "in five minutes, after the first");
    assert_eq!(gate.ask(&token(KEY), 300), "admitted");
}

/// J7: nobody is called a stranger because a key cannot be had.
#[test]
fn an_outage_of_the_key_server() {
    let needs = format!("needs {GOOGLE}");
    let mut gate = Gate::new();
    for (seconds, answer) in [(0, &b"<html>"[..]), (5, b""), (10, &[b' '; 70_000]), (15, br#"{"keys":[]}"#)] {
        assert_eq!(gate.ask(&token(KEY), seconds), needs);
        assert!(gate.keys.store(&gate.url, answer, at(seconds)).is_err());
        assert_eq!(gate.ask(&token(KEY), seconds), "503: its key could not be had a moment ago", "{seconds}");
    }
    // J8: of keys that cannot be used there is none, and of one that can it is not this one.
    let weak = with(&TokenSigner::one().rsa_key(KEY), json!({ "e": "Aw" }));
    assert!(gate.keys.store(&gate.url, json!({ "keys": [weak] }).to_string().as_bytes(), at(20)).is_err());
    assert_eq!(gate.ask(&token(KEY), 20), "503: its key could not be had a moment ago");
    gate.store(&[weak, TokenSigner::one().rsa_key("other")], 25);
    assert_eq!(gate.ask(&token(KEY), 25), UNKNOWN_KEY);

    // Keys that are held go on; one that is not may be a new one.
    gate.store(&[TokenSigner::one().rsa_key(KEY)], 100);
    gate.keys.failed(&gate.url, at(200));
    assert_eq!(gate.ask(&token(KEY), 201), "admitted");
    assert_eq!(gate.ask(&token("new"), 201), NOT_HELD);
    assert_eq!(gate.ask(&token("new"), 259), NOT_HELD);
    assert_eq!(gate.ask(&token("new"), 260), needs);
    // A day later they are fetched again, and go on when that fails.
    let later =
        google_token(json!({}), json!({ "iat": at(86_400).as_second(), "exp": at(90_000).as_second() }));
    assert_eq!(gate.ask(&later, 86_500), needs);
    gate.keys.failed(&gate.url, at(86_500));
    assert_eq!(gate.ask(&later, 86_500), "admitted");
}

/// A token that is wrong in any other way costs no fetch.
#[test]
fn a_key_is_fetched_last() {
    let gate = Gate::new();
    for (header, claims) in [
        (json!({ "alg": "HS256" }), json!({})),
        (json!({}), json!({ "iss": "https://evil.example" })),
        (json!({}), json!({ "aud": "https://other.example" })),
        (json!({}), json!({ "email": "x@y" })),
        (json!({}), json!({ "exp": now().as_second() - 100 })),
    ] {
        let found = gate.ask(&google_token(header.clone(), claims.clone()), 0);
        assert!(found.starts_with("the token"), "{header} {claims}: {found}");
    }
    // And another check that refuses comes before it, although it stands behind it.
    let both = Policy::parse_text(
        &format!(
            "{{ jwt = {{ issuer = 'google', audience = '{AUDIENCE}', email = '{EMAIL}' }}, \
             shared_secret = {{ header = 'X-Key', secret = '0123456789abcdef' }} }}"
        ),
        "auth",
        &mut |_| Err("no such file".to_owned()),
    )
    .unwrap();
    let value = format!("Bearer {}", token(KEY));
    let head = Head {
        method: "POST",
        path: "/s",
        path_rest: None,
        headers: &[("authorization", value.as_bytes())],
        client: None,
    };
    let verdict = both.check_head(&head, now(), &Keys::new());
    assert!(matches!(verdict, Verdict::Refused(Refusal { check: "shared_secret", .. })), "{verdict:?}");
}

/// J14: each issuer's keys are its own.
#[test]
fn the_key_of_another_issuer_is_an_unknown_one() {
    let other = policy(
        "issuer_url = 'https://issuer.example', jwks_url = 'https://issuer.example/keys', audience = 'relay', claims = { sub = 'x' }",
    );
    let mut gate = Gate::new();
    let url = KeyUrl::key_set("https://issuer.example/keys", false).unwrap();
    let set = |signer: &TokenSigner, id| json!({ "keys": [signer.rsa_key(id)] }).to_string();
    gate.store(&[TokenSigner::one().rsa_key(KEY)], 0);
    assert!(gate.keys.store(&url, set(TokenSigner::other(), "theirs").as_bytes(), at(0)).is_ok());
    let forged = |id: &str| {
        TokenSigner::other()
            .rs256(&with(&header(), json!({ "kid": id })).to_string(), &google_claims().to_string())
    };
    assert_eq!(gate.ask(&forged("theirs"), 1), UNKNOWN_KEY);
    assert_eq!(gate.ask(&forged(KEY), 1), WRONG);
    // And the other issuer's own token is for its own source alone.
    let now = now().as_second();
    let theirs =
        json!({ "iss": "https://issuer.example", "aud": "relay", "sub": "x", "iat": now, "exp": now + 60 });
    let theirs = TokenSigner::other()
        .rs256(&json!({ "alg": "RS256", "kid": "theirs" }).to_string(), &theirs.to_string());
    assert_eq!(gate.ask(&theirs, 1), "the token is another issuer's");
    let value = format!("Bearer {theirs}");
    assert_eq!(at_head(&other, &[("authorization", value.as_bytes())], at(1), &gate.keys), "admitted");
}
