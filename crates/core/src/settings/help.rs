//! `--help` of a program without a command line: its settings, from the rows.

use crate::settings::applies::Applies;
use crate::settings::table::{SETTINGS, Setting, Without};

/// Where a line of it ends.
const WIDTH: usize = 100;

/// Lists the settings of a process of this kind: [`Applies::OciFunction`], [`Applies::AzureFunctions`],
/// [`Applies::Lambda`], [`Applies::OtherFunctions`] or [`Applies::Http`].
///
/// ```
/// use mdss_relay_core::{Applies, settings_help};
///
/// let help = settings_help(Applies::Lambda);
/// assert!(help.contains("\n  RELAY_TIMEOUT (mdss.timeout): 1ms to 1h; default 10s\n"));
/// assert!(!help.contains("RELAY_LISTEN"));
/// assert!(!settings_help(Applies::OtherFunctions).contains("RELAY_ON_PERMANENT"));
/// ```
pub fn settings_help(process: Applies) -> String {
    let mut text = String::from(
        "Settings, each with its member in the TOML (RELAY_CONFIG), the values it takes, and what holds without it.\n\
         Variables win over the TOML.\n",
    );
    for setting in SETTINGS.iter().filter(|setting| setting.means_something_in(process)) {
        text.push_str(&format!("\n  {}\n", head(setting, process)));
        for line in lines(setting.meaning, WIDTH - 6) {
            text.push_str(&format!("      {line}\n"));
        }
    }
    text.push_str(
        "\n  RELAY_KEYS_<DIALECT> (keys.<dialect>): form, percent, verbatim\n      how that dialect's producer writes an object's key\n\
         \n  https_proxy, http_proxy, all_proxy, no_proxy\n      the proxies on the way to MDSS\n",
    );
    // Its meanings are written for a page.
    text.replace('`', "")
}

/// `VARIABLE (member): values, what holds without it, where it means something`.
fn head(setting: &Setting, process: Applies) -> String {
    let member = setting.toml.map(|member| format!(" ({member})")).unwrap_or_default();
    let without = match setting.without {
        Without::Required => "; required".to_owned(),
        Without::Value(text) => format!("; default {text}"),
        Without::Nothing("") => String::new(),
        Without::Nothing(text) => format!("; default: {text}"),
    };
    let applies = match setting.applies {
        Applies::Everywhere | Applies::OciAndAzure => String::new(),
        applies if applies == process => String::new(),
        Applies::Requests if process == Applies::Http => String::new(),
        Applies::Requests => "; only with [[source]]".to_owned(),
        // Whoever reads this knows that it is the server's.
        applies => {
            let name = applies.name();
            format!("; only {}", name.strip_prefix("HTTP").unwrap_or(name).trim_start_matches([',', ' ']))
        }
    };
    format!("{}{member}: {}{without}{applies}", setting.variable, setting.values())
}

/// A text in lines of at most so many characters, as far as its words allow.
fn lines(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
