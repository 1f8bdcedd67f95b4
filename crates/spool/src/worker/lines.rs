//! What the log says of items, of pauses, and of what waits for too long.

use std::time::Duration;

use mdss_relay_core::{
    Became, CorrelationId, Failure, FailureKind, Line, SkipReason, Stored, Write, facts, fields,
};
use tracing::{error, info};

use super::ready::{Item, Object};
use crate::breaker;
use crate::clock::{Clock as _, SystemClock};
use crate::fact::{Fact, time};
use crate::item::State;
use crate::outage;
use crate::stock::Stock;

/// After this long without MDSS's acceptance an event is an alarm.
const ALARM_AFTER: Duration = Duration::from_secs(900);

pub(super) fn accepted(item: &Item, object: &Object, correlation: &CorrelationId, took: Duration) {
    let line = Line {
        correlation_id: Some(correlation.as_str()),
        resends: Some(item.attempts),
        took: Some(took),
        write: Write {
            source: item.source.as_deref(),
            details: Some(&object.details),
            received: Some(time(item.received)),
            origin: origin(item, object),
        },
        ..line(item, object, Stored { age: Some(item.age()), ..Stored::default() })
    };
    line.write(Became::Accepted);
}

pub(super) fn skipped(item: &Item, object: &Object, reason: SkipReason) {
    let line = Line { reason: Some(reason.name()), ..line(item, object, Stored::default()) };
    line.write(Became::Unselected);
}

/// A line for a failure that is new, or has lasted twice as long as at the last line: retries go on for days.
pub(super) fn failed(
    item: &Item,
    object: &Object,
    failure: &Failure,
    state: State,
    attempts: u32,
    pause: Duration,
) {
    let new = item.reason.as_deref() != Some(failure.cause.name()) || item.state != state;
    if !new && !attempts.is_power_of_two() {
        return;
    }
    let stored = Stored { state: Some(state.name()), pause: Some(pause), ..Stored::default() };
    let line = Line {
        reason: Some(failure.cause.name()),
        detail: Some(&failure.detail),
        failure: Some(failure),
        resends: Some(attempts.saturating_sub(1)),
        ..line(item, object, stored)
    };
    line.write(match state {
        State::Waiting => Became::Waiting,
        State::Held => Became::Held,
        State::Parked => Became::Parked,
    });
}

/// What brought an object here, if no event did.
fn origin(item: &Item, object: &Object) -> Option<&'static str> {
    match object.dialect {
        Some("reconcile") => Some("reconcile"),
        _ => item.was_retried().then_some("retry"),
    }
}

/// What the ledger is told: that MDSS has an object, that it is parked, or that nobody wants it any more.
pub(super) fn fact(
    kind: &'static str,
    item: &Item,
    object: &Object,
    attempts: u32,
    correlation: Option<&CorrelationId>,
    reason: Option<&str>,
) -> String {
    let fact = Fact {
        kind,
        at: SystemClock.now(),
        source: item.source.as_deref(),
        dialect: object.dialect,
        bucket: object.bucket.as_deref(),
        key: object.key.as_deref(),
        details: &object.details,
        received: Some(item.received),
        resends: (kind != facts::UNSELECTED).then(|| attempts.checked_sub(1)).flatten(),
        lane: &item.lane,
        correlation: correlation.map(CorrelationId::as_str),
        origin: origin(item, object),
        reason,
    };
    fact.json()
}

/// What every line about an item says.
fn line<'l>(item: &'l Item, object: &'l Object, stored: Stored) -> Line<'l> {
    Line {
        invocation: &item.invocation,
        item: &item.path,
        dialect: object.dialect,
        bucket: object.bucket.as_deref(),
        key: object.key.as_deref(),
        event_name: object.details.event_name.as_deref(),
        lane: Some(&item.lane),
        stored: Some(Stored { number: item.id().get(), ..stored }),
        ..Line::default()
    }
}

pub(super) fn endpoint_pauses(failure: &Failure) {
    let config = failure.kind() == FailureKind::Config;
    let most = if config { outage::MOST_CONFIG } else { outage::MOST };
    error!(
        { fields::ERROR_TYPE } = failure.cause.name(),
        "MDSS takes no objects: sending is paused, and one is tried every {} to {} s; last: {}",
        outage::FIRST.as_secs(),
        most.as_secs(),
        failure.detail
    );
}

pub(super) fn endpoint_is_back() {
    info!("MDSS accepts objects again: sending goes on");
}

pub(super) fn gives_way(failure: &Failure, rate: f64) {
    info!(
        { fields::ERROR_TYPE } = failure.cause.name(),
        "MDSS asks for fewer requests: {rate:.0} a second now, and more again as soon as it takes them; last: {}",
        failure.detail
    );
}

pub(super) fn unit_pauses(lane: &str, failure: &Failure) {
    error!(
        { fields::LANE } = lane,
        { fields::ERROR_TYPE } = failure.cause.name(),
        "MDSS takes no objects for this storage unit: sending to it is paused, and one is tried every {} to {} s; last: {}",
        breaker::FIRST.as_secs(),
        breaker::MOST.as_secs(),
        failure.detail
    );
}

pub(super) fn unit_is_back(lane: &str) {
    info!({ fields::LANE } = lane, "MDSS accepts objects for this storage unit again: sending goes on");
}

/// An error line for each lane whose oldest item waits for too long. It comes again and again: nobody reads yesterday's log.
pub(super) fn alarm(stock: &Stock) {
    for (lane, age) in stock.ages() {
        if age < ALARM_AFTER {
            continue;
        }
        let count = |state| {
            let of = stock.depths.iter().filter(|d| d.lane == lane && d.state == state);
            of.map(|d| d.items).sum::<u64>()
        };
        let reasons = stock.depths.iter().filter(|d| d.lane == lane && !d.reason.is_empty());
        let reasons: Vec<&str> = reasons.map(|d| d.reason.as_str()).collect();
        error!(
            { fields::LANE } = lane,
            { fields::REASON } = reasons.join(","),
            { fields::SPOOL_WAITING } = count(State::Waiting),
            { fields::SPOOL_HELD } = count(State::Held),
            { fields::SPOOL_AGE_MS } = millis(age),
            "events have waited for MDSS for more than 15 minutes"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
