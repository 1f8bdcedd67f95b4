//! The README's tables say what the code does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use mdss_relay_core::{Cause, Dialect, FailureKind, SETTINGS, SkipReason};

/// The cells of every table row whose first cell is a code span, with the backticks taken off that one.
fn rows(section: &str) -> Vec<Vec<String>> {
    let readme = include_str!("../../../README.md");
    let section = readme
        .split("\n## ")
        .find(|s| s.starts_with(section))
        .unwrap_or_else(|| panic!("no section {section}"));
    let row = |line: &str| -> Option<Vec<String>> {
        let inner = line.strip_prefix("| `")?.strip_suffix('|')?;
        let mut cells: Vec<_> = inner.split('|').map(|c| c.trim().to_owned()).collect();
        cells[0] = cells[0].trim_end_matches('`').to_owned();
        Some(cells)
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn the_settings() {
    let code: Vec<String> = SETTINGS
        .iter()
        .map(|s| {
            let toml = s.toml.map(|t| format!("`{t}`")).unwrap_or_default();
            let variable = format!("`{}`", s.variable);
            let cells = [&variable, &toml, s.applies.name(), &s.values(), s.without.words(), s.meaning]
                .map(str::to_owned);
            let cell = |c: String| if c.is_empty() { " |".to_owned() } else { format!(" {c} |") };
            format!("|{}", cells.map(cell).concat())
        })
        .collect();
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(&code.join("\n")),
        "the README does not say what the code does:\n{}",
        code.join("\n")
    );
}

#[test]
fn the_reasons() {
    let skipped = SkipReason::ALL.iter().map(|r| vec![r.name().to_owned(), r.meaning().to_owned()]);
    let failed = Cause::ALL
        .iter()
        .map(|c| vec![c.name().to_owned(), c.kind().name().to_owned(), c.meaning().to_owned()]);
    assert_eq!(rows("What fails how"), skipped.chain(failed).collect::<Vec<_>>());
}

/// A function meets every failure but those that only an HTTP server can, and the README of one sorts them by kind.
#[test]
fn the_error_types_of_lambda() {
    let readme = include_str!("../../lambda/README.md");
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

#[test]
fn the_dialects() {
    let readme = include_str!("../../../README.md");
    for name in Dialect::ALL.iter().map(|d| d.name()).chain(Dialect::RESERVED.iter().map(|d| d.name())) {
        assert!(readme.contains(&format!("`{name}`")), "the README does not mention {name}");
    }
}
