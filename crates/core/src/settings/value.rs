//! Readers of values. Each says in words which values it takes, for the documentation, and reads one; what is wrong with it
//! becomes the end of a sentence. Bounds are written once, in the row of the setting.
//!
//! A number without a unit is a mistake: nobody knows whether 10 is seconds.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use url::Url;

use crate::mdss::client::{ApiKey, ENDPOINT};
use crate::mdss::trust;
use crate::model::unit::StorageClientId;
use crate::plain::file::{MOST_FILE_BYTES, plain_file};
use crate::plain::secret::Secret;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const TIB: u64 = 1 << 40;

/// What a storage client id is, for a sentence.
pub(super) const STORAGE_CLIENT_ID: &str = "the storage client id of a unit, as the MDSS dashboard shows it";

/// The documented path of the webhook (OPSWAT `mdss/configuration/event-based-request-format`).
const WEBHOOK_PATH: &str = "/api/webhook/realtime";

/// Units, the smallest first; each holds the one before it a whole number of times.
const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: &[(&str, u64)] = &[("KiB", KIB), ("MiB", MIB), ("GiB", 1 << 30), ("TiB", TIB)];

/// A reader: the values it takes, as the documentation shows them, and the function that reads one. `read` gives what was
/// expected, as the end of a sentence.
pub(super) struct Value<R> {
    pub(super) values: String,
    pub(super) read: R,
}

/// A duration within bounds.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> Value<impl Fn(&str) -> Result<Duration, String>> {
    let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let amount = Amount {
        what: "a duration",
        bounds: millis(bounds.start())..=millis(bounds.end()),
        units: DURATIONS,
        examples: &["500ms", "10s", "2m", "12h", "7d"],
    };
    Value { values: amount.range(), read: move |text: &str| amount.read(text).map(Duration::from_millis) }
}

/// A duration with its unit, within bounds.
///
/// # Errors
/// What was expected, as the end of a sentence.
pub fn duration_in(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, String> {
    (duration(bounds).read)(text)
}

/// A number of bytes within bounds.
pub(super) fn size<T: TryFrom<u64>>(
    bounds: RangeInclusive<u64>,
) -> Value<impl Fn(&str) -> Result<T, String>> {
    let amount = Amount { what: "a size", bounds, units: SIZES, examples: &["6MiB", "4GiB"] };
    let values = amount.range();
    let read = move |text: &str| {
        amount.read(text).and_then(|bytes| T::try_from(bytes).map_err(|_| amount.expected()))
    };
    Value { values, read }
}

/// A whole number within bounds.
pub(super) fn number<T: FromStr + PartialOrd + Display>(
    bounds: RangeInclusive<T>,
) -> Value<impl Fn(&str) -> Result<T, String>> {
    let values = format!("{} to {}", bounds.start(), bounds.end());
    let expected = format!("a whole number from {values}");
    let read = move |text: &str| {
        text.parse().ok().filter(|number| bounds.contains(number)).ok_or_else(|| expected.clone())
    };
    Value { values, read }
}

/// One of some words, each with what it stands for.
pub(super) fn words<T: Copy + 'static>(
    words: &'static [(&'static str, T)],
) -> Value<impl Fn(&str) -> Result<T, String>> {
    let quoted: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let read = move |text: &str| {
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, means)| *means).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            match words.split_last() {
                Some((last, others)) if words.len() <= 3 => format!("{} or {last}", others.join(", ")),
                _ => format!("one of {}", words.join(", ")),
            }
        })
    };
    Value { values: quoted.join(", "), read }
}

/// What another reader takes, for a setting that has no value by default.
pub(super) fn some<T>(
    of: Value<impl Fn(&str) -> Result<T, String>>,
) -> Value<impl Fn(&str) -> Result<Option<T>, String>> {
    Value { values: of.values, read: move |text: &str| (of.read)(text).map(Some) }
}

/// What another reader takes, or the word `never`.
pub(super) fn or_never<T>(
    of: Value<impl Fn(&str) -> Result<T, String>>,
) -> Value<impl Fn(&str) -> Result<Option<T>, String>> {
    let read = move |text: &str| match text {
        "never" => Ok(None),
        text => (of.read)(text).map(Some).map_err(|expected| format!("{expected}; or never")),
    };
    Value { values: format!("{}, `never`", of.values), read }
}

/// Any text, as words of the documentation call it.
pub(super) fn text(called: &str) -> Value<impl Fn(&str) -> Result<String, String> + use<>> {
    Value { values: called.to_owned(), read: |text: &str| Ok(text.to_owned()) }
}

