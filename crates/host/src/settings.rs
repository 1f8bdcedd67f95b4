//! The end of a start that failed: every mistake in the settings, for the person at the terminal.

use std::io::{self, Write};

use crate::escape::{bends, escaped};
use crate::exit::Exit;

/// Prints every mistake in the settings to stderr, one per line, and gives the exit code for it. Plain text and not
/// JSON: the logs have not been started, and whoever reads this is about to edit a file.
///
/// Control characters in a mistake are shown escaped, so that a line break in a variable does not look like another
/// mistake. If stderr is closed, the exit code has to say it alone.
#[must_use = "it is the exit code of the process"]
pub fn settings_failure(program: &str, mistakes: &[String]) -> Exit {
    // Nobody is left to be told about a stderr that cannot be written to.
    let _ = write(&mut io::stderr().lock(), program, mistakes);
    Exit::Usage
}

fn write(out: &mut impl Write, program: &str, mistakes: &[String]) -> io::Result<()> {
    let count = mistakes.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    writeln!(out, "{program}: {count} {noun} in the settings")?;
    for mistake in mistakes {
        writeln!(out, "- {}", one_line(mistake))?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if bends(character) {
            line.push_str(&escaped(character));
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(mistakes: &[&str]) -> String {
        let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        let mut out = Vec::new();
        write(&mut out, "mdss-relay-http", &mistakes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_mistake_has_its_line() {
        assert_eq!(
            printed(&["APIKEY: expected a text", "RELAY_TIMEOUT: found \"10\", expected a unit"]),
            "mdss-relay-http: 2 mistakes in the settings\n- APIKEY: expected a text\n- RELAY_TIMEOUT: found \"10\", \
             expected a unit\n"
        );
        assert_eq!(printed(&["é"]), "mdss-relay-http: 1 mistake in the settings\n- é\n");
    }

    #[test]
    fn a_value_cannot_forge_a_line() {
        assert_eq!(printed(&["a\r\n- b\u{1b}[31m"]).lines().count(), 2);
        assert!(
            printed(&["a\r\n- b\u{1b}[31m\u{202e}"]).ends_with("- a\\u000d\\u000a- b\\u001b[31m\\u202e\n")
        );
    }
}
