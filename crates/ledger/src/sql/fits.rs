//! The objects that a path may be that of.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::row::{Spot, Spots};
use crate::db::{Db, Fault, Row, args};
use crate::form::{Base, Form};
use crate::hash::{from_hex, hex};
use crate::keyfile::KeyFile;
use crate::kind::{Keys, Kind};
use crate::lessons::UnitLessons;
use crate::matching::{Fit, SKEW, Write};
use crate::moment::Moment;

/// The newest writes of one object that are looked at.
const MOST_WRITES: i64 = 200;

/// Open writes that are read in all to learn below which folder a unit begins; more are not worth the time of every result.
const MOST_READ: usize = 2_000;

/// Lessons by unit.
pub(super) type Units = HashMap<String, UnitLessons>;

/// A key that a path may stand for, as it can be looked up later without the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sought {
    form: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// As it is, if keys may be kept so.
    #[serde(skip_serializing_if = "Option::is_none")]
    clear: Option<String>,
    /// Hexadecimal.
    hashed: String,
}

/// The keys that a path may stand for: those that follow from it, and those below the folders that were learned.
pub(super) fn sought(path: &str, units: &Units, key: &KeyFile, keys: Keys) -> Vec<Sought> {
    let mut all = Vec::new();
    let mut add = |form: &Form, bucket: Option<&str>, unit: Option<&str>| {
        if let Some(found) = form.key(path, bucket) {
            all.push(Sought {
                form: form.to_string(),
                bucket: bucket.map(str::to_owned),
                unit: unit.map(str::to_owned),
                hashed: hex(&key.hashed(found.as_bytes())),
                clear: (keys == Keys::Clear).then_some(found),
            });
        }
    };
    for form in &Form::COMPUTED {
        let container = match form.base {
            Base::Container => path.trim_start_matches('/').split('/').next(),
            Base::Key | Base::Below(_) => None,
        };
        add(form, container, None);
    }
    for (unit, lessons) in units {
        let known = [lessons.form(), lessons.suspects()];
        let first = known[0].filter(|form| matches!(form.base, Base::Below(_)));
        for form in [first, known[1].filter(|suspect| known[0] != Some(suspect))].into_iter().flatten() {
            add(form, None, Some(unit));
        }
    }
    all
}

/// An object that fits, and what else is needed of it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) fit: Fit,
    pub(super) bucket: Option<Arc<str>>,
    /// What MDSS has given for each write.
    pub(super) correlations: HashMap<u64, String>,
}

/// Looks for the objects of a path.
pub(super) struct Search<'s> {
    pub(super) db: Db<'s>,
    pub(super) spots: &'s Spots,
    pub(super) units: &'s Units,
    pub(super) scanned: Moment,
}

