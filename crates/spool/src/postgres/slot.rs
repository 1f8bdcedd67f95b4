//! The place of one connection: it is made when it is needed, prepared, and made anew after it was given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tracing::debug;

use super::failure::Fault;
use super::standing::{self, Watched};
use crate::trouble::{Trouble, TroubleKind};
use mdss_relay_postgres::{Database, Line};

/// How long one answer may take. A proxy that swallows everything is noticed by nothing else.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// After a failure the next connection is tried so much later, doubling.
const FIRST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(2);

/// Where one connection is.
pub(super) struct Slot {
    database: Arc<Database>,
    standing: Arc<Watched>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Option<Line>,
    /// Connections in a row that could not be made, and when the next is tried.
    failures: u32,
    failed: Option<(Trouble, Instant)>,
    /// Connections that were made.
    made: u64,
}

impl State {
    /// There may be a statement under way on it.
    fn give_up(&mut self) {
        if let (Some(line), Ok(runtime)) = (self.line.take(), Handle::try_current()) {
            line.abandon(&runtime);
        }
    }
}

impl Slot {
    pub(super) fn new(database: Arc<Database>, standing: Arc<Watched>) -> Self {
        Self { database, standing, state: Mutex::default() }
    }

    /// The connection, which nobody else has meanwhile. After a failure everybody hears of it at once until it is time for the next try.
    ///
    /// # Errors
    /// Why there is none, or why the tables on the other side are not to be used.
    pub(super) async fn take(&self) -> Result<Held<'_>, Trouble> {
        let mut state = self.state.lock().await;
        if state.line.as_ref().is_some_and(|line| line.client.is_closed()) || self.standing.fit.is_outdated()
        {
            // A new one is made as soon as the tables fit.
            state.line = None;
        }
        if state.line.is_none() {
            if let Some((trouble, next)) = &state.failed
                && Instant::now() < *next
            {
                return Err(trouble.clone());
            }
            match self.connect().await {
                Ok(line) => {
                    let made = state.made + 1;
                    *state = State { line: Some(line), made, ..State::default() };
                }
                Err(trouble) => {
                    let pause = FIRST.saturating_mul(1 << state.failures.min(10)).min(MOST);
                    state.failures += 1;
                    let next = Instant::now() + pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                    state.failed = Some((trouble.clone(), next));
                    return Err(trouble);
                }
            }
        }
        // Nothing is under way on it yet.
        Ok(Held { state, whole: true })
    }

    /// How many connections were made in this place.
    pub(super) async fn made(&self) -> u64 {
        self.state.lock().await.made
    }

    async fn connect(&self) -> Result<Line, Trouble> {
        let line = Line::connect(&self.database).await?;
        let prepared = async {
            self.standing.fit.ready(&line, self.database.migrates()).await?;
            standing::look(&line, &self.standing).await
        };
        match timeout(4 * DEADLINE, prepared).await {
            Ok(Ok(())) => Ok(line),
            Ok(Err(fault)) => Err(fault.trouble("preparing the connection to the database")),
            Err(_) => Err(Trouble::new(
                TroubleKind::Unreachable,
                "preparing the connection to the database: no answer",
            )),
        }
    }

    /// Gives the connection up in peace.
    pub(super) async fn close(&self) {
        let line = self.state.lock().await.line.take();
        if let Some(line) = line {
            line.close().await;
        }
    }
}

/// A connection in use. If its user goes in the middle of an answer, it is given up: nobody knows what is under way on it.
pub(super) struct Held<'s> {
    state: MutexGuard<'s, State>,
    whole: bool,
}

impl Held<'_> {
    /// The connection, for one piece of work that must have an answer within [`DEADLINE`].
    ///
    /// # Errors
    /// What has gone wrong with it; the connection may be of no more use then.
    pub(super) async fn ask<T>(
        &mut self,
        work: impl AsyncFnOnce(&Line) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.ask_within(DEADLINE, work).await
    }

    /// The same with another deadline.
    ///
    /// # Errors
    /// As [`Held::ask`].
    pub(super) async fn ask_within<T>(
        &mut self,
        most: Duration,
        work: impl AsyncFnOnce(&Line) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.whole = false;
        let Some(line) = &self.state.line else {
            return Err(Trouble::new(TroubleKind::Unreachable, "the connection was given up").into());
        };
        let outcome = timeout(most, work(line)).await.unwrap_or(Err(Fault::Late(most)));
        self.whole = outcome.as_ref().err().is_none_or(|fault| !fault.meaning().leave);
        if let Err(fault) = &outcome
            && !self.whole
        {
            debug!("a connection to the database is given up: {}", fault.trouble("asking"));
            self.state.give_up();
        }
        outcome
    }

    /// How many connections were made in this place, this one included.
    pub(super) fn made(&self) -> u64 {
        self.state.made
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.state.give_up();
        }
    }
}
