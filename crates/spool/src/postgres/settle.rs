//! Writing down what came of items, in the transaction that takes them away.
//!
//! It waits for no standby: a settlement that is lost is a duplicate, and what is stored is sent on while a standby is away. Success needs no fence:
//! MDSS has the object, whoever holds its item by now. Everything else must name the claim that still holds, because a late failure would undo a
//! younger attempt.

use std::sync::atomic::Ordering;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use futures_util::future::try_join_all;
use mdss_relay_core::fields;
use tracing::error;

use super::base::Base;
use super::delivery::shown;
use super::failure::{Fate, Fault, text};
use super::outbox;
use super::room::number;
use super::slot::Held;
use crate::claim::{Settled, Settlement};
use crate::item::{Outcome, State};
use crate::ticket::Lease;
use crate::trouble::TroubleKind;
use mdss_relay_postgres::{Line, Parameter};

/// How often a batch is written again that has met another one.
const TRIES: u32 = 3;

/// For how long an item is put off that a relay with other settings may want.
const DIFFERS: f64 = 60.0;

/// Why it is.
const SETTINGS_DIFFER: &str = "settings_differ";
const ANOTHER: &str = "another relay has other settings";

/// What goes. In the same statement the mark is kept, so that from here on a repetition is one; and who stays of a delivery has the bytes of those
/// that leave it.
const GONE: &str = "
WITH ours AS MATERIALIZED (
    SELECT item.id, u.accepted FROM unnest($1::int8[], $2::int4[], $3::int8[], $4::bool[]) AS u (id, token, claim, accepted)
    JOIN mdss_relay.item ON item.id = u.id AND item.token = u.token AND (u.accepted OR item.claim = u.claim)
    ORDER BY item.id FOR UPDATE OF item
), gone AS (
    DELETE FROM mdss_relay.item WHERE id = ANY (ARRAY(SELECT id FROM ours)) RETURNING id, delivery, mark, bytes
), marked AS (
    INSERT INTO mdss_relay.done (mark)
    SELECT mark FROM gone WHERE $5 AND mark IS NOT NULL AND id = ANY (ARRAY(SELECT id FROM ours WHERE accepted)) ORDER BY mark ON CONFLICT DO NOTHING
)";

const AND_COUNT: &str = " SELECT count(*) FROM ours WHERE NOT accepted";

const AND_INHERIT: &str = ", heirs AS (
    UPDATE mdss_relay.item SET bytes = item.bytes + h.freed FROM (
        SELECT min(i.id) AS id, g.freed FROM (SELECT delivery, (sum(bytes) - 512 * count(*))::int8 AS freed FROM gone GROUP BY 1) g
        JOIN mdss_relay.item i ON i.delivery = g.delivery WHERE i.id <> ALL (ARRAY(SELECT id FROM gone)) GROUP BY g.delivery, g.freed) h
    WHERE item.id = h.id
) SELECT count(*) FROM ours WHERE NOT accepted";

const PUT_OFF: &str = "
WITH ours AS MATERIALIZED (
    SELECT u.* FROM unnest($1::int8[], $2::int4[], $3::int8[], $4::text[], $5::int2[], $6::float8[], $7::text[], $8::text[], $9::int4[])
        AS u (id, token, claim, lane, state, pause, reason, detail, tried)
    JOIN mdss_relay.item ON item.id = u.id AND item.token = u.token AND item.claim = u.claim ORDER BY item.id FOR UPDATE OF item
), off AS (
UPDATE mdss_relay.item SET lane = coalesce(ours.lane, item.lane), state = ours.state, not_before = now() + ours.pause * interval '1 second',
    reason = ours.reason, detail = ours.detail, attempts = item.attempts + ours.tried, claim = NULL, leased = NULL
FROM ours WHERE item.id = ANY (ARRAY(SELECT id FROM ours)) AND item.id = ours.id RETURNING item.id
)";

