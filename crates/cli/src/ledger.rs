//! `ledger`: what a relay has written down about what MDSS accepted and scanned, looked at, verified, exported, erased, and made of a log.

mod journey;
mod period;
mod place;
mod proof;
mod resend;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use mdss_relay_ledger::{
    BucketName, Checkpoint, Export, Filter, Forget, Format, Import, Ledger, LedgerId, Options, Place, Rekey,
    Remains, Verify, Which,
};
use serde_json::json;

use crate::reconcile::Whence;
use crate::spool::which::age;
use crate::terminal::{agreed, finished, print, write};
use crate::visible::visible;
use period::Period;

/// Shows what a relay has written down: when MDSS accepted each object, whether it was scanned, and what was done by hand.
///
/// The ledger is the one of --data-dir or --url-file; without either, the one that the configuration or RELAY_LEDGER_DIR names; without one, that of
/// the data directory. It can be read while the relay runs. Run it as the relay's user.
///
/// Exit status: 0; 1 if there was nothing to show, if something does not fit, if lines of a log could not be used, or if the answer was no; 2 if the
/// ledger could not be opened.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The directory of the ledger; without it RELAY_LEDGER_DIR, RELAY_DATA_DIR or the configuration, else /var/lib/mdss-relay if there is one.
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// A file with the URL of the database that has the ledger: postgres://user:password@host:port/database.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "data_dir")]
    url_file: Option<PathBuf>,
    /// The directory of ledger.key, for a ledger in a database; without it RELAY_LEDGER_DIR. What only reads needs it for hashed keys alone.
    #[arg(long, value_name = "DIR", global = true)]
    key_dir: Option<PathBuf>,
    /// The configuration of the relay; without it, RELAY_CONFIG, else /etc/mdss-relay/relay.toml if there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Prints JSON, one line for each entry.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Shows the life of one object: each write of it, when it was accepted, and what MDSS said of it.
    Show {
        /// The bucket.
        bucket: String,
        /// The key, as the store has it.
        key: String,
        /// What the bucket's name is unique in, for a store that has such a thing.
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Lists what MDSS has accepted and no result was received of, oldest first, and how sure that is.
    ///
    /// No result received does not mean that MDSS has not scanned: its notification is sent once, and may be lost.
    Unscanned {
        /// Only what was accepted longer ago, such as 90s, 15m, 2h or 7d.
        #[arg(long, value_name = "AGE", value_parser = age)]
        older: Option<Duration>,
        /// Only of this storage unit.
        #[arg(long)]
        unit: Option<String>,
        /// Only of this bucket.
        #[arg(long)]
        bucket: Option<String>,
        /// How many objects at most; the counts are of all.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Gives the ledger a new key, after the old one was lost or somebody else has got it.
    ///
    /// The chains end: the old key signs each a last time, unless it is lost. A new chain begins with entries that say where each one ended and by which
    /// key. ledger.key in the directory is replaced; where several relays share the ledger, copy it to all of them, and stop those of an earlier version
    /// first. A relay that still has the old key writes nothing into the ledger, and what it has to tell waits in the spool. Interrupted, the same command goes on.
    Rekey {
        /// Why, for whoever verifies the ledger later.
        #[arg(long)]
        reason: String,
        /// The old key is gone: nobody can sign the end of the old chain.
        #[arg(long)]
        lost: bool,
        /// Does not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
    /// Reads the whole chain and says whether anything was changed, removed, put in or put in another order since it was written.
    Verify {
        /// Of several chains this one alone, by its name.
        ///
        /// Relays that share a database write a chain each.
        #[arg(long, value_name = "NAME", value_parser = chain)]
        chain: Option<LedgerId>,
        /// From this entry on; the one before it is believed. Where there are several chains, with --chain.
        #[arg(long, value_name = "NUMBER")]
        from: Option<u64>,
        /// A file with checkpoints that were kept elsewhere: of `ledger checkpoint`, or a piece of the relay's log. Can be given more than once.
        ///
        /// Without it nobody can tell a ledger from another one that was written anew by whoever has its key.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Signs the chain as it stands, and prints the checkpoint, to be kept where nobody who may write the ledger may write.
    Checkpoint,
    /// Writes a period out, for people who do not have the ledger. docs/ledger.md says how to verify it without this program.
    Export {
        /// Of several chains this one alone, by its name; without it all of them, one after the other.
        #[arg(long, value_name = "NAME", value_parser = chain)]
        chain: Option<LedgerId>,
        #[command(flatten)]
        period: Period,
        /// The form. CSV is for people: a spreadsheet executes nothing in it. JSONL is the one to verify.
        #[arg(long, value_enum, default_value_t = Form::Jsonl)]
        format: Form,
        /// The file, which must not be there yet; without it, standard output. CSV needs it: what the first line of JSONL says is in FILE.manifest.json.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Erases keys: they are gone from the ledger, the chain can still be verified, and that they were erased is an entry.
    #[command(group(ArgGroup::new("keys").args(["prefix", "key"]).required(true)))]
    Forget {
        /// The bucket.
        #[arg(long)]
        bucket: String,
        /// What the bucket's name is unique in, for a store that has such a thing.
        #[arg(long)]
        namespace: Option<String>,
        /// All keys that begin so.
        #[arg(long)]
        prefix: Option<String>,
        /// This key alone.
        #[arg(long)]
        key: Option<String>,
        /// Why: the entry has it, without the keys.
        #[arg(long)]
        reason: String,
        /// Does not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
    /// Makes ledger.key in a directory, for a ledger in a database: all relays on that database have the same file. One that is there already is left alone.
    Key {
        /// The directory.
        dir: PathBuf,
    },
    /// Puts objects that MDSS has accepted and never scanned back into the spool of the running relay, which tells MDSS of them once more.
    ///
    /// Without --unconfirmed those that were never scanned, for certain: MDSS was asked about them, twice, an hour apart (RELAY_LOOP_FILE_API). Today's
    /// routes say where they go; what they do not select any more is passed over. An entry says who has done it.
    Resend(resend::Arguments),
    /// Reads in the log of relays that keep no ledger: functions, and servers in direct mode. The same lines twice count once.
    Import {
        /// Files of JSON lines; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    Jsonl,
    Csv,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    finished(command(arguments), say)
}

/// What is asked for; a sentence if it could not be done.
async fn command(arguments: &Arguments) -> Result<u8, String> {
    if let Task::Key { dir } = &arguments.task {
        let made = Ledger::make_key(dir).map_err(sentence)?;
        let path = dir.join("ledger.key");
        print(&visible(&format!(
            "{} {}; keep a copy where the database is not",
            path.display(),
            if made { "was made" } else { "is there already" }
        )));
        return Ok(0);
    }
    let place = place::meant(
        arguments.data_dir.clone(),
        arguments.url_file.as_deref(),
        arguments.key_dir.as_deref(),
        arguments.config.as_deref(),
    )?;
    if let Task::Rekey { reason, lost, yes } = &arguments.task {
        return rekey(&place, reason, *lost, *yes, arguments.json).await;
    }
    let options = match &arguments.task {
        Task::Show { .. } | Task::Unscanned { .. } | Task::Verify { .. } | Task::Export { .. } => {
            Options::reading()
        }
        Task::Key { .. }
        | Task::Rekey { .. }
        | Task::Checkpoint
        | Task::Forget { .. }
        | Task::Import { .. }
        | Task::Resend(_) => Options::default(),
    };
    let ledger = Ledger::open(&place, options).await.map_err(sentence)?;
    let done = ask(&ledger, arguments).await;
    ledger.close().await;
    done
}

/// Replaces the key, and prints the checkpoints that come of it, to be kept where nobody who may write the ledger may write.
async fn rekey(place: &Place, reason: &str, lost: bool, yes: bool, json: bool) -> Result<u8, String> {
    let question = "Replace the key of this ledger? The chains end, and whoever has the old key writes nothing into it any more.";
    if !yes && !agreed(question) {
        say("nothing was done");
        return Ok(1);
    }
    let asked = Rekey { actor: place::actor(), reason: reason.to_owned(), lost };
    let done = Ledger::rekey(place, Options::default(), asked).await.map_err(sentence)?;
    let key: String = done.public_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = match json {
        true => json!({ "public_key": key, "resumed": done.resumed }).to_string(),
        false if done.resumed => {
            format!("an earlier command had begun it; the ledger is signed by the key {key}")
        }
        false => format!(
            "the ledger is signed by the key {key} from now on; keep a copy of ledger.key where the ledger is not"
        ),
    };
    print(&text);
    let ledger = Ledger::open(place, Options::default()).await.map_err(sentence)?;
    published(&ledger).await;
    ledger.close().await;
    Ok(0)
}

/// A chain by its name.
fn chain(text: &str) -> Result<LedgerId, String> {
    LedgerId::read(text)
        .ok_or_else(|| "expected 32 hexadecimal digits, as `ledger verify` shows them".to_owned())
}

/// What is asked of an open ledger; a sentence if it could not be done.
async fn ask(ledger: &Ledger, arguments: &Arguments) -> Result<u8, String> {
    let json = arguments.json;
    match &arguments.task {
        // It needs no ledger.
        Task::Key { .. } | Task::Rekey { .. } => Ok(0),
        Task::Show { bucket, key, namespace } => {
            let bucket = BucketName { namespace: namespace.clone(), ..BucketName::new(bucket) };
            let shown = ledger.show(&bucket, key.as_bytes()).await.map_err(sentence)?;
            let _ = write(&journey::object(&shown, &bucket.bucket, key, json));
            if shown.is_empty() {
                say(
                    "the ledger has nothing about this object; that is no proof that MDSS was not told: `reconcile` compares",
                );
            }
            Ok(u8::from(shown.is_empty()))
        }
        Task::Unscanned { older, unit, bucket, limit } => {
            let filter = Filter {
                older: *older,
                unit: unit.clone(),
                bucket: bucket.clone().map(BucketName::new),
                limit: *limit,
            };
            let found = ledger.unscanned(&filter).await.map_err(sentence)?;
            let _ = write(&journey::unscanned(&found, &filter, json));
            Ok(0)
        }
        Task::Verify { chain, from, checkpoint } => verify(ledger, *chain, *from, checkpoint, json).await,
        Task::Checkpoint => checkpoint(ledger).await,
        Task::Export { chain, period, format, output } => {
            export(ledger, *chain, period, *format, output.as_deref()).await
        }
        Task::Forget { bucket, namespace, prefix, key, reason, yes } => {
            let which = match (prefix, key) {
                (Some(prefix), _) => Which::Prefix(prefix.clone().into_bytes()),
                (None, key) => Which::Key(key.clone().unwrap_or_default().into_bytes()),
            };
            let what = match (prefix, key) {
                (Some(prefix), _) => format!("every key of {bucket} that begins with {prefix:?}"),
                (None, key) => format!("the key {:?} of {bucket}", key.as_deref().unwrap_or_default()),
            };
            let question = format!(
                "Erase {what} from the ledger? It can then no longer show whether such an object was accepted or scanned, and `reconcile` counts it as missing."
            );
            if !yes && !agreed(&question) {
                say("nothing was erased");
                return Ok(1);
            }
            let bucket = BucketName { namespace: namespace.clone(), ..BucketName::new(bucket) };
            let forget = Forget { bucket, which, reason: reason.clone(), actor: place::actor() };
            let done = ledger.forget(forget).await.map_err(sentence)?;
            let text = if json {
                json!({ "entries": done.entries, "results": done.results, "remains": remains(done.remains).0 })
                    .to_string()
            } else {
                format!(
                    "keys of {} and {} erased",
                    plural(done.entries, "entry", "entries"),
                    plural(done.results, "result", "results")
                )
            };
            print(&text);
            if let Some(sentence) = remains(done.remains).1 {
                say(sentence);
            }
            published(ledger).await;
            Ok(u8::from(done.entries == 0 && done.results == 0))
        }
        Task::Import { files } => import(ledger, files, json).await,
        Task::Resend(wanted) => {
            let (dir, url) = (arguments.data_dir.clone(), arguments.url_file.as_deref());
            let whence = Whence::of(arguments.config.as_deref(), dir, url)?;
            resend::run(ledger.clone(), &whence, wanted, json).await
        }
    }
}

/// Where keys that were erased can still be found: a word for programs, and a sentence for people if they can.
fn remains(remains: Remains) -> (&'static str, Option<&'static str>) {
    match remains {
        Remains::Nothing => ("nothing", None),
        Remains::Log => (
            "log",
            Some(
                "the file's log could not be emptied while it was being read, and still has the keys: give the command again",
            ),
        ),
        Remains::Rows => (
            "rows",
            Some(
                "the dead rows and the statistics still have them: removing them took longer than a minute, or the tables are another role's. Their owner gives the command VACUUM (ANALYZE) mdss_relay_ledger.entry, mdss_relay_ledger.result_raw; the server's log, the archive of that, and pages that it has not used again may have the bytes all the same",
            ),
        ),
        Remains::Database => (
            "database",
            Some(
                "the server may still have their bytes in its log, in the archive of that, and in pages that it has not used again: VACUUM FULL mdss_relay_ledger.entry writes the table anew, while nothing else can use it",
            ),
        ),
    }
}

/// Every checkpoint in the files.
fn checkpoints(files: &[PathBuf]) -> Result<Vec<Checkpoint>, String> {
    let mut all = Vec::new();
    for file in files {
        let named = file.display();
        let bytes = crate::input::read(file).map_err(|error| format!("{named}: {error}"))?;
        let (found, broken) = Checkpoint::find(&String::from_utf8_lossy(&bytes));
        if broken > 0 {
            return Err(format!(
                "{named}: {} cannot be read",
                plural(broken as u64, "checkpoint", "checkpoints")
            ));
        }
        if found.is_empty() {
            return Err(format!("{named}: expected a checkpoint (mdss-relay-checkpoint:1:…), found none"));
        }
        all.extend(found);
    }
    Ok(all)
}

/// Verifies chain by chain. A checkpoint of none of them concerns the first one, which says so.
async fn verify(
    ledger: &Ledger,
    chain: Option<LedgerId>,
    from: Option<u64>,
    files: &[PathBuf],
    json: bool,
) -> Result<u8, String> {
    let given = checkpoints(files)?;
    let chains = ledger.chains().await.map_err(sentence)?;
    let wanted: Vec<LedgerId> = match chain {
        Some(chain) => vec![chain],
        None if from.is_some() && chains.len() > 1 => {
            return Err("there are several chains: expected --chain beside --from".into());
        }
        None => chains.clone(),
    };
    let mut faults = false;
    for (n, name) in wanted.iter().enumerate() {
        let concerns = |checkpoint: &&Checkpoint| {
            checkpoint.ledger == *name || (n == 0 && chain.is_none() && !chains.contains(&checkpoint.ledger))
        };
        let checkpoints = given.iter().filter(concerns).copied().collect();
        let asked = Verify { ledger: Some(*name), from, checkpoints, ..Verify::default() };
        let verified = ledger.verify(asked).await.map_err(sentence)?;
        if n > 0 && !json {
            let _ = write("\n");
        }
        let _ = write(&proof::verified(&verified, json));
        faults |= !verified.faults.is_empty();
    }
    Ok(u8::from(faults))
}

async fn checkpoint(ledger: &Ledger) -> Result<u8, String> {
    ledger.checkpoint().await.map_err(sentence)?;
    // Those that a relay has signed meanwhile and not yet logged, too: what is printed counts as published.
    let all = ledger.unpublished().await.map_err(sentence)?;
    let mut signed = 0;
    for chain in ledger.chains().await.map_err(sentence)? {
        let new = all.iter().rfind(|checkpoint| checkpoint.ledger == chain).copied();
        let last = match new {
            Some(last) => Some(last),
            None => {
                let asked = Verify { ledger: Some(chain), ..Verify::default() };
                ledger.verify(asked).await.map_err(sentence)?.last_checkpoint
            }
        };
        let Some(last) = last else { continue };
        signed += 1;
        if write(&format!("{last}\n")).is_ok() {
            ledger.published(&last).await.map_err(sentence)?;
        }
    }
    if signed == 0 {
        return Err("the ledger has no entry yet that could be signed".into());
    }
    Ok(0)
}

/// Checkpoints that were due meanwhile, on standard error: the relay's log does not have them.
async fn published(ledger: &Ledger) {
    for checkpoint in ledger.unpublished().await.unwrap_or_default() {
        if writeln!(std::io::stderr(), "{checkpoint}").is_ok() {
            let _ = ledger.published(&checkpoint).await;
        }
    }
}

async fn export(
    ledger: &Ledger,
    chain: Option<LedgerId>,
    period: &Period,
    format: Form,
    output: Option<&Path>,
) -> Result<u8, String> {
    let format = match format {
        Form::Jsonl => Format::Jsonl,
        Form::Csv => Format::Csv,
    };
    let (from, until) = period.moments()?;
    let chains = match chain {
        Some(chain) => vec![chain],
        None => ledger.chains().await.map_err(sentence)?,
    };
    let export = |chain: &LedgerId| Export { ledger: Some(*chain), from, until, format };
    let Some(output) = output else {
        if format == Format::Csv {
            return Err("expected --output FILE: what CSV leaves out goes into a file beside it".into());
        }
        for chain in &chains {
            ledger.export(export(chain), std::io::stdout()).await.map_err(sentence)?;
        }
        return Ok(0);
    };
    let file = create(output)?;
    let (mut entries, mut manifests) = (0, Vec::new());
    for (n, chain) in chains.iter().enumerate() {
        let again = file.try_clone().map_err(|error| format!("{}: {error}", output.display()))?;
        let out = std::io::BufWriter::new(again);
        // The names of the columns stand in the first line alone.
        let manifest = match format == Format::Csv && n > 0 {
            true => ledger.export(export(chain), WithoutFirstLine { out, inside: false }).await,
            false => ledger.export(export(chain), out).await,
        };
        let manifest = manifest.map_err(sentence)?;
        entries += manifest.entries;
        manifests.push(manifest);
    }
    let mut said = format!("{} in {}", plural(entries, "entry", "entries"), output.display());
    if format == Format::Csv {
        let mut name = output.as_os_str().to_owned();
        name.push(".manifest.json");
        let beside = PathBuf::from(name);
        let lines: String = manifests.iter().map(|manifest| manifest.to_json().to_string() + "\n").collect();
        create(&beside)?
            .write_all(lines.as_bytes())
            .map_err(|error| format!("{}: {error}", beside.display()))?;
        said = format!("{said}, what belongs to it in {}", beside.display());
    }
    say(&said);
    Ok(0)
}

/// Writes what comes behind the first line.
struct WithoutFirstLine<W> {
    out: W,
    inside: bool,
}

impl<W: Write> Write for WithoutFirstLine<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.inside {
            return self.out.write(bytes);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        self.inside = end.is_some();
        Ok(end.unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// A file of one's own: an export has the keys of objects.
fn create(path: &Path) -> Result<File, String> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| format!("{}: {error}", path.display()))
}

async fn import(ledger: &Ledger, files: &[PathBuf], json: bool) -> Result<u8, String> {
    let mut bad = 0;
    for file in files {
        let name = file.display().to_string();
        let lines: Box<dyn BufRead + Send> = if name == "-" {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            Box::new(BufReader::new(File::open(file).map_err(|error| format!("{name}: {error}"))?))
        };
        let import = Import { actor: place::actor(), name: name.clone() };
        let done =
            ledger.import(import, lines).await.map_err(|trouble| format!("{name}: {}", trouble.detail))?;
        let text = if json {
            json!({ "file": name, "lines": done.lines, "entries": done.entries, "repeated": done.repeated, "others": done.others, "bad": done.bad }).to_string()
        } else {
            format!(
                "{name}: {}, {} new, {} there already, {} about something else, {} that cannot be used",
                plural(done.lines, "line", "lines"),
                done.entries,
                done.repeated,
                done.others,
                done.bad
            )
        };
        print(&visible(&text));
        for (line, what) in &done.first_bad {
            say(&format!("{name}:{line}: {what}"));
        }
        if done.bad > done.first_bad.len() as u64 {
            say(&format!("{name}: and {} more", done.bad - done.first_bad.len() as u64));
        }
        published(ledger).await;
        bad += done.bad;
    }
    Ok(u8::from(bad > 0))
}

fn plural(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn sentence(trouble: mdss_relay_ledger::Trouble) -> String {
    trouble.detail
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay ledger: {}", visible(text));
}
