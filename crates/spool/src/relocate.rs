//! A spool moves: from a directory into a database, and back. Step by step: each is committed where the events go before it is deleted where they come
//! from. A move that was interrupted is taken up by the same command; what a half step has carried already is known by its mark, so nothing is lost and
//! nothing is there twice.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use mdss_relay_core::{Delivery, Dialect, Rules, plan};

use crate::clock::SystemClock;
use crate::parcel::{Parcel, Remembered, hash, hashed, mark_on_the_way};
use crate::postgres::{Database, Door};
use crate::sqlite::Sqlite;
use crate::trouble::{Trouble, TroubleKind};

/// Deliveries of one step, and bytes of their bodies, at most: what a step holds in memory, and what is done again after an interruption.
const STEP: usize = 100;
const STEP_BYTES: usize = 8 << 20;

/// Marks that are carried at once.
const MARKS: usize = 5000;

/// How far a move has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Items that were written where they go.
    pub items: u64,
    /// Items that were there already: of a step that was interrupted, or the same event had come there as well.
    pub there: u64,
    /// Marks of what MDSS has accepted, that went along.
    pub marks: u64,
    /// Items that stay behind, because the delivery they came in is missing, or a relay had them under way.
    pub left: u64,
}

/// Moves what a data directory has into a database. No relay may work on the directory, and none can start there meanwhile; relays may work on the
/// database. `told` hears of each step.
///
/// # Errors
/// No spool there, a relay works there, or one of the two cannot be used. What was moved so far is moved; the same call goes on.
pub async fn move_to_database(
    dir: &Path,
    database: &Database,
    mut told: impl FnMut(Moved),
) -> Result<Moved, Trouble> {
    let file = dir.join("spool.db");
    if !file.is_file() {
        let detail = format!("{}: expected a spool, found no such file", file.display());
        return Err(Trouble::new(TroubleKind::Unwritable, detail));
    }
    let door = Door::open(database).await?;
    door.holds()?;
    let (from, thread) = Sqlite::work(dir.to_owned(), Arc::new(SystemClock))?;
    let moved = into_database(&from, &door, database, &mut told).await;
    drop(from);
    thread.join().map_err(|_| Trouble::stopped())?;
    door.close().await;
    moved
}

async fn into_database(
    from: &Sqlite,
    door: &Door,
    database: &Database,
    told: &mut impl FnMut(Moved),
) -> Result<Moved, Trouble> {
    let mut moved = Moved::default();
    let mut after = 0;
    while let Remembered { marks, times, last: Some(last) } = from.marks(after, MARKS).await? {
        door.remember(&marks, &times).await?;
        (after, moved.marks) = (last, moved.marks + marks.len() as u64);
    }
    from.find().await?;
    let mut after = 0;
    loop {
        let mut parcels = from.parcels(after, STEP, STEP_BYTES).await?;
        let Some(last) = parcels.last() else { break };
        after = last.number;
        for parcel in &mut parcels {
            let marks: Vec<_> = parcel.items.iter().map(|item| mark_on_the_way(parcel, item)).collect();
            for (item, own) in parcel.items.iter_mut().zip(marks) {
                item.mark = Some(hash(item.mark.as_deref().unwrap_or(own.as_bytes())));
            }
        }
        let (ids, _) = numbers(&parcels);
        let written = door.adopt(&parcels, database.durability()).await? as u64;
        from.gone(ids.clone()).await?;
        moved.items += written;
        moved.there += (ids.len() as u64).saturating_sub(written);
        told(moved);
    }
    // What is on its way to the ledger goes along; a step that is repeated is known by its numbers.
    from.outbox_drop(Vec::new()).await?;
    loop {
        let facts = from.outbox_take(MARKS).await?;
        if facts.is_empty() {
            break;
        }
        door.adopt_facts(&facts, database.durability()).await?;
        from.outbox_drop(facts.iter().map(|fact| fact.id).collect()).await?;
    }
    moved.left = from.orphans().await?;
    Ok(moved)
}

