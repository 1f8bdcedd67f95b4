//! What a new dialect needs, shown by one that is made up: `read/record/lighthouse.rs`, its name and its row.

use crate::model::delivery::Delivery;
use crate::model::dialect::Dialect;
use crate::plan::plan::{Decision, Plan, plan};
use crate::select::rules::Rules;
use crate::settings::{Role, Settings};

const ONE: &str =
    r#"{"lighthouse":1,"event":"stored","bucket":"b","object":"in%2Fa b+.pdf","bytes":7,"write":"w-1"}"#;

fn settings(more: &[(&str, &str)]) -> Settings {
    let vars = [("STORAGECLIENTID", "unit-1")].iter().chain(more);
    Settings::read(vars.map(|(n, v)| (n.into(), v.into())), Role::Explain).finish().unwrap()
}

fn planned(rules: &Rules, dialect: Option<Dialect>, headers: &[(&str, &str)], body: String) -> Plan {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let delivery =
        Delivery { method: "POST".into(), dialect, headers, body: body.into(), ..Delivery::default() };
    plan(rules, &delivery)
}

/// What became of the only record, and its object.
fn said(plan: &Plan) -> (Option<&'static str>, Option<&'static str>, Option<&str>, String) {
    let record = &plan.records[0];
    let decision = match &record.decision {
        Decision::Send(submission) => submission.body(),
        Decision::Skip(reason) => reason.name().to_owned(),
        Decision::Fail(failure) => format!("{failure}"),
    };
    let key = record.key.as_ref().map(|key| key.as_str());
    (plan.dialect.map(Dialect::name), record.dialect.map(Dialect::name), key, decision)
}

fn queued(body: &str) -> String {
    let message = serde_json::json!({ "eventSource": "aws:sqs", "messageId": "m", "body": body });
    serde_json::json!({ "Records": [message] }).to_string()
}

#[test]
fn it_is_read_bare_in_a_queue_and_pinned_and_refused_where_it_does_not_belong() {
    let rules = settings(&[]).rules;
    let sent = r#"{"storageClientId":"unit-1","metadata":"{\"Name\":\"in/a b+.pdf\"}"}"#;
    let read = |outer| (Some(outer), Some("lighthouse"), Some("in/a b+.pdf"), sent.to_owned());
    for pin in [None, Some(Dialect::Lighthouse)] {
        assert_eq!(said(&planned(&rules, pin, &[], ONE.into())), read("lighthouse"), "{pin:?}");
    }
    assert_eq!(said(&planned(&rules, None, &[], queued(ONE))), read("aws-sqs"));
    assert_eq!(planned(&rules, None, &[], queued(ONE)).records[0].item, "m/0");
    for (pin, body, want) in [
        // In a topic, beside a list, under another pin, and another event under its own.
        (
            None,
            serde_json::json!({ "Type": "Notification", "TopicArn": "arn", "Message": ONE }).to_string(),
            "unreadable: Message: an event of Lighthouse where none belongs",
        ),
        (
            None,
            ONE.replace("{\"lighthouse\"", "{\"Records\":[],\"lighthouse\""),
            "unreadable: expected either an event of Lighthouse or `Records`, found both",
        ),
        (
            Some(Dialect::Minio),
            ONE.to_owned(),
            "unreadable: expected an event of minio with a list of `Records`, found an object with `lighthouse`, \
             `event`, `bucket`, `object`, `bytes`, `write`",
        ),
        (
            Some(Dialect::Lighthouse),
            r#"{"Records":[]}"#.to_owned(),
            "unreadable: expected an event with `lighthouse` (lighthouse), found an object with `Records`",
        ),
    ] {
        assert_eq!(said(&planned(&rules, pin, &[], body)).3, want);
    }
}

/// What is derived from the row and the facts, so that nobody has to remember it.
#[test]
fn everything_else_follows_from_its_row_and_its_facts() {
    let rules = settings(&[]).rules;
    // A stored delivery is read again as it was read at first: its headers are kept, and no others.
    let old = ONE.replace("\"lighthouse\":1,", "");
    let headers = [("X-Lighthouse-Version", "0.9"), ("Authorization", "t0ken")];
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
    let delivery = Delivery { headers, body: old.clone().into(), ..Delivery::default() };
    let kept = delivery.headers_to_keep();
    assert_eq!(kept, [("x-lighthouse-version".to_owned(), "0.9".to_owned())]);
    let again = plan(&rules, &Delivery { headers: kept, ..delivery });
    assert_eq!((said(&again).1, said(&again).2), (Some("lighthouse"), Some("in/a b+.pdf")));
    // A request's headers say nothing of what lies in an envelope.
    let topic = serde_json::json!({ "Type": "Notification", "TopicArn": "arn", "Message": old });
    let inside = planned(&rules, None, &[("X-Lighthouse-Version", "0.9")], topic.to_string());
    assert!(said(&inside).3.starts_with("unknown_dialect: Message: "), "{inside:?}");
    // No header makes a mere handshake of it.
    for header in [("x-jdcloud-message-type", "SubscriptionConfirmation"), ("x-oci-ns-messagetype", "x")] {
        let plan = planned(&rules, None, &[header], ONE.into());
        assert!(plan.reply.is_none(), "{header:?}");
    }
    // Settings know its name, its key encoding, and the variable that changes it.
    assert_eq!("lighthouse".parse(), Ok(Dialect::Lighthouse));
    let verbatim = settings(&[("RELAY_KEYS_LIGHTHOUSE", "verbatim")]).rules;
    assert_eq!(said(&planned(&verbatim, None, &[], ONE.into())).2, Some("in%2Fa b+.pdf"));
    assert_eq!(Dialect::Lighthouse.answers().permanent, 503);
    // A member of its own that stands there twice is its own matter.
    let twice = ONE.replace("{", "{\"bucket\":\"c\",");
    let sentence = said(&planned(&rules, None, &[], twice)).3;
    assert!(sentence.starts_with("unreadable: the body: duplicate field `bucket` at line 1"), "{sentence}");
    // A condition sees the object's name decoded.
    let toml = "[[route]]\nbucket = '*'\nstorage_client_id = 'unit-2'\ncondition = { object = 'in/*' }";
    let vars = [("RELAY_CONFIG_TOML", toml)].map(|(n, v)| (n.into(), v.into()));
    let selected = Settings::read(vars, Role::Explain).finish().unwrap().rules;
    assert!(matches!(planned(&selected, None, &[], ONE.into()).records[0].decision, Decision::Send(_)));
}
