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
    let size = size(text, 1 << 10, 64 << 20).map_err(|_| EXPECTED)?;
    usize::try_from(size).map_err(|_| EXPECTED.into())
}

/// Bytes within bounds.
pub(super) fn size(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let (number, unit) = split(text);
    let unit: Option<u64> = match unit {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    };
    let size = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit?));
    size.filter(|s| (least..=most).contains(s)).ok_or_else(|| {
        format!("a size from {}MiB to {}TiB with its unit, such as 4GiB", least >> 20, most >> 40)
    })
}

/// From 1 h to 365 d, or `never`.
pub(super) fn days_or_never(text: &str) -> Result<Option<Duration>, String> {
    const EXPECTED: &str = "a duration from 1h to 365d with its unit, such as 12h or 7d; or never";
    if text == "never" {
        return Ok(None);
    }
    let (number, unit) = split(text);
    let hours: u64 = match unit {
        "h" => 1,
        "d" => 24,
        _ => return Err(EXPECTED.into()),
    };
    let hours = number.parse::<u64>().ok().and_then(|n| n.checked_mul(hours));
    let hours = hours.filter(|h| (1..=365 * 24).contains(h)).ok_or(EXPECTED)?;
    Ok(Some(Duration::from_secs(hours * 3600)))
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
