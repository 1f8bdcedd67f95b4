//! The floors of a crate: an import points to a lower floor, and no two files need each other.
//!
//! A crate that has floors lists them in its README, in a block that begins with ```` ```floors ````: one line a floor, the
//! highest first, with the folders and files (without `.rs`) that stand on it. This test reads the imports of every such
//! crate and compares them with its list. Cargo does the same for crates; inside a crate only this test does.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates that have a list.
fn crates() -> Vec<(PathBuf, Vec<Vec<String>>)> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir(all).unwrap() {
        let folder = entry.unwrap().path();
        let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        let Some((_, list)) = readme.split_once("```floors\n") else { continue };
        let (list, _) = list.split_once("```").expect("the block of floors ends");
        let rooms = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect();
        found.push((folder, list.lines().rev().map(rooms).collect()));
    }
    found
}

/// One source file: its module path and the module paths it imports, each as deep as they are written.
struct File {
    module: Vec<String>,
    imports: Vec<Vec<String>>,
}

fn files(src: &Path) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    folders.push(path);
                }
                continue;
            }
            let inner = path.strip_prefix(src).unwrap().with_extension("");
            let mut module: Vec<String> =
                inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            let last = module.last().unwrap().as_str();
            // The list of public names stands above every floor, and tests may use anything.
            if path.extension().is_none_or(|e| e != "rs")
                || matches!(last, "lib" | "main" | "tests" | "testing")
            {
                continue;
            }
            if last == "mod" {
                module.pop();
            }
            let text = fs::read_to_string(&path).unwrap();
            let imports = imports(&text, &module);
            found.push(File { module, imports });
        }
    }
    found
}

/// What a file imports from its own crate: the trees of its `use` lines, paths written out in its code, and what its `mod`
/// lines pass on.
fn imports(text: &str, module: &[String]) -> Vec<Vec<String>> {
    // Unit tests stand last in a file.
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    for begin in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(begin) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                || code[..at].ends_with("pub(in ")
            {
                continue;
            }
            let (mut base, mut rest) = (module.to_vec(), &code[at..]);
            if let Some(inner) = rest.strip_prefix("crate::") {
                (base, rest) = (Vec::new(), inner);
            }
            while let Some(inner) = rest.strip_prefix("super::") {
                base.pop();
                rest = inner;
            }
            rest = rest.strip_prefix("self::").unwrap_or(rest);
            tree(&base, rest, &mut paths);
        }
    }
    // What a folder's face passes on from its own children.
    for line in code.lines() {
        let Some((visibility, rest)) = line.split_once("use ") else { continue };
        let child = rest.split("::").next().unwrap_or_default();
        if (visibility.is_empty() || visibility.starts_with("pub")) && code.contains(&format!("mod {child};"))
        {
            tree(module, rest, &mut paths);
        }
    }
    paths
}

/// The paths of one tree: `a::{b, c::d}` under `base` is `a::b` and `a::c::d`.
fn tree(base: &[String], text: &str, paths: &mut Vec<Vec<String>>) {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if let Some(inner) = text.strip_prefix('{') {
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    tree(base, inner[start..at].trim(), paths);
                    start = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    if name.is_empty() {
        return;
    }
    let mut path = base.to_vec();
    if name != "self" {
        path.push(name.clone());
    }
    match text[name.len()..].strip_prefix("::") {
        Some(rest) => tree(&path, rest, paths),
        None => paths.push(path),
    }
}

#[test]
fn an_import_points_to_a_lower_floor() {
    for (folder, floors) in crates() {
        let floor = |module: &[String]| {
            let room = module.first()?;
            floors.iter().position(|rooms| rooms.contains(room)).map(|floor| (floor, room.clone()))
        };
        let mut wrong = Vec::new();
        for file in files(&folder.join("src")) {
            let Some((own, room)) = floor(&file.module) else {
                wrong.push(format!("{} stands on no floor of the README", file.module.join("::")));
                continue;
            };
            for import in file.imports {
                match floor(&import) {
                    Some((other, name)) if other < own || name == room => {}
                    Some(_) => {
                        wrong.push(format!("{} imports {}", file.module.join("::"), import.join("::")))
                    }
                    None => wrong.push(format!(
                        "{} imports {}, which stands on no floor",
                        file.module.join("::"),
                        import.join("::")
                    )),
                }
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", folder.display(), wrong.join("\n"));
    }
}

#[test]
fn no_two_files_need_each_other() {
    for (folder, _) in crates() {
        let files = files(&folder.join("src"));
        let known: BTreeSet<&[String]> = files.iter().map(|file| &*file.module).collect();
        let mut needs: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
        for file in &files {
            for import in &file.imports {
                // The file that an import leads to: the longest part of the path that is one.
                let target = (1..=import.len()).rev().find_map(|n| known.get(&import[..n]));
                if let Some(target) = target.filter(|target| **target != file.module) {
                    needs.entry(&file.module).or_default().insert(target);
                }
            }
        }
        // Whatever needs nothing that is left can go, and whatever nobody needs; what stays is a circle, or between two.
        loop {
            let needed: BTreeSet<&[String]> = needs.values().flatten().copied().collect();
            let free = |(file, of): &(&&[String], &BTreeSet<&[String]>)| {
                !needed.contains(*file) || of.iter().all(|f| !needs.contains_key(f))
            };
            let free: Vec<_> = needs.iter().filter(free).map(|(file, _)| *file).collect();
            if free.is_empty() {
                break;
            }
            free.into_iter().for_each(|file| drop(needs.remove(file)));
        }
        let circle: Vec<_> = needs
            .iter()
            .map(|(file, of)| {
                let of = of.iter().filter(|f| needs.contains_key(*f)).map(|f| f.join("::"));
                format!("{} needs {}", file.join("::"), of.collect::<Vec<_>>().join(", "))
            })
            .collect();
        assert!(
            circle.is_empty(),
            "{}: files that need each other:\n{}",
            folder.display(),
            circle.join("\n")
        );
    }
}

#[test]
fn trees_are_read_as_the_compiler_does() {
    let text = "use crate::plain::{json::{self, NoText}, line};\nuse super::{a, super_b};\nuse super::super::c;\n// use crate::no;\n\
                fn f() { crate::model::x::y(); let _ = \"\"; }\npub(in crate::read) fn g() {}\n#[cfg(test)]\nmod tests { use crate::tests; }";
    let found = imports(text, &["read".into(), "record".into(), "s3".into()]);
    let found: BTreeSet<String> = found.iter().map(|path| path.join("::")).collect();
    let want = [
        "plain::json",
        "plain::json::NoText",
        "plain::line",
        "model::x::y",
        "read::record::a",
        "read::record::super_b",
        "read::c",
    ];
    assert_eq!(found, want.map(str::to_owned).into());
}
