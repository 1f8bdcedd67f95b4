-- An item that was given out: when it was due, how many were found with it, and with the first of each delivery that.
CREATE TYPE mdss_relay.claimed AS (
    item_id int8, item_token int4, item_claim int8, item_delivery int8, item_path bytea, item_lane text, item_state int2, item_attempts int4,
    item_waited float8, item_since timestamptz, item_reason text, item_due timestamptz, item_found int8, item_alone bool,
    delivery_name text, delivery_source text, delivery_dialect text, delivery_method text, delivery_headers text, delivery_body bytea,
    delivery_received timestamptz, delivery_checksum int8, delivery_age float8, delivery_items int8);

-- What is settled most, as in the step before, but an item is looked up by its number alone, and with what the ledger is told of each item: null for nothing. Whether facts have room is as the relay
-- has last seen it; without, they are counted.
CREATE FUNCTION mdss_relay.settle_alone_told(
    item_ids int8[], item_tokens int4[], item_claims int8[], item_accepted bool[], item_deliveries int8[], item_facts text[], keep_marks bool, have_room bool,
    OUT unsent int8)
LANGUAGE plpgsql AS $$
DECLARE
    untold int8;
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true),
            set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true);
    -- Locked in the order of their numbers: two relays that settle the same items in another order would wait for each other.
    WITH told AS MATERIALIZED (
        SELECT unnest(item_ids) AS id, unnest(item_tokens) AS token, unnest(item_claims) AS claim, unnest(item_accepted) AS accepted,
               unnest(item_facts) AS fact, generate_subscripts(item_ids, 1) AS n
        ORDER BY 1
    ), ours AS MATERIALIZED (
        SELECT i.id, i.mark, t.accepted, t.fact, t.n
        FROM told AS t, LATERAL (
            SELECT item.id, item.mark FROM mdss_relay.item
            WHERE item.id = t.id AND item.token = t.token AND (t.accepted OR item.claim = t.claim) LIMIT 1 FOR UPDATE) AS i
    ), gone AS (
        DELETE FROM mdss_relay.item WHERE id = ANY (ARRAY(SELECT ours.id FROM ours))
    ), marked AS (
        INSERT INTO mdss_relay.done (mark)
        SELECT ours.mark FROM ours WHERE keep_marks AND ours.accepted AND ours.mark IS NOT NULL ORDER BY ours.mark ON CONFLICT DO NOTHING
    ), facts AS (
        INSERT INTO mdss_relay.outbox (body) SELECT ours.fact FROM ours WHERE have_room AND ours.fact IS NOT NULL ORDER BY ours.n
    )
    SELECT count(*) FILTER (WHERE NOT ours.accepted), count(ours.fact) INTO unsent, untold FROM ours;
    IF untold > 0 AND NOT have_room THEN
        UPDATE mdss_relay.outbox_state SET lost = outbox_state.lost + untold, lost_to = now(),
            lost_from = CASE WHEN outbox_state.lost = 0 THEN now() ELSE outbox_state.lost_from END;
    END IF;
    DELETE FROM mdss_relay.delivery WHERE id = ANY (item_deliveries) AND (SELECT true FROM mdss_relay.item WHERE item.delivery = delivery.id LIMIT 1) IS NULL;
END $$;
