//! `secret`: a file with a secret in it that nobody but its owner can read, from the first moment on.
//!
//! A shell's `openssl rand … > FILE` makes a file for everybody with the usual umask, `chmod` afterwards comes too late, and a secret on
//! a command line is seen by every user of the machine. One command does it right.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use ring::rand::SecureRandom;
use rustix::io::ioctl_fionread;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::visible::visible;

/// As many as the key of the strongest cipher in use has; 43 characters in base64.
const BYTES: usize = 32;
/// Longer than any key or password in use, shorter than what is given by mistake.
const LONGEST: usize = 4096;

/// Makes a file with a new secret, or with a given one, that only its owner can read (mode 0600).
///
/// A new secret is 32 random bytes in URL-safe base64: 43 letters, digits, "-" and "_". A file that exists is never written over, and no
/// secret is printed or taken from the command line.
///
/// Exit status: 0 if the file was made; 1 if it could not be made or its secret cannot be used; 2 for a wrong command line.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Reads the secret from standard input, one line; from a terminal it is asked for, and not shown.
    #[arg(long)]
    from_stdin: bool,
    /// The file; its folder has to exist.
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let file = visible(&arguments.file.display().to_string());
    match make(arguments) {
        Ok(()) => {
            let mut lines = format!("{file}: made, and only its owner can read it\n");
            if !arguments.from_stdin {
                lines += &format!("for the other side, which needs the same secret: cat {file}\n");
            }
            // Whoever does not listen has the file all the same.
            let _ = write!(std::io::stdout(), "{lines}");
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "mdss-relay secret: {file}: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn make(arguments: &Arguments) -> Result<(), String> {
    // Before anybody types a secret in vain.
    if arguments.file.symlink_metadata().is_ok() {
        return Err(there_is_one());
    }
    let secret = if arguments.from_stdin { given(&arguments.file)? } else { random()? };
    store(&arguments.file, &secret)
}

fn there_is_one() -> String {
    "exists, and a secret is never written over: to replace it, remove it (rm FILE), give this command again, and restart what uses it; or give another name"
        .to_owned()
}

fn random() -> Result<String, String> {
    let mut bytes = [0; BYTES];
    let random = ring::rand::SystemRandom::new();
    random.fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What standard input says. The sentence of a mistake never repeats it.
fn given(file: &Path) -> Result<String, String> {
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        unseen(&visible(&format!("the secret for {} (not shown): ", file.display())))
    } else {
        let mut text = String::new();
        let limit = u64::try_from(LONGEST + 3).unwrap_or(u64::MAX);
        stdin.lock().take(limit).read_to_string(&mut text).map(|_| text)
    };
    let text = text.map_err(|error| format!("standard input: {error}"))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    let expected = |what: &str| Err(format!("standard input: expected {what}"));
    if secret.is_empty() {
        return expected("a secret, found nothing");
    }
    if secret.len() > LONGEST {
        return expected(&format!("a secret of at most {LONGEST} bytes, found more"));
    }
    if secret.lines().count() > 1 {
        return expected("one line, found more");
    }
    if secret.chars().any(char::is_control) {
        return expected("a secret without control characters, found one");
    }
    if secret.trim() != secret {
        return expected("a secret without a blank at its beginning and end, found one");
    }
    Ok(secret.to_owned())
}

/// What a pasted block of commands loses here has to be said, or its reader believes that all of it was run.
const TYPED_AHEAD: &str = "mdss-relay secret: what was typed or pasted behind this command is thrown away, because it was not meant as the \
                           secret: type it again afterwards\n";

/// A line that is typed and does not appear. Whoever presses Ctrl-C meanwhile gets his terminal back from his shell.
///
/// What was typed before the question is neither read as the secret, because it may be the next command of a pasted block, nor left for the
/// shell, because it may be the secret, which the shell would write into its history.
fn unseen(question: &str) -> std::io::Result<String> {
    let stdin = std::io::stdin();
    let typed_ahead = ioctl_fionread(&stdin).is_ok_and(|bytes| bytes > 0);
    let before = tcgetattr(&stdin)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    // The end of the line is shown, or the next prompt would stand in it.
    quiet.local_modes.insert(LocalModes::ECHONL);
    tcsetattr(&stdin, OptionalActions::Flush, &quiet)?;
    // Asked once the input is empty: whoever answers the question is heard.
    let _ = write!(std::io::stderr(), "{}{question}", if typed_ahead { TYPED_AHEAD } else { "" });
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Now, &before)?;
    read.map(|_| line)
}

/// Makes the file with its secret, or leaves none.
fn store(file: &Path, secret: &str) -> Result<(), String> {
    // O_EXCL: neither a file that is there nor a link, wherever it leads, is written to.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut made = made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => there_is_one(),
        std::io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        _ => error.to_string(),
    })?;
    let written = writeln!(made, "{secret}").and_then(|()| File::sync_all(&made));
    written.map_err(|error| {
        // Half a secret is none.
        let _ = std::fs::remove_file(file);
        error.to_string()
    })
}
