#![doc = include_str!("../README.md")]

mod away;
mod config;
mod connection;
mod control;
mod correlation;
mod ending;
mod event;
mod file_api;
mod front;
mod journal;
mod judge;
mod notifier;
mod notify;
mod rate;
mod recorder;
mod refusal;
mod reply;
mod script;
mod server;
mod shared;
mod step;
mod tls;
mod unit;

pub use away::Away;
pub use config::{
    ApiKey, Config, DEFAULT_API_KEY, Date, FILES_PATH, KeyCheck, STORAGES_PATH, Statuses, StorageList,
    WEBHOOK_PATH,
};
pub use event::{created, created_record};
pub use http::{HeaderMap, HeaderValue, StatusCode};
pub use notifier::Notified;
pub use notify::{
    FileIdForm, Finding, Found, Notify, NotifyHeader, NotifyHeaders, NotifyMethod, PathForm, UnitPath,
};
pub use rate::Rate;
pub use recorder::{Accepted, Recorded};
pub use refusal::Refusal;
pub use server::Sim;
pub use step::{Batch, Step};
pub use tls::Tls;
pub use unit::{StorageType, Unit, UnitState, units};
