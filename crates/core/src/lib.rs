#![doc = include_str!("../README.md")]

mod condition;
mod content;
mod deliver;
mod delivery;
mod dialect;
mod duplicates;
mod event;
mod explain;
mod failure;
pub mod fields;
mod mdss;
mod memory;
mod notification;
mod pattern;
mod plain_file;
mod plan;
mod repeats;
mod report;
mod retry;
mod route;
mod secret;
mod settings;
mod text;
mod wire;

pub use condition::{Condition, Mismatch, Subject, subjects, suggest};
pub use deliver::{Deadline, Relay, platform_time_left};
pub use delivery::Delivery;
pub use dialect::{Dialect, KeyEncoding, RESERVED};
pub use event::{
    Bucket, Change, Details, KeyError, Kind, Notice, NoticeKind, ObjectEvent, ObjectKey, UnknownEvents,
};
pub use explain::{Door, explain};
pub use failure::{Cause, Failure, FailureKind};
pub use mdss::client::Client;
pub use mdss::request::{StorageType, Submission};
pub use mdss::trust::public_tls;
pub use mdss::verdict::{Answer, BodyEnd, CorrelationId, judge};
pub use memory::Memory;
pub use notification::{Address, Affix, Field, Miss, Notification, NotificationVerdict, Rule, Store, Target};
pub use plain_file::{MOST_FILE_BYTES, plain_file, plain_text};
pub use plan::{Confirmation, Decision, Plan, Planned, QUEUE_ANSWER, Reply, SkipReason, WriteMark, plan};
pub use report::{Kept, Outcome, Record, Report, ResultKind};
pub use retry::{RetryPolicy, retry_after};
pub use route::{Route, StorageClientId};
pub use secret::Secret;
pub use settings::{
    Draft, Listed, Mistake, Role, SETTINGS, Setting, Settings, Source, SpoolSettings, nearest,
};
pub use wire::one_line;
