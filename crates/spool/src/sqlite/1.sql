-- Times are milliseconds since 1970, UTC. See crates/spool/README.md.

CREATE TABLE delivery (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT NOT NULL,     -- what the log calls it (faas.invocation_id)
    source   TEXT,              -- the [[source]] it came through
    dialect  TEXT,              -- the dialect that source was pinned to; NULL: recognised
    method   TEXT NOT NULL,
    headers  TEXT NOT NULL,     -- JSON, [[name, value]…]: those a dialect reads, no others
    body     BLOB NOT NULL,
    received INTEGER NOT NULL,
    checksum INTEGER NOT NULL   -- CRC-32 of headers and body
) STRICT;

-- AUTOINCREMENT: the outcome of an attempt names its item, so no number may ever mean another one.
CREATE TABLE item (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery   INTEGER NOT NULL REFERENCES delivery (id),
    path       TEXT NOT NULL,   -- the record's path in the delivery
    lane       TEXT NOT NULL,   -- storage unit, or 'unrouted'
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'parked')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    since      INTEGER NOT NULL,-- receipt, or the last "retry" by hand
    not_before INTEGER NOT NULL,
    reason     TEXT,            -- of the last failure
    detail     TEXT,
    bucket     TEXT,
    key        TEXT,
    mark       TEXT,            -- what tells this write from others; NULL: nothing does
    bytes      INTEGER NOT NULL -- its share of the delivery
) STRICT;

CREATE INDEX item_due ON item (lane, not_before, id) WHERE state <> 'parked';
CREATE INDEX item_age ON item (lane, since) WHERE state <> 'parked';
CREATE INDEX item_held ON item (not_before) WHERE state = 'held';
CREATE INDEX item_delivery ON item (delivery);
CREATE UNIQUE INDEX item_mark ON item (mark) WHERE mark IS NOT NULL;

-- Marks of what MDSS has accepted, the newest hundred thousand.
CREATE TABLE done (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    mark TEXT NOT NULL UNIQUE,
    at   INTEGER NOT NULL
) STRICT;

-- How much there is of what, kept by the triggers below: counting a million rows takes too long for a gauge.
CREATE TABLE tally (
    lane   TEXT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT NOT NULL,       -- '': none
    items  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (lane, state, reason)
) STRICT, WITHOUT ROWID;

-- The one row that is written to find out whether writing works.
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;

CREATE TRIGGER item_in AFTER INSERT ON item BEGIN
    INSERT INTO tally VALUES (NEW.lane, NEW.state, ifnull(NEW.reason, ''), 1, NEW.bytes)
        ON CONFLICT DO UPDATE SET items = items + 1, bytes = bytes + excluded.bytes;
END;

-- A delivery goes with its last item.
CREATE TRIGGER item_out AFTER DELETE ON item BEGIN
    UPDATE tally SET items = items - 1, bytes = bytes - OLD.bytes
        WHERE lane = OLD.lane AND state = OLD.state AND reason = ifnull(OLD.reason, '');
    DELETE FROM delivery
        WHERE id = OLD.delivery AND NOT EXISTS (SELECT 1 FROM item WHERE delivery = OLD.delivery);
END;

CREATE TRIGGER item_moved AFTER UPDATE OF lane, state, reason ON item
WHEN OLD.lane <> NEW.lane OR OLD.state <> NEW.state OR OLD.reason IS NOT NEW.reason BEGIN
    UPDATE tally SET items = items - 1, bytes = bytes - OLD.bytes
        WHERE lane = OLD.lane AND state = OLD.state AND reason = ifnull(OLD.reason, '');
    INSERT INTO tally VALUES (NEW.lane, NEW.state, ifnull(NEW.reason, ''), 1, NEW.bytes)
        ON CONFLICT DO UPDATE SET items = items + 1, bytes = bytes + excluded.bytes;
END;

-- For people with sqlite3.
CREATE VIEW items AS
SELECT item.id, state, lane, bucket, key, attempts, reason, detail,
       datetime(received / 1000, 'unixepoch') AS received,
       datetime(not_before / 1000, 'unixepoch') AS next,
       source, name, delivery, path, item.bytes
FROM item LEFT JOIN delivery ON delivery.id = item.delivery;
