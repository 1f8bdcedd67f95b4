#![doc = include_str!("../README.md")]

mod deliver;
mod mdss;
mod model;
mod plain;
mod plan;
mod read;
mod select;
mod settings;

pub use deliver::deadline::{Deadline, platform_time_left};
pub use deliver::lines::{Became, Line, Stored, Write};
pub use deliver::memory::Memory;
pub use deliver::offload::{Panicked, offload};
pub use deliver::relay::Relay;
pub use deliver::report::{Kept, Outcome, Record, Report, ResultKind};
pub use deliver::watch::{ACCEPTED, ATTEMPT_BOUNDS, Attempts, Failing, Watch};
pub use mdss::client::Client;
pub use mdss::look::{Approach, Credential, Page, ProxyPlace};
pub use mdss::request::Submission;
pub use mdss::retry::{RetryPolicy, retry_after};
pub use mdss::trust::public_tls;
pub use mdss::verdict::{Answer, BodyEnd, CorrelationId, judge};
pub use mdss::way::Proxies;
pub use model::answers::{Answers, Patience, Redelivers};
pub use model::blame::Blame;
pub use model::delivery::Delivery;
pub use model::dialect::{Dialect, KeyEncoding};
pub use model::event::{
    Bucket, Change, Compartments, Details, KeyError, Kind, Notice, NoticeKind, ObjectEvent, ObjectKey,
    UnknownEvents,
};
pub use model::failure::{Cause, Failure, FailureKind};
pub use model::unit::{StorageClientId, StorageType};
pub use plain::facts;
pub use plain::fields;
pub use plain::file::{MOST_FILE_BYTES, plain_file, plain_text};
pub use plain::line::one_line;
pub use plain::mistake::{Mistake, nearest};
pub use plain::pattern::Pattern;
pub use plain::secret::Secret;
pub use plan::explain::{Door, explain, explain_by};
pub use plan::mark::WriteMark;
pub use plan::plan::{Decision, Plan, Planned, RulesInForce, plan};
pub use plan::queue::QUEUE_ANSWER;
pub use plan::skip::SkipReason;
pub use plan::subject::{Subject, subjects};
pub use read::carried::is_http_request;
pub use read::item::{Confirmation, Reply};
pub use read::record::reconcile::{ListedObject, found_objects};
pub use select::condition::{Condition, Mismatch, suggest};
pub use select::notification::{
    Address, Affix, Field, Miss, Notification, NotificationVerdict, Rule, Store, Target,
};
pub use select::route::Route;
pub use select::rules::{Rules, UnitNames};
pub use select::samples::Sample;
pub use select::survey::Remark;
pub use settings::{
    Applies, DatabaseSettings, DatabaseUrl, Draft, Element, Entry, FileApiSettings, FunctionSettings,
    HttpSettings, KEY_IN_CLEAR, LedgerKeys, LedgerPlace, LedgerSettings, Listed, MdssSettings, NOT_VERIFIED,
    Origin, ResultsSource, Role, SETTINGS, Setting, Settings, Source, SpoolPlace, SpoolSettings, Without,
    certificates_in, duration_in, settings_help,
};
