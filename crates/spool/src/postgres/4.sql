-- The same, for marks that are settled meanwhile. Whoever settles an item deletes it and keeps its mark, in one transaction. A group that meets it
-- half way waits for it, and its look at the marks is older: it finds neither the item nor the mark. So it looks once more, in a statement of its
-- own, which sees all that was committed until then.

CREATE FUNCTION mdss_relay.accept_once(
    item_ids int8[], item_tokens int4[], item_deliveries int8[], item_sources text[], item_paths bytea[], item_lanes text[], item_states int2[],
    item_pauses float8[], item_reasons text[], item_details text[], item_buckets text[], item_keys text[], item_marks bytea[], item_bytes int8[],
    delivery_ids int8[], delivery_names text[], delivery_sources text[], delivery_dialects text[], delivery_methods text[], delivery_headers text[],
    delivery_bodies bytea[], delivery_checksums int8[],
    OUT sync text, OUT standby boolean, OUT standby_names text, OUT new_ids int8[])
LANGUAGE plpgsql AS $$
DECLARE
    done_ids int8[];
BEGIN
    SELECT * INTO sync, standby, standby_names, new_ids FROM mdss_relay.accept(
        item_ids, item_tokens, item_deliveries, item_sources, item_paths, item_lanes, item_states, item_pauses, item_reasons, item_details,
        item_buckets, item_keys, item_marks, item_bytes, delivery_ids, delivery_names, delivery_sources, delivery_dialects, delivery_methods,
        delivery_headers, delivery_bodies, delivery_checksums);
    IF new_ids IS NULL THEN
        RETURN;
    END IF;
    -- Of those that were not stored, too: comparing each with all that were would take longer for a large group.
    done_ids := ARRAY(
        SELECT i.id FROM (SELECT unnest(item_ids) AS id, unnest(item_marks) AS mark) AS i
        WHERE (SELECT true FROM mdss_relay.done WHERE done.mark = i.mark));
    IF done_ids = '{}' THEN
        RETURN;
    END IF;
    -- A number that was not stored now may be that of another item: after a failover a sequence may go back.
    done_ids := ARRAY(SELECT unnest(done_ids) INTERSECT SELECT unnest(new_ids));
    IF done_ids = '{}' THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM mdss_relay.item WHERE id = ANY (done_ids) RETURNING item.delivery
    ), less AS (
        SELECT gone.delivery, count(*)::int AS items FROM gone GROUP BY 1
    )
    UPDATE mdss_relay.delivery SET items = delivery.items - less.items FROM less
    WHERE delivery.id = ANY (ARRAY(SELECT less.delivery FROM less)) AND delivery.id = less.delivery;
    DELETE FROM mdss_relay.delivery WHERE id = ANY (delivery_ids) AND items = 0;
    new_ids := ARRAY(SELECT unnest(new_ids) EXCEPT SELECT unnest(done_ids));
END $$;