const AND_NAME: &str = " SELECT id FROM off";

/// What goes and was alone in its delivery, with the delivery: the statement is in the database (`6.sql`), so that a session keeps its plan.
const ALONE: &str = "SELECT mdss_relay.settle_alone_told($1, $2, $3, $4, $5, $6, $7, $8)";

/// In a statement of its own: the one that deletes the items would still see them.
const EMPTIED: &str = "
DELETE FROM mdss_relay.delivery WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM mdss_relay.item WHERE item.delivery = delivery.id)";

/// Two relays that settle the last two items of a delivery would each see the other's: one waits for the other.
const LOCK: &str = "SELECT FROM mdss_relay.delivery WHERE id = ANY ($1) AND items > 1 ORDER BY id FOR UPDATE";

/// Writes down what came of items. One that is gone meanwhile stays gone. One that the server refuses for what it is keeps no other from being
/// written.
///
/// # Errors
/// If something was not written, or that is not known; all of it may be written again.
pub(super) async fn settle(base: &Base, held: &mut Held<'_>, batch: &[Settlement]) -> Result<Settled, Fault> {
    let settings = base.settings.lock().unwrap_or_else(|e| e.into_inner()).clone();
    let (mut parts, mut settled) = (vec![batch], Settled::default());
    while let Some(part) = parts.pop() {
        match whole(base, held, part, &settings, Along::all(base)).await {
            Ok(written) => settled.fenced += written.fenced,
            Err(fault) if !is_of_a_row(&fault) => return Err(fault),
            Err(fault) => match part {
                [culprit] => settled.fenced += alone(base, held, culprit, &settings, fault).await?.fenced,
                many => {
                    let (first, rest) = many.split_at(many.len() / 2);
                    parts.extend([rest, first]);
                }
            },
        }
    }
    // Their tickets have done their work, whoever drops them.
    batch.iter().filter_map(|settlement| settlement.ticket.lease()).for_each(|lease| lease.lost());
    base.counters.fenced.add(settled.fenced);
    Ok(settled)
}

/// Whether one of the rows is at fault, so that the others may be written without it. A row that somebody else holds is waited for; and a limit of the
/// server's (54000) is its numbers of transactions rather than a row: with no outcome written all of them would be sent again.
fn is_of_a_row(fault: &Fault) -> bool {
    let meaning = fault.meaning();
    meaning.fate == Fate::Smaller && meaning.kind == TroubleKind::Internal
}

/// One outcome that the server refuses for what it is: once more without what it brings along. If that is refused as well, the item stays, and
/// comes again when its lease ends.
async fn alone(
    base: &Base,
    held: &mut Held<'_>,
    culprit: &Settlement,
    settings: &[u8],
    fault: Fault,
) -> Result<Settled, Fault> {
    let bare = Along { marks: false, facts: false, stays: true };
    let settled = whole(base, held, std::slice::from_ref(culprit), settings, bare).await;
    let (why, what) = match &settled {
        Ok(_) => (fault, "without its mark and its entry for the ledger"),
        Err(again) if !is_of_a_row(again) => return settled,
        Err(_) => (fault, "so its object is sent again when the lease ends"),
    };
    let trouble = why.trouble("settling an item");
    error!(
        { fields::ERROR_TYPE } = trouble.kind.name(),
        { fields::SPOOL_DATABASE } = base.database.place(),
        "the database refuses the outcome of item {}, {what}: {}",
        culprit.ticket.id().get(),
        trouble.detail
    );
    Ok(settled.unwrap_or_default())
}

/// What is written along with what goes.
#[derive(Clone, Copy)]
struct Along {
    marks: bool,
    /// Facts become rows of the outbox; else they are counted.
    facts: bool,
    /// What stays: what is put off, and whose bytes the others of its delivery now have.
    stays: bool,
}

impl Along {
    fn all(base: &Base) -> Self {
        Self { marks: true, facts: base.outbox_has_room.load(Ordering::Relaxed), stays: true }
    }
}

