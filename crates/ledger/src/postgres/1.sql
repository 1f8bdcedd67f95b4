-- The tables of the ledger. Moments are milliseconds since 1970, UTC. README.md says what is hashed, and how.
-- An entry has one number among those of all chains: 2^40 times the id of its chain, and its own number in it. Places and checkpoints are counted alike.

CREATE TABLE mdss_relay_ledger.meta (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version int NOT NULL,
    oldest  int NOT NULL
);
COMMENT ON COLUMN mdss_relay_ledger.meta.oldest IS 'the smallest version whose relays may still work here';

CREATE TABLE mdss_relay_ledger.chain (
    id         bigint PRIMARY KEY,
    ledger     bytea NOT NULL,
    created    bigint NOT NULL,
    public_key bytea NOT NULL,
    base       bigint NOT NULL,
    writes     bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay_ledger.chain IS 'one for each writer; whoever writes into one holds its row';
COMMENT ON COLUMN mdss_relay_ledger.chain.id IS 'counted from 0';
COMMENT ON COLUMN mdss_relay_ledger.chain.ledger IS 'its name: sixteen random bytes';
COMMENT ON COLUMN mdss_relay_ledger.chain.public_key IS 'the public half of the Ed25519 key that signs its checkpoints';
COMMENT ON COLUMN mdss_relay_ledger.chain.base IS 'the last entry that was removed because of its age, by its number in the chain';
COMMENT ON COLUMN mdss_relay_ledger.chain.writes IS 'accepted writes since the beginning';

CREATE TABLE mdss_relay_ledger.writer (
    chain  bigint PRIMARY KEY,
    holder text NOT NULL,
    until  timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay_ledger.writer IS 'which chain is whose, until nothing is heard of him; no part of the chains';

CREATE TABLE mdss_relay_ledger.place (
    id          bigint PRIMARY KEY,
    source      text,
    dialect     text,
    bucket      text,
    namespace   text,
    unit        text,
    keys        bigint NOT NULL,
    open        bigint NOT NULL DEFAULT 0,
    results     bigint NOT NULL DEFAULT 0,
    last_result bigint
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay_ledger.place IS 'what many entries of a chain have in common';
COMMENT ON COLUMN mdss_relay_ledger.place.keys IS '1 clear, 2 hashed, 3 off: how the keys of its entries were kept';
COMMENT ON COLUMN mdss_relay_ledger.place.open IS 'of its accepted writes, those without a result';
-- A row of a btree has at most 2,704 bytes, and whoever names an object may name it at any length. A hash has one length.
CREATE INDEX place_bucket ON mdss_relay_ledger.place USING hash (bucket);

CREATE TABLE mdss_relay_ledger.entry (
    seq            bigint PRIMARY KEY,
    at             bigint NOT NULL,
    kind           bigint NOT NULL,
    hash           bytea NOT NULL,
    place          bigint NOT NULL,
    key            bytea,
    salt           bytea,
    commitment     bytea,
    version        text,
    etag           text,
    size           bigint,
    event_time     bigint,
    received_time  bigint,
    settled_time   bigint,
    attempts       bigint,
    correlation_id text,
    origin         bigint,
    actor          text,
    count          bigint,
    reason         text,
    about          bigint,
    file_id        text,
    result         text,
    file_state     text,
    scan_time      bigint,
    confidence     text,
    digest         bytea,
    detail         text,
    result_seq     bigint,
    forgotten_by   bigint
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN mdss_relay_ledger.entry.kind IS '1 accepted, 2 result, 3 parked, 4 retried, 5 purged, 6 unselected, 7 settings, 8 run, 9 canary, 10 gap, 11 clock_jump, 12 imported, 13 forgotten, 14 pruned, 15 checkpoint, 16 started, 17 stopped';
COMMENT ON COLUMN mdss_relay_ledger.entry.key IS 'bytes, so that they sort as stores sort them; erased together with the salt, and then the commitment stays';
COMMENT ON COLUMN mdss_relay_ledger.entry.origin IS '1 event, 2 reconcile, 3 retry, 4 log, 5 canary';
COMMENT ON COLUMN mdss_relay_ledger.entry.result_seq IS 'of an accepted write the newest result about it, of a result the one before it; not hashed, but follows from what is';
COMMENT ON COLUMN mdss_relay_ledger.entry.forgotten_by IS 'the entry that says who has erased the key; not hashed';
-- How a key begins, in as many bytes as a row of a btree can always have: whoever seeks one asks for this first, and then for all of it.
CREATE INDEX entry_key ON mdss_relay_ledger.entry (place, substr(key, 1, 1500)) WHERE key IS NOT NULL;
-- ANALYZE leaves those of an index without rows as they were, with keys that were erased; the column's own say as much.
ALTER INDEX mdss_relay_ledger.entry_key ALTER COLUMN 2 SET STATISTICS 0;
CREATE INDEX entry_open ON mdss_relay_ledger.entry (place, settled_time) WHERE kind = 1 AND result_seq IS NULL;
CREATE INDEX entry_correlation ON mdss_relay_ledger.entry USING hash (correlation_id) WHERE kind = 1 AND result_seq IS NULL;

CREATE TABLE mdss_relay_ledger.checkpoint (
    seq       bigint PRIMARY KEY,
    at        bigint NOT NULL,
    writes    bigint NOT NULL,
    hash      bytea NOT NULL,
    signature bytea NOT NULL,
    published bigint
);
COMMENT ON COLUMN mdss_relay_ledger.checkpoint.published IS 'when it was; only up to a published one anything is removed';

CREATE TABLE mdss_relay_ledger.outbox (
    id     bigint,
    digest bigint,
    at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, digest)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
CREATE INDEX outbox_at ON mdss_relay_ledger.outbox (at);
COMMENT ON TABLE mdss_relay_ledger.outbox IS 'the newest rows of the outbox of the spool that are in a chain: what was handed in twice is found here';

CREATE TABLE mdss_relay_ledger.run (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor    text NOT NULL,
    store    text NOT NULL,
    bucket   text NOT NULL,
    route    text,
    question text NOT NULL,
    begun    bigint NOT NULL,
    updated  bigint NOT NULL,
    cursor   text,
    report   text NOT NULL,
    state    text,
    ended    bigint,
    seq      bigint
);
COMMENT ON TABLE mdss_relay_ledger.run IS 'comparisons of a bucket with the ledger; seq is the entry about one that has ended';

-- Results of scans: what they have taught, what keeps one that comes twice from counting twice, and what belongs to nobody yet. No part of the chains.

CREATE TABLE mdss_relay_ledger.result_raw (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    source  text,
    path    text,
    file_id text,
    why     text NOT NULL,
    body    bytea NOT NULL,
    digest  bytea,
    sought  text,
    due     bigint,
    tries   bigint NOT NULL DEFAULT 0
);
CREATE INDEX result_raw_at ON mdss_relay_ledger.result_raw (at);
CREATE UNIQUE INDEX result_raw_digest ON mdss_relay_ledger.result_raw (digest) WHERE digest IS NOT NULL;
CREATE INDEX result_raw_due ON mdss_relay_ledger.result_raw (due) WHERE due IS NOT NULL;
CREATE INDEX result_raw_why ON mdss_relay_ledger.result_raw (why, id);

CREATE TABLE mdss_relay_ledger.lesson (
    unit text PRIMARY KEY,
    body text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);

CREATE TABLE mdss_relay_ledger.result_seen (digest bytea PRIMARY KEY, at bigint NOT NULL);
CREATE INDEX result_seen_at ON mdss_relay_ledger.result_seen (at);

CREATE TABLE mdss_relay_ledger.asked (seq bigint PRIMARY KEY, times bigint NOT NULL, last bigint NOT NULL);
COMMENT ON TABLE mdss_relay_ledger.asked IS 'accepted writes that MDSS was asked about and does not know of a scan: how often, and when last';

-- For people with psql.
CREATE VIEW mdss_relay_ledger.entries AS
SELECT (e.seq >> 40) + 1 AS chain, e.seq & 1099511627775 AS seq, to_timestamp(e.at / 1000.0) AS at,
       (ARRAY['accepted', 'result', 'parked', 'retried', 'purged', 'unselected', 'settings', 'run', 'canary', 'gap', 'clock_jump', 'imported', 'forgotten',
              'pruned', 'checkpoint', 'started', 'stopped'])[e.kind] AS kind,
       p.bucket, convert_from(e.key, 'SQL_ASCII') AS key, p.unit, to_timestamp(e.settled_time / 1000.0) AS settled, e.correlation_id, e.result, e.confidence,
       e.actor, e.reason, e.count, e.about & 1099511627775 AS about
FROM mdss_relay_ledger.entry e LEFT JOIN mdss_relay_ledger.place p ON p.id = e.place;
