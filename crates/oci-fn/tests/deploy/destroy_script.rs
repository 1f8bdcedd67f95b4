//! `destroy.sh`.

use super::*;

const DESTROY: &[&str] = &["--compartment-id", COMPARTMENT, "--bucket", "inbox", "--with-policy", "--yes"];

#[test]
fn what_was_made_is_taken_away_rule_first() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    let ran = tenancy.run("destroy.sh", DESTROY).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "logging log delete",
            "events rule delete",
            "fn function delete",
            "logging log delete",
            "fn application delete",
            "logging log-group delete",
            "iam policy delete",
        ]
    );
    assert!(tenancy.everything().values().all(Vec::is_empty), "{:?}", tenancy.everything());
    let ran = tenancy.run("destroy.sh", DESTROY).ended(0);
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
}

#[test]
fn whichever_removal_fails_it_can_be_run_again() {
    let make = || {
        let tenancy = Tenancy::new();
        tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
        tenancy
    };
    let calls = make().run("destroy.sh", DESTROY).ended(0).calls.len();
    for number in 1..=calls {
        let tenancy = make();
        let ran = tenancy.run_with("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]).ended(1);
        assert_eq!(ran.calls.len(), number);
        tenancy.run("destroy.sh", DESTROY).ended(0);
        assert!(
            tenancy.everything().values().all(Vec::is_empty),
            "after call {number} failed: {:?}",
            tenancy.everything()
        );
    }
}

#[test]
fn what_others_use_stays() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    tenancy.put("function", "theirs");
    let ran =
        tenancy.run("destroy.sh", &["--compartment-id", COMPARTMENT, "--bucket", "inbox", "--yes"]).ended(0);
    assert_eq!(tenancy.has("function"), ["theirs"]);
    assert_eq!(tenancy.has("application"), ["mdss-relay"]);
    assert_eq!(tenancy.has("log"), ["log-of-mdss-relay"]);
    assert_eq!(tenancy.has("policy"), ["mdss-relay-events"]);
    assert!(!ran.commands().contains(&"os bucket update".to_owned()), "other rules may need the events");

    let ran = tenancy.run("destroy.sh", &["--compartment-id", COMPARTMENT, "--bucket", "inbox"]).ended(2);
    assert!(ran.err.contains("--yes: missing") && ran.calls.is_empty(), "{}", ran.err);
}
