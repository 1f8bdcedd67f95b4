//! A user and a password, `Authorization: Basic base64(user:password)`: <https://www.rfc-editor.org/rfc/rfc7617>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::authorization::{after_scheme, only};
use crate::head::Head;
use crate::secret::{LONGEST, Secret};

const SCHEME: &str = "Basic";

/// No credential that can match is longer than this once encoded; a longer one is not worth decoding.
const LONGEST_ENCODED: usize = LONGEST.div_ceil(3) * 4;

/// The whole `user:password` is held as one secret. The user name cannot contain a colon, so comparing the whole is
/// the same as comparing both parts, and a wrong user takes as long as a wrong password.
#[derive(Clone, Debug)]
pub(crate) struct Basic {
    pair: Secret,
}

impl Basic {
    /// # Errors
    ///
    /// What was expected of the pair, never the pair. That `user` has no colon is the caller's to check, because it
    /// belongs to another place in the settings.
    pub(crate) fn new(user: &str, password: &str) -> Result<Self, &'static str> {
        Ok(Self { pair: Secret::new(&format!("{user}:{password}"))? })
    }

    pub(crate) fn judge(&self, head: &Head<'_>) -> Result<(), &'static str> {
        let value = only(head)?;
        let encoded =
            after_scheme(value, SCHEME).ok_or("the Authorization header is not of the Basic scheme")?;
        if encoded.len() > LONGEST_ENCODED {
            return Err("the Basic credential is too long");
        }
        // Strict: padding must be there and the spare bits zero, so that one credential has one spelling.
        let pair = STANDARD.decode(encoded).map_err(|_| "the Basic credential is not base64")?;
        if !pair.contains(&b':') {
            return Err("the Basic credential has no colon");
        }
        self.pair.is(&pair).then_some(()).ok_or("the user or the password is wrong")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(user: &str, password: &str, values: &[&[u8]]) -> Result<(), &'static str> {
        let headers: Vec<_> = values.iter().map(|value| ("Authorization", *value)).collect();
        let head = Head { method: "POST", path: "/events", path_rest: None, headers: &headers, client: None };
        Basic::new(user, password).unwrap().judge(&head)
    }

    fn basic(pair: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(pair)).into_bytes()
    }

    #[test]
    fn attacks() {
        let wrong = Err("the user or the password is wrong");
        let not_base64 = Err("the Basic credential is not base64");
        let no_scheme = Err("the Authorization header is not of the Basic scheme");
        for (case, value, expected) in [
            ("exact", basic("u:p:w"), Ok(())),
            ("scheme in small letters", [b"basic ", &basic("u:p:w")[6..]].concat(), Ok(())),
            ("other user", basic("v:p:w"), wrong),
            ("colon elsewhere", basic("u:p"), wrong),
            ("password prefix", basic("u:p:"), wrong),
            ("one byte more", basic("u:p:w!"), wrong),
            ("empty password", basic("u:"), wrong),
            ("empty user", basic(":p:w"), wrong),
            ("user in capitals", basic("U:p:w"), wrong),
            ("zero at the end", basic("u:p:w\0"), wrong),
            ("not ASCII", basic("u:p:\u{e9}"), wrong),
            ("no colon", basic("up"), Err("the Basic credential has no colon")),
            ("nothing", b"Basic ".to_vec(), Err("the Basic credential has no colon")),
            ("not base64", b"Basic ***".to_vec(), not_base64),
            ("not UTF-8", b"Basic \xff\xff\xff\xff".to_vec(), not_base64),
            ("plain text", b"Basic u:p:w".to_vec(), not_base64),
            ("without padding", b"Basic dTpwOnc".to_vec(), not_base64),
            ("spare bits set", b"Basic dTpwOnd=".to_vec(), not_base64),
            ("space within", b"Basic dTpw Onc=".to_vec(), not_base64),
            ("scheme alone", b"Basic".to_vec(), no_scheme),
            ("other scheme", b"Bearer dTpwOnc=".to_vec(), no_scheme),
            ("empty", b"".to_vec(), Err("the Authorization header is empty")),
            ("endless", [&b"Basic "[..], &[b'A'; 100_000]].concat(), Err("the Basic credential is too long")),
        ] {
            assert_eq!(judge("u", "p:w", &[&value]), expected, "{case}");
        }
        assert_eq!(judge("u", "p", &[]), Err("no Authorization header"));
        let good = basic("u:p");
        assert_eq!(judge("u", "p", &[&good, &good]), Err("more than one Authorization header"));
    }

    #[test]
    fn the_longest_pair_is_admitted() {
        let password = "p".repeat(LONGEST - 2);
        assert_eq!(judge("u", &password, &[&basic(&format!("u:{password}"))]), Ok(()));
        assert_eq!(Basic::new("u", &"p".repeat(LONGEST - 1)).unwrap_err(), "at most 1024 bytes");
    }

    proptest! {
        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(judge("u", "p", &[&value]).is_err());
            prop_assert!(judge("u", "p", &[&[b"Basic ", &value[..]].concat()]).is_err());
        }

        #[test]
        fn only_the_exact_pair_is_admitted(user in "[a-z]{1,4}", password in "\\PC{1,8}", pair in "[a-z:]{1,8}") {
            let exact = format!("{user}:{password}");
            prop_assert_eq!(judge(&user, &password, &[&basic(&exact)]), Ok(()));
            prop_assert_eq!(judge(&user, &password, &[&basic(&pair)]).is_ok(), pair == exact);
        }
    }
}
