//! Whose token it is, of Google's.

use super::*;

const ANOTHER: &str = "the token is another account's";
const UNVERIFIED: &str = "the token's email is not verified";

#[test]
fn attacks_with_tokens_that_google_signs() {
    for (number, what, claims, expected) in [
        ("O1", "an attacker's account", json!({ "email": "push@attacker.iam.gserviceaccount.com" }), ANOTHER),
        (
            "O1",
            "his account, our account as its number",
            json!({ "email": "push@attacker.iam.gserviceaccount.com", "sub": EMAIL, "azp": EMAIL }),
            ANOTHER,
        ),
        ("O1", "no email", json!({ "email": null }), ANOTHER),
        ("O2", "not verified", json!({ "email_verified": false }), UNVERIFIED),
        ("O2", "verification missing", json!({ "email_verified": null }), UNVERIFIED),
        ("O2", "verification as a text", json!({ "email_verified": "true" }), UNVERIFIED),
        ("O2", "verification as a number", json!({ "email_verified": 1 }), UNVERIFIED),
        (
            "O3",
            "a user's token of gcloud",
            json!({ "aud": "32555940559.apps.googleusercontent.com", "azp": "32555940559.apps.googleusercontent.com" }),
            "the token is for another audience",
        ),
        ("O4", "capital letters", json!({ "email": "Relay-push@demo.iam.gserviceaccount.com" }), ANOTHER),
        ("O4", "a space behind it", json!({ "email": format!("{EMAIL} ") }), ANOTHER),
        ("O4", "a space before it", json!({ "email": format!(" {EMAIL}") }), ANOTHER),
        ("O4", "a look-alike domain", json!({ "email": format!("{EMAIL}.evil") }), ANOTHER),
        (
            "O4",
            "a look-alike letter",
            json!({ "email": "relay-push@demo.iam.gserviceacc\u{043e}unt.com" }),
            ANOTHER,
        ),
        ("O4", "a list with it", json!({ "email": [EMAIL] }), ANOTHER),
        (
            "O5",
            "another relay's audience",
            json!({ "aud": "https://relay2.example/gcs" }),
            "the token is for another audience",
        ),
        (
            "",
            "another issuer",
            json!({ "iss": "https://accounts.google.com.evil.example" }),
            "the token is another issuer's",
        ),
        ("", "http", json!({ "iss": "http://accounts.google.com" }), "the token is another issuer's"),
        (
            "",
            "a slash behind it",
            json!({ "iss": "https://accounts.google.com/" }),
            "the token is another issuer's",
        ),
        ("", "no issuer", json!({ "iss": null }), "the token is another issuer's"),
    ] {
        assert_eq!(
            posted(&google(), google_token(json!({}), claims).as_bytes()),
            expected,
            "{number} {what}"
        );
    }
}

/// O6: Cloud Run has looked at the token, and leaves nothing for us to look at.
#[test]
fn a_signature_that_cloud_run_has_taken_away() {
    let token = google_token(json!({}), json!({}));
    let (text, _) = token.rsplit_once('.').unwrap();
    let found = posted(&google(), format!("{text}.SIGNATURE_REMOVED_BY_GOOGLE").as_bytes());
    assert_eq!(
        found,
        "Cloud Run has verified the token itself and taken its signature away: let it admit calls without authentication, so that \
         this check can verify them"
    );
}

/// O7: the account pushes for a subscription that nobody has listed.
#[test]
fn subscriptions_that_are_listed() {
    let listed = policy(&format!(
        "issuer = 'google', audience = '{AUDIENCE}', email = '{EMAIL}', jwks_file = '/jwks', \
         subscriptions = ['projects/demo/subscriptions/relay', 'projects/demo/subscriptions/relay-2']"
    ));
    assert!(!listed.is_proven_by_head());
    let token = format!("Bearer {}", google_token(json!({}), json!({})));
    let none = "403: the request names no subscription";
    let other = "403: the subscription is not on the list";
    let own = "projects/demo/subscriptions/relay";
    let wrapped = |name: &str| format!(r#"{{"message":{{"messageId":"1"}},"subscription":{name}}}"#);
    for (what, header, body, expected) in [
        ("listed", None, wrapped(&format!("\"{own}\"")), "admitted"),
        ("the second", None, wrapped("\"projects/demo/subscriptions/relay-2\""), "admitted"),
        ("not listed", None, wrapped("\"projects/attacker/subscriptions/relay\""), other),
        ("capital letters", None, wrapped("\"projects/Demo/subscriptions/relay\""), other),
        ("a list", None, wrapped(&format!("[\"{own}\"]")), other),
        ("missing", None, r#"{"message":{}}"#.to_owned(), none),
        ("twice", None, format!(r#"{{"subscription":"{own}","subscription":"{own}"}}"#), none),
        ("deeper", None, format!(r#"{{"message":{{"subscription":"{own}"}}}}"#), none),
        ("no JSON", None, "projects/demo/subscriptions/relay".to_owned(), none),
        ("unwrapped", Some(own), String::new(), "admitted"),
        ("unwrapped, an object", Some(own), r#"{"kind":"storage#object"}"#.to_owned(), "admitted"),
        ("unwrapped, not listed", Some("projects/attacker/subscriptions/relay"), String::new(), other),
        ("in both, one listed", Some(own), wrapped("\"projects/attacker/subscriptions/relay\""), other),
    ] {
        let header = header.map(|name| ("x-goog-pubsub-subscription-name", name.as_bytes()));
        let headers: Vec<(&str, &[u8])> =
            [("authorization", token.as_bytes())].into_iter().chain(header).collect();
        let head = Head { method: "POST", path: "/s", path_rest: None, headers: &headers, client: None };
        assert_eq!(word(listed.check_head(&head, now(), &Keys::new())), "admitted", "{what}");
        let request = Request { head, body: body.as_bytes() };
        assert_eq!(word(listed.check_body(&request, now(), &Keys::new())), expected, "O7 {what}");
        // Without a list the body has no say.
        assert_eq!(word(google().check_body(&request, now(), &Keys::new())), "admitted", "{what}");
    }
}
