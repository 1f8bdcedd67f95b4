//! One reader for each check of a provider's signature.

use jiff::SignedDuration;
use mdss_relay_core::Mistake;
use toml::{Table, Value};

use super::reader::{Found, Reader, kind};
use crate::check::{
    AlibabaEventbridge, AlibabaMns, ContentMd5, HeaderSignature, HuaweiSmn, JDCLOUD, MNS, MnsTopic, SmnTopic,
    Sns, Topic, Trust, host,
};
use crate::key::{Key, Pinned};
use crate::key_url::KeyUrl;

/// JD's service repeats within a minute. Alibaba, whose interface it is, asks for 15 minutes.
const HEADERS_WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// "Older than 60 seconds is expired", says EventBridge's page.
const EVENTBRIDGE_WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// `Timestamp` is when a message was published, and SNS may repeat it for an hour:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html> ("can't exceed 3,600 seconds").
const SNS_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// `timestamp` is the moment of the first attempt, six follow in growing pauses, and what is refused for its age is lost. How long they take
/// is not documented; an hour is a guess on the safe side.
const SMN_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Certificate URLs held at once. Each of them may be fetched, so the list is short.
const MOST_URLS: usize = 8;

const TRUST: [&str; 3] = ["certificate_file", "certificate", "certificate_urls"];

const PUBLIC_URL: &str = "the URL of EventBridge's target up to the secret in its path and its query, such as \
                          https://relay.example.com/alibaba";

