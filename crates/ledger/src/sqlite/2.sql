-- Results of scans: what they have taught, and what keeps one that comes twice from counting twice. None of it is part of the chain.

-- What was learned, by storage unit; the empty name is the installation as a whole. A text of JSON.
CREATE TABLE lesson (
    unit TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Results that belong to a write, by what makes two of them the same. For thirty days.
CREATE TABLE result_seen (
    digest BLOB PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX result_seen_at ON result_seen (at);

-- What makes two of them the same.
ALTER TABLE result_raw ADD COLUMN digest BLOB;
-- The keys that its path may stand for, as places keep keys: a text of JSON.
ALTER TABLE result_raw ADD COLUMN sought TEXT;
-- When it is looked at again, and how often it was.
ALTER TABLE result_raw ADD COLUMN due INTEGER;
ALTER TABLE result_raw ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX result_raw_digest ON result_raw (digest) WHERE digest IS NOT NULL;
CREATE INDEX result_raw_due ON result_raw (due) WHERE due IS NOT NULL;
CREATE INDEX result_raw_why ON result_raw (why, id);

-- Accepted writes that MDSS was asked about and does not know of a scan: how often, and when last.
CREATE TABLE asked (
    seq INTEGER PRIMARY KEY,
    times INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
