//! What a ledger does, as statements in one transaction, for either database.

pub(crate) mod append;
pub(crate) mod export;
mod fits;
pub(crate) mod forget;
pub(crate) mod import;
mod kept;
pub(crate) mod look;
pub(crate) mod open;
mod pen;
pub(crate) mod prune;
pub(crate) mod referee;
pub(crate) mod results;
mod row;
pub(crate) mod runs;
pub(crate) mod succeed;
pub(crate) mod succession;
pub(crate) mod verify;
pub(crate) mod view;

pub(crate) use pen::{Ink, Pen, Places};
pub(crate) use row::ChainRow;
