use super::*;

const TENANT: &str = "tenant = '72f988bf-0000-41af-91ab-2d7cd011db47'";
const EMAIL: &str = "email = 'push@demo.iam.gserviceaccount.com'";
const URLS: &str = "issuer_url = 'https://issuer.example', jwks_url = 'https://issuer.example/keys'";

/// The members of a `jwt`, with the names above in place of their texts.
fn jwt(members: &str) -> String {
    let members = members.replace("TENANT", TENANT).replace("EMAIL", EMAIL).replace("URLS", URLS);
    format!("{{ jwt = {{ {members} }} }}")
}

#[test]
fn every_form_of_a_token_is_read() {
    for members in [
        "issuer = 'google', audience = 'https://relay.example/gcs', EMAIL",
        "issuer = 'google', audience = ['a', 'b'], EMAIL",
        "issuer = 'google', audience = 'a', EMAIL, subscriptions = ['projects/demo/subscriptions/relay']",
        "issuer = 'google', audience = 'a', EMAIL, jwks_file = '/jwks'",
        "issuer = 'entra', TENANT, audience = 'api://relay'",
        "issuer = 'entra', TENANT, audience = 'api://relay', application = '4962773b-9cdb-44cf-a8bf-237846a00ab7', role = 'Poster'",
        "issuer = 'entra', TENANT, audience = 'api://relay', cloud = 'china', application = '4962773b-9cdb-44cf-a8bf-237846a00ab7'",
        "URLS, audience = 'relay', claims = { sub = 'poster' }",
        "URLS, audience = 'relay', claims = { sub = 'poster', admin = true, level = 3, groups = ['a'] }",
        "issuer_url = 'https://issuer.example', jwks_url = 'http://10.0.0.1/keys', allow_http = true, audience = 'relay', claims = { sub = 'x' }",
        "issuer_url = 'https://issuer.example', jwks_file = '/jwks', audience = 'relay', claims = { sub = 'x' }",
    ] {
        let policy = parse(&jwt(members));
        assert!(policy.is_ok(), "{members} {policy:?}");
    }
}

