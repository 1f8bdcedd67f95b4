//! Log fields: every name that a crate writes is in the list, every name of the list is written, and the guide shows it.
//!
//! This reads the sources, as `.ci/layers` reads what the crates depend on. It knows `tracing`'s macros as this repository
//! writes them: fields first, then the message.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mdss_relay_core::fields;

use crate::{printed, root, table};

/// Crates that do not use the core: they write the names out.
const WITHOUT_THE_LIST: &[&str] = &[
    "host",
    "shim",
    "fn-shim",
    "port-shim",
    "poll-shim",
    "drive",
    "mdss-sim",
    "oci-fn",
    "lambda",
    "azure-functions",
    "alibaba-fc",
    "volcengine-faas",
    "tencent-scf",
    "huawei-functiongraph",
];

#[test]
fn the_guide_lists_the_fields() {
    let rows = fields::ALL
        .iter()
        .map(|f| [format!("`{}`", f.name), f.kind.to_owned(), f.lines.to_owned(), f.meaning.to_owned()]);
    printed("docs/logging.md", "fields", &table(["Field", "Type, unit", "Lines", "Meaning"], rows));
}

#[test]
fn each_field_is_there_once() {
    let names: BTreeSet<_> = fields::ALL.iter().map(|f| f.name).collect();
    assert_eq!(names.len(), fields::ALL.len(), "a name is there twice");
    for field in fields::ALL {
        let unit = field.kind.strip_prefix("integer, ");
        assert_eq!(
            field.name.ends_with("_ms"),
            unit == Some("ms"),
            "{}: the unit stands in the name",
            field.name
        );
        assert_eq!(
            field.name.ends_with("_bytes"),
            unit == Some("bytes"),
            "{}: the unit stands in the name",
            field.name
        );
    }
}

#[test]
fn every_name_that_is_written_is_in_the_list_and_the_other_way_round() {
    let mut wrong = Vec::new();
    let mut written = BTreeSet::new();
    let mut calls = 0;
    for path in sources() {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        let of = file.split('/').nth(1).unwrap();
        let code = without_tests(&fs::read_to_string(&path).unwrap());
        for call in macros(&code) {
            calls += 1;
            for name in names(call) {
                let field = match &name {
                    Name::Constant(constant) => fields::ALL.iter().find(|f| f.constant == constant),
                    Name::Written(name) => fields::ALL.iter().find(|f| f.name == name),
                };
                match (field, &name) {
                    (None, name) => wrong.push(format!("{file}: {name:?} is no field of the list")),
                    (Some(field), Name::Written(name)) => {
                        written.insert(field.name);
                        if !WITHOUT_THE_LIST.contains(&of) {
                            wrong.push(format!("{file}: write fields::{} for {name}", field.constant));
                        }
                    }
                    (Some(field), Name::Constant(_)) => drop(written.insert(field.name)),
                }
            }
        }
    }
    assert!(calls > 80, "only {calls} log lines were found");
    wrong.extend(
        fields::ALL.iter().filter(|f| !written.contains(f.name)).map(|f| format!("nobody writes {}", f.name)),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_counts_as_a_name() {
    let code = r#"
        info!("only {words}, error = {}", x);
        tracing::warn!(target: T, { "a.b" = f(1, "x, y = 2"), c }, "text", d = 1);
        error!({ fields::ONE } = x, fields::TWO = y, e.f = %g, %h, ?i.j, "text {}", k);
        tracing::info_span!("call", l.m = %n.o);
        $level!({ fields::THREE } = self.p, $text);
        debug!(q = 'x', "a \" quote, r = 1");
        warn!(
            // s = 1, no field
            t = Some(Vec::<(u8, u8)>::new()),
            "text"
        );
    "#;
    let found: Vec<_> = macros(code).into_iter().flat_map(names).collect();
    let written = |name: &str| Name::Written(name.to_owned());
    let constant = |name: &str| Name::Constant(name.to_owned());
    assert_eq!(
        found,
        [
            written("a.b"),
            written("c"),
            constant("ONE"),
            constant("TWO"),
            written("e.f"),
            written("h"),
            written("i.j"),
            written("l.m"),
            constant("THREE"),
            written("q"),
            written("t"),
        ]
    );
}

/// A field's name, as it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// `fields::NAME`.
    Constant(String),
    /// Written out.
    Written(String),
}

/// Every source file of ours, without tests, benches and examples.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for crate_ in fs::read_dir(root().join("crates")).unwrap() {
        let source = crate_.unwrap().path().join("src");
        if source.is_dir() {
            walk(&source, &mut found);
        }
    }
    found.sort();
    found
}

