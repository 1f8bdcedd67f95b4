//! Writes entries, inside one transaction that begins by reading where the chain ends.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::fault::Fault;
use super::pack::Packed;
use super::row::{ChainRow, Spot};
use crate::chain;
use crate::checkpoint::Checkpoint;
use crate::entry::{Genesis, Salt};
use crate::fact::Fact;
use crate::hash::Hash;
use crate::keyfile::{KeyFile, random};
use crate::kind::{Keys, Kind};
use crate::moment::Moment;
use crate::trouble::{Trouble, TroubleKind};

/// Numbers of places that are remembered; with more the memory begins anew.
const MOST_PLACES: usize = 10_000;

/// Salts are taken from the system so many at a time.
const SALTS: usize = 256;

/// The numbers of places that were written. Whoever takes a transaction back empties it.
pub(super) type Places = HashMap<Spot, i64>;

/// What a pen needs to know.
pub(super) struct Ink<'i> {
    pub(super) key: &'i KeyFile,
    pub(super) keys: Keys,
    pub(super) checkpoint_entries: u64,
    pub(super) checkpoint_every: Duration,
    pub(super) now: Moment,
}

/// What has changed in a place.
#[derive(Default)]
struct Change {
    open: i64,
    results: i64,
}

/// The right to write into the chain.
pub(super) struct Pen<'t> {
    pub(super) tx: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
    places: &'t mut Places,
    changes: HashMap<i64, Change>,
    ink: Ink<'t>,
    genesis: Genesis,
    pub(super) base: u64,
    /// The last entry.
    seq: u64,
    hash: Hash,
    writes: u64,
    new_writes: u64,
    salts: Vec<Salt>,
    buffer: Vec<u8>,
    /// The spot of the last entry, and its number: the next one is mostly of the same.
    last: Option<(Spot, i64)>,
}

impl<'t> Pen<'t> {
    pub(super) fn take(tx: &'t Transaction<'t>, places: &'t mut Places, ink: Ink<'t>) -> Result<Self, Fault> {
        let Some(chain) = ChainRow::read(tx)? else {
            return Err(Trouble::new(TroubleKind::Damaged, "the ledger has lost the row of its chain").into());
        };
        let last = tx
            .prepare_cached("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
            .optional()?;
        let (seq, hash) = match last {
            Some((seq, hash)) => (seq.cast_unsigned(), Hash(hash)),
            None if chain.base == 0 => (0, chain::genesis(&chain.genesis)),
            None => {
                return Err(Trouble::new(TroubleKind::Damaged, "the ledger has lost all its entries").into());
            }
        };
        let insert = tx.prepare_cached(
            "INSERT INTO entry (seq, at, kind, hash, place, key, salt, version, etag, size, event_time, received_time, settled_time, attempts,
                 correlation_id, origin, actor, count, reason, about, file_id, result, file_state, scan_time, confidence, digest, detail, result_seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27,
                 ?28)",
        )?;
        Ok(Self {
            tx,
            insert,
            places,
            changes: HashMap::new(),
            ink,
            genesis: chain.genesis,
            base: chain.base,
            seq,
            hash,
            writes: chain.writes,
            new_writes: 0,
            salts: Vec::new(),
            buffer: Vec::new(),
            last: None,
        })
    }

    /// The number of the last entry.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Accepted writes since the beginning.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// How keys are kept.
    pub(super) fn keys(&self) -> Keys {
        self.ink.keys
    }

    pub(super) fn now(&self) -> Moment {
        self.ink.now
    }

    pub(super) fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    pub(super) fn keys(&self) -> Keys {
        self.ink.keys
    }

    pub(super) fn key(&self) -> &KeyFile {
        self.ink.key
    }

    /// Writes an entry and gives its number.
    pub(super) fn write(&mut self, fact: &Fact) -> Result<u64, Fault> {
        self.write_with(fact, None)
    }

    /// The same of a result with the one before it about the same write.
    pub(super) fn write_with(&mut self, fact: &Fact, before: Option<u64>) -> Result<u64, Fault> {
        let mut fact = fact.tidied();
        if fact.kind == Kind::Accepted && fact.settled_time.is_none() {
            // What has no time would never be found among what is open.
            fact.to_mut().settled_time = Some(self.ink.now);
        }
        let fact = &*fact;
        let place = self.place(fact)?;
        let keys = self.ink.keys;
        let hashed;
        let key = match (&fact.key, keys) {
            (None, _) | (_, Keys::Off) => None,
            (Some(key), Keys::Clear) => Some(key.as_slice()),
            (Some(key), Keys::Hashed) => {
                hashed = self.ink.key.hashed(key);
                Some(hashed.as_slice())
            }
        };
        let salt = if key.is_some() { Some(self.salt()?) } else { None };
        let commitment = key.zip(salt).map(|(key, salt)| chain::commitment(&salt, key));
        let subject = chain::subject(&mut self.buffer, fact, keys, commitment.as_ref());
        let (seq, at) = (self.seq.saturating_add(1), self.ink.now);
        let hash = chain::link(&self.hash, seq, at, fact.kind.name(), &subject);
        self.insert.execute(params![
            seq.cast_signed(),
            at.as_millis(),
            fact.kind.number(),
            hash.0,
            place,
            key,
            salt,
            Packed(fact.version.as_deref()),
            Packed(fact.etag.as_deref()),
            fact.size.map(u64::cast_signed),
            fact.event_time.map(Moment::as_millis),
            fact.received_time.map(Moment::as_millis),
            fact.settled_time.map(Moment::as_millis),
            fact.attempts.map(u64::cast_signed),
            Packed(fact.correlation_id.as_deref()),
            fact.origin.map(|origin| origin.number()),
            fact.actor,
            fact.count.map(u64::cast_signed),
            fact.reason,
            fact.about.map(u64::cast_signed),
            Packed(fact.file_id.as_deref()),
            fact.result,
            fact.file_state,
            fact.scan_time.map(Moment::as_millis),
            fact.confidence,
            fact.digest.map(|hash| hash.0),
            fact.detail,
            before.map(u64::cast_signed),
        ])?;
        (self.seq, self.hash) = (seq, hash);
        if fact.kind == Kind::Accepted {
            self.writes = self.writes.saturating_add(1);
            self.new_writes += 1;
            self.changes.entry(place).or_default().open += 1;
        }
        Ok(seq)
    }

