//! A secret at the end of the path, for senders that can be given a URL and nothing else.
//!
//! It is compared as it was sent. Percent-encoding an unreserved character changes nothing for a URL's meaning
//! (<https://www.rfc-editor.org/rfc/rfc3986#section-2.3>), but a secret made of unreserved characters has no reason to
//! arrive encoded, and one spelling is easier to keep out of logs than many.

use crate::head::Head;
use crate::secret::Secret;

/// The shortest secret, in characters. A path is written down in more places than a header (proxies, histories), so
/// guessing must at least be hopeless: 16 random characters of 66 are 96 bits.
const SHORTEST: usize = 16;

#[derive(Clone, Debug)]
pub(crate) struct PathSecret {
    secret: Secret,
}

impl PathSecret {
    /// # Errors
    ///
    /// What was expected, never the secret.
    pub(crate) fn new(secret: &str) -> Result<Self, &'static str> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if secret.len() < SHORTEST || !secret.bytes().all(unreserved) {
            return Err("at least 16 characters, of letters, digits and - . _ ~ only");
        }
        Ok(Self { secret: Secret::new(secret)? })
    }

    pub(crate) fn judge(&self, head: &Head<'_>) -> Result<(), &'static str> {
        let rest = head.path_rest.unwrap_or_default();
        match rest.strip_prefix('/') {
            None | Some("") => Err("the path holds no secret"),
            Some(given) => {
                self.secret.is(given.as_bytes()).then_some(()).ok_or("the secret in the path is wrong")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "0123456789abc-._~";

    fn judge(rest: Option<&str>) -> Result<(), &'static str> {
        let head = Head { method: "POST", path: "/jd", path_rest: rest, headers: &[], client: None };
        PathSecret::new(SECRET).unwrap().judge(&head)
    }

    #[test]
    fn attacks() {
        let none = Err("the path holds no secret");
        let wrong = Err("the secret in the path is wrong");
        for (case, rest, expected) in [
            ("exact", Some("/0123456789abc-._~"), Ok(())),
            ("absent", None, none),
            ("empty", Some(""), none),
            ("slash alone", Some("/"), none),
            ("no slash", Some("0123456789abc-._~"), none),
            ("prefix", Some("/0123456789abc-._"), wrong),
            ("one character more", Some("/0123456789abc-._~x"), wrong),
            ("slash after", Some("/0123456789abc-._~/"), wrong),
            ("slash before", Some("//0123456789abc-._~"), wrong),
            ("deeper", Some("/x/0123456789abc-._~"), wrong),
            ("dot segment", Some("/./0123456789abc-._~"), wrong),
            ("percent-encoded", Some("/0123456789abc-._%7E"), wrong),
            ("all percent-encoded", Some("/%30123456789abc-._~"), wrong),
            ("capitals", Some("/0123456789ABC-._~"), wrong),
            ("with a query", Some("/0123456789abc-._~?x=1"), wrong),
            ("not ASCII", Some("/0123456789abc-._\u{e9}"), wrong),
        ] {
            assert_eq!(judge(rest), expected, "{case}");
        }
    }

    #[test]
    fn weak_or_ambiguous_secrets_are_refused() {
        for secret in
            ["", "0123456789abcde", "0123456789abcdef/", "0123456789abcde%41", "0123456789abcde\u{e9}"]
        {
            assert!(PathSecret::new(secret).is_err(), "{secret:?}");
        }
        assert!(PathSecret::new("0123456789abcdef").is_ok());
    }

    proptest! {
        #[test]
        fn only_the_exact_rest_is_admitted(rest in prop_oneof!["\\PC{0,24}", "/{0,2}[0-9a-z._~-]{0,20}"]) {
            prop_assert_eq!(judge(Some(&rest)).is_ok(), rest == format!("/{SECRET}"));
        }
    }
}
