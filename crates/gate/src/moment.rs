//! When a request was signed, and whether that is near enough to now.

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

/// A moment as RFC 1123 has it (`Mon, 06 Aug 2018 10:19:51 GMT`) or as RFC 3339 has it.
pub(crate) fn parse(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().or_else(|_| DateTimeParser::new().parse_timestamp(text)).ok()
}

/// Before this the clock cannot be right: this code did not exist.
const EARLIEST: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Whether a clock that shows `now` has been set since its machine was started. A machine without a battery begins in 1970, where
/// every date of a sender seems to be wrong, and that is no reason to call the sender a stranger.
pub(crate) fn is_set(now: Timestamp) -> bool {
    now >= EARLIEST
}

/// What to say if it has not.
pub(crate) const NOT_SET: &str = "the clock of this machine is not set, so no date can be judged";

/// How long after `now` a request signed at `signed` is still let in; `None` if it is not let in now. Too far ahead is as
/// wrong as too long ago: the clock of one of the two is wrong, or the date is made up.
pub(crate) fn end_of_window(signed: Timestamp, window: SignedDuration, now: Timestamp) -> Option<Timestamp> {
    if signed.duration_since(now).abs() > window {
        return None;
    }
    Some(signed.saturating_add(window).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            (&b"Mon, 06 Aug 2018 10:19:51 GMT"[..], Some("2018-08-06T10:19:51Z")),
            (b"Mon, 06 Aug 2018 18:19:51 +0800", Some("2018-08-06T10:19:51Z")),
            (b"2018-08-06T10:19:51Z", Some("2018-08-06T10:19:51Z")),
            (b"2018-08-06T10:19:51.250Z", Some("2018-08-06T10:19:51.25Z")),
            (b"2018-08-06T18:19:51+08:00", Some("2018-08-06T10:19:51Z")),
            // Whose clock would that be?
            (b"2018-08-06T10:19:51", None),
            (b"Tue, 06 Aug 2018 10:19:51 GMT", None),
            (b"1533550791", None),
            (b"", None),
            (b"\xff", None),
        ] {
            let found = parse(text).map(|moment| moment.to_string());
            assert_eq!(found.as_deref(), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_window_is_open_to_both_sides_and_to_its_last_second() {
        let window = SignedDuration::from_mins(15);
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (offset, end) in
            [(0, Some(900)), (-900, Some(0)), (900, Some(1800)), (-901, None), (901, None), (-900_000, None)]
        {
            let signed = Timestamp::from_second(1_000_000 + offset).unwrap();
            let end = end.map(|end| Timestamp::from_second(1_000_000 + end).unwrap());
            assert_eq!(end_of_window(signed, window, now), end, "{offset}");
        }
        assert_eq!(end_of_window(Timestamp::MAX, window, Timestamp::MAX), Some(Timestamp::MAX));
        assert_eq!(end_of_window(Timestamp::MIN, window, Timestamp::MAX), None);
    }

    #[test]
    fn a_clock_that_nobody_has_set() {
        for (now, expected) in [
            ("1970-01-01T00:00:00Z", false),
            ("2025-12-31T23:59:59Z", false),
            ("2026-01-01T00:00:00Z", true),
            ("9999-12-30T00:00:00Z", true),
        ] {
            assert_eq!(is_set(now.parse().unwrap()), expected, "{now}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
        }
    }
}
