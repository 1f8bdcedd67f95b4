use std::collections::HashSet;
use std::ffi::OsString;

use proptest::prelude::*;

use super::document::*;
use super::parse::is_amazon;
use crate::settings::{Role, Settings};

const JD: &str = include_str!("../../../tests/notification/jd-in-order.xml");
const AMAZON: &str = include_str!("../../../tests/notification/amazon-all-targets.xml");
const MINIO: &str = include_str!("../../../tests/notification/minio-overlapping.xml");
const INVALID: &str = include_str!("../../../tests/notification/invalid.xml");

fn read(text: &str) -> Notification {
    Notification::parse(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"))
}

fn mistakes(text: &str) -> Vec<String> {
    match Notification::parse(text.as_bytes()) {
        Ok(notification) => panic!("no mistake: {notification:?}\n{text}"),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// A document on one line.
fn document(rules: &str) -> String {
    format!("<NotificationConfiguration>{rules}</NotificationConfiguration>")
}

fn filter(prefix: &str, suffix: &str) -> String {
    let rule = |name: &str, value: &str| {
        format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>")
    };
    format!("<Filter><S3Key>{}{}</S3Key></Filter>", rule("prefix", prefix), rule("suffix", suffix))
}

fn events(list: &[&str]) -> String {
    list.iter().map(|e| format!("<Event>{e}</Event>")).collect()
}

/// A rule of JD Cloud.
fn jd(prefix: &str, suffix: &str, names: &[&str]) -> String {
    format!(
        "<TopicConfiguration>{}<Topic>NS:https://a.example/in</Topic>{}</TopicConfiguration>",
        filter(prefix, suffix),
        events(names)
    )
}

/// A rule of S3, to a queue.
fn queue(arn: &str, prefix: &str, suffix: &str, names: &[&str]) -> String {
    format!(
        "<QueueConfiguration>{}<Queue>{arn}</Queue>{}</QueueConfiguration>",
        filter(prefix, suffix),
        events(names)
    )
}

const AMAZONS: &str = "arn:aws:sqs:eu-central-1:111122223333:q";
const MINIOS: &str = "arn:minio:sqs::relay:webhook";
const CREATED: &[&str] = &["s3:ObjectCreated:*"];

// === reading ===

#[test]
fn the_samples_say_what_they_say() {
    let shown = |text: &str| {
        let notification = read(text);
        let rule = |r: &Rule| {
            let affix =
                |a: &Option<Affix>| a.as_ref().map(|a| String::from_utf8_lossy(&a.bytes).into_owned());
            format!(
                "{} {:?} {} {:?} {:?} {:?}",
                r.line,
                r.id,
                r.events.join("|"),
                affix(&r.prefix),
                affix(&r.suffix),
                r.target
            )
        };
        let rules: Vec<_> = notification.rules.iter().map(rule).collect();
        format!("{}\n{}\n{}", notification.store.name(), rules.join("\n"), notification.warnings.join("\n"))
    };
    insta::assert_snapshot!(shown(JD), @r#"
    jdcloud
    4 Some("contracts") s3:ObjectCreated:* Some("contracts/2026 & later/") Some(".pdf") Addresses([Address(https://relay-1.example/…), Address(https://relay-2.example:8443/…)])
    21 None s3:ObjectCreated:Put|s3:ObjectCreated:CompleteMultipartUpload None Some(".pdf") Addresses([Address(https://archive.example/…)])
    34 Some("gone") s3:ObjectRemoved:* None None Function("fn-7d1c0a")
    "#);
    insta::assert_snapshot!(shown(AMAZON), @r#"
    aws-s3
    2 Some("raw files") s3:ObjectCreated:* Some("raw files&more/") None Topic("arn:aws:sns:eu-central-1:111122223333:landed")
    8 Some("images") s3:ObjectCreated:Put|s3:ObjectCreated:Copy Some("images/") Some(".png") Queue("arn:aws:sqs:eu-central-1:111122223333:images")
    15 Some("photographs") s3:ObjectCreated:* Some("images/") Some(".jpg") Lambda("arn:aws:lambda:eu-central-1:111122223333:function:photographs")
    21 Some("removed images") s3:ObjectRemoved:* Some("images/") None Lambda("arn:aws:lambda:eu-central-1:111122223333:function:removed")
    "#);
    insta::assert_snapshot!(shown(MINIO), @r#"
    s3-compatible
    2 Some("all") s3:ObjectCreated:*|s3:ObjectAccessed:Get None None Queue("arn:minio:sqs::relay:webhook")
    8 Some("in") s3:ObjectCreated:Put Some("a+b/") None Queue("arn:minio:sqs::second:webhook")
    line 6, rule[0].Event[1]: "s3:ObjectAccessed:Get" is no event of S3; other stores have some of their own
    line 8, rule[1]: takes some keys of s3:ObjectCreated:Put that rule[0] (id "all") takes, too; S3 would refuse that
    "#);
}

#[test]
fn every_mistake_of_a_document_is_told() {
    insta::assert_snapshot!(mistakes(INVALID).join("\n"), @r#"
    line 1, NotificationConfiguration: expected elements, and no text between them
    line 7, rule[0].Filter.S3Key.FilterRule[0].Name: found "infix", expected prefix or suffix
    line 12, rule[0].Topic, address 1: expected an address such as https://relay.example/jd, without a comma or white space
    line 13, rule[0].Event[0]: found "s3:ObjectCreated:Putt", expected an event of JD Cloud; is s3:ObjectCreated:Put meant?
    line 15, rule[1].Topic: expected whom the rule tells; the element is missing
    line 15, rule[1].Event: expected at least one, such as s3:ObjectCreated:*
    line 16, rule[1].Id: found "same", expected another id than that of rule[0]
    line 17, rule[1]: found "<Topics>", expected a known element; is Topic meant?
    line 20, rule[2].Queue: expected no queue: JD Cloud tells addresses and functions
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
        (topic(event), "rule[0].Topic: expected whom the rule tells; the element is missing"),
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
fn broken_xml_is_told_with_its_line() {
    let whole = document("");
    for (text, want) in [
        ("", "the document: expected an element NotificationConfiguration; it is empty"),
        (" \n <!-- a -->", "it is empty"),
        (
            "\nnotification",
            "line 1: expected an element, <NotificationConfiguration>, and no text outside of it",
        ),
        ("{}", "line 1: expected an element"),
        (
            "<NotificationConfiguration>\n<TopicConfiguration>\n",
            "line 3: expected </TopicConfiguration>, for the <TopicConfiguration> of line 2; the document ends",
        ),
        (
            "<NotificationConfiguration>\n\n</Notification>",
            "line 3: expected </NotificationConfiguration>, found the end of another element",
        ),
        ("</NotificationConfiguration>", "line 1: expected no end of an element that was never begun"),
        // A name is shown on one line, and commands nothing.
        (
            "<a\u{1b}[2J>",
            "line 1: expected </a\\u001b[2J>, for the <a\\u001b[2J> of line 1; the document ends",
        ),
        ("<a\u{202e}></b>", "line 1: expected </a\\u202e>, found the end of another element"),
        ("<NotificationConfiguration>\n<Topic", "line 2: expected XML; tag not closed"),
        ("<NotificationConfiguration>\n<!-- ", "line 2: expected XML; comment not closed"),
        (
            "<NotificationConfiguration a='1' b></NotificationConfiguration>",
            "line 1: expected attributes of the form",
        ),
        (
            "<!DOCTYPE n [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><n>&b;</n>",
            "line 1: expected no document type",
        ),
        ("<!DOCTYPE n SYSTEM 'file:///etc/passwd'><n/>", "expected no document type"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><n/>", "expected XML in UTF-8"),
        ("<?xml-stylesheet href='a'?><n/>", "expected no processing instruction"),
        ("<n>\n&nbsp;</n>", "line 2: expected a reference that is &amp;"),
        ("<n>&#0;</n>", "expected a reference that is"),
        ("<n>&#xd800;</n>", "expected a reference that is"),
        ("<n>&#1;</n>", "expected characters that XML allows"),
        ("\u{feff}<n>\n<b", "line 2: expected XML; tag not closed"),
        ("<n>\u{1}</n>", "expected characters that XML allows"),
        ("<n>a & b</n>", "expected a ; at the end of a reference; a lone & is written &amp;"),
    ] {
        let mistakes = mistakes(text);
        assert!(
            mistakes.len() == 1 && mistakes[0].contains(want),
            "{text}\nwanted {want}\nfound  {mistakes:?}"
        );
    }
    assert!(mistakes(&format!("{whole}\n{whole}"))[0].contains("line 2: expected nothing behind the end"));
    assert!(mistakes(&format!("{whole}a"))[0].contains("no text outside"));
    let mistakes: Vec<_> =
        Notification::parse(b"<a>\n\xff").unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(mistakes, ["line 2: expected XML in UTF-8"]);
}

#[test]
fn what_xml_allows_is_taken() {
    let plain = document(&jd("in/a & b/", ".pdf", CREATED).replace(" & ", " &amp; "));
    let want = read(&plain);
    for text in [
        format!("\u{feff}{plain}"),
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{plain}\n<!-- end -->\n"),
        plain.replace(
            "<NotificationConfiguration>",
            "<NotificationConfiguration xmlns='http://s3.amazonaws.com/doc/2006-03-01/' xmlns:x='y'>",
        ),
        plain.replace("in/a &amp; b/", "<![CDATA[in/a & b/]]>"),
        plain.replace("in/a &amp; b/", "in/<!-- here -->a &#38; &#x62;/"),
        plain.replace("<Name>prefix</Name>", "<Name>Prefix</Name>"),
        plain.replace("><", ">\r\n\t<").replace(">\r\n\t</", "></"),
    ] {
        let read = read(&text);
        assert_eq!(bare_rules(&read), bare_rules(&want), "{text}");
        assert_eq!(read.warnings, [""; 0], "{text}");
    }
    assert_eq!(read(&document("")).rules, []);
    assert_eq!(read("<NotificationConfiguration/>").store, Store::Other);
}

/// The rules without their lines.
fn bare_rules(notification: &Notification) -> Vec<Rule> {
    notification.rules.iter().map(|r| Rule { line: 0, ..r.clone() }).collect()
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
fn addresses_are_shown_up_to_the_host() {
    for (text, shown) in [
        ("https://a.example", "https://a.example/"),
        ("https://a.example/", "https://a.example/"),
        ("https://a.example:8443/jd/s3cret", "https://a.example:8443/…"),
        ("https://a.example/?t=s3cret", "https://a.example/…"),
        ("https://user:s3cret@a.example/", "https://a.example/"),
    ] {
        let address = Address::new(text).unwrap();
        assert_eq!((address.to_string().as_str(), address.expose()), (shown, text));
        assert_eq!(format!("{address:?}"), format!("Address({shown})"));
    }
    for text in [
        "",
        "a.example",
        "https://",
        "https://a b.example",
        "https://a.example/a b",
        "https://a.example/,b",
        "https://a.example/\n",
        "mailto:a",
    ] {
        assert!(Address::new(text).is_err(), "{text}");
    }
    let topic =
        |text: &str| document(&format!("<TopicConfiguration><Topic>{text}</Topic></TopicConfiguration>"));
    for text in [
        topic("https://relay.example/s3cret"),
        topic("NS:relay.example/s3cret"),
        topic("NS:https://a.example/s3cret,b/s3cret"),
        topic("NS:https://a.example/?a=1&s3cret"),
        topic("NS:https://a.example/&s3cret;"),
        topic("NS:https://a.example/s3cret"),
        document(
            "<CloudFunctionConfiguration><CloudFunction>https://a.example/s3cret</CloudFunction></CloudFunctionConfiguration>",
        ),
        document("<QueueConfiguration><Queue>https://a.example/s3cret</Queue></QueueConfiguration>"),
        format!("{}s3cret", topic("")),
    ] {
        let shown = format!("{:?} {:?}", mistakes(&text), Notification::parse(text.as_bytes()));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    assert!(!format!("{:?}", read(JD)).contains("s3cret"));
}

// === matching ===

#[test]
fn an_event_is_told_by_its_name_or_its_family() {
    for (wanted, event, want) in [
        ("s3:ObjectCreated:Put", "ObjectCreated:Put", true),
        ("s3:ObjectCreated:Put", "s3:ObjectCreated:Put", true),
        ("s3:ObjectCreated:Put", "ObjectCreated:PutTagging", false),
        ("s3:ObjectCreated:Put", "ObjectCreated:put", false),
        ("s3:ObjectCreated:*", "ObjectCreated:CompleteMultipartUpload", true),
        ("s3:ObjectCreated:*", "ObjectCreated:SomethingNew", true),
        ("s3:ObjectCreated:*", "ObjectCreated", false),
        ("s3:ObjectCreated:*", "ObjectRemoved:Delete", false),
        ("s3:ObjectLifecycle:Expiration:*", "s3:ObjectLifecycle:Expiration:Current", true),
        ("s3:ObjectLifecycle:Expiration:*", "s3:ObjectLifecycle:Transition:Current", false),
        ("s3:LifecycleTransition", "LifecycleTransition", true),
        ("s3:Object*", "ObjectCreated:Put", false),
        ("s3:ObjectCreated:*", "", false),
    ] {
        assert_eq!(tells_of(wanted, event), want, "{wanted} {event}");
    }
}

#[test]
fn rules_fire_as_their_store_says() {
    let fired = |text: &str, event: &str, key: &str| match read(text).verdict(event, key) {
        NotificationVerdict::Fired(fired) => fired,
        NotificationVerdict::Not(misses) => {
            assert_eq!(misses.len(), read(text).rules.len());
            Vec::new()
        }
    };
    for (text, event, key, want) in [
        // The first match ends it.
        (JD, "s3:ObjectCreated:Put", "contracts/2026 & later/a.pdf", vec![0]),
        (JD, "s3:ObjectCreated:Put", "contracts/2025/a.pdf", vec![1]),
        (JD, "s3:ObjectCreated:Copy", "contracts/2026 & later/a.pdf", vec![0]),
        (JD, "s3:ObjectCreated:Copy", "contracts/2025/a.pdf", vec![]),
        (JD, "s3:ObjectRemoved:Delete", "contracts/2026 & later/a.pdf", vec![2]),
        (JD, "s3:ObjectCreated:Put", "contracts/2026 &amp; later/a.txt", vec![]),
        // Amazon's filters are encoded, the key is not any more.
        (AMAZON, "ObjectCreated:Post", "raw files&more/a", vec![0]),
        (AMAZON, "ObjectCreated:Post", "raw+files%26more/a", vec![]),
        (AMAZON, "ObjectCreated:Copy", "images/a.png", vec![1]),
        (AMAZON, "ObjectCreated:Copy", "images/a.jpg", vec![2]),
        (AMAZON, "ObjectRemoved:DeleteMarkerCreated", "images/a.jpg", vec![3]),
        (AMAZON, "ObjectCreated:Copy", "Images/a.jpg", vec![]),
        // Elsewhere every one that fits fires, and nothing is decoded.
        (MINIO, "s3:ObjectCreated:Put", "a+b/c", vec![0, 1]),
        (MINIO, "s3:ObjectCreated:Put", "a b/c", vec![0]),
        (MINIO, "s3:ObjectAccessed:Get", "a+b/c", vec![0]),
    ] {
        assert_eq!(fired(text, event, key), want, "{event} {key}");
    }
    let bridge = document(&(queue(AMAZONS, "in/", "", CREATED) + "<EventBridgeConfiguration/>"));
    assert_eq!(fired(&bridge, "ObjectCreated:Put", "in/a"), [0, 1]);
    assert_eq!(fired(&bridge, "Object Deleted", "in/a"), [1]);
    // A prefix may be cut inside a character.
    let cut = document(&queue(AMAZONS, "%E5%90", "", CREATED));
    assert_eq!(fired(&cut, "ObjectCreated:Put", "合同"), [0]);
    assert_eq!(fired(&document(""), "ObjectCreated:Put", "a"), [0; 0]);
}

#[test]
fn the_first_thing_that_decided_is_told() {
    let text = document(&jd("in/", ".pdf", &["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"]));
    for (event, key, want) in [
        (
            "ObjectRemoved:Delete",
            "out/a.txt",
            r#"event is "ObjectRemoved:Delete", wanted "s3:ObjectCreated:Put, s3:ObjectCreated:Copy""#,
        ),
        ("ObjectCreated:Put", "out/a.txt", r#"prefix is "out/a.txt", wanted "in/""#),
        ("ObjectCreated:Put", "in/a.txt", r#"suffix is "in/a.txt", wanted ".pdf""#),
    ] {
        let NotificationVerdict::Not(misses) = read(&text).verdict(event, key) else { panic!("{key}") };
        assert_eq!(misses.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
    }
    let both = document(&(jd("a/", "", CREATED) + &jd("", ".b", CREATED) + &jd("", ".c", CREATED)));
    let both = read(&both);
    let (index, _, miss) = both.nearest_miss("ObjectCreated:Put", "k").unwrap();
    assert_eq!((index, miss.wanted.as_str()), (1, ".b"), "the first that came furthest");
    assert_eq!(both.nearest_miss("ObjectRemoved:Delete", "k").unwrap().0, 0);
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

#[test]
fn amazons_resources_have_an_account() {
    for (text, want) in [
        (AMAZONS, true),
        ("arn:aws-cn:sns:cn-north-1:111122223333:t", true),
        ("arn:aws:lambda:eu-central-1:000000000000:function:f", true),
        (MINIOS, false),
        ("arn:aws:sns:default::topic", false),
        ("arn:aws:sns:zone:tenant:topic", false),
        ("urn:aws:sns:r:111122223333:t", false),
        ("arn:awsome:sns:r:111122223333:t", false),
    ] {
        assert_eq!(is_amazon(text), want, "{text}");
    }
}

// === writing ===

fn settings(routes: &str) -> Settings {
    let vars = [("RELAY_CONFIG_TOML", routes)].map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Explain).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn route(more: &str) -> String {
    format!("[[route]]\nstorage_client_id = \"u\"\n{more}\n")
}

fn addresses() -> Target {
    Target::Addresses(vec![Address::new("https://relay.example/jd").unwrap()])
}

#[test]
fn routes_become_rules() {
    let affixes = |routes: &str, target: &Target| -> Vec<String> {
        let written = Notification::for_routes(&settings(routes).rules, "b", None, target).unwrap();
        assert_eq!(bare_rules(&read(&written.to_xml())), bare_rules(&written));
        let text = |a: &Option<Affix>| a.as_ref().map_or("", Affix::as_str).to_owned();
        written.rules.iter().map(|r| format!("{}…{}", text(&r.prefix), text(&r.suffix))).collect()
    };
    let jd = addresses();
    let amazon = Target::Queue(AMAZONS.into());
    for (routes, target, want) in [
        (route("bucket = \"b\""), &jd, vec!["…"]),
        (
            route("bucket = \"b\"\nprefix = [\"x/\", \"y/\"]\nsuffix = [\".a\", \".b\"]"),
            &jd,
            vec!["x/….a", "x/….b", "y/….a", "y/….b"],
        ),
        // What another rule takes is left out, whichever comes first.
        (route("bucket = \"b\"\nprefix = [\"x/y/\", \"x/\", \"x/z/\"]"), &jd, vec!["x/…"]),
        (
            route("bucket = \"b\"\nsuffix = \".tar.gz\"")
                + &route("bucket = \"*\"\nsuffix = [\".gz\", \".zip\"]"),
            &jd,
            vec!["….gz", "….zip"],
        ),
        (route("bucket = \"b\"\nprefix = \"x/\"") + &route("bucket = \"b\""), &amazon, vec!["…"]),
        (
            route("bucket = \"a\"\nprefix = \"a/\"") + &route("bucket = \"b*\"\nprefix = \"b/\""),
            &jd,
            vec!["b/…"],
        ),
        // Encoded for Amazon only.
        (route("bucket = \"b\"\nprefix = \"ö a+b/\""), &jd, vec!["ö a+b/…"]),
        (route("bucket = \"b\"\nprefix = \"ö a+b/\""), &amazon, vec!["%C3%B6+a%2Bb/…"]),
        (route("bucket = \"b\"\nprefix = \"ö a+b/\""), &Target::Queue(MINIOS.into()), vec!["ö a+b/…"]),
    ] {
        assert_eq!(affixes(&routes, target), want, "{routes}");
    }
    let sources = route("bucket = \"b\"\nsource = \"one\"\nprefix = \"1/\"")
        + &route("bucket = \"b\"\nsource = \"two\"\nprefix = \"2/\"");
    let written = Notification::for_routes(&settings(&sources).rules, "b", Some("two"), &jd).unwrap();
    assert_eq!(written.rules.len(), 1);
    assert_eq!(written.rules[0].prefix.as_ref().unwrap().as_str(), "2/");
}

#[test]
fn a_written_document_looks_like_one() {
    let routes = route(
        "bucket = \"b\"\nprefix = \"a<b>&c/\"\nsuffix = [\".pdf\", \" \\r\"]\nexclude_suffix = \".tmp\"",
    );
    let written = Notification::for_routes(&settings(&routes).rules, "b", None, &addresses()).unwrap();
    insta::assert_snapshot!(written.to_xml(), @r"
    <NotificationConfiguration>
      <TopicConfiguration>
        <Id>mdss-relay-1</Id>
        <Filter>
          <S3Key>
            <FilterRule>
              <Name>prefix</Name>
              <Value>a&lt;b&gt;&amp;c/</Value>
            </FilterRule>
            <FilterRule>
              <Name>suffix</Name>
              <Value>.pdf</Value>
            </FilterRule>
          </S3Key>
        </Filter>
        <Topic>NS:https://relay.example/jd</Topic>
        <Event>s3:ObjectCreated:*</Event>
      </TopicConfiguration>
      <TopicConfiguration>
        <Id>mdss-relay-2</Id>
        <Filter>
          <S3Key>
            <FilterRule>
              <Name>prefix</Name>
              <Value>a&lt;b&gt;&amp;c/</Value>
            </FilterRule>
            <FilterRule>
              <Name>suffix</Name>
              <Value> &#13;</Value>
            </FilterRule>
          </S3Key>
        </Filter>
        <Topic>NS:https://relay.example/jd</Topic>
        <Event>s3:ObjectCreated:*</Event>
      </TopicConfiguration>
    </NotificationConfiguration>
    ");
    assert_eq!(read(&written.to_xml()).rules[1].suffix.as_ref().unwrap().as_str(), " \r");
}

#[test]
fn what_a_document_cannot_say_is_told() {
    let routes =
        route("bucket = \"b\"\nexclude_prefix = \"q/\"\nexclude_suffix = \".tmp\"\ncondition = \"{}\"")
            + &route("bucket = \"b\"\nnamespace = \"ns\"\nprefix = \"n/\"")
            + &route("bucket = \"b\"\ncompartments = \"ocid1.compartment.oc1..a\"\nprefix = \"c/\"");
    let written = Notification::for_routes(&settings(&routes).rules, "b", None, &addresses()).unwrap();
    assert_eq!(written.rules.len(), 1);
    insta::assert_snapshot!(written.warnings.join("\n"), @r"
    route[0]: exclude_prefix cannot be said in a document; the store announces more, and the relay skips it
    route[0]: exclude_suffix cannot be said in a document; the store announces more, and the relay skips it
    route[0]: condition cannot be said in a document; the store announces more, and the relay skips it
    route[1]: left out; a namespace belongs to OCI, whose events need no such document
    route[2]: left out; a list of compartments belongs to OCI, whose events need no such document
    ");

    let imported = route(&format!("bucket = \"b\"\nnotification = '{}'", document(&jd("a", "", CREATED))));
    let written = Notification::for_routes(&settings(&imported).rules, "b", None, &addresses()).unwrap();
    assert_eq!(written.rules[0].prefix, None);
    assert!(written.warnings[0].contains("the document it takes its selection from cannot be said"));

    let list = |n: usize, name: &str| {
        let texts: Vec<_> = (0..n).map(|i| format!("\"{i:03}\"")).collect();
        format!("{name} = [{}]", texts.join(","))
    };
    let product = |prefixes: usize, suffixes: usize| {
        route(&format!("bucket = \"b\"\n{}\n{}", list(prefixes, "prefix"), list(suffixes, "suffix")))
    };
    let refused = |routes: &str, bucket: &str, target: &Target| {
        let refused = Notification::for_routes(&settings(routes).rules, bucket, None, target).unwrap_err();
        refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        Notification::for_routes(&settings(&product(20, 5)).rules, "b", None, &addresses())
            .unwrap()
            .rules
            .len(),
        100
    );
    for (routes, bucket, target, want) in [
        (
            product(101, 1),
            "b",
            addresses(),
            "the rules: found \"more than 100 pairs of a prefix and a suffix by route[0]\", expected at most 100 rules",
        ),
        (product(30, 5), "b", addresses(), "more than 100"),
        (product(1, 1), "c", addresses(), "the bucket: found \"c\", expected a bucket that a route names"),
        (
            route("bucket = \"b\"\nnamespace = \"n\""),
            "b",
            addresses(),
            "expected a bucket that a route names",
        ),
        (
            route("bucket = \"b\"\nprefix = \"a\\u0001\""),
            "b",
            addresses(),
            "expected characters that XML allows",
        ),
        (
            route(&format!("bucket = \"b\"\nprefix = \"{}\"", "a".repeat(1023))),
            "b",
            addresses(),
            "expected at most 1022 bytes",
        ),
        (
            route("bucket = \"b\"\nprefix = \"a/\"") + &route("bucket = \"b\"\nsuffix = \".b\""),
            "b",
            Target::Queue(AMAZONS.into()),
            "rule[1]: expected no event and key that rule[0] (id \"mdss-relay-1\") takes too",
        ),
        (product(1, 1), "b", Target::Topic(AMAZONS.into()), "expected an ARN whose service is sns"),
        (product(1, 1), "b", Target::Queue("q".into()), "expected the ARN of a queue"),
    ] {
        let mistake = refused(&routes, bucket, &target);
        assert!(mistake.contains(want), "wanted {want}\nfound  {mistake}");
    }
}

// === properties ===

/// Texts that meet each other often.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab/]{1,4}",
        1 => "[ab +%&<>'\"\u{e9}\u{4e2d}\r\n\t]{1,6}",
    ]
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab/]{1,8}", 1 => "[ab +%&<>\u{e9}\u{4e2d}\r\n]{1,8}"]
}

const SOME_EVENTS: &[&str] = &[
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
];
const SENT: &[&str] = &[
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
];

/// One rule as plain texts: prefix, suffix, events.
type Plain = (Option<String>, Option<String>, Vec<&'static str>);

fn plain() -> impl Strategy<Value = Vec<Plain>> {
    let names = proptest::sample::subsequence(SOME_EVENTS.to_vec(), 1..4);
    proptest::collection::vec((proptest::option::of(texts()), proptest::option::of(texts()), names), 0..6)
}

fn build(store: Store, rules: &[Plain]) -> Notification {
    let target = match store {
        Store::JdCloud => addresses(),
        Store::Amazon => Target::Queue(AMAZONS.into()),
        Store::Other => Target::Queue(MINIOS.into()),
    };
    let affix = |text: &Option<String>| Affix::new(store, text.as_deref()?);
    let rule = |(index, (prefix, suffix, names)): (usize, &Plain)| Rule {
        id: (index % 2 == 0).then(|| format!("id <{index}>")),
        line: 0,
        target: target.clone(),
        events: names.iter().map(|n| (*n).to_owned()).collect(),
        prefix: affix(prefix),
        suffix: affix(suffix),
    };
    Notification { store, rules: rules.iter().enumerate().map(rule).collect(), warnings: Vec::new() }
}

/// The rules that fire, told the slow way.
fn naive(rules: &[Plain], event: &str, key: &str) -> Vec<usize> {
    let fits = |(prefix, suffix, names): &Plain| {
        let named = names
            .iter()
            .any(|n| *n == event || n.strip_suffix('*').is_some_and(|family| event.starts_with(family)));
        let key: Vec<char> = key.chars().collect();
        let begins =
            prefix.as_ref().is_none_or(|p| key.iter().copied().take(p.chars().count()).eq(p.chars()));
        let ends = suffix
            .as_ref()
            .is_none_or(|s| key.iter().rev().copied().take(s.chars().count()).eq(s.chars().rev()));
        named && begins && ends
    };
    (0..rules.len()).filter(|i| fits(&rules[*i])).collect()
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Notification::parse(&bytes);
    }

    #[test]
    fn no_elements_are_too_odd(parts in proptest::collection::vec(prop_oneof![
        proptest::sample::select(vec![
            "<NotificationConfiguration>", "</NotificationConfiguration>", "<TopicConfiguration>", "</TopicConfiguration>",
            "<QueueConfiguration>", "</QueueConfiguration>", "<CloudFunctionConfiguration>", "</CloudFunctionConfiguration>",
            "<EventBridgeConfiguration/>", "<Id>", "</Id>", "<Filter>", "</Filter>", "<S3Key>", "</S3Key>", "<FilterRule>",
            "</FilterRule>", "<Name>prefix</Name>", "<Value>", "</Value>", "<Topic>NS:", "<Topic>", "</Topic>", "<Queue>",
            "</Queue>", "arn:aws:sqs:r:111122223333:q", "https://a.example/", ",", "<Event>", "</Event>", "s3:ObjectCreated:*",
            "&amp;", "&", ";", "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE", ">", "'", "\"", "=", "\n",
        ]).prop_map(str::to_owned),
        "\\PC{0,4}",
    ], 0..40)) {
        let _ = Notification::parse(parts.concat().as_bytes());
        let _ = Notification::parse(format!("<NotificationConfiguration>{}</NotificationConfiguration>", parts.concat()).as_bytes());
    }

    #[test]
    fn what_is_written_is_read(rules in plain(), store in proptest::sample::select(vec![Store::JdCloud, Store::Other])) {
        let written = build(store, &rules);
        let read = read(&written.to_xml());
        prop_assert_eq!(bare_rules(&read), bare_rules(&written));
        prop_assert_eq!(read.to_xml(), written.to_xml());
    }

    #[test]
    fn rules_fire_as_told_the_slow_way(rules in plain(), event in proptest::sample::select(SENT.to_vec()), key in keys()) {
        let slow = naive(&rules, event, &key);
        for store in [Store::JdCloud, Store::Other] {
            let notification = build(store, &rules);
            let want = if store == Store::JdCloud { slow.iter().copied().take(1).collect() } else { slow.clone() };
            prop_assert_eq!(notification.fires(event, &key), !want.is_empty());
            match notification.verdict(event, &key) {
                NotificationVerdict::Fired(fired) => prop_assert_eq!(fired, want),
                NotificationVerdict::Not(misses) => {
                    prop_assert_eq!(want, Vec::<usize>::new());
                    prop_assert_eq!(misses.len(), rules.len());
                }
            }
        }
    }

    #[test]
    fn a_rule_that_never_fires_never_fires(rules in plain(), event in proptest::sample::select(SENT.to_vec()), key in keys()) {
        let notification = read(&build(Store::JdCloud, &rules).to_xml());
        let dead: HashSet<usize> = (0..rules.len())
            .filter(|i| notification.warnings.iter().any(|w| w.contains(&format!("rule[{i}]: never fires"))))
            .collect();
        if let NotificationVerdict::Fired(fired) = notification.verdict(event, &key) {
            prop_assert!(!dead.contains(&fired[0]), "{:?} {:?}", notification.warnings, fired);
        }
    }

    #[test]
    fn amazons_rules_overlap_exactly_if_a_key_can_fit_two(rules in plain(), event in proptest::sample::select(SENT.to_vec())) {
        let encoded: Vec<Plain> = rules
            .iter()
            .map(|(p, s, names)| {
                let encode = |text: &Option<String>| {
                    text.as_ref().map(|t| percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string())
                };
                (encode(p), encode(s), names.clone())
            })
            .collect();
        let result = Notification::parse(build(Store::Amazon, &encoded).to_xml().as_bytes());
        // The key that begins and ends as both rules wish, if there is one, is made of their longer halves.
        let mut shared = false;
        for (i, a) in rules.iter().enumerate() {
            for b in &rules[..i] {
                let longer = |x: &Option<String>, y: &Option<String>| {
                    let (x, y) = (x.clone().unwrap_or_default(), y.clone().unwrap_or_default());
                    if x.len() > y.len() { x } else { y }
                };
                let key = longer(&a.0, &b.0) + &longer(&a.1, &b.1);
                shared |= SENT.iter().any(|event| naive(&[a.clone(), b.clone()], event, &key).len() == 2);
            }
        }
        prop_assert_eq!(result.is_err(), shared, "{:?}", result);
        let _ = event;
    }

    #[test]
    fn a_written_document_announces_what_the_routes_take(
        lists in proptest::collection::vec((proptest::collection::vec(texts(), 0..3), proptest::collection::vec(texts(), 0..3)), 1..4),
        key in keys(),
        amazon in any::<bool>(),
    ) {
        let toml_list = |name: &str, list: &[String]| match list {
            [] => String::new(),
            list => format!("{name} = {}\n", serde_json::to_string(list).unwrap()),
        };
        let routes: String = lists
            .iter()
            .map(|(p, s)| route(&format!("bucket = \"b\"\n{}{}", toml_list("prefix", p), toml_list("suffix", s))))
            .collect();
        let target = if amazon { Target::Queue(AMAZONS.into()) } else { addresses() };
        let taken = lists.iter().any(|(prefixes, suffixes)| {
            (prefixes.is_empty() || prefixes.iter().any(|p| key.starts_with(p.as_str())))
                && (suffixes.is_empty() || suffixes.iter().any(|s| key.ends_with(s.as_str())))
        });
        match Notification::for_routes(&settings(&routes).rules, "b", None, &target) {
            Ok(written) => {
                prop_assert_eq!(written.fires("ObjectCreated:Put", &key), taken, "{}", written.to_xml());
                prop_assert!(!written.warnings.iter().any(|w| w.contains("never fires")), "{:?}", written.warnings);
            }
            Err(mistakes) => prop_assert!(amazon, "{mistakes:?}"),
        }
    }
}