/// A batch in one transaction, written again if it has met another one.
async fn whole(
    base: &Base,
    held: &mut Held<'_>,
    batch: &[Settlement],
    settings: &[u8],
    mut along: Along,
) -> Result<Settled, Fault> {
    let mut tries = 0;
    loop {
        match held.ask(async |line| write(line, batch, settings, along).await).await {
            // There is no room for marks and facts; deleting makes some.
            Err(Fault::Sql(e)) if e.code() == Some(&SqlState::DISK_FULL) && (along.marks || along.facts) => {
                (along.marks, along.facts) = (false, false);
            }
            // Nor for a row that is written anew. So what stays comes again when its lease ends, and keeps nothing from going.
            Err(Fault::Sql(e)) if e.code() == Some(&SqlState::DISK_FULL) && along.stays => {
                along.stays = false;
                let stay = batch.iter().filter(|settlement| !goes(&settlement.outcome)).count();
                if stay > 0 {
                    error!(
                        { fields::ERROR_TYPE } = TroubleKind::Unwritable.name(),
                        { fields::SPOOL_DATABASE } = base.database.place(),
                        "the database has no room to put {stay} items off, so they are sent again when their leases end: {}",
                        text(&e)
                    );
                }
            }
            // A number of the outbox that was given out twice: each try takes later ones.
            Err(fault) if matches!(fault.meaning().fate, Fate::Again | Fate::Renumber) && tries < TRIES => {
                tries += 1;
            }
            settled => return settled,
        }
    }
}

/// Whether an item leaves the spool.
fn goes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted | Outcome::Skipped)
}

