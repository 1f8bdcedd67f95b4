//! `spool`: what a relay keeps, on a disk or in a database, looked at and changed from outside, while it runs or while it does not.

mod actor;
mod check;
mod migrate;
pub(crate) mod place;
mod relocate;
mod standing;
mod table;
mod units;
pub(crate) mod which;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{ArgGroup, Args, Subcommand};
use mdss_relay_spool::{Clock, Desk, Entry, Filter, ItemId, Moment, Place, State, SystemClock, Trouble};
use serde_json::{Value, json};

use crate::database;
use crate::terminal::{agreed, finished, print, write};
use crate::visible::visible;
use standing::Standing;
use units::Units;
use which::Which;

/// Items that are read, or changed, in one step: a bulk change is many short ones, so that the relay never waits for long.
const PAGE: usize = 500;

/// Shows and changes what a relay keeps, on disk or in a database, while it runs or while it does not. Run it as the relay's user.
///
/// The spool is the one of --data-dir or --url-file; without either, the database that RELAY_SPOOL_URL, RELAY_SPOOL_URL_FILE or the configuration
/// names; without one, the data directory. RELAY_SPOOL_CA_FILE and RELAY_SPOOL_DURABILITY mean what they mean to the relay. A password is never
/// given on the command line.
///
/// `list` and `stats` begin with how MDSS stands: since when it is reachable or not, its last answer, the breakers, what came and went in the last minute.
///
/// Exit status: 0; 1 if there was no such item (a number, a lane, a bucket or a reason that names nothing; for retry and purge also if no item
/// matches and --all was not given), if the answer was no, or if purge could not print what it deletes; 2 if the spool could not be opened.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The data directory of the relay; without it, the variable RELAY_DATA_DIR, else /var/lib/mdss-relay if there is one.
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// A file with the URL of the spool's database: postgres://user:password@host:port/database.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "data_dir")]
    url_file: Option<PathBuf>,
    /// The configuration whose routes name the storage units; without it, RELAY_CONFIG, else /etc/mdss-relay/relay.toml if there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
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
    /// A relay loads what is due next, up to 32 items for each of RELAY_CONCURRENCY, at most 1024. To be sure that none is sent, stop
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
    /// Looks whether a relay can work with the database, and keeps what RELAY_SPOOL_DURABILITY asks for; changes nothing.
    ///
    /// Exit status: 0 if nothing failed, 1 if something did, 2 if no database is named.
    Check,
    /// Makes the tables in the database, or brings them to today's version. A relay does that by itself, unless RELAY_SPOOL_MIGRATE is off.
    Migrate {
        /// Prints the statements that would be run, and runs none.
        #[arg(long)]
        print: bool,
    },
    /// Moves everything from a data directory into a database, or back. Interrupted, it is taken up by the same command.
    ///
    /// Each step is committed where the items go before it is deleted where they come from, and what a half step has moved is recognised: nothing
    /// is lost, and nothing is there twice. No relay may work on the directory, and on the way back none on the database either.
    #[command(group(ArgGroup::new("from_where").args(["from", "from_url_file"]).required(true)))]
    #[command(group(ArgGroup::new("to_where").args(["to", "to_url_file"]).required(true)))]
    Move(relocate::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    finished(command(arguments), say)
}

/// What is asked for; a sentence if it could not be begun.
async fn command(arguments: &Arguments) -> Result<u8, String> {
    if let Task::Move(way) = &arguments.task {
        return relocate::run(way, arguments.config.as_deref(), arguments.json).await;
    }
    let place = meant(arguments)?;
    match (&arguments.task, &place) {
        (Task::Check, Place::Database(database)) => {
            let variables = place::variables(arguments.config.as_deref());
            let key =
                database::ledger_key_dir(database::with_ledger(variables, arguments.url_file.as_deref()));
            return Ok(check::run(database, key.as_deref(), arguments.json).await);
        }
        (Task::Migrate { print }, Place::Database(database)) => return migrate::run(database, *print).await,
        (Task::Check | Task::Migrate { .. }, Place::Directory(_)) => {
            return Err("expected a database, in --url-file, RELAY_SPOOL_URL or RELAY_SPOOL_URL_FILE".into());
        }
        _ => {}
    }
    if let Place::Directory(dir) = &place {
        let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        if let Some(sentence) = place::denied(dir, &place::command_line(dir, words)) {
            return Err(sentence);
        }
    }
    let units = Units::read(arguments.config.as_deref())?;
    let done = async { task(&Desk::at(&place)?.by(actor::actor()), &place, &units, arguments).await };
    done.await.map_err(|trouble: Trouble| trouble.detail)
}

