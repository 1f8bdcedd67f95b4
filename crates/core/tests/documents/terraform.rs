//! The command that a guide has for its Terraform gives each variable that has no default, and none that is not there. No guide runs it,
//! because a provider needs an account.

use std::collections::BTreeSet;

use crate::page;

/// Guides with a command; Azure's takes a file of values.
const CLOUDS: [&str; 5] = ["alibaba", "google", "huawei", "oci", "tencent"];

/// The names that stand between `before` and the next character that no name has.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    text.split(before).skip(1).map(name).collect()
}

#[test]
fn the_command_of_a_guide_gives_what_the_terraform_asks_for() {
    for cloud in CLOUDS {
        let guide = page(&format!("docs/{cloud}.md"));
        let apply = format!("terraform -chdir=deploy/{cloud}/terraform apply");
        let block = guide.split("\n```").find(|block| block.contains(&apply));
        let block = block.unwrap_or_else(|| panic!("docs/{cloud}.md has no command for its Terraform"));
        let mut given = names(&block.replace("-var \"", "-var "), "-var ");
        given.extend(names(block, "TF_VAR_"));

        let variables = page(&format!("deploy/{cloud}/terraform/variables.tf"));
        let declared = names(&variables, "variable \"");
        // A default is the only line of a variable that begins so.
        let asked: BTreeSet<_> = variables
            .split("\nvariable \"")
            .filter(|variable| !variable.lines().any(|line| line.trim_start().starts_with("default ")))
            .flat_map(|variable| {
                names(&format!("variable \"{}", variable.trim_start_matches("variable \"")), "variable \"")
            })
            .collect();
        assert!(
            !asked.is_empty() && given.is_superset(&asked),
            "{cloud}: {asked:?} are asked for, {given:?} given"
        );
        assert!(given.is_subset(&declared), "{cloud}: {given:?} are given, {declared:?} are there");
    }
}
