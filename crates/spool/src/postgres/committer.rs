//! What waits to be stored shares a commit: while one group is out, the next one gathers by itself. One sender alone waits for nobody.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout_at;
use tokio_postgres::types::Type;

use super::accept::{Rows, accept};
use super::base::Base;
use super::count;
use super::delivery::{checksum, mark, shown};
use super::failure::{Fate, Fault};
use super::outbox;
use super::room::{ROW_BYTES, Seen, number};
use super::settle::put_off_if_settings_differ;
use super::slot::{Held, Slot};
use super::standing;
use crate::intake::{Intake, NewItem, Written};
use crate::item::State;
use crate::shares::{Limits, NoRoom, Shares};
use crate::trouble::{Trouble, TroubleKind};

/// Requests that wait for a group; further ones wait in their own tasks.
const QUEUE: usize = 1024;

/// Requests that share a commit, and bytes of them, at most: the first of them waits for the last.
const GROUP: usize = 512;
const GROUP_BYTES: usize = 8 << 20;

/// If so many are likely to come, a group waits a moment for them: a commit costs as much as storing a dozen events.
const MANY: usize = 8;
const MOMENT: Duration = Duration::from_micros(500);

/// How often a group is sent again that has met another one, and after what time, about.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(25);

/// How often the standing of a server that may not be used is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// One delivery on its way.
pub(super) struct Job {
    intake: Arc<Intake>,
    limits: Limits,
    reply: oneshot::Sender<Result<Vec<Written>, Trouble>>,
}

impl Job {
    fn size(&self) -> u64 {
        (self.intake.headers.len() + self.intake.body.len()) as u64
    }

    fn answer(self, outcome: Result<Vec<Written>, Trouble>) {
        let _ = self.reply.send(outcome);
    }
}

/// Where deliveries are handed in.
pub(super) type Orders = mpsc::Sender<Job>;
pub(super) type Queue = Arc<Waiting>;

/// What waits to be stored.
pub(super) struct Waiting {
    jobs: Mutex<mpsc::Receiver<Job>>,
    /// Requests in the groups that are out.
    out: AtomicUsize,
}

pub(super) fn orders() -> (Orders, Queue) {
    let (orders, jobs) = mpsc::channel(QUEUE);
    (orders, Arc::new(Waiting { jobs: Mutex::new(jobs), out: AtomicUsize::new(0) }))
}

/// Hands a delivery in and waits for its answer, for so long at most: after that nobody knows.
///
/// # Errors
/// It was not stored, or that is not known.
pub(super) async fn order(
    orders: &Orders,
    intake: Arc<Intake>,
    limits: Limits,
    most: Duration,
) -> Result<Vec<Written>, Trouble> {
    let (reply, answer) = oneshot::channel();
    let job = Job { intake, limits, reply };
    let answered = async {
        orders.send(job).await.map_err(|_| Trouble::stopped())?;
        answer.await.map_err(|_| Trouble::stopped())?
    };
    let late = || {
        let detail = format!("whether the event is safe is not known: no answer within {} s", most.as_secs());
        Err(Trouble::new(TroubleKind::Unreachable, detail))
    };
    tokio::time::timeout(most, answered).await.unwrap_or_else(|_| late())
}

/// Stores what is handed in, group by group, on one connection.
pub(super) async fn serve(base: Arc<Base>, place: usize, queue: Queue) {
    let Some(slot) = base.accepts.get(place) else { return };
    let mut answered = 0;
    loop {
        let jobs = {
            let mut jobs = queue.jobs.lock().await;
            // Half of those that are about: the other half is out, or comes back with the next group.
            let likely = (answered + queue.out.load(Ordering::Relaxed)) / 2;
            gather(&mut jobs, likely).await
        };
        if jobs.is_empty() {
            return;
        }
        answered = jobs.len();
        let _out = Out::new(&queue.out, answered);
        store(&base, slot, jobs).await;
    }
}

/// Counts the requests of a group until it has come back, whatever becomes of it.
struct Out<'q>(&'q AtomicUsize, usize);

