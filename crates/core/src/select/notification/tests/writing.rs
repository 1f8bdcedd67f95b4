//! Rules written for routes.

use super::*;

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