#[test]
fn mistakes_in_a_token() {
    let id = "an id such as 4962773b-9cdb-44cf-a8bf-237846a00ab7";
    let audience =
        "the aud of its tokens, a text without spaces and control characters, or a list of such texts";
    let email =
        "the address of the service account that pushes, such as relay-push@project.iam.gserviceaccount.com";
    let claims = "a table of what a token has to say beside its audience, such as { sub = \"…\" }: who knows the audience can get a \
                  token for it";
    let scheme = "a URL that begins with https:// (http:// only beside allow_http = true)";
    let google = "issuer, audience, email, subscriptions, jwks_file";
    for (members, sentence) in [
        ("", "jwt: found \"neither\", expected either issuer or issuer_url".to_owned()),
        ("URLS, issuer = 'google'", "jwt: found \"both\", expected either issuer or issuer_url".to_owned()),
        (
            "issuer = 'Google'",
            "jwt.issuer: found \"Google\", expected \"google\" or \"entra\"; any other issuer is described by issuer_url, jwks_url and \
             claims"
                .to_owned(),
        ),
        (
            "issuer = 7",
            "jwt.issuer: found \"a number\", expected \"google\" or \"entra\"; any other issuer is described by issuer_url, jwks_url \
             and claims"
                .to_owned(),
        ),
        ("issuer = 'google', EMAIL", format!("jwt.audience: found \"nothing\", expected {audience}")),
        ("issuer = 'google', audience = '', EMAIL", format!("jwt.audience: found \"\", expected {audience}")),
        ("issuer = 'google', audience = 'a b', EMAIL", format!("jwt.audience: found \"a b\", expected {audience}")),
        ("issuer = 'google', audience = 7, EMAIL", format!("jwt.audience: found \"a number\", expected {audience}")),
        ("issuer = 'google', audience = ['a', 'b c'], EMAIL", format!("jwt.audience[1]: found \"b c\", expected {audience}")),
        (
            "issuer = 'google', audience = [], EMAIL",
            "jwt.audience: found \"an empty list\", expected a list of 1 to 64 texts".to_owned(),
        ),
        ("issuer = 'google', audience = 'a'", format!("jwt.email: found \"nothing\", expected {email}")),
        ("issuer = 'google', audience = 'a', email = 'push'", format!("jwt.email: found \"push\", expected {email}")),
        ("issuer = 'google', audience = 'a', email = 'a@b@c'", format!("jwt.email: found \"a@b@c\", expected {email}")),
        ("issuer = 'google', audience = 'a', email = '@b'", format!("jwt.email: found \"@b\", expected {email}")),
        (
            "issuer = 'google', audience = 'a', emial = 'x', EMAIL",
            format!("jwt.emial: found \"emial\", expected one of {google}; is email meant?"),
        ),
        (
            "issuer = 'google', audience = 'a', EMAIL, jwks_url = 'https://a.example/'",
            format!("jwt.jwks_url: found \"jwks_url\", expected one of {google}; is jwks_file meant?"),
        ),
        (
            "issuer = 'google', audience = 'a', EMAIL, subscriptions = ['relay']",
            "jwt.subscriptions[0]: found \"relay\", expected a subscription's full name, such as projects/PROJECT/subscriptions/NAME"
                .to_owned(),
        ),
        (
            "issuer = 'google', audience = 'a', EMAIL, jwks_file = '/none'",
            "jwt.jwks_file: found \"/none\", expected the path of a file that can be read (no such file)".to_owned(),
        ),
        ("issuer = 'google', audience = 'a', EMAIL, jwks_file = '/pem'", "jwt.jwks_file: expected a JSON Web Key Set".to_owned()),
        ("issuer = 'google', audience = 'a', EMAIL, jwks_file = 7", "jwt.jwks_file: found \"a number\", expected the path of a file".to_owned()),
        ("issuer = 'entra', audience = 'a'", format!("jwt.tenant: found \"nothing\", expected {id}")),
        ("issuer = 'entra', audience = 'a', tenant = 'common'", format!("jwt.tenant: found \"common\", expected {id}")),
        (
            "issuer = 'entra', audience = 'a', tenant = 'contoso.onmicrosoft.com'",
            format!("jwt.tenant: found \"contoso.onmicrosoft.com\", expected {id}"),
        ),
        ("issuer = 'entra', TENANT, audience = 'a', application = 'grid'", format!("jwt.application: found \"grid\", expected {id}")),
        ("issuer = 'entra', TENANT, audience = 'a', role = ''", "jwt.role: found \"\", expected an app role's value".to_owned()),
        (
            "issuer = 'entra', TENANT, audience = 'a', cloud = 'germany'",
            "jwt.cloud: found \"germany\", expected \"public\" or \"government\" or \"china\"".to_owned(),
        ),
        (
            "issuer = 'entra', TENANT, audience = 'a', cloud = 'government'",
            "jwt.application: found \"nothing\", expected Event Grid's application id in this cloud: Entra lists it under enterprise \
             applications, as Microsoft.EventGrid"
                .to_owned(),
        ),
        ("URLS, audience = 'a'", format!("jwt.claims: found \"nothing\", expected {claims}")),
        ("URLS, audience = 'a', claims = {}", format!("jwt.claims: found \"an empty table\", expected {claims}")),
        ("URLS, audience = 'a', claims = 'sub'", format!("jwt.claims: found \"a text\", expected {claims}")),
        (
            "URLS, audience = 'a', claims = { aud = 'a', sub = 'x' }",
            "jwt.claims.aud: expected nothing: the check compares this claim by itself".to_owned(),
        ),
        (
            "URLS, audience = 'a', claims = { sub = 1.5 }",
            "jwt.claims.sub: found \"a number\", expected a text, a whole number, true or false, or a list of texts that the claim's \
             list holds"
                .to_owned(),
        ),
        (
            "URLS, audience = 'a', claims = { roles = [] }",
            "jwt.claims.roles: found \"an empty list\", expected a list of 1 to 64 texts".to_owned(),
        ),
        (
            "issuer_url = 'issuer.example', jwks_file = '/jwks', audience = 'a', claims = { sub = 'x' }",
            "jwt.issuer_url: found \"issuer.example\", expected the iss of its tokens, a URL that begins with https://".to_owned(),
        ),
        (
            "issuer_url = 'https://issuer.example', audience = 'a', claims = { sub = 'x' }",
            "jwt: found \"neither\", expected either jwks_url or jwks_file".to_owned(),
        ),
        (
            "issuer_url = 'https://i.example', jwks_url = 'http://i.example/', audience = 'a', claims = { sub = 'x' }",
            format!("jwt.jwks_url: expected {scheme}"),
        ),
        (
            "issuer_url = 'https://i.example', jwks_url = 'https://u:s3cret@i.example/', audience = 'a', claims = { sub = 'x' }",
            "jwt.jwks_url: expected a URL of a host and a path, without user, password, fragment and spaces".to_owned(),
        ),
        (
            "issuer_url = 'https://i.example', jwks_file = '/jwks', allow_http = true, audience = 'a', claims = { sub = 'x' }",
            "jwt.allow_http: expected nothing: only jwks_url is fetched".to_owned(),
        ),
    ] {
        let found = mistakes(&jwt(members));
        assert_eq!(found, [format!("auth.{sentence}")], "{members}");
        assert!(!found.join("").contains("s3cret"), "{members}");
    }
    assert_eq!(
        mistakes("{ jwt = 'google' }"),
        [
            "auth.jwt: found \"a text\", expected a table with issuer = \"google\", issuer = \"entra\" or issuer_url"
        ]
    );
    for other in ["bearer = { token = 't' }", "hmac = { header = 'authorization', secret_file = '/long' }"] {
        let name = other.split(' ').next().unwrap_or_default();
        let text =
            jwt("issuer = 'google', audience = 'a', EMAIL").replacen("{ ", &format!("{{ {other}, "), 1);
        let (first, second) = if name == "bearer" { (name, "jwt") } else { ("jwt", name) };
        assert_eq!(
            mistakes(&text),
            [format!(
                "auth: expected either {first} or {second}: a request has one header of a name, which cannot satisfy more than one of \
                 them"
            )]
        );
    }
}

