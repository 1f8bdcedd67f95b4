//! What the log says of an engine's troubles: when one begins, changes or lasts, and when it is over.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mdss_relay_core::fields;
use tracing::{error, info};

use crate::trouble::{Trouble, TroubleKind};

/// A trouble that lasts is said again this often.
const REPEAT: Duration = Duration::from_secs(60);

/// The trouble that was said last, and when.
type Last = Option<(TroubleKind, Instant)>;

/// Where events are kept, as the log shows it.
#[derive(Debug)]
pub(crate) enum Where {
    Directory(PathBuf),
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "there is none without its engine"))]
    Database(String),
}

impl Where {
    fn dir(&self) -> Option<String> {
        match self {
            Self::Directory(dir) => Some(dir.display().to_string()),
            Self::Database(_) => None,
        }
    }

    fn database(&self) -> Option<&str> {
        match self {
            Self::Directory(_) => None,
            Self::Database(database) => Some(database),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Said {
    place: Where,
    /// Of writing.
    writing: Last,
    /// Of reading what is open.
    reading: Last,
    /// When it was last said that the limit is reached.
    full: Option<Instant>,
}

impl Said {
    pub(crate) fn new(place: Where) -> Self {
        Self { place, writing: None, reading: None, full: None }
    }

    /// A line for an event that was refused alone; the limit is said once a minute.
    pub(crate) fn refused(&mut self, trouble: &Trouble) {
        if self.is_old(trouble) {
            return;
        }
        error!(
            { fields::ERROR_TYPE } = trouble.kind.name(),
            { fields::SPOOL_DIR } = self.place.dir(),
            { fields::SPOOL_DATABASE } = self.place.database(),
            "an event was not stored, and its sender was asked to repeat it: {}",
            trouble.detail
        );
    }

    /// What was said last, of writing and of reading.
    #[cfg(test)]
    pub(crate) fn kinds(&self) -> (Option<TroubleKind>, Option<TroubleKind>) {
        (self.writing.map(|(kind, _)| kind), self.reading.map(|(kind, _)| kind))
    }

    fn is_old(&mut self, trouble: &Trouble) -> bool {
        if trouble.kind != TroubleKind::Full {
            return false;
        }
        let old = self.full.is_some_and(|when| when.elapsed() < REPEAT);
        if !old {
            self.full = Some(Instant::now());
        }
        old
    }

    /// Of writing: senders hear of it.
    pub(crate) fn writing(&mut self, outcome: Result<(), Trouble>) {
        if news(&outcome, &mut self.writing) {
            match outcome {
                Ok(()) => {
                    info!(
                        { fields::SPOOL_DIR } = self.place.dir(),
                        { fields::SPOOL_DATABASE } = self.place.database(),
                        "the spool can be written again"
                    )
                }
                Err(new) => error!(
                    { fields::ERROR_TYPE } = new.kind.name(),
                    { fields::SPOOL_DIR } = self.place.dir(),
                    { fields::SPOOL_DATABASE } = self.place.database(),
                    "the spool stores no events, and senders are asked to repeat them: {}",
                    new.detail
                ),
            }
        }
    }

    /// Of reading although it is open: senders need not hear of it.
    pub(crate) fn reading(&mut self, outcome: Result<(), Trouble>) {
        if news(&outcome, &mut self.reading) {
            match outcome {
                Ok(()) => info!(
                    { fields::SPOOL_DIR } = self.place.dir(),
                    { fields::SPOOL_DATABASE } = self.place.database(),
                    "the spool can be read again"
                ),
                Err(new) => error!(
                    { fields::ERROR_TYPE } = new.kind.name(),
                    { fields::SPOOL_DIR } = self.place.dir(),
                    { fields::SPOOL_DATABASE } = self.place.database(),
                    "the spool cannot be read, and the events in it are not sent until it can: {}",
                    new.detail
                ),
            }
        }
    }
}

/// Whether an outcome is to be said, after what was said last: trouble that is new or lasts, and its end.
fn news(outcome: &Result<(), Trouble>, last: &mut Last) -> bool {
    match (outcome, &last) {
        (Ok(()), None) => false,
        (Ok(()), Some(_)) => {
            *last = None;
            true
        }
        (Err(new), Some((old, when))) if new.kind == *old && when.elapsed() < REPEAT => false,
        (Err(new), _) => {
            *last = Some((new.kind, Instant::now()));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_said_when_it_begins_and_when_it_is_over() {
        let mut last = None;
        let trouble = |kind| Err(Trouble::new(kind, ""));
        for (n, (outcome, said)) in [
            (Ok(()), false),
            (trouble(TroubleKind::Locked), true),
            (trouble(TroubleKind::Locked), false),
            // Another one is news at once.
            (trouble(TroubleKind::Unwritable), true),
            (trouble(TroubleKind::Unwritable), false),
            (Ok(()), true),
            (Ok(()), false),
            (trouble(TroubleKind::Unwritable), true),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(news(&outcome, &mut last), said, "{n}");
        }
    }

    #[test]
    fn the_limit_is_said_once_and_a_defect_each_time() {
        let mut said = Said::new(Where::Directory(PathBuf::new()));
        let mut old = |kind| said.is_old(&Trouble::new(kind, ""));
        assert_eq!([TroubleKind::Full; 3].map(&mut old), [false, true, true]);
        assert_eq!([TroubleKind::Internal; 2].map(&mut old), [false, false]);
        assert!(old(TroubleKind::Full));
    }
}
