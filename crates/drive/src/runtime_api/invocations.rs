//! Where events and pollers meet. No sockets: whether a poller still lives is asked of whoever knows.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tokio::sync::{Notify, futures::Notified, oneshot};

use super::runtime::Which;
use super::{Fault, Outcome};
use crate::error::DriveError;

/// How many request ids are remembered after their invocation is over, to tell a late answer from a made-up one.
const REMEMBERED: usize = 1024;

/// Says whether a poller's connection is still open.
#[derive(Clone)]
pub(super) struct Lives(Arc<dyn Fn() -> bool + Send + Sync>);

impl Lives {
    pub(super) fn new(lives: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(lives))
    }

    fn now(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Lives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lives")
    }
}

/// The state of one Runtime API.
#[derive(Debug, Default)]
pub(super) struct Invocations {
    state: Mutex<State>,
    /// Rung at every change that somebody may be waiting for.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Events nobody has taken, oldest first.
    waiting: VecDeque<Waiting>,
    /// Events a function is at work on.
    taken: Vec<Taken>,
    /// Request ids of invocations that are over.
    over: VecDeque<String>,
    poll_faults: VecDeque<Fault>,
    answer_faults: VecDeque<Fault>,
    ready_faults: VecDeque<u16>,
    /// Whether a function has said that it has started.
    ready: bool,
    /// A start that failed, for the next who asks.
    init_error: Option<(String, String)>,
    /// Pollers that are waiting for an event, each with its number.
    pollers: Vec<(u64, Lives)>,
    next_poller: u64,
    extensions: Vec<String>,
}

/// An event that waits for a poller.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) request_id: String,
    /// Tells one invocation from another with the same request id.
    pub(super) nonce: String,
    pub(super) body: Bytes,
    pub(super) limit: Duration,
    pub(super) deadline_ms: Option<u64>,
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) taken: oneshot::Sender<()>,
    pub(super) answer: oneshot::Sender<Result<Outcome, DriveError>>,
}

#[derive(Debug)]
struct Taken {
    event: Event,
    answer: oneshot::Sender<Result<Outcome, DriveError>>,
}

/// What a poller gets.
#[derive(Debug)]
pub(super) enum Next {
    Event(Event),
    Fault(Fault),
    /// Its connection has been closed; whatever there is stays for another one.
    Gone,
    /// Nothing yet.
    Nothing,
}

/// An event as it is handed out.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) nonce: String,
    pub(super) deadline_ms: u64,
    pub(super) limit: Duration,
    /// Headers of the test's own choice; `None` takes one away.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) body: Bytes,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Accepted,
    /// The invocation is over: the time ran out, or it was answered before.
    Late,
    /// No such request was ever handed out.
    Unknown,
    /// A fault was set.
    Refused(u16),
    /// A fault was set: the connection is closed.
    Dropped,
}

impl Invocations {
    /// Puts an event out, or refuses it: a function that cannot start gets none, and no two invocations under way
    /// have the same request id.
    pub(super) fn put(&self, event: Waiting) -> Result<(), DriveError> {
        let mut state = self.state();
        if let Some((error_type, error_message)) = state.init_error.take() {
            return Err(DriveError::InitError { error_type, error_message });
        }
        let mut under_way = state.waiting.iter().map(|waiting| &waiting.request_id);
        let mut at_work = state.taken.iter().map(|taken| &taken.event.request_id);
        if under_way.any(|id| *id == event.request_id) || at_work.any(|id| *id == event.request_id) {
            let sentence = format!("an invocation with the request id {} is under way", event.request_id);
            return Err(DriveError::Usage(sentence));
        }
        state.waiting.push_back(event);
        drop(state);
        self.bell.notify_waiters();
        Ok(())
    }

