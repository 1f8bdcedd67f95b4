//! What the log says of items, of pauses, and of what waits for too long.

use std::time::Duration;

use mdss_relay_core::{CorrelationId, Failure, SkipReason, fields};
use tracing::{error, info, warn};

use super::ready::{Item, Object};
use crate::item::State;
use crate::stock::Stock;

/// After this long without MDSS's acceptance an event is an alarm.
const ALARM_AFTER: Duration = Duration::from_secs(900);

pub(super) fn accepted(item: &Item, object: &Object, correlation: &CorrelationId, took: Duration) {
    info!(
        { fields::INVOCATION } = item.invocation,
        { fields::ITEM } = item.path,
        { fields::DIALECT } = object.dialect,
        { fields::BUCKET } = object.bucket,
        { fields::KEY } = object.key,
        { fields::EVENT_TYPE } = object.event_name,
        { fields::LANE } = item.lane,
        { fields::CORRELATION_ID } = correlation.as_str(),
        { fields::RESEND_COUNT } = item.attempts,
        { fields::DURATION_MS } = millis(took),
        mdss.spool.item = item.id().get(),
        mdss.spool.age_ms = millis(item.age()),
        "object accepted by MDSS"
    );
}

pub(super) fn skipped(item: &Item, object: &Object, reason: SkipReason) {
    info!(
        { fields::INVOCATION } = item.invocation,
        { fields::ITEM } = item.path,
        { fields::BUCKET } = object.bucket,
        { fields::KEY } = object.key,
        { fields::REASON } = reason.name(),
        mdss.spool.item = item.id().get(),
        "event skipped: the current settings no longer select it"
    );
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
    macro_rules! line {
        ($level:ident, $text:literal) => {
            $level!(
                { fields::INVOCATION } = item.invocation,
                { fields::ITEM } = item.path,
                { fields::DIALECT } = object.dialect,
                { fields::BUCKET } = object.bucket,
                { fields::KEY } = object.key,
                { fields::LANE } = item.lane,
                { fields::REASON } = failure.cause.name(),
                { fields::DETAIL } = failure.detail,
                { fields::ERROR_TYPE } = failure.cause.name(),
                { fields::FAILURE_KIND } = failure.kind().name(),
                { fields::RESEND_COUNT } = attempts.saturating_sub(1),
                mdss.spool.item = item.id().get(),
                mdss.spool.state = state.name(),
                mdss.spool.pause_ms = millis(pause),
                $text
            )
        };
    }
    match state {
        State::Waiting => line!(warn, "object not yet accepted by MDSS; the relay tries again"),
        State::Held => {
            line!(error, "object not accepted by MDSS; an operator must act, and until then it is held")
        }
        State::Parked => line!(error, "event is parked, and not tried again until an operator retries it"),
    }
}

pub(super) fn endpoint_pauses(failure: &Failure) {
    error!(
        { fields::ERROR_TYPE } = failure.cause.name(),
        "requests to MDSS pause, because several objects failed in a row: {}", failure.detail
    );
}

pub(super) fn endpoint_is_back() {
    info!("MDSS accepts objects again");
}

pub(super) fn unit_pauses(lane: &str, failure: &Failure) {
    error!(
        { fields::LANE } = lane,
        { fields::ERROR_TYPE } = failure.cause.name(),
        "requests for the storage unit pause, because several objects failed in a row: {}",
        failure.detail
    );
}

pub(super) fn unit_is_back(lane: &str) {
    info!({ fields::LANE } = lane, "the storage unit accepts objects again");
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
            mdss.spool.waiting = count(State::Waiting),
            mdss.spool.held = count(State::Held),
            mdss.spool.age_ms = millis(age),
            "events have waited for MDSS for more than 15 minutes"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
