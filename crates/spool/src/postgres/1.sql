-- The tables of the spool. Every name is written out with its schema, because a search_path belongs to a session, and a pooler exchanges sessions.
-- No foreign key and no trigger: each costs a look-up a row, and what they would do is done by the statements that settle and tidy.

CREATE TABLE mdss_relay.meta (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    version  int NOT NULL,
    oldest   int NOT NULL,
    settings bytea,
    released timestamptz
);
COMMENT ON COLUMN mdss_relay.meta.version IS 'of these tables';
COMMENT ON COLUMN mdss_relay.meta.oldest IS 'the smallest version whose relays may still work here';
COMMENT ON COLUMN mdss_relay.meta.settings IS 'of the relay that last made everything due at its start';

-- A relay takes a thousand numbers at a time.
CREATE SEQUENCE mdss_relay.ids INCREMENT 1000;
CREATE SEQUENCE mdss_relay.claims;

CREATE TABLE mdss_relay.replica (
    id       uuid PRIMARY KEY,
    name     text NOT NULL,
    version  text NOT NULL,
    settings bytea,
    since    timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen     timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);

CREATE TABLE mdss_relay.delivery (
    id       bigint PRIMARY KEY,
    name     text NOT NULL,
    source   text,
    dialect  text,
    method   text NOT NULL,
    headers  text NOT NULL,
    body     bytea NOT NULL,
    received timestamptz NOT NULL DEFAULT clock_timestamp(),
    checksum bigint NOT NULL,
    items    int NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN mdss_relay.delivery.name IS 'what the log calls it (faas.invocation_id)';
COMMENT ON COLUMN mdss_relay.delivery.dialect IS 'the dialect that its source was pinned to; null: recognised';
COMMENT ON COLUMN mdss_relay.delivery.headers IS 'JSON, [[name, value]...]: those a dialect reads, no others; text, because jsonb refuses U+0000';
COMMENT ON COLUMN mdss_relay.delivery.checksum IS 'CRC-32 of headers and body';
COMMENT ON COLUMN mdss_relay.delivery.items IS 'how many it had when it was stored';

CREATE TABLE mdss_relay.item (
    id         bigint PRIMARY KEY,
    token      int NOT NULL,
    delivery   bigint NOT NULL,
    source     text NOT NULL,
    path       bytea NOT NULL,
    lane       text NOT NULL,
    state      smallint NOT NULL CHECK (state BETWEEN 0 AND 2),
    attempts   int NOT NULL DEFAULT 0,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL,
    claim      bigint,
    reason     text,
    detail     text,
    bucket     text,
    key        text,
    mark       bytea CHECK (length(mark) = 32),
    bytes      bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN mdss_relay.item.token IS 'any number: after the failover of an asynchronous standby a sequence may give an id twice';
COMMENT ON COLUMN mdss_relay.item.source IS 'whose share it takes; empty: of no source';
COMMENT ON COLUMN mdss_relay.item.path IS 'the record in its delivery, as bytes: it may hold U+0000, which text refuses';
COMMENT ON COLUMN mdss_relay.item.state IS '0 waiting, 1 held, 2 parked';
COMMENT ON COLUMN mdss_relay.item.not_before IS 'when it may be given out: while somebody holds it, the end of the lease';
COMMENT ON COLUMN mdss_relay.item.claim IS 'who holds it, or held it last: it fences late failures';
COMMENT ON COLUMN mdss_relay.item.mark IS 'SHA-256 of what tells this write from others; null: nothing does';
COMMENT ON COLUMN mdss_relay.item.bytes IS 'its share of the delivery, and 512 for the row';
CREATE INDEX item_due ON mdss_relay.item (lane, not_before, id) WHERE state <> 2;
CREATE UNIQUE INDEX item_mark ON mdss_relay.item (mark) WHERE mark IS NOT NULL;
CREATE INDEX item_delivery ON mdss_relay.item (delivery);
CREATE INDEX item_held ON mdss_relay.item (lane, not_before) WHERE state = 1;
CREATE INDEX item_parked ON mdss_relay.item (id) WHERE state = 2;

CREATE TABLE mdss_relay.done (mark bytea PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
COMMENT ON TABLE mdss_relay.done IS 'marks of what MDSS has accepted';
CREATE INDEX done_at ON mdss_relay.done (at);

CREATE TABLE mdss_relay.pace (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    tokens  float8 NOT NULL,
    at      timestamptz NOT NULL,
    granted int NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay.pace IS 'requests that may be made to MDSS: one bucket for all relays';
COMMENT ON COLUMN mdss_relay.pace.granted IS 'to whoever asked last';

CREATE TABLE mdss_relay.breaker (
    lane   text PRIMARY KEY,
    holder uuid NOT NULL,
    until  timestamptz NOT NULL,
    since  timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay.breaker IS 'lanes that one relay probes and all others leave alone; MDSS itself is the empty lane';
COMMENT ON COLUMN mdss_relay.breaker.until IS 'if nothing is heard of the holder until then, the others try again';

CREATE TABLE mdss_relay.stock (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    at      timestamptz NOT NULL,
    took    interval NOT NULL,
    counted text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay.stock IS 'the last count of all items, as JSON, for all replicas';

CREATE TABLE mdss_relay.health (
    replica uuid PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    said    text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON TABLE mdss_relay.health IS 'how MDSS stands by the word of each replica, as JSON, for the operator';

-- For people with psql.
CREATE VIEW mdss_relay.items AS
SELECT item.id, (ARRAY['waiting', 'held', 'parked'])[item.state + 1] AS state, item.lane, item.bucket, item.key, item.attempts, item.reason, item.detail,
       delivery.received, item.not_before AS next, item.claim, item.source, delivery.name, item.delivery, convert_from(item.path, 'SQL_ASCII') AS path, item.bytes
FROM mdss_relay.item LEFT JOIN mdss_relay.delivery ON delivery.id = item.delivery;
