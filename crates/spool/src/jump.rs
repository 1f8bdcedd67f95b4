//! Whether the wall's clock has jumped: what is stored is put off by moments, and a moment says nothing once the clock has jumped.

use std::time::{Duration, Instant};

use crate::clock::Moment;

/// A clock that moves this much otherwise than time has jumped.
pub(crate) const JUMP: Duration = Duration::from_secs(5);

/// How often the two are compared.
const EVERY: Duration = Duration::from_secs(1);

/// How far the clock has jumped; one of the two is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// It was set back so far.
    pub behind: Duration,
    /// It was set ahead so far.
    pub ahead: Duration,
}

/// When the two clocks were compared last.
#[derive(Debug, Default)]
pub struct Jumps(Option<(Moment, Instant)>);

impl Jumps {
    /// Whether the wall's clock has jumped since this was asked last, a second ago or longer.
    pub fn look(&mut self, wall: Moment, now: Instant) -> Option<Jump> {
        let Some((last_wall, last)) = self.0 else {
            self.0 = Some((wall, now));
            return None;
        };
        if now.duration_since(last) < EVERY {
            return None;
        }
        self.0 = Some((wall, now));
        let expected = last_wall.plus(now.duration_since(last));
        let jump = Jump { behind: expected.since(wall), ahead: wall.since(expected) };
        (jump.behind.max(jump.ahead) > JUMP).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_moves_otherwise_than_time_has_jumped() {
        let begin = Instant::now();
        // Seconds that have passed, and seconds that the wall's clock then shows.
        for (passed, shows, want) in [
            (60, 60, None),
            (60, 64, None),
            (60, 56, None),
            (60, 66, Some((0, 6))),
            (60, 54, Some((6, 0))),
            (1, -1000, Some((1001, 0))),
        ] {
            let mut jumps = Jumps::default();
            assert_eq!(jumps.look(Moment::from_millis(0), begin), None);
            let now = begin + Duration::from_secs(passed);
            let found = jumps.look(Moment::from_millis(shows * 1000), now);
            let found = found.map(|jump| (jump.behind.as_secs(), jump.ahead.as_secs()));
            assert_eq!(found, want, "{passed} {shows}");
            // It is said once.
            let later = Moment::from_millis((shows + 1) * 1000);
            assert_eq!(jumps.look(later, now + EVERY), None, "{passed} {shows}");
        }
    }
}
