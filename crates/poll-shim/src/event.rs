//! What an answer's head says about the event in its body. Nothing else of the head is looked at: the platforms put credentials there.

use std::ffi::OsStr;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::environment::time;
use crate::profile::{Answers, Profile, Time};

/// The longest id that is taken for one: the platforms' have 36 bytes.
const LONGEST_ID: usize = 256;

/// What stands in a path as it is. A dot does not: `..` would be another path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// What is known of a call before its body is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The platform's id, as text; empty without one.
    pub(crate) id: String,
    /// How long the call may take, if the head says so.
    pub(crate) time: Option<Duration>,
    /// Where the response is posted to.
    pub(crate) response: String,
    /// Where a failure is posted to.
    pub(crate) error: String,
}

impl Head {
    /// Reads a head; `None` if it names no call that could be answered.
    pub(crate) fn read(profile: &Profile, headers: &HeaderMap) -> Option<Self> {
        let id = one(headers, profile.request_id).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        let (response, error) = match profile.answers {
            Answers::Last { response, error } => (response.to_owned(), error.to_owned()),
            Answers::ById { response, error } => {
                let id = percent_encode(id?, ENCODED).to_string();
                (format!("{response}{id}"), format!("{error}{id}"))
            }
        };
        let time = match profile.time {
            Time::Header(name) => {
                let found = one(headers, name).and_then(|value| str::from_utf8(value).ok());
                time(found.map(OsStr::new), Duration::from_millis)
            }
            Time::Variable(_) => None,
        };
        let id = String::from_utf8_lossy(id.unwrap_or_default()).into_owned();
        Some(Self { id, time, response, error })
    }
}

/// The value of a header that is there once. Which of two would be meant is not known.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::profile::{HUAWEI_FUNCTIONGRAPH, TENCENT_SCF};

    fn head(profile: &Profile, given: &[(&'static str, &[u8])]) -> Option<Head> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        Head::read(profile, &headers)
    }

    #[test]
    fn an_id_stands_in_a_path_encoded_or_the_event_is_not_taken() {
        let of = |id: &[u8]| head(&HUAWEI_FUNCTIONGRAPH, &[("x-cff-request-id", id)]);
        for (id, path) in [
            (&b"1e-2F_3"[..], "1e-2F_3"),
            (b"a/b?c", "a%2Fb%3Fc"),
            (b"..", "%2E%2E"),
            (b"a b#%41;&", "a%20b%23%2541%3B%26"),
            ("中".as_bytes(), "%E4%B8%AD"),
            (b"\xff", "%FF"),
        ] {
            let head = of(id).unwrap();
            assert_eq!(head.response, format!("/v1/runtime/invocation/response/{path}"));
            assert_eq!(head.error, format!("/v1/runtime/invocation/error/{path}"));
            assert_eq!(head.id, String::from_utf8_lossy(id));
            assert!(head.error.parse::<http::Uri>().is_ok());
        }
        assert_eq!(of(b""), None);
        assert!(of(&[b'a'; LONGEST_ID]).is_some());
        assert_eq!(of(&[b'a'; LONGEST_ID + 1]), None);
        assert_eq!(head(&HUAWEI_FUNCTIONGRAPH, &[]), None);
        let twice = [("x-cff-request-id", &b"a"[..]), ("x-cff-request-id", b"b")];
        assert_eq!(head(&HUAWEI_FUNCTIONGRAPH, &twice), None);
    }

    /// Whatever a header can hold: two bytes at a time, so that no escape can be made of what stands beside it.
    #[test]
    fn whatever_an_id_is_made_of_its_path_is_the_platforms_and_means_the_id() {
        let possible: Vec<u8> =
            (0..=u8::MAX).filter(|byte| HeaderValue::from_bytes(&[*byte]).is_ok()).collect();
        assert!(possible.len() > 200);
        for first in &possible {
            for second in &possible {
                let id = [*first, *second];
                let Some(head) = head(&HUAWEI_FUNCTIONGRAPH, &[("x-cff-request-id", &id)]) else {
                    panic!("{id:?}")
                };
                let rest = head.error.strip_prefix("/v1/runtime/invocation/error/").unwrap();
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte);
                assert!(rest.bytes().all(is_plain), "{rest}");
                assert_eq!(percent_encoding::percent_decode_str(rest).collect::<Vec<_>>(), id, "{rest}");
            }
        }
    }

    #[test]
    fn tencents_answers_need_no_id() {
        for given in [&[][..], &[("request_id", &[b'a'; 999][..])]] {
            let head = head(&TENCENT_SCF, given).unwrap();
            assert_eq!((&*head.id, &*head.response), ("", "/runtime/invocation/response"));
            assert_eq!(head.error, "/runtime/invocation/error");
        }
    }

    #[test]
    fn a_time_limit_is_milliseconds_or_unknown() {
        for (value, want) in [
            (&b"1000"[..], Some(1000)),
            (b"259200000", Some(259_200_000)),
            (b"259200001", None),
            (b"0", None),
            (b"abc", None),
            (b"1s", None),
            (b"-5", None),
            (b"\xff", None),
            (b"99999999999999999999999", None),
        ] {
            let head = head(&TENCENT_SCF, &[("time_limit_in_ms", value)]).unwrap();
            assert_eq!(head.time, want.map(Duration::from_millis), "{value:?}");
        }
        let twice = [("time_limit_in_ms", &b"1000"[..]), ("time_limit_in_ms", b"9000")];
        assert_eq!(head(&TENCENT_SCF, &twice).unwrap().time, None);
    }
}
