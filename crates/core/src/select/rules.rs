//! What the operator has chosen about events: all that planning needs of the settings.

use crate::model::dialect::KeyRules;
use crate::model::event::UnknownEvents;
use crate::select::route::Route;

/// What people call a storage unit, by the routes that lead to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitNames {
    /// The `name`s of the routes, each once; most have none.
    pub names: Vec<String>,
    /// Their buckets, as patterns, each once.
    pub buckets: Vec<String>,
}

/// The rules by which a delivery is planned.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The routes, in their order.
    pub(crate) routes: Vec<Route>,
    /// How keys are encoded, where the operator knows better.
    pub(crate) keys: KeyRules,
    /// What becomes of events that nobody here knows.
    pub unknown_events: UnknownEvents,
}

impl Rules {
    /// The routes, in their order.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// How many storage units the routes name.
    pub fn units(&self) -> usize {
        let units = self.routes.iter().map(|route| route.storage_client_id.as_str());
        units.collect::<std::collections::BTreeSet<_>>().len()
    }

    /// The storage units to which routes can send what a bucket has, told through this source.
    pub fn units_of(&self, source: Option<&str>, bucket: &str) -> std::collections::BTreeSet<&str> {
        let routes = self.routes.iter().filter(|route| route.names_bucket(source, bucket));
        routes.map(|route| route.storage_client_id.as_str()).collect()
    }

    /// The id of the storage unit to which a route of that name leads; `None` if there is no such route.
    pub fn unit_called(&self, name: &str) -> Option<&str> {
        let route = self.routes.iter().find(|route| route.name.as_deref() == Some(name))?;
        Some(route.storage_client_id.as_str())
    }

    /// What the routes to a storage unit call it, and whose objects they send there; `None` if no route leads to it.
    pub fn unit(&self, id: &str) -> Option<UnitNames> {
        let mut unit = None;
        for route in self.routes.iter().filter(|route| route.storage_client_id.as_str() == id) {
            let unit = unit.get_or_insert_with(UnitNames::default);
            let names = route.name.clone().map(|name| (&mut unit.names, name));
            let buckets = (&mut unit.buckets, route.bucket.as_str().to_owned());
            for (list, text) in names.into_iter().chain([buckets]) {
                if !list.contains(&text) {
                    list.push(text);
                }
            }
        }
        unit
    }
}
