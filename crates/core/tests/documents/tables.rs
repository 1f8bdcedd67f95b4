//! Settings, dialects and reasons, as the code has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mdss_relay_core::{Cause, Dialect, FailureKind, KeyEncoding, RESERVED, SETTINGS, SkipReason};

use crate::{page, printed, root, table};

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[test]
fn the_settings() {
    let rows = SETTINGS.iter().map(|s| {
        [code(s.variable), code(s.toml.unwrap_or_default()), s.default.to_owned(), s.meaning.to_owned()]
    });
    printed("docs/settings.md", "settings", &table(["Variable", "In the TOML", "Default", "Meaning"], rows));
}

#[test]
fn the_dialects() {
    let keys = |dialect: &Dialect| match dialect.key_encoding() {
        Some(KeyEncoding::Form) => "form",
        Some(KeyEncoding::Percent) => "percent",
        Some(KeyEncoding::Verbatim) => "verbatim",
        None => "as inside",
    };
    let rows = Dialect::ALL.iter().map(|d| [code(d.name()), keys(d).to_owned()]);
    printed("docs/dialects.md", "dialects", &table(["Dialect", "Keys"], rows));
    let rows = RESERVED.iter().map(|(name, what)| [code(name), (*what).to_owned()]);
    printed("docs/dialects.md", "reserved dialects", &table(["Dialect", "What it is"], rows));
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
