-- A lease has a column of its own, which is in no index nor in the condition of one, and half of each page is free: so what is given out stays on its
-- page and in its places in the indexes. A claim that moved `not_before` wrote a new entry of each of them, an item.

ALTER TABLE mdss_relay.item ADD COLUMN leased timestamptz, SET (fillfactor = 50);
COMMENT ON COLUMN mdss_relay.item.not_before IS 'when it may be given out';
COMMENT ON COLUMN mdss_relay.item.leased IS 'until when somebody holds it';

-- Claims are functions as well, so that a session keeps their plans; and one claim is one answer: the items, and with the first of each delivery the
-- delivery. As statements that are planned anew each time, with the deliveries asked for afterwards, a claim took nearly half as long again.
-- A plan for any number of lanes and places is thought so dear that the server would compile it, for a third of a second (jit).
-- Each lookup of one row is a subquery with a limit: a join might be planned for a table that was empty when its plan was made.

-- What is put off, and nothing else: whoever looked for that in `item_due` would read what was settled, too, until the table was vacuumed.
DROP INDEX IF EXISTS mdss_relay.item_put_off;
CREATE INDEX item_put_off ON mdss_relay.item (lane, not_before, delivery) WHERE state <> 2 AND not_before > since;

-- The lanes that have anything to be tried, a step of the index a lane, and after how many seconds the next item of each comes due that nobody holds.
CREATE OR REPLACE FUNCTION mdss_relay.lanes() RETURNS TABLE (lane_name text, next float8) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true);
    RETURN QUERY WITH RECURSIVE found (lane) AS (
        (SELECT item.lane FROM mdss_relay.item WHERE item.state <> 2 ORDER BY item.lane LIMIT 1)
        UNION ALL
        SELECT (SELECT i.lane FROM mdss_relay.item i WHERE i.state <> 2 AND i.lane > found.lane ORDER BY i.lane LIMIT 1) FROM found WHERE found.lane IS NOT NULL
    )
    SELECT found.lane, (SELECT extract(epoch FROM i.not_before - now())::float8 FROM mdss_relay.item i
                        WHERE i.lane = found.lane AND i.state <> 2 AND i.not_before > i.since AND i.not_before > now()
                          AND (i.leased IS NULL OR i.leased <= now())
                        -- Only that index is in this order.
                        ORDER BY i.not_before, i.delivery LIMIT 1)
    FROM found WHERE found.lane IS NOT NULL;
END $$;

-- Takes those of the items that were found, and locked, whose bodies fit into memory, in their order.
CREATE OR REPLACE FUNCTION mdss_relay.take(found_ids int8[], found_deliveries int8[], found_dues timestamptz[], most_bytes int8, lease float8)
RETURNS SETOF mdss_relay.claimed LANGUAGE plpgsql AS $$
DECLARE
    ticket int8 := nextval('mdss_relay.claims');
BEGIN
    RETURN QUERY WITH ranked AS (
        SELECT f.*, row_number() OVER (PARTITION BY f.delivery ORDER BY f.rank) = 1 AS leads
        FROM (SELECT unnest(found_ids) AS id, unnest(found_deliveries) AS delivery, unnest(found_dues) AS due, generate_subscripts(found_ids, 1) AS rank) AS f
    ), sized AS (
        SELECT r.*, d.alone, CASE WHEN r.leads THEN d.size END AS size
        FROM ranked AS r LEFT JOIN LATERAL (
            SELECT octet_length(delivery.body) AS size, delivery.items = 1 AS alone FROM mdss_relay.delivery WHERE delivery.id = r.delivery LIMIT 1) AS d ON true
    ), summed AS MATERIALIZED (
        SELECT s.*, coalesce(sum(s.size) OVER (ORDER BY s.rank), 0) AS bytes FROM sized AS s
    ), taken AS (
        UPDATE mdss_relay.item SET claim = ticket, leased = now() + lease * interval '1 second'
        WHERE item.id = ANY (ARRAY(SELECT summed.id FROM summed WHERE summed.bytes <= most_bytes OR summed.delivery = found_deliveries[1]))
        RETURNING item.*
    )
    SELECT t.id, t.token, t.claim, t.delivery, t.path, t.lane, t.state, t.attempts, extract(epoch FROM now() - t.since)::float8, t.since, t.reason,
           s.due, cardinality(found_ids)::int8, coalesce(s.alone, true),
           d.name, d.source, d.dialect, d.method, d.headers, d.body, d.received, d.checksum, extract(epoch FROM now() - d.received)::float8, d.items::int8
    FROM taken AS t JOIN summed AS s ON s.id = t.id
    LEFT JOIN LATERAL (SELECT * FROM mdss_relay.delivery WHERE delivery.id = t.delivery AND s.leads LIMIT 1) AS d ON true
    ORDER BY s.rank;
END $$;

-- What is due: of each lane the oldest, the newest, and if it is probed the one that was tried least of a hundred. Only what nobody holds just now.
-- The oldest are looked for from a floor on. The newest were taken already between below and above, if those are no null: what was taken has left
-- its places in the index behind until the table is vacuumed, and is not read past again.
CREATE OR REPLACE FUNCTION mdss_relay.claim_due(
    lanes text[], olds int8[], youngs int8[], probes int8[], floors timestamptz[], aboves timestamptz[], belows timestamptz[],
    most int8, most_bytes int8, lease float8)
