//! The tables of the spool.

use mdss_relay_postgres::Tables;

/// Their lock is "MDSR".
pub(super) const TABLES: Tables = Tables {
    what: "the spool",
    meta: "mdss_relay.meta",
    steps: &[
        include_str!("1.sql"),
        include_str!("2.sql"),
        include_str!("3.sql"),
        include_str!("4.sql"),
        include_str!("5.sql"),
        include_str!("6.sql"),
        include_str!("7.sql"),
    ],
    oldest: 6,
    lock: 0x4d44_5352,
};
