mod entra;
mod google;
mod other;
mod outage;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drive::TokenSigner;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::policy::Policy;
use crate::testing::now;
use crate::verdict::{Admission, Refusal, Status, Verdict};

const KEY: &str = "7d680d8c";
const AUDIENCE: &str = "https://relay.example/gcs";
const EMAIL: &str = "relay-push@demo.iam.gserviceaccount.com";

/// What came of a request, in words.
fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Admitted(Admission { replay: None }) => "admitted".to_owned(),
        Verdict::Refused(Refusal { check: "jwt", status: Status::Unauthorized, why, .. }) => why.to_owned(),
        Verdict::Refused(Refusal { check: "jwt", status: Status::Forbidden, why, .. }) => {
            format!("403: {why}")
        }
        Verdict::NeedKey { url, .. } => format!("needs {url}"),
        Verdict::Unavailable(unavailable) => format!("503: {}", unavailable.why),
        other => panic!("{other:?}"),
    }
}

fn at_head(policy: &Policy, headers: &[(&str, &[u8])], now: Timestamp, keys: &Keys) -> String {
    let head = Head { method: "POST", path: "/s", path_rest: None, headers, client: None };
    word(policy.check_head(&head, now, keys))
}

/// A token posted now, where nothing was fetched.
fn posted(policy: &Policy, token: &[u8]) -> String {
    let value = [b"Bearer ", token].concat();
    at_head(policy, &[("authorization", &value)], now(), &Keys::new())
}

/// Both signers' keys, RSA and P-256.
fn key_set() -> String {
    let (one, other) = (TokenSigner::one(), TokenSigner::other());
    let keys =
        [one.rsa_key(KEY), one.curve_key("curve"), other.rsa_key("other"), other.curve_key("other-curve")];
    json!({ "keys": keys }).to_string()
}

fn policy(auth: &str) -> Policy {
    let mut read = |path: &str| match path {
        "/jwks" => Ok(key_set()),
        _ => Err("no such file".to_owned()),
    };
    Policy::parse_text(&format!("{{ jwt = {{ {auth} }} }}"), "auth", &mut read).unwrap()
}

/// Google's tokens, with pinned keys.
fn google() -> Policy {
    policy(&format!("issuer = 'google', audience = '{AUDIENCE}', email = '{EMAIL}', jwks_file = '/jwks'"))
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": KEY, "typ": "JWT" })
}

/// As in the sample of <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>, with other values.
fn google_claims() -> Value {
    let now = now().as_second();
    json!({ "aud": AUDIENCE, "azp": "113774264463038321964", "email": EMAIL, "email_verified": true,
        "exp": now + 3000, "iat": now - 600, "iss": "https://accounts.google.com", "sub": "113774264463038321964" })
}

