//! A page in Chinese, `docs/zh/NAME.md`, says what its English twin `docs/NAME.md` says: the same headings in the same order, and
//! under each the same blocks of code, byte for byte. What is typed is tried in the English page; so it is tried in both.

use std::fs;

use crate::{page, root};

/// A heading, and the blocks of code below it up to the next one.
struct Section<'a> {
    /// The line of the heading in its page, from 1; 0 for what stands before the first one.
    line: usize,
    heading: &'a str,
    blocks: Vec<Block<'a>>,
}

struct Block<'a> {
    /// The line of its first fence, from 1.
    line: usize,
    /// The fence with its language, and what stands below it, without the last fence.
    lines: Vec<&'a str>,
}

impl Section<'_> {
    fn level(&self) -> usize {
        self.heading.chars().take_while(|c| *c == '#').count()
    }

    /// What no language changes: the number at its beginning, and what is code.
    fn fixed(&self) -> Vec<&str> {
        let text = self.heading.trim_start_matches('#').trim_start();
        let number = text.split_once(". ").map(|(number, _)| number);
        let number = number.filter(|number| number.chars().all(|c| c.is_ascii_digit()));
        number.into_iter().chain(text.split('`').skip(1).step_by(2)).collect()
    }
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections = vec![Section { line: 0, heading: "", blocks: Vec::new() }];
    let mut open: Option<Block<'_>> = None;
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        let here = sections.last_mut().unwrap();
        match open.take() {
            Some(block) if fence => here.blocks.push(block),
            Some(mut block) => {
                block.lines.push(line);
                open = Some(block);
            }
            None if fence => open = Some(Block { line: at + 1, lines: vec![line] }),
            None if line.starts_with('#') => {
                sections.push(Section { line: at + 1, heading: line, blocks: Vec::new() });
            }
            None => {}
        }
    }
    // A block without an end.
    sections.last_mut().unwrap().blocks.extend(open);
    sections
}

/// A sentence for each place where a page in Chinese is out of step; of each section the first one.
fn differences(name: &str, english: &str, chinese: &str) -> Vec<String> {
    let (en, zh) = (format!("docs/{name}"), format!("docs/zh/{name}"));
    let (theirs, ours) = (sections(english), sections(chinese));
    let mut wrong = Vec::new();
    for (page, text, other) in
        [(&en, english, format!("](zh/{name})")), (&zh, chinese, format!("](../{name})"))]
    {
        let below = text.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default();
        if !below.contains(&other) {
            wrong.push(format!(
                "{page}: the first line below the title does not lead to the other language, by a link that ends in {other}"
            ));
        }
    }
    for (their, our) in theirs.iter().zip(&ours) {
        if (their.level(), their.fixed()) != (our.level(), our.fixed()) {
            wrong.push(format!(
                "{zh}:{}: the heading \"{}\" is not that of {en}:{}, \"{}\": its level, its number or its code differs. \
                 What follows was not compared",
                our.line, our.heading, their.line, their.heading
            ));
            return wrong;
        }
        wrong.extend(of_section(&en, their, &zh, our));
    }
    for (page, other, left) in [(&zh, &en, theirs.get(ours.len()..)), (&en, &zh, ours.get(theirs.len()..))] {
        for section in left.unwrap_or_default() {
            wrong
                .push(format!("{page} has no heading for {other}:{}, \"{}\"", section.line, section.heading));
        }
    }
    wrong
}

/// What differs first between the blocks of one section.
fn of_section(en: &str, their: &Section<'_>, zh: &str, our: &Section<'_>) -> Option<String> {
    for (theirs, ours) in their.blocks.iter().zip(&our.blocks) {
        let mut pairs = theirs.lines.iter().zip(&ours.lines).enumerate();
        let place = format!("{zh}:{}: the block differs from that of {en}:{}", ours.line, theirs.line);
        if let Some((at, (expected, found))) = pairs.find(|(_, (expected, found))| expected != found) {
            return Some(format!(
                "{place}, first in line {} of {zh}: expected `{expected}`, found `{found}`",
                ours.line + at
            ));
        }
        let (expected, found) = (theirs.lines.len(), ours.lines.len());
        if expected != found {
            return Some(format!("{place}: expected {} lines, found {}", expected - 1, found - 1));
        }
    }
    let under = format!("under \"{}\", line {}", our.heading, our.line);
    let (more, fewer) = (their.blocks.get(our.blocks.len()..), our.blocks.get(their.blocks.len()..));
    if let Some(block) = more.and_then(<[_]>::first) {
        return Some(format!("{zh}: {under}, the block of {en}:{} is missing", block.line));
    }
    let block = fewer.and_then(<[_]>::first)?;
    Some(format!("{zh}:{}: {under}, stands a block that {en} does not have there", block.line))
}

