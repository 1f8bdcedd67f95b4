//! Which items are meant, and what is said about a name that means none.

use std::time::Duration;

use clap::Args;
use mdss_relay_core::{Cause, nearest};
use mdss_relay_spool::{Desk, Filter, ItemId, LANE_UNROUTED, Moment, State, Trouble};

use super::units::Units;
use super::{pages, say};

/// Items that are looked through for the names of buckets.
const LOOKED_THROUGH: usize = 5000;

/// Which items. An item must match everything that is given.
#[derive(Args)]
pub(super) struct Which {
    /// Numbers of items.
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// waiting, held or parked.
    #[arg(long)]
    state: Option<State>,
    /// A storage unit's id, the name of a route that leads to it, or unrouted.
    #[arg(long)]
    lane: Option<String>,
    /// A bucket's name.
    #[arg(long)]
    bucket: Option<String>,
    /// The last failure's token, such as mdss_unavailable.
    #[arg(long)]
    reason: Option<String>,
    /// Received at least this long ago: 90s, 15m, 2h, 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
}

/// What is wrong with the names that were given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unknown {
    /// A reason that is none: nothing is done then.
    pub(super) reason: bool,
    /// Numbers of which there is no item.
    pub(super) items: bool,
    /// A lane or a bucket of which there is no item, and that nobody knows.
    pub(super) place: bool,
}

impl Which {
    pub(super) fn filter(&self, units: &Units, now: Moment) -> Filter {
        let before = self.older_than.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Filter {
            state: self.state,
            lane: self.lane.as_deref().map(|lane| units.id(lane)),
            bucket: self.bucket.clone(),
            reason: self.reason.clone(),
            received_before: before.map(|age| Moment::from_millis(now.as_millis().saturating_sub(age))),
            ids: self.ids.iter().copied().map(ItemId::new).collect(),
        }
    }

    /// Whether something was said about which items: a bare `purge` must not mean everything.
    pub(super) fn is_meant(&self, all: bool) -> bool {
        let filtered = self.state.is_some()
            || self.lane.is_some()
            || self.bucket.is_some()
            || self.reason.is_some()
            || self.older_than.is_some()
            || !self.ids.is_empty();
        if !filtered && !all {
            say("expected item numbers, a filter, or --all for every item");
        }
        filtered || all
    }

    /// Looks whether the names mean something, with a line for each that does not: what fits nothing must not look like success.
    pub(super) async fn unknown(&self, desk: &Desk, units: &Units) -> Result<Unknown, Trouble> {
        let stock = desk.stock().await?;
        let mut unknown = Unknown::default();
        if let Some(reason) = &self.reason
            && !Cause::ALL.iter().any(|cause| cause.name() == reason)
            && !stock.depths.iter().any(|depth| depth.reason == *reason)
        {
            let hint = match nearest(reason, Cause::ALL.iter().map(|cause| cause.name())) {
                Some(nearest) => format!("is {nearest} meant?"),
                None => "`mdss-relay spool stats` lists the reasons of the items".to_owned(),
            };
            say(&format!("--reason: expected a failure's token, found {reason:?}; {hint}"));
            unknown.reason = true;
        }
        if let Some(lane) = &self.lane {
            let id = units.id(lane);
            let mut known: Vec<String> = stock.depths.iter().map(|depth| depth.lane.clone()).collect();
            if !known.contains(&id) && units.of(&id).is_none() && id != LANE_UNROUTED {
                let called: Vec<_> =
                    known.iter().filter_map(|id| units.of(id)).flat_map(|unit| unit.names).collect();
                known.extend(called);
                not_there("--lane: no item is in lane", lane, &known);
                unknown.place = true;
            }
        }
        if let Some(bucket) = &self.bucket {
            let of_it = Filter { bucket: Some(bucket.clone()), ..Filter::default() };
            if buckets(desk, &of_it, 1).await?.is_empty() {
                let known = buckets(desk, &Filter::default(), LOOKED_THROUGH).await?;
                not_there("--bucket: no item is of bucket", bucket, &known);
                unknown.place = true;
            }
        }
        for id in &self.ids {
            if desk.show(ItemId::new(*id)).await?.is_none() {
                say(&format!("there is no item {id}"));
                unknown.items = true;
            }
        }
        Ok(unknown)
    }
}

/// Says that a name is not there, with the one that may be meant.
fn not_there(what: &str, name: &str, known: &[String]) {
    let nearest = nearest(name, known.iter().map(String::as_str));
    let hint = nearest.map_or_else(String::new, |nearest| format!("; is {nearest} meant?"));
    say(&format!("{what} {name:?}{hint}"));
}

async fn buckets(desk: &Desk, filter: &Filter, most: usize) -> Result<Vec<String>, Trouble> {
    let mut buckets = Vec::new();
    pages(desk, filter, most, |entry| {
        if let Some(bucket) = entry.bucket.filter(|bucket| !buckets.contains(bucket)) {
            buckets.push(bucket);
        }
    })
    .await?;
    Ok(buckets)
}

pub(crate) fn age(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a number with its unit, such as 90s, 15m, 2h or 7d";
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(EXPECTED.into()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds)).ok_or(EXPECTED)?;
    Ok(Duration::from_secs(seconds))
}
