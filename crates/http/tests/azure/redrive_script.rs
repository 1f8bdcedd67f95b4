//! `redrive.sh`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const REDRIVE: &[&str] = &["--resource-group", "relay"];

/// A subscription with two poisoned messages and two dead letters, one of which is a list.
fn given_up() -> Subscription {
    let azure = Subscription::new();
    azure.deploy(&[]).ended(0);
    azure.write("poison/a", "bWVzc2FnZSBh");
    azure.write("poison/b", "bWVzc2FnZSBi");
    azure.write("dead/1.json", "[{\"id\":\"1\",\"subject\":\"é\"},\n{\"id\":\"2\"}]");
    azure.write("dead/2.json", "{\"id\":\"3\"}");
    azure
}

fn messages(azure: &Subscription) -> Vec<String> {
    let mut texts: Vec<_> = azure
        .names("queue")
        .iter()
        .map(|name| STANDARD.decode(fs::read(azure.path(&format!("queue/{name}"))).unwrap()).unwrap())
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect();
    texts.sort();
    texts
}

#[test]
fn every_event_is_in_the_queue_again_and_nowhere_else() {
    let azure = given_up();
    let ran = azure.run("redrive.sh", REDRIVE, &[]).ended(0);
    let all =
        ["message a", "message b", "{\"id\":\"1\",\"subject\":\"é\"}", "{\"id\":\"2\"}", "{\"id\":\"3\"}"];
    assert_eq!(messages(&azure), all);
    assert!(azure.names("poison").is_empty() && azure.names("dead").is_empty());
    for put in ran.calls.iter().filter(|c| c.command() == "storage message put") {
        assert_eq!(put.value("--time-to-live"), Some("-1"), "it would be gone after seven days otherwise");
    }

    // A failure costs no event; some may be there twice, which does no harm.
    for number in 1..=ran.calls.len() {
        let azure = given_up();
        azure.run("redrive.sh", REDRIVE, &[("FAKE_FAIL", &number.to_string())]).ended(1);
        azure.run("redrive.sh", REDRIVE, &[]).ended(0);
        let mut found = messages(&azure);
        found.dedup();
        assert_eq!(found, all, "after call {number} failed");
    }
}

#[test]
fn a_dead_letter_that_is_not_json_stays() {
    let azure = given_up();
    azure.write("dead/1.json", "[{");
    azure.run("redrive.sh", REDRIVE, &[]).ended(1).says("1.json is not JSON");
    assert_eq!(azure.names("dead"), ["1.json", "2.json"]);
}
