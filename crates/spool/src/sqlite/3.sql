-- The oldest item of each state: what is held waits for an operator, what is waiting waits for MDSS.

DROP INDEX item_age;
CREATE INDEX item_age ON item (lane, state, since) WHERE state <> 'parked';
