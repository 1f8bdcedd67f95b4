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