impl<'q> Out<'q> {
    fn new(out: &'q AtomicUsize, jobs: usize) -> Self {
        out.fetch_add(jobs, Ordering::Relaxed);
        Self(out, jobs)
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// The next group; empty: nobody is left who could hand anything in. If many are about, it waits a moment for as many as are likely to come.
async fn gather(queue: &mut mpsc::Receiver<Job>, likely: usize) -> Vec<Job> {
    let mut jobs: Vec<Job> = queue.recv().await.into_iter().collect();
    let mut bytes: usize = jobs.iter().map(|job| job.intake.body.len()).sum();
    let mut patience = (likely >= MANY).then(|| Instant::now() + MOMENT);
    while !jobs.is_empty() && jobs.len() < GROUP && bytes < GROUP_BYTES {
        let job = match queue.try_recv() {
            Ok(job) => job,
            Err(_) => {
                let Some(until) = patience.filter(|_| jobs.len() < likely) else { break };
                match timeout_at(until.into(), queue.recv()).await {
                    Ok(Some(job)) => job,
                    Ok(None) | Err(_) => {
                        patience = None;
                        continue;
                    }
                }
            }
        };
        bytes += job.intake.body.len();
        jobs.push(job);
    }
    jobs
}

/// Stores a group, and parts of it where it cannot be stored as a whole.
async fn store(base: &Base, slot: &Slot, jobs: Vec<Job>) {
    let (mut parts, mut tries, mut fresh) = (vec![jobs], 0, false);
    while let Some(mut jobs) = parts.pop() {
        // A sender that has given up comes again.
        jobs.retain(|job| !job.reply.is_closed());
        if jobs.is_empty() {
            continue;
        }
        let fault = match group(base, slot, &jobs, &mut fresh).await {
            Ok(outcomes) => {
                base.said().writing(Ok(()));
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    if let Err(trouble) = &outcome {
                        base.said().refused(trouble);
                    }
                    job.answer(outcome);
                }
                continue;
            }
            Err(fault) => fault,
        };
        match fault.meaning().fate {
            Fate::Again | Fate::Renumber if tries < TRIES => {
                tries += 1;
                base.numbers.forget().await;
                tokio::time::sleep(PAUSE.mul_f64(fastrand::f64() * 2.0)).await;
                parts.push(jobs);
            }
            Fate::Smaller if jobs.len() > 1 => {
                let rest = jobs.split_off(jobs.len() / 2);
                parts.extend([rest, jobs]);
            }
            fate => {
                let trouble = fault.trouble("storing events");
                if fate == Fate::Unknown {
                    base.counters.unknown.add(jobs.len());
                }
                if fate == Fate::Smaller {
                    base.said().refused(&trouble);
                } else {
                    base.said().writing(Err(trouble.clone()));
                }
                jobs.into_iter().for_each(|job| job.answer(Err(trouble.clone())));
            }
        }
    }
}

/// What became of each delivery of a group.
type Outcomes = Vec<Result<Vec<Written>, Trouble>>;

async fn group(base: &Base, slot: &Slot, jobs: &[Job], fresh: &mut bool) -> Result<Outcomes, Fault> {
    let mut held = slot.take().await?;
    stands(base, &mut held).await?;
    if !base.room.is_known() {
        count::count(base).await?;
    }
    let mut admitted = admit(jobs, base.room.seen());
    if admitted.iter().any(Admitted::is_refused) && !*fresh && !base.room.is_fresh() {
        // Much may have left since it was counted.
        count::count(base).await?;
        *fresh = true;
        admitted = admit(jobs, base.room.seen());
    }
    let (rows_of, deliveries): (usize, usize) =
        admitted.iter().fold((0, 0), |(r, d), a| (r + a.rows.len(), d + usize::from(!a.rows.is_empty())));
    if rows_of == 0 {
        // Nothing is written, so nobody hears that it was, or that it was there.
        return Ok(admitted.into_iter().map(|a| a.outcome).collect());
    }
    let mut numbers =
        held.ask(async |line| base.numbers.take(line, rows_of + deliveries).await).await?.into_iter();
    let rows = rows(jobs, &mut admitted, &mut numbers);
    let begun = Instant::now();
    let durability = base.database.durability();
    let stored = held.ask(async |line| accept(line, &rows, durability).await).await?;
    base.counters.committed(begun.elapsed());
    drop(rows);
    if !put_off(base, &mut held, jobs, &admitted, &stored).await {
        parked(&mut held, jobs, &admitted, &stored).await;
    }
    let mut heirs = Vec::new();
    for (job, admitted) in jobs.iter().zip(&mut admitted) {
        heirs.extend(admitted.finish(base, job, &stored));
    }
    if !heirs.is_empty() {
        // It counts, and no more: if it fails, less is counted than there is.
        let _ = held.ask(async |line| inherit(line, &heirs).await).await;
    }
    Ok(admitted.into_iter().map(|a| a.outcome).collect())
}

/// Puts off what would stay until somebody acts, if another relay might send it. Gives whether that was done; if it fails, it stays.
async fn put_off(
    base: &Base,
    held: &mut Held<'_>,
    jobs: &[Job],
    admitted: &[Admitted],
    stored: &HashSet<i64>,
) -> bool {
    let rows = jobs.iter().zip(admitted).flat_map(|(job, admitted)| {
        admitted.rows.iter().map(|(item, id, _)| (job.intake.items[*item].state, *id))
    });
    let ids: Vec<i64> = rows
        .filter(|(state, id)| *state != State::Waiting && stored.contains(id))
        .map(|(_, id)| id)
        .collect();
    if ids.is_empty() {
        return false;
    }
    let settings = base.settings.lock().unwrap_or_else(|e| e.into_inner()).clone();
    held.ask(async |line| put_off_if_settings_differ(line, &settings, &ids).await).await.unwrap_or(false)
}

/// Tells the ledger of what is parked from the beginning. The items stay where an operator sees them, so nothing is lost if that cannot be
/// written: then the ledger hears of them when they leave.
async fn parked(held: &mut Held<'_>, jobs: &[Job], admitted: &[Admitted], stored: &HashSet<i64>) {
    let mut facts: (Vec<i64>, Vec<&str>) = Default::default();
    for (job, admitted) in jobs.iter().zip(admitted) {
        for (item, id, _) in admitted.rows.iter().filter(|(_, id, _)| stored.contains(id)) {
            if let Some(fact) = &job.intake.items[*item].fact {
                facts.0.push(*id);
                facts.1.push(fact);
            }
        }
    }
    if !facts.0.is_empty() {
        let _ = held.ask(async |line| outbox::parked(line, &facts.0, &facts.1).await).await;
    }
}

/// Whether the server may be used, asked of it again if it was not to be.
async fn stands(base: &Base, held: &mut Held<'_>) -> Result<(), Fault> {
    let old = base.standing.last().is_none_or(|(_, when)| when.elapsed() >= LOOK);
    if base.standing.holds().is_err() && old {
        held.ask(async |line| standing::look(line, &base.standing).await).await?;
    }
    Ok(base.standing.holds()?)
}

/// Commits as an event would be, and looks whether there is room for one.
///
/// # Errors
/// Why an event would not be stored now.
pub(super) async fn probe(base: &Base, limits: Limits) -> Result<(), Fault> {
    let mut held = base.look.take().await?;
    stands(base, &mut held).await?;
    let durability = base.database.durability();
    held.ask(async |line| super::accept::probe(line, durability).await).await?;
    if !base.room.is_known() || (takes(base.room.seen().used(), 0, limits).is_err() && !base.room.is_fresh())
    {
        count::count_on(base, &mut held).await?;
    }
    Ok(takes(base.room.seen().used(), 0, limits)?)
}

/// What is to be stored of a delivery.
struct Admitted {
    outcome: Result<Vec<Written>, Trouble>,
    /// Which items, their numbers once they have some, and their bytes.
    rows: Vec<(usize, i64, u64)>,
}

impl Admitted {
    fn is_refused(&self) -> bool {
        let no_room = |written: &Written| matches!(written, Written::NoRoom(_));
        self.outcome
            .as_ref()
            .map_or_else(|trouble| trouble.kind == TroubleKind::Full, |w| w.iter().any(no_room))
    }

