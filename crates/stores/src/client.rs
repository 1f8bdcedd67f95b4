//! A store's client: signed requests, and what their answers mean.

use std::sync::Arc;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use mdss_relay_core::retry_after;
use ring::digest::{SHA256, digest};

use crate::settings::StoreSettings;
use crate::sign::{Service, Signers};
use crate::trouble::{Trouble, TroubleKind, words};
use crate::wire::{Answer, Wire};

/// Asks one store.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) settings: Arc<StoreSettings>,
    wire: Wire,
    signers: Arc<Signers>,
}

impl Client {
    pub(crate) fn new(settings: &StoreSettings) -> Result<Self, Trouble> {
        let wire =
            Wire::new(settings).map_err(|why| Trouble::new(TroubleKind::Credentials, &settings.name, why))?;
        let signers = Arc::new(Signers::new(settings, &wire));
        Ok(Self { settings: Arc::new(settings.clone()), wire, signers })
    }

    pub(crate) fn trouble(&self, kind: TroubleKind, detail: impl Into<String>) -> Trouble {
        Trouble::new(kind, &self.settings.name, detail)
    }

    /// Signs a request and sends it once; once more if credentials that stand in files are refused, because somebody may have
    /// changed them.
    pub(crate) async fn send(
        &self,
        service: Service<'_>,
        request: Request<Bytes>,
    ) -> Result<Answer, Trouble> {
        let answer = self.once(service, request.clone()).await?;
        if matches!(answer.status, 401 | 403) && self.signers.refresh() {
            return self.once(service, request).await;
        }
        Ok(answer)
    }

    async fn once(&self, service: Service<'_>, request: Request<Bytes>) -> Result<Answer, Trouble> {
        let (mut parts, body) = request.into_parts();
        if let Service::Amazon { .. } = service {
            parts.headers.insert(HeaderName::from_static("x-amz-content-sha256"), sha256(&body));
        }
        let signed = self.signers.sign(service, &mut parts).await;
        signed.map_err(|why| self.trouble(TroubleKind::Credentials, why))?;
        let sent = self.wire.send(Request::from_parts(parts, body)).await;
        sent.map_err(|why| self.trouble(TroubleKind::Unreachable, why))
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// What its status and its body say otherwise.
    pub(crate) fn judged(
        &self,
        answer: Answer,
        bucket: Option<&str>,
        permission: &'static str,
    ) -> Result<Answer, Trouble> {
        if answer.is_success() {
            return Ok(answer);
        }
        let kind = match answer.status {
            401 | 403 => TroubleKind::Denied,
            404 => TroubleKind::Missing,
            // Not implemented, and no such version: it will not be a moment later.
            501 | 505 => TroubleKind::Refused,
            408 | 429 | 500.. => TroubleKind::Busy,
            _ => TroubleKind::Refused,
        };
        let (code, message) = said(&answer);
        // OCI says 404 for what it does not let anybody know of.
        let denied =
            kind == TroubleKind::Denied || code.as_deref().is_some_and(|c| c.contains("NotAuthorized"));
        let mut trouble = self.trouble(kind, message.unwrap_or_else(|| "without a word".to_owned()));
        trouble.bucket = bucket.map(Into::into);
        trouble.status = Some(answer.status);
        trouble.code = code.map(Into::into);
        trouble.permission = denied.then_some(permission);
        trouble.retry_after = answer
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, Timestamp::now()));
        Err(trouble)
    }
}

/// A digest as signatures of Amazon have it.
fn sha256(body: &[u8]) -> HeaderValue {
    let hex: String = digest(&SHA256, body).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    HeaderValue::from_str(&hex).expect("hexadecimal digits are visible ASCII")
}

/// A store's own word and sentence for what is wrong: XML of S3 and Azure, JSON of Google and OCI, or a header.
fn said(answer: &Answer) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(&answer.body);
    let code = answer.header("x-ms-error-code").or_else(|| answer.header("x-amz-error-code")).map(words);
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
        let error = json.get("error").unwrap_or(&json);
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => Some(words(text)),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        // Google's word stands in `status`, or beside each of the single errors.
        let reason = error.pointer("/errors/0/reason").or_else(|| error.get("status"));
        let found = reason.or_else(|| error.get("code")).and_then(text);
        return (code.or(found), error.get("message").and_then(text));
    }
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (inner, _) = rest.split_once(&format!("</{name}>"))?;
        Some(words(inner)).filter(|inner| !inner.is_empty() && !inner.contains('<'))
    };
    (code.or_else(|| element("Code")), element("Message"))
}
