//! Reads a chain from its beginning to its end and says what does not fit. It opens nothing: whoever keeps the ledger hands the entries in.

use std::collections::{BTreeMap, HashMap};

use ring::digest::{Context, SHA256};

use crate::asked::{Fault, Run, Verified};
use crate::chain;
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Head};
use crate::hash::{ERASED, Hash, PRUNED, hex};
use crate::kind::Kind;

/// Faults that are kept in words.
const MOST_FAULTS: usize = 100;

/// What is known of a ledger beside its entries.
pub(crate) struct Kept {
    /// Where it ends, by its own word.
    pub(crate) head: Head,
    /// The keys that sign it, each with the last entry that it is good for.
    pub(crate) keys: Vec<(u64, [u8; 32])>,
    /// All its checkpoints.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// The runs that have ended.
    pub(crate) runs: Vec<Run>,
    /// The checkpoints that somebody else has kept.
    pub(crate) foreign: Vec<Checkpoint>,
    /// From this entry on, with the hash of the one before.
    pub(crate) from: Option<(u64, Hash)>,
    /// Of the checkpoints before there the newest is known at most.
    pub(crate) bounded: bool,
}

/// An audit under way.
pub(crate) struct Audit {
    kept: Kept,
    buffer: Vec<u8>,
    /// What the hash of the entry before may be: the one it has, and the one it should have. One of them is right, so only the entry that was
    /// changed is named.
    previous: Vec<Hash>,
    next: u64,
    writes: Option<u64>,
    own: BTreeMap<u64, Checkpoint>,
    foreign: BTreeMap<u64, Vec<Checkpoint>>,
    /// Checkpoints and runs that no entry has spoken of yet.
    unspoken: BTreeMap<u64, Checkpoint>,
    runs: BTreeMap<u64, Run>,
    erased: HashMap<u64, Erased>,
    /// Of all results, and of all members that lead to one: equal if each result has exactly one.
    results: u128,
    leads: u128,
    pruned: Option<u64>,
    done: Verified,
}

/// Entries whose keys one entry has erased.
struct Erased {
    count: u64,
    digest: Context,
}

/// The digest over the numbers of such entries.
pub(crate) fn erased_digest() -> Context {
    let mut context = Context::new(&SHA256);
    context.update(&[ERASED]);
    context
}

/// The digest over the checkpoints up to the one up to which everything was removed.
pub(crate) fn pruned_digest<'c>(checkpoints: impl Iterator<Item = &'c Checkpoint>) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[PRUNED]);
    for checkpoint in checkpoints {
        context.update(&checkpoint.signature);
    }
    Hash::finish(context)
}

impl Audit {
    pub(crate) fn begin(kept: Kept) -> Self {
        let own: BTreeMap<u64, Checkpoint> = kept.checkpoints.iter().map(|c| (c.seq, *c)).collect();
        let base = kept.head.base;
        let done = Verified {
            head: kept.head.clone(),
            entries: 0,
            range: None,
            keys: kept.keys.clone(),
            times: None,
            checkpoints: 0,
            last_checkpoint: None,
            foreign: 0,
            faults: Vec::new(),
            all_faults: 0,
        };
        let mut audit = Self {
            buffer: Vec::new(),
            previous: Vec::new(),
            next: base.saturating_add(1),
            writes: None,
            foreign: BTreeMap::new(),
            unspoken: own.range(base.saturating_add(1)..).map(|(seq, c)| (*seq, *c)).collect(),
            runs: BTreeMap::new(),
            erased: HashMap::new(),
            results: 0,
            leads: 0,
            pruned: None,
            own,
            done,
            kept,
        };
        audit.stand();
        audit.look_at_checkpoints();
        audit
    }

