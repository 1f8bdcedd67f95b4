//! `destroy.sh`.

use super::*;

fn is_empty(account: &Account) -> bool {
    let there = account.there();
    ["functions", "queues", "logsets", "topics", "alarms"].iter().all(|name| there[name] == json!({}))
}

#[test]
fn what_was_made_is_taken_away_and_whichever_change_fails_it_can_be_run_again() {
    let account = Account::new();
    account.deploy(&["--alarm-notice", "notice-1"]).ended(0);
    let finished = account.there();
    let ran = account.run("destroy.sh", DESTROY, &[]).ended(0);
    let changes = ran.changes();
    assert_eq!(
        (changes[0].as_str(), changes[1].as_str(), changes[2].as_str(), changes.len()),
        ("scf DeleteTrigger", "scf DeleteFunction", "tdmq DeleteCmqQueue", 10)
    );
    assert!(is_empty(&account));
    for (at, command) in ran.commands().iter().enumerate() {
        // Of the five alarms one is enough.
        if !changes.contains(command) || command == "cls DeleteAlarm" && ran.commands()[at - 1] == *command {
            continue;
        }
        account.write("account.json", &finished.to_string());
        account.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &(at + 1).to_string())]).ended(1);
        account.run("destroy.sh", DESTROY, &[]).ended(0);
        assert!(is_empty(&account), "after {command} failed: {}", account.there());
    }
    assert!(account.run("destroy.sh", DESTROY, &[]).ended(0).changes().is_empty());
    account.run("destroy.sh", &DESTROY[..2], &[]).ended(2).says("--yes: missing");
}

#[test]
fn dead_letters_and_the_log_are_not_thrown_away_unasked() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.write("waiting", "3");
    let ran = account.run("destroy.sh", DESTROY, &[]).ended(1);
    let ran = ran.says("3 dead letters wait in mdss-relay-dead").says("nothing was changed");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    let ran = account.run("destroy.sh", &[DESTROY, &["--discard", "--keep-log"]].concat(), &[]).ended(0);
    assert!(!ran.changes().iter().any(|c| c.starts_with("cls")), "{:?}", ran.changes());
    assert_eq!(account.there()["topics"]["mdss-relay"]["id"], "topic-1");
}
