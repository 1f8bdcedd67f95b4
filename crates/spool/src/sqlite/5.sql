-- An item that is alone in its delivery, as most are, needs not be looked for by it: an entry of an index less, and no look for those it leaves behind.

ALTER TABLE item ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;   -- 1: its delivery has no other; 0: it may have

DROP INDEX item_delivery;
CREATE INDEX item_delivery ON item (delivery) WHERE alone = 0;

-- As before, but found by that index.
DROP TRIGGER item_out;
CREATE TRIGGER item_out AFTER DELETE ON item BEGIN
    UPDATE tally SET items = items - 1, bytes = bytes - OLD.bytes
        WHERE source = OLD.source AND lane = OLD.lane AND state = OLD.state AND reason = ifnull(OLD.reason, '');
    UPDATE item SET bytes = bytes + OLD.bytes - 512
        WHERE OLD.alone = 0 AND OLD.bytes > 512 AND id = (SELECT id FROM item WHERE delivery = OLD.delivery AND alone = 0 LIMIT 1);
    DELETE FROM delivery
        WHERE id = OLD.delivery AND (OLD.alone = 1 OR NOT EXISTS (SELECT 1 FROM item WHERE delivery = OLD.delivery AND alone = 0));
END;
