//! `[[reconcile]]`: which buckets a server compares by itself, and how often.

use std::time::Duration;

use mdss_relay_core::{Element, Entry, Mistake, Settings, duration_in};
use mdss_relay_ledger::RunStart;
use mdss_relay_stores::StoreSettings;

use crate::question::{GRACE, Question, RATE};
use crate::target::{Target, Wanted};

/// The members of a `[[reconcile]]`, each with what it may be, what holds without it, and what it is for.
pub const SCHEDULE_MEMBERS: &[(&str, &str, &str, &str)] = &[
    (
        "route",
        "the name of a route",
        "none",
        "what goes to another storage unit does not count; it says which bucket of which store",
    ),
    ("store", "the name of a `[[store]]`", "the one that has the bucket", "which store"),
    ("bucket", "a name", "that of the route, or the only one of the store", "which bucket"),
    ("prefix", "a text", "the whole bucket", "only keys that begin so"),
    (
        "every",
        "a duration from `1m` to `31d` (in `h`)",
        "required",
        "how often: so long after the schedule has last asked the same of this store, or soon after the start if it never has. What an operator compares does not count",
    ),
    ("rate", "a number from 1 to 10000", "20", "objects a second that are forwarded, at most"),
    ("grace", "a duration", "`15m`", "for how long the event of a new object may be on its way"),
    ("forward", "`true`, `false`", "`false`", "what is missing is put into the spool"),
    ("undecidable", "`true`, `false`", "`false`", "what is undecidable, too"),
    (
        "ask_mdss",
        "`true`, `false`",
        "`false`",
        "MDSS is asked about what is missing, four times a second at most; needs `RELAY_LOOP_FILE_API`",
    ),
    ("fail_under", "a percentage", "none", "below it, the line at the end is an error"),
];

const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// One bucket that is compared again and again.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The store.
    pub store: StoreSettings,
    /// What is asked each time.
    pub question: Question,
    /// How often.
    pub every: Duration,
    /// Below so many percent the line at the end is an error.
    pub fail_under: Option<f64>,
}

impl Schedule {
    /// The schedules of a configuration, with every mistake in them. `stores` are those of the same configuration.
    ///
    /// ```
    /// use mdss_relay_core::{Role, Settings};
    /// use mdss_relay_reconcile::Schedule;
    /// use mdss_relay_stores::StoreSettings;
    ///
    /// let toml = "[[store]]\nname = 'share'\nkind = 'directory'\nbuckets = 'scans'\npath = '/mnt/scans'\n\
    ///             [[reconcile]]\nstore = 'share'\nevery = '24h'\nfail_under = 99.99\n";
    /// let settings = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain).settings;
    /// let mut mistakes = Vec::new();
    /// let stores = StoreSettings::read(&settings, &mut mistakes);
    /// let schedules = Schedule::read(&settings, &stores, &mut mistakes);
    /// assert_eq!(mistakes, []);
    /// assert_eq!((schedules[0].question.bucket.as_str(), schedules[0].question.forward), ("scans", false));
    /// ```
    pub fn read(settings: &Settings, stores: &[StoreSettings], mistakes: &mut Vec<Mistake>) -> Vec<Self> {
        let mut schedules: Vec<Self> = Vec::new();
        for Element { place, table } in &settings.reconciles {
            let mut entry = Entry { place: place.clone(), table: table.clone(), mistakes: &mut *mistakes };
            if let Some(schedule) = one(&mut entry, settings, stores) {
                let same = |other: &Self| {
                    other.store.name == schedule.store.name
                        && other.question.bucket == schedule.question.bucket
                };
                if schedules.iter().any(same) {
                    let expected = "a bucket that no other [[reconcile]] compares";
                    entry.mistake("bucket", &schedule.question.bucket, expected);
                }
                schedules.push(schedule);
            }
        }
        schedules
    }
}

fn one(entry: &mut Entry<'_>, settings: &Settings, stores: &[StoreSettings]) -> Option<Schedule> {
    let names: Vec<_> = SCHEDULE_MEMBERS.iter().map(|(name, ..)| *name).collect();
    entry.check_names(&names);
    let before = entry.mistakes.len();
    let every = entry.required("every", "how often, such as 24h");
    let bounds = Duration::from_secs(60)..=LONGEST;
    let every = every.and_then(|text| entry.read("every", &text, |text| duration_in(text, bounds.clone())));
    let grace = entry.text("grace");
    let grace = grace.and_then(|text| {
        entry.read("grace", &text, |text| duration_in(text, Duration::from_millis(1)..=LONGEST))
    });
    let rate = entry.number("rate", 1.0..=10_000.0).map(|rate| rate as u32);
    let forward = entry.flag("forward").unwrap_or(false);
    let undecidable = entry.flag("undecidable").unwrap_or(false);
    let ask_mdss = entry.flag("ask_mdss").unwrap_or(false);
    let fail_under = entry.number("fail_under", 0.0..=100.0);
    let (route, store, bucket) = (entry.text("route"), entry.text("store"), entry.text("bucket"));
    let prefix = entry.text("prefix").unwrap_or_default();
    let wanted = Wanted { route: route.as_deref(), store: store.as_deref(), bucket: bucket.as_deref() };
    let target = match Target::of(settings, stores, wanted) {
        Ok(target) => target,
        Err(sentence) => {
            entry.mistakes.push(Mistake::new(entry.place.clone(), sentence));
            return None;
        }
    };
    let can_ask = settings.http.as_ref().is_none_or(|http| http.file_api.path.is_some());
    if ask_mdss && !can_ask {
        entry.mistake(
            "ask_mdss",
            "true",
            "false without RELAY_LOOP_FILE_API: where MDSS is asked is not known",
        );
    }
    if entry.mistakes.len() > before {
        return None;
    }
    Some(Schedule {
        store: target.store.clone(),
        question: Question {
            prefix: prefix.into_bytes(),
            route: target.route,
            grace: grace.unwrap_or(GRACE),
            forward,
            undecidable,
            ask_mdss,
            rate: rate.unwrap_or(RATE),
            ..Question::about(target.bucket, RunStart::SCHEDULE)
        },
        every: every?,
        fail_under,
    })
}
