//! A bearer token, as MinIO and RustFS send it.
//!
//! MinIO puts `Bearer ` before a setting of one word and sends a setting of two words as it is:
//! <https://github.com/minio/minio/blob/master/internal/event/target/webhook.go> (`strings.Fields(AuthToken)`).
//! AIStor sends every setting "exactly as specified", one word included:
//! <https://docs.min.io/enterprise/aistor-object-store/reference/aistor-server/settings/notifications/webhook-service>.
//! So that the same text can be typed into both settings, a token of one word is admitted with and without the word
//! `Bearer` before it; that is one secret either way. A token with a space in it is the whole header value.

use crate::authorization::{after_scheme, only};
use crate::head::Head;
use crate::secret::{Secret, short_remark};

const SCHEME: &str = "Bearer";

#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    secret: Secret,
    whole: bool,
}

impl Bearer {
    /// # Errors
    ///
    /// What was expected, never the token: printable ASCII, the only characters a header value carries safely
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-5.5>), without spaces at its ends, which every HTTP parser
    /// takes off.
    pub(crate) fn new(token: &str) -> Result<Self, &'static str> {
        let secret = Secret::new(token)?;
        if !token.bytes().all(|byte| matches!(byte, b' '..=b'~')) || token.trim_matches(' ') != token {
            return Err("printable ASCII characters without spaces at the ends");
        }
        Ok(Self { secret, whole: token.contains(' ') })
    }

    pub(crate) fn judge(&self, head: &Head<'_>) -> Result<(), &'static str> {
        let value = only(head)?;
        if self.whole {
            return self
                .secret
                .is(value)
                .then_some(())
                .ok_or("the Authorization header is not the one expected");
        }
        match after_scheme(value, SCHEME) {
            Some(token) => self.secret.is(token).then_some(()).ok_or("the bearer token is wrong"),
            None => {
                self.secret.is(value).then_some(()).ok_or("the Authorization header holds no bearer token")
            }
        }
    }
}

/// What should be seen of a bearer token.
pub(crate) fn bearer_remark(place: &str, token: &str) -> Option<String> {
    if token.contains(' ') {
        let remark = "the token holds a space, so it has to be the whole Authorization header, the word Bearer included";
        return Some(format!("{place}: {remark}"));
    }
    short_remark(place, token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(token: &str, values: &[&[u8]]) -> Result<(), &'static str> {
        let headers: Vec<_> = values.iter().map(|value| ("aUTHORIZATION", *value)).collect();
        let head = Head { method: "POST", path: "/events", path_rest: None, headers: &headers, client: None };
        Bearer::new(token).unwrap().judge(&head)
    }

    #[test]
    fn one_word() {
        let wrong = Err("the bearer token is wrong");
        let none = Err("the Authorization header holds no bearer token");
        for (case, values, expected) in [
            ("exact", &[&b"Bearer t0ken"[..]][..], Ok(())),
            ("scheme in capitals", &[b"BEARER t0ken"], Ok(())),
            ("scheme in small letters", &[b"bearer t0ken"], Ok(())),
            ("two spaces", &[b"Bearer  t0ken"], Ok(())),
            ("as AIStor sends it", &[b"t0ken"], Ok(())),
            ("missing", &[], Err("no Authorization header")),
            ("empty", &[b""], Err("the Authorization header is empty")),
            ("scheme alone", &[b"Bearer"], none),
            ("empty token", &[b"Bearer "], wrong),
            ("other scheme", &[b"Basic t0ken"], none),
            ("no space", &[b"Bearert0ken"], none),
            ("tab", &[b"Bearer\tt0ken"], none),
            ("prefix", &[b"Bearer t0ke"], wrong),
            ("one byte more", &[b"Bearer t0kenn"], wrong),
            ("trailing space", &[b"Bearer t0ken "], wrong),
            ("trailing zero", &[b"Bearer t0ken\0"], wrong),
            ("other case", &[b"Bearer T0ken"], wrong),
            ("twice in one header", &[b"Bearer t0ken, Bearer t0ken"], wrong),
            ("not ASCII", &["Bearer t0kén".as_bytes()], wrong),
            ("not UTF-8", &[b"Bearer \xff\xfe"], wrong),
            ("doubled", &[b"Bearer t0ken", b"Bearer t0ken"], Err("more than one Authorization header")),
            (
                "doubled, one wrong",
                &[b"Bearer x", b"Bearer t0ken"],
                Err("more than one Authorization header"),
            ),
            ("doubled, one empty", &[b"Bearer t0ken", b""], Err("more than one Authorization header")),
        ] {
            assert_eq!(judge("t0ken", values), expected, "{case}");
        }
    }

    #[test]
    fn two_words_are_the_whole_header() {
        let wrong = Err("the Authorization header is not the one expected");
        for (case, value, expected) in [
            ("exact", &b"Bearer abc"[..], Ok(())),
            ("other case", b"bearer abc", wrong),
            ("second word", b"abc", wrong),
            ("bearer before both", b"Bearer Bearer abc", wrong),
            ("two spaces", b"Bearer  abc", wrong),
            ("one byte more", b"Bearer abcd", wrong),
            ("prefix", b"Bearer ab", wrong),
        ] {
            assert_eq!(judge("Bearer abc", &[value]), expected, "{case}");
        }
    }

    #[test]
    fn tokens_no_header_could_carry_are_refused() {
        let expected = "printable ASCII characters without spaces at the ends";
        for token in ["t\u{e9}", "a\nb", "a\r\nb", "\t", " abc", "abc ", " "] {
            assert_eq!(Bearer::new(token).unwrap_err(), expected, "{token:?}");
        }
        assert_eq!(Bearer::new("").unwrap_err(), "a text that is not empty");
    }

    proptest! {
        #[test]
        fn only_the_exact_credential_is_admitted(
            token in "[!-~]{1,24}",
            value in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..48),
                "(?i:bearer)? {0,2}[!-~]{0,24}".prop_map(String::into_bytes),
            ],
        ) {
            // The oracle reads the header in its own way: without the scheme and its spaces, the token must be left.
            let text = String::from_utf8_lossy(&value).into_owned();
            let bare = match text.split_once(' ') {
                Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim_start_matches(' '),
                _ => &text,
            };
            prop_assert_eq!(judge(&token, &[&value]).is_ok(), bare == token);
            let exact = format!("Bearer {token}");
            prop_assert_eq!(judge(&token, &[exact.as_bytes()]), Ok(()));
        }

        #[test]
        fn a_change_of_one_byte_is_refused(
            token in "[!-~]{1,24}",
            at in any::<prop::sample::Index>(),
            flip in 1u8..=255,
        ) {
            let mut value = format!("Bearer {token}").into_bytes();
            let place = 7 + at.index(token.len());
            value[place] ^= flip;
            // A space in front of the token belongs to the separator, so the rest is what counts: still not the token.
            prop_assert!(judge(&token, &[&value]).is_err());
        }
    }
}