#[test]
fn every_page_in_chinese_is_in_step_with_its_twin() {
    let mut names: Vec<String> = fs::read_dir(root().join("docs/zh"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut wrong = Vec::new();
    for name in &names {
        assert!(root().join("docs").join(name).is_file(), "docs/zh/{name} has no twin docs/{name}");
        wrong.extend(differences(name, &page(&format!("docs/{name}")), &page(&format!("docs/zh/{name}"))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_out_of_step_is_said() {
    const ENGLISH: &str = "# A\n\n[中文](zh/a.md)\n\n```text\nx\n```\n\n## 1. Run `it`\n\n```sh\n# a comment\nls\n```\n\n```ini\n[a]\n```\n\n### B\n";
    const CHINESE: &str = "# 甲\n\n[English](../a.md)\n\n```text\nx\n```\n\n## 1. 运行 `it`\n\n中文。\n\n```sh\n# a comment\nls\n```\n\n```ini\n[a]\n```\n\n### 乙\n";
    let of = |from: &str, to: &str| {
        let edited = CHINESE.replacen(from, to, 1);
        assert_ne!(edited, CHINESE);
        differences("a.md", ENGLISH, &edited)
    };
    assert_eq!(differences("a.md", ENGLISH, CHINESE), [""; 0]);
    assert_eq!(
        of("\nls\n", "\nls -l\n"),
        [
            "docs/zh/a.md:13: the block differs from that of docs/a.md:11, first in line 15 of docs/zh/a.md: expected `ls`, found `ls -l`"
        ]
    );
    assert_eq!(
        of("```sh\n", "```bash\n"),
        [
            "docs/zh/a.md:13: the block differs from that of docs/a.md:11, first in line 13 of docs/zh/a.md: expected ````sh`, found ````bash`"
        ]
    );
    assert_eq!(
        of("\nls\n", "\nls\n\n"),
        ["docs/zh/a.md:13: the block differs from that of docs/a.md:11: expected 2 lines, found 3"]
    );
    assert_eq!(
        of("```ini\n[a]\n```\n", ""),
        ["docs/zh/a.md: under \"## 1. 运行 `it`\", line 9, the block of docs/a.md:16 is missing"]
    );
    assert_eq!(
        of("### 乙\n", "```sh\nrm\n```\n\n### 乙\n"),
        [
            "docs/zh/a.md:22: under \"## 1. 运行 `it`\", line 9, stands a block that docs/a.md does not have there"
        ]
    );
    for other in ["## 2. 运行 `it`", "## 1. 运行 `that`", "### 1. 运行 `it`"] {
        let said = of("## 1. 运行 `it`", other);
        let expected =
            format!("docs/zh/a.md:9: the heading \"{other}\" is not that of docs/a.md:9, \"## 1. Run `it`\"");
        assert!(said.len() == 1 && said[0].starts_with(&expected), "{said:?}");
    }
    assert_eq!(of("\n### 乙\n", ""), ["docs/zh/a.md has no heading for docs/a.md:20, \"### B\""]);
    assert_eq!(
        of("### 乙\n", "### 乙\n### 丙\n"),
        ["docs/a.md has no heading for docs/zh/a.md:23, \"### 丙\""]
    );
    assert_eq!(
        of("[English](../a.md)\n\n", ""),
        [
            "docs/zh/a.md: the first line below the title does not lead to the other language, by a link that ends in ](../a.md)"
        ]
    );
}
