-- What the ledger has not got yet: a fact for each item that has left, and for what was done by hand. Empty without a ledger.

CREATE TABLE outbox (
    id   INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,
    body TEXT NOT NULL          -- JSON; docs/ledger.md has its members
) STRICT;

CREATE TABLE outbox_state (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    room      INTEGER,          -- bytes that may wait; NULL: nobody keeps a ledger
    last      INTEGER NOT NULL, -- the last number that was given
    rows      INTEGER NOT NULL DEFAULT 0,
    bytes     INTEGER NOT NULL DEFAULT 0,
    lost      INTEGER NOT NULL DEFAULT 0, -- facts that there was no room for, and that no gap tells of yet
    lost_from INTEGER NOT NULL DEFAULT 0,
    lost_to   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Numbers begin at the microsecond in which the table is made: no number of another file is used again.
INSERT INTO outbox_state (one, last) VALUES (1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER));
