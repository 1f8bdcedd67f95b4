//! The pages about settings, from the same rows as `--help` and docs/settings.md.

use clap_mangen::roff::{Inline, Roff, bold, roman};
use mdss_relay_core::{Applies, SETTINGS, Setting, Without};

use super::{NO_DATE, SOURCE};

/// Where the package and the archive put the documents.
const DOCUMENTS: &str = "/usr/share/doc/mdss-relay";

/// `mdss-relay-http(8)`.
pub(super) fn server() -> Vec<u8> {
    let mut page = begin("mdss-relay-http", "8", "reports new objects to MetaDefender Storage Security");
    section(&mut page, "SYNOPSIS");
    page.text([bold("mdss-relay-http"), roman(" [--help | --version]")]);
    section(&mut page, "DESCRIPTION");
    text(
        &mut page,
        "Takes the notifications that storage systems post when an object is created or overwritten, and posts each object to the real-time \
         webhook of MetaDefender Storage Security (MDSS). It answers 200 only after MDSS has accepted the object, or after the event is safe on \
         disk (RELAY_MODE=spooled). It takes no arguments: its settings are variables, and a file that RELAY_CONFIG names. Where both say \
         something, the variable wins. All mistakes are printed at once, before anything is opened.",
    );
    section(&mut page, "ENVIRONMENT");
    for setting in SETTINGS.iter().filter(|setting| setting.means_something_in(Applies::Http)) {
        let member = setting.toml.map(|member| format!(" ({member})")).unwrap_or_default();
        entry(&mut page, setting.variable, &member, setting);
    }
    term(
        &mut page,
        "RELAY_KEYS_<DIALECT>",
        " (keys.<dialect>)",
        "form, percent, verbatim",
        "how that dialect's producer writes an object's key",
    );
    term(
        &mut page,
        "https_proxy, http_proxy, all_proxy, no_proxy",
        "",
        "a URL; hosts",
        "the proxies on the way to MDSS",
    );
    section(&mut page, "SIGNALS");
    tagged(
        &mut page,
        "SIGHUP",
        "reads the configuration again. If the new one has a mistake, the old one stays; see the log.",
    );
    tagged(
        &mut page,
        "SIGTERM, SIGINT",
        "closes the port, finishes the requests under way, and ends with 0.",
    );
    section(&mut page, "EXIT STATUS");
    tagged(&mut page, "0", "it was asked to stop.");
    tagged(&mut page, "1", "it could not run: a port that is taken, for instance.");
    tagged(&mut page, "2", "mistakes in the settings.");
    section(&mut page, "FILES");
    tagged(&mut page, "/etc/mdss-relay/relay.toml", "the configuration: mdss-relay.toml(5).");
    tagged(
        &mut page,
        "/etc/mdss-relay/api-key",
        "the API key, of mode 0600 and root's; systemd hands a copy to the service.",
    );
    tagged(&mut page, "/var/lib/mdss-relay", "the events that wait: mdss-relay-spool(1).");
    section(&mut page, "SEE ALSO");
    text(
        &mut page,
        &format!("mdss-relay(1), mdss-relay.toml(5), systemctl(1), journalctl(1), {DOCUMENTS}/operation.md"),
    );
    page.render().into_bytes()
}

/// `mdss-relay.toml(5)`.
pub(super) fn toml() -> Vec<u8> {
    let mut page = begin("mdss-relay.toml", "5", "configuration of mdss-relay-http and of the functions");
    section(&mut page, "DESCRIPTION");
    text(
        &mut page,
        "A file in TOML, which RELAY_CONFIG names; the service reads /etc/mdss-relay/relay.toml. Each member below has a variable, which wins over \
         it. An unknown member is a mistake. `mdss-relay explain --config FILE EVENT` shows what a file makes of an event and sends nothing.",
    );
    section(&mut page, "MEMBERS");
    for setting in SETTINGS {
        if let Some(member) = setting.toml {
            entry(&mut page, member, &format!(" ({})", setting.variable), setting);
        }
    }
    section(&mut page, "ROUTES AND SOURCES");
    text(
        &mut page,
        &format!(
            "[[route]] says which buckets and keys go to which storage unit, [[source]] who may post where, and how that is proved. Their members \
             are in {DOCUMENTS}/settings.md, conditions in {DOCUMENTS}/conditions.md."
        ),
    );
    section(&mut page, "SEE ALSO");
    text(&mut page, "mdss-relay(1), mdss-relay-explain(1), mdss-relay-http(8)");
    page.render().into_bytes()
}

fn begin(name: &str, section_number: &str, about: &str) -> Roff {
    let mut page = Roff::new();
    page.control("TH", [name, section_number, NO_DATE, SOURCE, "mdss-relay"]);
    section(&mut page, "NAME");
    text(&mut page, &format!("{name} - {about}"));
    page
}

fn section(page: &mut Roff, name: &str) {
    page.control("SH", [name]);
}

fn text(page: &mut Roff, text: &str) {
    page.text([roman(plain(text))]);
}

fn tagged(page: &mut Roff, tag: &str, meaning: &str) {
    page.control("TP", []);
    page.text([bold(tag)]);
    text(page, meaning);
}

fn entry(page: &mut Roff, name: &str, other_name: &str, setting: &Setting) {
    let without = match setting.without {
        Without::Required => "; required".to_owned(),
        Without::Nothing("") => String::new(),
        Without::Value(text) | Without::Nothing(text) => format!("; default: {text}"),
    };
    let applies = match setting.applies {
        Applies::Everywhere => String::new(),
        applies => format!("; {}", applies.name()),
    };
    term(page, name, other_name, &format!("{}{without}{applies}", setting.values()), setting.meaning);
}

/// A name, what it may be, and what it is for.
fn term(page: &mut Roff, name: &str, other_name: &str, values: &str, meaning: &str) {
    page.control("TP", []);
    page.text([bold(name), roman(other_name)]);
    let lines: [Inline; 1] = [roman(plain(values))];
    page.text(lines);
    page.control("br", []);
    text(page, meaning);
}

/// The rows' texts are written for a page that marks code.
fn plain(text: &str) -> String {
    text.replace('`', "")
}
