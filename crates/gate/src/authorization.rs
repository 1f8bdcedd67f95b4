//! The `Authorization` header: that there is exactly one, and where its scheme ends.

use crate::head::Head;

/// The value of the only `Authorization` header.
///
/// # Errors
///
/// The reason for the log. A doubled header is refused even if both lines are equal: a proxy in front may have judged
/// the other one. It is a single value by definition: <https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2>.
pub(crate) fn only<'a>(head: &Head<'a>) -> Result<&'a [u8], &'static str> {
    let mut values = head.values("authorization");
    match (values.next(), values.next()) {
        (None, _) => Err("no Authorization header"),
        (Some(_), Some(_)) => Err("more than one Authorization header"),
        (Some([]), None) => Err("the Authorization header is empty"),
        (Some(value), None) => Ok(value),
    }
}

/// What follows `scheme` and one or more spaces; `None` for any other scheme. The scheme's case does not matter
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-11.1>), the number of spaces neither (section 11.4 there).
pub(crate) fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (given, rest) = value.split_at_checked(scheme.len())?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    (spaces > 0 && given.eq_ignore_ascii_case(scheme.as_bytes())).then_some(&rest[spaces..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_ends_at_the_first_space() {
        for (value, rest) in [
            (&b"Bearer abc"[..], Some(&b"abc"[..])),
            (b"bEARER   abc d", Some(b"abc d")),
            (b"Bearer ", Some(b"")),
            (b"Bearer", None),
            (b"Bearerabc", None),
            (b"Bearer\tabc", None),
            (b" Bearer abc", None),
            (b"Basic abc", None),
            (b"", None),
        ] {
            assert_eq!(after_scheme(value, "Bearer"), rest, "{value:?}");
        }
    }
}
