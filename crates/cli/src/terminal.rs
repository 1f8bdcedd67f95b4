//! Talking with whoever sits there.

use std::io::{IsTerminal, Write};

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
