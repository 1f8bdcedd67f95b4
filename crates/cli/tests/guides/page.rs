//! The fenced blocks of a guide, in the order in which a reader meets them.

/// The comment before a block that a reader runs and the test does not.
const NOT_RUN: &str = "<!-- not run: ";

/// What a reader does with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Types it.
    Typed,
    /// Writes it into the file that its first line names; `added` to what is there if that line says beside what it stands.
    Written { path: String, added: bool },
    /// Looks at it: a picture, an output, a piece of a file.
    Shown,
    /// Types or writes it, and the test does not, for this reason.
    NotRun(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The line of its first fence, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) used: Use,
}

/// Languages of files that a guide has its reader write.
const FILES: [&str; 5] = ["toml", "ini", "json", "yaml", "conf"];

/// Languages that are only looked at.
const SHOWN: [&str; 4] = ["text", "console", "dockerfile", "terraform"];

/// # Errors
///
/// A sentence for each block that has no end or no language that a guide may use, and for a comment that is not before a block of commands or a file.
pub(crate) fn blocks(page: &str) -> Result<Vec<Block>, Vec<String>> {
    let (mut blocks, mut wrong) = (Vec::new(), Vec::new());
    let mut lines = page.lines().enumerate().map(|(at, line)| (at + 1, line));
    let mut reason: Option<(usize, String)> = None;
    while let Some((line, text)) = lines.next() {
        let bare = text.trim_start();
        if let Some(rest) = bare.strip_prefix(NOT_RUN) {
            match rest.strip_suffix(" -->").filter(|why| !why.is_empty()) {
                Some(why) => reason = Some((line, why.to_owned())),
                None => wrong
                    .push(format!("line {line}: the comment does not end in its line with a reason and -->")),
            }
            continue;
        }
        let Some(language) = bare.strip_prefix("```") else {
            if let Some((line, _)) = reason.take_if(|_| !bare.is_empty()) {
                wrong.push(format!("line {line}: no block follows the comment"));
            }
            continue;
        };
        let indent = text.len() - bare.len();
        let (mut body, mut ended) = (String::new(), false);
        for (_, inside) in lines.by_ref() {
            if inside.trim() == "```" {
                ended = true;
                break;
            }
            body.push_str(
                inside.get(indent.min(inside.len() - inside.trim_start().len())..).unwrap_or_default(),
            );
            body.push('\n');
        }
        if !ended {
            wrong.push(format!("line {line}: the block has no end"));
        }
        let named = named(&body);
        let used = match (language, named) {
            ("sh", _) => Use::Typed,
            (language, Some(file)) if FILES.contains(&language) => file,
            (language, None) if FILES.contains(&language) => Use::Shown,
            (language, _) if SHOWN.contains(&language) => Use::Shown,
            (other, _) => {
                wrong.push(format!(
                    "line {line}: the block's language is {other:?}, expected sh, {} or {}",
                    FILES.join(", "),
                    SHOWN.join(", ")
                ));
                continue;
            }
        };
        let used = match (used, reason.take()) {
            (used, None) => used,
            (Use::Shown, Some((at, _))) => {
                wrong.push(format!("line {at}: says why a block is not run which nobody would run"));
                Use::Shown
            }
            (_, Some((_, why))) => Use::NotRun(why),
        };
        blocks.push(Block { line, text: body, used });
    }
    if wrong.is_empty() { Ok(blocks) } else { Err(wrong) }
}

/// The file that the first line names: `# /etc/mdss-relay/relay.toml`, or that and `, beside [mdss]`.
fn named(body: &str) -> Option<Use> {
    let comment = body.lines().next()?.strip_prefix("# ")?;
    let (path, remark) = comment.split_once(',').unwrap_or((comment, ""));
    let is_path = !path.contains(' ') && path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    is_path.then(|| Use::Written { path: path.to_owned(), added: remark.contains("beside") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(page: &str) -> Vec<Use> {
        blocks(page).unwrap().into_iter().map(|block| block.used).collect()
    }

    #[test]
    fn a_block_is_typed_written_shown_or_excused() {
        let page = "```sh\nls\n```\n\n```toml\n# /etc/a.toml\nb = 1\n```\n1. x\n\n   ```toml\n   # a.toml, beside [b]\n     c = 1\n   ```\n\
                    ```toml\n# a remark\nb = 1\n```\n```text\npicture\n```\n<!-- not run: takes an hour -->\n\n```sh\nmake dist\n```\n";
        let file = |path: &str, added| Use::Written { path: path.to_owned(), added };
        let excused = Use::NotRun("takes an hour".to_owned());
        let found = uses(page);
        assert_eq!(
            found,
            [Use::Typed, file("/etc/a.toml", false), file("a.toml", true), Use::Shown, Use::Shown, excused]
        );
        assert_eq!(blocks(page).unwrap()[2].text, "# a.toml, beside [b]\n  c = 1\n");
        assert_eq!(blocks(page).unwrap()[2].line, 11);
    }

    #[test]
    fn what_no_reader_can_follow_is_a_mistake() {
        for (page, expected) in [
            ("```\nls\n```\n", "language is \"\""),
            ("```shell\nls\n```\n", "language is \"shell\""),
            ("```sh\nls\n", "no end"),
            ("<!-- not run: x -->\n\nText.\n", "no block follows"),
            ("<!-- not run:  -->\n```sh\nls\n```\n", "with a reason"),
            ("<!-- not run: x -->\n```text\nls\n```\n", "nobody would run"),
        ] {
            let wrong = blocks(page).unwrap_err();
            assert!(wrong[0].contains(expected), "{page:?}: {wrong:?}");
        }
    }
}
