use super::*;

fn carried(event: &str) -> Result<Carried, String> {
    Carried::of(event).unwrap_or_else(|| panic!("no request: {event}")).map_err(|failure| failure.detail)
}

#[test]
fn each_form_gives_the_request_as_its_platform_keeps_it() {
    let load_balancer = r#""requestContext":{"elb":{}},"httpMethod":"POST""#;
    for (event, target, client, form) in [
        // A function URL keeps the path as it was sent, and the query.
        (
            r#"{"rawPath":"/a%20b","rawQueryString":"x=%2F&y","requestContext":{"http":{"method":"POST","sourceIp":"192.0.2.1"}}}"#.to_owned(),
            "/a%20b?x=%2F&y",
            Some("192.0.2.1"),
            Form::Gateway,
        ),
        // An HTTP API decodes the path: what was no query is none.
        (
            r#"{"rawPath":"/a?x=1","rawQueryString":"","requestContext":{"http":{"method":"POST","sourceIp":"2001:db8::1/128"}}}"#.to_owned(),
            "/a%3Fx=1",
            Some("2001:db8::1"),
            Form::Gateway,
        ),
        // A REST API keeps the path and decodes the query.
        (
            r#"{"httpMethod":"POST","path":"/a%2Fb","queryStringParameters":{"x":"last"},
                "multiValueQueryStringParameters":{"a b":["1&2","é"],"x":["","last"]},
                "requestContext":{"identity":{"sourceIp":"nobody"}}}"#
                .to_owned(),
            "/a%2Fb?a%20b=1%262&a%20b=%C3%A9&x=&x=last",
            None,
            Form::Gateway,
        ),
        (
            format!(r#"{{"path":"/a%2Fb","headers":{{}},"queryStringParameters":{{"a%20b":"1%262"}},{load_balancer}}}"#),
            "/a%2Fb?a%20b=1%262",
            None,
            Form::LoadBalancer { several: false },
        ),
        (
            format!(r#"{{"path":"/a","multiValueHeaders":{{}},"multiValueQueryStringParameters":{{"x":["1","2"]}},{load_balancer}}}"#),
            "/a?x=1&x=2",
            None,
            Form::LoadBalancer { several: true },
        ),
        (
            r#"{"Data":{"in":1,"req":{"Url":"https://app.example/api/a%20b?code=x%2By","Method":"POST"}},"Metadata":{}}"#.to_owned(),
            "/api/a%20b?code=x%2By",
            None,
            Form::FunctionsHost,
        ),
        (
            r#"{"Data":{"req":{"Url":"https://app.example","Method":"POST"}},"Metadata":{}}"#.to_owned(),
            "/",
            None,
            Form::FunctionsHost,
        ),
    ] {
        let Carried { request, form: got } = carried(&event).unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str(), got), ("POST", target, form), "{event}");
        assert_eq!(request.client, client.map(|address| address.parse().unwrap()), "{event}");
        assert_eq!(request.body, b"", "{event}");
    }
}

#[test]
fn every_value_of_a_header_is_there_where_the_platform_says_it() {
    let event = r#"{"httpMethod":"POST","path":"/","headers":{"Authorization":"b"},
        "multiValueHeaders":{"Authorization":["a","b"],"Content-Type":["text/plain"]},"requestContext":{}}"#;
    let want = [("Authorization", "a"), ("Authorization", "b"), ("Content-Type", "text/plain")];
    let headers = carried(event).unwrap().request.headers;
    assert_eq!(headers, want.map(|(name, value)| (name.to_owned(), value.as_bytes().to_owned())));
}

#[test]
fn a_body_that_was_lost_on_the_way_is_no_empty_one() {
    let event = |headers: &str| {
        format!(
            r#"{{"httpMethod":"POST","path":"/","headers":{{{headers}}},"body":"","requestContext":{{}}}}"#
        )
    };
    for (headers, lost) in [
        ("", false),
        (r#""Content-Length":"0""#, false),
        (r#""Transfer-Encoding":"chunked""#, false),
        (r#""content-length":"20""#, true),
    ] {
        assert_eq!(carried(&event(headers)).is_err(), lost, "{headers}");
    }
    let host = |headers: &str| {
        format!(
            r#"{{"Data":{{"req":{{"Url":"https://a/","Method":"POST","Headers":{{{headers}}}}}}},"Metadata":{{}}}}"#
        )
    };
    for (headers, lost) in
        [("", false), (r#""Content-Length":["0"]"#, false), (r#""Transfer-Encoding":["chunked"]"#, true)]
    {
        assert_eq!(carried(&host(headers)).is_err(), lost, "{headers}");
    }
}

#[test]
fn what_is_no_request_is_left_to_the_core() {
    for event in [
        "",
        "[]",
        "{",
        "{}",
        r#"{"Records":[]}"#,
        r#"{"requestContext":{},"requestPayload":{},"rawPath":"/"}"#,
        r#"{"requestContext":{"connectionId":"a"},"body":"x"}"#,
        r#"{"requestContext":"text","rawPath":"/"}"#,
        r#"{"Data":{"req":{"Url":"https://a"}},"Metadata":{}}"#,
        r#"{"Data":{"event":{"id":"1"}},"Metadata":{}}"#,
        r#"{"Data":{"req":{"Url":"https://a","Method":"POST"}}}"#,
    ] {
        assert!(Carried::of(event).is_none(), "{event}");
    }
}

#[test]
fn an_odd_member_is_named_and_not_shown() {
    let gateway =
        |more: &str| format!(r#"{{"requestContext":{{"http":{{"method":"POST"}}}},"rawPath":"/"{more}}}"#);
    for (event, want) in [
        (gateway(r#","body":7"#), "body: expected a text or null"),
        (gateway(r#","body":"s3cret!","isBase64Encoded":true"#), "body: expected base64"),
        (gateway(r#","isBase64Encoded":"s3cret""#), "isBase64Encoded: expected true or false"),
        (
            gateway(r#","headers":["s3cret"]"#),
            "headers: expected an object whose members are texts or lists of texts",
        ),
        (gateway(r#","headers":{"a":[["s3cret"]]}"#), "headers: expected an object whose members"),
        (r#"{"requestContext":{"http":{}},"rawPath":"/"}"#.to_owned(), "method: expected a text"),
        (r#"{"requestContext":{},"httpMethod":1,"path":"/"}"#.to_owned(), "httpMethod: expected a text"),
        (r#"{"requestContext":{},"httpMethod":"POST"}"#.to_owned(), "path: expected a text"),
        (
            r#"{"Data":{"req":{"Url":"https://a/","Method":"POST","Body":{}}},"Metadata":{}}"#.to_owned(),
            "Body: expected a text",
        ),
    ] {
        let sentence = carried(&event).err().unwrap_or_else(|| panic!("read: {event}"));
        assert!(sentence.contains(want) && !sentence.contains("s3cret"), "{event}: {sentence}");
    }
}