    /// Finds out where to begin.
    fn stand(&mut self) {
        let base = self.kept.head.base;
        if let Some((from, previous)) = self.kept.from.filter(|(from, _)| *from > base.saturating_add(1)) {
            (self.previous, self.next) = (vec![previous], from);
            self.unspoken.retain(|seq, _| *seq >= from);
        } else if base == 0 {
            (self.previous, self.writes) = (vec![chain::genesis(&self.kept.head.genesis)], Some(0));
        } else {
            match self.own.get(&base) {
                Some(checkpoint) => {
                    (self.previous, self.writes) = (vec![checkpoint.hash], Some(checkpoint.writes));
                }
                None => self.fault(
                    base,
                    "everything up to here was removed, and the checkpoint that was kept for it is gone",
                ),
            }
        }
        let next = self.next;
        self.runs = self.kept.runs.drain(..).filter_map(|run| Some((run.end.as_ref()?.seq, run))).collect();
        self.runs.retain(|seq, _| *seq >= next);
    }

    fn look_at_checkpoints(&mut self) {
        let unsigned: Vec<u64> = self.own.values().filter(|c| !c.is_signed()).map(|c| c.seq).collect();
        for seq in &unsigned {
            self.fault(*seq, "the signature of the ledger's checkpoint is not valid");
        }
        let fits = self.own.len() - unsigned.len();
        self.done.checkpoints = fits as u64;
        self.done.last_checkpoint = self.own.values().rfind(|c| !unsigned.contains(&c.seq)).copied();
        let head = self.kept.head.clone();
        for foreign in std::mem::take(&mut self.kept.foreign) {
            let seq = foreign.seq;
            if foreign.ledger != head.genesis.ledger {
                let what = format!(
                    "the checkpoint that was handed in is of another ledger, {}; this one is {}",
                    foreign.ledger, head.genesis.ledger
                );
                self.fault(seq, what);
            } else if foreign.public_key != key_at(&self.kept.keys, seq) {
                let what = format!(
                    "the checkpoint that was handed in was signed with another key, {}; that of the ledger is {} there",
                    hex(&foreign.public_key),
                    hex(&key_at(&self.kept.keys, seq))
                );
                self.fault(seq, what);
            } else if !foreign.is_signed() {
                self.fault(seq, "the signature of the checkpoint that was handed in is not valid");
            } else if seq >= self.next {
                self.foreign.entry(seq).or_default().push(foreign);
            } else {
                // What was removed is known by the checkpoints that were kept.
                match self.own.get(&seq) {
                    Some(own) if own.hash == foreign.hash => self.done.foreign += 1,
                    Some(_) => self.fault(seq, "the ledger's checkpoint is not the one that was handed in"),
                    None if seq <= head.base => {
                        self.fault(seq, "the ledger has no checkpoint here, and one was handed in");
                    }
                    None => {}
                }
            }
        }
    }

    fn fault(&mut self, seq: u64, what: impl Into<String>) {
        self.done.all_faults += 1;
        if self.done.faults.len() < MOST_FAULTS {
            self.done.faults.push(Fault { seq, what: what.into() });
        }
    }

    /// Notes something that whoever keeps the ledger has found.
    pub(crate) fn found(&mut self, seq: u64, what: impl Into<String>) {
        self.fault(seq, what);
    }

    /// Takes the next entry, in the order of their numbers.
    pub(crate) fn entry(&mut self, entry: &Entry) {
        let seq = entry.seq;
        self.done.entries += 1;
        self.done.range = Some((self.done.range.map_or(seq, |(first, _)| first), seq));
        self.done.times = Some((self.done.times.map_or(entry.at, |(first, _)| first), entry.at));
        if seq > self.next {
            self.missing(self.next, seq - 1);
        }
        self.next = seq.saturating_add(1);
        self.fit(entry);
        self.look_at_key(entry);
        if let Some(result) = entry.result_seq {
            self.lead(entry, result);
        }
        match entry.fact.kind {
            Kind::Accepted => {
                if let Some(writes) = &mut self.writes {
                    *writes = writes.saturating_add(1);
                }
            }
            Kind::Result => self.result(entry),
            Kind::Run => self.run(entry),
            Kind::Forgotten => self.forgotten(entry),
            Kind::Pruned => self.pruned(entry),
            Kind::Checkpoint => self.checkpoint(entry),
            Kind::Parked
            | Kind::Retried
            | Kind::Purged
            | Kind::Unselected
            | Kind::Settings
            | Kind::Canary
            | Kind::Gap
            | Kind::ClockJump
            | Kind::Imported
            | Kind::Started
            | Kind::Stopped => {}
        }
        self.compare(entry);
    }

