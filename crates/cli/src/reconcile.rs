//! `reconcile`: which objects of a bucket MDSS was never told of, and the way there.

mod last;
mod shown;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use mdss_relay_core::{LedgerKeys, Role, Settings, duration_in};
use mdss_relay_ledger::{Keys, Ledger, Options, Place as LedgerPlace, RunStart};
use mdss_relay_reconcile::{
    Alone, Door, GRACE, Means, Outcome, Progress, Question, RATE, Referee, Target, Wanted, compare,
};
use mdss_relay_spool::{Parties, Place};
use mdss_relay_stores::{Store, StoreSettings};
use tokio::sync::watch;

use crate::database;
use crate::spool::place;
use crate::visible::visible;

/// The longest grace time.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

const EXAMPLES: &str = "\
Examples:
  mdss-relay reconcile --route invoices
  mdss-relay reconcile --route invoices --forward --rate 50
  mdss-relay reconcile --store minio --bucket invoices --prefix 2026/ --json
  mdss-relay reconcile --bucket invoices --before 2026-11-01T00:00:00Z --forward   # a backfill
  mdss-relay reconcile --route invoices --fail-under 99.99 || alarm                 # in cron
  mdss-relay reconcile --bucket invoices --last";

/// Compares what a bucket holds with what MDSS has accepted, and says what is missing.
///
/// Lists the bucket, and looks for each object in the ledger and in the spool. Without --forward that is all: nothing is sent. With it, what
/// is missing is put into the spool of the running relay, like events, no faster than --rate; while more than 1,000 events wait for a
/// storage unit, or MDSS is away, it waits and goes on by itself. Interrupted or killed, the same command goes on where it was, and sends
/// nothing twice. docs/reconcile.md says what each count means.
///
/// The stores are those of the configuration ([[store]]). The ledger is that of the data directory. Without a ledger nothing is known of
/// what was accepted: then everything counts as missing, a run cannot be gone on with, and there is no --last.
///
/// Exit status: 0; 1 if it was interrupted, could not be finished, or the coverage is below --fail-under or unknown; 2 if it could not be begun.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a route. What goes to another storage unit does not count; its bucket and its source say which bucket of which store.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// The name of a [[store]]; without it, the one that has the bucket.
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
    /// The bucket; without it, the one of the route, else the only one of the store.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Only keys that begin so.
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Puts what is missing into the spool of the running relay.
    #[arg(long)]
    forward: bool,
    /// Objects a second that are forwarded, at most.
    #[arg(long, default_value_t = RATE, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// For how long the event of a new object may be on its way: 90s, 15m, 2h. Default: 15m.
    #[arg(long, value_name = "TIME", value_parser = grace)]
    grace: Option<Duration>,
    /// Only objects that were last written before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = |time: &str| time.parse::<Timestamp>().map_err(|_| "expected an RFC 3339 time"))]
    before: Option<Timestamp>,
    /// Forwards also what is undecidable: a route's condition asks what a listing does not say.
    #[arg(long, requires = "forward")]
    undecidable: bool,
    /// Asks MDSS about what is missing (RELAY_LOOP_FILE_API), four times a second at most: what it has scanned by itself is covered.
    #[arg(long, conflicts_with = "last")]
    ask_mdss: bool,
    /// Status 1 if the coverage is below so many percent: 99.99.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_under: Option<f64>,
    /// Shows the last run and does nothing else.
    #[arg(long, conflicts_with_all = ["forward", "prefix", "before", "undecidable"])]
    last: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// The data directory of the relay; without it, the variable RELAY_DATA_DIR, else /var/lib/mdss-relay if there is one.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A file with the URL of the spool's database.
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    url_file: Option<PathBuf>,
    /// The configuration; without it, RELAY_CONFIG, else /etc/mdss-relay/relay.toml if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}")),
    };
    match runtime.block_on(command(arguments)) {
        Ok(status) => ExitCode::from(status),
        Err(sentence) => failed(&sentence),
    }
}

fn failed(sentence: &str) -> ExitCode {
    say(sentence);
    ExitCode::from(2)
}

