-- Whose each item is, so that nobody takes the place of others; and an item that stays has the bytes of those that have left its delivery.

DROP VIEW items;
DROP TRIGGER item_in;
DROP TRIGGER item_out;
DROP TRIGGER item_moved;
DROP TABLE tally;

ALTER TABLE item ADD COLUMN source TEXT NOT NULL DEFAULT '';    -- the delivery's; '': it has none
UPDATE item SET source = ifnull((SELECT source FROM delivery WHERE delivery.id = item.delivery), '');

-- What nobody has counted since the others have left.
UPDATE item SET bytes = max(bytes, bytes + ifnull(
        (SELECT length(headers) + length(body) FROM delivery WHERE delivery.id = item.delivery)
        - (SELECT sum(max(other.bytes - 512, 0)) FROM item AS other WHERE other.delivery = item.delivery), 0))
    WHERE id IN (SELECT min(id) FROM item GROUP BY delivery);

-- How much there is of what, kept by the triggers below: counting a million rows takes too long for a gauge.
CREATE TABLE tally (
    source TEXT NOT NULL,       -- '': none
    lane   TEXT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT NOT NULL,       -- '': none
    items  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (source, lane, state, reason)
) STRICT, WITHOUT ROWID;

INSERT INTO tally
    SELECT source, lane, state, ifnull(reason, ''), count(*), sum(bytes) FROM item GROUP BY 1, 2, 3, 4;

CREATE TRIGGER item_in AFTER INSERT ON item BEGIN
    INSERT INTO tally VALUES (NEW.source, NEW.lane, NEW.state, ifnull(NEW.reason, ''), 1, NEW.bytes)
        ON CONFLICT DO UPDATE SET items = items + 1, bytes = bytes + excluded.bytes;
END;

-- A delivery goes with its last item; until then its whole body is there. 512 are an item's own, see ROW_BYTES.
CREATE TRIGGER item_out AFTER DELETE ON item BEGIN
    UPDATE tally SET items = items - 1, bytes = bytes - OLD.bytes
        WHERE source = OLD.source AND lane = OLD.lane AND state = OLD.state AND reason = ifnull(OLD.reason, '');
    UPDATE item SET bytes = bytes + OLD.bytes - 512
        WHERE OLD.bytes > 512 AND id = (SELECT id FROM item WHERE delivery = OLD.delivery LIMIT 1);
    DELETE FROM delivery
        WHERE id = OLD.delivery AND NOT EXISTS (SELECT 1 FROM item WHERE delivery = OLD.delivery);
END;

CREATE TRIGGER item_grown AFTER UPDATE OF bytes ON item WHEN OLD.bytes <> NEW.bytes BEGIN
    UPDATE tally SET bytes = bytes + NEW.bytes - OLD.bytes
        WHERE source = OLD.source AND lane = OLD.lane AND state = OLD.state AND reason = ifnull(OLD.reason, '');
END;

CREATE TRIGGER item_moved AFTER UPDATE OF source, lane, state, reason ON item
WHEN OLD.source <> NEW.source OR OLD.lane <> NEW.lane OR OLD.state <> NEW.state OR OLD.reason IS NOT NEW.reason BEGIN
    UPDATE tally SET items = items - 1, bytes = bytes - OLD.bytes
        WHERE source = OLD.source AND lane = OLD.lane AND state = OLD.state AND reason = ifnull(OLD.reason, '');
    INSERT INTO tally VALUES (NEW.source, NEW.lane, NEW.state, ifnull(NEW.reason, ''), 1, OLD.bytes)
        ON CONFLICT DO UPDATE SET items = items + 1, bytes = bytes + excluded.bytes;
END;

-- For people with sqlite3.
CREATE VIEW items AS
SELECT item.id, state, lane, bucket, key, attempts, reason, detail,
       datetime(received / 1000, 'unixepoch') AS received,
       datetime(not_before / 1000, 'unixepoch') AS next,
       delivery.source AS source, name, delivery, path, item.bytes
FROM item LEFT JOIN delivery ON delivery.id = item.delivery;
