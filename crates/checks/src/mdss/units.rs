//! The storage units that routes name, looked up without submitting anything.

use mdss_relay_core::{Approach, Client, Route};

use super::list::List;
use crate::outcome::Outcome;
use crate::setup::Setup;

/// How a route is called in sentences: by its place in the configuration, and what it names.
pub(super) fn named(index: usize, route: &Route) -> String {
    format!("route[{index}] (bucket {:?}), unit {}", route.bucket(), route.storage_client_id())
}

/// What is asked of MDSS itself only with `--live`.
const ASK: &str = "mdss-relay doctor --live asks MDSS itself, with a file that does not exist";

/// What MDSS's list says of the unit of each route.
pub(super) async fn listed(
    setup: &Setup,
    client: &Client,
    approach: &Approach,
    takes_any: bool,
) -> Vec<(String, Outcome)> {
    let routes = setup.settings.rules.routes();
    let each = |outcome: &dyn Fn(&Route) -> Outcome| -> Vec<(String, Outcome)> {
        routes.iter().enumerate().map(|(index, route)| (named(index, route), outcome(route))).collect()
    };
    let list = match List::of(client, approach).await {
        Ok(list) => list,
        Err(_) if takes_any => {
            let why =
                "MDSS took an object of a unit that does not exist, so its answers say nothing of units";
            return each(&|_| Outcome::unknown(why, "compare the id with the one on the MDSS dashboard"));
        }
        Err(why) => return each(&|_| Outcome::unknown(why.clone(), ASK)),
    };
    // Whether the list has storage client ids at all is not documented; one of ours in it proves it.
    let shows_ids = routes.iter().any(|route| list.entry(route.storage_client_id().as_str()).is_some());
    each(&|route| match list.entry(route.storage_client_id().as_str()) {
        Some(beside) if beside.is_empty() => Outcome::ok("MDSS lists it"),
        Some(beside) => Outcome::ok(format!("MDSS lists it ({beside})")),
        None if shows_ids => Outcome::fail(
            "MDSS's list of storage units has the unit of another route, and not this one",
            "the storage client id of a unit, as the MDSS dashboard shows it",
            "verify the storage client id and that the storage is configured in MDSS",
        ),
        None => Outcome::unknown(
            "MDSS's list of storage units shows no unit of any route; it may not show storage client ids",
            ASK,
        ),
    })
}
