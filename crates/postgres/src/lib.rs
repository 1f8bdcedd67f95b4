#![doc = include_str!("../README.md")]

mod config;
mod failure;
mod fit;
mod line;
mod tables;

pub use config::{Database, Durability};
pub use failure::{Failing, Fate, Kind, LATE, Meaning, meaning, text};
pub use fit::Fit;
pub use line::{Line, Parameter};
pub use tables::{NotReady, Tables, Version};
