//! Writes entries, inside one transaction that begins by reading where the chain ends.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::row::{ChainRow, Spot};
use super::succession;
use crate::chain;
use crate::chains::Chain;
use crate::checkpoint::Checkpoint;
use crate::db::{Db, Fault, Param, args};
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

/// The numbers of places that were written, by their chains. Whoever takes a transaction back empties it.
pub(crate) type Places = HashMap<(Chain, Spot), i64>;

/// What a pen needs to know.
pub(crate) struct Ink<'i> {
    pub(crate) key: &'i KeyFile,
    pub(crate) keys: Keys,
    pub(crate) checkpoint_entries: u64,
    pub(crate) checkpoint_every: Duration,
    pub(crate) now: Moment,
}

/// What has changed in a place.
#[derive(Default)]
struct Change {
    open: i64,
    results: i64,
}

/// Where a chain ends.
pub(super) struct End {
    pub(super) genesis: Genesis,
    /// The last entry that was removed because of its age.
    pub(super) base: u64,
    /// The last entry.
    pub(super) seq: u64,
    pub(super) hash: Hash,
    /// Accepted writes since the beginning.
    pub(super) writes: u64,
    new_writes: u64,
}

/// The right to write into the writer's own chain, and into another one once its end was asked for.
pub(crate) struct Pen<'t> {
    pub(super) db: Db<'t>,
    own: Chain,
    ends: BTreeMap<Chain, End>,
    places: &'t mut Places,
    changes: HashMap<i64, Change>,
    ink: Ink<'t>,
    salts: Vec<Salt>,
    buffer: Vec<u8>,
    /// The spot of the last entry, and its number: the next one is mostly of the same.
    last: Option<(Chain, Spot, i64)>,
}

impl<'t> Pen<'t> {
    /// # Errors
    /// The key is not, or no longer, the one that signs the ledger; or the chain cannot be read.
    pub(crate) fn take(db: Db<'t>, own: Chain, places: &'t mut Places, ink: Ink<'t>) -> Result<Self, Fault> {
        let mut pen = Self::of(db, own, places, ink);
        // Who replaces a key holds the row of each chain while he does: what is found from here on stays.
        pen.end(own)?;
        if !succession::is_signing_key(db, &pen.ink.key.public())? {
            return Err(succession::another_key("ledger.key"));
        }
        Ok(pen)
    }

    /// The same whatever key signs.
    pub(super) fn of(db: Db<'t>, own: Chain, places: &'t mut Places, ink: Ink<'t>) -> Self {
        Self {
            db,
            own,
            ends: BTreeMap::new(),
            places,
            changes: HashMap::new(),
            ink,
            salts: Vec::new(),
            buffer: Vec::new(),
            last: None,
        }
    }

    /// The writer's own chain.
    pub(super) fn own(&self) -> Chain {
        self.own
    }

    /// Where a chain ends, which nobody else writes from here on.
    pub(super) fn end(&mut self, of: Chain) -> Result<&mut End, Fault> {
        if !self.ends.contains_key(&of) {
            let end = self.read(of)?;
            self.ends.insert(of, end);
        }
        let lost = || Fault::from(Trouble::new(TroubleKind::Internal, "the end of a chain was forgotten"));
        self.ends.get_mut(&of).ok_or_else(lost)
    }

    fn read(&self, of: Chain) -> Result<End, Fault> {
        let db = self.db;
        db.lock(of)?;
        let damaged = |what: &str| Fault::from(Trouble::new(TroubleKind::Damaged, what));
        let Some(ChainRow { genesis, base, writes }) = ChainRow::read(db, of)? else {
            return Err(damaged("the ledger has lost the row of its chain"));
        };
        let (first, last) = db.range(of);
        let sql = "SELECT seq, hash FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT 1";
        let last = db.first(sql, args![first, last], |row| {
            Ok((db.seq_of(row.count(0)?), row.hash(1)?.unwrap_or_default()))
        })?;
        let (seq, hash) = match last {
            Some(last) => last,
            None if base == 0 => (0, chain::genesis(&genesis)),
            None => return Err(damaged("the ledger has lost all its entries")),
        };
        Ok(End { genesis, base, seq, hash, writes, new_writes: 0 })
    }

