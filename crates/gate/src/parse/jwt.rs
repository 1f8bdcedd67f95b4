//! Reads `jwt`: one of the issuers that are known, or one that the operator describes.

use mdss_relay_core::Mistake;
use toml::{Table, Value};

use super::reader::{Reader, kind};
use crate::check::{
    Cloud, EVENT_GRID, EVENT_GRID_ROLE, Entra, Expected, GOOGLE_KEYS, Issuer, IssuerKeys, Jwt,
};
use crate::key_set::KeySet;
use crate::key_url::KeyUrl;

/// A tenant, or an application of Entra.
const ID: &str = "an id such as 4962773b-9cdb-44cf-a8bf-237846a00ab7";

/// What the check compares by itself.
const COMPARED: [&str; 5] = ["iss", "aud", "exp", "iat", "nbf"];

impl Reader<'_> {
    pub(super) fn jwt(&mut self, value: &Value, place: &str) -> Option<Jwt> {
        const FORMS: [&str; 2] = ["issuer", "issuer_url"];
        let Value::Table(table) = value else {
            let expected = "a table with issuer = \"google\", issuer = \"entra\" or issuer_url";
            self.mistake(Mistake::found(place, kind(value), expected));
            return None;
        };
        let (form, value) = self.one_of(table, place, &FORMS)?;
        match (form, value.as_str()) {
            ("issuer", Some("google")) => self.google(table, place),
            ("issuer", Some("entra")) => self.entra(table, place),
            ("issuer", _) => {
                let expected = "\"google\" or \"entra\"; any other issuer is described by issuer_url, jwks_url and claims";
                let found = value.as_str().unwrap_or_else(|| kind(value));
                self.mistake(Mistake::found(format!("{place}.issuer"), found, expected));
                None
            }
            _ => self.other_issuer(table, place),
        }
    }

    fn google(&mut self, table: &Table, place: &str) -> Option<Jwt> {
        self.members(table, place, &["issuer", "audience", "email", "subscriptions", "jwks_file"]);
        let audiences = self.audiences(table, place);
        // A service account's: https://cloud.google.com/iam/docs/service-account-types
        let email = "the address of the service account that pushes, such as relay-push@project.iam.gserviceaccount.com";
        let email = self.needed(table, place, "email", email, |text| {
            text.split_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        });
        let subscriptions = match table.get("subscriptions") {
            None => Some(Vec::new()),
            Some(value) => self.list(value, &format!("{place}.subscriptions"), |reader, text, place| {
                let parts: Vec<_> = text.split('/').collect();
                let good = matches!(parts[..], ["projects", project, "subscriptions", name] if !project.is_empty() && !name.is_empty());
                reader.accepted_text(
                    good.then(|| text.to_owned()).ok_or("a subscription's full name, such as projects/PROJECT/subscriptions/NAME"),
                    place,
                    text,
                )
            }),
        };
        let trust = self.issuer_keys(table, place, GOOGLE_KEYS);
        Some(Jwt {
            place: place.to_owned(),
            issuer: Issuer::Google { email: email? },
            audiences: audiences?,
            trust: trust?,
            subscriptions: subscriptions?,
        })
    }

    fn entra(&mut self, table: &Table, place: &str) -> Option<Jwt> {
        let known = ["issuer", "tenant", "audience", "application", "role", "cloud", "jwks_file"];
        self.members(table, place, &known);
        let clouds = [("public", Cloud::Public), ("government", Cloud::Government), ("china", Cloud::China)];
        let cloud = self.word(table, place, "cloud", &clouds);
        let audiences = self.audiences(table, place);
        let tenant = self.needed(table, place, "tenant", ID, is_id).map(|id| id.to_ascii_lowercase());
        let application = match (table.get("application"), cloud) {
            (None, Some(Cloud::Public)) => Some(EVENT_GRID.to_owned()),
            // No document says which one it is there.
            (None, Some(_)) => {
                let expected = "Event Grid's application id in this cloud: Entra lists it under enterprise applications, as \
                                Microsoft.EventGrid";
                self.mistake(Mistake::found(format!("{place}.application"), "nothing", expected));
                None
            }
            (None, None) => None,
            (Some(_), _) => {
                self.needed(table, place, "application", ID, is_id).map(|id| id.to_ascii_lowercase())
            }
        };
        let role = match table.get("role") {
            None => Some(EVENT_GRID_ROLE.to_owned()),
            Some(_) => self.needed(table, place, "role", "an app role's value", |_| true),
        };
        let (cloud, tenant) = (cloud?, tenant?);
        let trust = self.issuer_keys(table, place, &cloud.keys_url(&tenant));
        let entra = Entra { cloud, tenant, application: application?, role: role? };
        Some(Jwt {
            place: place.to_owned(),
            issuer: Issuer::Entra(entra),
            audiences: audiences?,
            trust: trust?,
            subscriptions: Vec::new(),
        })
    }

    fn other_issuer(&mut self, table: &Table, place: &str) -> Option<Jwt> {
        const KEYS: [&str; 2] = ["jwks_url", "jwks_file"];
        let known = ["issuer_url", KEYS[0], KEYS[1], "audience", "claims", "allow_http"];
        self.members(table, place, &known);
        let audiences = self.audiences(table, place);
        let issuer = "the iss of its tokens, a URL that begins with https://";
        let issuer = self.needed(table, place, "issuer_url", issuer, |text| {
            text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        });
        let claims = self.claims(table, place);
        let allow_http = self.flag(table, place, "allow_http") == Some(true);
        let trust = match self.one_of(table, place, &KEYS) {
            Some(("jwks_url", value)) => {
                let place = format!("{place}.jwks_url");
                let url = value.as_str().ok_or("a text").and_then(|url| KeyUrl::key_set(url, allow_http));
                // One that is not accepted may hold a password, so it is not shown.
                self.accepted(url, &place).map(IssuerKeys::Published)
            }
            Some(_) => self.pinned_keys(table, place),
            None => None,
        };
        if table.contains_key("allow_http") && !table.contains_key("jwks_url") {
            self.mistake(Mistake::new(format!("{place}.allow_http"), "nothing: only jwks_url is fetched"));
        }
        let issuer = Issuer::Other { issuer: issuer?, claims: claims? };
        Some(Jwt {
            place: place.to_owned(),
            issuer,
            audiences: audiences?,
            trust: trust?,
            subscriptions: Vec::new(),
        })
    }

    fn members(&mut self, table: &Table, place: &str, known: &[&str]) {
        for name in table.keys().filter(|name| !known.contains(&name.as_str())) {
            self.mistake(super::unknown(place, name, known));
        }
    }

    /// `audience`: a text or a list of texts, of which the token's has to be one.
    fn audiences(&mut self, table: &Table, place: &str) -> Option<Vec<String>> {
        const EXPECTED: &str =
            "the aud of its tokens, a text without spaces and control characters, or a list of such texts";
        let list_place = format!("{place}.audience");
        match table.get("audience") {
            Some(value @ Value::Array(_)) => self.list(value, &list_place, |reader, text, place| {
                let good = is_word(text).then(|| text.to_owned());
                reader.accepted_text(good.ok_or(EXPECTED), place, text)
            }),
            _ => self.needed(table, place, "audience", EXPECTED, |_| true).map(|audience| vec![audience]),
        }
    }

    /// A member that has to be there: a word that `is` good.
    fn needed(
        &mut self,
        table: &Table,
        place: &str,
        name: &str,
        expected: &str,
        is: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let found = match table.get(name) {
            Some(Value::String(text)) if is_word(text) && is(text) => return Some(text.clone()),
            Some(Value::String(text)) => text.as_str(),
            Some(other) => kind(other),
            None => "nothing",
        };
        self.mistake(Mistake::found(format!("{place}.{name}"), found, expected));
        None
    }

    /// What a token has to say beside its audience.
    fn claims(&mut self, table: &Table, place: &str) -> Option<Vec<(String, Expected)>> {
        let place = format!("{place}.claims");
        let claims = match table.get("claims") {
            Some(Value::Table(claims)) if !claims.is_empty() => claims,
            other => {
                let found = other.map_or("nothing", kind);
                let expected = "a table of what a token has to say beside its audience, such as { sub = \"…\" }: who knows the \
                                audience can get a token for it";
                self.mistake(Mistake::found(place, found, expected));
                return None;
            }
        };
        let mut read = Vec::new();
        for (name, value) in claims {
            let place = format!("{place}.{name}");
            if COMPARED.contains(&name.as_str()) {
                self.mistake(Mistake::new(place, "nothing: the check compares this claim by itself"));
                continue;
            }
            let expected = match value {
                Value::String(text) => Expected::Text(text.clone()),
                Value::Boolean(flag) => Expected::Flag(*flag),
                Value::Integer(number) => Expected::Number(*number),
                Value::Array(_) => {
                    let texts = self.list(value, &place, |_, text, _| Some(text.to_owned()));
                    let Some(texts) = texts else { continue };
                    Expected::Holding(texts)
                }
                other => {
                    let expected = "a text, a whole number, true or false, or a list of texts that the claim's list holds";
                    self.mistake(Mistake::found(place, kind(other), expected));
                    continue;
                }
            };
            read.push((name.clone(), expected));
        }
        Some(read)
    }

    /// The keys of an issuer that publishes them at `url`, unless the operator has pinned them.
    fn issuer_keys(&mut self, table: &Table, place: &str, url: &str) -> Option<IssuerKeys> {
        if table.contains_key("jwks_file") {
            return self.pinned_keys(table, place);
        }
        self.accepted(KeyUrl::key_set(url, false), place).map(IssuerKeys::Published)
    }

    fn pinned_keys(&mut self, table: &Table, place: &str) -> Option<IssuerKeys> {
        let place = format!("{place}.jwks_file");
        let text = self.secret_in(table.get("jwks_file")?, place.clone(), true)?.text;
        self.accepted(KeySet::read(text.as_bytes()), &place).map(IssuerKeys::Pinned)
    }
}

/// What stands in a token as one word: nothing that an eye takes for something else.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
}

/// Whether a text has the form of Entra's ids.
fn is_id(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
