//! `destroy.sh`.

use super::*;

#[test]
fn what_was_made_is_taken_away_and_whichever_call_fails_it_can_be_run_again() {
    let purge = [DESTROY, &["--purge"]].concat();
    let azure = Subscription::new();
    azure.deploy(&[]).ended(0);
    let ran = azure.run("destroy.sh", &purge, &[]).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "eventgrid system-topic event-subscription delete",
            "monitor metrics alert delete",
            "monitor metrics alert delete",
            "eventgrid system-topic delete",
            "group delete",
            "keyvault purge"
        ]
    );
    for number in 1..=ran.calls.len() {
        let azure = Subscription::new();
        azure.deploy(&[]).ended(0);
        azure.run("destroy.sh", &purge, &[("FAKE_FAIL", &number.to_string())]).ended(1);
        azure.run("destroy.sh", &purge, &[]).ended(0);
        for name in ["relay.json", "events.json", "topics", "group", "deleted"] {
            assert!(!azure.path(name).exists(), "{name} after call {number} failed");
        }
        assert!(azure.names("alarms").is_empty(), "after call {number} failed");
    }
    azure.run("destroy.sh", &purge, &[]).ended(0);
    azure.run("destroy.sh", &DESTROY[..4], &[]).ended(2).says("--yes: missing");
}

#[test]
fn events_that_wait_are_not_thrown_away() {
    for (place, content, sentence) in [
        ("waiting/queue", "3\n", "3 events wait in the queue. Wait until"),
        ("waiting/poison", "1\n", "1 events wait in the poison queue. Bring them back with redrive.sh"),
        ("dead/a.json", "[]", "the container for dead letters is not empty"),
    ] {
        let azure = Subscription::new();
        azure.deploy(&[]).ended(0);
        azure.write(place, content);
        azure.run("destroy.sh", DESTROY, &[]).ended(1).says(sentence);
        assert!(azure.path("group").exists());
        azure.run("destroy.sh", &[DESTROY, &["--discard"]].concat(), &[]).ended(0);
        assert!(!azure.path("group").exists());
    }
}

#[test]
fn what_somebody_else_made_stays() {
    let azure = Subscription::new();
    azure.write("group", "None\n");
    azure.deploy(&[]).ended(0);
    let ran = azure.run("destroy.sh", DESTROY, &[("FAKE_OTHERS", "theirs\n")]).ended(1);
    let ran = ran
        .says("deploy.sh did not make this group, so it stays. What deploy.sh made in it:\n/subscriptions/");
    assert!(!ran.changes().iter().any(|c| c == "eventgrid system-topic delete" || c == "group delete"));
    assert!(ran.out.contains("kept: theirs uses it too"), "{}", ran.out);
}
