//! Logs: one JSON object per line on stderr; a server's may be lines for people.
//!
//! Every platform we run on takes stderr line by line and hands it on as it is, except Azure Functions, which makes an error of each; there it
//! is stdout. There is no other sink. A function writes its lines itself: it may be frozen or killed right after its answer. A server leaves that to a thread, because
//! it must go on when nobody takes them.

use std::sync::Arc;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::line::Lines;
use crate::panics;
use crate::queue::{self, Queue};
use crate::text::Shown;

/// What is logged of a target nobody has named.
const DEFAULT: LevelFilter = LevelFilter::INFO;

/// A stream of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// Who writes a line, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Whoever has something to say, at once, however long the stream takes for it. For functions: the platform reads what they
    /// write, and may stop them as soon as it has their answer.
    Direct(Stream),
    /// To stderr, a thread of its own, from a queue of 512 KiB. When that is full, lines are dropped and counted, and a line says how
    /// many are missing. For servers.
    Queued,
}

/// The logs of this process; dropping it waits, a second at the most, until the lines that wait are written.
pub struct Logs(Option<Arc<Queue>>);

impl Logs {
    /// A handle on what waits, for a thread that ends the process in another way.
    pub(crate) fn waiting(&self) -> Option<Arc<Queue>> {
        self.0.clone()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        /// Whoever stops a process has asked it to, and must not wait for a reader that has stalled.
        const LAST_LINES: Duration = Duration::from_secs(1);
        if let Some(queue) = &self.0 {
            queue.flush(LAST_LINES);
        }
    }
}

/// Starts the logs of this process, and makes panics a log line (without the panic's text).
///
/// `filter` is a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or pairs `target=level`, or both, with
/// commas between them: `info,mdss_relay_core=debug`. A target covers everything whose name begins with it. Targets
/// without a pair are logged from the level that stands alone, or from `info`. The targets `lambda_runtime` and
/// `hyper` are never logged below `info`, whatever the filter says.
///
/// # Errors
///
/// A sentence that names the part of `filter` that is not understood, or says that the logs have been started before,
/// or that the system has no thread for them. The caller knows what the setting is called and puts its name in front.
///
/// ```
/// use mdss_relay_host::{Stream, Writing, logs};
///
/// let sentence = logs("inof", Writing::Direct(Stream::Stderr)).err().unwrap();
/// assert_eq!(sentence, "found \"inof\", expected a level (off, error, warn, info, debug, trace) or target=level");
/// ```
pub fn logs(filter: &str, writing: Writing) -> Result<Logs, String> {
    logs_as(None, filter, writing)
}

/// The same, with each line of a queue written as `shown` makes it.
pub(crate) fn logs_as(shown: Option<Shown>, filter: &str, writing: Writing) -> Result<Logs, String> {
    let wanted = parse(filter)?.with_target(panics::TARGET, LevelFilter::ERROR);
    let queue = match writing {
        Writing::Direct(_) => None,
        Writing::Queued => {
            let write = move |lines: &[u8]| match shown {
                Some(shown) => {
                    queue::stderr(
                        &lines.split_inclusive(|b| *b == b'\n').flat_map(shown).collect::<Vec<_>>(),
                    );
                }
                None => queue::stderr(lines),
            };
            Some(Queue::start(write).map_err(|e| format!("no thread for the logs: {e}"))?)
        }
    };
    let to = queue.clone();
    let lines = Lines(move |line: &[u8]| match &to {
        Some(queue) => queue.put(line),
        None if writing == Writing::Direct(Stream::Stdout) => queue::stdout(line),
        None => queue::stderr(line),
    });
    tracing_subscriber::registry()
        .with(wanted)
        .with(caps())
        .with(lines)
        .try_init()
        .map_err(|_| "the logs of this process have been started before".to_owned())?;
    panics::mask();
    Ok(Logs(queue))
}

