//! What came in, and which objects were accepted how often. The API key is not among it.

use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// One request, recorded once its body was read whole (or found too large), before it is answered.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// When. In JSON: RFC 3339, UTC.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The number of its connection, from 1: equal numbers mean that the client reused the connection.
    pub connection: u64,
    /// The client's port.
    pub remote_port: u16,
    /// The method, as sent.
    pub method: String,
    /// The path, undecoded, without a query.
    pub path: String,
    /// Whether it carried the right API key.
    pub authorized: bool,
    /// `storageClientId`, if the body has one.
    pub storage_client_id: Option<String>,
    /// The object key, if `metadata` has one in any of the shapes, right or wrong for the unit.
    pub key: Option<String>,
    /// `scanId`, if the body has one.
    pub scan_id: Option<String>,
    /// The body as it came; empty if it was too large. In JSON: as text, what is not UTF-8 replaced.
    #[serde(serialize_with = "text")]
    pub body: Bytes,
    /// The status sent back; none as long as nothing was, and for ever after a hang or a reset.
    #[serde(serialize_with = "number")]
    pub status: Option<StatusCode>,
}

/// One object that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The storage unit.
    pub storage_client_id: String,
    /// The object's key.
    pub key: String,
    /// How often it was accepted, at least once.
    pub times: u64,
    /// The correlation id of the last time.
    pub last_correlation_id: String,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    keep: usize,
    /// The number of the oldest request still there; numbers are never used twice.
    first: u64,
    requests: VecDeque<Recorded>,
    accepted: BTreeMap<(String, String), Accepted>,
}

impl Recorder {
    pub(crate) fn new(keep: usize) -> Self {
        Self { keep, first: 0, requests: VecDeque::new(), accepted: BTreeMap::new() }
    }

    /// Keeps a request and gives the number by which [`Recorder::answered`] finds it.
    pub(crate) fn record(&mut self, request: Recorded) -> u64 {
        self.requests.push_back(request);
        let number = self.first + self.requests.len() as u64 - 1;
        while self.requests.len() > self.keep {
            self.requests.pop_front();
            self.first += 1;
        }
        number
    }

    pub(crate) fn answered(&mut self, number: u64, status: Option<StatusCode>) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| self.requests.get_mut(index)) {
            request.status = status;
        }
    }

    pub(crate) fn accept(&mut self, storage_client_id: String, key: String, correlation_id: &str) {
        let entry = self.accepted.entry((storage_client_id, key));
        let (storage_client_id, key) = entry.key().clone();
        let accepted = entry.or_insert_with(|| Accepted {
            storage_client_id,
            key,
            times: 0,
            last_correlation_id: String::new(),
        });
        accepted.times += 1;
        accepted.last_correlation_id = correlation_id.to_owned();
    }

    /// Drops requests and accepted objects; a request still unanswered is not brought back by its answer.
    pub(crate) fn forget(&mut self) {
        self.first += self.requests.len() as u64;
        self.requests.clear();
        self.accepted.clear();
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.iter().cloned().collect()
    }

    /// By storage unit, then key.
    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.accepted.values().cloned().collect()
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&Timestamp::try_from(*time).map_err(serde::ser::Error::custom)?)
}

fn text<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(body))
}

fn number<S: Serializer>(status: &Option<StatusCode>, to: S) -> Result<S::Ok, S::Error> {
    status.map(|status| status.as_u16()).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Recorded {
        Recorded {
            time: SystemTime::UNIX_EPOCH,
            connection: 1,
            remote_port: 2,
            method: "POST".into(),
            path: path.into(),
            authorized: true,
            storage_client_id: None,
            key: None,
            scan_id: None,
            body: Bytes::from_static(b"\xffx"),
            status: None,
        }
    }

    #[test]
    fn an_answer_finds_its_request_or_nothing() {
        let mut recorder = Recorder::new(2);
        let numbers = ["a", "b", "c"].map(|path| recorder.record(request(path)));
        for number in numbers {
            recorder.answered(number, StatusCode::from_u16(200 + number as u16).ok());
        }
        let seen = |recorder: &Recorder| -> Vec<_> {
            recorder.requests().into_iter().map(|r| (r.path, r.status.map(|s| s.as_u16()))).collect()
        };
        assert_eq!(seen(&recorder), [("b".to_owned(), Some(201)), ("c".to_owned(), Some(202))]);

        recorder.forget();
        recorder.record(request("d"));
        recorder.answered(numbers[2], Some(StatusCode::OK));
        assert_eq!(seen(&recorder), [("d".to_owned(), None)]);
    }

    #[test]
    fn json_is_readable() {
        let mut one = request("/p");
        one.status = Some(StatusCode::OK);
        let json = serde_json::to_value(&one).unwrap();
        assert_eq!(json["time"], "1970-01-01T00:00:00Z");
        assert_eq!(json["body"], "\u{fffd}x");
        assert_eq!(json["status"], 200);
    }
}
