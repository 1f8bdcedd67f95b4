//! Moments, in the one form that the chain has them in: milliseconds since 1970, UTC.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// A moment, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339; what is finer than a millisecond is cut off. `None` if the text is no moment.
    pub fn read(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(Self::from)
    }

    /// That much earlier.
    pub fn minus(self, pause: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
    }

    /// That much later.
    pub fn plus(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        // The millisecond that has begun, also before 1970.
        Self(i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Moment {
    /// RFC 3339, UTC, always with three digits of a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Tells the time; a test hands in its own.
pub trait Clock: Send + Sync + 'static {
    /// The time by the wall's clock, whatever it says.
    fn now(&self) -> Moment;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Timestamp::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_it_is_read() {
        for (text, want) in [
            ("2026-11-27T02:07:37.123456789Z", "2026-11-27T02:07:37.123Z"),
            ("2026-11-27T03:07:37+01:00", "2026-11-27T02:07:37.000Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Moment::read(text).unwrap().to_string(), want);
        }
        assert_eq!(Moment::read("yesterday"), None);
    }
}
