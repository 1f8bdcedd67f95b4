//! Talking with whoever sits there.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Asks whoever is there; where nobody is, the answer is no.
pub(crate) fn agreed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        let _ = writeln!(
            std::io::stderr(),
            "mdss-relay: {question} There is no terminal to ask at; --yes is the answer of a script"
        );
        return false;
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Prints, with a line end. A reader that has seen enough closes the pipe.
pub(crate) fn print(text: &str) {
    let _ = write(&format!("{text}\n"));
}

/// Prints.
///
/// # Errors
/// If nobody reads it.
pub(crate) fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The exit status of a command that works on one thread: its own, or 2 after the sentence that says why it could not be begun.
pub(crate) fn finished(command: impl Future<Output = Result<u8, String>>, say: fn(&str)) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    ExitCode::from(done.unwrap_or_else(|sentence| {
        say(&sentence);
        2
    }))
}
