//! Whose document it is, and whom its rules tell.

use super::parser::{Kind, Parser, ROOT, Raw};
use crate::select::notification::document::{Address, Store, Target};
use crate::select::notification::xml::{self, Element};

/// "at most 5 addresses are configured" (JD, "Callback Notification").
const MOST_ADDRESSES: usize = 5;

const NS: &str = "NS:";

impl Parser {
    /// Tells whose document it is.
    pub(super) fn whose(&mut self, root: &Element, raws: &[Raw<'_>]) {
        let is_jd = |raw: &Raw<'_>| match raw.kind {
            Kind::Topic => raw.target_text().starts_with(NS),
            Kind::Function => !raw.target_text().is_empty() && !is_resource_name(raw.target_text()),
            Kind::Queue | Kind::EventBridge => false,
        };
        let is_s3 = |raw: &Raw<'_>| is_resource_name(raw.target_text()) || raw.kind == Kind::EventBridge;
        let is_amazon = |raw: &Raw<'_>| is_amazon(raw.target_text()) || raw.kind == Kind::EventBridge;
        if let Some(first) = raws.iter().find(|raw| is_jd(raw) || is_s3(raw)) {
            let stranger = raws.iter().find(|raw| if is_jd(first) { is_s3(raw) } else { is_jd(raw) });
            if let Some(stranger) = stranger {
                let found = format!("{} of JD Cloud's kind and {} of S3's", first.place, stranger.place);
                let found = if is_jd(first) {
                    found
                } else {
                    format!("{} of S3's kind and {} of JD Cloud's", first.place, stranger.place)
                };
                self.mistake(root.line, ROOT, Some(&found), "the rules of one store");
            }
            self.store = match first {
                first if is_jd(first) => Store::JdCloud,
                _ if raws.iter().any(is_amazon) => Store::Amazon,
                _ => Store::Other,
            };
        }
    }

    pub(super) fn target(&mut self, raw: &Raw<'_>) -> Option<Target> {
        if raw.kind == Kind::EventBridge {
            return Some(Target::EventBridge);
        }
        let name = raw.kind.target();
        let place = format!("{}.{name}", raw.place);
        let Some(element) = raw.target else {
            self.mistake(raw.element.line, &place, None, "the target of the rule; the element is missing");
            return None;
        };
        if raw.kind == Kind::Queue && self.store == Store::JdCloud {
            self.mistake(
                element.line,
                &place,
                None,
                "no queue: JD Cloud sends events to addresses and functions only",
            );
            return None;
        }
        let text = self.token(element, &place).to_owned();
        if let Some(list) = text.strip_prefix(NS).filter(|_| raw.kind == Kind::Topic) {
            return self.addresses(element.line, &place, list).map(Target::Addresses);
        }
        if !is_resource_name(&text) {
            // Not shown: an address without its NS: may hold a secret.
            let expected = match raw.kind {
                Kind::Topic => "NS: and 1 to 5 addresses with commas between them (JD Cloud), or an ARN (S3)",
                Kind::Queue => "the ARN of a queue",
                Kind::Function | Kind::EventBridge => "the id of a function (JD Cloud), or its ARN (S3)",
            };
            let is_id = raw.kind == Kind::Function
                && !text.is_empty()
                && !text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':'));
            if !is_id {
                self.mistake(element.line, &place, None, expected);
                return None;
            }
            return Some(Target::Function(text));
        }
        self.resource_name(element.line, &place, raw.kind, &text);
        Some(match raw.kind {
            Kind::Topic => Target::Topic(text),
            Kind::Queue => Target::Queue(text),
            Kind::Function | Kind::EventBridge => Target::Lambda(text),
        })
    }

    fn addresses(&mut self, line: usize, place: &str, list: &str) -> Option<Vec<Address>> {
        let texts: Vec<&str> = list.split(',').collect();
        if texts.len() > MOST_ADDRESSES {
            let found = format!("{} addresses", texts.len());
            self.mistake(line, place, Some(&found), format!("{NS} and 1 to {MOST_ADDRESSES} addresses"));
            return None;
        }
        let mut addresses: Vec<Address> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let place = format!("{place}, address {}", index + 1);
            let trimmed = text.trim_matches(xml::is_space);
            if trimmed.len() < text.len() {
                self.warn(line, &place, "white space around it; read without, which the store may not do");
            }
            match Address::new(trimmed) {
                Ok(address) => {
                    if !address.is_encrypted() {
                        let sentence =
                            "http: events, and a secret in the path, travel in the clear; use https";
                        self.warn(line, &place, sentence);
                    }
                    if addresses.contains(&address) {
                        self.warn(line, &place, "stands there twice, so it would get every event twice");
                    }
                    addresses.push(address);
                }
                Err(expected) => self.mistake(line, &place, None, expected),
            }
        }
        (addresses.len() == texts.len()).then_some(addresses)
    }

    /// `arn:partition:service:region:account:resource` (Amazon, "Amazon Resource Names"); StorageGRID writes `urn:`.
    fn resource_name(&mut self, line: usize, place: &str, kind: Kind, text: &str) {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let well_formed = matches!(parts[..], [_, partition, service, .., resource]
            if parts.len() == 6 && ![partition, service, resource].contains(&""))
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !well_formed {
            return self.mistake(line, place, Some(text), "arn:partition:service:region:account:resource");
        }
        let service = kind.service();
        if self.store != Store::Amazon {
            return;
        }
        if !is_amazon(text) {
            self.mistake(line, place, Some(text), "an ARN of Amazon, with an account, as the others are");
        } else if parts[2] != service {
            self.mistake(line, place, Some(text), format!("an ARN whose service is {service}"));
        } else if text.ends_with(".fifo") {
            // Neither FIFO queues nor FIFO topics can be targets (Amazon, "Supported event destinations").
            self.mistake(
                line,
                place,
                Some(text),
                "a standard queue or topic: S3 sends no events to FIFO ones",
            );
        }
    }
}

fn is_resource_name(text: &str) -> bool {
    text.starts_with("arn:") || text.starts_with("urn:")
}

/// Amazon's resources have an account of twelve digits; MinIO's partition is `minio`, and Ceph, which writes `aws`, has
/// a tenant there or nothing.
pub(in crate::select::notification) fn is_amazon(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts[..], ["arn", partition, _, _, account, _]
        if (partition == "aws" || partition.starts_with("aws-"))
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit()))
}