/// What is asked for; a sentence if it could not be begun.
async fn command(arguments: &Arguments) -> Result<u8, String> {
    let (dir, url) = (arguments.data_dir.clone(), arguments.url_file.as_deref());
    let whence = Whence::of(arguments.config.as_deref(), dir, url)?;
    let wanted = Wanted {
        route: arguments.route.as_deref(),
        store: arguments.store.as_deref(),
        bucket: arguments.bucket.as_deref(),
    };
    if arguments.last {
        let anyone = wanted.route.is_none() && wanted.store.is_none();
        let bucket = match anyone {
            true => arguments.bucket.clone(),
            false => Some(Target::of(&whence.settings, &whence.stores, wanted)?.bucket),
        };
        let place = whence.ledger_place().filter(|place| match place {
            LedgerPlace::Directory(dir) => has_ledger(dir),
            LedgerPlace::Database { .. } => true,
        });
        return last::run(place.as_ref(), bucket.as_deref(), arguments).await;
    }
    let target = Target::of(&whence.settings, &whence.stores, wanted)?;
    let question = question(&target, arguments);
    let door = match arguments.forward {
        true => Some(whence.open_door().await?),
        false => whence.door().await?,
    };
    let _alone = match &whence.dir {
        Some(dir) => Some(Alone::take(dir).map_err(|trouble| trouble.to_string())?),
        None => None,
    };
    let ledger = whence.ledger().await?;
    if ledger.is_none() {
        say("there is no ledger, so nothing is known of what was accepted: everything counts as missing");
    }
    if whence.ledger_keys() == Keys::Off {
        say(
            "RELAY_LEDGER_KEYS=off, so the ledger does not know of which objects it tells: everything counts as missing",
        );
    }
    let referee = match arguments.ask_mdss {
        true => Some(whence.referee()?),
        false => None,
    };
    let store = Store::open(target.store).map_err(|trouble| trouble.to_string())?;
    let means = Means {
        listing: store.list(&target.bucket, arguments.prefix.as_bytes()),
        store: target.store,
        pinned: target.pinned,
        rules: &whence.settings.rules,
        ledger,
        door,
        referee,
    };
    let stop = stopped()?;
    let meter = Meter::new();
    let begun = Instant::now();
    let opened = means.ledger.clone();
    let outcome = compare(means, &question, stop, |progress| meter.tell(progress)).await;
    meter.end();
    if let Some(ledger) = opened {
        ledger.close().await;
    }
    match outcome {
        Ok(outcome) => {
            if let Some(why) = &outcome.not_asked {
                say(&format!(
                    "MDSS's file API says nothing that is understood ({why}): what it was not asked about counts as missing"
                ));
            }
            print(&shown::outcome(&target, &question, &outcome, begun.elapsed(), arguments.json));
            Ok(status(&outcome, arguments.fail_under))
        }
        Err(trouble) => {
            say(&format!("{trouble}; the same command goes on where this was"));
            Ok(1)
        }
    }
}

fn status(outcome: &Outcome, fail_under: Option<f64>) -> u8 {
    if !outcome.complete {
        say("interrupted; the same command goes on from here");
        return 1;
    }
    match fail_under.and_then(|percent| outcome.counts.short_of(percent)) {
        Some(why) => {
            say(&why);
            1
        }
        None => 0,
    }
}

fn question(target: &Target<'_>, arguments: &Arguments) -> Question {
    Question {
        prefix: arguments.prefix.clone().into_bytes(),
        route: target.route.clone(),
        grace: arguments.grace.unwrap_or(GRACE),
        before: arguments.before,
        forward: arguments.forward,
        undecidable: arguments.undecidable,
        ask_mdss: arguments.ask_mdss,
        rate: arguments.rate,
        ..Question::about(target.bucket.clone(), actor())
    }
}

/// Who runs this: the user's name, as sudo has it. Who is called like a server's schedule is none.
fn actor() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(std::env::var_os);
    let name = name.map(|name| name.to_string_lossy().into_owned());
    let name = name.filter(|name| !name.is_empty() && name != RunStart::SCHEDULE);
    name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// What the settings and the command line say of where things are.
