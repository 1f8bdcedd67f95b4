//! A signed token (JWT) in `Authorization`, as Google's and Microsoft's push services prove with it who they are.
//!
//! Read as <https://www.rfc-editor.org/rfc/rfc7519> and <https://www.rfc-editor.org/rfc/rfc8725> have it, with less freedom:
//!
//! - The operator names one issuer, and with it who signs and how. What the token says of that (`alg`, `kid`) can only fail to
//!   fit; a key in it, or a URL of one (`jwk`, `jku`, `x5u`, `x5c`), is not looked at.
//! - An audience is no proof. With Google anybody can get a token for ours, as himself, so a claim that says who has to fit too.
//! - The key comes last: a stranger whose token is wrong in any other way makes nobody fetch anything.
//! - A token is no proof of the body, and it is used again: Pub/Sub sends "the same token … for multiple messages" for up to an
//!   hour (<https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>). So nothing is remembered of it.
//! - What may be this side's fault (a key that cannot be had, a clock that is not set) is no refusal: Event Grid drops an event
//!   for good after a 401 (<https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry>).

mod issuer;
mod subscription;
mod token;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(crate) use issuer::{Cloud, EVENT_GRID, EVENT_GRID_ROLE, Entra, Expected, GOOGLE_KEYS, Issuer};

use super::objection::Objection;
use crate::authorization::{after_scheme, only};
use crate::head::{Head, Request};
use crate::key_set::KeySet;
use crate::key_url::KeyUrl;
use crate::keys::{Found, Keys};
use crate::members::Members;
use crate::moment;
use token::Token;

/// By how much two clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The longest life of a token: Entra's to an application may live for a day
/// (<https://learn.microsoft.com/en-us/entra/identity-platform/configurable-token-lifetimes>), Google's for an hour.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_mins(24 * 60 + 10);

#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    /// The setting, for warnings.
    pub(crate) place: String,
    pub(crate) issuer: Issuer,
    /// Whom the token has to be for: one of these.
    pub(crate) audiences: Vec<String>,
    pub(crate) trust: IssuerKeys,
    /// The Pub/Sub subscriptions whose messages are admitted; all of them, if there is none.
    pub(crate) subscriptions: Vec<String>,
}

/// Where the issuer's keys come from.
#[derive(Clone, Debug)]
pub(crate) enum IssuerKeys {
    /// The operator has them.
    Pinned(KeySet),
    /// The issuer publishes them here.
    Published(KeyUrl),
}

impl Jwt {
    /// What an operator should know about this setting.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let place = &self.place;
        let url = match &self.trust {
            IssuerKeys::Published(url) => url,
            IssuerKeys::Pinned(_) if self.issuer.is_other() => return Vec::new(),
            // Both exchange keys without notice: https://learn.microsoft.com/en-us/entra/identity-platform/signing-key-rollover
            IssuerKeys::Pinned(_) => {
                return vec![format!(
                    "{place}.jwks_file: this issuer exchanges its keys without notice, and then every event is refused until the \
                     file is exchanged too; without jwks_file they are fetched"
                )];
            }
        };
        let plain = url.as_str().starts_with("http://").then(|| {
            format!(
                "{place}.jwks_url: {url} is fetched over plain HTTP, where anybody on the way can exchange it"
            )
        });
        plain.into_iter().collect()
    }

    /// Whether the body has a say.
    pub(crate) fn needs_body(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// The token alone, which is in the head.
    pub(crate) fn judge(&self, head: &Head<'_>, now: Timestamp, keys: &Keys) -> Result<(), Objection> {
        let text =
            after_scheme(only(head)?, "Bearer").ok_or("the Authorization header holds no bearer token")?;
        let token = Token::read(text)?;
        if !self.issuer.signs_with(token.algorithm) {
            return Err("the token's alg is not one of its issuer's".into());
        }
        self.issuer.admits(&token.claims)?;
        self.is_for_us(&token.claims)?;
        if !moment::is_set(now) {
            return Err(Objection::Unavailable(moment::NOT_SET));
        }
        holds_at(&token.claims, now)?;
        self.is_signed(&token, now, keys)
    }

    /// What the body says beside it.
    pub(crate) fn judge_body(&self, request: &Request<'_>) -> Result<(), Objection> {
        match self.needs_body() {
            true => Ok(subscription::is_listed(request, &self.subscriptions)?),
            false => Ok(()),
        }
    }

    fn is_signed(&self, token: &Token<'_>, now: Timestamp, keys: &Keys) -> Result<(), Objection> {
        let verifies =
            |set: &KeySet| set.verifies(&token.key_id, token.algorithm, token.signed, &token.signature);
        let wrong = Objection::Refused("the token's signature is wrong");
        let unknown = Objection::Refused("the token's key is not one of its issuer's");
        let (verified, if_unknown) = match &self.trust {
            IssuerKeys::Pinned(set) => (verifies(set), unknown),
            IssuerKeys::Published(url) => match keys.find_set(url, now) {
                Found::Here { key: set, renewable: true, .. } => {
                    (verifies(set), Objection::NeedKey(url.clone()))
                }
                Found::Here { key: set, latest: true, .. } => (verifies(set), unknown),
                // It may be a new one, and its server is away.
                Found::Here { key: set, .. } => (
                    verifies(set),
                    Objection::Unavailable(
                        "the token's key is not held, and the issuer's keys could not be had a moment ago",
                    ),
                ),
                Found::Fetch => return Err(Objection::NeedKey(url.clone())),
                Found::NotNow(why) => return Err(Objection::Unavailable(why)),
            },
        };
        match verified {
            Some(true) => Ok(()),
            Some(false) => Err(wrong),
            None => Err(if_unknown),
        }
    }

    /// One audience, and it is ours: a token for two can be used by either of them with the other one.
    fn is_for_us(&self, claims: &Members) -> Result<(), &'static str> {
        let audience = match claims.get("aud") {
            Some(Value::String(audience)) => audience,
            Some(Value::Array(list)) => match &list[..] {
                [Value::String(audience)] => audience,
                _ => return Err("the token is for more than one audience, or for none"),
            },
            _ => return Err("the token's aud is no text"),
        };
        self.audiences.contains(audience).then_some(()).ok_or("the token is for another audience")
    }
}

/// Whether a token holds at `now`.
fn holds_at(claims: &Members, now: Timestamp) -> Result<(), &'static str> {
    let ends = date(claims, "exp")?.ok_or("the token has no exp")?;
    let made = date(claims, "iat")?.ok_or("the token has no iat")?;
    let begins = date(claims, "nbf")?.unwrap_or(made);
    let after = |moment: Timestamp, by: SignedDuration| moment.saturating_add(by).unwrap_or(Timestamp::MAX);
    if now >= after(ends, SKEW) {
        return Err("the token has expired");
    }
    if after(now, SKEW) < begins.max(made) {
        return Err("the token does not hold yet");
    }
    if ends.duration_since(made) > LONGEST_LIFE {
        return Err("the token holds for longer than a day");
    }
    Ok(())
}

/// A claim that is a number of seconds since 1970, which may have a fraction
/// (<https://www.rfc-editor.org/rfc/rfc7519#section-2>, `NumericDate`).
fn date(claims: &Members, name: &str) -> Result<Option<Timestamp>, &'static str> {
    const WRONG: &str = "one of the token's dates is none";
    let Some(given) = claims.get(name) else { return Ok(None) };
    let seconds = given.as_f64().ok_or(WRONG)?;
    let since = SignedDuration::try_from_secs_f64(seconds).map_err(|_| WRONG)?;
    Timestamp::from_duration(since).map(Some).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests;
