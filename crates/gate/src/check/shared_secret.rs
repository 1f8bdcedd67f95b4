//! A secret in a header of the operator's choice, or in the query, for senders that can be given nothing better.

use percent_encoding::percent_decode_str;

use crate::head::Head;
use crate::secret::Secret;

/// As for a secret in the path: it is written down in more places than a password, so guessing it must be hopeless.
const SHORTEST: usize = 16;

/// Where the secret is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The header of this name.
    Header(String),
    /// The query parameter of this name.
    Query(String),
}

#[derive(Clone, Debug)]
pub(crate) struct SharedSecret {
    carrier: Carrier,
    secret: Secret,
}

impl SharedSecret {
    /// # Errors
    ///
    /// What was expected, never the secret.
    pub(crate) fn new(carrier: Carrier, secret: &str) -> Result<Self, &'static str> {
        if secret.len() < SHORTEST || !secret.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err("at least 16 characters, printable ASCII without spaces");
        }
        Ok(Self { carrier, secret: Secret::new(secret)? })
    }

    pub(crate) fn judge(&self, head: &Head<'_>) -> Result<(), &'static str> {
        match &self.carrier {
            Carrier::Header(name) => {
                let value =
                    head.only(name).map_err(|_| "the header with the secret is there more than once")?;
                let value = value.ok_or("the header with the secret is missing")?;
                self.secret.is(value).then_some(()).ok_or("the secret in the header is wrong")
            }
            Carrier::Query(name) => {
                let mut values = parameter(head.query().unwrap_or_default(), name);
                match (values.next(), values.next()) {
                    (None, _) => Err("the query parameter with the secret is missing"),
                    (Some(_), Some(_)) => Err("the query parameter with the secret is there more than once"),
                    (Some(value), None) => {
                        self.secret.is(&value).then_some(()).ok_or("the secret in the query is wrong")
                    }
                }
            }
        }
    }
}

/// Every value of a query parameter. Names and values are percent-decoded once: an encoded name is the same name, so
/// that it cannot hide a second value from us that another reader sees. A plus is a plus: no secret holds a space.
fn parameter(query: &str, name: &str) -> impl Iterator<Item = Vec<u8>> {
    query.split('&').filter_map(move |pair| {
        let (given, value) = pair.split_once('=').unwrap_or((pair, ""));
        percent_decode_str(given).eq(name.bytes()).then(|| percent_decode_str(value).collect())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "0123456789abc+%/";

    fn judge(carrier: Carrier, path: &str, values: &[&[u8]]) -> Result<(), &'static str> {
        let headers: Vec<_> = values.iter().map(|value| ("x-key", *value)).collect();
        let head = Head { method: "POST", path, path_rest: None, headers: &headers, client: None };
        SharedSecret::new(carrier, SECRET).unwrap().judge(&head)
    }

    #[test]
    fn attacks_on_the_header() {
        let wrong = Err("the secret in the header is wrong");
        let doubled = Err("the header with the secret is there more than once");
        let good = SECRET.as_bytes();
        for (case, values, expected) in [
            ("exact", &[good][..], Ok(())),
            ("missing", &[], Err("the header with the secret is missing")),
            ("empty", &[b""], wrong),
            ("truncated", &[&good[..15]], wrong),
            ("one byte more", &[b"0123456789abc+%/x"], wrong),
            ("other case", &[b"0123456789ABC+%/"], wrong),
            ("percent-encoded", &[b"0123456789abc+%25/"], wrong),
            ("space before", &[b" 0123456789abc+%/"], wrong),
            ("doubled", &[good, good], doubled),
            ("doubled, one wrong", &[b"x", good], doubled),
        ] {
            assert_eq!(judge(Carrier::Header("X-Key".into()), "/jd", values), expected, "{case}");
        }
        // The query does not stand in for the header.
        let path = "/jd?X-Key=0123456789abc+%25/";
        assert_eq!(
            judge(Carrier::Header("X-Key".into()), path, &[]),
            Err("the header with the secret is missing")
        );
    }

    #[test]
    fn attacks_on_the_query() {
        let wrong = Err("the secret in the query is wrong");
        let missing = Err("the query parameter with the secret is missing");
        let doubled = Err("the query parameter with the secret is there more than once");
        for (query, expected) in [
            ("code=0123456789abc+%25/", Ok(())),
            ("code=0123456789abc%2B%25%2f", Ok(())),
            ("%63ode=0123456789abc+%25/", Ok(())),
            ("a=b&code=0123456789abc+%25/&c", Ok(())),
            // An escape that is none stays as it is.
            ("code=0123456789abc+%/", Ok(())),
            ("", missing),
            ("code", wrong),
            ("code=", wrong),
            ("Code=0123456789abc+%25/", missing),
            ("0123456789abc+%25/", missing),
            ("a=code=0123456789abc+%25/", missing),
            ("a=b;code=0123456789abc+%25/", missing),
            ("code=0123456789abc+%25", wrong),
            ("code=0123456789abc+%25/x", wrong),
            ("code=0123456789ABC+%25/", wrong),
            ("code=0123456789abc%252B%25/", wrong),
            ("code=0123456789abc%20%25/", wrong),
            ("code=0123456789abc+%25/?code=1", wrong),
            ("code=0123456789abc+%25/&code=0123456789abc+%25/", doubled),
            ("code=0123456789abc+%25/&%63ode=x", doubled),
            ("code=x&code=0123456789abc+%25/", doubled),
            ("code&code=0123456789abc+%25/", doubled),
        ] {
            let path = format!("/jd?{query}");
            assert_eq!(judge(Carrier::Query("code".into()), &path, &[]), expected, "{query}");
        }
        let header = judge(Carrier::Query("code".into()), "/jd", &[SECRET.as_bytes()]);
        assert_eq!(header, missing);
    }

    #[test]
    fn weak_secrets_are_refused() {
        for secret in
            ["", "0123456789abcde", "0123456789abcde ", "0123456789abcde\u{e9}", "0123456789abcde\n"]
        {
            assert!(SharedSecret::new(Carrier::Query("code".into()), secret).is_err(), "{secret:?}");
        }
    }

    proptest! {
        #[test]
        fn strangers_are_refused(query in "[a-z0-9=&%?]{0,40}", value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let path = format!("/?{query}");
            prop_assert!(judge(Carrier::Query("code".into()), &path, &[]).is_err());
            prop_assert!(judge(Carrier::Header("x-key".into()), "/", &[&value]).is_err());
        }
    }
}