/// What stands before the tests of a file.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// What stands between the parentheses of every macro that writes a line or opens a span.
fn macros(code: &str) -> Vec<&str> {
    const MACROS: &[&str] = &[
        "error!(",
        "warn!(",
        "info!(",
        "debug!(",
        "trace!(",
        "event!(",
        "$level!(",
        "error_span!(",
        "warn_span!(",
        "info_span!(",
        "debug_span!(",
    ];
    let mut found = Vec::new();
    for name in MACROS {
        for (at, _) in code.match_indices(name) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                found.push((at, inside(&code[at + name.len()..])));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, call)| call).collect()
}

/// The names in one call.
fn names(call: &str) -> Vec<Name> {
    let mut names = Vec::new();
    for argument in arguments(call) {
        if argument.starts_with("target:") || argument.starts_with("parent:") || argument.is_empty() {
            continue;
        }
        // A span's name stands first, a line's message after the fields; behind a message there are only its values.
        if argument.starts_with('"') && !argument.contains("\" =") {
            if names.is_empty() && call.trim_start().starts_with('"') && is_a_span(call) {
                continue;
            }
            break;
        }
        if let Some(group) = argument.strip_prefix('{').filter(|group| group.ends_with('}')) {
            names.extend(arguments(&group[..group.len() - 1]).iter().filter_map(|a| name(a)));
        } else {
            names.extend(name(argument));
        }
    }
    names
}

/// A span has fields behind its name and no format.
fn is_a_span(call: &str) -> bool {
    arguments(call).first().is_some_and(|first| first.starts_with('"') && !first.contains(['{', ' ']))
}

/// The name in `name = value`, `{ fields::NAME } = value`, `%name`, `name`; none in `$text`.
fn name(argument: &str) -> Option<Name> {
    let name = argument.split_once(" = ").map_or(argument, |(name, _)| name);
    let name = name.trim_matches(|c: char| {
        c == '{' || c == '}' || c == '%' || c == '?' || c == '"' || c.is_whitespace()
    });
    if name.is_empty() || name.starts_with('$') {
        return None;
    }
    Some(match name.rsplit_once("fields::") {
        Some((_, constant)) => Name::Constant(constant.to_owned()),
        None => Name::Written(name.to_owned()),
    })
}

/// The text up to the parenthesis that closes what is open.
fn inside(code: &str) -> &str {
    let end = pieces(code).find(|(_, depth, c)| *depth == -1 && *c == ')').map(|(at, ..)| at);
    &code[..end.unwrap_or(code.len())]
}

/// The arguments of a call, without comments in front of them.
fn arguments(call: &str) -> Vec<&str> {
    let mut commas: Vec<_> =
        pieces(call).filter(|(_, depth, c)| *depth == 0 && *c == ',').map(|(at, ..)| at).collect();
    commas.push(call.len());
    let mut begin = 0;
    let mut arguments = Vec::new();
    for end in commas {
        let mut argument = call[begin.min(end)..end].trim();
        while let Some(rest) = argument.strip_prefix("//") {
            argument = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        arguments.push(argument);
        begin = end + 1;
    }
    arguments
}

/// Each character of code that stands in no text and no comment, with how many brackets are open behind it.
fn pieces(code: &str) -> impl Iterator<Item = (usize, i32, char)> + '_ {
    let mut depth = 0;
    let mut text = false;
    let mut comment = false;
    let mut escaped = false;
    let mut before = ' ';
    code.char_indices().filter_map(move |(at, c)| {
        let last = std::mem::replace(&mut before, c);
        if comment {
            comment = c != '\n';
            return None;
        }
        if text {
            text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            return None;
        }
        match c {
            '"' => {
                text = true;
                return None;
            }
            '/' if last == '/' => {
                comment = true;
                return None;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        Some((at, depth, c))
    })
}