    /// What there is for a poller. Whether it lives is asked only when there is something, and last: an event is
    /// handed to nobody who has gone. With `again` an event that was handed out and not answered comes first.
    pub(super) fn next(&self, lives: &Lives, again: bool) -> Next {
        let mut state = self.state();
        let unanswered = if again { state.taken.last().map(|taken| taken.event.clone()) } else { None };
        if state.poll_faults.is_empty() && state.waiting.is_empty() && unanswered.is_none() {
            return Next::Nothing;
        }
        if !lives.now() {
            return Next::Gone;
        }
        // A function that asks has started after all.
        state.init_error = None;
        if let Some(fault) = state.poll_faults.pop_front() {
            return Next::Fault(fault);
        }
        if let Some(event) = unanswered {
            return Next::Event(event);
        }
        let Some(event) = state.waiting.pop_front() else { return Next::Nothing };
        let Waiting { request_id, nonce, body, limit, deadline_ms, headers, taken, answer } = event;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline_ms = deadline_ms
            .unwrap_or_else(|| u64::try_from((now.saturating_add(limit)).as_millis()).unwrap_or(u64::MAX));
        // An invocation that was withdrawn is no longer in the list, so somebody waits for this.
        let _ = taken.send(());
        let event = Event { request_id, nonce, deadline_ms, limit, headers, body };
        state.taken.push(Taken { event: event.clone(), answer });
        Next::Event(event)
    }

    /// Takes a function's answer. `nonce` is what it sent back of the one it was given, if it did.
    pub(super) fn answer(
        &self,
        which: &Which,
        nonce: Option<&str>,
        outcome: Result<Outcome, DriveError>,
    ) -> Answered {
        let mut state = self.state();
        let place = match which {
            Which::Id(id) => state.taken.iter().position(|taken| taken.event.request_id == *id),
            Which::Last => state.taken.len().checked_sub(1),
        };
        let Some(place) = place else {
            let over = match which {
                Which::Id(id) => state.over.contains(id),
                Which::Last => !state.over.is_empty(),
            };
            return if over { Answered::Late } else { Answered::Unknown };
        };
        // The answer of an earlier invocation under the same id.
        if nonce.is_some_and(|nonce| nonce != state.taken[place].event.nonce) {
            return Answered::Late;
        }
        match state.answer_faults.pop_front() {
            Some(Fault::AnswerStatus(status)) => return Answered::Refused(status),
            Some(_) => return Answered::Dropped,
            None => {}
        }
        let taken = state.taken.remove(place);
        state.remember(taken.event.request_id);
        // Fails only if the invocation is being dropped at this moment.
        let _ = taken.answer.send(outcome);
        Answered::Accepted
    }

    /// A function cannot start. Events that are waiting fail with it; without any, the next one does.
    pub(super) fn init_error(&self, error_type: &str, error_message: &str) {
        let mut state = self.state();
        if state.waiting.is_empty() {
            state.init_error = Some((error_type.to_owned(), error_message.to_owned()));
        }
        for Waiting { taken, answer, .. } in state.waiting.drain(..) {
            let _ = answer.send(Err(DriveError::InitError {
                error_type: error_type.to_owned(),
                error_message: error_message.to_owned(),
            }));
            let _ = taken.send(());
        }
        drop(state);
        self.bell.notify_waiters();
    }

    pub(super) fn fault(&self, fault: Fault) {
        let mut state = self.state();
        match fault {
            Fault::NextStatus(_) | Fault::NextClosed | Fault::NextRaw { .. } => {
                state.poll_faults.push_back(fault);
            }
            Fault::AnswerStatus(_) | Fault::AnswerClosed => state.answer_faults.push_back(fault),
            Fault::ReadyStatus(status) => state.ready_faults.push_back(status),
        }
        drop(state);
        self.bell.notify_waiters();
    }

    /// A function has started, unless a fault refuses that with a status.
    pub(super) fn ready(&self) -> Option<u16> {
        let mut state = self.state();
        let refused = state.ready_faults.pop_front();
        state.ready |= refused.is_none();
        refused
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state().ready
    }

    /// Takes an event back. Says whether it was still there, and not with a function.
    pub(super) fn withdraw(&self, nonce: &str) -> bool {
        let mut state = self.state();
        let place = state.waiting.iter().position(|waiting| waiting.nonce == nonce);
        place.and_then(|place| state.waiting.remove(place)).is_some()
    }

