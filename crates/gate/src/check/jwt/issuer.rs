//! Who issues a token, and what it then has to say. Claims are no secrets, so they are compared as any text is.

use serde_json::Value;

use crate::key_set::Algorithm;
use crate::members::Members;

/// Whose tokens are believed.
#[derive(Clone, Debug)]
pub(crate) enum Issuer {
    /// Google, for one service account: Pub/Sub's push and Eventarc.
    Google {
        /// The account's address: the only claim that says who.
        email: String,
    },
    /// Microsoft Entra, for one application in one tenant: Event Grid.
    Entra(Entra),
    /// Any other, as the operator describes it.
    Other {
        /// Its `iss`.
        issuer: String,
        /// What the token has to say. Never empty: an audience proves nothing.
        claims: Vec<(String, Expected)>,
    },
}

/// What Event Grid's tokens say.
#[derive(Clone, Debug)]
pub(crate) struct Entra {
    pub(crate) cloud: Cloud,
    /// In small letters, as the tokens have it.
    pub(crate) tenant: String,
    pub(crate) application: String,
    pub(crate) role: String,
}

/// What a claim has to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Text(String),
    Flag(bool),
    Number(i64),
    /// A list that holds all of these.
    Holding(Vec<String>),
}

/// Microsoft's clouds. Their hosts: <https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud>,
/// and for the older tokens <https://learn.microsoft.com/en-us/answers/questions/1190472/what-are-the-token-issuers-for-the-sovereign-cloud>
/// (both read 2026-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    Public,
    Government,
    China,
}

impl Cloud {
    /// The hosts of older and newer tokens.
    fn hosts(self) -> [&'static str; 2] {
        match self {
            Self::Public => ["sts.windows.net", "login.microsoftonline.com"],
            Self::Government => ["sts.windows.net", "login.microsoftonline.us"],
            Self::China => ["sts.chinacloudapi.cn", "login.partner.microsoftonline.cn"],
        }
    }

    /// Where a tenant's keys are published, for tokens of both versions.
    pub(crate) fn keys_url(self, tenant: &str) -> String {
        let [_, host] = self.hosts();
        format!("https://{host}/{tenant}/discovery/v2.0/keys")
    }
}

/// Google's keys as a key set: `jwks_uri` of <https://accounts.google.com/.well-known/openid-configuration>.
pub(crate) const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// Event Grid of the public cloud as an application:
/// <https://github.com/MicrosoftDocs/azure-docs>, `articles/event-grid/scripts/powershell-webhook-secure-delivery-*.md`.
pub(crate) const EVENT_GRID: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";

/// The role that those scripts make and give to it.
pub(crate) const EVENT_GRID_ROLE: &str = "AzureEventGridSecureWebhookSubscriber";

/// <https://developers.google.com/identity/openid-connect/openid-connect> ("Always … for Google ID tokens").
const GOOGLE: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

const OTHER_ISSUER: &str = "the token is another issuer's";

impl Issuer {
    pub(super) fn is_other(&self) -> bool {
        matches!(self, Self::Other { .. })
    }

    /// Google and Entra sign with RSA alone.
    pub(super) fn signs_with(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Google { .. } | Self::Entra(_) => algorithm == Algorithm::Rs256,
            Self::Other { .. } => true,
        }
    }

    /// Whether the token is this issuer's and says what it has to.
    pub(super) fn admits(&self, claims: &Members) -> Result<(), &'static str> {
        match self {
            Self::Google { email } => {
                if !claims.text("iss").is_some_and(|issuer| GOOGLE.contains(&issuer)) {
                    return Err(OTHER_ISSUER);
                }
                // Anybody can get a token for our audience. What differs is for whose account.
                if claims.text("email") != Some(email) {
                    return Err("the token is another account's");
                }
                let verified = claims.get("email_verified") == Some(&Value::Bool(true));
                verified.then_some(()).ok_or("the token's email is not verified")
            }
            Self::Entra(entra) => entra.admits(claims),
            Self::Other { issuer, claims: expected } => {
                if claims.text("iss") != Some(issuer) {
                    return Err(OTHER_ISSUER);
                }
                let fits = |(name, expected): &(String, Expected)| {
                    claims.get(name).is_some_and(|v| expected.fits(v))
                };
                expected
                    .iter()
                    .all(fits)
                    .then_some(())
                    .ok_or("a claim of the token is not as the settings have it")
            }
        }
    }
}

impl Entra {
    /// The claims: <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference> (read 2026-11). A token
    /// is of version 1 or 2 as the webhook's application asks for it, and the versions name issuer and caller otherwise.
    fn admits(&self, claims: &Members) -> Result<(), &'static str> {
        let Self { cloud, tenant, application, role } = self;
        let [first, second] = cloud.hosts();
        let issuer = claims.text("iss").unwrap_or_default();
        let (version, caller) = if issuer == format!("https://{first}/{tenant}/") {
            ("1.0", "appid")
        } else if issuer == format!("https://{second}/{tenant}/v2.0") {
            ("2.0", "azp")
        } else {
            return Err(OTHER_ISSUER);
        };
        if claims.get("ver").is_some_and(|given| given.as_str() != Some(version)) {
            return Err("the token's ver is not that of its issuer");
        }
        if claims.text("tid") != Some(tenant) {
            return Err("the token is another tenant's");
        }
        // Whoever makes the subscription has the role, too, and can get a token for our audience: only the caller tells.
        let is_us = |name: &str| claims.get(name).is_none_or(|given| given.as_str() == Some(application));
        if claims.get(caller).is_none() || !is_us("appid") || !is_us("azp") {
            return Err("the token is another application's");
        }
        let has_role = claims.get("roles").is_some_and(|roles| holds(roles, role));
        has_role.then_some(()).ok_or("the token has not the role")
    }
}

impl Expected {
    fn fits(&self, given: &Value) -> bool {
        match self {
            Self::Text(text) => given.as_str() == Some(text),
            Self::Flag(flag) => given.as_bool() == Some(*flag),
            Self::Number(number) => given.as_i64() == Some(*number),
            Self::Holding(texts) => texts.iter().all(|text| holds(given, text)),
        }
    }
}

/// Whether a value is a list, and this text in it.
fn holds(list: &Value, text: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|value| value.as_str() == Some(text)))
}