/// The members of a check that pins certificates or lists their URLs.
fn with_trust(own: &[&'static str]) -> Vec<&'static str> {
    TRUST.iter().chain(&["allow_http"]).chain(own).copied().collect()
}

fn public_url(text: &str) -> Result<String, &'static str> {
    let good = !text.contains(['?', '#']) && !text.ends_with('/');
    KeyUrl::listed(text, true).ok().filter(|_| good).map(|_| text.to_owned()).ok_or(PUBLIC_URL)
}

impl Reader<'_> {
    pub(super) fn jdcloud_signature(&mut self, value: &Value, place: &str) -> Option<HeaderSignature> {
        let known = with_trust(&["content_md5", "date_window"]);
        let table = self.table(value, place, &known)?;
        let md5 = [("required", ContentMd5::Required), ("optional", ContentMd5::Optional)];
        let content_md5 = self.word(table, place, "content_md5", &md5);
        let window = self.window(table, place, HEADERS_WINDOW);
        let trust = self.trust(table, place);
        Some(HeaderSignature {
            scheme: &JDCLOUD,
            place: place.to_owned(),
            trust: trust?,
            content_md5: content_md5?,
            window: window?,
        })
    }

    /// `public_url` is what stands in EventBridge's target, up to the secret and the query.
    pub(super) fn alibaba_eventbridge(&mut self, value: &Value, place: &str) -> Option<AlibabaEventbridge> {
        let table = self.table(value, place, &with_trust(&["public_url", "date_window"]))?;
        let url_place = format!("{place}.public_url");
        let public_url = match table.get("public_url") {
            Some(Value::String(url)) => self.accepted(public_url(url), &url_place),
            Some(other) => {
                self.mistake(Mistake::found(url_place, kind(other), PUBLIC_URL));
                None
            }
            None => {
                self.mistake(Mistake::found(url_place, "nothing", PUBLIC_URL));
                None
            }
        };
        let window = self.window(table, place, EVENTBRIDGE_WINDOW);
        let trust = self.trust(table, place);
        Some(AlibabaEventbridge {
            place: place.to_owned(),
            trust: trust?,
            public_url: public_url?,
            window: window?,
        })
    }

    pub(super) fn alibaba_mns(&mut self, value: &Value, place: &str) -> Option<AlibabaMns> {
        let table = self.table(value, place, &with_trust(&["topics", "date_window"]))?;
        let expected = "a list of topics as OWNER/NAME: Alibaba signs for all of its customers";
        let topics = self.topics(table, place, expected, |reader, text, place| {
            reader.accepted_text(MnsTopic::new(text), place, text)
        });
        let window = self.window(table, place, HEADERS_WINDOW);
        let trust = self.trust(table, place);
        let signature = HeaderSignature {
            scheme: &MNS,
            place: place.to_owned(),
            trust: trust?,
            content_md5: ContentMd5::Required,
            window: window?,
        };
        Some(AlibabaMns { signature, topics: topics? })
    }

    pub(super) fn huawei_smn(&mut self, value: &Value, place: &str) -> Option<HuaweiSmn> {
        let known = ["topics", "certificate_file", "certificate", "certificate_hosts", "date_window"];
        let table = self.table(value, place, &known)?;
        let pins = table.contains_key("certificate") || table.contains_key("certificate_file");
        let expected = "a list of topics' URNs: Huawei signs for all of its customers";
        let topics = self.topics(table, place, expected, |reader, text, place| {
            reader.accepted_text(SmnTopic::new(text), place, text)
        });
        let hosts_place = format!("{place}.certificate_hosts");
        let hosts = match table.get("certificate_hosts") {
            None => Some(Vec::new()),
            Some(_) if pins => {
                let expected = "nothing: beside a pinned certificate none is fetched";
                self.mistake(Mistake::new(hosts_place, expected));
                None
            }
            Some(value) => self.list(value, &hosts_place, |reader, text, place| {
                reader.accepted_text(host(text), place, text)
            }),
        };
        let pinned = if pins { Some(self.pinned(table, place)?) } else { None };
        let window = self.window(table, place, SMN_WINDOW);
        Some(HuaweiSmn { topics: topics?, pinned, hosts: hosts?, window: window? })
    }

    /// The list `topics`, which has to be there.
    fn topics<T>(
        &mut self,
        table: &Table,
        place: &str,
        expected: &str,
        make: impl FnMut(&mut Self, &str, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let place = format!("{place}.topics");
        match table.get("topics") {
            Some(value) => self.list(value, &place, make),
            None => {
                self.mistake(Mistake::found(place, "nothing", expected));
                None
            }
        }
    }

    /// Whose signatures are believed: one of three members.
    fn trust(&mut self, table: &Table, place: &str) -> Option<Trust> {
        let allow_http = self.flag(table, place, "allow_http");
        let (member, value) = self.one_of(table, place, &TRUST)?;
        let trust = match member {
            "certificate_urls" => {
                self.urls(value, &format!("{place}.{member}"), allow_http?).map(Trust::Listed)
            }
            _ => self.pinned(table, place).map(Trust::Pinned),
        };
        if member != "certificate_urls" && table.contains_key("allow_http") {
            let expected = "nothing: only certificate_urls are fetched";
            self.mistake(Mistake::new(format!("{place}.allow_http"), expected));
        }
        trust
    }

    fn urls(&mut self, value: &Value, place: &str, allow_http: bool) -> Option<Vec<KeyUrl>> {
        // A URL that is not accepted may hold a password, so it is not shown.
        let urls = self.list(value, place, |reader, text, place| {
            reader.accepted(KeyUrl::listed(text, allow_http), place)
        })?;
        if urls.len() > MOST_URLS {
            self.mistake(Mistake::new(place, format!("at most {MOST_URLS} URLs")));
            return None;
        }
        Some(urls)
    }

    /// `certificate` or `certificate_file`.
    fn pinned(&mut self, table: &Table, place: &str) -> Option<Pinned> {
        let Found { place, text } = self.text_or_file(table, place, "certificate")?;
        let keys = self.accepted(Key::all(text.as_bytes()), &place)?;
        Some(Pinned { place, keys })
    }

    pub(super) fn sns(&mut self, value: &Value, place: &str) -> Option<Sns> {
        let known = ["topics", "certificate_file", "certificate", "date_window"];
        let table = self.table(value, place, &known)?;
        let pins = table.contains_key("certificate") || table.contains_key("certificate_file");
        let expected = "a list of topics' ARNs: SNS signs for every AWS customer";
        let topics = self.topics(table, place, expected, |reader, text, place| {
            let topic = reader.accepted_text(Topic::new(text), place, text)?;
            let expected =
                "a topic of the partition aws, aws-cn or aws-us-gov (others need certificate_file)";
            let fits = if pins || topic.has_signer() { Ok(topic) } else { Err(expected) };
            reader.accepted_text(fits, place, text)
        });
        let pinned = if pins { Some(self.pinned(table, place)?) } else { None };
        let window = self.window(table, place, SNS_WINDOW);
        Some(Sns { topics: topics?, pinned, window: window? })
    }
}
