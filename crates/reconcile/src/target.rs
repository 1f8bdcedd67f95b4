//! Which bucket of which store is meant.

use mdss_relay_core::{Dialect, Route, Settings, nearest};
use mdss_relay_stores::StoreSettings;

/// What somebody names; the rest follows from the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'w> {
    /// The name of a route.
    pub route: Option<&'w str>,
    /// The name of a store.
    pub store: Option<&'w str>,
    /// The bucket.
    pub bucket: Option<&'w str>,
}

/// What is compared.
#[derive(Debug)]
pub struct Target<'s> {
    /// The store.
    pub store: &'s StoreSettings,
    /// The bucket.
    pub bucket: String,
    /// The route's name, and its storage unit.
    pub route: Option<(String, String)>,
    /// What the store's source is pinned to.
    pub pinned: Option<Dialect>,
}

impl<'s> Target<'s> {
    /// Which bucket of which store is meant.
    ///
    /// # Errors
    /// A sentence: what is missing, or which of several is meant.
    pub fn of(settings: &Settings, stores: &'s [StoreSettings], wanted: Wanted<'_>) -> Result<Self, String> {
        if stores.is_empty() {
            return Err("the configuration names no [[store]], so there is nothing to list".into());
        }
        let routes = routes(settings, wanted.route)?;
        let named = wanted.store;
        if let Some(name) = named
            && !stores.iter().any(|store| store.name == name)
        {
            return Err(unknown("store", name, stores.iter().map(|store| store.name.as_str())));
        }
        let stores: Vec<_> =
            stores.iter().filter(|store| named.is_none_or(|name| store.name == name)).collect();
        let bucket = bucket(&stores, &routes, wanted.bucket)?;
        let of_source = |store: &StoreSettings| {
            let fits = |route: &&Route| match (route.source(), &store.source) {
                (Some(wanted), Some(own)) => wanted == own,
                _ => true,
            };
            routes.is_empty() || routes.iter().any(fits)
        };
        let fitting: Vec<_> =
            stores.into_iter().filter(|store| store.has(&bucket) && of_source(store)).collect();
        let store = match fitting.as_slice() {
            [one] => *one,
            [] => return Err(format!("no [[store]] has the bucket {bucket:?}")),
            several => {
                let names: Vec<_> = several.iter().map(|store| store.name.as_str()).collect();
                return Err(format!(
                    "more than one store has the bucket {bucket:?}; name the store: {}",
                    names.join(", ")
                ));
            }
        };
        let sources = settings.http.as_ref().map_or(&[][..], |http| &http.sources);
        let pinned = sources.iter().find(|source| Some(&source.name) == store.source.as_ref());
        let route =
            wanted.route.map(str::to_owned).zip(routes.first().map(|r| r.storage_client_id().to_string()));
        Ok(Self { store, bucket, route, pinned: pinned.and_then(|source| source.dialect) })
    }
}

/// The routes of that name, which lead to one unit.
fn routes<'s>(settings: &'s Settings, name: Option<&str>) -> Result<Vec<&'s Route>, String> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let all = settings.rules.routes();
    let routes: Vec<_> = all.iter().filter(|route| route.name() == Some(name)).collect();
    let Some(first) = routes.first() else {
        return Err(unknown("route", name, all.iter().filter_map(Route::name)));
    };
    if routes.iter().any(|route| route.storage_client_id() != first.storage_client_id()) {
        return Err(format!(
            "routes to more than one storage unit are called {name:?}; give each a name of its own"
        ));
    }
    Ok(routes)
}

fn bucket(stores: &[&StoreSettings], routes: &[&Route], wanted: Option<&str>) -> Result<String, String> {
    if let Some(bucket) = wanted {
        return Ok(bucket.to_owned());
    }
    let mut named: Vec<&str> = routes.iter().map(|route| route.bucket()).collect();
    named.sort_unstable();
    named.dedup();
    match named.as_slice() {
        [one] if !one.contains('*') => return Ok((*one).to_owned()),
        [] => {}
        _ => {
            let patterns = named.join(", ");
            return Err(format!("the route names the buckets {patterns}; name one bucket"));
        }
    }
    match stores {
        [store] => store
            .only_bucket()
            .map(str::to_owned)
            .ok_or_else(|| format!("the store {:?} has more than one bucket; name one", store.name)),
        _ => Err("expected a route, a bucket, or a store with one bucket".into()),
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<_> = known.collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("is {nearest} meant?"),
        None if known.is_empty() => "none has a name".to_owned(),
        None => format!("there are {}", known.join(", ")),
    };
    format!("{what}: there is none called {name:?}; {hint}")
}
