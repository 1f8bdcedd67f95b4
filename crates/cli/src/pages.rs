//! `pages`: man pages and shell completions, made of what the programs know of themselves.

mod settings;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

use crate::visible::visible;

/// What a page names at its foot.
const SOURCE: &str = concat!("mdss-relay ", env!("CARGO_PKG_VERSION"));

/// The same tool writes the same page on any day. `roff` puts no quotes around an argument that is empty, and what follows would take its place.
const NO_DATE: &str = "\"\"";

/// Writes the man pages and the shell completions (bash, zsh, fish) into a directory, such as /usr/local/share.
///
/// Pages: mdss-relay(1) and one for each command, mdss-relay-http(8) with every variable, mdss-relay.toml(5) with every
/// member that has a variable.
///
/// Exit status: 0; 1 if a file could not be written.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The directory in which man, bash-completion, zsh and fish have their folders. Pages that are there are written anew.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, tool: Command) -> ExitCode {
    match write(&arguments.directory, tool) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "mdss-relay pages: {}", visible(&error));
            ExitCode::FAILURE
        }
    }
}

fn write(share: &Path, mut tool: Command) -> Result<(), String> {
    tool = tool.disable_help_subcommand(true);
    tool.set_bin_name("mdss-relay");
    tool.build();
    commands(&tool, &folder(share, "man/man1")?)?;
    put(&folder(share, "man/man5")?.join("mdss-relay.toml.5"), &settings::toml())?;
    put(&folder(share, "man/man8")?.join("mdss-relay-http.8"), &settings::server())?;
    // Where each shell looks below a prefix: bash-completion's README, "the Zsh manual", 15.2 (fpath), and fish's "Where to put completions".
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions/mdss-relay"),
        (Shell::Zsh, "zsh/site-functions/_mdss-relay"),
        (Shell::Fish, "fish/vendor_completions.d/mdss-relay.fish"),
    ] {
        let file = share.join(place);
        folder(share, place.rsplit_once('/').map_or("", |(folder, _)| folder))?;
        let mut text = Vec::new();
        shell.try_generate(&tool, &mut text).map_err(|e| format!("{}: {e}", file.display()))?;
        if shell == Shell::Bash {
            // It writes the program's name in two ways, and no command below it would complete (clap-rs/clap#6421).
            text = String::from_utf8_lossy(&text).replace("mdss__subcmd__relay", "mdss__relay").into_bytes();
        }
        put(&file, &text)?;
    }
    Ok(())
}

/// A page for a command and each below it.
fn commands(command: &Command, folder: &Path) -> Result<(), String> {
    let page = Man::new(command.clone()).date(NO_DATE).source(SOURCE).manual("mdss-relay");
    page.generate_to(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| commands(below, folder))
}

fn folder(share: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = share.join(name);
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

fn put(file: &Path, text: &[u8]) -> Result<(), String> {
    fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}