RETURNS SETOF mdss_relay.claimed LANGUAGE plpgsql AS $$
DECLARE
    found_ids int8[];
    found_deliveries int8[];
    found_dues timestamptz[];
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true),
            set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
            set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
    WITH asked AS MATERIALIZED (
        SELECT unnest(lanes) AS lane, unnest(olds) AS old, unnest(youngs) AS young, unnest(probes) AS probe, unnest(floors) AS floor,
               unnest(aboves) AS above, unnest(belows) AS below, generate_subscripts(lanes, 1) AS place
    ), old AS MATERIALIZED (
        SELECT a.place, d.* FROM asked AS a, LATERAL (
            SELECT item.id, item.not_before, item.delivery FROM mdss_relay.item
            WHERE item.lane = a.lane AND item.state <> 2 AND item.not_before <= now() AND item.not_before >= a.floor
              AND (item.leased IS NULL OR item.leased <= now())
            ORDER BY item.not_before, item.id LIMIT a.old FOR UPDATE SKIP LOCKED) AS d
    ), fresh AS MATERIALIZED (
        SELECT a.place, d.* FROM asked AS a, LATERAL (
            SELECT item.id, item.not_before, item.delivery FROM mdss_relay.item
            WHERE item.lane = a.lane AND item.state <> 2 AND item.not_before <= now() AND item.not_before > a.above
              AND (item.leased IS NULL OR item.leased <= now())
            ORDER BY item.not_before DESC, item.id DESC LIMIT a.young FOR UPDATE SKIP LOCKED) AS d
    ), young AS MATERIALIZED (
        SELECT a.place, d.* FROM asked AS a, LATERAL (
            SELECT item.id, item.not_before, item.delivery FROM mdss_relay.item
            WHERE item.lane = a.lane AND item.state <> 2 AND item.not_before <= least(a.below, now())
              AND (item.leased IS NULL OR item.leased <= now())
            ORDER BY item.not_before DESC, item.id DESC LIMIT a.young - (SELECT count(*) FROM fresh WHERE fresh.place = a.place)
            FOR UPDATE SKIP LOCKED) AS d
    ), probed AS MATERIALIZED (
        SELECT a.place, d.* FROM asked AS a, LATERAL (
            SELECT item.id, item.not_before, item.delivery FROM mdss_relay.item
            WHERE item.id = ANY (ARRAY(SELECT i.id FROM mdss_relay.item i WHERE i.lane = a.lane AND i.state <> 2 AND i.not_before <= now() AND (i.leased IS NULL OR i.leased <= now())
                                       ORDER BY i.not_before DESC, i.id DESC LIMIT 100))
              AND item.state <> 2 AND item.not_before <= now() AND (item.leased IS NULL OR item.leased <= now())
            ORDER BY item.attempts, item.not_before DESC, item.id DESC LIMIT a.probe FOR UPDATE SKIP LOCKED) AS d
        WHERE a.probe > 0
    ), found AS (
        SELECT old.place, 0 AS part, old.not_before, old.id, old.delivery FROM old
        UNION ALL SELECT fresh.place, 1, fresh.not_before, fresh.id, fresh.delivery FROM fresh
        UNION ALL SELECT young.place, 1, young.not_before, young.id, young.delivery FROM young
        UNION ALL SELECT probed.place, 2, probed.not_before, probed.id, probed.delivery FROM probed
    ), once AS (
        SELECT DISTINCT ON (found.id) found.* FROM found ORDER BY found.id, found.part
    ), ordered AS (
        SELECT once.* FROM once ORDER BY once.place, once.part, CASE WHEN once.part = 0 THEN once.not_before END, CASE WHEN once.part = 0 THEN once.id END,
                                       once.not_before DESC, once.id DESC
        LIMIT most
    )
    SELECT array_agg(o.id), array_agg(o.delivery), array_agg(o.not_before) INTO found_ids, found_deliveries, found_dues FROM ordered AS o;
    IF found_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM mdss_relay.take(found_ids, found_deliveries, found_dues, most_bytes, lease);
END $$;

-- What is put off, for a probe of MDSS itself: of a hundred in each lane the one that was tried least, and of those one. What is held waits for an operator.
CREATE OR REPLACE FUNCTION mdss_relay.claim_early(lanes text[], spared int8[], lease float8)
RETURNS SETOF mdss_relay.claimed LANGUAGE plpgsql AS $$
DECLARE
    found_ids int8[];
    found_deliveries int8[];
    found_dues timestamptz[];
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true),
            set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
            set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
    WITH asked AS MATERIALIZED (
        SELECT unnest(lanes) AS lane, generate_subscripts(lanes, 1) AS place
    ), found AS (
        SELECT d.* FROM asked AS a, LATERAL (
            SELECT a.place, item.not_before, item.id, item.delivery FROM mdss_relay.item
            WHERE item.id = ANY (ARRAY(SELECT i.id FROM mdss_relay.item i
                                       WHERE i.lane = a.lane AND i.state = 0 AND i.not_before > now() AND (i.leased IS NULL OR i.leased <= now()) AND NOT i.id = ANY (spared)
                                       ORDER BY i.not_before, i.id LIMIT 100))
              AND item.state = 0 AND (item.leased IS NULL OR item.leased <= now())
            ORDER BY item.attempts, item.not_before DESC, item.id DESC LIMIT 1 FOR UPDATE SKIP LOCKED) AS d
        ORDER BY d.place LIMIT 1
    )
    SELECT array_agg(found.id), array_agg(found.delivery), array_agg(found.not_before) INTO found_ids, found_deliveries, found_dues FROM found;
    IF found_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM mdss_relay.take(found_ids, found_deliveries, found_dues, 0, lease);
END $$;
