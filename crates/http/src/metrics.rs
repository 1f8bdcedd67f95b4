//! What is counted, in Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>, version
//! 0.0.4). Names and labels are an interface: alerts are written on them. The list is in `docs/operation.md`, and a test
//! compares it with [`METRICS`].

mod list;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use mdss_relay_core::{ATTEMPT_BOUNDS, Attempts, Report, ResultKind, SkipReason};
use mdss_relay_ledger::Histogram;
use mdss_relay_spool::{
    Counts, LATENCY_BOUNDS, OutboxSize, Position, Replica, Sharing, Snapshot, Standing, TroubleKind,
};

use crate::compared::Compared;
use crate::ledger::Seen;
use crate::results;
pub use list::METRICS;

/// What is known of a database that several relays share; what does not come in time is missing.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) standing: Option<Standing>,
    pub(crate) replicas: Vec<Replica>,
    /// Objects that MDSS has accepted from all of them in the last minute.
    pub(crate) accepted: Option<u64>,
    pub(crate) sharing: Option<Sharing>,
}

/// Counters of the server itself.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Own>);

#[derive(Debug, Default)]
struct Own {
    requests: BTreeMap<(String, u16), u64>,
    records: BTreeMap<(String, &'static str, &'static str), u64>,
    unusable: BTreeMap<String, u64>,
    reloads: BTreeMap<&'static str, u64>,
    /// Seconds since 1970, as Prometheus has moments.
    configured: Option<f64>,
    last_events: BTreeMap<String, f64>,
    /// What was found in each bucket of each store, the last time that it was compared to the end; and whether the last attempt failed.
    compared: BTreeMap<(String, String), (Option<Compared>, bool)>,
    /// What each check says at worst.
    checks: BTreeMap<&'static str, u8>,
}

impl Counters {
    fn counts(&self) -> MutexGuard<'_, Own> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer; `None` for a path of no source.
    pub(crate) fn answered(&self, source: Option<&str>, status: u16) {
        *self.counts().requests.entry((source.unwrap_or("-").to_owned(), status)).or_default() += 1;
    }

    /// How many answers said that an event must come again: 500 and 503.
    pub(crate) fn refused_deliveries(&self) -> u64 {
        let counts = self.counts();
        counts.requests.iter().filter(|((_, status), _)| matches!(status, 500 | 503)).map(|(_, n)| n).sum()
    }

    pub(crate) fn reported(&self, source: &str, report: &Report) {
        let mut counts = self.counts();
        counts.last_events.insert(source.to_owned(), now());
        for record in &report.records {
            let reason = record.reason.unwrap_or("");
            *counts.records.entry((source.to_owned(), record.result.name(), reason)).or_default() += 1;
        }
        let unusable = report.records.iter().filter(|record| record.is_unusable()).count();
        *counts.unusable.entry(source.to_owned()).or_default() += unusable as u64;
    }

    /// A whole delivery that can never be used.
    pub(crate) fn unusable(&self, source: &str) {
        let mut counts = self.counts();
        counts.last_events.insert(source.to_owned(), now());
        *counts.unusable.entry(source.to_owned()).or_default() += 1;
    }

