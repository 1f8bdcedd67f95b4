//! `destroy.sh`.

use super::*;

#[test]
fn what_was_made_is_taken_away_and_whichever_call_fails_it_can_be_run_again() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let ran = account.run("destroy.sh", DESTROY, &[]).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "s3api put-bucket-notification-configuration",
            "cloudformation delete-stack",
            "secretsmanager delete-secret"
        ]
    );
    for number in 1..=ran.calls.len() {
        let account = Account::new();
        account.deploy(&[]).ended(0);
        account.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]);
        account.run("destroy.sh", DESTROY, &[]).ended(0);
        assert_eq!(account.json("notification/inbox"), json!({}), "after call {number} failed");
        assert!(
            !account.path("parameters").exists() && !account.path("secret").exists(),
            "after call {number} failed"
        );
    }
    account.run("destroy.sh", DESTROY, &[]).ended(0);
    account.run("destroy.sh", &DESTROY[..3], &[]).ended(2).says("--yes: missing");
}

#[test]
fn waiting_events_are_not_thrown_away() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.write("waiting", "3.0\n");
    let ran = account
        .run("destroy.sh", DESTROY, &[])
        .ended(1)
        .says("3 events wait in the queue")
        .says("nothing was changed");
    assert!(ran.changes().is_empty(), "the buckets go on posting: {:?}", ran.changes());
    account.write("waiting", "0.0\n");
    // What came after the first look: both queues are looked at twice.
    let ran = account.run("destroy.sh", DESTROY, &[("FAKE_ARRIVES", "3")]);
    let ran = ran.ended(1).says("the objects that are new from now on are not scanned");
    assert!(!ran.changes().contains(&"cloudformation delete-stack".to_owned()));
    account.run("destroy.sh", &[DESTROY, &["--discard"]].concat(), &[]).ended(0);
}
