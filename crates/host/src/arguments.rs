//! The command line of a program that has none: its settings are variables. It says so, instead of starting to serve.

use std::ffi::OsString;
use std::io::{self, Write};

use crate::Exit;

/// What becomes of an argument that is neither `--help` nor `--version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// It is a mistake: somebody meant something by it.
    Refused,
    /// It is passed over: platforms that start functions have arguments of their own, the handler's name for instance.
    Ignored,
}

/// Looks at the arguments (without the program's own name). `Some` if the process is to end with that, before it reads a setting:
/// after `--help`, `--version`, or a refused argument.
///
/// `settings` is the part of `--help` that lists them.
pub fn arguments(
    program: &str,
    about: &str,
    settings: fn() -> String,
    others: Others,
    given: impl IntoIterator<Item = OsString>,
) -> Option<Exit> {
    for argument in given {
        match argument.to_str() {
            Some("--help" | "-h") => {
                print(&format!(
                    "{program}: {about}\n\nIt takes no arguments except --help and --version. `mdss-relay explain` checks the settings, and shows what they make of an event.\n\n{}",
                    settings().trim_end()
                ));
                return Some(Exit::Done);
            }
            Some("--version" | "-V") => {
                print(&format!("{program} {}", env!("CARGO_PKG_VERSION")));
                return Some(Exit::Done);
            }
            _ if others == Others::Refused => {
                // Which one is not said: it may be a secret that went to the wrong place.
                let _ = writeln!(
                    io::stderr(),
                    "{program}: found an argument, expected none: settings are variables (--help)"
                );
                return Some(Exit::Usage);
            }
            _ => {}
        }
    }
    None
}

fn print(text: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stdout(), "{text}");
}
