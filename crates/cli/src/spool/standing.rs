//! How MDSS stands, by the word of the relay's worker: the first question of whoever looks at what waits.

use mdss_relay_spool::{Desk, LANE_UNROUTED, Moment, Noted, Place, Position, Replica, State, Trouble};
use serde_json::{Value, json};

use super::table::age;

/// What is known of MDSS, and whether a relay is there to know it.
pub(super) struct Standing {
    runs: bool,
    noted: Option<Noted>,
    /// Where several relays share a database: that, how it stands, and they.
    shared: Option<(String, Option<mdss_relay_spool::Standing>, Vec<Replica>)>,
}

impl Standing {
    pub(super) async fn of(desk: &Desk, place: &Place) -> Result<Self, Trouble> {
        let noted = desk.noted().await?;
        Ok(match place {
            Place::Directory(dir) => Self { runs: Desk::is_worked_on(dir), noted, shared: None },
            Place::Database(database) => {
                let replicas = desk.replicas().await?;
                let runs = !replicas.is_empty();
                Self { runs, noted, shared: Some((database.place(), desk.standing(), replicas)) }
            }
        })
    }

    /// What is said of a relay, or of several.
    fn relays(&self, now: Moment) -> String {
        let Some((place, _, replicas)) = &self.shared else {
            return if self.runs { "a relay runs here" } else { "no relay runs here" }.to_owned();
        };
        let each = replicas.iter().map(|replica| {
            let other = if replica.differs { ", by other settings" } else { "" };
            format!("{} ({}, for {}{other})", replica.name, replica.version, age(now.since(replica.since)))
        });
        let each: Vec<_> = each.collect();
        match each.len() {
            0 => format!("no relay works on {place}"),
            1 => format!("a relay works on {place}: {}", each.join(", ")),
            n => format!("{n} relays work on {place}: {}", each.join(", ")),
        }
    }

    /// Why a running relay sends nothing to a lane now; what is parked would not be sent anyway.
    pub(super) fn pause_of(&self, lane: &str, state: State) -> Option<String> {
        let noted =
            self.noted.as_ref().filter(|_| self.runs && state != State::Parked && lane != LANE_UNROUTED)?;
        noted.health.pause_of(lane).map(str::to_owned)
    }

    /// Whether MDSS works, as far as is known: what waits waits for nothing but its time.
    pub(super) fn is_well(&self) -> bool {
        let well = |noted: &Noted| {
            noted.health.away.is_none() && noted.health.since.is_some() && noted.health.pauses.is_empty()
        };
        self.runs && self.noted.as_ref().is_some_and(well)
    }

    /// For people, a line a fact.
    pub(super) fn lines(&self, now: Moment) -> Vec<String> {
        let relay = self.relays(now);
        let Some(Noted { health, at }) = &self.noted else {
            return vec![format!("{relay}; none has said yet how MDSS stands")];
        };
        let ago = |then: Moment| format!("{} ago", age(now.since(then)));
        let mut lines = vec![format!("{relay}; as of {}:", ago(*at))];
        lines.extend(self.shared.iter().filter_map(|(_, standing, _)| Some(standing.as_ref()?.words())));
        lines.extend(health.way.clone());
        lines.push(match (&health.away, health.since) {
            (Some(away), since) => {
                let since = since.unwrap_or(away.last);
                // A server that refuses the key is there.
                let what =
                    if health.last_answer >= Some(since) { "refuses everything" } else { "unreachable" };
                let failures = if away.failures == 1 {
                    "1 attempt".into()
                } else {
                    format!("{} attempts", away.failures)
                };
                format!(
                    "endpoint: {what} since {since} ({}), {failures}, the last {}: {}: {}",
                    ago(since),
                    ago(away.last),
                    away.reason,
                    away.detail
                )
            }
            (None, Some(since)) => format!("endpoint: reachable since {since} ({})", ago(since)),
            (None, None) => "endpoint: not asked since the relay has started".to_owned(),
        });
        let when = |then: Option<Moment>| then.map_or_else(|| "never seen".to_owned(), ago);
        lines.push(format!(
            "last answer: {}; last object accepted: {}",
            when(health.last_answer),
            when(health.last_accepted)
        ));
        let pauses = health.pauses.iter().map(|(lane, pause)| {
            let whose = if lane.is_empty() { "endpoint" } else { lane };
            let position = match pause.position {
                Position::HalfOpen => "half open, a probe is under way",
                Position::Open | Position::Closed => "open, at most one probe a second",
            };
            format!("breaker of {whose}: {position}; since {} ({})", ago(pause.since), pause.reason)
        });
        let before = lines.len();
        lines.extend(pauses);
        if lines.len() == before {
            lines.push("breakers: all closed".to_owned());
        }
        // Minutes in which no relay ran say nothing.
        let (stored, accepted) = health.last_minute(if self.runs { now } else { *at });
        lines.push(format!("in the last minute: {stored} stored, {accepted} accepted by MDSS"));
        lines
    }

    /// The same for programs.
    pub(super) fn json(&self, now: Moment) -> Value {
        let mdss = self.noted.as_ref().map(|Noted { health, at }| {
            let (stored, accepted) = health.last_minute(if self.runs { now } else { *at });
            let time = |moment: Option<Moment>| moment.map(|moment| moment.to_string());
            let away = health.away.as_ref().map(|away| {
                json!({ "failures": away.failures, "last": away.last.to_string(), "reason": away.reason, "detail": away.detail })
            });
            let pauses = health.pauses.iter().map(|(lane, pause)| {
                let lane = (!lane.is_empty()).then_some(lane);
                json!({ "lane": lane, "position": pause.position.name(), "since": pause.since.to_string(), "reason": pause.reason })
            });
            json!({
                "as_of": at.to_string(),
                "way": health.way,
                "reachable": health.since.map(|_| health.away.is_none()),
                "since": time(health.since),
                "failing": away,
                "last_answer": time(health.last_answer),
                "last_accepted": time(health.last_accepted),
                "breakers": pauses.collect::<Vec<_>>(),
                "stored_last_minute": stored,
                "accepted_last_minute": accepted,
            })
        });
        let mut all = json!({ "relay_runs": self.runs, "mdss": mdss });
        if let Some((place, standing, replicas)) = &self.shared {
            let relays = replicas.iter().map(|replica| {
                json!({
                    "id": replica.id,
                    "name": replica.name,
                    "version": replica.version,
                    "since": replica.since.to_string(),
                    "seen": replica.seen.to_string(),
                    "other_settings": replica.differs,
                })
            });
            all["relays"] = relays.collect();
            all["database"] = json!({
                "place": place,
                "server": standing.as_ref().map(mdss_relay_spool::Standing::version),
                "tables": standing.as_ref().map(|standing| standing.tables),
                "synchronous_standby_names": standing.as_ref().map(|standing| standing.standby_names.clone()),
            });
        }
        all
    }
}