pub(crate) struct Whence {
    pub(crate) settings: Settings,
    pub(crate) stores: Vec<StoreSettings>,
    /// The data directory.
    dir: Option<PathBuf>,
    /// The spool.
    place: Option<Place>,
    /// Its limit.
    limit: u64,
}

impl Whence {
    /// # Errors
    /// The mistakes in the settings.
    pub(crate) fn of(
        config: Option<&Path>,
        data_dir: Option<PathBuf>,
        url_file: Option<&Path>,
    ) -> Result<Self, String> {
        let mut variables = place::variables(config);
        let database = match data_dir {
            Some(_) => None,
            None => database::meant(variables.clone(), url_file)?,
        };
        let dir = place::meant(data_dir);
        if let Some(dir) = &dir {
            variables.retain(|(name, _)| name != "RELAY_DATA_DIR" && name != "RELAY_MODE");
            variables.push(("RELAY_DATA_DIR".into(), dir.into()));
            variables.push(("RELAY_MODE".into(), "spooled".into()));
        }
        let mut draft = Settings::read(variables, Role::Explain);
        let mut mistakes = std::mem::take(&mut draft.mistakes);
        let stores = StoreSettings::read(&draft.settings, &mut mistakes);
        if !mistakes.is_empty() {
            let lines: Vec<_> = mistakes.iter().map(|mistake| format!("\n- {mistake}")).collect();
            return Err(format!("mistakes in the settings:{}", lines.concat()));
        }
        let spool = draft.settings.http.as_ref().and_then(|http| http.spool.as_ref());
        let limit = spool.map_or(u64::MAX, |spool| spool.limit);
        let place = match database {
            Some(database) => Some(Place::Database(database)),
            None => dir.clone().filter(|dir| dir.join("spool.db").exists()).map(Place::Directory),
        };
        Ok(Self { settings: draft.settings, stores, dir, place, limit })
    }

    /// The spool of a running relay; a sentence if there is none that anybody works on.
    pub(crate) async fn open_door(&self) -> Result<Door, String> {
        let Some(door) = self.door().await? else {
            return Err("there is no spool to put anything into: name the data directory of a running relay, in --data-dir or RELAY_DATA_DIR".into());
        };
        match door.is_worked_on().await {
            Ok(true) => Ok(door),
            Ok(false) => Err("no relay works on the spool: start one first".into()),
            Err(trouble) => Err(trouble.to_string()),
        }
    }

    async fn door(&self) -> Result<Option<Door>, String> {
        let Some(place) = &self.place else { return Ok(None) };
        if let Place::Directory(dir) = place {
            let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
            if let Some(sentence) = place::denied(dir, &place::command_line(dir, words)) {
                return Err(sentence);
            }
        }
        let sources = self.settings.http.as_ref().map_or(0, |http| http.sources.len());
        let parties = Parties { sources: sources.max(1), units: self.settings.rules.units() };
        let door = Door::beside(place.clone(), self.limit, parties);
        door.map(Some).map_err(|trouble| trouble.to_string())
    }

    /// MDSS, to be asked what it knows.
    fn referee(&self) -> Result<Referee, String> {
        let api = self.settings.http.as_ref().map(|http| http.file_api.clone()).unwrap_or_default();
        let referee = Referee::of(&self.settings, &api).map_err(|mistake| mistake.to_string())?;
        referee.ok_or_else(|| {
            "--ask-mdss needs RELAY_LOOP_FILE_API: where MDSS is asked is not known".to_owned()
        })
    }

    /// Where the ledger is: in the database, if the settings ask for one; in the data directory, if they do or there is one.
    fn ledger_place(&self) -> Option<LedgerPlace> {
        let asked = self.settings.http.as_ref().and_then(|http| http.spool.as_ref());
        let asked = asked.and_then(|spool| spool.ledger.as_ref());
        if let Some(Place::Database(database)) = &self.place {
            let Some(mdss_relay_core::LedgerPlace::Database { key }) = asked.map(|asked| &asked.place) else {
                return None;
            };
            return Some(LedgerPlace::Database { database: database.clone(), key: Some(key.clone()) });
        }
        let dir = self.dir.as_ref().filter(|dir| asked.is_some() || has_ledger(dir))?;
        Some(LedgerPlace::Directory(dir.clone()))
    }