    /// An invocation is over, for whatever reason; an answer to it comes late from now on.
    pub(super) fn clear(&self, nonce: &str) {
        self.withdraw(nonce);
        let mut state = self.state();
        if let Some(place) = state.taken.iter().position(|taken| taken.event.nonce == nonce) {
            let taken = state.taken.remove(place);
            state.remember(taken.event.request_id);
        }
    }

    /// The next change. To be asked for *before* looking for an event, so that none falls in between.
    pub(super) fn change(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// Knows a poller as one that waits, as long as what this gives is kept.
    pub(super) fn poller(&self, lives: &Lives) -> Poller<'_> {
        let mut state = self.state();
        let number = state.next_poller;
        state.next_poller += 1;
        state.pollers.push((number, lives.clone()));
        drop(state);
        self.bell.notify_waiters();
        Poller { invocations: self, number }
    }

    /// Waits until somebody polls.
    pub(super) async fn polled(&self) -> Result<(), DriveError> {
        loop {
            let change = self.change();
            tokio::pin!(change);
            change.as_mut().enable();
            {
                let mut state = self.state();
                if state.pollers.iter().any(|(_, lives)| lives.now()) {
                    return Ok(());
                }
                if let Some((error_type, error_message)) = state.init_error.take() {
                    return Err(DriveError::InitError { error_type, error_message });
                }
            }
            change.await;
        }
    }

    pub(super) fn register(&self, extension: String) {
        self.state().extensions.push(extension);
    }

    pub(super) fn is_registered(&self, extension: &str) -> bool {
        self.state().extensions.iter().any(|known| known == extension)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, request_id: String) {
        if self.over.len() == REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(request_id);
    }
}

