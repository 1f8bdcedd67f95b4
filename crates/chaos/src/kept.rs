//! What a ledger says of what MDSS has accepted, wherever the ledger is: a file of one relay, or a database that several share.

use std::collections::BTreeMap;

use mdss_relay_ledger::{BucketName, Ledger, Options, Place, Verify};

use crate::oracle::{Tally, Unit};

/// Entries that are looked up at once.
const PAGE: usize = 5000;

/// How often each object stands in a ledger, by unit and key.
pub(crate) type Written = BTreeMap<(String, String), u64>;

/// How a ledger compares with what MDSS has accepted.
pub(crate) enum Judged {
    /// It has everything, and nothing beside it.
    Fits,
    /// So many objects are missing, and no gap speaks of them. They may come.
    Lacks(u64),
    /// It says what is not so.
    Wrong(String),
}

/// Opens a ledger to read it.
pub(crate) async fn reading(place: &Place) -> Result<Ledger, String> {
    Ledger::open(place, Options::reading()).await.map_err(|trouble| trouble.to_string())
}

/// How often each object stands in it.
pub(crate) async fn written(ledger: &Ledger) -> Result<Written, String> {
    let mut found = Written::new();
    for unit in [Unit::Good, Unit::Odd] {
        let (bucket, mut after) = (BucketName::new(unit.bucket()), None);
        loop {
            let page = ledger.writes_from(&bucket, after.as_deref(), PAGE).await;
            let page = page.map_err(|trouble| trouble.to_string())?;
            let full = page.len() == PAGE;
            for object in page {
                let key = String::from_utf8_lossy(&object.key).into_owned();
                found.insert((unit.id().to_owned(), key), object.writes.len() as u64);
                after = Some(object.key);
            }
            if !full {
                break;
            }
        }
    }
    Ok(found)
}

/// Compares what was found in a ledger with what MDSS has accepted by a later look; its gaps speak of so many writes.
pub(crate) fn judge(tally: &Tally, found: &Written, gaps: u64) -> Judged {
    // A request whose answer the relay did not hear is told to MDSS once more; the ledger has one of the two at least.
    let too_many = found.iter().filter(|(name, n)| tally.get(*name).copied().unwrap_or(0) < **n);
    let too_many: Vec<_> = too_many.take(3).collect();
    if !too_many.is_empty() {
        return Judged::Wrong(format!("the ledger has more than MDSS has accepted: {too_many:?}"));
    }
    let missing = tally.keys().filter(|name| !found.contains_key(*name)).count() as u64;
    if missing > gaps {
        return Judged::Lacks(missing - gaps);
    }
    let unwritten = tally.values().sum::<u64>() - found.values().sum::<u64>();
    match gaps > unwritten {
        true => Judged::Wrong(format!("gaps of the ledger speak of {gaps} writes, and it lacks {unwritten}")),
        false => Judged::Fits,
    }
}

/// What a verification of all chains has to say, by number and words.
pub(crate) async fn faults(ledger: &Ledger) -> Result<Vec<(u64, String)>, String> {
    let mut faults = Vec::new();
    for chain in ledger.chains().await.map_err(|trouble| trouble.to_string())? {
        let asked = Verify { ledger: Some(chain), ..Verify::default() };
        let verified = ledger.verify(asked).await.map_err(|trouble| trouble.to_string())?;
        faults.extend(verified.faults.into_iter().map(|fault| (fault.seq, fault.what)));
    }
    Ok(faults)
}

/// Whether the chains are whole.
pub(crate) async fn intact(ledger: &Ledger) -> Result<(), String> {
    match faults(ledger).await?.first() {
        None => Ok(()),
        Some((seq, what)) => Err(format!("the chain is broken at {seq}: {what}")),
    }
}

/// Whether one of the faults is about this entry. A row that is gone is missed in the counts of its place as well, and first at the next one.
pub(crate) fn named(faults: &[(u64, String)], seq: u64) -> bool {
    faults.iter().any(|(named, _)| (seq..=seq + 1).contains(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<T: FromIterator<((String, String), u64)>>(of: &[(&str, u64)]) -> T {
        of.iter().map(|(key, n)| (("unit".to_owned(), (*key).to_owned()), *n)).collect()
    }

    #[test]
    fn a_ledger_has_what_mdss_has_or_a_gap_for_it() {
        let tally: Tally = counts(&[("a", 1), ("b", 2), ("c", 1)]);
        for (found, gaps, want) in [
            (&[("a", 1), ("b", 2), ("c", 1)][..], 0, "fits"),
            (&[("a", 1), ("b", 1), ("c", 1)], 0, "fits"),
            (&[("a", 1), ("b", 1)], 0, "lacks 1"),
            (&[("a", 1), ("b", 1)], 1, "fits"),
            (&[("b", 1)], 1, "lacks 1"),
            (&[("a", 1), ("b", 1)], 3, "gaps"),
            (&[("a", 2), ("b", 2), ("c", 1)], 0, "more"),
            (&[("a", 1), ("b", 2), ("c", 1), ("d", 1)], 0, "more"),
        ] {
            let said = match judge(&tally, &counts(found), gaps) {
                Judged::Fits => "fits".to_owned(),
                Judged::Lacks(n) => format!("lacks {n}"),
                Judged::Wrong(what) => what,
            };
            assert!(said.contains(want), "{found:?}, {gaps}: {said}");
        }
    }
}
