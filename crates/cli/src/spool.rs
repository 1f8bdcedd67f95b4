//! `spool`: what a relay has on disk, looked at and changed from outside, while it runs or while it does not.

mod table;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use mdss_relay_core::{Cause, nearest};
use mdss_relay_spool::{Clock, Desk, Entry, Filter, ItemId, Moment, State, SystemClock, Trouble};
use serde_json::{Value, json};

use crate::visible::visible;

/// Items that are read, or changed, in one step: a bulk change is many short ones, so that the relay never waits for long.
const PAGE: usize = 500;

/// Shows and changes what a relay keeps on disk, while it runs or while it does not.
///
/// Exit status: 0; 1 if there was no such item (for retry and purge: a number names none, or no item matches and --all was not given), if
/// the answer was no, or if purge could not print what it deletes; 2 if the spool could not be opened, or --reason names no known failure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The data directory of the relay; without it, the variable RELAY_DATA_DIR.
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Prints JSON, one line per item.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Lists items, oldest first.
    List {
        #[command(flatten)]
        which: Which,
        /// How many items at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one item and the delivery it came in.
    Show {
        /// The item's number.
        id: i64,
    },
    /// Makes items due now, parked ones too; a running relay sees them within a second.
    Retry {
        #[command(flatten)]
        which: Which,
        /// Every item; without it, a filter or numbers are needed.
        #[arg(long)]
        all: bool,
    },
    /// Prints items and deletes them. They are not sent, except those that a running relay has already loaded for sending.
    ///
    /// A relay loads what is due next, up to 32 items for each of RELAY_CONCURRENCY: 512, if that is not set. To be sure that none is sent, stop
    /// the relay first.
    Purge {
        #[command(flatten)]
        which: Which,
        /// Every item; without it, a filter or numbers are needed.
        #[arg(long)]
        all: bool,
        /// Does not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
    /// Counts items by lane, state and reason.
    Stats,
}

/// Which items. An item must match everything that is given.
#[derive(Args)]
struct Which {
    /// Numbers of items.
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// waiting, held or parked.
    #[arg(long)]
    state: Option<State>,
    /// A storage unit's id, or unrouted.
    #[arg(long)]
    lane: Option<String>,
    /// A bucket's name.
    #[arg(long)]
    bucket: Option<String>,
    /// The last failure's token, such as mdss_unavailable.
    #[arg(long)]
    reason: Option<String>,
    /// Received at least this long ago: 90s, 15m, 2h, 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
}

impl Which {
    fn filter(&self, now: Moment) -> Filter {
        let before = self.older_than.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Filter {
            state: self.state,
            lane: self.lane.clone(),
            bucket: self.bucket.clone(),
            reason: self.reason.clone(),
            received_before: before.map(|age| Moment::from_millis(now.as_millis().saturating_sub(age))),
            ids: self.ids.iter().copied().map(ItemId::new).collect(),
        }
    }
}

fn age(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a number with its unit, such as 90s, 15m, 2h or 7d";
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(EXPECTED.into()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds)).ok_or(EXPECTED)?;
    Ok(Duration::from_secs(seconds))
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let given = arguments.data_dir.clone().or_else(|| std::env::var_os("RELAY_DATA_DIR").map(PathBuf::from));
    let Some(dir) = given.filter(|dir| !dir.as_os_str().is_empty()) else {
        say("expected the data directory of a relay, in --data-dir or RELAY_DATA_DIR");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return ExitCode::from(2);
        }
    };
    let done = Desk::open(&dir).and_then(|desk| runtime.block_on(task(&desk, arguments)));
    match done {
        Ok(status) => ExitCode::from(status),
        Err(trouble) => {
            say(&trouble.detail);
            ExitCode::from(2)
        }
    }
}

