//! What the operator has chosen about events: all that planning needs of the settings.

use crate::model::dialect::KeyRules;
use crate::model::event::UnknownEvents;
use crate::select::route::Route;

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
}
