//! Every relative link and every anchor in the repository's Markdown resolves.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{WRITING, page, root};

/// Folders with nothing of ours in them.
const NOT_OURS: &[&str] =
    &[".git", "target", "dist", "corpus", "grown", "artifacts", "node_modules", ".venv"];

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() && !NOT_OURS.contains(&name) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The lines of a page that are no code, with code spans blanked: what stands in either is no link and no heading.
fn prose(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// A line without its code spans.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// What GitHub makes of a heading: lower case, blanks become hyphens, punctuation goes; a second one of the same name gets a
/// number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(text) {
        let heading = line.trim_start_matches('#');
        let level = line.len() - heading.len();
        if !(1..=6).contains(&level) || !heading.starts_with(' ') {
            continue;
        }
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        let times = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    anchors
}

/// The targets of a page's links, `[text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // The text of a link may hold code; its target may not.
        for rest in line.split("](").skip(1) {
            found.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
        if let Some((name, target)) = without_code(&line).split_once("]: ")
            && name.starts_with('[')
        {
            found.push(target.trim().to_owned());
        }
    }
    found
}

/// `a/b/../c` is `a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// What is wrong with one link of a page.
fn wrong(page: &Path, text: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = plain(&page.parent().unwrap().join(path));
    if !path.is_empty() && !file.exists() {
        return Some("no such file");
    }
    if anchor.is_empty() {
        return None;
    }
    let other = if path.is_empty() { text.to_owned() } else { fs::read_to_string(file).unwrap_or_default() };
    (!anchors(&other).contains(anchor)).then_some("no such heading")
}

#[test]
fn every_relative_link_resolves() {
    // No page is half written.
    let _alone = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut found = Vec::new();
    pages(&plain(&root()), &mut found);
    let mut links_seen = 0;
    let mut wrongs = Vec::new();
    for page in &found {
        let text = fs::read_to_string(page).unwrap();
        for target in links(&text) {
            links_seen += 1;
            if let Some(what) = wrong(page, &text, &target) {
                wrongs.push(format!("{}: {target}: {what}", page.display()));
            }
        }
    }
    assert!(found.len() > 20 && links_seen > 100, "{} pages, {links_seen} links", found.len());
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

/// The front page is read in terminals and in reviews, too.
#[test]
fn no_line_of_the_front_page_is_long() {
    let page = page("README.md");
    for (number, line) in page.lines().enumerate() {
        assert!(line.chars().count() <= 200, "README.md:{}: {line}", number + 1);
    }
    assert!(
        page.lines().count() <= 140,
        "README.md has {} lines; the rest belongs into docs/",
        page.lines().count()
    );
}

#[test]
fn what_is_a_link_and_what_a_heading() {
    let text = "# A `b`, c: 4 KB, and who\n\n## A\n## A\n```sh\n# no heading [x](y)\n```\n[`a`](b.md#c), [d](#a-1)\n[e]: f.md\n";
    assert_eq!(links(text), ["b.md#c", "#a-1", "f.md"]);
    let anchors = anchors(text);
    assert_eq!(anchors.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "a-1", "a-b-c-4-kb-and-who"]);
    let page = plain(&root().join("crates/core/README.md"));
    for (target, expected) in [
        ("https://example.com/x#y", None),
        ("../../README.md", None),
        ("#a-1", None),
        ("#a-2", Some("no such heading")),
        ("../README.md", Some("no such file")),
        ("../../LICENSE#a", Some("no such heading")),
    ] {
        assert_eq!(wrong(&page, text, target), expected, "{target}");
    }
}
