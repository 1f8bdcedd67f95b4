//! Time, as something that is handed in: a spool outlives processes, so it must read the wall's clock, and the wall's
//! clock jumps.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970 as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// That much later; the end of time at the latest.
    pub fn plus(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Moment {
    /// RFC 3339, UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time by the wall's clock, whatever it says.
    fn now(&self) -> Moment;

    /// The time by a clock that does not jump. When the two disagree, the wall's clock has jumped.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(Timestamp::now().as_millisecond())
    }
}

/// How long ago the machine was started, with the time that it was suspended: a lease goes on meanwhile, and [`Instant`] stands still then
/// (<https://man7.org/linux/man-pages/man2/clock_gettime.2.html>, `CLOCK_BOOTTIME`).
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "a file gives no leases"))]
pub(crate) fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