/// The spool that is meant.
fn meant(arguments: &Arguments) -> Result<Place, String> {
    if arguments.data_dir.is_none() {
        let variables = place::variables(arguments.config.as_deref());
        if let Some(database) = database::meant(variables, arguments.url_file.as_deref())? {
            return Ok(Place::Database(database));
        }
    }
    data_dir(arguments.data_dir.clone()).map(Place::Directory).ok_or_else(|| {
        format!(
            "expected the data directory of a relay, in --data-dir or RELAY_DATA_DIR, or the URL of its database; there is no {}",
            place::STANDARD
        )
    })
}

async fn task(desk: &Desk, place: &Place, units: &Units, arguments: &Arguments) -> Result<u8, Trouble> {
    let now = SystemClock.now();
    let json = arguments.json;
    match &arguments.task {
        Task::List { which, limit } => {
            let unknown = which.unknown(desk, units).await?;
            let standing = Standing::of(desk, place).await?;
            let mut entries = Vec::new();
            let more = pages(desk, &which.filter(units, now), *limit, |entry| entries.push(entry)).await?;
            let head = if json {
                String::new()
            } else {
                head(&standing, units, entries.iter().map(|entry| &entry.lane), now)
            };
            // A reader that has seen enough closes the pipe.
            let _ = write(&(head + &shown(&entries, Some(&standing), now, json)));
            if entries.is_empty() && !json {
                say("no item matches");
            }
            if more && !json {
                say(&format!("more than {limit} items match; a larger --limit shows them"));
            }
            Ok(u8::from(unknown.reason || unknown.items || unknown.place))
        }
        Task::Show { id } => match desk.show(ItemId::new(*id)).await? {
            None => {
                say(&format!("there is no item {id}"));
                Ok(1)
            }
            Some(shown) => {
                let mut all = line(&shown.entry, None);
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
            if !which.is_meant(*all) {
                return Ok(2);
            }
            let unknown = which.unknown(desk, units).await?;
            if unknown.reason {
                return Ok(1);
            }
            let filter = which.filter(units, now);
            let (count, busy) = retry(desk, &filter).await?;
            let text = json!({ "retried": count, "under_way": busy }).to_string();
            print(&if json { text } else { format!("{} due now", items(count)) });
            if busy > 0 && !json {
                say(&format!("{} left as they are, because a relay has them under way", items(busy)));
            }
            Ok(u8::from(unknown.items || (count == 0 && !all)))
        }
        Task::Purge { which, all, yes } => {
            if !which.is_meant(*all) {
                return Ok(2);
            }
            let unknown = which.unknown(desk, units).await?;
            if unknown.reason {
                return Ok(1);
            }
            let filter = which.filter(units, now);
            let mut count = 0;
            pages(desk, &filter, if *yes { 1 } else { usize::MAX }, |_| count += 1).await?;
            if count == 0 {
                say("no item matches");
                return Ok(u8::from(unknown.items || !all));
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
            Ok(purge(desk, &filter, now, json).await?.max(u8::from(unknown.items)))
        }
        // They were done before.
        Task::Check | Task::Migrate { .. } | Task::Move(_) => Ok(0),
        Task::Stats => {
            print(&stats(desk, &Standing::of(desk, place).await?, units, now, json).await?);
            Ok(0)
        }
    }
}

/// How MDSS stands, and what the lanes are called, before a table.
fn head<'l>(
    standing: &Standing,
    units: &Units,
    lanes: impl Iterator<Item = &'l String>,
    now: Moment,
) -> String {
    let lanes: BTreeSet<&String> = lanes.collect();
    let mut lines = standing.lines(now);
    lines.extend(lanes.into_iter().filter_map(|lane| units.line(lane)));
    lines.iter().map(|line| visible(line) + "\n").collect::<String>() + "\n"
}

/// Everything that is kept, counted.
async fn stats(
    desk: &Desk,
    standing: &Standing,
    units: &Units,
    now: Moment,
    json: bool,
) -> Result<String, Trouble> {
    let stock = desk.stock().await?;
    let lanes = stock.depths.iter().map(|depth| &depth.lane);
    if json {
        let oldest: BTreeMap<&str, String> =
            stock.oldest.iter().map(|(lane, since)| (lane.as_str(), since.to_string())).collect();
        let depths = stock.depths.iter().map(|d| {
            let reason = (!d.reason.is_empty()).then_some(&d.reason);
            json!({ "lane": d.lane, "state": d.state.name(), "reason": reason, "items": d.items, "bytes": d.bytes })
        });
        let depths: Vec<_> = depths.collect();
        let called = lanes.filter_map(|lane| {
            let unit = units.of(lane)?;
            Some((lane.clone(), json!({ "names": unit.names, "buckets": unit.buckets })))
        });
        let called: serde_json::Map<_, _> = called.collect();
        let mut all = standing.json(now);
        all["used_bytes"] = stock.used_bytes.into();
        if let Some(leased) = stock.leased {
            all["leased"] = leased.into();
        }
        all["oldest"] = json!(oldest);
        all["depths"] = json!(depths);
        all["units"] = Value::Object(called);
        return Ok(visible(&all.to_string()));
    }
    let mut text = head(standing, units, lanes, now)
        + &table::stats(&stock, |lane, state| standing.pause_of(lane, state), now);
    if standing.is_well()
        && let Some(line) = sleepers(desk, now).await?
    {
        text = text + "\n" + &line;
    }
    Ok(text)
}

/// The counts and the items, each a line of JSON, for a file that somebody else reads; in their place why they cannot be had.
pub(crate) async fn report(given: Option<PathBuf>, config: Option<&Path>, most: usize) -> (String, String) {
    let database = match &given {
        Some(_) => Ok(None),
        None => database::meant(place::variables(config), None),
    };
    let place = match database {
        Err(sentence) => return (sentence, String::new()),
        // Whoever writes a report changes no tables.
        Ok(Some(database)) => Place::Database(database.migrating(false)),
        Ok(None) => match data_dir(given) {
            Some(dir) => Place::Directory(dir),
            None => return ("there is no data directory".into(), String::new()),
        },
    };
    let read = async {
        let units = Units::read(config).unwrap_or_default();
        let (desk, now) = (Desk::at(&place)?, SystemClock.now());
        let standing = Standing::of(&desk, &place).await?;
        let mut items = Vec::new();
        pages(&desk, &Filter::default(), most, |entry| items.push(entry)).await?;
        Ok((stats(&desk, &standing, &units, now, true).await?, shown(&items, Some(&standing), now, true)))
    };
    let named = match &place {
        Place::Directory(dir) => dir.display().to_string(),
        Place::Database(database) => database.place(),
    };
    read.await.unwrap_or_else(|trouble: Trouble| (format!("{named}: {}", trouble.detail), String::new()))
}

fn data_dir(given: Option<PathBuf>) -> Option<PathBuf> {
    place::meant(given)
}

/// MDSS works, and items wait for nothing but the end of their pause: who knows that it works need not wait with them.
async fn sleepers(desk: &Desk, now: Moment) -> Result<Option<String>, Trouble> {
    let waiting = Filter { state: Some(State::Waiting), ..Filter::default() };
    let (mut count, mut last) = (0, now);
    let more = pages(desk, &waiting, 2 * PAGE, |entry| {
        count += usize::from(entry.not_before > now);
        last = last.max(entry.not_before);
    })
    .await?;
    let least = if more { "at least " } else { "" };
    Ok((count > 0).then(|| {
        format!(
            "{least}{} wait for the end of their pause, the last one {}; `mdss-relay spool retry --all` sends them at once",
            items(count),
            table::age(last.since(now))
        )
    }))
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

/// Makes everything that fits due, step by step; gives how many, and how many a relay has under way.
async fn retry(desk: &Desk, filter: &Filter) -> Result<(usize, usize), Trouble> {
    let mut progress = Progress::new("due now");
    let (mut after, mut busy) = (None, 0);
    loop {
        let batch = desk.retry(filter, after).await?;
        progress.step(batch.entries.len());
        busy += batch.busy.len();
        after = batch.next;
        if after.is_none() {
            return Ok((progress.end(), busy));
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
        if let Err(error) = write(&shown(&listed, None, now, json)) {
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

fn items(count: usize) -> String {
    if count == 1 { "1 item".into() } else { format!("{count} items") }
}

/// Items for whoever reads them, each line with its end.
fn shown(entries: &[Entry], standing: Option<&Standing>, now: Moment, json: bool) -> String {
    let pause = |lane: &str, state| standing.and_then(|standing| standing.pause_of(lane, state));
    if entries.is_empty() {
        String::new()
    } else if json {
        entries
            .iter()
            .map(|entry| visible(&line(entry, pause(&entry.lane, entry.state)).to_string()) + "\n")
            .collect()
    } else {
        table::entries(entries, pause, now) + "\n"
    }
}

/// `paused`: why a running relay sends nothing to its lane now.
fn line(entry: &Entry, paused: Option<String>) -> Value {
    json!({
        "id": entry.id.get(),
        "state": entry.state.name(),
        "lane": entry.lane,
        "bucket": entry.bucket,
        "key": entry.key,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "paused": paused,
        "detail": entry.detail,
        "received": entry.received.to_string(),
        "not_before": entry.not_before.to_string(),
        "source": entry.source,
        "delivery": entry.name,
        "item": entry.path,
        "bytes": entry.bytes,
    })
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay spool: {}", visible(text));
}
