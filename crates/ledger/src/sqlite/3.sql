-- More than one chain: a new one begins when the key is replaced. The chain of number n has the row n + 1, and its entries are counted from 2^40 times n on.
CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    ledger BLOB NOT NULL,
    created INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    base INTEGER NOT NULL,
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO chains SELECT id, ledger, created, public_key, base, writes FROM chain;
DROP TABLE chain;
ALTER TABLE chains RENAME TO chain;

-- Up to where a chain is signed by an old key, and which entry of its successor says so.
CREATE TABLE succession (
    entry INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    public_key BLOB NOT NULL
) STRICT;
