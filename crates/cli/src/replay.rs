//! `replay`: sends deliveries to a running adapter and shows what became of each object.

mod outcome;
mod table;
mod target;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, ValueEnum};
use drive::{PortPlatform, Runtime};

use crate::input;
use crate::visible::visible;
use outcome::Delivered;
use target::Target;

/// Sends deliveries to a running relay of any kind and shows what became of each object.
///
/// Over HTTP a bare body is posted to the URL, and a request ({"method","path","headers","body"}) to its own path on the
/// same host. The bearer token for bare bodies is taken from the variable RELAY_TOKEN, whatever source the URL leads to; a value of
/// two words, such as "Basic dTpw", is sent as it is. A function gets bodies only; requests are left out. Variables that name a
/// proxy are not read.
///
/// Exit status: 0 if every object was accepted or skipped, 1 if one was not or no answer came, 2 for a wrong command line.
#[derive(Args)]
#[command(group(ArgGroup::new("target").required(true)))]
pub(crate) struct Arguments {
    /// The URL of a source of mdss-relay-http, such as http://127.0.0.1:8080/events, or https://relay.example/minio through a proxy.
    #[arg(long, group = "target", value_name = "URL")]
    url: Option<String>,
    /// Certificates in PEM that are trusted beside the public authorities: of a private authority, or of the server itself.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// The socket of mdss-relay-oci-fn, the path in its FN_LISTENER.
    #[arg(long, group = "target", value_name = "PATH")]
    fn_socket: Option<PathBuf>,
    /// Listens here as a Lambda Runtime API and waits for mdss-relay-lambda to ask for events.
    #[arg(long, group = "target", value_name = "ADDR")]
    runtime_api: Option<SocketAddr>,
    /// Listens here as the runtime API of Tencent Cloud's SCF and waits for mdss-relay-tencent-scf to ask for events.
    #[arg(long, group = "target", value_name = "ADDR")]
    scf_runtime_api: Option<SocketAddr>,
    /// Listens here as the runtime API of Huawei Cloud's FunctionGraph and waits for mdss-relay-huawei-functiongraph to ask for events.
    #[arg(long, group = "target", value_name = "ADDR")]
    functiongraph_runtime_api: Option<SocketAddr>,
    /// Where a function listens that its platform calls over a port, such as 127.0.0.1:9000; --platform says which platform calls.
    #[arg(long, group = "target", value_name = "ADDR", requires = "platform")]
    function_port: Option<SocketAddr>,
    /// Who calls the function at --function-port.
    #[arg(long, value_name = "NAME", requires = "function_port")]
    platform: Option<Platform>,
    /// The longest to wait for each answer, in seconds; it is also the deadline that a function gets.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=900))]
    timeout: u32,
    /// Prints one line of JSON per delivery instead of a table.
    #[arg(long)]
    json: bool,
    /// Deliveries, or folders of them. Files that end in .want.json are answers and are left out.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// A platform that calls functions over a port.
#[derive(Clone, Copy, ValueEnum)]
enum Platform {
    /// mdss-relay-alibaba-fc, in a custom runtime or a container.
    AlibabaFc,
    /// mdss-relay-tencent-scf, from an image.
    TencentScf,
    /// mdss-relay-huawei-functiongraph, from an image.
    HuaweiFunctiongraph,
    /// mdss-relay-volcengine-faas; the headers of a request go along, which are the event's attributes.
    VolcengineFaas,
}

impl From<Platform> for PortPlatform {
    fn from(platform: Platform) -> Self {
        match platform {
            Platform::AlibabaFc => Self::AlibabaFc,
            Platform::TencentScf => Self::TencentScf,
            Platform::HuaweiFunctiongraph => Self::HuaweiFunctionGraph,
            Platform::VolcengineFaas => Self::VolcengineFaas,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return stop(1, &format!("cannot start: {error}")),
    };
    runtime.block_on(replay(arguments))
}

async fn replay(arguments: &Arguments) -> ExitCode {
    let mut files = Vec::new();
    for path in &arguments.files {
        if let Err(error) = collect(path, &mut files) {
            return stop(2, &format!("{}: {error}", path.display()));
        }
    }
    let limit = Duration::from_secs(arguments.timeout.into());
    let runtimes = [
        (arguments.runtime_api, Runtime::Lambda),
        (arguments.scf_runtime_api, Runtime::TencentScf),
        (arguments.functiongraph_runtime_api, Runtime::HuaweiFunctionGraph),
    ];
    let runtime = runtimes.into_iter().find_map(|(address, runtime)| Some((address?, runtime)));
    let port = arguments.function_port.zip(arguments.platform);
    let target = match (&arguments.url, &arguments.fn_socket, runtime, port) {
        (Some(url), ..) => Target::http(url, arguments.ca_file.as_deref(), limit),
        (_, Some(socket), ..) => Ok(Target::function(socket, limit)),
        (_, _, Some((address, runtime)), _) => Target::runtime_api(runtime, address, limit).await,
        (_, _, _, Some((address, platform))) => Ok(Target::port(platform.into(), address, limit)),
        (None, None, None, None) => Err("expected an option that says whom to send to".into()),
    };
    let target = match target {
        Ok(target) => target,
        Err(error) => return stop(2, &error),
    };
    if let Some(words) = target.invitation() {
        say(&words);
    }
    let mut progress = Progress::new(files.len());
    let mut deliveries = Vec::new();
    for file in &files {
        let name = file.display().to_string();
        let delivered = match std::fs::read(file) {
            Ok(bytes) => target.send(&name, input::parse(bytes)).await,
            Err(error) => Delivered::unanswered(&name, format!("the file cannot be read: {error}")),
        };
        if arguments.json && print(&visible(&delivered.json())).is_err() {
            return ExitCode::from(1);
        }
        deliveries.push(delivered);
        progress.step();
    }
    progress.end();
    if !arguments.json && print(&table::table(&deliveries)).is_err() {
        return ExitCode::from(1);
    }
    if deliveries.iter().any(Delivered::is_unauthorized)
        && let Some(words) = target.about_401()
    {
        say(&format!("mdss-relay replay: {words}"));
    }
    ExitCode::from(u8::from(deliveries.iter().any(|d| !d.is_good())))
}

/// A file, or every delivery in a folder, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() || (name.ends_with(".json") && !name.ends_with(".want.json")) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// How far it is: at once on a terminal, every few seconds in a log.
struct Progress {
    all: usize,
    done: usize,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { all, done: 0, shown: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    fn step(&mut self) {
        self.done += 1;
        let pause = Duration::from_millis(if self.terminal { 100 } else { 5000 });
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let line = format!("{} of {} deliveries", self.done, self.all);
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r{line} ");
        } else {
            say(&line);
        }
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r{:40}\r", "");
        }
    }
}

fn print(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn stop(code: u8, sentence: &str) -> ExitCode {
    say(&format!("mdss-relay replay: {}", visible(sentence)));
    ExitCode::from(code)
}