    /// The sources there are, and what is usually done with their records: an alert sees a counter grow only if it was there before.
    pub(crate) fn add_sources<'n>(&self, sources: impl Iterator<Item = &'n str>, taken: ResultKind) {
        let mut counts = self.counts();
        for source in sources {
            counts.unusable.entry(source.to_owned()).or_default();
            for (result, reason) in [(taken, ""), (ResultKind::Skipped, SkipReason::NotSelected.name())] {
                counts.records.entry((source.to_owned(), result.name(), reason)).or_default();
            }
        }
    }

    /// What was found in a bucket; `None`: it could not be compared.
    pub(crate) fn compared(&self, store: &str, bucket: &str, found: Option<Compared>) {
        let mut counts = self.counts();
        let known = counts.compared.entry((store.to_owned(), bucket.to_owned())).or_default();
        *known = (found.or(known.0), found.is_none());
    }

    /// What was found in a bucket by the last comparison that is written down: before the start, or by another relay since. What this process has found later stays.
    pub(crate) fn recalled(&self, store: &str, bucket: &str, found: Compared) {
        let mut counts = self.counts();
        let known = counts.compared.entry((store.to_owned(), bucket.to_owned())).or_default();
        *known = match known {
            (Some(known), failed) if known.at >= found.at => (Some(*known), *failed),
            // Another relay has done what this one could not.
            (Some(_), _) => (Some(found), false),
            (None, failed) => (Some(found), *failed),
        };
    }

    /// What the checks say now: of each one the worst.
    pub(crate) fn checked(&self, worst: BTreeMap<&'static str, u8>) {
        self.counts().checks = worst;
    }

    /// A configuration, read just now, is in force.
    pub(crate) fn configured(&self) {
        self.counts().configured = Some(now());
    }

    pub(crate) fn reloaded(&self, outcome: &'static str) {
        *self.counts().reloads.entry(outcome).or_default() += 1;
    }

    /// Everything there is to show, with every attempt of this process. `spool` is `None` without one; there is no snapshot if its file
    /// cannot be read just now.
    pub(crate) fn text(
        &self,
        attempts: &Attempts,
        spool: Option<(&Counts, Option<&Snapshot>)>,
        cluster: Option<&Cluster>,
        ledger: Option<&Seen>,
    ) -> String {
        let mut page = Page::default();
        page.put("mdss_relay_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        {
            let counts = self.counts();
            for ((source, status), n) in &counts.requests {
                let status = status.to_string();
                page.put("mdss_relay_requests_total", &[("source", source), ("status", &status)], *n as f64);
            }
            for ((source, result, reason), n) in &counts.records {
                let labels = [("source", source.as_str()), ("result", result), ("reason", reason)];
                page.put("mdss_relay_records_total", &labels, *n as f64);
            }
            for (source, n) in &counts.unusable {
                page.put("mdss_relay_unusable_total", &[("source", source)], *n as f64);
            }
            for outcome in ["taken", "refused"] {
                let n = counts.reloads.get(outcome).copied().unwrap_or(0);
                page.put("mdss_relay_reloads_total", &[("outcome", outcome)], n as f64);
            }
            if let Some(at) = counts.configured {
                page.put("mdss_relay_configuration_timestamp_seconds", &[], at);
            }
            for (source, at) in &counts.last_events {
                page.put("mdss_relay_last_event_timestamp_seconds", &[("source", source)], *at);
            }
            for (id, worst) in &counts.checks {
                page.put("mdss_relay_check", &[("id", id)], f64::from(*worst));
            }
            for ((store, bucket), (found, failed)) in &counts.compared {
                page.compared(&[("store", store), ("bucket", bucket)], found.as_ref(), *failed);
            }
        }
        page.put("mdss_relay_log_lines_dropped_total", &[], mdss_relay_host::lines_dropped() as f64);
        page.attempts("mdss_relay_attempts_total", attempts);
        page.histogram(
            "mdss_relay_attempt_seconds",
            &ATTEMPT_BOUNDS,
            &attempts.seconds,
            attempts.took.as_secs_f64(),
        );
        page.endpoint(attempts);
        if let Some((counts, snapshot)) = spool {
            page.attempts("mdss_relay_spool_attempts_total", attempts);
            page.put("mdss_relay_spool_up", &[], f64::from(u8::from(snapshot.is_some())));
            if let Some(snapshot) = snapshot {
                page.stock(snapshot);
            }
            page.counts(counts);
            if let Some(cluster) = cluster {
                if let Some(snapshot) = snapshot {
                    page.put("mdss_relay_spool_stock_age_seconds", &[], snapshot.stock.age.as_secs_f64());
                }
                page.cluster(cluster);
            }
        }
        if let Some(seen) = ledger {
            page.ledger(seen);
        }
        page.finish()
    }
}