async fn task(desk: &Desk, arguments: &Arguments) -> Result<u8, Trouble> {
    let now = SystemClock.now();
    let json = arguments.json;
    match &arguments.task {
        Task::List { which, limit } => {
            let mut entries = Vec::new();
            let more = pages(desk, &which.filter(now), *limit, |entry| entries.push(entry)).await?;
            // A reader that has seen enough closes the pipe.
            let _ = write(&shown(&entries, now, json));
            if entries.is_empty() && !json {
                say("no item matches");
            }
            if more && !json {
                say(&format!("more than {limit} items match; a larger --limit shows them"));
            }
            Ok(0)
        }
        Task::Show { id } => match desk.show(ItemId::new(*id)).await? {
            None => {
                say(&format!("there is no item {id}"));
                Ok(1)
            }
            Some(shown) => {
                let mut all = line(&shown.entry);
                match &shown.delivery {
                    Ok(delivery) => {
                        all["dialect"] = delivery.dialect.map(|d| d.name()).into();
                        all["headers"] = json!(delivery.headers);
                        match std::str::from_utf8(&delivery.body) {
                            Ok(body) => all["body"] = body.into(),
                            Err(_) => all["body_base64"] = STANDARD.encode(&delivery.body).into(),
                        }
                    }
                    Err(why) => all["damaged"] = why.as_str().into(),
                }
                print(&if json { visible(&all.to_string()) } else { table::one(&all) });
                Ok(0)
            }
        },
        Task::Retry { which, all } => {
            if !meant(which, *all) {
                return Ok(2);
            }
            let Some(missing) = missing(desk, which).await? else { return Ok(2) };
            let filter = which.filter(now);
            let count = retry(desk, &filter).await?;
            let text = json!({ "retried": count }).to_string();
            print(&if json { text } else { format!("{} due now", items(count)) });
            Ok(u8::from(missing || (count == 0 && !all)))
        }
        Task::Purge { which, all, yes } => {
            if !meant(which, *all) {
                return Ok(2);
            }
            let Some(missing) = missing(desk, which).await? else { return Ok(2) };
            let filter = which.filter(now);
            let mut count = 0;
            pages(desk, &filter, if *yes { 1 } else { usize::MAX }, |_| count += 1).await?;
            if count == 0 {
                say("no item matches");
                return Ok(u8::from(missing || !all));
            }
            if !yes {
                let question = format!(
                    "Delete {} permanently? Their objects will not be scanned, except those a running relay has already loaded for sending.",
                    items(count)
                );
                if !agreed(&question) {
                    say("nothing was deleted");
                    return Ok(1);
                }
            }
            Ok(purge(desk, &filter, now, json).await?.max(u8::from(missing)))
        }
        Task::Stats => {
            let stock = desk.stock().await?;
            if json {
                let oldest: BTreeMap<&str, String> =
                    stock.oldest.iter().map(|(lane, since)| (lane.as_str(), since.to_string())).collect();
                let depths = stock.depths.iter().map(|d| {
                    let reason = (!d.reason.is_empty()).then_some(&d.reason);
                    json!({ "lane": d.lane, "state": d.state.name(), "reason": reason, "items": d.items, "bytes": d.bytes })
                });
                let depths: Vec<_> = depths.collect();
                let all = json!({ "used_bytes": stock.used_bytes, "oldest": oldest, "depths": depths });
                print(&visible(&all.to_string()));
            } else {
                print(&table::stats(&stock, now));
            }
            Ok(0)
        }
    }
}

/// Whether a number that was given names no item, with a line for each; `None` if a reason was given that is none, which would
/// fit nothing without a word.
async fn missing(desk: &Desk, which: &Which) -> Result<Option<bool>, Trouble> {
    let stock = desk.stock().await?;
    if let Some(reason) = &which.reason
        && !Cause::ALL.iter().any(|cause| cause.name() == reason)
        && !stock.depths.iter().any(|depth| depth.reason == *reason)
    {
        let hint = match nearest(reason, Cause::ALL.iter().map(|cause| cause.name())) {
            Some(nearest) => format!("is {nearest} meant?"),
            None => "`spool stats` lists the reasons of the items".to_owned(),
        };
        say(&format!("--reason: expected a failure's token, found {reason:?}; {hint}"));
        return Ok(None);
    }
    if let Some(lane) = &which.lane
        && !stock.depths.iter().any(|depth| depth.lane == *lane)
    {
        let hint = match nearest(lane, stock.depths.iter().map(|depth| depth.lane.as_str())) {
            Some(nearest) => format!("; is {nearest} meant?"),
            None => String::new(),
        };
        say(&format!("--lane: no item is in lane {lane:?}{hint}"));
    }
    let mut missing = false;
    for id in &which.ids {
        if desk.show(ItemId::new(*id)).await?.is_none() {
            say(&format!("there is no item {id}"));
            missing = true;
        }
    }
    Ok(Some(missing))
}

