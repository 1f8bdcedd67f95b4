#![doc = include_str!("../README.md")]

mod admissions;
mod answers;
mod arrived;
mod carried;
mod fetch;
mod rejected;
mod reply;
#[cfg(test)]
mod testing;

pub use admissions::{Admissions, NotAdmitted};
pub use answers::{Answer, Happened, Rejection, answer, delivered};
pub use arrived::Arrived;
pub use carried::Carried;
pub use rejected::{Line, Reason, Rejected, answered, body_too_large, defect, rejected, unpackable};
pub use reply::Form;
