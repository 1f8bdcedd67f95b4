//! Settings, dialects and reasons, as the code has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mdss_relay_core::{Answers, Cause, Dialect, FailureKind, KeyEncoding, SETTINGS, SkipReason};

use crate::{page, printed, root, table};

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[test]
fn the_settings() {
    let rows = SETTINGS.iter().map(|s| {
        let toml = code(s.toml.unwrap_or_default());
        [
            code(s.variable),
            toml,
            s.applies.name().to_owned(),
            s.values(),
            s.without.words().to_owned(),
            s.meaning.to_owned(),
        ]
    });
    let head = ["Variable", "In the TOML", "Where it applies", "Value", "Default", "Meaning"];
    printed("docs/settings.md", "settings", &table(head, rows));
}

#[test]
fn the_dialects() {
    let keys = |dialect: &Dialect| match dialect.key_encoding() {
        Some(KeyEncoding::Form) => "form",
        Some(KeyEncoding::Percent) => "percent",
        Some(KeyEncoding::Verbatim) => "verbatim",
        None => "as inside",
    };
    let what = |d: &Dialect| d.what().trim_end_matches('.').to_owned();
    let rows = Dialect::ALL
        .iter()
        .map(|d| [code(d.name()), what(d), keys(d).to_owned(), code(d.usual_storage_type().name())]);
    printed(
        "docs/dialects.md",
        "dialects",
        &table(["Dialect", "What it is", "Keys", "Storage type in MDSS"], rows),
    );
}

/// Whoever asks whether the relay fits finds the store on the first page, and each format in one row.
#[test]
fn the_first_page_has_every_format() {
    let readme = page("README.md");
    let section = readme.split("## Does it fit?").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.unwrap().lines().filter(|line| line.starts_with("| "));
    let formats = rows.filter_map(|row| row.trim_matches('|').split('|').nth(1));
    let mut named: Vec<_> =
        formats.flat_map(|cell| cell.split(',')).map(|name| name.trim().to_owned()).collect();
    named.retain(|name| name.starts_with('`'));
    for dialect in Dialect::ALL {
        let rows = named.iter().filter(|name| **name == code(dialect.name())).count();
        assert_eq!(rows, 1, "{dialect} in the table of README.md");
    }
}

/// Dialects with the same statuses share a row; the first one is that of most.
#[test]
fn the_statuses_of_dialects() {
    let mut kinds: Vec<(Answers, Vec<String>)> = vec![(Answers::DEFAULT, vec!["all others".to_owned()])];
    for dialect in Dialect::ALL {
        let answers = dialect.answers();
        match kinds.iter_mut().find(|(of, _)| *of == answers) {
            Some((Answers::DEFAULT, _)) => {}
            Some((_, names)) => names.push(code(dialect.name())),
            None => kinds.push((answers, vec![code(dialect.name())])),
        }
    }
    kinds.rotate_left(1);
    let rows = kinds.into_iter().map(|(a, names)| {
        let refused = a.refused.map_or("401, 403".to_owned(), |status| status.to_string());
        let or = |status: Option<u16>, own: &str| status.map_or(own.to_owned(), |status| status.to_string());
        let [done, transient, config, permanent, key] =
            [a.done, a.transient, a.config, a.permanent, a.key_unavailable].map(|s| s.to_string());
        let (body, half) = (or(a.unacceptable, "413, 415"), or(a.incomplete, "400, 408"));
        [names.join(", "), done, transient, config, permanent, body, half, refused, key]
    });
    let head = [
        "Dialect",
        "done",
        "transient",
        "config",
        "permanent",
        "body too large or packed otherwise",
        "body incomplete",
        "refused",
        "key unavailable",
    ];
    printed("docs/answers.md", "statuses", &table(head, rows));
}

#[test]
fn the_reasons() {
    let rows = SkipReason::ALL.iter().map(|r| [code(r.name()), r.meaning().to_owned()]);
    printed("docs/answers.md", "skipped", &table(["Skipped", "Meaning"], rows));
    let rows =
        Cause::ALL.iter().map(|c| [code(c.name()), c.kind().name().to_owned(), c.meaning().to_owned()]);
    printed("docs/answers.md", "failed", &table(["Failed", "Kind", "Meaning"], rows));
}

/// A function meets every failure except those that only an HTTP server can meet, and the README of one sorts them by kind.
#[test]
fn the_error_types_of_lambda() {
    let readme = page("crates/lambda/README.md");
    let row = |kind: FailureKind| {
        let met = |cause: &&Cause| cause.kind() == kind && !cause.meaning().ends_with("(HTTP)");
        let names: Vec<_> = Cause::ALL.iter().filter(met).map(|c| format!("`{}`", c.name())).collect();
        format!("| {} | {} | ", kind.name(), names.join(", "))
    };
    for kind in [FailureKind::Config, FailureKind::Permanent, FailureKind::Transient] {
        let row = row(kind);
        assert!(
            readme.lines().any(|line| line.starts_with(&row)),
            "crates/lambda/README.md has no row {row}"
        );
    }
}

/// The table of crates says who uses whom, as `.ci/layers` does.
#[test]
fn the_crates() {
    let folders: BTreeMap<String, String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| {
            let folder = entry.unwrap().file_name().into_string().unwrap();
            let manifest = page(&format!("crates/{folder}/Cargo.toml"));
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap();
            (name.trim_end_matches('"').to_owned(), folder)
        })
        .collect();
    let layers = page(".ci/layers");
    let rules: BTreeMap<_, _> = layers
        .lines()
        .filter_map(|line| line.strip_prefix("rule "))
        .map(|line| {
            let mut words = line.split_whitespace().map(|name| folders[name].as_str());
            (words.next().unwrap(), words.collect::<BTreeSet<_>>())
        })
        .collect();
    assert_eq!(rules.len(), folders.len());
    let guide = page("docs/architecture.md");
    let rows: BTreeMap<_, _> = guide
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| [")?.split_once(']')?;
            let uses = rest.trim_end_matches(['|', ' ']).rsplit_once("| ").map(|(_, uses)| uses);
            // Without any, the last cell but one is found, which is prose.
            let uses = if rest.ends_with("| |") { None } else { uses };
            Some((name, uses.into_iter().flat_map(|uses| uses.split(", ")).collect::<BTreeSet<_>>()))
        })
        .collect();
    assert_eq!(rows, rules, "docs/architecture.md and .ci/layers");
}