    /// Says of each item what became of it. Gives who has the bytes of those that were there already.
    fn finish(&mut self, base: &Base, job: &Job, stored: &HashSet<i64>) -> Option<(i64, i64)> {
        let Ok(written) = &mut self.outcome else { return None };
        let (mut missing, mut heir) = (0, None);
        for (item, id, bytes) in &self.rows {
            if stored.contains(id) {
                heir.get_or_insert(*id);
                let NewItem { lane, state, .. } = &job.intake.items[*item];
                base.room.stored(job.intake.whose(), lane, *state, *bytes);
            } else {
                written[*item] = Written::Duplicate;
                missing += bytes - ROW_BYTES;
            }
        }
        heir.filter(|_| missing > 0).map(|heir| (heir, i64::try_from(missing).unwrap_or(i64::MAX)))
    }
}

/// Says what there is room for, one delivery after the other.
fn admit(jobs: &[Job], mut seen: Seen) -> Vec<Admitted> {
    jobs.iter().map(|job| admit_one(job, &mut seen)).collect()
}

fn admit_one(job: &Job, seen: &mut Seen) -> Admitted {
    let (intake, limits, size) = (&job.intake, job.limits, job.size());
    let used = seen.used();
    if let Err(full) = takes(used, size, limits) {
        return Admitted { outcome: Err(full), rows: Vec::new() };
    }
    let free = limits.bytes.saturating_sub(used).saturating_sub(size);
    let mut shares = Shares::new(intake.whose(), limits, free);
    let part = size / intake.items.len().max(1) as u64;
    // What stays until somebody acts keeps the whole body, also when its neighbours have gone.
    let mut staying = size;
    let (mut marks, mut written, mut rows) = (HashSet::new(), Vec::new(), Vec::new());
    for (n, item) in intake.items.iter().enumerate() {
        if item.mark.as_ref().is_some_and(|mark| marks.contains(mark)) {
            written.push(Written::Duplicate);
            continue;
        }
        let bytes = if item.state == State::Waiting { part } else { staying };
        let there = |share: &_| Ok::<_, std::convert::Infallible>(seen.of(share, intake.whose()));
        let taken: Result<(), NoRoom> = match shares.take(item.state, &item.lane, bytes + ROW_BYTES, there) {
            Ok(taken) => taken,
            Err(never) => match never {},
        };
        if let Err(full) = taken {
            written.push(Written::NoRoom(full));
            continue;
        }
        if item.state != State::Waiting {
            staying = 0;
        }
        marks.extend(item.mark.as_ref());
        written.push(Written::Stored);
        rows.push((n, 0, 0));
    }
    // Each has an equal part of the body; if one stays until somebody acts, it has it all.
    let heir = rows.iter().position(|(n, ..)| intake.items[*n].state != State::Waiting);
    let each = size / rows.len().max(1) as u64;
    for (place, (n, _, bytes)) in rows.iter_mut().enumerate() {
        let part = match heir {
            Some(heir) if heir == place => size,
            Some(_) => 0,
            None => each,
        };
        *bytes = part + ROW_BYTES;
        seen.add(intake.whose(), &intake.items[*n].lane, intake.items[*n].state, *bytes);
    }
    Admitted { outcome: Ok(written), rows }
}

/// Whether so many more bytes may be kept.
///
/// # Errors
/// The limit is in the way.
pub(super) fn takes(used: u64, size: u64, limits: Limits) -> Result<(), Trouble> {
    if used.saturating_add(size) <= limits.bytes {
        return Ok(());
    }
    let detail = format!(
        "the spool holds {used} bytes and the event needs {size}, but RELAY_SPOOL_LIMIT allows {}",
        limits.bytes
    );
    Err(Trouble::new(TroubleKind::Full, detail))
}

/// The rows of a group, with numbers of their own.
fn rows<'g>(jobs: &'g [Job], admitted: &mut [Admitted], numbers: &mut impl Iterator<Item = i64>) -> Rows<'g> {
    let mut rows = Rows::default();
    for (job, admitted) in jobs.iter().zip(admitted) {
        let intake = &job.intake;
        let Some(delivery) = (!admitted.rows.is_empty()).then(|| numbers.next()).flatten() else { continue };
        for (n, id, bytes) in &mut admitted.rows {
            // There are as many numbers as were asked for.
            *id = numbers.next().unwrap_or_default();
            let (item, items) = (&intake.items[*n], &mut rows.items);
            items.ids.push(*id);
            items.tokens.push(fastrand::i32(..));
            items.deliveries.push(delivery);
            items.sources.push(intake.whose());
            items.paths.push(item.path.as_bytes());
            items.lanes.push(&item.lane);
            items.states.push(number(item.state));
            items.pauses.push(item.pause.as_secs_f64());
            items.reasons.push(item.reason);
            items.details.push(item.detail.as_deref().map(shown));
            items.buckets.push(item.bucket.as_deref().map(shown));
            items.keys.push(item.key.as_deref().map(shown));
            items.marks.push(item.mark.as_deref().map(mark));
            items.bytes.push(i64::try_from(*bytes).unwrap_or(i64::MAX));
        }
        let deliveries = &mut rows.deliveries;
        deliveries.ids.push(delivery);
        deliveries.names.push(shown(&intake.name));
        deliveries.sources.push(intake.source.as_deref());
        deliveries.dialects.push(intake.dialect);
        deliveries.methods.push(shown(&intake.method));
        deliveries.headers.push(&intake.headers);
        deliveries.bodies.push(&intake.body);
        deliveries.checksums.push(checksum(intake.headers.as_bytes(), &intake.body));
    }
    rows
}

