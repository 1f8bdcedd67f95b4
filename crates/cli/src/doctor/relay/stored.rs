//! What waits, is held and is parked: as a running relay counts it, or as the spool's file has it.

use std::path::PathBuf;
use std::time::Duration;

use mdss_relay_core::{Cause, DatabaseSettings, DatabaseUrl, SpoolPlace, SpoolSettings};
use mdss_relay_spool::{Database, Desk, Glance, Place, Stock};

use super::age;
use super::page::Page;
use crate::doctor::key;
use crate::doctor::off_thread::off_thread;
use crate::doctor::subject::Subject;
use mdss_relay_checks::Outcome;

/// How a lane is called in sentences: by the routes that send to its unit.
pub(super) fn unit_name(lane: &str, subject: &Subject) -> String {
    let routes = subject.settings.rules.routes().iter().enumerate();
    let routes: Vec<_> = routes
        .filter(|(_, route)| route.storage_client_id().as_str() == lane)
        .map(|(index, route)| format!("route[{index}] (bucket {:?})", route.bucket()))
        .take(3)
        .collect();
    if routes.is_empty() { format!("unit {lane}") } else { format!("unit {lane}, {}", routes.join(", ")) }
}

/// So many items of a lane are in a state for a reason.
pub(super) struct Items {
    lane: String,
    state: String,
    reason: String,
    count: u64,
}

/// What a spool holds; or why that cannot be told.
pub(super) enum Stored {
    /// Nothing is stored in direct mode.
    Direct,
    /// There is no spool yet.
    Nothing,
    Known {
        items: Vec<Items>,
        oldest: Vec<(String, Duration)>,
    },
    Unknown {
        why: String,
        remedy: String,
    },
}

impl Stored {
    pub(super) async fn of(page: Option<&Page>, subject: &Subject) -> Self {
        let Some(SpoolSettings { place, .. }) = &subject.http.spool else { return Self::Direct };
        match page.filter(|page| page.value("mdss_relay_spool_up") == Some(1.0)) {
            Some(page) => Self::counted(page),
            None => {
                let dir = match place {
                    SpoolPlace::Directory(dir) => dir.clone(),
                    SpoolPlace::Database(settings) => return Self::in_database(settings).await,
                };
                let from_file = off_thread(move || Self::in_file(dir));
                let limit = tokio::time::timeout(super::LONGEST_PAGE, from_file);
                limit.await.unwrap_or_else(|_| Self::Unknown {
                    why: "the disk with the spool does not answer".into(),
                    remedy: "see machine.data_dir".into(),
                })
            }
        }
    }

    /// As the database has it, with the connection of an operator.
    async fn in_database(settings: &DatabaseSettings) -> Self {
        let remedy = "see the group database".to_owned();
        let database = match Database::of_settings(settings) {
            Ok(database) => database.migrating(false),
            Err(mistake) => return Self::Unknown { why: mistake.to_string(), remedy },
        };
        let counted = async { Desk::at(&Place::Database(database))?.stock().await };
        match tokio::time::timeout(super::LONGEST_PAGE, counted).await {
            Ok(Ok(stock)) => Self::from_stock(&stock),
            Ok(Err(trouble)) => Self::Unknown { why: trouble.detail, remedy },
            Err(_) => Self::Unknown { why: "the database does not answer".into(), remedy },
        }
    }

    fn counted(page: &Page) -> Self {
        let items = page.all("mdss_relay_spool_items").map(|(label, value)| Items {
            lane: label("lane").unwrap_or_default().to_owned(),
            state: label("state").unwrap_or_default().to_owned(),
            reason: label("reason").unwrap_or_default().to_owned(),
            count: value as u64,
        });
        let oldest = page.all("mdss_relay_spool_oldest_seconds").map(|(label, value)| {
            (label("lane").unwrap_or_default().to_owned(), Duration::from_secs_f64(value.clamp(0.0, 1e9)))
        });
        Self::Known { items: items.collect(), oldest: oldest.collect() }
    }

    /// Opening a spool brings it to today's version, which is the relay's to do: another one is left alone.
    fn in_file(dir: PathBuf) -> Self {
        let unknown = |why: String| Self::Unknown {
            why,
            remedy: format!(
                "ask as the user whose spool it is: sudo -u mdss-relay mdss-relay spool --data-dir {} stats",
                dir.display()
            ),
        };
        match Desk::glance(&dir).version {
            Ok(None) => return Self::Nothing,
            Ok(Some(Glance::NEWEST)) => {}
            Ok(Some(version)) => {
                let why = format!(
                    "the spool has tables of version {version}, and no relay runs that would bring it to {}",
                    Glance::NEWEST
                );
                return unknown(why);
            }
            Err(trouble) => return unknown(trouble.detail),
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => return unknown(error.to_string()),
        };
        let stock = Desk::open(&dir).and_then(|desk| runtime.block_on(desk.stock()));
        match stock {
            Ok(stock) => Self::from_stock(&stock),
            Err(trouble) => unknown(trouble.detail),
        }
    }

