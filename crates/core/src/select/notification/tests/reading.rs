//! What is read from a document, and where it breaks.

use super::super::parse::is_amazon;
use super::*;

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