/// What there is to show of results.
pub(crate) fn results_text(seen: &results::Seen) -> String {
    let mut page = Page::default();
    for ((source, became), n) in &seen.came {
        page.put("mdss_relay_results_total", &[("source", source), ("became", became)], *n as f64);
    }
    if let Some(state) = &seen.state {
        if let Some(last) = state.last {
            let name = "mdss_relay_loop_last_result_timestamp_seconds";
            page.put(name, &[], last.as_millis() as f64 / 1000.0);
        }
        for (became, n) in &state.kept {
            page.put("mdss_relay_loop_kept", &[("became", became.name())], *n as f64);
        }
        for unit in &state.units {
            let lane = [("lane", unit.unit.as_deref().unwrap_or("-"))];
            page.put("mdss_relay_loop_unconfirmed", &lane, unit.unconfirmed as f64);
            page.put("mdss_relay_loop_never_scanned", &lane, unit.never as f64);
            page.put("mdss_relay_loop_unconfirmed_after_seconds", &lane, unit.after.as_secs_f64());
            page.took("mdss_relay_loop_result_seconds", lane, &unit.results_took);
            page.took("mdss_relay_loop_scan_seconds", lane, &unit.scans_took);
        }
        // A nought would say that all files are told of.
        if state.blocked_only || state.tells_all {
            page.put("mdss_relay_loop_blocked_only", &[], f64::from(u8::from(state.blocked_only)));
        }
    }
    page.finish()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Lines gathered under the name of their metric, since those of one metric must stand together.
#[derive(Default)]
struct Page(BTreeMap<usize, String>);

impl Page {
    /// One line of a metric; `name` may be longer than the metric's by one of a histogram's endings.
    fn put(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let metric = METRICS.iter().position(|(metric, kind, _)| {
            *metric == name
                || (*kind == "histogram" && name.strip_prefix(metric).is_some_and(|end| end.starts_with('_')))
        });
        let lines = self.0.entry(metric.unwrap_or(usize::MAX)).or_default();
        let mut between = '{';
        let _ = write!(lines, "{name}");
        for (label, text) in labels {
            let _ = write!(lines, "{between}{label}=\"{}\"", Escaped(text));
            between = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(lines, "{end} {value}");
    }

    fn compared(&mut self, labels: &[(&str, &str)], found: Option<&Compared>, failed: bool) {
        self.put("mdss_relay_reconcile_failing", labels, f64::from(u8::from(failed)));
        if let Some(found) = found {
            self.put("mdss_relay_reconcile_last_run_timestamp_seconds", labels, found.at);
            self.put("mdss_relay_reconcile_listed", labels, found.listed as f64);
            self.put("mdss_relay_reconcile_missing", labels, found.missing as f64);
            if let Some(coverage) = found.coverage {
                self.put("mdss_relay_reconcile_coverage_ratio", labels, coverage);
            }
        }
    }

    fn attempts(&mut self, name: &str, attempts: &Attempts) {
        for ((lane, outcome), n) in &attempts.outcomes {
            self.put(name, &[("lane", lane), ("outcome", outcome)], *n as f64);
        }
    }

    /// How MDSS is, as times.
    fn endpoint(&mut self, attempts: &Attempts) {
        let Attempts { last_answer, last_accepted, failing, .. } = attempts;
        let seconds = |time: Timestamp| time.as_duration().as_secs_f64();
        let since = failing.as_ref().map_or(0.0, |failing| seconds(failing.since));
        self.put("mdss_relay_endpoint_failing_since_timestamp_seconds", &[], since);
        let last_failed = failing.as_ref().map(|failing| failing.last);
        for (name, time) in [
            ("mdss_relay_endpoint_last_attempt_timestamp_seconds", (*last_answer).max(last_failed)),
            ("mdss_relay_endpoint_last_answer_timestamp_seconds", *last_answer),
            ("mdss_relay_endpoint_last_accepted_timestamp_seconds", *last_accepted),
        ] {
            if let Some(time) = time {
                self.put(name, &[], seconds(time));
            }
        }
    }

    /// `counts` has one more place than `bounds`, for the rest.
    fn histogram(&mut self, name: &str, bounds: &[f64], counts: &[u64], sum_seconds: f64) {
        let mut so_far = 0;
        for (index, n) in counts.iter().enumerate() {
            so_far += n;
            let bound = bounds.get(index).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            self.put(&format!("{name}_bucket"), &[("le", &bound)], so_far as f64);
        }
        self.put(&format!("{name}_sum"), &[], sum_seconds);
        self.put(&format!("{name}_count"), &[], so_far as f64);
    }

    /// A histogram of one lane, as the ledger keeps it.
    fn took(&mut self, name: &str, [lane]: [(&str, &str); 1], took: &Histogram) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in &took.until {
            self.put(&bucket, &[lane, ("le", &bound.to_string())], *count as f64);
        }
        self.put(&bucket, &[lane, ("le", "+Inf")], took.count as f64);
        self.put(&format!("{name}_sum"), &[lane], took.seconds);
        self.put(&format!("{name}_count"), &[lane], took.count as f64);
    }

    fn stock(&mut self, snapshot: &Snapshot) {
        for depth in &snapshot.stock.depths {
            let labels =
                [("lane", depth.lane.as_str()), ("state", depth.state.name()), ("reason", &depth.reason)];
            self.put("mdss_relay_spool_items", &labels, depth.items as f64);
        }
        self.put("mdss_relay_spool_bytes", &[], snapshot.stock.used_bytes as f64);
        if let Some(leased) = snapshot.stock.leased {
            self.put("mdss_relay_spool_leased", &[], leased as f64);
        }
        self.put("mdss_relay_spool_limit_bytes", &[], snapshot.limit_bytes as f64);
        for (lane, age) in snapshot.stock.ages() {
            self.put("mdss_relay_spool_oldest_seconds", &[("lane", lane)], age.as_secs_f64());
        }
        for (lane, age) in snapshot.stock.waiting_ages() {
            self.put("mdss_relay_spool_oldest_waiting_seconds", &[("lane", lane)], age.as_secs_f64());
        }
    }

    fn counts(&mut self, counts: &Counts) {
        self.put("mdss_relay_spool_stored_total", &[], counts.accepted as f64);
        self.put("mdss_relay_spool_accepted_total", &[], counts.accepted as f64);
        self.put("mdss_relay_spool_spooled_total", &[], counts.spooled as f64);
        self.put("mdss_relay_spool_duplicates_total", &[], counts.duplicates as f64);
        for ((source, share), n) in &counts.no_room {
            self.put("mdss_relay_spool_no_room_total", &[("source", source), ("share", share)], *n as f64);
        }
        // From the beginning, at 0: nobody sees the first step of a counter that appears with it.
        for kind in TroubleKind::ALL {
            let n = counts.refused.get(kind.name()).copied().unwrap_or(0);
            self.put("mdss_relay_spool_refused_total", &[("reason", kind.name())], n as f64);
        }
        for (lane, n) in &counts.delivered {
            self.put("mdss_relay_spool_delivered_total", &[("lane", lane)], *n as f64);
        }
        for ((lane, reason), n) in &counts.parked {
            self.put("mdss_relay_spool_parked_total", &[("lane", lane), ("reason", reason)], *n as f64);
        }
        let latency = &counts.latency;
        self.histogram(
            "mdss_relay_spool_latency_seconds",
            &LATENCY_BOUNDS,
            &latency.counts,
            latency.sum_seconds,
        );
        for (lane, position) in &counts.breakers {
            let lane = if lane.is_empty() { "-" } else { lane };
            let open = match position {
                Position::Closed => 0.0,
                Position::HalfOpen => 0.5,
                Position::Open => 1.0,
            };
            self.put("mdss_relay_spool_breaker_open", &[("lane", lane)], open);
        }
        if let Some(pace) = counts.pace {
            self.put("mdss_relay_spool_pace", &[], pace);
        }
    }

    fn cluster(&mut self, cluster: &Cluster) {
        if let Some(standing) = &cluster.standing {
            let kept = f64::from(u8::from(standing.holds().is_ok()));
            self.put("mdss_relay_spool_durability_kept", &[], kept);
            if let (Some(standbys), false) = (standing.standbys, standing.standby_names.is_empty()) {
                self.put("mdss_relay_spool_standbys", &[], f64::from(standbys));
            }
            self.put("mdss_relay_spool_dead_rows", &[], standing.dead_rows as f64);
            self.put("mdss_relay_spool_live_rows", &[], standing.live_rows as f64);
            let oldest = standing.oldest_transaction.as_secs_f64();
            self.put("mdss_relay_spool_oldest_transaction_seconds", &[], oldest);
        }
        let mut replicas: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        for replica in &cluster.replicas {
            let settings = if replica.differs { "other" } else { "same" };
            *replicas.entry((&replica.version, settings)).or_default() += 1.0;
        }
        for ((version, settings), n) in replicas {
            self.put("mdss_relay_spool_replicas", &[("version", version), ("settings", settings)], n);
        }
        if let Some(accepted) = cluster.accepted {
            self.put("mdss_relay_spool_rate", &[], accepted as f64 / 60.0);
        }
        if let Some(Sharing { unknown, fenced, renewed, reconnects, tokens, commits }) = &cluster.sharing {
            for (name, n) in [
                ("mdss_relay_spool_unknown_total", unknown),
                ("mdss_relay_spool_fenced_total", fenced),
                ("mdss_relay_spool_renewed_total", renewed),
                ("mdss_relay_spool_reconnects_total", reconnects),
                ("mdss_relay_spool_tokens_total", tokens),
            ] {
                self.put(name, &[], *n as f64);
            }
            let name = "mdss_relay_spool_commit_seconds";
            self.histogram(name, &LATENCY_BOUNDS, &commits.counts, commits.sum_seconds);
        }
    }

    fn ledger(&mut self, seen: &Seen) {
        let outbox = |value: fn(&OutboxSize) -> f64| seen.outbox.as_ref().map(value);
        for (name, value) in [
            ("mdss_relay_ledger_healthy", Some(f64::from(u8::from(seen.healthy)))),
            ("mdss_relay_ledger_entries", seen.entries.map(|n| n as f64)),
            ("mdss_relay_ledger_bytes", seen.bytes.map(|n| n as f64)),
            ("mdss_relay_ledger_unscanned", seen.unscanned.map(|n| n as f64)),
            ("mdss_relay_ledger_outbox_rows", outbox(|outbox| outbox.rows as f64)),
            ("mdss_relay_ledger_outbox_bytes", outbox(|outbox| outbox.bytes as f64)),
            ("mdss_relay_ledger_outbox_lost", outbox(|outbox| outbox.lost as f64)),
            ("mdss_relay_ledger_lag_seconds", outbox(|outbox| outbox.age.as_secs_f64())),
            ("mdss_relay_ledger_gaps_total", Some(seen.gaps as f64)),
        ] {
            if let Some(value) = value {
                self.put(name, &[], value);
            }
        }
    }

    fn finish(self) -> String {
        let mut text = String::new();
        for (metric, lines) in self.0 {
            if let Some((name, kind, help)) = METRICS.get(metric) {
                let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            }
            text.push_str(&lines);
        }
        text
    }
}

/// A label's value: backslash, quote and line feed are escaped.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_metric_stand_together_and_labels_are_escaped() {
        let counters = Counters::default();
        for (source, status) in [(Some("a"), 200), (None, 404), (Some("a"), 200), (Some("b\"\\\n"), 503)] {
            counters.answered(source, status);
        }
        counters.reloaded("taken");
        let text = counters.text(&Attempts::default(), Some((&Counts::default(), None)), None, None);
        let lines: Vec<_> =
            text.lines().filter(|l| !l.starts_with("# HELP") && !l.contains("_attempt_seconds")).collect();
        assert_eq!(
            lines[1..16],
            [
                &format!("mdss_relay_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
                "# TYPE mdss_relay_requests_total counter",
                r#"mdss_relay_requests_total{source="-",status="404"} 1"#,
                r#"mdss_relay_requests_total{source="a",status="200"} 2"#,
                r#"mdss_relay_requests_total{source="b\"\\\n",status="503"} 1"#,
                "# TYPE mdss_relay_reloads_total counter",
                r#"mdss_relay_reloads_total{outcome="taken"} 1"#,
                r#"mdss_relay_reloads_total{outcome="refused"} 0"#,
                "# TYPE mdss_relay_log_lines_dropped_total counter",
                "mdss_relay_log_lines_dropped_total 0",
                "# TYPE mdss_relay_endpoint_failing_since_timestamp_seconds gauge",
                "mdss_relay_endpoint_failing_since_timestamp_seconds 0",
                "# TYPE mdss_relay_spool_up gauge",
                "mdss_relay_spool_up 0",
                "# TYPE mdss_relay_spool_stored_total counter",
            ]
        );
        assert!(!Counters::default().text(&Attempts::default(), None, None, None).contains("_spool_"));
    }
}