/// All of it behind each other on one connection, without waiting for each answer. If one statement fails, the last one takes everything back.
async fn write(line: &Line, batch: &[Settlement], settings: &[u8], along: Along) -> Result<Settled, Fault> {
    let Along { marks, facts: room, stays } = along;
    let planned = batch.iter().any(|settlement| is_by_plan(&settlement.outcome));
    let differ = planned && differ(line, settings).await?;
    let mut rows = Rows::of(batch, differ);
    if !stays {
        rows.off = Which::default();
    }
    let told = |facts: &[Option<&str>]| facts.iter().any(Option::is_some);
    if rows.alone && rows.off.ids.is_empty() {
        return go_alone(line, &rows, marks, room).await;
    }
    let facts = if told(&rows.gone_facts) { outbox::put("gone", 1, 6, room) } else { String::new() };
    let sql = [GONE, &facts, if rows.alone || !stays { AND_COUNT } else { AND_INHERIT }].concat();
    let facts = if told(&rows.off_facts) { outbox::put("off", 1, 10, room) } else { String::new() };
    let put_off = [PUT_OFF, &facts, AND_NAME].concat();
    let gone: [Parameter<'_>; 6] = [
        (&rows.gone.ids, Type::INT8_ARRAY),
        (&rows.gone.tokens, Type::INT4_ARRAY),
        (&rows.gone.claims, Type::INT8_ARRAY),
        (&rows.accepted, Type::BOOL_ARRAY),
        (&marks, Type::BOOL),
        (&rows.gone_facts, Type::TEXT_ARRAY),
    ];
    let off: [Parameter<'_>; 10] = [
        (&rows.off.ids, Type::INT8_ARRAY),
        (&rows.off.tokens, Type::INT4_ARRAY),
        (&rows.off.claims, Type::INT8_ARRAY),
        (&rows.lanes, Type::TEXT_ARRAY),
        (&rows.states, Type::INT2_ARRAY),
        (&rows.pauses, Type::FLOAT8_ARRAY),
        (&rows.reasons, Type::TEXT_ARRAY),
        (&rows.details, Type::TEXT_ARRAY),
        (&rows.tried, Type::INT4_ARRAY),
        (&rows.off_facts, Type::TEXT_ARRAY),
    ];
    // The parameter of the facts is there only if they are.
    let gone = if told(&rows.gone_facts) { &gone[..] } else { &gone[..5] };
    let off = if told(&rows.off_facts) { &off[..] } else { &off[..9] };
    let deliveries: [Parameter<'_>; 1] = [(&rows.deliveries, Type::INT8_ARRAY)];
    let statements: [(bool, &str, &[Parameter<'_>]); 7] = [
        (true, "BEGIN", &[]),
        (true, "SELECT set_config('synchronous_commit', 'local', true)", &[]),
        (!rows.alone, LOCK, &deliveries),
        (!rows.gone.ids.is_empty(), &sql, gone),
        (!rows.off.ids.is_empty(), &put_off, off),
        (!rows.gone.ids.is_empty(), EMPTIED, &deliveries),
        (true, "COMMIT", &[]),
    ];
    let asked = statements.iter().map(async |(wanted, sql, parameters)| match wanted {
        true => line.client.query_typed(sql, parameters).await,
        false => Ok(Vec::new()),
    });
    let answers = try_join_all(asked).await?;
    let skipped = answers[3].first().map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or(0);
    let fitted = usize::try_from(skipped).unwrap_or(0) + answers[4].len();
    let fenced = rows.accepted.iter().filter(|accepted| !**accepted).count() + rows.off.ids.len();
    Ok(Settled { fenced: fenced.saturating_sub(fitted) })
}

/// A batch of nothing but items that go, each alone in its delivery.
async fn go_alone(line: &Line, rows: &Rows<'_>, marks: bool, room: bool) -> Result<Settled, Fault> {
    let parameters: [Parameter<'_>; 8] = [
        (&rows.gone.ids, Type::INT8_ARRAY),
        (&rows.gone.tokens, Type::INT4_ARRAY),
        (&rows.gone.claims, Type::INT8_ARRAY),
        (&rows.accepted, Type::BOOL_ARRAY),
        (&rows.deliveries, Type::INT8_ARRAY),
        (&rows.gone_facts, Type::TEXT_ARRAY),
        (&marks, Type::BOOL),
        (&room, Type::BOOL),
    ];
    let unsent: i64 = line.client.query_typed_one(ALONE, &parameters).await?.try_get(0)?;
    let unsent = usize::try_from(unsent).unwrap_or(0);
    let fenced = rows.accepted.iter().filter(|accepted| !**accepted).count();
    Ok(Settled { fenced: fenced.saturating_sub(unsent) })
}

/// Whether somebody else plans by other settings: a relay of yesterday's must neither delete nor park what one of today's has accepted.
async fn differ(line: &Line, settings: &[u8]) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT FROM mdss_relay.replica
               WHERE seen > clock_timestamp() - interval '1 minute' AND settings IS DISTINCT FROM $1 AND settings IS NOT NULL)";
    Ok(line.client.query_typed_one(sql, &[(&settings, Type::BYTEA)]).await?.try_get(0)?)
}

/// Puts off what a plan alone holds or parks from the beginning, as what it would hold later, if somebody plans by other settings. Gives whether it was. To
/// be asked once they are stored: who begins with other settings says so first, and then makes everything due.
///
/// # Errors
/// If that cannot be read or written. They stay where they are until an operator acts, or an hour.
pub(super) async fn put_off_if_settings_differ(
    line: &Line,
    settings: &[u8],
    ids: &[i64],
) -> Result<bool, Fault> {
    let differs = differ(line, settings).await?;
    if differs {
        let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true))
                   UPDATE mdss_relay.item SET state = 0, not_before = now() + $2 * interval '1 second', reason = $3, detail = $4 FROM setting
                   WHERE item.id = ANY ($1) AND item.state <> 0 AND item.claim IS NULL";
        let parameters: [Parameter<'_>; 4] = [
            (&ids, Type::INT8_ARRAY),
            (&DIFFERS, Type::FLOAT8),
            (&SETTINGS_DIFFER, Type::TEXT),
            (&ANOTHER, Type::TEXT),
        ];
        line.client.execute_typed(sql, &parameters).await?;
    }
    Ok(differs)
}

