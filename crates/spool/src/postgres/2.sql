-- What the ledger has not got yet: a fact for each item that has left, and for what was done by hand. Empty without a ledger.

CREATE TABLE mdss_relay.outbox (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    body text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON COLUMN mdss_relay.outbox.body IS 'JSON; docs/ledger.md has its members; text, so that it is what was written';

CREATE TABLE mdss_relay.outbox_state (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    room      bigint,
    holder    uuid,
    until     timestamptz,
    lost      bigint NOT NULL DEFAULT 0,
    lost_from timestamptz,
    lost_to   timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
COMMENT ON COLUMN mdss_relay.outbox_state.room IS 'bytes that may wait; null: nobody keeps a ledger';
COMMENT ON COLUMN mdss_relay.outbox_state.holder IS 'the relay that takes them to the ledger, until it is not heard of';
COMMENT ON COLUMN mdss_relay.outbox_state.lost IS 'facts that there was no room for, and that no gap tells of yet';
INSERT INTO mdss_relay.outbox_state DEFAULT VALUES;