/// Whether something was said about which items: a bare `purge` must not mean everything.
fn meant(which: &Which, all: bool) -> bool {
    let filtered = which.state.is_some()
        || which.lane.is_some()
        || which.bucket.is_some()
        || which.reason.is_some()
        || which.older_than.is_some()
        || !which.ids.is_empty();
    if !filtered && !all {
        say("expected item numbers, a filter, or --all for every item");
    }
    filtered || all
}

/// Every item that fits, up to a number, a few hundred at a time; true if there are more.
async fn pages(
    desk: &Desk,
    filter: &Filter,
    limit: usize,
    mut see: impl FnMut(Entry),
) -> Result<bool, Trouble> {
    let (mut after, mut left) = (None, limit);
    loop {
        let most = PAGE.min(left.saturating_add(1));
        let page = desk.list(filter, after, most).await?;
        let full = page.len() == most;
        for entry in page {
            if left == 0 {
                return Ok(true);
            }
            left -= 1;
            after = Some(entry.id);
            see(entry);
        }
        if !full {
            return Ok(false);
        }
    }
}

/// Makes everything that fits due, step by step; gives how many.
async fn retry(desk: &Desk, filter: &Filter) -> Result<usize, Trouble> {
    let mut progress = Progress::new("due now");
    let mut after = None;
    loop {
        let batch = desk.retry(filter, after).await?;
        progress.step(batch.entries.len());
        after = batch.next;
        if after.is_none() {
            return Ok(progress.end());
        }
    }
}

/// Deletes everything that fits, step by step, each step after its items are written out: the line is all that is left of
/// an item. The relay, which may be writing, does not wait meanwhile, so an item may change between the two; it is deleted if it
/// still fits.
async fn purge(desk: &Desk, filter: &Filter, now: Moment, json: bool) -> Result<u8, Trouble> {
    let mut progress = Progress::new("deleted");
    let (mut after, mut changed) = (None, 0);
    let written = loop {
        let listed = desk.list(filter, after, PAGE).await?;
        let Some(last) = listed.last() else { break Ok(()) };
        after = Some(last.id);
        if let Err(error) = write(&shown(&listed, now, json)) {
            break Err(error);
        }
        let these = Filter { ids: listed.iter().map(|entry| entry.id).collect(), ..filter.clone() };
        let deleted = desk.purge(&these, None).await?.entries.len();
        changed += listed.len() - deleted;
        progress.step(deleted);
    };
    let count = progress.end();
    if !json || written.is_err() {
        say(&format!("{} deleted", items(count)));
    }
    if changed > 0 {
        say(&format!(
            "{} not deleted, because they were gone or had changed when their turn came",
            items(changed)
        ));
    }
    if let Err(error) = written {
        say(&format!("deleting stopped, because the items could not be printed: {error}"));
        return Ok(1);
    }
    Ok(0)
}

/// How far a bulk change has come, for a person who waits.
struct Progress {
    what: &'static str,
    count: usize,
    watched: bool,
    shown: bool,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self { what, count: 0, watched: std::io::stderr().is_terminal(), shown: false }
    }

    fn step(&mut self, count: usize) {
        self.count += count;
        if self.watched && count == PAGE {
            let _ = write!(std::io::stderr(), "\r{} {} so far", items(self.count), self.what);
            self.shown = true;
        }
    }

    fn end(self) -> usize {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
        self.count
    }
}

/// Asks whoever is there; where nobody is, the answer is no.
fn agreed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        say(&format!("{question} There is no terminal to ask at; --yes is the answer of a script"));
        return false;
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn items(count: usize) -> String {
    if count == 1 { "1 item".into() } else { format!("{count} items") }
}

/// Items for whoever reads them, each line with its end.
fn shown(entries: &[Entry], now: Moment, json: bool) -> String {
    if entries.is_empty() {
        String::new()
    } else if json {
        entries.iter().map(|entry| visible(&line(entry).to_string()) + "\n").collect()
    } else {
        table::entries(entries, now) + "\n"
    }
}

fn line(entry: &Entry) -> Value {
    json!({
        "id": entry.id.get(),
        "state": entry.state.name(),
        "lane": entry.lane,
        "bucket": entry.bucket,
        "key": entry.key,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "detail": entry.detail,
        "received": entry.received.to_string(),
        "not_before": entry.not_before.to_string(),
        "source": entry.source,
        "delivery": entry.name,
        "item": entry.path,
        "bytes": entry.bytes,
    })
}

fn print(text: &str) {
    let _ = write(&format!("{text}\n"));
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay spool: {}", visible(text));
}
