//! What the settings make of listed objects: planned as the spool will plan them, by the same code and from the same delivery.

use mdss_relay_core::{
    Cause, Decision, Delivery, Dialect, ListedObject, Planned, Route, Rules, SkipReason, found_objects, plan,
};
use mdss_relay_ledger::OfSource;
use mdss_relay_stores::{Kind, Listed, StoreSettings};

use crate::verdict::{Exclusion, Fate};

/// What is the same of all objects of a run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The source whose routes apply.
    pub(crate) source: Option<String>,
    pub(crate) bucket: String,
    pub(crate) namespace: Option<String>,
    /// What the store speaks when it sends events.
    pub(crate) store: Option<Dialect>,
    /// Only what goes to this unit.
    pub(crate) unit: Option<String>,
    /// The name of the run.
    pub(crate) run: String,
}

impl Place {
    /// What tells the bucket from one of the same name in another store; `None` where the store names no source.
    pub(crate) fn of_source(&self, rules: &Rules) -> Option<OfSource> {
        let source = self.source.clone()?;
        let routes = rules.routes().iter().filter_map(Route::source);
        let others = routes.filter(|other| *other != source).map(str::to_owned).collect();
        let units = rules.units_of(Some(&source), &self.bucket).into_iter().map(str::to_owned).collect();
        Some(OfSource { source, others, units })
    }

    /// The delivery that tells of objects, and which of them are in it: those whose keys can be written.
    pub(crate) fn delivery(&self, number: u64, objects: &[&Listed]) -> (Delivery, Vec<usize>) {
        let mut named = Vec::with_capacity(objects.len());
        let mut listed = Vec::with_capacity(objects.len());
        for (index, object) in objects.iter().enumerate() {
            let Ok(key) = std::str::from_utf8(&object.key) else { continue };
            named.push(index);
            listed.push(ListedObject {
                bucket: &self.bucket,
                namespace: self.namespace.as_deref(),
                key,
                version: object.version.as_deref(),
                etag: object.etag.as_deref(),
                size: object.size,
                modified: object.modified,
                store: self.store,
            });
        }
        let id = format!("reconcile-{}-{number}", self.run);
        (found_objects(self.source.as_deref(), &self.run, id, &listed), named)
    }

    /// The fate of each object. One whose key is not Unicode is judged by what can be read of it: it cannot be sent, and counts all the
    /// same.
    pub(crate) fn fates(&self, rules: &Rules, objects: &[Listed]) -> Vec<Fate> {
        let lossy: Vec<Listed> = objects
            .iter()
            .map(|object| match String::from_utf8_lossy(&object.key) {
                std::borrow::Cow::Borrowed(_) => object.clone(),
                std::borrow::Cow::Owned(key) => Listed { key: key.into_bytes(), ..object.clone() },
            })
            .collect();
        let (delivery, _) = self.delivery(0, &lossy.iter().collect::<Vec<_>>());
        let planned = plan(rules, &delivery).records;
        let mut fates: Vec<_> = planned.iter().map(|record| self.fate(record)).collect();
        // Never, as each object is one record of its own; and if it were, nobody could tell.
        fates.resize(objects.len(), Fate::InDoubt(None));
        fates
    }

    fn fate(&self, planned: &Planned) -> Fate {
        match &planned.decision {
            Decision::Send(submission) => {
                let unit = submission.storage_client_id();
                match &self.unit {
                    // Where it would go is in doubt, too.
                    Some(wanted) if wanted != unit && !planned.in_doubt => {
                        Fate::Excluded(Exclusion::OtherRoute)
                    }
                    _ if planned.in_doubt => Fate::InDoubt(Some(unit.to_owned())),
                    _ => Fate::Taken(unit.to_owned()),
                }
            }
            Decision::Skip(SkipReason::FolderMarker) => Fate::Excluded(Exclusion::FolderMarker),
            Decision::Skip(_) => Fate::Excluded(Exclusion::NotSelected),
            Decision::Fail(failure) if failure.cause == Cause::UnmappedBucket => {
                Fate::Excluded(Exclusion::UnmappedBucket)
            }
            Decision::Fail(_) => Fate::InDoubt(None),
        }
    }
}

/// What a store speaks when it sends events: as its source is pinned, else as most of its kind do.
pub(crate) fn speaks(store: &StoreSettings, pinned: Option<Dialect>) -> Option<Dialect> {
    pinned.or(match store.kind {
        Kind::S3 => Some(Dialect::S3Compatible),
        Kind::Azure => Some(Dialect::AzureBlob),
        Kind::Gcs => Some(Dialect::Gcs),
        Kind::Oci => Some(Dialect::Oci),
        Kind::Directory => None,
    })
}