/// Counts for one item of each delivery what the others would have kept, that were there already.
async fn inherit(line: &mdss_relay_postgres::Line, heirs: &[(i64, i64)]) -> Result<(), Fault> {
    let (ids, bytes): (Vec<i64>, Vec<i64>) = heirs.iter().copied().unzip();
    let sql = "UPDATE mdss_relay.item SET bytes = item.bytes + h.bytes FROM unnest($1::int8[], $2::int8[]) AS h (id, bytes) WHERE item.id = h.id";
    line.client.execute_typed(sql, &[(&ids, Type::INT8_ARRAY), (&bytes, Type::INT8_ARRAY)]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let intake = Intake {
            name: String::new(),
            source: None,
            dialect: None,
            method: String::new(),
            headers: String::new(),
            body: Vec::new(),
            items: Vec::new(),
            known: None,
        };
        let limits = Limits { bytes: 1, parties: crate::shares::Parties::default() };
        Job { intake: Arc::new(intake), limits, reply: oneshot::channel().0 }
    }

    #[tokio::test]
    async fn a_group_waits_a_moment_for_many_and_not_at_all_for_few() {
        for (likely, there, later, gathered) in [
            (0, 3, 5, 3),
            (MANY - 1, 3, 5, 3),
            (MANY, 3, 5, 8),
            (MANY, 10, 5, 10),
            (20, 3, 5, 8),
            (20, 600, 5, GROUP),
        ] {
            let (orders, mut queue) = mpsc::channel(QUEUE);
            for _ in 0..there {
                orders.try_send(job()).map_err(drop).unwrap();
            }
            let more = async {
                tokio::task::yield_now().await;
                for _ in 0..later {
                    orders.try_send(job()).map_err(drop).unwrap();
                }
                std::future::pending::<()>().await;
            };
            let jobs = tokio::select! { biased; jobs = gather(&mut queue, likely) => jobs, () = more => unreachable!() };
            assert_eq!(jobs.len(), gathered, "{likely} {there}");
        }
    }
}
