-- What was handed in lately is remembered a batch at a time: a row for each cost nearly as much as the entry itself.
CREATE TABLE mdss_relay_ledger.handed_in (
    first   bigint NOT NULL,
    last    bigint NOT NULL,
    ids     bigint[] NOT NULL,
    digests bigint[] NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
-- Digests cannot be compressed.
ALTER TABLE mdss_relay_ledger.handed_in ALTER COLUMN ids SET STORAGE EXTERNAL, ALTER COLUMN digests SET STORAGE EXTERNAL;
CREATE INDEX handed_in_span ON mdss_relay_ledger.handed_in (last, first);
COMMENT ON TABLE mdss_relay_ledger.handed_in IS 'the newest rows of the outbox of the spool that are in a chain, from first to last and not all in between: what was handed in twice is found here';
COMMENT ON TABLE mdss_relay_ledger.outbox IS 'the same of relays of earlier versions; and entries of no outbox, by negative numbers';
-- Whoever may write the other tables may write this one.
DO $$ BEGIN
    EXECUTE (SELECT coalesce(string_agg(format('GRANT SELECT, INSERT, UPDATE, DELETE ON mdss_relay_ledger.handed_in TO %I', grantee), ';'), 'SELECT 1')
             FROM information_schema.role_table_grants
             WHERE table_schema = 'mdss_relay_ledger' AND table_name = 'entry' AND privilege_type = 'INSERT' AND grantee <> 'PUBLIC' AND grantee <> current_user);
END $$;
