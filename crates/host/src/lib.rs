#![doc = include_str!("../README.md")]

mod arguments;
mod escape;
mod exit;
mod faults;
mod line;
mod logs;
mod panics;
mod queue;
mod settings;
mod signal;
mod start;
mod text;

pub use arguments::{Others, arguments};
pub use exit::Exit;
pub use faults::faults;
pub use logs::{Logs, Stream, Writing, logs};
pub use queue::lines_dropped;
pub use settings::settings_failure;
pub use signal::{Signal, hangups, signal};
pub use start::{Program, Read, start};
pub use text::{Shown, text};
