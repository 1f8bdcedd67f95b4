-- What the ledger has not got yet: a fact for each item that has left, and for what was done by hand. Empty without a ledger.

CREATE TABLE mdss_relay.outbox (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    body text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON COLUMN mdss_relay.outbox.body IS 'JSON; docs/ledger.md has its members; text, so that it is what was written';

CREATE TABLE mdss_relay.outbox_state (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    room      bigint,
    holder    uuid,
    until     timestamptz,
    lost      bigint NOT NULL DEFAULT 0,
    lost_from timestamptz,
    lost_to   timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON COLUMN mdss_relay.outbox_state.room IS 'bytes that may wait; null: nobody keeps a ledger';
COMMENT ON COLUMN mdss_relay.outbox_state.holder IS 'the relay that takes them to the ledger, until it is not heard of';
COMMENT ON COLUMN mdss_relay.outbox_state.lost IS 'facts that there was no room for, and that no gap tells of yet';
INSERT INTO mdss_relay.outbox_state DEFAULT VALUES;

-- What is asked with every group of events is a function: a session keeps its plan, also where a pooler exchanges sessions. Without one the server
-- parsed and planned for as long as it stored.
-- A function is never changed once it has been released, because older relays call it: a later step makes another one beside it.

CREATE FUNCTION mdss_relay.accept(
    item_ids int8[], item_tokens int4[], item_deliveries int8[], item_sources text[], item_paths bytea[], item_lanes text[], item_states int2[],
    item_pauses float8[], item_reasons text[], item_details text[], item_buckets text[], item_keys text[], item_marks bytea[], item_bytes int8[],
    delivery_ids int8[], delivery_names text[], delivery_sources text[], delivery_dialects text[], delivery_methods text[], delivery_headers text[],
    delivery_bodies bytea[], delivery_checksums int8[],
    OUT sync text, OUT standby boolean, OUT standby_names text, OUT new_ids int8[])
LANGUAGE plpgsql AS $$
BEGIN
    -- A role, a database or a pooler may have lowered it.
    sync := set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true);
    -- The write of those that find nothing but duplicates: without one a commit waits for no standby.
    PERFORM pg_logical_emit_message(true, 'mdss-relay', ''),
    -- One plan for groups of all sizes, and for a table of marks that was empty when it was made.
            set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true);
    -- Rows are written in the order of their marks: two relays that store the same marks in another order would wait for each other.
    -- Functions of sets beside each other in a list of columns need no tables of their own, as they do behind FROM.
    WITH stored AS (
        INSERT INTO mdss_relay.item (id, token, delivery, source, path, lane, state, since, not_before, reason, detail, bucket, key, mark, bytes)
        SELECT i.id, i.token, i.delivery, i.source, i.path, i.lane, i.state, now(), now() + i.pause * interval '1 second',
               i.reason, i.detail, i.bucket, i.key, i.mark, i.bytes
        FROM (SELECT unnest(item_ids) AS id, unnest(item_tokens) AS token, unnest(item_deliveries) AS delivery, unnest(item_sources) AS source,
                     unnest(item_paths) AS path, unnest(item_lanes) AS lane, unnest(item_states) AS state, unnest(item_pauses) AS pause,
                     unnest(item_reasons) AS reason, unnest(item_details) AS detail, unnest(item_buckets) AS bucket, unnest(item_keys) AS key,
                     unnest(item_marks) AS mark, unnest(item_bytes) AS bytes) AS i
        WHERE (SELECT true FROM mdss_relay.done WHERE done.mark = i.mark) IS NULL
        ORDER BY i.mark, i.id
        ON CONFLICT (mark) WHERE mark IS NOT NULL DO NOTHING
        RETURNING item.id, item.delivery
    ), kept AS (
        INSERT INTO mdss_relay.delivery (id, name, source, dialect, method, headers, body, received, checksum, items)
        SELECT d.id, d.name, d.source, d.dialect, d.method, d.headers, d.body, now(), d.checksum, s.items
        FROM (SELECT unnest(delivery_ids) AS id, unnest(delivery_names) AS name, unnest(delivery_sources) AS source, unnest(delivery_dialects) AS dialect,
                     unnest(delivery_methods) AS method, unnest(delivery_headers) AS headers, unnest(delivery_bodies) AS body,
                     unnest(delivery_checksums) AS checksum) AS d
        JOIN (SELECT stored.delivery, count(*)::int AS items FROM stored GROUP BY 1) AS s ON s.delivery = d.id
    )
    SELECT array_agg(stored.id) INTO new_ids FROM stored;
    standby := pg_is_in_recovery();
    standby_names := current_setting('synchronous_standby_names');
END $$;
