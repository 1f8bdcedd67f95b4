//! How long it is waited before the server is asked again, and how often that is worth a line.

use std::time::Duration;

/// The first pause, where the platform names none.
const FIRST: Duration = Duration::from_millis(50);
/// The longest. An event that comes meanwhile waits that long.
const LONGEST: Duration = Duration::from_secs(2);

/// The questions in a row that were in vain: they brought no event, or one whose result was not taken.
#[derive(Debug, Default)]
pub(crate) struct Vain {
    times: u32,
}

impl Vain {
    /// One more; how often it is now.
    pub(crate) fn again(&mut self) -> u32 {
        self.times = self.times.saturating_add(1);
        self.times
    }

    /// An event came, and the platform took what became of it.
    pub(crate) fn over(&mut self) {
        self.times = 0;
    }

    /// Whether this time is told: the first, the second, the fourth and so on, because it may go on for days.
    pub(crate) fn is_told(&self) -> bool {
        self.times.is_power_of_two()
    }

    /// The pause before the next question: twice the one before, up to the longest.
    pub(crate) fn pause(&self) -> Duration {
        let doubled = self.times.saturating_sub(1).min(16);
        (FIRST * 2_u32.pow(doubled)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_two_seconds_and_lines_grow_rare() {
        let mut vain = Vain::default();
        let (mut pauses, mut told) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let times = vain.again();
            pauses.push(vain.pause().as_millis());
            if vain.is_told() {
                told.push(times);
            }
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
        assert_eq!(told, [1, 2, 4, 8]);
        vain.times = u32::MAX;
        assert_eq!((vain.again(), vain.pause()), (u32::MAX, LONGEST));
        vain.over();
        assert_eq!((vain.again(), vain.pause()), (1, FIRST));
    }
}
