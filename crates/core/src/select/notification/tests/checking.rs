//! Mistakes and warnings: limits, names, rules that meet.

use super::*;

#[test]
fn every_mistake_of_a_document_is_told() {
    insta::assert_snapshot!(mistakes(INVALID).join("\n"), @r#"
    line 1, NotificationConfiguration: expected elements, and no text between them
    line 7, rule[0].Filter.S3Key.FilterRule[0].Name: found "infix", expected prefix or suffix
    line 12, rule[0].Topic, address 1: expected an address such as https://relay.example/jd, without a comma or white space
    line 13, rule[0].Event[0]: found "s3:ObjectCreated:Putt", expected an event of JD Cloud; is s3:ObjectCreated:Put meant?
    line 15, rule[1].Topic: expected the target of the rule; the element is missing
    line 15, rule[1].Event: expected at least one, such as s3:ObjectCreated:*
    line 16, rule[1].Id: found "same", expected another id than that of rule[0]
    line 17, rule[1]: found "<Topics>", expected a known element; is Topic meant?
    line 20, rule[2].Queue: expected no queue: JD Cloud sends events to addresses and functions only
    line 23, NotificationConfiguration: found "<Rule>", expected one of TopicConfiguration, QueueConfiguration, CloudFunctionConfiguration, LambdaFunctionConfiguration, EventBridgeConfiguration
    "#);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let topic = |inside: &str| document(&format!("<TopicConfiguration>{inside}</TopicConfiguration>"));
    let event = "<Event>s3:ObjectCreated:*</Event>";
    let to = "<Topic>NS:https://a.example/in</Topic>";
    let filtered = |inside: &str| topic(&format!("<Filter>{inside}</Filter>{to}{event}"));
    let arn = |arn: &str| document(&queue(arn, "", "", CREATED));
    let with_queue = |more: &str| document(&(queue(AMAZONS, "", "", CREATED) + more));
    let rows: Vec<(String, &str)> = vec![
        (
            "<Configuration/>".into(),
            r#"line 1: found "Configuration", expected an element NotificationConfiguration"#,
        ),
        ("<s3:NotificationConfiguration/>".into(), r#"found "s3:NotificationConfiguration", expected"#),
        (
            document("<TopicConfig/>"),
            r#"NotificationConfiguration: found "<TopicConfig>", expected a known element; is TopicConfiguration meant?"#,
        ),
        (topic(event), "rule[0].Topic: expected the target of the rule; the element is missing"),
        (topic(to), "rule[0].Event: expected at least one, such as s3:ObjectCreated:*"),
        (topic(&format!("{to}{to}{event}")), "rule[0].Topic: expected one of its kind; this is the second"),
        (topic(&format!("<Id>1</Id><Id>2</Id>{to}{event}")), "rule[0].Id: expected one of its kind"),
        (
            topic(&format!("{to}{event}<Queue>{AMAZONS}</Queue>")),
            r#"rule[0]: found "<Queue>", expected one of Id, Filter, Event, Topic"#,
        ),
        (
            topic(&format!("{to}<Event><b/></Event>")),
            r#"rule[0].Event[0]: found "<b>", expected text, and no elements"#,
        ),
        (
            topic(&format!("{to}<Event>s3:ObjectCreated:put</Event>")),
            r#"rule[0].Event[0]: found "s3:ObjectCreated:put", expected an event of JD Cloud; is s3:ObjectCreated:Put meant?"#,
        ),
        (
            topic(&format!("{to}<Event>s3:ObjectRemoved:DeleteMarkerCreated</Event>")),
            "expected an event of JD Cloud",
        ),
        (
            topic(&format!("{to}<Event></Event>")),
            r#"rule[0].Event[0]: found "", expected an event of JD Cloud; one of s3:ObjectCreated:*, "#,
        ),
        (topic(&format!("a{to}{event}")), "rule[0]: expected elements, and no text between them"),
        (
            topic(&format!("<Topic>NS:</Topic>{event}")),
            "rule[0].Topic, address 1: expected an address such as",
        ),
        (
            topic(&format!("<Topic>NS:https://a.example,</Topic>{event}")),
            "rule[0].Topic, address 2: expected an address",
        ),
        (
            topic(&format!("<Topic>NS:ftp://a.example</Topic>{event}")),
            "rule[0].Topic, address 1: expected an address",
        ),
        (
            topic(&format!("<Topic>ns:https://a.example</Topic>{event}")),
            "rule[0].Topic: expected NS: and 1 to 5 addresses with commas between them (JD Cloud), or an ARN (S3)",
        ),
        (topic(&format!("<Topic/>{event}")), "rule[0].Topic: expected NS: and 1 to 5"),
        (
            document(&format!(
                "<CloudFunctionConfiguration><CloudFunction>a b</CloudFunction>{event}</CloudFunctionConfiguration>"
            )),
            "rule[0].CloudFunction: expected the id of a function (JD Cloud), or its ARN (S3)",
        ),
        (
            document(&format!(
                "<CloudFunctionConfiguration><CloudFunction>NS:https://a.example</CloudFunction>{event}</CloudFunctionConfiguration>"
            )),
            "rule[0].CloudFunction: expected the id of a function (JD Cloud), or its ARN (S3)",
        ),
        (
            document(&(queue(MINIOS, "", "", &["s3:ObjectRemoved:*"]) + &queue(AMAZONS, "", "", CREATED))),
            "rule[0].Queue: found \"arn:minio:sqs::relay:webhook\", expected an ARN of Amazon",
        ),
        (filtered("<S3Tags/>"), r#"rule[0].Filter: found "<S3Tags>", expected one of S3Key"#),
        (filtered("<S3Key/><S3Key/>"), "rule[0].Filter.S3Key: expected one of its kind"),
        (filtered("<S3Key><Rule/></S3Key>"), r#"rule[0].Filter.S3Key: found "<Rule>", expected"#),
        (
            filtered("<S3Key><FilterRule><Value>a</Value></FilterRule></S3Key>"),
            "FilterRule[0].Name: expected prefix or suffix; the element is missing",
        ),
        (
            filtered("<S3Key><FilterRule><Name>regex</Name><Value>a</Value></FilterRule></S3Key>"),
            r#"FilterRule[0].Name: found "regex", expected prefix or suffix"#,
        ),
        (
            filtered(
                "<S3Key><FilterRule><Name>prefix</Name><Name>suffix</Name><Value>a</Value></FilterRule></S3Key>",
            ),
            "FilterRule[0].Name: expected one of its kind",
        ),
        (
            filtered(
                "<S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule><FilterRule><Name>Prefix</Name><Value>b</Value></FilterRule></S3Key>",
            ),
            r#"FilterRule[1]: found "prefix", expected one prefix and one suffix at most"#,
        ),
        (
            filtered("<S3Key><FilterRule><Name>prefix</Name><Values>a</Values></FilterRule></S3Key>"),
            r#"FilterRule[0]: found "<Values>", expected a known element; is Value meant?"#,
        ),
        (
            arn("arn:aws:sqs:eu-central-1:111122223333:"),
            "expected arn:partition:service:region:account:resource",
        ),
        (arn("arn:aws:sqs"), "expected arn:partition:service:region:account:resource"),
        (arn("arn:aws:sqs:r:111122223333:a b"), "expected arn:partition:service:region:account:resource"),
        (arn("arn:aws:sns:eu-central-1:111122223333:q"), "expected an ARN whose service is sqs"),
        (arn("arn:aws:sqs:eu-central-1:111122223333:q.fifo"), "expected a standard queue or topic"),
        (arn("https://sqs.example/q"), "rule[0].Queue: expected the ARN of a queue"),
        (
            document(&queue(AMAZONS, "", "", &["s3:ObjectCreated:PutRetention"])),
            "expected an event of S3; is s3:ObjectCreated:Put meant?",
        ),
        (
            document(&queue(MINIOS, "", "", &["ObjectCreated:Put"])),
            "expected s3: and the name of an event; is s3:ObjectCreated:Put meant?",
        ),
        (
            with_queue(&queue(MINIOS, "", "", &["s3:ObjectRemoved:*"])),
            "rule[1].Queue: found \"arn:minio:sqs::relay:webhook\", expected an ARN of Amazon",
        ),
        (
            with_queue(&jd("", "", CREATED)),
            r#"NotificationConfiguration: found "rule[0] of S3's kind and rule[1] of JD Cloud's", expected the rules of one store"#,
        ),
        (
            document(&(jd("", "", CREATED) + "<EventBridgeConfiguration/>")),
            r#"found "rule[0] of JD Cloud's kind and rule[1] of S3's", expected the rules of one store"#,
        ),
        (document(&(jd("", "", CREATED) + &queue("", "", "", CREATED))), "rule[1].Queue: expected no queue"),
        (
            document("<EventBridgeConfiguration><Id>1</Id></EventBridgeConfiguration>"),
            r#"rule[0]: found "<Id>", expected nothing inside"#,
        ),
    ];
    for (text, want) in rows {
        let mistakes = mistakes(&text);
        assert!(mistakes.iter().any(|m| m.contains(want)), "{text}\nwanted {want}\nfound  {mistakes:?}");
        assert!(mistakes.iter().all(|m| m.starts_with("line 1")), "{mistakes:?}");
    }
}

#[test]
fn limits_hold_at_the_limit() {
    let many = |n: usize| document(&(0..n).map(|i| jd(&format!("{i:03}/"), "", CREATED)).collect::<String>());
    let addresses = |n: usize| {
        let list: Vec<_> = (0..n).map(|i| format!("https://a{i}.example/")).collect();
        document(&jd("", "", CREATED).replace("https://a.example/in", &list.join(",")))
    };
    let amazon = |prefix: &str| document(&queue(AMAZONS, prefix, "", CREATED));
    let names = |n: usize| {
        let list: Vec<_> = (0..n).map(|i| format!("s3:Made:Up{i}")).collect();
        document(&queue(MINIOS, "", "", &list.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    for (right, wrong, want) in [
        (many(100), many(101), r#"found "101 rules", expected at most 100"#),
        (addresses(5), addresses(6), r#"found "6 addresses", expected NS: and 1 to 5 addresses"#),
        (
            document(&jd(&"ö".repeat(511), "", CREATED)),
            document(&jd("", &format!("a{}", "ö".repeat(511)), CREATED)),
            r#"found "1023 bytes", expected at most 1022 bytes"#,
        ),
        (
            amazon(&"ö".repeat(1024)),
            amazon(&"ö".repeat(1025)),
            r#"found "1025 characters", expected at most 1024"#,
        ),
        (
            document(&queue(MINIOS, "", "", &[format!("s3:{}", "A".repeat(97)).as_str()])),
            document(&queue(MINIOS, "", "", &[format!("s3:{}", "A".repeat(98)).as_str()])),
            r#"rule[0].Event[0]: found "101 bytes", expected at most 100 bytes"#,
        ),
        (names(64), names(65), r#"found "65 events", expected at most 64"#),
    ] {
        read(&right);
        assert!(mistakes(&wrong).iter().any(|m| m.contains(want)), "{want}: {:?}", mistakes(&wrong));
    }
    assert!(mistakes(&deep(16))[0].contains(r#"found "a""#));
    assert!(mistakes(&deep(17))[0].contains("at most 16 elements inside each other"));
    assert!(mistakes(&format!("<a>{}</a>", "<b/>".repeat(19_999)))[0].contains(r#"found "a""#));
    assert!(mistakes(&format!("<a>{}</a>", "<b/>".repeat(20_000)))[0].contains("at most 20000 elements"));
    let long = |n: usize| format!("<a>{}</a>", "b".repeat(n - 7));
    assert!(mistakes(&long(4 << 20))[0].contains(r#"found "a""#));
    assert!(
        mistakes(&long((4 << 20) + 1))[0].contains("found \"4194305 bytes\", expected at most 4194304 bytes")
    );
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let with_topic = |list: &str| document(&jd("", "", CREATED).replace("https://a.example/in", list));
    let rows: Vec<(String, &str)> = vec![
        (
            with_topic("http://a.example/in"),
            "rule[0].Topic, address 1: http: events, and a secret in the path, travel in the clear",
        ),
        (
            with_topic("https://a.example/in,https://a.example/in"),
            "rule[0].Topic, address 2: stands there twice",
        ),
        (
            with_topic("https://a.example/in, https://b.example/in"),
            "rule[0].Topic, address 2: white space around it",
        ),
        (
            document(&jd("", "", &["s3:ObjectCreated:Put", "s3:ObjectCreated:Put"])),
            "rule[0].Event[1]: \"s3:ObjectCreated:Put\" stands there twice",
        ),
        (document(&jd("", "", &[" s3:ObjectCreated:Put"])), "rule[0].Event[0]: white space around it"),
        (document(&jd("in/ ", "", CREATED)), "FilterRule[0].Value: \"in/ \" begins or ends with white space"),
        (document(&jd("", "*.pdf", CREATED)), "FilterRule[1].Value: \"*.pdf\": the * stands for itself"),
        (document(&jd("a%20b", "", CREATED)), "\"a%20b\" is compared with the key as it stands"),
        (document(&queue(AMAZONS, "a b", "", CREATED)), "\"a b\" has a space; S3 wants a + for it"),
        (document(&jd("a", "", CREATED).replace("<Value>a</Value>", "")), "FilterRule[0]: there is no Value"),
        (
            document(&jd("", "", CREATED).replace("<Topic>", "<Topic a='b'>")),
            "line 1: <Topic> has attributes",
        ),
        (
            document(&format!(
                "<LambdaFunctionConfiguration><LambdaFunctionArn>f</LambdaFunctionArn>{}</LambdaFunctionConfiguration>",
                events(CREATED)
            )),
            "rule[0]: the stores' documents call this CloudFunctionConfiguration",
        ),
        (
            document(&queue(MINIOS, "", "", &["s3:ObjectAccessed:Get"])),
            "\"s3:ObjectAccessed:Get\" is no event of S3",
        ),
        (
            document(&(queue(MINIOS, "a", "", CREATED) + &queue(MINIOS, "", "b", CREATED))),
            "rule[1]: takes some keys of s3:ObjectCreated:* that rule[0] takes, too",
        ),
    ];
    for (text, want) in rows {
        let warnings = read(&text).warnings;
        assert!(
            warnings.len() == 1 && warnings[0].contains(want),
            "{text}\nwanted {want}\nfound  {warnings:?}"
        );
    }
}

#[test]
fn amazons_rules_may_not_overlap() {
    for (first, second, overlap) in [
        (("", "", CREATED), ("images", "", CREATED), true),
        (("", "jpg", CREATED), ("", "pg", &["s3:ObjectCreated:Put"][..]), true),
        (("images", "jpg", CREATED), ("", "jpg", &["s3:ObjectCreated:Put"]), true),
        (("a/", "", CREATED), ("", ".b", CREATED), true),
        (("images/", "", CREATED), ("logs/", "", CREATED), false),
        (("", ".jpg", CREATED), ("", ".png", CREATED), false),
        (("images", ".jpg", CREATED), ("images", ".png", CREATED), false),
        (("image/", "", &["s3:ObjectCreated:Put"]), ("image/", "", &["s3:ObjectRemoved:*"]), false),
        (("image/", "", &["s3:ObjectCreated:Put"]), ("image/", "", &["s3:ObjectCreated:Copy"]), false),
        (("image/", "", &["s3:ObjectCreated:Put"]), ("image/", "", CREATED), true),
        // As decoded.
        (("a+b", "", CREATED), ("a%20b", "", CREATED), true),
        (("a+b", "", CREATED), ("a%2Bb", "", CREATED), false),
    ] {
        let rule = |(prefix, suffix, names): (&str, &str, &[&str])| queue(AMAZONS, prefix, suffix, names);
        let result = Notification::parse(document(&(rule(first) + &rule(second))).as_bytes());
        assert_eq!(result.is_err(), overlap, "{first:?} {second:?}: {result:?}");
        if let Err(mistakes) = result {
            assert!(
                mistakes[0]
                    .to_string()
                    .starts_with("line 1, rule[1]: expected no event and key that rule[0] takes too")
            );
        }
    }
    // EventBridge hears of everything beside.
    read(&document(&(queue(AMAZONS, "", "", CREATED) + "<EventBridgeConfiguration/>")));
}

#[test]
fn rules_that_are_right_are_compared_beside_one_that_is_wrong() {
    let wrong = queue("q", "", "", CREATED);
    let told =
        mistakes(&document(&(wrong + &queue(AMAZONS, "a", "", CREATED) + &queue(AMAZONS, "", "", CREATED))));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("rule[0].Queue: expected the ARN of a queue"), "{told:?}");
    assert!(told[1].contains("rule[2]: expected no event and key that rule[1] takes too"), "{told:?}");
}

#[test]
fn rules_meet_in_events_and_families() {
    for (first, second, meet) in [
        ("s3:A:B", "s3:A:B", true),
        ("s3:A:B", "s3:A:*", true),
        ("s3:A:*", "s3:A:B", true),
        ("s3:A:*", "s3:A:B:*", true),
        ("s3:A:B:*", "s3:A:*", true),
        ("s3:A:B", "s3:A:B:C", false),
        ("s3:A:B:*", "s3:A:B", false),
        ("s3:A:B", "s3:A:C", false),
        ("s3:A:*", "s3:AB:*", false),
        ("s3:A:B", "s3:AB", false),
        ("s3:A", "s3:A:*", false),
    ] {
        let text = document(&(queue(MINIOS, "", "", &[first]) + &queue(MINIOS, "", "", &[second])));
        let met = read(&text).warnings.iter().any(|w| w.contains("takes some keys of"));
        assert_eq!(met, meet, "{first} {second}");
        let slow = tells_of(first, second) || tells_of(second, first);
        assert!(slow == meet || first.ends_with('*') && second.ends_with('*'), "{first} {second}");
    }
    for event in ["s3:A:", "s3:*", "s3:A*", "s3:*:A", "s3::*"] {
        let told = mistakes(&document(&queue(MINIOS, "", "", &[event])));
        assert!(told[0].contains("expected s3: and the name of an event"), "{event}: {told:?}");
    }
}

#[test]
fn warnings_come_in_the_order_of_the_document() {
    let first = queue(MINIOS, "a ", "", CREATED);
    let second = queue(MINIOS, "", "", CREATED).replace("<Queue>", "\n<Queue a='b'>");
    let third = queue(MINIOS, "", "", &["s3:A"]);
    let warnings = read(&document(&(first + "\n" + &second + "\n" + &third))).warnings;
    let lines: Vec<_> = warnings.iter().map(|w| &w[..6]).collect();
    assert_eq!(lines, ["line 1", "line 2", "line 3", "line 4"], "{warnings:?}");
}

#[test]
fn a_rule_of_jd_that_comes_too_late_is_told() {
    let all: &[&str] = &[
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload",
    ];
    for (rules, want) in [
        (
            vec![("", "", CREATED), ("in/", "", CREATED)],
            Some("rule[1]: never fires: everything it would take, rule[0] takes before"),
        ),
        (vec![("in/", "", CREATED), ("", "", CREATED)], None),
        (
            vec![("in/", "", CREATED), ("in/a/", ".pdf", &["s3:ObjectCreated:Put"][..])],
            Some("rule[1]: never fires"),
        ),
        (vec![("in/", ".pdf", CREATED), ("in/", "", CREATED)], None),
        (vec![("", "", all), ("", "", CREATED)], Some("rule[1]: never fires")),
        (vec![("", "", &all[..3]), ("", "", CREATED)], None),
        (
            vec![("", "", &all[..3]), ("", ".pdf", &all[3..]), ("", ".pdf", CREATED)],
            Some("rule[2]: never fires: everything it would take, rule[0] or rule[1] takes before"),
        ),
        (vec![("", "", &["s3:ObjectRemoved:*"]), ("", "", CREATED)], None),
        (
            vec![("", "", &["s3:ObjectRemoved:Delete"]), ("", "", &["s3:ObjectRemoved:*"])],
            Some("rule[1]: never fires"),
        ),
    ] {
        let text: String = rules.iter().map(|(p, s, names)| jd(p, s, names)).collect();
        let warnings = read(&document(&text)).warnings;
        assert_eq!(warnings.len(), usize::from(want.is_some()), "{rules:?}: {warnings:?}");
        assert!(want.is_none_or(|want| warnings[0].contains(want)), "{rules:?}: {warnings:?}");
    }
}