/// What no filter may open.
///
/// `lambda_runtime` logs the whole event at TRACE, and fails on one that is not UTF-8:
/// <https://github.com/aws/aws-lambda-rust-runtime/blob/main/lambda-runtime/src/layers/api_response.rs> (`trace!`,
/// 1.5.0). `hyper` (and `hyper_util`, by the same prefix) has nothing below info that is ours to show: addresses and
/// buffers. Both layers must let a line pass, so this one needs no knowledge of the other.
fn caps() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_target("lambda_runtime", LevelFilter::INFO)
        .with_target("hyper", LevelFilter::INFO)
}

/// `Targets` reads a lone word that is no level as a target to be logged completely, all others not at all. A typing
/// error would silence the process, so the words are read here.
fn parse(filter: &str) -> Result<Targets, String> {
    let mut targets = Targets::new().with_default(DEFAULT);
    for part in filter.split(',').map(str::trim) {
        let mistake = || {
            format!("found {part:?}, expected a level (off, error, warn, info, debug, trace) or target=level")
        };
        targets = match part.split_once('=') {
            None => targets.with_default(level(part).ok_or_else(mistake)?),
            Some((target, word)) if is_target(target) => {
                targets.with_target(target, level(word).ok_or_else(mistake)?)
            }
            Some(_) => return Err(mistake()),
        };
    }
    Ok(targets)
}

fn level(word: &str) -> Option<LevelFilter> {
    // `LevelFilter` also reads numbers, and the empty word as an error; the words are what is documented.
    word.bytes().all(|byte| byte.is_ascii_alphabetic()).then_some(())?;
    word.parse().ok().filter(|_| !word.is_empty())
}

fn is_target(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn opens(filter: &str, target: &str, level: Level) -> bool {
        parse(filter).unwrap().would_enable(target, &level) && caps().would_enable(target, &level)
    }

    #[test]
    fn levels_and_targets() {
        for (filter, target, level, expected) in [
            ("info", "mdss_relay_core", Level::INFO, true),
            ("info", "mdss_relay_core", Level::DEBUG, false),
            ("WARN", "mdss_relay_core", Level::INFO, false),
            ("off", "mdss_relay_core", Level::ERROR, false),
            ("warn, mdss_relay_core=debug", "mdss_relay_core::plan", Level::DEBUG, true),
            ("warn,mdss_relay_core=debug", "mdss_relay_http", Level::INFO, false),
            ("mdss_relay_core=debug,warn", "mdss_relay_http", Level::INFO, false),
            // No level of its own: what is not named stays as it was.
            ("mdss_relay_core=debug", "mdss_relay_http", Level::INFO, true),
            ("mdss_relay_core=debug", "mdss_relay_http", Level::DEBUG, false),
            // Whole events are logged at trace there.
            ("trace", "lambda_runtime::layers::api_response", Level::TRACE, false),
            ("trace", "lambda_runtime::layers::api_response", Level::DEBUG, false),
            ("trace", "lambda_runtime", Level::INFO, true),
            ("lambda_runtime=trace", "lambda_runtime", Level::TRACE, false),
            ("lambda_runtime::layers=trace", "lambda_runtime::layers::api_response", Level::TRACE, false),
            ("lambda=trace", "lambda_runtime_api_client", Level::TRACE, false),
            ("lambda_runtime=error", "lambda_runtime", Level::WARN, false),
            ("hyper=trace", "hyper::proto::h1", Level::DEBUG, false),
            ("hyper_util=trace", "hyper_util::client", Level::DEBUG, false),
            ("trace", "mdss_relay_core", Level::TRACE, true),
        ] {
            assert_eq!(opens(filter, target, level), expected, "{filter} {target} {level}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (filter, part) in [
            ("", ""),
            ("inof", "inof"),
            ("info,", ""),
            ("3", "3"),
            ("a=b=c", "a=b=c"),
            ("=info", "=info"),
            ("mdss_relay_core=", "mdss_relay_core="),
            ("mdss_relay_core=verbose,info", "mdss_relay_core=verbose"),
            ("my target=info", "my target=info"),
            ("a[{b}]=info", "a[{b}]=info"),
            ("in\nfo", "in\nfo"),
        ] {
            let expected = "expected a level (off, error, warn, info, debug, trace) or target=level";
            assert_eq!(parse(filter).unwrap_err(), format!("found {part:?}, {expected}"), "{filter:?}");
        }
    }
}
