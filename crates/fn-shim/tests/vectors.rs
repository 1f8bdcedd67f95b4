//! `tests/README.md` lists the situations of the contract: all of them, and with tests that are there.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for production code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of the tests in a folder's files.
fn tests(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for (attribute, function) in text.lines().zip(text.lines().skip(1)) {
            let name = function.trim_start_matches("async ").strip_prefix("fn ");
            if let Some((name, _)) = name.and_then(|name| name.split_once('('))
                && (attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test"))
            {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// The numbers a test's name begins with: "a10_a12_handler_failures" has two.
fn numbers(name: &str) -> Vec<u32> {
    let number = |part: &str| {
        let digits = part.strip_prefix('a').filter(|digits| digits.len() == 2)?;
        digits.parse().ok()
    };
    name.split('_').map_while(number).collect()
}

#[test]
fn the_table_names_every_situation_and_every_numbered_test() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = tests(&package.join("tests"));
    // Not in a package on its own.
    let neighbour = package.join("../oci-fn/tests");
    let neighbours = neighbour.exists().then(|| tests(&neighbour));

    let table = include_str!("README.md");
    let mut listed = BTreeSet::new();
    let mut situations = Vec::new();
    for row in table.lines().filter_map(|line| line.strip_prefix("| A")) {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        let number: u32 = cells[0].parse().unwrap();
        situations.push(number);
        let names: Vec<&str> = cells[4].split('`').skip(1).step_by(2).collect();
        assert!(
            names.iter().any(|name| numbers(name).contains(&number)),
            "A{number:02} has no test of its own"
        );
        for name in names {
            match name.strip_prefix("oci-fn: ") {
                None => assert!(ours.contains(name), "A{number:02}: there is no test {name}"),
                Some(name) => {
                    let is_there = neighbours.as_ref().is_none_or(|tests| tests.contains(name));
                    assert!(is_there, "A{number:02}: there is no test {name} in oci-fn");
                }
            }
            listed.insert(name);
        }
    }
    assert_eq!(situations, (1..=38).collect::<Vec<_>>());
    for name in ours.iter().filter(|name| !numbers(name).is_empty()) {
        assert!(listed.contains(name.as_str()), "{name} is not in the table");
    }
}