    fn from_stock(stock: &Stock) -> Self {
        let items = stock.depths.iter().map(|depth| Items {
            lane: depth.lane.clone(),
            state: depth.state.name().to_owned(),
            reason: depth.reason.clone(),
            count: depth.items,
        });
        let oldest = stock.ages().map(|(lane, age)| (lane.to_owned(), age));
        Self::Known { items: items.collect(), oldest: oldest.collect() }
    }

    /// What every check of the spool says where there is nothing to count.
    fn without_items(&self) -> Option<Vec<(String, Outcome)>> {
        let outcome = match self {
            Self::Direct => Outcome::ok("direct mode stores nothing"),
            Self::Nothing => Outcome::ok("there is no spool yet"),
            Self::Unknown { why, remedy } => Outcome::unknown(why, remedy),
            Self::Known { .. } => return None,
        };
        Some(vec![("the spool".to_owned(), outcome)])
    }

    pub(super) fn oldest(&self, subject: &Subject, late: Duration) -> Vec<(String, Outcome)> {
        let Self::Known { oldest, .. } = self else { return self.without_items().unwrap_or_default() };
        let late: Vec<_> = oldest
            .iter()
            .filter(|(_, waited)| *waited > late)
            .map(|(lane, waited)| {
                let outcome = Outcome::warn(
                    format!("the oldest object has waited for {}", age(*waited)),
                    "less than 15 min",
                    list(subject, &format!("--lane {lane}")),
                );
                (unit_name(lane, subject), outcome)
            })
            .collect();
        if !late.is_empty() {
            return late;
        }
        let longest = oldest.iter().map(|(_, waited)| *waited).max();
        let found =
            longest.map_or_else(|| "nothing waits".to_owned(), |waited| format!("{} at most", age(waited)));
        vec![("the spool".to_owned(), Outcome::ok(found))]
    }

    pub(super) fn held(&self, subject: &Subject) -> Vec<(String, Outcome)> {
        self.in_state("held", subject, |found| {
            // A reload does not bring the relay another copy of a key that systemd hands over.
            let mend = if found.contains(Cause::MdssUnauthorized.name()) {
                format!(
                    "if mdss.key is ok by now: {}; else give the relay another key: {}",
                    key::renew(subject),
                    key::replace(subject)
                )
            } else {
                "mend what the reason says, see docs/answers.md, then systemctl reload mdss-relay-http"
                    .to_owned()
            };
            Outcome::fail(
                format!("{found}, until somebody has mended the cause"),
                "no object that waits for an operator",
                format!("{}; {mend}", list(subject, "--state held")),
            )
        })
    }

    pub(super) fn parked(&self, subject: &Subject) -> Vec<(String, Outcome)> {
        self.in_state("parked", subject, |found| {
            Outcome::warn(
                format!("{found}, which are not tried any more"),
                "no object that was given up",
                format!("{}; retry sends one again, purge deletes it", list(subject, "--state parked")),
            )
        })
    }

    /// One finding for each lane that has items in this state.
    fn in_state(
        &self,
        state: &str,
        subject: &Subject,
        outcome: impl Fn(String) -> Outcome,
    ) -> Vec<(String, Outcome)> {
        let Self::Known { items, .. } = self else { return self.without_items().unwrap_or_default() };
        let mut lanes: Vec<&str> = Vec::new();
        let items: Vec<&Items> =
            items.iter().filter(|items| items.state == state && items.count > 0).collect();
        for one in &items {
            if !lanes.contains(&one.lane.as_str()) {
                lanes.push(&one.lane);
            }
        }
        if lanes.is_empty() {
            return vec![("the spool".to_owned(), Outcome::ok(format!("none is {state}")))];
        }
        let of = |lane: &str| {
            let of_lane = items.iter().filter(|one| one.lane == lane);
            let parts: Vec<_> = of_lane
                .map(|one| {
                    let reason = if one.reason.is_empty() { "no reason yet" } else { &one.reason };
                    format!("{} for {reason}", one.count)
                })
                .collect();
            outcome(format!("objects {state}: {}", parts.join(", ")))
        };
        lanes.iter().map(|lane| (unit_name(lane, subject), of(lane))).collect()
    }
}

/// The command that shows the items concerned.
fn list(subject: &Subject, which: &str) -> String {
    match subject.http.spool.as_ref().map(|spool| &spool.place) {
        Some(SpoolPlace::Database(DatabaseSettings { url: DatabaseUrl::File(file), .. })) => {
            format!("sudo -u mdss-relay mdss-relay spool --url-file {} list {which}", file.display())
        }
        // Its variable has the URL, which no command line may show.
        Some(SpoolPlace::Database(_)) => format!("mdss-relay spool list {which}"),
        place => {
            let dir =
                place.and_then(SpoolPlace::dir).map(|dir| dir.display().to_string()).unwrap_or_default();
            format!("sudo -u mdss-relay mdss-relay spool --data-dir {dir} list {which}")
        }
    }
}