/// An object with some members exchanged; null takes one away.
fn with(object: &Value, changes: Value) -> Value {
    let mut object = object.clone();
    let Value::Object(changes) = changes else { panic!("an object") };
    object.as_object_mut().unwrap().extend(changes);
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

fn signed(header: &Value, claims: &Value) -> String {
    TokenSigner::one().rs256(&header.to_string(), &claims.to_string())
}

fn google_token(header_changes: Value, claim_changes: Value) -> String {
    signed(&with(&header(), header_changes), &with(&google_claims(), claim_changes))
}

const NO_ALG: &str = "the token's alg is none that is read";
const NO_PARTS: &str = "the token has not three parts";
const NO_BASE64: &str = "a part of the token is not base64url";
const NO_HEADER: &str = "the token's header is no JSON object, or a member stands in it twice";
const NO_CLAIMS: &str = "the token's claims are no JSON object, or one of them stands there twice";
const NO_KEY_ID: &str = "the token's kid is no id of a key";
const UNKNOWN_KEY: &str = "the token's key is not one of its issuer's";
const WRONG: &str = "the token's signature is wrong";
const NO_BEARER: &str = "the Authorization header holds no bearer token";
const NO_DATE: &str = "one of the token's dates is none";

#[test]
fn a_token_as_google_makes_it_is_admitted() {
    let token = google_token(json!({}), json!({}));
    assert_eq!(posted(&google(), token.as_bytes()), "admitted");
    for scheme in ["Bearer ", "bearer ", "BEARER   "] {
        let value = format!("{scheme}{token}");
        let found = at_head(&google(), &[("Authorization", value.as_bytes())], now(), &Keys::new());
        assert_eq!(found, "admitted", "{scheme}");
    }
    // With and without a name for its kind, and under the issuer's other name.
    for (header, claims) in [
        (json!({ "typ": null }), json!({})),
        (json!({ "typ": "jwt" }), json!({})),
        (json!({ "x5t": "AAAA" }), json!({})),
        (json!({}), json!({ "iss": "accounts.google.com" })),
        (json!({}), json!({ "aud": [AUDIENCE] })),
        (json!({}), json!({ "nbf": now().as_second() })),
    ] {
        let token = google_token(header.clone(), claims.clone());
        assert_eq!(posted(&google(), token.as_bytes()), "admitted", "{header} {claims}");
    }
    // It is proven by its head, and not remembered.
    assert!(google().is_proven_by_head());
}

/// J1 to J5, J9, J13, J15, J16: tokens in another form than Google's.
#[test]
fn attacks_on_the_form() {
    let good = google_token(json!({}), json!({}));
    let (text, signature) = good.rsplit_once('.').unwrap();
    let (first, claims) = text.split_once('.').unwrap();
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let modulus = TokenSigner::one().rsa_key(KEY)["n"].as_str().unwrap().to_owned();
    // As whoever takes the public key for a shared secret would verify it.
    let hs256 = |secret: &[u8]| {
        let text = format!("{}.{claims}", encoded(&with(&header(), json!({ "alg": "HS256" })).to_string()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let tag = ring::hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let header_of = |changes: Value| google_token(changes, json!({}));
    let claims_of = |claims: &str| TokenSigner::one().rs256(&header().to_string(), claims);
    let attacker = TokenSigner::other().rsa_key(KEY);
    // Signed by him, whatever the header then says.
    let forged = |changes: Value| {
        TokenSigner::other().rs256(&with(&header(), changes).to_string(), &google_claims().to_string())
    };
    let last = |text: &str| text[..text.len() - 1].to_owned();
    // The last letter of 256 bytes has four bits that say nothing; zero in all of them is the one spelling.
    let odd_last =
        format!("{}{}", last(signature), char::from(signature.as_bytes()[signature.len() - 1] + 1));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    let doubled = |member: &str| google_claims().to_string().replacen('{', &format!("{{{member},"), 1);
    let respelled = google_claims().to_string().replace(",\"", ", \"");
    for (number, what, token, expected) in [
        (
            "J1",
            "alg none, no signature",
            format!("{}.{claims}.", encoded(r#"{"alg":"none"}"#)),
            "a part of the token is empty",
        ),
        ("J1", "alg none, two parts", format!("{}.{claims}", encoded(r#"{"alg":"none"}"#)), NO_PARTS),
        ("J1", "alg none, somebody's signature", header_of(json!({ "alg": "none" })), NO_ALG),
        ("J1", "a good header, no signature", format!("{text}."), "a part of the token is empty"),
        ("J2", "HS256, the modulus in base64 as the secret", hs256(modulus.as_bytes()), NO_ALG),
        ("J2", "HS256, the modulus as the secret", hs256(&URL_SAFE_NO_PAD.decode(&modulus).unwrap()), NO_ALG),
        ("J2", "HS256, the key set as the secret", hs256(key_set().as_bytes()), NO_ALG),
        ("J3", "RS512", header_of(json!({ "alg": "RS512" })), NO_ALG),
        ("J3", "PS256", header_of(json!({ "alg": "PS256" })), NO_ALG),
        ("J3", "rs256", header_of(json!({ "alg": "rs256" })), NO_ALG),
        ("J3", "no alg", header_of(json!({ "alg": null })), NO_ALG),
        ("J3", "a list of alg", header_of(json!({ "alg": ["RS256"] })), NO_ALG),
        (
            "J3",
            "ES256, signed so",
            TokenSigner::one().es256(
                &with(&header(), json!({ "alg": "ES256", "kid": "curve" })).to_string(),
                &google_claims().to_string(),
            ),
            "the token's alg is not one of its issuer's",
        ),
        ("J4", "a key of his in the header", forged(json!({ "jwk": attacker })), WRONG),
        ("J4", "and under an id of his", forged(json!({ "jwk": attacker, "kid": "his" })), UNKNOWN_KEY),
        (
            "J4",
            "a URL of his keys",
            forged(json!({ "jku": "https://evil.example/jwks", "kid": "his" })),
            UNKNOWN_KEY,
        ),
        ("J4", "a URL of his certificate", forged(json!({ "x5u": "https://evil.example/x.pem" })), WRONG),
        ("J4", "a certificate", forged(json!({ "x5c": ["AAAA"] })), WRONG),
        ("J5", "a path as kid", header_of(json!({ "kid": "../../x" })), UNKNOWN_KEY),
        (
            "J5",
            "a kid of 10 kB",
            header_of(json!({ "kid": "k".repeat(10_000) })),
            "the token's header is longer than 1 KiB",
        ),
        ("J5", "a kid of 129 bytes", header_of(json!({ "kid": "k".repeat(129) })), NO_KEY_ID),
        ("J5", "line ends in kid", header_of(json!({ "kid": "a\r\nb" })), NO_KEY_ID),
        ("J5", "a space in kid", header_of(json!({ "kid": "a b" })), NO_KEY_ID),
        ("J5", "an empty kid", header_of(json!({ "kid": "" })), NO_KEY_ID),
        ("J5", "a number as kid", header_of(json!({ "kid": 7 })), NO_KEY_ID),
        ("J5", "no kid", header_of(json!({ "kid": null })), NO_KEY_ID),
        ("J5", "the key of P-256", header_of(json!({ "kid": "curve" })), UNKNOWN_KEY),
        (
            "J9",
            "another token's signature",
            format!("{text}.{}", google_token(json!({}), json!({ "sub": "1" })).rsplit_once('.').unwrap().1),
            WRONG,
        ),
        ("J9", "the claims with spaces", format!("{first}.{}.{signature}", encoded(&respelled)), WRONG),
        (
            "J9",
            "a byte less",
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(signature).unwrap()[1..])),
            WRONG,
        ),
        ("J9", "zeros", format!("{text}.{}", URL_SAFE_NO_PAD.encode([0; 256])), WRONG),
        ("J9", "padding", format!("{good}=="), NO_BASE64),
        ("J9", "the other alphabet", format!("{text}.+/{}", &signature[2..]), NO_BASE64),
        ("J9", "a space in it", format!("{text}. {signature}"), NO_BASE64),
        ("J9", "a space behind it", format!("{good} "), NO_BASE64),
        ("J9", "a last letter that means the same", format!("{text}.{odd_last}"), NO_BASE64),
        ("J9", "a letter less", last(&good), NO_BASE64),
        ("J13", "aud twice", claims_of(&doubled("\"aud\":\"x\"")), NO_CLAIMS),
        ("J13", "email twice", claims_of(&doubled("\"email\":\"x\"")), NO_CLAIMS),
        (
            "J13",
            "email twice, once in another spelling",
            claims_of(&doubled("\"\\u0065mail\":\"x\"")),
            NO_CLAIMS,
        ),
        (
            "J13",
            "alg twice",
            TokenSigner::one().rs256(
                &format!("{{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"{KEY}\"}}"),
                &google_claims().to_string(),
            ),
            NO_HEADER,
        ),
        (
            "J15",
            "200 kB",
            google_token(json!({}), json!({ "a": "a".repeat(150_000) })),
            "the token is longer than 16 KiB",
        ),
        ("J15", "200 kB of dots", ".".repeat(200_000), "the token is longer than 16 KiB"),
        ("J15", "16 KiB of dots", ".".repeat(16 * 1024), NO_PARTS),
        ("J15", "claims 2000 deep", claims_of(&deep), NO_CLAIMS),
        (
            "J15",
            "a header 500 deep",
            TokenSigner::one().rs256(&format!("{}{}", "[".repeat(500), "]".repeat(500)), "{}"),
            NO_HEADER,
        ),
        ("J15", "a zero in the claims", claims_of("{\"a\":\"\0\"}"), NO_CLAIMS),
        ("J15", "two objects", claims_of("{}{}"), NO_CLAIMS),
        ("J15", "a list", claims_of("[]"), NO_CLAIMS),
        ("J15", "no JSON", claims_of("claims"), NO_CLAIMS),
        (
            "J16",
            "crit",
            header_of(json!({ "crit": ["exp"] })),
            "the token's header demands what is not understood (crit)",
        ),
        (
            "J16",
            "crit, empty",
            header_of(json!({ "crit": [] })),
            "the token's header demands what is not understood (crit)",
        ),
        (
            "J16",
            "a typ of another kind",
            header_of(json!({ "typ": "logout+jwt" })),
            "the token's typ is not JWT",
        ),
        ("J16", "a typ that is no text", header_of(json!({ "typ": ["JWT"] })), "the token's typ is not JWT"),
        ("J16", "JWE", format!("{good}.AAAA.AAAA"), "the token is encrypted (JWE)"),
        ("J16", "four parts", format!("{good}.AAAA"), NO_PARTS),
        ("J16", "a dot behind it", format!("{good}."), NO_PARTS),
        ("", "nothing", String::new(), NO_PARTS),
        ("", "no token", "t0ken".to_owned(), NO_PARTS),
    ] {
        assert_eq!(posted(&google(), token.as_bytes()), expected, "{number} {what}");
    }
    // Bytes that are no text, J15.
    let not_utf8 = TokenSigner::one();
    let text = format!("{first}.{}", URL_SAFE_NO_PAD.encode(b"{\"iss\":\"\xff\"}"));
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(not_utf8.sign_rs256(text.as_bytes())));
    assert_eq!(posted(&google(), token.as_bytes()), NO_CLAIMS);
    assert_eq!(posted(&google(), b"\xff\xfe.\0.\xff"), NO_BASE64);
}

/// J10: there is one place for a token, and it stands there once.
#[test]
fn where_a_token_stands() {
    let token = google_token(json!({}), json!({}));
    let good = format!("Bearer {token}");
    let other = "Bearer x.y.z";
    let doubled = "more than one Authorization header";
    for (what, headers, expected) in [
        ("twice the same", vec![("authorization", &*good), ("Authorization", &*good)], doubled),
        ("a good one first", vec![("authorization", &good), ("authorization", other)], doubled),
        ("a good one last", vec![("authorization", other), ("authorization", &good)], doubled),
        ("an empty one beside it", vec![("authorization", &good), ("authorization", "")], doubled),
        ("none", vec![], "no Authorization header"),
        ("an empty one", vec![("authorization", "")], "the Authorization header is empty"),
        ("the token alone", vec![("authorization", &token)], NO_BEARER),
        ("another scheme", vec![("authorization", "Basic dTpw")], NO_BEARER),
        (
            "two tokens in one",
            vec![("authorization", &*format!("{good}, {good}"))],
            "the token is encrypted (JWE)",
        ),
        ("Cloud Run's other header", vec![("x-serverless-authorization", &good)], "no Authorization header"),
        ("a proxy's", vec![("proxy-authorization", &good)], "no Authorization header"),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(at_head(&google(), &headers, now(), &Keys::new()), expected, "{what}");
    }
    let path = format!("/s?access_token={token}");
    let head = Head { method: "POST", path: &path, path_rest: None, headers: &[], client: None };
    assert_eq!(word(google().check_head(&head, now(), &Keys::new())), "no Authorization header");
}

/// J11: the dates.
#[test]
fn a_token_holds_for_a_time() {
    let now = now().as_second();
    let expired = "the token has expired";
    let early = "the token does not hold yet";
    let long = "the token holds for longer than a day";
    let day = 24 * 3600;
    for (what, claims, expected) in [
        ("it ends in a second", json!({ "exp": now + 1 }), "admitted"),
        ("it has ended within the difference of two clocks", json!({ "exp": now - 59 }), "admitted"),
        ("it has ended", json!({ "exp": now - 60 }), expired),
        ("an hour ago", json!({ "exp": now - 3600, "iat": now - 7200 }), expired),
        ("a fraction", json!({ "exp": now as f64 + 0.5 }), "admitted"),
        ("no exp", json!({ "exp": null }), "the token has no exp"),
        ("exp is a text", json!({ "exp": (now + 3000).to_string() }), NO_DATE),
        ("exp is 1e300", json!({ "exp": 1e300 }), NO_DATE),
        ("exp is -1e300", json!({ "exp": -1e300 }), NO_DATE),
        ("exp is negative", json!({ "exp": -1 }), expired),
        ("exp is zero", json!({ "exp": 0 }), expired),
        ("exp is a list", json!({ "exp": [now] }), NO_DATE),
        ("exp is beyond the calendar", json!({ "exp": 253_402_300_800_i64 }), NO_DATE),
        ("exp is true", json!({ "exp": true }), NO_DATE),
        ("it was made just ahead", json!({ "iat": now + 60 }), "admitted"),
        ("it was made ahead", json!({ "iat": now + 61 }), early),
        ("no iat", json!({ "iat": null }), "the token has no iat"),
        ("iat is a text", json!({ "iat": now.to_string() }), NO_DATE),
        ("it begins just ahead", json!({ "nbf": now + 60 }), "admitted"),
        ("it begins later", json!({ "nbf": now + 61 }), early),
        ("nbf is a text", json!({ "nbf": "0" }), NO_DATE),
        ("it holds for a day", json!({ "iat": now, "exp": now + day + 600 }), "admitted"),
        ("it holds for longer", json!({ "iat": now, "exp": now + day + 601 }), long),
        ("it holds for ever", json!({ "exp": 253_402_207_200_i64 }), long),
    ] {
        assert_eq!(posted(&google(), google_token(json!({}), claims).as_bytes()), expected, "J11 {what}");
    }
}

/// J12: for whom it is.
#[test]
fn a_token_is_for_one_audience_and_that_is_ours() {
    let another = "the token is for another audience";
    let list = "the token is for more than one audience, or for none";
    let none = "the token's aud is no text";
    for (what, audience, expected) in [
        ("alone in a list", json!([AUDIENCE]), "admitted"),
        ("missing", Value::Null, none),
        ("a number", json!(7), none),
        ("an object", json!({ "0": AUDIENCE }), none),
        ("two, ours first", json!([AUDIENCE, "https://other.example"]), list),
        ("two, ours last", json!(["https://other.example", AUDIENCE]), list),
        ("ours twice", json!([AUDIENCE, AUDIENCE]), list),
        ("an empty list", json!([]), list),
        ("a list in a list", json!([[AUDIENCE]]), list),
        ("the beginning of ours", json!("https://relay.example/gc"), another),
        ("more than ours", json!("https://relay.example/gcs2"), another),
        ("capital letters", json!("https://Relay.example/gcs"), another),
        ("a slash behind it", json!("https://relay.example/gcs/"), another),
        ("a space behind it", json!("https://relay.example/gcs "), another),
        ("a query", json!("https://relay.example/gcs?a"), another),
        ("empty", json!(""), another),
    ] {
        let token = google_token(json!({}), json!({ "aud": audience }));
        assert_eq!(posted(&google(), token.as_bytes()), expected, "J12 {what}");
    }
    let two = policy(&format!(
        "issuer = 'google', audience = ['https://relay.example', '{AUDIENCE}'], email = '{EMAIL}', jwks_file = '/jwks'"
    ));
    for (audience, expected) in
        [("https://relay.example", "admitted"), (AUDIENCE, "admitted"), ("https://relay", another)]
    {
        let token = google_token(json!({}), json!({ "aud": audience }));
        assert_eq!(posted(&two, token.as_bytes()), expected, "{audience}");
    }
}

/// J17: what a clock in 1970 says of a token is no reason to refuse it.
#[test]
fn a_clock_that_is_not_set() {
    let token = google_token(json!({}), json!({}));
    let value = format!("Bearer {token}");
    let judged = |value: &str, at: &str| {
        at_head(&google(), &[("authorization", value.as_bytes())], at.parse().unwrap(), &Keys::new())
    };
    let unset = "503: the clock of this machine is not set, so no date can be judged";
    for at in ["1970-01-01T00:00:10Z", "2000-01-01T00:00:00Z", "2025-12-31T23:59:59Z"] {
        assert_eq!(judged(&value, at), unset, "{at}");
    }
    // What no clock makes good is refused nevertheless.
    assert_eq!(judged("Bearer x", "1970-01-01T00:00:10Z"), NO_PARTS);
    let other = google_token(json!({}), json!({ "email": "x@y" }));
    assert_eq!(judged(&format!("Bearer {other}"), "1970-01-01T00:00:10Z"), "the token is another account's");
}

/// No reason and no `Debug` shows a byte of a token.
#[test]
fn nothing_of_a_token_is_shown() {
    let policy = google();
    let token = google_token(json!({ "kid": "s3cret-id" }), json!({}));
    assert!(!posted(&policy, token.as_bytes()).contains("s3cret"));
    let head = Head {
        method: "POST",
        path: "/s",
        path_rest: None,
        headers: &[("authorization", token.as_bytes())],
        client: None,
    };
    assert!(!format!("{head:?}").contains("eyJ"));
}

proptest! {
    /// A token of which one byte was changed is another token.
    #[test]
    fn a_change_of_one_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut token = TokenSigner::one().rs256(&header().to_string(), &google_claims().to_string()).into_bytes();
        let at = at.index(token.len());
        token[at] ^= flip;
        // Spaces before a token belong to what separates it from its scheme.
        prop_assert_ne!(posted(&google(), &token), "admitted");
    }

    /// Any bytes as a token, and any header and claims that are signed: a verdict, and no admission.
    #[test]
    fn any_token_gets_a_verdict(
        token in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,5}".prop_map(String::into_bytes),
        ],
        header in "\\PC{0,60}",
        claims in "\\PC{0,60}",
    ) {
        prop_assert_ne!(posted(&google(), &token), "admitted");
        let token = TokenSigner::one().rs256(&header, &claims);
        prop_assert_ne!(posted(&google(), token.as_bytes()), "admitted");
    }
}
