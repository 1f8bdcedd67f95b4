//! A line of the relay's log, as far as it is about a record.

use std::convert::Infallible;
use std::str::FromStr;

use clap::ValueEnum;
use mdss_relay_core::fields;
use serde_json::{Map, Value};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ResultWord {
    Accepted,
    Spooled,
    Skipped,
    Failed,
    Waiting,
    Held,
    Parked,
}

impl ResultWord {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Spooled => "spooled",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Parked => "parked",
        }
    }
}

/// A line that is JSON. It is about a record if it has a result.
#[derive(Debug, Default)]
pub(super) struct Record {
    time: Option<String>,
    level: Option<String>,
    message: Option<String>,
    pub(super) result: Option<ResultWord>,
    pub(super) source: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) unit: Option<String>,
    detail: Option<String>,
    correlation_id: Option<String>,
    ms: Option<u64>,
    /// How many others share the line.
    more: Option<u64>,
}

impl Record {
    /// `None` if the line is no object of JSON.
    pub(super) fn of(line: &str) -> Option<Self> {
        let line: Map<String, Value> = serde_json::from_str(line).ok()?;
        let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut record = Self {
            time: text("timestamp"),
            level: text("level"),
            message: text("message"),
            result: None,
            // An object's line names its delivery, and a server numbers those of each source: `minio-7`.
            source: text(fields::SOURCE)
                .or_else(|| text(fields::INVOCATION)?.rsplit_once('-').map(|(source, _)| source.to_owned())),
            bucket: text(fields::BUCKET),
            key: text(fields::KEY),
            reason: text(fields::REASON),
            unit: text(fields::LANE),
            detail: text(fields::DETAIL),
            correlation_id: text(fields::CORRELATION_ID),
            ms: line.get(fields::DURATION_MS).and_then(Value::as_u64),
            more: line.get(fields::MORE).and_then(Value::as_u64),
        };
        let is_record = line.contains_key(fields::ITEM) || record.more.is_some();
        let failed = line.contains_key(fields::ERROR_TYPE);
        record.result = is_record.then(|| match text(fields::SPOOL_STATE).as_deref() {
            _ if record.correlation_id.is_some() => ResultWord::Accepted,
            Some("waiting") => ResultWord::Waiting,
            Some("held") => ResultWord::Held,
            Some("parked") => ResultWord::Parked,
            _ if record.message.as_deref().is_some_and(|text| text.contains("is on disk")) => {
                ResultWord::Spooled
            }
            _ if failed => ResultWord::Failed,
            _ => ResultWord::Skipped,
        });
        Some(record)
    }

    /// For people. Columns have their usual width: nobody knows what comes.
    pub(super) fn line(&self) -> String {
        let time = self.time.as_deref().and_then(|time| time.get(..19)).unwrap_or("-").replace('T', " ");
        let message = self.message.as_deref().unwrap_or_default();
        let Some(result) = self.result else {
            let level = self.level.as_deref().unwrap_or("-").to_lowercase();
            return format!("{time}  {level:8}  {message}");
        };
        let object = match (&self.bucket, &self.key) {
            (Some(bucket), Some(key)) => format!("{bucket}/{key}"),
            (bucket, _) => bucket.clone().unwrap_or_else(|| "-".into()),
        };
        let more = self.more.map_or_else(String::new, |more| format!("  ({more} records)"));
        let ms = self.ms.map_or_else(String::new, |ms| format!("  {ms} ms"));
        let ending = self.correlation_id.as_ref().or(self.detail.as_ref());
        let ending = ending.map_or_else(String::new, |text| format!("  {text}"));
        format!(
            "{time}  {:8}  {:20}  {object}{more}{ms}{ending}",
            result.name(),
            self.reason.as_deref().unwrap_or("-")
        )
    }
}

/// A text in which `*` stands for anything.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<String>);

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split('*').map(str::to_owned).collect()))
    }
}

impl Pattern {
    /// Whether it describes all of a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) =
            text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        // The first place that fits leaves the most for the others.
        between.iter().all(|piece| match rest.find(piece.as_str()) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("*b*d*", "abcde", true),
            ("*d*b*", "abcde", false),
            ("*é", "aé", true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(text), fits, "{pattern} {text}");
        }
    }
}