    fn missing(&mut self, first: u64, last: u64) {
        let what = if first == last {
            format!("entry {first} is missing")
        } else {
            format!("entries {first} to {last} are missing")
        };
        self.fault(first, what);
        // What followed them cannot be told.
        self.previous.clear();
        self.writes = None;
    }

    /// Whether it is what its hash says.
    fn fit(&mut self, entry: &Entry) {
        let (seq, kind) = (entry.seq, entry.fact.kind);
        if !entry.known {
            self.fault(
                seq,
                "its kind, its origin or its place is none that is known: it was put in or changed",
            );
        }
        let subject = chain::subject_of(&mut self.buffer, entry);
        let hash = |previous: &Hash| chain::link(previous, seq, entry.at, kind.name(), &subject);
        let hashes: Vec<Hash> = self.previous.iter().map(hash).collect();
        if entry.known && !self.previous.is_empty() && !hashes.contains(&entry.hash) {
            self.fault(
                seq,
                format!("this entry ({kind}) was changed, put in or moved: its hash is not that of its members and of the entry before"),
            );
        }
        self.previous.clear();
        self.previous.push(entry.hash);
        // The second is that of the entry as it should be, if only its hash was changed.
        if let Some(hash) = hashes.first().filter(|hash| **hash != entry.hash) {
            self.previous.push(*hash);
        }
    }

    fn look_at_key(&mut self, entry: &Entry) {
        let seq = entry.seq;
        match (&entry.fact.key, &entry.salt, &entry.commitment, entry.forgotten_by) {
            (Some(_), Some(_), None, None) | (None, None, None, None) => {}
            (None, None, Some(_), Some(by)) => {
                let erased =
                    self.erased.entry(by).or_insert_with(|| Erased { count: 0, digest: erased_digest() });
                erased.count += 1;
                erased.digest.update(&seq.to_be_bytes());
            }
            (None, None, Some(_), None) => self.fault(seq, "its key was erased, and no entry says by whom"),
            _ => self.fault(seq, "its key, its salt and what is left of an erased key do not go together"),
        }
    }

    /// A member that leads from a write, or from a result about it, to a result.
    fn lead(&mut self, entry: &Entry, result: u64) {
        let write = match entry.fact.kind {
            Kind::Result => entry.fact.about.unwrap_or(0),
            _ => entry.seq,
        };
        if self.is_here(write) {
            self.leads = self.leads.wrapping_add(pair(write, result));
        }
    }

    fn result(&mut self, entry: &Entry) {
        let write = entry.fact.about.unwrap_or(0);
        if self.is_here(write) {
            self.results = self.results.wrapping_add(pair(write, entry.seq));
        }
    }

    /// Whether this audit has read it.
    fn is_here(&self, seq: u64) -> bool {
        self.done.range.is_some_and(|(first, _)| seq >= first)
    }

    fn run(&mut self, entry: &Entry) {
        match self.runs.remove(&entry.seq) {
            Some(run) if run.end.as_ref().map(|end| end.digest) == entry.fact.digest => {}
            Some(run) => {
                self.fault(entry.seq, format!("run {} is not the one that this entry is about", run.id.0))
            }
            None => self.fault(entry.seq, "the run that this entry is about is gone"),
        }
    }

    fn forgotten(&mut self, entry: &Entry) {
        let fact = &entry.fact;
        let (first, wanted) = (fact.about.unwrap_or(0), fact.count.unwrap_or(0));
        let found = self.erased.remove(&entry.seq);
        // Some of what it has erased may have been removed since, or lie before the beginning of this audit.
        if !self.is_here(first) {
            return;
        }
        let (count, digest) = match found {
            Some(Erased { count, digest }) => (count, Some(Hash::finish(digest))),
            None => (0, None),
        };
        if count != wanted || (count > 0 && digest != fact.digest) {
            let what = format!(
                "it has erased the keys of {wanted} entries, and {count} say so, or others: a key was erased or put back by hand"
            );
            self.fault(entry.seq, what);
        }
    }

