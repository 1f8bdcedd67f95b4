-- Moments are milliseconds since 1970, UTC. README.md says what is hashed, and how.

-- The chain: one row, because one file has one writer.
CREATE TABLE chain (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Its name: sixteen random bytes.
    ledger BLOB NOT NULL,
    created INTEGER NOT NULL,
    -- The public half of the Ed25519 key that signs its checkpoints.
    public_key BLOB NOT NULL,
    -- The last entry that was removed because of its age: a checkpoint is kept for it.
    base INTEGER NOT NULL,
    -- Accepted writes since the beginning.
    writes INTEGER NOT NULL
) STRICT;

-- What many entries have in common.
CREATE TABLE place (
    id INTEGER PRIMARY KEY,
    source TEXT,
    dialect TEXT,
    bucket TEXT,
    namespace TEXT,
    unit TEXT,
    -- 1 clear, 2 hashed, 3 off: how the keys of its entries were kept.
    keys INTEGER NOT NULL,
    -- Of its accepted writes, those without a result; results, and when the last one was written down. Counted, no part of the chain.
    open INTEGER NOT NULL DEFAULT 0,
    results INTEGER NOT NULL DEFAULT 0,
    last_result INTEGER
) STRICT;
CREATE INDEX place_bucket ON place (bucket);

-- The chain's entries. ANY is a text; where that is lower-case hexadecimal, or a UUID, its bytes.
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    -- 1 accepted, 2 result, 3 parked, 4 retried, 5 purged, 6 unselected, 7 settings, 8 run, 9 canary, 10 gap, 11 clock_jump,
    -- 12 imported, 13 forgotten, 14 pruned, 15 checkpoint, 16 started, 17 stopped
    kind INTEGER NOT NULL,
    hash BLOB NOT NULL,
    place INTEGER NOT NULL,
    -- Bytes, so that they sort as stores sort them. Erased together with the salt; then the commitment stays.
    key BLOB,
    salt BLOB,
    commitment BLOB,
    version ANY,
    etag ANY,
    size INTEGER,
    event_time INTEGER,
    received_time INTEGER,
    settled_time INTEGER,
    attempts INTEGER,
    correlation_id ANY,
    -- 1 event, 2 reconcile, 3 retry, 4 log, 5 canary
    origin INTEGER,
    actor TEXT,
    count INTEGER,
    reason TEXT,
    about INTEGER,
    file_id ANY,
    result TEXT,
    file_state TEXT,
    scan_time INTEGER,
    confidence TEXT,
    digest BLOB,
    detail TEXT,
    -- Of an accepted write: the newest result about it. Of a result: the one before it about the same write. Not hashed, but follows from what is.
    result_seq INTEGER,
    -- The entry that says who has erased the key. Not hashed; that entry has a digest over all of them.
    forgotten_by INTEGER
) STRICT;
CREATE INDEX entry_key ON entry (place, key) WHERE key IS NOT NULL;
CREATE INDEX entry_open ON entry (place, settled_time) WHERE kind = 1 AND result_seq IS NULL;
CREATE INDEX entry_correlation ON entry (correlation_id) WHERE kind = 1 AND result_seq IS NULL;

-- Signed words about where the chain stood. Kept for ever.
CREATE TABLE checkpoint (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    writes INTEGER NOT NULL,
    hash BLOB NOT NULL,
    signature BLOB NOT NULL,
    -- When it was; only up to a published one anything is removed. Not hashed.
    published INTEGER
) STRICT;

-- The newest rows of the outbox that are in the chain: what was handed in twice is found here.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    digest INTEGER NOT NULL
) STRICT;

-- Comparisons of a bucket with the ledger.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    store TEXT NOT NULL,
    bucket TEXT NOT NULL,
    route TEXT,
    question TEXT NOT NULL,
    begun INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    cursor TEXT,
    report TEXT NOT NULL,
    state TEXT,
    ended INTEGER,
    -- Its entry.
    seq INTEGER
) STRICT;

-- Results that belong to no write that is known. They are kept for thirty days, and are no part of the chain.
CREATE TABLE result_raw (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    source TEXT,
    path TEXT,
    file_id ANY,
    why TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX result_raw_at ON result_raw (at);
