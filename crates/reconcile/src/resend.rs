//! Objects that MDSS has accepted and never scanned, put back: through the spool, as objects that were found in their bucket.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mdss_relay_core::{Dialect, Rules};
use mdss_relay_ledger::{Entry, Fact, Keys, Kind, Ledger, Moment};
use mdss_relay_stores::{Listed, StoreSettings};
use tokio::sync::watch;

use crate::counts::Counts;
use crate::door::{Door, Holding};
use crate::fate::{Place, speaks};
use crate::forward::{Forwarded, Forwarder};
use crate::trouble::Trouble;
use crate::verdict::Fate;

/// What a resending works with.
pub struct Resend<'m> {
    /// Where it is written down.
    pub ledger: Ledger,
    /// The spool.
    pub door: Door,
    /// Today's routes.
    pub rules: &'m Rules,
    /// The stores: what an object speaks that a comparison has found, its store says.
    pub stores: &'m [StoreSettings],
    /// Objects a second, at most.
    pub rate: u32,
    /// Who does it.
    pub actor: String,
    /// Why, for the ledger.
    pub reason: String,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Objects that were put into the spool.
    pub resent: u64,
    /// Those that are in the spool already, whatever they wait for there.
    pub in_spool: u64,
    /// Those that today's routes do not select.
    pub unselected: u64,
    /// Those whose keys the ledger does not have, or has as hashes.
    pub unnamed: u64,
    /// Whether all of them were done; if not, the same again goes on with the rest.
    pub complete: bool,
}

/// What entries have in common that lie in one delivery.
type Spot = (Option<Arc<str>>, Arc<str>, Option<Arc<str>>, Option<&'static str>);

/// Puts the objects of these accepted writes back into the spool, each once, by today's routes, unless they are there. A line of the ledger says who has done so and how
/// many they were. It ends early as soon as `stop` says so. `tell` hears how many are done, and why nothing goes on just now.
///
/// # Errors
/// [`Trouble`] if the ledger cannot be written; the objects are in the spool all the same.
pub async fn resend(
    means: Resend<'_>,
    writes: Vec<Entry>,
    mut stop: watch::Receiver<bool>,
    tell: impl Fn(u64, Option<&str>) + Sync,
) -> Result<Resent, Trouble> {
    let run = format!("resend-{:x}", Moment::from(jiff::Timestamp::now()).as_millis());
    let mut resent = Resent { complete: true, ..Resent::default() };
    let mut groups: BTreeMap<Spot, Vec<Listed>> = BTreeMap::new();
    let mut known = HashSet::new();
    for Entry { fact, keys, .. } in writes {
        // Of a key that was hashed nobody knows what it was.
        let key = fact.key.clone().filter(|_| keys == Keys::Clear);
        let (Some(bucket), Some(key)) = (fact.bucket.clone(), key) else {
            resent.unnamed += 1;
            continue;
        };
        // Several writes of one object: MDSS reads what is there. Through another source and to another unit it is one of another store.
        let object = (bucket.clone(), fact.namespace.clone(), key.clone());
        let by_source = known.insert((object.clone(), "source", fact.source.clone()));
        let by_unit = known.insert((object, "unit", fact.unit.clone()));
        if by_source && by_unit {
            let store = spoken(&fact, means.stores).map(Dialect::name);
            let spot = (fact.source.clone(), bucket, fact.namespace.clone(), store);
            groups.entry(spot).or_default().push(Listed {
                key,
                etag: fact.etag,
                size: fact.size,
                // Without them no mark of the spool says that it was told already.
                version: None,
                modified: None,
                archived: false,
            });
        }
    }
    let mut forwarder = Forwarder::new(means.door, means.rate);
    let mut counts = Counts::default();
    for ((source, bucket, namespace, store), objects) in groups {
        let place = Place {
            source: source.map(|source| source.to_string()),
            bucket: bucket.to_string(),
            namespace: namespace.map(|namespace| namespace.to_string()),
            store: store.and_then(|name| name.parse().ok()),
            unit: None,
            run: run.clone(),
        };
        // What waits, is held or parked has been told to the relay, and not to MDSS again.
        let mut holding = Holding::new(&place.bucket, place.of_source(means.rules));
        holding.read(forwarder.door()).await?;
        let fates = place.fates(means.rules, &objects);
        let mut taken = Vec::new();
        for (object, fate) in objects.iter().zip(fates) {
            match fate {
                _ if holding.of(&object.key).is_some() => resent.in_spool += 1,
                _ if std::str::from_utf8(&object.key).is_err() => resent.unnamed += 1,
                Fate::Taken(unit) | Fate::InDoubt(Some(unit)) => taken.push((object, unit)),
                Fate::Excluded(_) | Fate::InDoubt(None) => resent.unselected += 1,
            }
        }
        let say = |counts: &Counts, waits: Option<&str>| tell(counts.forwarded, waits);
        if forwarder.forward(&place, means.rules, taken, &mut counts, &mut stop, &say).await
            == Forwarded::Stopped
        {
            resent.complete = false;
            break;
        }
    }
    resent.resent = counts.forwarded;
    resent.unselected += counts.refused;
    resent.in_spool += counts.repeated;
    if resent.resent > 0 {
        let fact = Fact {
            actor: Some(means.actor),
            count: Some(resent.resent),
            reason: Some(means.reason),
            ..Fact::new(Kind::Retried, jiff::Timestamp::now().into())
        };
        means.ledger.record(fact).await?;
    }
    Ok(resent)
}

/// What the store of a write speaks when it sends events.
fn spoken(fact: &Fact, stores: &[StoreSettings]) -> Option<Dialect> {
    let said = fact.dialect.as_deref().and_then(|name| name.parse().ok());
    let said = said.filter(|dialect| !Dialect::OWN.contains(dialect));
    let of_store = || {
        let bucket = fact.bucket.as_deref()?;
        stores.iter().find(|store| store.has(bucket)).and_then(|store| speaks(store, None))
    };
    said.or_else(of_store)
}