/// No request was made: today's settings alone have decided.
fn is_by_plan(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Skipped => true,
        Outcome::Again { state, attempted, .. } => *state == State::Held && !attempted,
        Outcome::Parked { attempted, .. } => !attempted,
        Outcome::Accepted | Outcome::Lane(_) => false,
    }
}

/// Which items.
#[derive(Default)]
struct Which {
    ids: Vec<i64>,
    tokens: Vec<i32>,
    claims: Vec<i64>,
}

impl Which {
    fn add(&mut self, lease: &Lease) {
        self.ids.push(lease.id.get());
        self.tokens.push(lease.token);
        self.claims.push(lease.claim);
    }
}

/// A batch, column by column: what goes, and what is put off.
#[derive(Default)]
struct Rows<'b> {
    gone: Which,
    /// Of those that go: MDSS has them.
    accepted: Vec<bool>,
    /// In which deliveries they were, and whether each was the only item of its own.
    deliveries: Vec<i64>,
    alone: bool,
    off: Which,
    lanes: Vec<Option<&'b str>>,
    states: Vec<i16>,
    pauses: Vec<f64>,
    reasons: Vec<Option<&'b str>>,
    details: Vec<Option<String>>,
    tried: Vec<i32>,
    /// What the ledger is told of each.
    gone_facts: Vec<Option<&'b str>>,
    off_facts: Vec<Option<&'b str>>,
}

impl<'b> Rows<'b> {
    fn of(batch: &'b [Settlement], differ: bool) -> Self {
        let mut rows = Self { alone: true, ..Self::default() };
        for Settlement { ticket, outcome, fact } in batch {
            let fact = fact.as_deref();
            // Every ticket of this engine has one.
            let Some(lease) = ticket.lease() else { continue };
            match outcome {
                outcome if differ && is_by_plan(outcome) => {
                    rows.put_off(lease, State::Waiting, DIFFERS, SETTINGS_DIFFER, ANOTHER, false, None);
                }
                Outcome::Accepted => rows.go(lease, true, fact),
                Outcome::Skipped => rows.go(lease, false, fact),
                Outcome::Again { state, pause, reason, detail, attempted } => {
                    rows.put_off(lease, *state, pause.as_secs_f64(), reason, detail, *attempted, fact);
                }
                Outcome::Parked { reason, detail, attempted } => {
                    rows.put_off(lease, State::Parked, 0.0, reason, detail, *attempted, fact);
                }
                Outcome::Lane(lane) => {
                    rows.put_off(lease, State::Waiting, 0.0, "", "", false, None);
                    let last = rows.lanes.len() - 1;
                    (rows.lanes[last], rows.reasons[last], rows.details[last]) =
                        (Some(lane.as_str()), None, None);
                }
            }
        }
        rows
    }

    fn go(&mut self, lease: &Lease, accepted: bool, fact: Option<&'b str>) {
        self.gone.add(lease);
        self.gone_facts.push(fact);
        self.accepted.push(accepted);
        self.deliveries.push(lease.delivery);
        self.alone &= lease.alone;
    }

    #[expect(clippy::too_many_arguments, reason = "they are columns")]
    fn put_off(
        &mut self,
        lease: &Lease,
        state: State,
        pause: f64,
        reason: &'b str,
        detail: &str,
        tried: bool,
        fact: Option<&'b str>,
    ) {
        self.off.add(lease);
        self.off_facts.push(fact);
        self.lanes.push(None);
        self.states.push(number(state));
        self.pauses.push(pause);
        self.reasons.push(Some(reason));
        self.details.push(Some(shown(detail)));
        self.tried.push(i32::from(tried));
    }
}
