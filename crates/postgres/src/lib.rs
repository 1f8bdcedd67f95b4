#![doc = include_str!("../README.md")]

mod config;
mod failure;
mod line;
mod tables;

pub use config::{Database, Durability};
pub use failure::{Failing, Fate, Kind, LATE, Meaning, meaning, text};
pub use line::{Line, Parameter};
pub use tables::{NotReady, Tables, Version};
