-- A new chain begins when the key is replaced.
CREATE TABLE mdss_relay_ledger.succession (
    entry      bigint PRIMARY KEY,
    chain      bigint NOT NULL,
    seq        bigint NOT NULL,
    hash       bytea NOT NULL,
    public_key bytea NOT NULL
);
COMMENT ON TABLE mdss_relay_ledger.succession IS 'up to where (seq, hash) a chain is signed by an old key, and which entry of its successor says so';
ALTER TABLE mdss_relay_ledger.writer ADD COLUMN knows text;
COMMENT ON COLUMN mdss_relay_ledger.writer.knows IS 'the holder, if his version knows of keys that were replaced';
-- Whoever may write the other tables may write this one.
DO $$ BEGIN
    EXECUTE (SELECT coalesce(string_agg(format('GRANT SELECT, INSERT, UPDATE, DELETE ON mdss_relay_ledger.succession TO %I', grantee), ';'), 'SELECT 1')
             FROM information_schema.role_table_grants
             WHERE table_schema = 'mdss_relay_ledger' AND table_name = 'entry' AND privilege_type = 'INSERT' AND grantee <> 'PUBLIC' AND grantee <> current_user);
END $$;