/// A poller that is waiting.
#[derive(Debug)]
pub(super) struct Poller<'a> {
    invocations: &'a Invocations,
    number: u64,
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        self.invocations.state().pollers.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ends = (oneshot::Receiver<()>, oneshot::Receiver<Result<Outcome, DriveError>>);

    fn event(request_id: &str, nonce: &str) -> (Waiting, Ends) {
        let (taken, taken_end) = oneshot::channel();
        let (answer, answer_end) = oneshot::channel();
        let waiting = Waiting {
            request_id: request_id.to_owned(),
            nonce: nonce.to_owned(),
            body: Bytes::from_static(b"{}"),
            limit: Duration::from_secs(1),
            deadline_ms: None,
            headers: Vec::new(),
            taken,
            answer,
        };
        (waiting, (taken_end, answer_end))
    }

    fn here() -> Lives {
        Lives::new(|| true)
    }

    fn gone() -> Lives {
        Lives::new(|| false)
    }

    fn done() -> Result<Outcome, DriveError> {
        Ok(Outcome::Response(Bytes::new()))
    }

    fn id(id: &str) -> Which {
        Which::Id(id.to_owned())
    }

    #[test]
    fn who_asks_again_gets_the_same_event_and_answers_without_an_id() {
        let invocations = Invocations::default();
        assert_eq!(invocations.answer(&Which::Last, None, done()), Answered::Unknown);
        let (waiting, (_, mut answer)) = event("a", "1");
        invocations.put(waiting).unwrap();
        let (second, _second) = event("b", "2");
        invocations.put(second).unwrap();
        for _ in 0..2 {
            let Next::Event(event) = invocations.next(&here(), true) else { panic!("no event") };
            assert_eq!(event.request_id, "a");
        }
        assert_eq!(invocations.answer(&Which::Last, None, done()), Answered::Accepted);
        assert!(matches!(answer.try_recv(), Ok(Ok(Outcome::Response(_)))));
        assert_eq!(invocations.answer(&Which::Last, None, done()), Answered::Late);
        let Next::Event(event) = invocations.next(&here(), true) else { panic!("no event") };
        assert_eq!(event.request_id, "b");
    }

    #[test]
    fn who_has_gone_gets_nothing_and_the_event_stays() {
        let invocations = Invocations::default();
        let (waiting, _ends) = event("a", "1");
        invocations.put(waiting).unwrap();
        assert!(matches!(invocations.next(&gone(), false), Next::Gone));
        let Next::Event(event) = invocations.next(&here(), false) else { panic!("the event is lost") };
        assert_eq!(event.request_id, "a");
        assert!(matches!(invocations.next(&here(), false), Next::Nothing));
    }

    #[test]
    fn who_has_gone_uses_up_no_fault() {
        let invocations = Invocations::default();
        invocations.fault(Fault::NextStatus(500));
        assert!(matches!(invocations.next(&gone(), false), Next::Gone));
        assert!(matches!(invocations.next(&here(), false), Next::Fault(Fault::NextStatus(500))));
    }

    #[test]
    fn an_answer_is_taken_once() {
        let invocations = Invocations::default();
        let (waiting, (_, mut answer)) = event("a", "1");
        invocations.put(waiting).unwrap();
        assert_eq!(invocations.answer(&id("a"), None, done()), Answered::Unknown, "nobody has taken it");
        let _ = invocations.next(&here(), false);
        assert_eq!(invocations.answer(&id("b"), None, done()), Answered::Unknown);
        assert_eq!(invocations.answer(&id("a"), Some("1"), done()), Answered::Accepted);
        assert!(matches!(answer.try_recv(), Ok(Ok(Outcome::Response(_)))));
        assert_eq!(invocations.answer(&id("a"), Some("1"), done()), Answered::Late);
    }

    #[test]
    fn the_answer_of_an_earlier_invocation_is_late_even_under_the_same_request_id() {
        let invocations = Invocations::default();
        let (first, _first) = event("a", "1");
        invocations.put(first).unwrap();
        let _ = invocations.next(&here(), false);
        invocations.clear("1");
        let (second, _second) = event("a", "2");
        invocations.put(second).unwrap();
        let _ = invocations.next(&here(), false);
        assert_eq!(invocations.answer(&id("a"), Some("1"), done()), Answered::Late);
        // A runtime that does not know the nonce is believed.
        assert_eq!(invocations.answer(&id("a"), None, done()), Answered::Accepted);
    }

    #[test]
    fn a_request_id_is_under_way_once() {
        let invocations = Invocations::default();
        let (first, _first) = event("a", "1");
        invocations.put(first).unwrap();
        assert!(matches!(invocations.put(event("a", "2").0), Err(DriveError::Usage(_))));
        let _ = invocations.next(&here(), false);
        assert!(matches!(invocations.put(event("a", "2").0), Err(DriveError::Usage(_))));
        invocations.clear("1");
        assert!(invocations.put(event("a", "2").0).is_ok());
    }

    #[test]
    fn a_failed_start_fails_what_waits_or_else_what_comes_next() {
        let invocations = Invocations::default();
        let (waiting, (_, mut answer)) = event("a", "1");
        invocations.put(waiting).unwrap();
        invocations.init_error("Runtime.InitError", "no");
        assert!(matches!(answer.try_recv(), Ok(Err(DriveError::InitError { .. }))));
        assert!(matches!(invocations.next(&here(), false), Next::Nothing));

        invocations.init_error("Runtime.InitError", "no");
        assert!(matches!(invocations.put(event("b", "2").0), Err(DriveError::InitError { .. })));
        assert!(invocations.put(event("b", "2").0).is_ok(), "once");
    }

    #[test]
    fn the_past_is_not_remembered_for_ever() {
        let invocations = Invocations::default();
        for number in 0..=REMEMBERED {
            let id = number.to_string();
            let (waiting, _ends) = event(&id, &id);
            invocations.put(waiting).unwrap();
            let _ = invocations.next(&here(), false);
            invocations.clear(&id);
        }
        assert_eq!(invocations.answer(&id("0"), None, done()), Answered::Unknown);
        assert_eq!(invocations.answer(&id("1"), None, done()), Answered::Late);
    }
}