    fn salt(&mut self) -> Result<Salt, Fault> {
        if let Some(salt) = self.salts.pop() {
            return Ok(salt);
        }
        let mut bytes = [0; SALTS * 16];
        random(&mut bytes)?;
        self.salts.extend(bytes.as_chunks::<16>().0);
        self.salts.pop().ok_or_else(|| Trouble::new(TroubleKind::Internal, "no random numbers").into())
    }

    /// The number of a fact's place, which is made if there is none.
    fn place(&mut self, fact: &Fact) -> Result<i64, Fault> {
        if let Some((spot, id)) = &self.last
            && spot.source == fact.source
            && spot.dialect == fact.dialect
            && spot.bucket == fact.bucket
            && spot.namespace == fact.namespace
            && spot.unit == fact.unit
        {
            return Ok(*id);
        }
        let spot = Spot {
            source: fact.source.clone(),
            dialect: fact.dialect.clone(),
            bucket: fact.bucket.clone(),
            namespace: fact.namespace.clone(),
            unit: fact.unit.clone(),
            keys: self.ink.keys,
        };
        let id = match self.places.get(&spot) {
            Some(id) => *id,
            None => self.intern(&spot)?,
        };
        self.last = Some((spot, id));
        Ok(id)
    }

    fn intern(&mut self, spot: &Spot) -> Result<i64, Fault> {
        let names =
            params![spot.source, spot.dialect, spot.bucket, spot.namespace, spot.unit, spot.keys.number()];
        let found = self
            .tx
            .prepare_cached(
                "SELECT id FROM place WHERE source IS ?1 AND dialect IS ?2 AND bucket IS ?3 AND namespace IS ?4 AND unit IS ?5 AND keys = ?6",
            )?
            .query_row(names, |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => self
                .tx
                .prepare_cached(
                    "INSERT INTO place (source, dialect, bucket, namespace, unit, keys) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .insert(names)?,
        };
        if self.places.len() >= MOST_PLACES {
            self.places.clear();
        }
        self.places.insert(spot.clone(), id);
        Ok(id)
    }

    /// Notes that a write of this place has its first result, or one more.
    pub(super) fn count_result(&mut self, place: i64, first: bool) {
        let change = self.changes.entry(place).or_default();
        change.open -= i64::from(first);
        change.results += 1;
    }

    /// Notes that writes of this place that had no result are no longer there.
    pub(super) fn count_removed(&mut self, place: i64, open: i64) {
        self.changes.entry(place).or_default().open -= open;
    }

    /// Signs the chain if a checkpoint is due, or if one is wanted and there is anything new.
    pub(super) fn checkpoint(&mut self, wanted: bool) -> Result<Option<Checkpoint>, Fault> {
        let last = self
            .tx
            .prepare_cached("SELECT seq, at FROM checkpoint ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let (seq, at) = match last {
            Some((seq, at)) => (seq.cast_unsigned(), Moment::from_millis(at)),
            None => (0, self.genesis.created),
        };
        // The entry about the last checkpoint is nothing new.
        let about = u64::from(last.is_some());
        let new = self.seq.saturating_sub(seq.saturating_add(about));
        // A clock that was set back does not put a checkpoint off.
        let now = self.ink.now;
        let late = now.since(at) >= self.ink.checkpoint_every || now < at;
        if new == 0 || !(wanted || late || new >= self.ink.checkpoint_entries) {
            return Ok(None);
        }
        let checkpoint = self.ink.key.sign(self.genesis.ledger, self.seq, now, self.writes, self.hash);
        self.tx
            .prepare_cached(
                "INSERT INTO checkpoint (seq, at, writes, hash, signature) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                checkpoint.seq.cast_signed(),
                checkpoint.at.as_millis(),
                checkpoint.writes.cast_signed(),
                checkpoint.hash.0,
                checkpoint.signature
            ])?;
        self.write(&Fact {
            about: Some(checkpoint.seq),
            count: Some(checkpoint.writes),
            digest: Some(checkpoint.digest()),
            ..Fact::new(Kind::Checkpoint, now)
        })?;
        Ok(Some(checkpoint))
    }

    /// Writes what was counted. Nothing else is written after it.
    pub(super) fn put_down(self) -> Result<(), Fault> {
        if self.new_writes > 0 {
            self.tx.prepare_cached("UPDATE chain SET writes = ?1")?.execute([self.writes.cast_signed()])?;
        }
        let mut update = self.tx.prepare_cached(
            "UPDATE place SET open = open + ?2, results = results + ?3, last_result = CASE WHEN ?3 > 0 THEN ?4 ELSE last_result END WHERE id = ?1",
        )?;
        for (place, change) in &self.changes {
            update.execute(params![place, change.open, change.results, self.ink.now.as_millis()])?;
        }
        Ok(())
    }
}
