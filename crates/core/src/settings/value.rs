//! Values with units. A number without one is a mistake: nobody knows whether 10 is seconds.

use std::str::FromStr;
use std::time::Duration;

/// From 1 ms to 1 h.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "a duration from 1ms to 1h with its unit, such as 500ms, 10s or 2m";
    let (number, unit) = split(text);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(EXPECTED.into()),
    };
    let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(millis));
    let millis = millis.filter(|ms| (1..=3_600_000).contains(ms)).ok_or(EXPECTED)?;
    Ok(Duration::from_millis(millis))
}

/// From 1 KiB to 64 MiB.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    const EXPECTED: &str = "a size from 1KiB to 64MiB with its unit, such as 6MiB";
    let (number, unit) = split(text);
    let unit = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(EXPECTED.into()),
    };
    let size = number.parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
    size.filter(|s| (1 << 10..=64 << 20).contains(s)).ok_or_else(|| EXPECTED.into())
}

pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let number = text.parse::<T>().ok().filter(|n| *n >= least && *n <= most);
    number.ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// One of two words; true for the first.
pub(super) fn choice(text: &str, yes: &str, no: &str) -> Result<bool, String> {
    match text {
        _ if text == yes => Ok(true),
        _ if text == no => Ok(false),
        _ => Err(format!("{yes} or {no}")),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}
