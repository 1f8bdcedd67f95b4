//! Any issuer, as an operator describes it.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn described(claims: &str) -> Policy {
    policy(&format!(
        "issuer_url = 'https://issuer.example', jwks_file = '/jwks', audience = 'relay', claims = {{ {claims} }}"
    ))
}

fn claims(changes: Value) -> String {
    let now = now().as_second();
    let claims = json!({ "iss": "https://issuer.example", "aud": "relay", "exp": now + 300, "iat": now, "sub": "poster" });
    with(&claims, changes).to_string()
}

#[test]
fn both_algorithms_are_read_each_with_its_own_keys() {
    let (one, other) = (TokenSigner::one(), TokenSigner::other());
    let header =
        |algorithm: &str, key: &str| json!({ "alg": algorithm, "kid": key, "typ": "at+jwt" }).to_string();
    let claims = claims(json!({}));
    for (what, token, expected) in [
        ("RS256", one.rs256(&header("RS256", KEY), &claims), "admitted"),
        ("ES256", one.es256(&header("ES256", "curve"), &claims), "admitted"),
        ("another key of the issuer", other.es256(&header("ES256", "other-curve"), &claims), "admitted"),
        ("signed with another key", other.es256(&header("ES256", "curve"), &claims), WRONG),
        ("ES256 with the id of an RSA key", one.es256(&header("ES256", KEY), &claims), UNKNOWN_KEY),
        ("RS256 with the id of the other kind", one.rs256(&header("RS256", "curve"), &claims), UNKNOWN_KEY),
        ("RS256 that says ES256", one.rs256(&header("ES256", "curve"), &claims), WRONG),
        ("ES256 that says RS256", one.es256(&header("RS256", KEY), &claims), WRONG),
        ("ES384", one.es256(&header("ES384", "curve"), &claims), NO_ALG),
        ("EdDSA", one.es256(&header("EdDSA", "curve"), &claims), NO_ALG),
    ] {
        assert_eq!(posted(&described("sub = 'poster'"), token.as_bytes()), expected, "{what}");
    }
    // A signature as ASN.1 has it is another spelling of it.
    let text = one.es256(&header("ES256", "curve"), &claims);
    let (text, signature) = text.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let der =
        [&[0x30, 0x46, 0x02, 0x21, 0][..], &signature[..32], &[0x02, 0x21, 0], &signature[32..]].concat();
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(der));
    assert_eq!(posted(&described("sub = 'poster'"), token.as_bytes()), WRONG);
}

#[test]
fn every_claim_has_to_be_as_the_settings_have_it() {
    let expected = "sub = 'poster', admin = false, level = 3, groups = ['a', 'b']";
    let good = json!({ "admin": false, "level": 3, "groups": ["a", "b", "c"] });
    let not_so = "a claim of the token is not as the settings have it";
    for (what, changes, found) in [
        ("good", json!({}), "admitted"),
        ("another text", json!({ "sub": "Poster" }), not_so),
        ("a text that is none", json!({ "sub": ["poster"] }), not_so),
        ("a missing one", json!({ "sub": null }), not_so),
        ("another flag", json!({ "admin": true }), not_so),
        ("a flag as a text", json!({ "admin": "false" }), not_so),
        ("another number", json!({ "level": 4 }), not_so),
        ("a number as a text", json!({ "level": "3" }), not_so),
        ("one of two", json!({ "groups": ["a"] }), not_so),
        ("both in one text", json!({ "groups": "a b" }), not_so),
        ("another issuer", json!({ "iss": "https://issuer.example/" }), "the token is another issuer's"),
        ("another audience", json!({ "aud": "Relay" }), "the token is for another audience"),
    ] {
        let claims = serde_json::from_str(&claims(good.clone())).unwrap();
        let token = signed(&header(), &with(&claims, changes));
        assert_eq!(posted(&described(expected), token.as_bytes()), found, "{what}");
    }
}
