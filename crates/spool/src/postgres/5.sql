-- What is settled most, a batch of items each alone in its delivery that all go, is a function as well: a session keeps its plans, and a batch is one
-- statement. As five statements that are planned anew each time it took nearly twice as long.
-- Two statements, because the one that deletes the items would still see them in their deliveries.

CREATE FUNCTION mdss_relay.settle_alone(
    item_ids int8[], item_tokens int4[], item_claims int8[], item_accepted bool[], item_deliveries int8[], keep_marks bool,
    OUT unsent int8)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'local', true),
            -- One plan for batches of all sizes, and for tables that were empty when it was made.
            set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true);
    WITH ours AS MATERIALIZED (
        SELECT item.id, u.accepted
        FROM (SELECT unnest(item_ids) AS id, unnest(item_tokens) AS token, unnest(item_claims) AS claim, unnest(item_accepted) AS accepted) AS u
        JOIN mdss_relay.item ON item.id = u.id AND item.token = u.token AND (u.accepted OR item.claim = u.claim)
        ORDER BY item.id FOR UPDATE OF item
    ), gone AS (
        DELETE FROM mdss_relay.item WHERE id = ANY (ARRAY(SELECT ours.id FROM ours)) RETURNING id, mark
    ), marked AS (
        INSERT INTO mdss_relay.done (mark)
        SELECT gone.mark FROM gone WHERE keep_marks AND gone.mark IS NOT NULL AND gone.id = ANY (ARRAY(SELECT ours.id FROM ours WHERE ours.accepted))
        ORDER BY gone.mark ON CONFLICT DO NOTHING
    )
    SELECT count(*) INTO unsent FROM ours WHERE NOT ours.accepted;
    DELETE FROM mdss_relay.delivery WHERE id = ANY (item_deliveries) AND (SELECT true FROM mdss_relay.item WHERE item.delivery = delivery.id LIMIT 1) IS NULL;
END $$;