/// A folder of another system, by its absolute path, without a slash at its end. The root is none.
pub(super) fn folder() -> Value<impl Fn(&str) -> Result<String, String>> {
    const EXPECTED: &str = "an absolute path such as /buckets";
    let read = |text: &str| match text.trim_end_matches('/') {
        "" => Err(EXPECTED.to_owned()),
        folder if folder.starts_with('/') => Ok(folder.to_owned()),
        _ => Err(EXPECTED.to_owned()),
    };
    Value { values: "an absolute path".to_owned(), read }
}

/// A path. Whether something is there shows when it is opened.
pub(super) fn path() -> Value<impl Fn(&str) -> Result<PathBuf, String>> {
    Value { values: "a path".to_owned(), read: |text: &str| Ok(PathBuf::from(text)) }
}

/// A text that nobody may see.
pub(super) fn secret(called: &str) -> Value<impl Fn(&str) -> Result<Secret, String> + use<>> {
    Value { values: called.to_owned(), read: |text: &str| Ok(Secret::new(text)) }
}

/// A key that a request can carry.
pub(super) fn api_key() -> Value<impl Fn(&str) -> Result<Secret, String>> {
    let read = |text: &str| {
        let key = Secret::new(text);
        ApiKey::new(key.clone()).map(|_| key)
    };
    Value { values: "visible ASCII characters".to_owned(), read }
}

/// MDSS's address. Users of the vendor's samples have the full URL, everybody else tries the base first: it is completed.
pub(super) fn endpoint() -> Value<impl Fn(&str) -> Result<Url, String>> {
    let read = |text: &str| {
        let mut url = Url::parse(text).map_err(|_| ENDPOINT)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(ENDPOINT.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL without a user name or password in it".to_owned());
        }
        if url.fragment().is_some() {
            return Err("a URL without a fragment (#…)".to_owned());
        }
        if matches!(url.path(), "" | "/") {
            url.set_path(WEBHOOK_PATH);
        }
        Ok(url)
    };
    Value { values: "a URL".to_owned(), read }
}

/// The certificates in a file.
///
/// # Errors
/// What was expected, as the end of a sentence.
pub fn certificates_in(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = plain_file(path, MOST_FILE_BYTES).map_err(|e| e.to_string());
    let found = pem.and_then(|pem| trust::certificates(&pem));
    found.map_err(|why| format!("a file of certificates in PEM ({why})"))
}

/// The certificates in a file, as a setting.
pub(super) fn certificates() -> Value<impl Fn(&str) -> Result<Vec<CertificateDer<'static>>, String>> {
    Value { values: "a path".to_owned(), read: certificates_in }
}

/// The id of a storage unit.
pub(super) fn storage_client_id() -> Value<impl Fn(&str) -> Result<StorageClientId, String>> {
    let read = |text: &str| StorageClientId::new(text).ok_or_else(|| STORAGE_CLIENT_ID.to_owned());
    Value { values: "an id".to_owned(), read }
}

/// Where to listen.
pub(super) fn address() -> Value<impl Fn(&str) -> Result<SocketAddr, String>> {
    let read = |text: &str| {
        text.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
    };
    Value { values: "address:port".to_owned(), read }
}

/// A number with a unit.
struct Amount {
    what: &'static str,
    /// In the smallest unit.
    bounds: RangeInclusive<u64>,
    /// The smallest first.
    units: &'static [(&'static str, u64)],
    /// Those within the bounds are shown.
    examples: &'static [&'static str],
}

impl Amount {
    fn read(&self, text: &str) -> Result<u64, String> {
        self.parse(text).filter(|amount| self.bounds.contains(amount)).ok_or_else(|| self.expected())
    }

    fn parse(&self, text: &str) -> Option<u64> {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = (&text[..end], text[end..].trim_start());
        let (_, size) = self.units.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*size)
    }

    fn expected(&self) -> String {
        let fits = |example: &&str| self.parse(example).is_some_and(|amount| self.bounds.contains(&amount));
        let examples: Vec<_> = self.examples.iter().copied().filter(fits).collect();
        let examples = match examples.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => self.written(*self.bounds.end()),
        };
        format!("{} from {} with its unit, such as {examples}", self.what, self.range())
    }

    fn range(&self) -> String {
        format!("{} to {}", self.written(*self.bounds.start()), self.written(*self.bounds.end()))
    }

    /// An amount in the largest unit in which it is a whole number.
    fn written(&self, amount: u64) -> String {
        let fitting = self.units.iter().rev().find(|(_, size)| amount.is_multiple_of(*size));
        fitting.map_or_else(|| amount.to_string(), |(name, size)| format!("{}{name}", amount / size))
    }
}