impl Search<'_> {
    /// Every object that may be meant. `path` is that of the result, if it may be known here.
    pub(super) fn all(&self, sought: &[Sought], path: Option<&str>) -> Result<Vec<Found>, Fault> {
        let mut found = Vec::new();
        // Of a unit whose form is known, others are looked at only if nothing else fits: it may have changed.
        let mut others = Vec::new();
        for one in sought {
            let Some(form) = Form::read(&one.form) else { continue };
            for (place, (spot, _)) in &self.spots.0 {
                let fits = |mine: &Option<String>, its: &Option<Arc<str>>| {
                    mine.is_none() || mine.as_deref() == its.as_deref()
                };
                if !fits(&one.bucket, &spot.bucket) || !fits(&one.unit, &spot.unit) {
                    continue;
                }
                let key = match spot.keys {
                    Keys::Clear => one.clear.as_ref().map(|key| key.as_bytes().to_vec()),
                    Keys::Hashed => from_hex(&one.hashed),
                    Keys::Off => None,
                };
                let Some(key) = key else { continue };
                let known = self.lessons(spot).and_then(UnitLessons::form);
                let list = if known.is_some_and(|known| *known != form) { &mut others } else { &mut found };
                self.writes(list, *place, spot, &key, &form)?;
            }
        }
        if let Some(path) = path {
            self.below(&mut found, path)?;
        }
        let told = |found: &Found| {
            found.fit.trusted
                && found.fit.writes.iter().any(|write| write.accepted <= self.scanned.plus(SKEW))
        };
        if !found.iter().any(told) {
            found.append(&mut others);
        }
        for found in &mut found {
            found.fit.writes.sort_by_key(|write| (write.accepted, write.seq));
        }
        Ok(found)
    }

    /// The object of one write.
    pub(super) fn of(&self, seq: u64) -> Result<Option<Found>, Fault> {
        let sql = "SELECT place, key FROM entry WHERE seq = ?1";
        let found =
            self.db.first(sql, args![seq], |row| Ok((row.count(0)?, row.bytes(1)?.map(<[u8]>::to_vec))))?;
        let Some((place, key)) = found else { return Ok(None) };
        let Some((spot, _)) = self.spots.0.get(&place) else { return Ok(None) };
        let mut found = Vec::new();
        match key {
            // The same object may have come through several sources, or was told by several writers.
            Some(key) => {
                for (place, (other, _)) in &self.spots.0 {
                    if same_object(spot, other) {
                        self.writes(&mut found, *place, other, &key, &Form::KEY)?;
                    }
                }
            }
            None => self.add(&mut found, spot, &hex(&seq.to_be_bytes()), &Form::KEY, self.one(seq)?),
        }
        let mut found = found.pop();
        if let Some(found) = &mut found {
            found.fit.writes.sort_by_key(|write| (write.accepted, write.seq));
        }
        Ok(found)
    }

    fn lessons(&self, spot: &Spot) -> Option<&UnitLessons> {
        self.units.get(spot.unit.as_deref().unwrap_or_default())
    }

    fn one(&self, seq: u64) -> Result<Vec<(Write, Option<String>)>, Fault> {
        let sql = "SELECT seq, settled_time, result_seq, correlation_id FROM entry WHERE seq = ?1";
        self.db.all(sql, args![seq], write)
    }

    fn writes(
        &self,
        list: &mut Vec<Found>,
        place: i64,
        spot: &Spot,
        key: &[u8],
        form: &Form,
    ) -> Result<(), Fault> {
        let is_it = self.db.key_is("key", "?2");
        let sql = format!(
            "SELECT seq, settled_time, result_seq, correlation_id FROM entry
             WHERE place = ?1 AND {is_it} AND kind = ?3 ORDER BY seq DESC LIMIT ?4"
        );
        let rows = self.db.all(&sql, args![place, key, Kind::Accepted.number(), MOST_WRITES], write)?;
        if !rows.is_empty() {
            self.add(list, spot, &hex(key), form, rows);
        }
        Ok(())
    }

    fn add(
        &self,
        list: &mut Vec<Found>,
        spot: &Spot,
        key: &str,
        form: &Form,
        rows: Vec<(Write, Option<String>)>,
    ) {
        let name =
            |name: &Option<Arc<str>>| name.as_deref().map_or_else(String::new, |name| hex(name.as_bytes()));
        // The texts are anything, so their lengths must not be: hexadecimal has no dot.
        let object = format!("{}.{}.{}.{key}", name(&spot.unit), name(&spot.bucket), name(&spot.namespace));
        let at = list.iter().position(|found| *found.fit.object == *object && found.fit.form == *form);
        let at = at.unwrap_or_else(|| {
            let lessons = self.lessons(spot);
            list.push(Found {
                fit: Fit {
                    object: object.into(),
                    unit: spot.unit.clone(),
                    form: form.clone(),
                    trusted: lessons.map_or(*form == Form::KEY, |lessons| lessons.trusts(form)),
                    writes: Vec::new(),
                    shortest: lessons.and_then(|lessons| lessons.scans.least()),
                },
                bucket: spot.bucket.clone(),
                correlations: HashMap::new(),
            });
            list.len() - 1
        });
        for (write, correlation) in rows {
            list[at].fit.writes.push(write);
            if let Some(correlation) = correlation {
                list[at].correlations.insert(write.seq, correlation);
            }
        }
    }

    /// The open writes whose keys end in the path, of units whose form is not known.
    fn below(&self, list: &mut Vec<Found>, path: &str) -> Result<(), Fault> {
        let latest = self.scanned.plus(SKEW);
        let mut left = MOST_READ;
        let sql = "SELECT key FROM entry WHERE place = ?1 AND kind = 1 AND result_seq IS NULL AND settled_time <= ?2 ORDER BY settled_time DESC LIMIT ?3";
        for (place, (spot, counted)) in &self.spots.0 {
            let known = self.lessons(spot).is_some_and(|lessons| lessons.form().is_some());
            if known || spot.keys != Keys::Clear || counted.open <= 0 || left == 0 {
                continue;
            }
            let mut keys: Vec<(Form, Vec<u8>)> = Vec::new();
            self.db.each(sql, args![*place, latest, left], |row| {
                left = left.saturating_sub(1);
                let Some(key) = row.bytes(0)?.and_then(|key| std::str::from_utf8(key).ok()) else {
                    return Ok(true);
                };
                for slash in [false, true] {
                    if let Some(form) = Form::below(key, path, slash)
                        && !keys.iter().any(|(other, known)| *other == form && *known == key.as_bytes())
                    {
                        keys.push((form, key.as_bytes().to_vec()));
                    }
                }
                Ok(true)
            })?;
            for (form, key) in keys {
                // What was learned as a suspicion was looked up already.
                let there = self.lessons(spot).and_then(UnitLessons::suspects) == Some(&form);
                if !there {
                    self.writes(list, *place, spot, &key, &form)?;
                }
            }
        }
        Ok(())
    }
}

fn same_object(one: &Spot, other: &Spot) -> bool {
    one.unit == other.unit
        && one.bucket == other.bucket
        && one.namespace == other.namespace
        && one.keys == other.keys
}

fn write(row: &Row<'_>) -> Result<(Write, Option<String>), Fault> {
    let write = Write {
        seq: row.count(0)?.cast_unsigned(),
        accepted: Moment::from_millis(row.count(1)?),
        open: row.number(2)?.is_none(),
    };
    Ok((write, row.text(3)?))
}
