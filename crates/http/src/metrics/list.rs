//! The metrics there are. Names and labels are an interface: alerts are written on them.

/// Every metric: name, kind, and what it says.
pub const METRICS: &[(&str, &str, &str)] = &[
    ("mdss_relay_build_info", "gauge", "1; the version is a label"),
    (
        "mdss_relay_requests_total",
        "counter",
        "HTTP responses, by source and status; source - stands for requests whose path matched no source",
    ),
    (
        "mdss_relay_records_total",
        "counter",
        "records of deliveries, by source, by result (accepted, spooled, skipped, failed) and reason; accepted is direct mode, spooled is spooled mode",
    ),
    (
        "mdss_relay_unusable_total",
        "counter",
        "records that can never be used and were not stored, by source; starts at 0",
    ),
    ("mdss_relay_reloads_total", "counter", "configurations read on SIGHUP, by outcome (taken, refused)"),
    ("mdss_relay_configuration_timestamp_seconds", "gauge", "when the configuration in force was read"),
    (
        "mdss_relay_last_event_timestamp_seconds",
        "gauge",
        "when the last delivery came that was let in, by source; absent before the first",
    ),
    (
        "mdss_relay_log_lines_dropped_total",
        "counter",
        "log lines dropped because standard error accepted no data for a while",
    ),
    (
        "mdss_relay_attempts_total",
        "counter",
        "requests to MDSS, by lane and outcome (accepted, or the failure's reason)",
    ),
    ("mdss_relay_attempt_seconds", "histogram", "duration of one request to MDSS, whatever its outcome"),
    (
        "mdss_relay_endpoint_failing_since_timestamp_seconds",
        "gauge",
        "when the outage of MDSS began, or of the way to it: all requests since have failed; 0 without an outage",
    ),
    (
        "mdss_relay_endpoint_last_attempt_timestamp_seconds",
        "gauge",
        "when the last request to MDSS ended, whatever its outcome; absent before the first",
    ),
    (
        "mdss_relay_endpoint_last_answer_timestamp_seconds",
        "gauge",
        "when MDSS, or a proxy in its place, last answered; absent before the first",
    ),
    (
        "mdss_relay_endpoint_last_accepted_timestamp_seconds",
        "gauge",
        "when MDSS last accepted an object; absent before the first",
    ),
    (
        "mdss_relay_spool_up",
        "gauge",
        "1 if the spool can be read, else 0; at 0 the five gauges below are absent",
    ),
    ("mdss_relay_spool_items", "gauge", "stored items, by lane, state (waiting, held, parked) and reason"),
    ("mdss_relay_spool_bytes", "gauge", "bytes of the spool in use"),
    (
        "mdss_relay_spool_limit_bytes",
        "gauge",
        "limit of the spool in bytes, above which no event is accepted (RELAY_SPOOL_LIMIT)",
    ),
    ("mdss_relay_spool_oldest_seconds", "gauge", "age of the oldest item that is waiting or held, by lane"),
    (
        "mdss_relay_spool_oldest_waiting_seconds",
        "gauge",
        "age of the oldest item that is waiting for MDSS, by lane; what is held does not count",
    ),
    ("mdss_relay_spool_stored_total", "counter", "deliveries of which at least one item was put on disk"),
    ("mdss_relay_spool_spooled_total", "counter", "items put on disk"),
    (
        "mdss_relay_spool_duplicates_total",
        "counter",
        "records not stored because the same write was already stored or accepted",
    ),
    (
        "mdss_relay_spool_no_room_total",
        "counter",
        "records not stored because a share of the spool was used up, by source and share (held, parked, all, source, unit)",
    ),
    ("mdss_relay_spool_refused_total", "counter", "deliveries that could not be stored, by reason"),
    ("mdss_relay_spool_delivered_total", "counter", "items that MDSS has accepted, by lane"),
    ("mdss_relay_spool_parked_total", "counter", "items parked by the worker, by lane and reason"),
    (
        "mdss_relay_spool_latency_seconds",
        "histogram",
        "time from the event's own time, else from its receipt, until MDSS accepted it",
    ),
    (
        "mdss_relay_spool_breaker_open",
        "gauge",
        "circuit breaker, by lane: 0 closed, 0.5 half open, 1 open; lane - is MDSS's endpoint",
    ),
    (
        "mdss_relay_spool_pace",
        "gauge",
        "requests a second that are sent at most now, from 1 to RELAY_SPOOL_RATE: it grows until MDSS answers 429 or 503; absent before the worker runs",
    ),
    (
        "mdss_relay_spool_stock_age_seconds",
        "gauge",
        "how old the counts of spool_items, _bytes and _oldest are; with a database one relay counts for all: dashboards take their max, not their sum",
    ),
    (
        "mdss_relay_spool_leased",
        "gauge",
        "items in the database that some relay holds under a lease, to send them; counted as spool_items are, so dashboards take its max",
    ),
    (
        "mdss_relay_spool_durability_kept",
        "gauge",
        "1 if the database keeps events as RELAY_SPOOL_DURABILITY asks for, 0 if events are refused because it does not; absent until it is reached",
    ),
    (
        "mdss_relay_spool_standbys",
        "gauge",
        "synchronous standbys that are connected to the database; absent if no commit waits for one, or the role may not see them (pg_monitor)",
    ),
    (
        "mdss_relay_spool_replicas",
        "gauge",
        "relays that share the database, by version and settings (same as the relay heard of last, other)",
    ),
    (
        "mdss_relay_spool_rate",
        "gauge",
        "objects a second that MDSS has accepted from all relays on the database together, over the last minute; they all say the same: dashboards take its max",
    ),
    (
        "mdss_relay_spool_dead_rows",
        "gauge",
        "rows of items in the database that nobody needs and vacuum has not cleared, as the server estimates",
    ),
    ("mdss_relay_spool_live_rows", "gauge", "rows of items in the database, as the server estimates"),
    (
        "mdss_relay_spool_oldest_transaction_seconds",
        "gauge",
        "how long the oldest transaction of the database has been open, as far as its role may see: nothing after it can be cleared",
    ),
    (
        "mdss_relay_spool_unknown_total",
        "counter",
        "deliveries of which it is not known whether the database stored them; their senders heard 503",
    ),
    (
        "mdss_relay_spool_fenced_total",
        "counter",
        "outcomes of attempts that were not written, because another relay had been given the item, or it had gone",
    ),
    ("mdss_relay_spool_renewed_total", "counter", "leases on items that were renewed"),
    ("mdss_relay_spool_reconnects_total", "counter", "connections to the database that were made anew"),
    (
        "mdss_relay_spool_tokens_total",
        "counter",
        "requests to MDSS that the pace of all relays has granted this one",
    ),
    ("mdss_relay_spool_commit_seconds", "histogram", "duration of one commit of accepted events"),
    (
        "mdss_relay_ledger_healthy",
        "gauge",
        "1 if what the ledger has to know is written into it, 0 if it waits; absent without a ledger, as are the others of it",
    ),
    (
        "mdss_relay_ledger_entries",
        "gauge",
        "entries that were ever written into the ledger, those of all relays that share it; absent until it is read",
    ),
    (
        "mdss_relay_ledger_bytes",
        "gauge",
        "bytes of the ledger in use, in a database about; absent until it is read",
    ),
    (
        "mdss_relay_ledger_unscanned",
        "gauge",
        "accepted objects in the ledger of which no result is known; absent until it is read",
    ),
    (
        "mdss_relay_ledger_outbox_rows",
        "gauge",
        "facts that wait in the spool for the ledger; absent until they are counted",
    ),
    (
        "mdss_relay_ledger_outbox_bytes",
        "gauge",
        "bytes of those facts; at 256 MiB further ones are counted and not kept",
    ),
    (
        "mdss_relay_ledger_outbox_lost",
        "gauge",
        "facts for which there was no room, and of which the ledger will get a gap when it works again",
    ),
    ("mdss_relay_ledger_lag_seconds", "gauge", "age of the oldest fact that waits for the ledger"),
    (
        "mdss_relay_ledger_gaps_total",
        "counter",
        "gaps that this process has written into the ledger: something is missing there",
    ),
    (
        "mdss_relay_results_total",
        "counter",
        "results that MDSS has posted, by source and what became of them (matched, again, repeated, ambiguous, unlearned, waiting, other, unreadable)",
    ),
    (
        "mdss_relay_loop_last_result_timestamp_seconds",
        "gauge",
        "when the last result came; absent before the first, and without a ledger",
    ),
    (
        "mdss_relay_loop_kept",
        "gauge",
        "results that are kept and belong to no object, by what became of them (ambiguous, unlearned, waiting, foreign, other, unreadable)",
    ),
    (
        "mdss_relay_loop_unconfirmed",
        "gauge",
        "accepted objects for which no result was received in time, by lane; it is no proof that they were not scanned",
    ),
    (
        "mdss_relay_loop_never_scanned",
        "gauge",
        "accepted objects of which MDSS was asked twice and knows of no scan, by lane",
    ),
    (
        "mdss_relay_loop_unconfirmed_after_seconds",
        "gauge",
        "after how long without a result an accepted object counts as unconfirmed, by lane: an hour, or what was learned",
    ),
    (
        "mdss_relay_loop_result_seconds",
        "histogram",
        "time from MDSS's acceptance of an object until its result was heard, by lane; the ledger keeps it, and several relays on one database say the same",
    ),
    (
        "mdss_relay_loop_scan_seconds",
        "histogram",
        "time from MDSS's acceptance of an object until the end of its scan as MDSS tells it, by lane; nothing of an object that was written several times meanwhile",
    ),
    (
        "mdss_relay_loop_blocked_only",
        "gauge",
        "1 if only results of blocked files come: then nobody can tell an allowed file from one that was never scanned; absent until a result of another file has come, or a hundred objects were accepted without one",
    ),
    (
        "mdss_relay_check",
        "gauge",
        "what a check of doctor says that the relay repeats by itself, by id: 0 well, 1 look at it, 2 it fails; absent where it is not known",
    ),
    (
        "mdss_relay_reconcile_failing",
        "gauge",
        "1 if the bucket could not be compared the last time, by store and bucket; absent before the first comparison, as are the others of it",
    ),
    (
        "mdss_relay_reconcile_last_run_timestamp_seconds",
        "gauge",
        "when the last comparison that came to its end began",
    ),
    ("mdss_relay_reconcile_listed", "gauge", "objects that it has listed"),
    (
        "mdss_relay_reconcile_missing",
        "gauge",
        "those of them that MDSS was never told of, or only of an earlier write",
    ),
    (
        "mdss_relay_reconcile_coverage_ratio",
        "gauge",
        "how much of what ought to be covered is, from 0 to 1; absent if there is nothing",
    ),
    // The old names of two metrics, for one release.
    (
        "mdss_relay_spool_accepted_total",
        "counter",
        "old name of mdss_relay_spool_stored_total; the release after 0.1 no longer has it",
    ),
    (
        "mdss_relay_spool_attempts_total",
        "counter",
        "old name of mdss_relay_attempts_total, in spooled mode alone; the release after 0.1 no longer has it",
    ),
];
