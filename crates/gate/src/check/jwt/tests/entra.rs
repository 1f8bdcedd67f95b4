//! Whose token it is, of Entra's.

use super::*;

const TENANT: &str = "72f988bf-0000-41af-91ab-2d7cd011db47";
const FOREIGN: &str = "11111111-2222-3333-4444-555555555555";
const APPLICATION: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";
const COMMAND_LINE: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const ROLE: &str = "AzureEventGridSecureWebhookSubscriber";

const ISSUER: &str = "the token is another issuer's";
const CALLER: &str = "the token is another application's";
const NO_ROLE: &str = "the token has not the role";

fn entra(more: &str) -> Policy {
    policy(&format!(
        "issuer = 'entra', tenant = '{TENANT}', audience = 'api://relay', jwks_file = '/jwks'{more}"
    ))
}

fn claims(version: &str) -> Value {
    let now = now().as_second();
    let common = json!({ "aud": "api://relay", "exp": now + 86_400, "iat": now, "nbf": now, "roles": [ROLE], "tid": TENANT,
        "oid": "1f7f1b2f-0000-0000-0000-000000000001", "sub": "1f7f1b2f-0000-0000-0000-000000000001" });
    let own = match version {
        "1.0" => {
            json!({ "ver": "1.0", "iss": format!("https://sts.windows.net/{TENANT}/"), "appid": APPLICATION, "appidacr": "2" })
        }
        _ => {
            json!({ "ver": "2.0", "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "azp": APPLICATION, "azpacr": "2" })
        }
    };
    with(&common, own)
}

fn post(policy: &Policy, version: &str, changes: Value) -> String {
    posted(policy, signed(&header(), &with(&claims(version), changes)).as_bytes())
}

#[test]
fn tokens_of_both_versions_are_admitted() {
    for version in ["1.0", "2.0"] {
        assert_eq!(post(&entra(""), version, json!({})), "admitted", "{version}");
        // More roles, and a claim more, harm nobody; `ver` says nothing that the issuer does not.
        for changes in
            [json!({ "roles": ["Reader", ROLE] }), json!({ "idtyp": "app" }), json!({ "ver": null })]
        {
            assert_eq!(post(&entra(""), version, changes.clone()), "admitted", "{version} {changes}");
        }
    }
    // The tenant may be written in capital letters, and application and role may be others.
    let capital = policy(&format!(
        "issuer = 'entra', tenant = '{}', audience = 'api://relay', jwks_file = '/jwks'",
        TENANT.to_uppercase()
    ));
    assert_eq!(post(&capital, "1.0", json!({})), "admitted");
    let other = entra(&format!(", application = '{FOREIGN}', role = 'Poster'"));
    assert_eq!(post(&other, "1.0", json!({})), CALLER);
    assert_eq!(post(&other, "1.0", json!({ "appid": FOREIGN, "roles": ["Poster"] })), "admitted");
    assert_eq!(post(&other, "1.0", json!({ "appid": FOREIGN })), NO_ROLE);
}

#[test]
fn attacks_with_tokens_that_entra_signs() {
    let v1 = |tenant: &str| format!("https://sts.windows.net/{tenant}/");
    let v2 = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let (one, two) = ("1.0", "2.0");
    for (number, what, version, changes, expected) in [
        ("M1", "another tenant's Event Grid", one, json!({ "tid": FOREIGN, "iss": v1(FOREIGN) }), ISSUER),
        ("M1", "the same, of the newer version", two, json!({ "tid": FOREIGN, "iss": v2(FOREIGN) }), ISSUER),
        (
            "M1",
            "the tenant of the issuer alone",
            one,
            json!({ "tid": FOREIGN }),
            "the token is another tenant's",
        ),
        ("M1", "no tenant", one, json!({ "tid": null }), "the token is another tenant's"),
        ("M1", "a list of tenants", one, json!({ "tid": [TENANT] }), "the token is another tenant's"),
        ("M2", "common", two, json!({ "iss": v2("common") }), ISSUER),
        ("M2", "organizations", two, json!({ "iss": v2("organizations") }), ISSUER),
        ("M2", "common, of the older version", one, json!({ "iss": v1("common") }), ISSUER),
        (
            "M2",
            "no slash behind it",
            one,
            json!({ "iss": format!("https://sts.windows.net/{TENANT}") }),
            ISSUER,
        ),
        ("M2", "a slash behind it", two, json!({ "iss": format!("{}/", v2(TENANT)) }), ISSUER),
        ("M2", "capital letters", one, json!({ "iss": v1(&TENANT.to_uppercase()) }), ISSUER),
        (
            "M2",
            "another host",
            two,
            json!({ "iss": format!("https://login.microsoftonline.com.evil.example/{TENANT}/v2.0") }),
            ISSUER,
        ),
        (
            "M2",
            "another cloud",
            two,
            json!({ "iss": format!("https://login.microsoftonline.us/{TENANT}/v2.0") }),
            ISSUER,
        ),
        (
            "M2",
            "the older issuer, the newer version",
            one,
            json!({ "ver": "2.0" }),
            "the token's ver is not that of its issuer",
        ),
        (
            "M2",
            "the newer issuer, the older version",
            two,
            json!({ "ver": "1.0" }),
            "the token's ver is not that of its issuer",
        ),
        (
            "M2",
            "a version that is a number",
            one,
            json!({ "ver": 1.0 }),
            "the token's ver is not that of its issuer",
        ),
        (
            "M2",
            "the newer issuer, the older caller",
            two,
            json!({ "azp": null, "appid": APPLICATION }),
            CALLER,
        ),
        ("M3", "the operator's command line, with the role", one, json!({ "appid": COMMAND_LINE }), CALLER),
        ("M3", "the same, of the newer version", two, json!({ "azp": COMMAND_LINE }), CALLER),
        ("M3", "no caller", one, json!({ "appid": null }), CALLER),
        ("M3", "a list of callers", one, json!({ "appid": [APPLICATION] }), CALLER),
        ("M3", "capital letters", one, json!({ "appid": APPLICATION.to_uppercase() }), CALLER),
        ("M4", "two callers that differ", one, json!({ "azp": COMMAND_LINE }), CALLER),
        (
            "M4",
            "two callers that differ, of the newer version",
            two,
            json!({ "appid": COMMAND_LINE }),
            CALLER,
        ),
        ("M4", "two callers that are one", two, json!({ "appid": APPLICATION }), "admitted"),
        ("M5", "no roles", one, json!({ "roles": null }), NO_ROLE),
        ("M5", "another role", one, json!({ "roles": ["Reader"] }), NO_ROLE),
        ("M5", "roles are a text", one, json!({ "roles": ROLE }), NO_ROLE),
        ("M5", "an empty list", one, json!({ "roles": [] }), NO_ROLE),
        ("M5", "a list in a list", one, json!({ "roles": [[ROLE]] }), NO_ROLE),
        ("M5", "small letters", one, json!({ "roles": [ROLE.to_lowercase()] }), NO_ROLE),
        ("M5", "the role as a scope", one, json!({ "roles": null, "scp": ROLE }), NO_ROLE),
        ("M6", "an ID token", two, json!({ "aud": FOREIGN, "roles": null }), NO_ROLE),
        ("M6", "an ID token of our application", two, json!({ "roles": null, "azp": null }), CALLER),
        ("", "another audience", one, json!({ "aud": "api://other" }), "the token is for another audience"),
    ] {
        assert_eq!(post(&entra(""), version, changes), expected, "{number} {what}");
    }
}

#[test]
fn each_cloud_has_its_issuers_and_its_keys() {
    for (cloud, first, second) in [
        ("public", "sts.windows.net", "login.microsoftonline.com"),
        ("government", "sts.windows.net", "login.microsoftonline.us"),
        ("china", "sts.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
    ] {
        let pinned = entra(&format!(", cloud = '{cloud}', application = '{APPLICATION}'"));
        assert_eq!(post(&pinned, "1.0", json!({ "iss": format!("https://{first}/{TENANT}/") })), "admitted");
        assert_eq!(
            post(&pinned, "2.0", json!({ "iss": format!("https://{second}/{TENANT}/v2.0") })),
            "admitted"
        );
        assert_eq!(post(&pinned, "2.0", json!({ "iss": format!("https://{second}/{TENANT}/") })), ISSUER);
        let fetched = policy(&format!(
            "issuer = 'entra', tenant = '{TENANT}', audience = 'api://relay', cloud = '{cloud}', application = '{APPLICATION}'"
        ));
        let found = post(&fetched, "1.0", json!({ "iss": format!("https://{first}/{TENANT}/") }));
        assert_eq!(found, format!("needs https://{second}/{TENANT}/discovery/v2.0/keys"));
    }
}
