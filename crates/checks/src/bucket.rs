//! Group `bucket`: whether each bucket of a `[[store]]` tells us of new objects. Nothing is written there.
//!
//! What stores say is read and judged in `crates/stores`; here are the subjects, the bound in time, and what an operator does about it.

mod outcomes;
mod put_back;
mod which;

use std::time::Instant;

use mdss_relay_core::RetryPolicy;
use mdss_relay_stores::{Kind, Store, StoreSettings, Trouble};

use crate::bucket::outcomes::Looked;
use crate::bucket::which::Which;
use crate::check::{CHECKS, Group};
use crate::outcome::Outcome;
use crate::results::{LONGEST, Results};
use crate::setup::Setup;

/// What one bucket gave: for each check that concerns it, who was looked at, the outcome, and how long it took.
type Found = Vec<(&'static str, String, Outcome, u64)>;

/// Looks at each bucket of each store.
pub async fn run(setup: &Setup, results: &Results) {
    if setup.stores.is_empty() && !setup.stores_are_wrong {
        return;
    }
    let found = if setup.stores_are_wrong {
        let ids = CHECKS.iter().filter(|check| check.group == Group::Bucket).map(|check| check.id);
        ids.map(|id| (id, setup.name.clone(), Outcome::skipped("settings.valid"), 0)).collect()
    } else {
        let all = setup.stores.iter().map(|store| of_store(setup, store));
        futures_util::future::join_all(all).await.into_iter().flatten().collect::<Found>()
    };
    for check in CHECKS.iter().filter(|check| check.group == Group::Bucket) {
        let of_check: Vec<_> = found
            .iter()
            .filter(|(id, ..)| *id == check.id)
            .map(|(_, subject, outcome, ms)| (subject.clone(), outcome.clone(), *ms))
            .collect();
        if !of_check.is_empty() {
            results.report(check.id, of_check);
        }
    }
}

async fn of_store(setup: &Setup, settings: &StoreSettings) -> Found {
    let which = Which::of(settings, &setup.settings.rules);
    let mut found = Found::new();
    if let Some(why) = &which.unknown {
        let remedy = format!("name them in buckets of the store {:?}", settings.name);
        let whose = format!("store {:?}", settings.name);
        found.push(("bucket.exists", whose, Outcome::unknown(why, remedy), 0));
    }
    let looks = which.buckets.iter().map(|bucket| of_bucket(setup, settings, bucket));
    found.extend(futures_util::future::join_all(looks).await.into_iter().flatten());
    found
}

/// Asks for a listing and for whom the bucket tells, side by side, each within its time.
async fn of_bucket(setup: &Setup, settings: &StoreSettings, bucket: &str) -> Found {
    // Somebody waits: what does not answer is asked once.
    let mut once = settings.clone();
    once.retry = RetryPolicy::new(Some(1));
    let whose = format!("{bucket} in store {:?}", settings.name);
    let store = match Store::open(&once) {
        Ok(store) => store,
        Err(trouble) => return vec![("bucket.exists", whose, Outcome::unknown(trouble.to_string(), ""), 0)],
    };
    let start = Instant::now();
    let (listed, tells) = tokio::join!(
        tokio::time::timeout(LONGEST, list(&store, bucket)),
        tokio::time::timeout(LONGEST, mdss_relay_stores::tells(&store, bucket)),
    );
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let looked = Looked {
        settings,
        bucket,
        config: setup.config.as_deref(),
        samples: setup.settings.rules.samples(settings.source.as_deref(), bucket),
        listed: listed.ok(),
        tells: tells.ok(),
        tells_anybody: settings.kind != Kind::Directory,
    };
    looked.outcomes().into_iter().map(|(id, outcome)| (id, whose.clone(), outcome, ms)).collect()
}

/// The first page, as a run would ask for it.
async fn list(store: &Store, bucket: &str) -> Result<usize, Trouble> {
    let page = store.list(bucket, b"").page(None).await?;
    Ok(page.objects.len())
}