    /// The number of the last entry of the own chain.
    pub(super) fn seq(&mut self) -> Result<u64, Fault> {
        Ok(self.end(self.own)?.seq)
    }

    pub(super) fn now(&self) -> Moment {
        self.ink.now
    }

    pub(super) fn keys(&self) -> Keys {
        self.ink.keys
    }

    pub(super) fn key(&self) -> &KeyFile {
        self.ink.key
    }

    /// Writes an entry into the own chain, and gives its number there.
    pub(super) fn write(&mut self, fact: &Fact) -> Result<u64, Fault> {
        self.write_into(self.own, fact, None)
    }

    /// Writes an entry into a chain, and gives its number there; of a result with the one before it about the same write, as the table has it.
    pub(super) fn write_into(&mut self, of: Chain, fact: &Fact, before: Option<i64>) -> Result<u64, Fault> {
        let mut fact = fact.tidied();
        if !self.db.takes_nul() {
            Fact::without_nul(&mut fact);
        }
        if fact.kind == Kind::Accepted && fact.settled_time.is_none() {
            // What has no time would never be found among what is open.
            fact.to_mut().settled_time = Some(self.ink.now);
        }
        let fact = &*fact;
        let place = self.place(of, fact)?;
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
        let (db, at) = (self.db, self.ink.now);
        let end = self.end(of)?;
        let seq = end.seq.saturating_add(1);
        let hash = chain::link(&end.hash, seq, at, fact.kind.name(), &subject);
        db.insert_entry([
            db.number_of(of, seq).into(),
            at.into(),
            fact.kind.number().into(),
            (&hash).into(),
            place.into(),
            key.into(),
            salt.as_ref().map(|salt| &salt[..]).into(),
            Param::Packed(fact.version.as_deref()),
            Param::Packed(fact.etag.as_deref()),
            fact.size.into(),
            fact.event_time.into(),
            fact.received_time.into(),
            fact.settled_time.into(),
            fact.attempts.into(),
            Param::Packed(fact.correlation_id.as_deref()),
            fact.origin.map(|origin| origin.number()).into(),
            (&fact.actor).into(),
            fact.count.into(),
            (&fact.reason).into(),
            fact.about.map(|about| db.number_of(of, about)).into(),
            Param::Packed(fact.file_id.as_deref()),
            (&fact.result).into(),
            (&fact.file_state).into(),
            fact.scan_time.into(),
            (&fact.confidence).into(),
            fact.digest.as_ref().into(),
            (&fact.detail).into(),
            before.into(),
        ])?;
        (end.seq, end.hash) = (seq, hash);
        if fact.kind == Kind::Accepted {
            end.writes = end.writes.saturating_add(1);
            end.new_writes += 1;
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

    /// The number of a fact's place in a chain, which is made if there is none.
    fn place(&mut self, of: Chain, fact: &Fact) -> Result<i64, Fault> {
        if let Some((chain, spot, id)) = &self.last
            && *chain == of
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
        let within = (of, spot);
        let id = match self.places.get(&within) {
            Some(id) => *id,
            None => self.intern(&within)?,
        };
        self.last = Some((within.0, within.1, id));
        Ok(id)
    }

    fn intern(&mut self, within: &(Chain, Spot)) -> Result<i64, Fault> {
        let (of, spot) = within;
        let db = self.db;
        let (first, last) = db.range(*of);
        let names = args![
            spot.source.as_deref(),
            spot.dialect.as_deref(),
            spot.bucket.as_deref(),
            spot.namespace.as_deref(),
            spot.unit.as_deref(),
            spot.keys.number(),
            first,
            last
        ];
        let found = db.first(
            "SELECT id FROM place WHERE source IS NOT DISTINCT FROM ?1 AND dialect IS NOT DISTINCT FROM ?2 AND bucket IS NOT DISTINCT FROM ?3
                 AND namespace IS NOT DISTINCT FROM ?4 AND unit IS NOT DISTINCT FROM ?5 AND keys = ?6 AND id BETWEEN ?7 AND ?8",
            names,
            |row| row.count(0),
        )?;
        let id = match found {
            Some(id) => id,
            None => {
                let sql = "SELECT max(id) FROM place WHERE id BETWEEN ?1 AND ?2";
                let id = db.number(sql, args![first, last])?.max(first).max(0) + 1;
                let mut all = vec![Param::from(id)];
                all.extend(&names[..6]);
                db.execute(
                    "INSERT INTO place (id, source, dialect, bucket, namespace, unit, keys) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    &all,
                )?;
                id
            }
        };
        if self.places.len() >= MOST_PLACES {
            self.places.clear();
        }
        self.places.insert(within.clone(), id);
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

    /// Signs each chain that was written into, if a checkpoint of it is due. Gives the own one's.
    pub(super) fn checkpoints_due(&mut self) -> Result<Option<Checkpoint>, Fault> {
        let mut own = None;
        for of in self.ends.keys().copied().collect::<Vec<_>>() {
            let made = self.checkpoint(of, false)?;
            if of == self.own {
                own = made;
            }
        }
        Ok(own)
    }

    /// Signs a chain if a checkpoint is due, or if one is wanted and there is anything new.
    pub(super) fn checkpoint(&mut self, of: Chain, wanted: bool) -> Result<Option<Checkpoint>, Fault> {
        let db = self.db;
        let (first, last) = db.range(of);
        let sql = "SELECT seq, at FROM checkpoint WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT 1";
        let last = db.first(sql, args![first, last], |row| Ok((row.count(0)?, row.count(1)?)))?;
        let (now, every, entries) = (self.ink.now, self.ink.checkpoint_every, self.ink.checkpoint_entries);
        let end = self.end(of)?;
        let (ledger, writes, hash, end_seq) = (end.genesis.ledger, end.writes, end.hash, end.seq);
        let (seq, at) = match last {
            Some((number, at)) => (db.seq_of(number), Moment::from_millis(at)),
            None => (0, end.genesis.created),
        };
        // The entry about the last checkpoint is nothing new.
        let about = u64::from(last.is_some());
        let new = end_seq.saturating_sub(seq.saturating_add(about));
        // A clock that was set back does not put a checkpoint off.
        let late = now.since(at) >= every || now < at;
        if new == 0 || !(wanted || late || new >= entries) {
            return Ok(None);
        }
        // What an old key has signed, or should have, the new one does not.
        if end_seq <= succession::ended_at(db, of)? {
            return Ok(None);
        }
        db.must_be_safe();
        let checkpoint = self.ink.key.sign(ledger, end_seq, now, writes, hash);
        db.execute(
            "INSERT INTO checkpoint (seq, at, writes, hash, signature) VALUES (?1, ?2, ?3, ?4, ?5)",
            args![
                db.number_of(of, checkpoint.seq),
                checkpoint.at,
                checkpoint.writes,
                &checkpoint.hash,
                &checkpoint.signature[..]
            ],
        )?;
        let fact = Fact {
            about: Some(checkpoint.seq),
            count: Some(checkpoint.writes),
            digest: Some(checkpoint.digest()),
            ..Fact::new(Kind::Checkpoint, now)
        };
        self.write_into(of, &fact, None)?;
        Ok(Some(checkpoint))
    }

    /// Writes what was counted. Nothing else is written after it.
    pub(crate) fn put_down(self) -> Result<(), Fault> {
        for (of, end) in &self.ends {
            if end.new_writes > 0 {
                let sql = "UPDATE chain SET writes = ?1 WHERE id = ?2";
                self.db.execute(sql, args![end.writes, self.db.row_of(*of)])?;
            }
        }
        for (place, change) in &self.changes {
            self.db.execute(
                "UPDATE place SET open = open + ?2, results = results + ?3, last_result = CASE WHEN ?3 > 0 THEN ?4 ELSE last_result END WHERE id = ?1",
                args![*place, change.open, change.results, self.ink.now],
            )?;
        }
        Ok(())
    }
}