/// Moves what a database has into a data directory. No relay may work on either. What MDSS has accepted before goes along, the newest hundred thousand
/// marks. A database has no more of a mark than its hash, and a file knows an event by that as well; with the rules of the configuration the items
/// that wait get their marks back as texts, which is all that older relays know.
///
/// # Errors
/// As [`move_to_database`].
pub async fn move_to_directory(
    database: &Database,
    dir: &Path,
    rules: &Rules,
    mut told: impl FnMut(Moved),
) -> Result<Moved, Trouble> {
    let door = Door::open(database).await?;
    if let Some(replica) = door.replicas().await?.first() {
        let detail = format!(
            "a relay works on {} (on {}, heard of at {}): stop it first, or wait a minute after it was killed",
            database.place(),
            replica.name,
            replica.seen
        );
        return Err(Trouble::new(TroubleKind::Locked, detail));
    }
    let (to, thread) = Sqlite::work(dir.to_owned(), Arc::new(SystemClock))?;
    let moved = into_directory(&door, &to, rules, &mut told).await;
    drop(to);
    thread.join().map_err(|_| Trouble::stopped())?;
    door.close().await;
    moved
}

async fn into_directory(
    door: &Door,
    to: &Sqlite,
    rules: &Rules,
    told: &mut impl FnMut(Moved),
) -> Result<Moved, Trouble> {
    let (mut moved, mut after) = (Moved::default(), 0);
    // Before the first item, as on the way there.
    let marks = door.remembered(Sqlite::MOST_MARKS).await?;
    for some in marks.chunks(MARKS) {
        to.remember(some.to_vec()).await?;
        moved.marks += some.len() as u64;
    }
    loop {
        let mut parcels = door.parcels(after, STEP, STEP_BYTES).await?;
        let Some(last) = parcels.last() else { break };
        after = last.number;
        parcels.iter_mut().for_each(|parcel| name_marks(parcel, rules));
        let (ids, deliveries) = numbers(&parcels);
        let written = to.adopt(Arc::new(parcels)).await? as u64;
        door.gone(&ids, &deliveries).await?;
        moved.items += written;
        moved.there += (ids.len() as u64).saturating_sub(written);
        told(moved);
    }
    // The transaction of the last step, which was empty.
    door.gone(&[], &[]).await?;
    loop {
        let facts = door.facts(MARKS).await?;
        if facts.is_empty() {
            break;
        }
        let ids: Vec<_> = facts.iter().map(|fact| fact.id).collect();
        to.outbox_adopt(facts).await?;
        door.drop_facts(&ids).await?;
    }
    moved.left = door.left().await?;
    Ok(moved)
}

/// Gives items the marks of a file: the text whose hash the database has. It is made again from the event; where that gives another one, as under other
/// rules, the hash itself is the mark, by which the file knows it as well.
fn name_marks(parcel: &mut Parcel, rules: &Rules) {
    let known = texts(parcel, rules);
    let own: Vec<_> = parcel.items.iter().map(|item| mark_on_the_way(parcel, item)).collect();
    for (item, own) in parcel.items.iter_mut().zip(own) {
        let text = match item.mark.take() {
            None => own,
            Some(hash) => known.get(&hash).cloned().unwrap_or_else(|| hashed(&hash)),
        };
        item.mark = Some(text.into_bytes());
    }
}

/// The marks of a delivery's records, by their hashes.
fn texts(parcel: &Parcel, rules: &Rules) -> HashMap<Vec<u8>, String> {
    let Ok(headers) = serde_json::from_str(&parcel.headers) else { return HashMap::new() };
    let Ok(dialect) = parcel.dialect.as_deref().map(str::parse::<Dialect>).transpose() else {
        return HashMap::new();
    };
    let delivery = Delivery {
        source: parcel.source.clone(),
        dialect,
        method: parcel.method.clone(),
        headers,
        body: parcel.body.clone(),
        id: parcel.name.clone(),
    };
    let planned = plan(rules, &delivery);
    let marks = planned.records.iter().filter_map(|record| record.write_mark(parcel.source.as_deref()));
    marks.map(|mark| (hash(mark.as_str().as_bytes()), mark.as_str().to_owned())).collect()
}

/// The numbers of all items, and of their deliveries.
fn numbers(parcels: &[Parcel]) -> (Vec<i64>, Vec<i64>) {
    let items = parcels.iter().flat_map(|parcel| parcel.items.iter().map(|item| item.number)).collect();
    (items, parcels.iter().map(|parcel| parcel.number).collect())
}