    fn pruned(&mut self, entry: &Entry) {
        let base = entry.fact.about.unwrap_or(0);
        self.pruned = Some(base);
        if self.kept.bounded {
            return;
        }
        let digest = pruned_digest(self.own.range(..=base).map(|(_, checkpoint)| checkpoint));
        if Some(digest) != entry.fact.digest {
            self.fault(entry.seq, format!("the checkpoints up to entry {base} are not those that were kept"));
        }
    }

    fn checkpoint(&mut self, entry: &Entry) {
        let about = entry.fact.about.unwrap_or(0);
        match self.unspoken.remove(&about) {
            Some(checkpoint) if Some(checkpoint.digest()) == entry.fact.digest => {}
            Some(_) => self.fault(about, "the ledger's checkpoint is not the one that an entry speaks of"),
            None if self.is_here(about) => {
                self.fault(about, "the ledger's checkpoint is gone, and an entry speaks of it");
            }
            None => {}
        }
    }

    /// Compares with the checkpoints about this entry.
    fn compare(&mut self, entry: &Entry) {
        let seq = entry.seq;
        if let Some(own) = self.own.get(&seq) {
            let (hash, writes) = (own.hash, own.writes);
            if hash != entry.hash {
                self.fault(seq, "the ledger's checkpoint was made over another entry here");
            } else if self.writes.is_some_and(|counted| counted != writes) {
                self.fault(seq, "the ledger's checkpoint counts other writes up to here");
            } else {
                self.writes = Some(writes);
            }
        }
        for foreign in self.foreign.remove(&seq).unwrap_or_default() {
            if foreign.hash == entry.hash {
                self.done.foreign += 1;
            } else {
                let what = "the checkpoint that was handed in was made over another entry here: what is before it was changed since";
                self.fault(seq, what);
            }
        }
    }

    /// Whether each result has exactly one member that leads to it. If not, whoever keeps the ledger looks which.
    pub(crate) fn results_fit(&self) -> bool {
        self.results == self.leads
    }

    /// Says what was found.
    pub(crate) fn end(mut self) -> Verified {
        let last = self.next - 1;
        for seq in std::mem::take(&mut self.foreign).into_keys() {
            self.fault(seq, format!("the ledger ends at entry {last}, and a checkpoint was handed in that was made here: its end was cut off"));
        }
        for seq in std::mem::take(&mut self.unspoken).into_keys() {
            let what = if seq > last {
                format!(
                    "the ledger ends at entry {last}, and it has a checkpoint that was made here: its end was cut off"
                )
            } else {
                "no entry speaks of the ledger's checkpoint here: it was put in, or the end was cut off"
                    .to_owned()
            };
            self.fault(seq, what);
        }
        for (seq, run) in std::mem::take(&mut self.runs) {
            self.fault(seq, format!("run {} has no entry here: it was put in", run.id.0));
        }
        for by in std::mem::take(&mut self.erased).into_keys() {
            self.fault(by, "keys were erased, and the entry that should say by whom is not here");
        }
        let head = self.kept.head.clone();
        if self.pruned.is_some_and(|base| base != head.base)
            || (self.pruned.is_none() && head.base > 0 && self.kept.from.is_none())
        {
            self.fault(
                head.base,
                "the ledger begins behind this entry, and no entry says that it was removed",
            );
        }
        if self.writes.is_some_and(|writes| writes != head.writes) {
            self.fault(
                last,
                format!("the row of the chain counts {} accepted writes, which is wrong", head.writes),
            );
        }
        self.done.faults.sort_by_key(|fault| fault.seq);
        self.done
    }
}

/// The key that is good for an entry.
pub(crate) fn key_at(keys: &[(u64, [u8; 32])], seq: u64) -> [u8; 32] {
    keys.iter().find(|(until, _)| seq <= *until).map(|(_, key)| *key).unwrap_or_default()
}

/// A number for a pair, to be added up: equal sums have equal pairs.
fn pair(write: u64, result: u64) -> u128 {
    let hash = Hash::of(&[&write.to_be_bytes(), &result.to_be_bytes()]);
    let mut first = [0; 16];
    first.copy_from_slice(&hash.0[..16]);
    u128::from_be_bytes(first)
}
