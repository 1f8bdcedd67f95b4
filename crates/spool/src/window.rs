//! How many requests a storage unit may have under way, by how long its answers take.
//!
//! A server that has enough to do answers later the more it is given, and takes no more. So as long as the answers take hardly longer than they
//! do at best, more may be under way, and if they do, fewer: what is waiting there gains nothing. This is the gradient limit of Netflix's
//! `concurrency-limits` (`Gradient2Limit.java`, its README), with the best answer of the last seconds as the measure. Pure: the moment is
//! handed in.

use std::time::{Duration, Instant};

/// Fewer would not tell a slow answer from an odd one.
const LEAST: f64 = 4.0;

/// Where it begins.
const BEGIN: f64 = 8.0;

/// How much longer than at best answers may take, and besides: on any machine some come later, whoever asks.
const TIMES: f64 = 2.0;
const BESIDES: f64 = 0.01;

/// Answers that take so many times longer than at best have waited.
const QUEUED: f64 = 1.25;

/// For how long the best answer counts.
const EPOCH: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Window {
    size: f64,
    /// The best of this epoch and of the one before, in seconds; and when this one began.
    best: (f64, f64),
    epoch: Option<Instant>,
    /// Answers of this round, their time together, and the most that were under way.
    answers: u32,
    took: f64,
    under_way: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        let none = f64::INFINITY;
        Self { size: BEGIN, best: (none, none), epoch: None, answers: 0, took: 0.0, under_way: 0 }
    }

    /// How many requests may be under way.
    pub(crate) fn seats(&self) -> usize {
        self.size as usize
    }

    /// A request has come back after so long, or has run out of time. So many were under way, of `seats` at most.
    pub(crate) fn came_back(&mut self, took: Duration, under_way: usize, seats: usize, now: Instant) {
        let took = took.as_secs_f64();
        self.best.0 = self.best.0.min(took);
        self.answers += 1;
        self.took += took;
        self.under_way = self.under_way.max(under_way);
        // A round is as many answers as may be under way: the next one has seen the change.
        if f64::from(self.answers) < self.size {
            return;
        }
        let mean = self.took / f64::from(self.answers);
        let best = self.best.0.min(self.best.1);
        let gradient = ((TIMES * best + BESIDES) / mean).clamp(0.5, 1.0);
        let used = self.under_way as f64 >= self.size * 0.7;
        let most = if used { seats as f64 } else { self.size };
        self.size = (self.size * gradient + self.size.sqrt()).min(most).max(LEAST);
        (self.answers, self.took, self.under_way) = (0, 0.0, 0);
        let epoch = *self.epoch.get_or_insert(now);
        if now.duration_since(epoch) >= EPOCH {
            // What waits at the server makes its best answer worse. So a few for a moment, to see it without (as BBR does, "ProbeRTT").
            if mean > QUEUED * best + BESIDES / 4.0 {
                self.size = LEAST;
            }
            (self.best, self.epoch) = ((f64::INFINITY, self.best.0), Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size after so many answers, each of which takes as long as `took` says of the size.
    fn after(window: &mut Window, now: &mut Instant, answers: u32, took: impl Fn(f64) -> f64) -> f64 {
        for _ in 0..answers {
            let took = Duration::from_secs_f64(took(window.size));
            *now += took / window.seats() as u32;
            window.came_back(took, window.seats(), 100, *now);
        }
        window.size
    }

    #[test]
    fn it_grows_while_answers_come_as_soon_as_ever_and_shrinks_when_they_come_later() {
        for took in [0.001, 0.02] {
            let (mut window, mut now) = (Window::new(), Instant::now());
            assert_eq!(after(&mut window, &mut now, 2000, |_| took), 100.0, "{took}");
            // Some times as late: a server that has got something else to do.
            let size = after(&mut window, &mut now, 120, |_| took * 4.0 + 0.1);
            assert!(size < 50.0, "{took}: {size}");
        }
    }

    #[test]
    fn a_server_that_works_off_one_after_the_other_is_not_filled() {
        let (mut window, mut now) = (Window::new(), Instant::now());
        // 500 a second, 20 ms at best: ten under way keep it busy.
        let size = after(&mut window, &mut now, 20_000, |size| 0.02_f64.max(size / 500.0));
        assert!((10.0..60.0).contains(&size), "{size}");
    }

    #[test]
    fn what_is_not_used_does_not_grow_and_some_are_always_left() {
        let (mut window, mut now) = (Window::new(), Instant::now());
        for _ in 0..1000 {
            now += Duration::from_millis(10);
            window.came_back(Duration::from_millis(10), 1, 100, now);
        }
        assert_eq!(window.size, BEGIN);
        assert_eq!(after(&mut window, &mut now, 60, |_| 0.2), LEAST);
    }
}
