#![doc = include_str!("../README.md")]

mod accepted;
mod alone;
mod counts;
mod door;
mod fate;
mod file_api;
mod forward;
mod question;
mod record;
mod referee;
mod resend;
mod run;
mod settings;
mod stop;
mod target;
mod throttle;
mod trouble;
mod verdict;

pub use alone::Alone;
pub use counts::{Counts, FIRST};
pub use door::Door;
pub use file_api::{FileApi, Said};
pub use question::{GRACE, Question, RATE};
pub use record::{Entered, Filed, Resumed};
pub use referee::{Referee, Unheard};
pub use resend::{Resend, Resent, resend};
pub use run::{Means, MissingObject, Outcome, Progress, compare};
pub use settings::{SCHEDULE_MEMBERS, Schedule};
pub use target::{Target, Wanted};
pub use trouble::Trouble;
pub use verdict::SKEW;
