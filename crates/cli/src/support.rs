//! `support`: one file that says everything about a relay, and no secret.

mod hidden;
mod sections;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};

use crate::input;
use crate::visible::visible;
use hidden::Hidden;

/// Writes one file for whoever helps: what runs, with which settings, what waits, what the log says last. No secret is in it.
///
/// The file is text, so that you can read it before you send it. It has the versions, the settings in force with every secret hidden, what
/// `doctor` finds, the spool's counts and the list of its items without their bodies, /readyz and /metrics of the running relay, the last lines of the log, and
/// facts about the system. What cannot be had is said in its place. Objects are named as they are; --without-keys hashes their names, the
/// same name always to the same hash.
///
/// Run it as the relay's user, with the relay's variables or --config, so that it sees what the relay sees.
///
/// Exit status: 0 if the file was written, also if a part of it could not be had; 1 if not; 2 for a wrong command line.
#[derive(Args)]
#[command(group(ArgGroup::new("lines_of").args(["log", "unit"])))]
pub(crate) struct Arguments {
    /// TOML configuration to use instead of RELAY_CONFIG; without either, /etc/mdss-relay/relay.toml if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory of the relay; without it, the variable RELAY_DATA_DIR, else /var/lib/mdss-relay if there is one.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the file goes, which must not be there yet; - is standard output. Without it, mdss-relay-support-TIME.txt in this folder.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A file with the relay's log.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The unit whose journal has the log, unless --log is given.
    #[arg(long, value_name = "NAME", default_value = "mdss-relay-http")]
    unit: String,
    /// How many lines of the log.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 500)]
    lines: usize,
    /// Where /readyz and /metrics are; without it, the address that the settings have.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Hashes the names of objects.
    #[arg(long)]
    without_keys: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return stop(&format!("cannot start: {error}")),
    };
    let config = config(arguments.config.as_deref());
    let variables = input::variables(config.as_deref());
    let hidden = Hidden::of(&variables);
    let text = runtime.block_on(sections::all(arguments, config.as_deref(), &variables));
    runtime.shutdown_background();
    let text: String = text.lines().map(|line| visible(&hidden.hide(line)) + "\n").collect();
    let name = arguments.out.clone().unwrap_or_else(|| {
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        PathBuf::from(format!("mdss-relay-support-{time}.txt"))
    });
    match write(&name, &text) {
        Ok(()) if name.as_os_str() == "-" => ExitCode::SUCCESS,
        Ok(()) => {
            let _ = writeln!(
                std::io::stdout(),
                "{}: {} KB. Read it before you send it: what users have written, such as object names, is in it{}.",
                visible(&name.display().to_string()),
                text.len().div_ceil(1000),
                if arguments.without_keys { " (names are hashed)" } else { "" }
            );
            ExitCode::SUCCESS
        }
        Err(error) => stop(&format!("{}: {error}", name.display())),
    }
}

/// The configuration that the relay has: as it was named, else where the package has it.
fn config(given: Option<&Path>) -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let standard = Path::new("/etc/mdss-relay/relay.toml");
    let by_variables = named("RELAY_CONFIG") || named("RELAY_CONFIG_TOML");
    given.map(Path::to_owned).or_else(|| (!by_variables && standard.is_file()).then(|| standard.to_owned()))
}

/// A new file that nobody else can read.
fn write(name: &Path, text: &str) -> std::io::Result<()> {
    if name.as_os_str() == "-" {
        return std::io::stdout().write_all(text.as_bytes());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(name)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn stop(sentence: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "mdss-relay support: {}", visible(sentence));
    ExitCode::from(1)
}
