//! A function keeps no ledger, so its guide says how one is made of its log.

use crate::page;

/// The part of a page that a link leads to: the section of an anchor, or all of it.
fn part(link: &str) -> String {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let text = page(path);
    let Some(anchor) = anchor else { return text };
    let slug = |heading: &str| heading.to_lowercase().replace(' ', "-");
    let mut sections = text.split("\n## ");
    let found =
        sections.find(|section| section.lines().next().is_some_and(|heading| slug(heading) == anchor));
    found.unwrap_or_else(|| panic!("{link} leads nowhere")).to_owned()
}

#[test]
fn every_guide_of_a_function_makes_a_ledger_of_its_log() {
    let readme = page("README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| ") && line.contains("](docs/"));
    let mut guides: Vec<_> = rows
        .filter(|row| row.split(" | ").nth(3).is_some_and(|run| run.contains("`mdss-relay-")))
        .map(|row| {
            row.split("](").nth(1).and_then(|link| link.split(')').next()).unwrap_or_else(|| panic!("{row}"))
        })
        .collect();
    assert_eq!(guides.len(), 7, "functions in the README: {guides:?}");
    // Cloud Run runs the server in direct mode, without a disk.
    guides.push("docs/google.md");
    for guide in guides {
        let part = part(guide);
        let commands = part.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let makes = |block: &str| block.contains("mdss-relay ledger import --data-dir");
        assert!(
            commands.into_iter().any(makes),
            "{guide} has no command that makes a ledger of the function's log"
        );
    }
}
