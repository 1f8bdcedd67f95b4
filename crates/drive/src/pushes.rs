//! What the clouds post that sign their notifications: EventBridge and the message service of Alibaba Cloud, and SMN of Huawei Cloud. The forms are
//! what `crates/gate` documents of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value};

use crate::signer::Signer;

/// The headers of a post.
pub type Headers = Vec<(&'static str, String)>;

impl Signer {
    /// The headers with which EventBridge posts this body to an HTTP target, signed at this moment. `url` is the target's, as it
    /// stands in the rule.
    #[must_use]
    pub fn eventbridge(
        &self,
        url: &str,
        certificate_url: &str,
        token: Option<&str>,
        at: Timestamp,
        body: &[u8],
    ) -> Headers {
        let mut headers = vec![
            ("x-eventbridge-signature-timestamp", at.as_millisecond().to_string()),
            ("x-eventbridge-hash-method", "SHA256".to_owned()),
            ("x-eventbridge-signature-version", "1.0".to_owned()),
            ("x-eventbridge-signature-url", certificate_url.to_owned()),
        ];
        headers.extend(token.map(|token| ("x-eventbridge-signature-token", token.to_owned())));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let text = [format!("{url}\n{lines}").as_bytes(), body, b"\n"].concat();
        headers.push(("x-eventbridge-signature-v2", STANDARD.encode(self.sign_sha256(&text))));
        headers.push(("content-type", "application/cloudevents+json; charset=utf-8".to_owned()));
        headers
    }

    /// The headers with which the message service posts a topic's message to a path, signed at this moment: in the format SIMPLIFIED, in
    /// which the body is the message itself. `topic` is its owner's account and its name.
    #[must_use]
    pub fn mns(
        &self,
        id: &str,
        topic: (&str, &str),
        path: &str,
        certificate_url: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Headers {
        let md5: String = Md5::digest(body).iter().map(|byte| format!("{byte:02X}")).collect();
        let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let kind = "text/plain;charset=utf-8";
        let (owner, name) = topic;
        // In the order in which they are signed.
        let own = [
            ("x-mns-message-id", id.to_owned()),
            ("x-mns-message-tag", String::new()),
            ("x-mns-publish-time", at.as_millisecond().to_string()),
            ("x-mns-request-id", format!("{id}-{}", at.as_nanosecond())),
            ("x-mns-signing-cert-url", STANDARD.encode(certificate_url)),
            ("x-mns-subscriber", owner.to_owned()),
            ("x-mns-subscription-name", "relay".to_owned()),
            ("x-mns-topic-name", name.to_owned()),
            ("x-mns-topic-owner", owner.to_owned()),
            ("x-mns-version", "2015-06-06".to_owned()),
        ];
        let lines: String = own.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let text = format!("POST\n{md5}\n{kind}\n{date}\n{lines}{path}");
        let mut headers = vec![
            ("authorization", STANDARD.encode(self.sign_sha1(text.as_bytes()))),
            ("content-md5", md5),
            ("content-type", kind.to_owned()),
            ("date", date),
        ];
        headers.extend(own);
        headers
    }

    /// A message of SMN, signed at this moment; with the URL it is a confirmation. The headers say once more what it says.
    #[must_use]
    pub fn smn(
        &self,
        kind: &str,
        topic: &str,
        id: &str,
        subscribe_url: Option<&str>,
        at: Timestamp,
        message: &str,
    ) -> (Headers, String) {
        let region = topic.split(':').nth(2).unwrap_or_default();
        let certificate = format!(
            "https://smn.{region}.myhuaweicloud.com/smn/SMN_{region}_b98100eca1bf44e2b2b8b0d5a4a2b9ee.pem"
        );
        // In the order in which they are signed.
        let mut signed = vec![("message", message), ("message_id", id)];
        signed.extend(subscribe_url.map(|url| ("subscribe_url", url)));
        let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        signed.extend([("timestamp", at.as_str()), ("topic_urn", topic), ("type", kind)]);
        let text: String = signed.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
        let signature = STANDARD.encode(self.sign_sha256(text.as_bytes()));
        let others = [
            ("signature", signature.as_str()),
            ("signature_version", "v1"),
            ("signing_cert_url", &certificate),
        ];
        let members: Map<String, Value> =
            signed.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value.into())).collect();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-smn-message-type", kind.to_owned()),
            ("x-smn-message-id", id.to_owned()),
            ("x-smn-topic-urn", topic.to_owned()),
        ];
        (headers, Value::Object(members).to_string())
    }
}
