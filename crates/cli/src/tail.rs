//! `tail`: what becomes of records, as it happens, out of the relay's log.

mod lines;
mod record;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use mdss_relay_core::{Cause, SkipReason, nearest};

use crate::visible::visible;
pub(crate) use lines::{Line, Lines};
use record::{Pattern, Record, ResultWord};

const EXAMPLES: &str = "Examples:
  sudo mdss-relay tail --unit mdss-relay-http
  mdss-relay tail --unit mdss-relay-http --bucket 'invoices-*' --result failed --result held
  docker logs -f mdss-relay 2>&1 | mdss-relay tail --key '*.pdf'
  mdss-relay tail --json --reason mdss_timeout relay.log";

/// Shows what becomes of records as it happens, out of the relay's log: one line a record, filtered.
///
/// It reads the JSON lines that a relay writes: from a file, from the journal, or from standard input. Without a filter it also shows lines that are about no
/// record, and lines that are no JSON; with one, only records that fit. A record must fit every filter; a filter that is given several
/// times takes any of its values.
///
/// Exit status: 0 at the end of the log, 2 if it could not be read or the command line is wrong.
#[derive(Args)]
#[command(after_help = EXAMPLES, group(ArgGroup::new("from").args(["unit", "file"])))]
pub(crate) struct Arguments {
    /// The log: a file; without it, and without --unit, standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Follows the journal of a systemd unit, such as mdss-relay-http (by journalctl, whose rights it needs).
    #[arg(long, value_name = "NAME")]
    unit: Option<String>,
    /// Goes on at the end of the file when more is written to it, also after the file was exchanged.
    #[arg(long, short, requires = "file")]
    follow: bool,
    /// How many lines of before are shown with --follow and --unit.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Passes the lines through as they are, instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: Filter,
}

/// Which records.
#[derive(Args)]
struct Filter {
    /// An HTTP source's name.
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// A bucket's name; * stands for anything.
    #[arg(long, value_name = "PATTERN")]
    bucket: Vec<Pattern>,
    /// An object's key, decoded; * stands for anything.
    #[arg(long, value_name = "PATTERN")]
    key: Vec<Pattern>,
    /// accepted, spooled, skipped, failed, or of a stored record that has failed: waiting, held, parked.
    #[arg(long, value_enum, hide_possible_values = true)]
    result: Vec<ResultWord>,
    /// Why it was skipped or failed, such as not_selected or mdss_timeout.
    #[arg(long, value_parser = reason)]
    reason: Vec<String>,
    /// A storage unit's id, or unrouted (spooled mode).
    #[arg(long, value_name = "ID")]
    unit_id: Vec<String>,
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.source.is_empty()
            && self.bucket.is_empty()
            && self.key.is_empty()
            && self.result.is_empty()
            && self.reason.is_empty()
            && self.unit_id.is_empty()
    }

    fn takes(&self, record: &Record) -> bool {
        fn any<T>(list: &[T], fits: impl Fn(&T) -> bool) -> bool {
            list.is_empty() || list.iter().any(fits)
        }
        let has = |text: &Option<String>, wanted: &String| text.as_ref() == Some(wanted);
        let like = |text: &Option<String>, pattern: &Pattern| {
            text.as_ref().is_some_and(|text| pattern.matches(text))
        };
        any(&self.source, |source| has(&record.source, source))
            && any(&self.bucket, |bucket| like(&record.bucket, bucket))
            && any(&self.key, |key| like(&record.key, key))
            && any(&self.result, |result| record.result == Some(*result))
            && any(&self.reason, |reason| has(&record.reason, reason))
            && any(&self.unit_id, |id| has(&record.unit, id))
    }
}

/// A reason that there is.
fn reason(text: &str) -> Result<String, String> {
    let known =
        || Cause::ALL.iter().map(|cause| cause.name()).chain(SkipReason::ALL.iter().map(|skip| skip.name()));
    if known().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(match nearest(text, known()) {
        Some(nearest) => format!("expected a reason; is {nearest} meant?"),
        None => "expected a reason, as docs/answers.md lists them".to_owned(),
    })
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let lines = match (&arguments.unit, &arguments.file) {
        (Some(unit), _) => Lines::of_unit(unit, arguments.lines, true),
        (None, Some(file)) if file.as_os_str() != "-" => {
            Lines::of_file(file, arguments.follow.then_some(arguments.lines))
        }
        (None, _) => Ok(Lines::of_stdin()),
    };
    let mut lines = match lines {
        Ok(lines) => lines,
        Err(sentence) => return stop(&sentence),
    };
    let (mut odd, mut shown) = (0_usize, 0_usize);
    let ended = loop {
        match lines.next() {
            Ok(Some(line)) => {
                let line = show(&line, arguments, &mut odd);
                if let Some(line) = line {
                    shown += 1;
                    if writeln!(std::io::stdout(), "{line}").is_err() {
                        // Whoever reads has left.
                        return ExitCode::SUCCESS;
                    }
                }
            }
            end => break end,
        }
    };
    if odd > 0 {
        let what = if odd == 1 { "1 line was no JSON".into() } else { format!("{odd} lines were no JSON") };
        let why = if shown == 0 { "; a relay writes JSON unless RELAY_LOG_FORMAT is text" } else { "" };
        say(&format!("{what}{why}"));
    }
    match ended.and_then(|_| lines.end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => stop(&sentence),
    }
}

/// What is shown of a line, if anything.
fn show(line: &Line, arguments: &Arguments, odd: &mut usize) -> Option<String> {
    let all = arguments.filter.is_empty();
    let text = match line {
        Line::Whole(text) => text,
        Line::TooLong => {
            *odd += 1;
            return all.then(|| "(a line that is too long to be one of a relay)".to_owned());
        }
    };
    let Some(record) = Record::of(text) else {
        *odd += usize::from(!text.trim().is_empty());
        return all.then(|| visible(text));
    };
    let wanted = if record.result.is_some() { arguments.filter.takes(&record) } else { all };
    wanted.then(|| visible(&if arguments.json { text.clone() } else { record.line() }))
}

fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay tail: {}", visible(sentence));
}

fn stop(sentence: &str) -> ExitCode {
    say(sentence);
    ExitCode::from(2)
}