    fn ledger_keys(&self) -> Keys {
        let asked = self.settings.http.as_ref().and_then(|http| http.spool.as_ref());
        match asked.and_then(|spool| spool.ledger.as_ref()).map(|settings| settings.keys) {
            None | Some(LedgerKeys::Clear) => Keys::Clear,
            Some(LedgerKeys::Hashed) => Keys::Hashed,
            Some(LedgerKeys::Off) => Keys::Off,
        }
    }

    async fn ledger(&self) -> Result<Option<Ledger>, String> {
        let Some(place) = self.ledger_place() else { return Ok(None) };
        let options = Options { keys: self.ledger_keys(), ..Options::default() };
        let ledger = Ledger::open(&place, options).await;
        ledger.map(Some).map_err(|trouble| trouble.to_string())
    }
}

/// Whether a directory has a ledger.
fn has_ledger(dir: &Path) -> bool {
    let glance = Ledger::glance(dir);
    glance.version.is_some() || glance.bytes > 0
}

/// What says that somebody has asked to stop: Ctrl-C, or SIGTERM.
pub(crate) fn stopped() -> Result<watch::Receiver<bool>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let odd = |e: std::io::Error| format!("cannot watch signals: {e}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(odd)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(odd)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = stop.send(true);
        // The next one is not waited for: nothing is lost that was written down.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(1);
    });
    Ok(stopped)
}

/// Says on the terminal how far it has come, and everywhere why it waits.
struct Meter {
    terminal: bool,
    state: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    when: Option<Instant>,
    waits: Option<String>,
    resumed: bool,
    unordered: bool,
    line: bool,
}

impl Meter {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), state: Mutex::default() }
    }

    fn tell(&self, progress: Progress<'_>) {
        let mut told = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let mut lines = Vec::new();
        if let Some(resumed) = progress.resumed.filter(|_| !told.resumed) {
            told.resumed = true;
            lines.push(shown::resumed(resumed));
        }
        if !progress.ordered && !told.unordered {
            told.unordered = true;
            lines.push(
                "the store lists in no order, so each key is looked up; a run that is broken off begins again from the start"
                    .to_owned(),
            );
        }
        // The reason, and not each of its numbers.
        let kind = |why: &str| why.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        match (progress.waits, &told.waits) {
            (Some(why), before) if before.as_deref().map(kind) != Some(kind(why)) => {
                lines.push(format!("waiting: {why}"));
                told.waits = Some(why.to_owned());
            }
            (None, Some(_)) => {
                lines.push("going on".to_owned());
                told.waits = None;
            }
            _ => {}
        }
        if !lines.is_empty() && told.line {
            eprint_line("\r\x1b[K", "");
            told.line = false;
        }
        lines.iter().for_each(|line| say(line));
        if self.terminal && told.when.is_none_or(|when| when.elapsed() >= Duration::from_millis(200)) {
            told.when = Some(Instant::now());
            told.line = true;
            eprint_line("\r\x1b[K", &shown::progress(progress.counts, progress.waits));
        }
    }

    fn end(&self) {
        if self.state.lock().unwrap_or_else(|e| e.into_inner()).line {
            eprint_line("\r\x1b[K", "");
        }
    }
}

fn eprint_line(before: &str, text: &str) {
    let mut out = std::io::stderr();
    let _ = write!(out, "{before}{}", visible(text));
    let _ = out.flush();
}

fn grace(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    duration_in(text, Duration::from_millis(1)..=LONGEST).map_err(|expected| format!("expected {expected}"))
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "expected a percentage from 0 to 100, such as 99.99".to_owned())
}

fn print(text: &str) {
    // A reader that has seen enough closes the pipe.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay reconcile: {}", visible(text));
}