#[test]
fn all_mistakes_of_a_token_come_at_once() {
    let found = mistakes(&jwt("issuer = 'entra', tenant = 'x', cloud = 'y', role = 7, aud = 'a'"));
    let places: Vec<_> = found.iter().map(|mistake| mistake.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        places,
        ["auth.jwt.aud", "auth.jwt.cloud", "auth.jwt.audience", "auth.jwt.tenant", "auth.jwt.role"]
    );
}

#[test]
fn what_an_operator_should_know_about_tokens() {
    for (members, expected) in [
        ("issuer = 'google', audience = 'a', EMAIL", None),
        (
            "issuer = 'google', audience = 'a', EMAIL, jwks_file = '/jwks'",
            Some(
                "auth.jwt.jwks_file: this issuer exchanges its keys without notice, and then every event is refused until the file is \
                 exchanged too; without jwks_file they are fetched",
            ),
        ),
        (
            "issuer_url = 'https://i.example', jwks_file = '/jwks', audience = 'a', claims = { sub = 'x' }",
            None,
        ),
        (
            "issuer_url = 'https://i.example', jwks_url = 'http://i.example/k?s3cret', allow_http = true, audience = 'a', claims = { sub = 'x' }",
            Some(
                "auth.jwt.jwks_url: http://i.example/k?... is fetched over plain HTTP, where anybody on the way can exchange it",
            ),
        ),
    ] {
        let warnings = parse(&jwt(members)).unwrap().warnings(now());
        assert_eq!(warnings, Vec::from_iter(expected.map(str::to_owned)), "{members}");
    }
}
