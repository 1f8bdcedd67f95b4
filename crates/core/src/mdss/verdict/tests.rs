use super::*;
use crate::model::failure::FailureKind::{Config, Permanent, Transient};

fn verdict(status: u16, body: &str, end: BodyEnd) -> Result<CorrelationId, Failure> {
    judged(status, body.as_bytes(), end, None)
}

fn judged(
    status: u16,
    body: &[u8],
    end: BodyEnd,
    accepted_ago: Option<Duration>,
) -> Result<CorrelationId, Failure> {
    judge(&Answer { status, retry_after: None, body, end, accepted_ago }, &Secret::new("s3cret"))
}

#[test]
fn only_a_server_that_asks_for_less_throttles() {
    for (status, want) in [(429, true), (503, true), (500, false), (502, false), (504, false), (401, false)] {
        let failure = verdict(status, "", BodyEnd::Complete).unwrap_err();
        assert_eq!(failure.throttled, want, "{status}");
    }
}

#[test]
fn acceptance_needs_a_success_status_and_the_id() {
    for (status, body, id) in [
        (200, r#"{"correlationId":"67ea85a36f2f5732a82834d0"}"#, "67ea85a36f2f5732a82834d0"),
        (202, "\n{\"correlationId\":\"x\",\"more\":1}", "x"),
        (
            200,
            "\u{feff}{\"correlationId\":\"0c5454e3-d576-44c5-8ce4-cdc078011d0b\"}",
            "0c5454e3-d576-44c5-8ce4-cdc078011d0b",
        ),
        // What a later version may add, and error members that say that there is none.
        (
            200,
            r#"{"requestId":7,"correlationId":"a/b:c_1","storage":{"name":"a message of the day"},"queued":true}"#,
            "a/b:c_1",
        ),
        (
            200,
            r#"{"correlationId":"x","responseKey":null,"responseMessage":"","error":false,"errors":[],"errorCode":0,"errorDetails":{},"message":" ","success":true,"ok":null}"#,
            "x",
        ),
    ] {
        assert_eq!(verdict(status, body, BodyEnd::Complete).unwrap().as_str(), id, "{body}");
    }
}

#[test]
fn an_id_proves_nothing_unless_it_is_one_word() {
    let long = "x".repeat(201);
    for id in [
        r#""""#,
        r#""   ""#,
        r#"" x""#,
        r#""a b""#,
        r#""a\tb""#,
        r#""a\u0000""#,
        r#""a\nb""#,
        r#""a\u202eb""#,
        r#""\u00a0""#,
        "7",
        "null",
        "true",
        r#"["x"]"#,
        r#"{"x":1}"#,
        &format!("{long:?}"),
        r#""x","correlationId":"y""#,
        r#""x","correlationId":"x""#,
        r#""x","CorrelationID":null"#,
    ] {
        let failure = verdict(200, &format!(r#"{{"correlationId":{id}}}"#), BodyEnd::Complete).unwrap_err();
        assert_eq!(failure.cause, Cause::MdssUnexpectedAnswer, "{id}");
    }
    // Nobody has documented another spelling.
    assert!(verdict(200, r#"{"correlationid":"x"}"#, BodyEnd::Complete).is_err());
}

#[test]
fn an_error_of_any_name_beside_the_id_takes_the_proof_away() {
    for error in [
        r#""responseKey":"K""#,
        r#""responseMessage":"failed""#,
        r#""ResponseMessage":"failed""#,
        r#""error":"boom""#,
        r#""error":true"#,
        r#""Error":{"code":1}"#,
        r#""errors":["boom"]"#,
        r#""errorCode":5"#,
        r#""error_code":"E5""#,
        r#""lastError":"boom""#,
        r#""message":"Unauthorized""#,
        r#""errorMessage":"boom""#,
        r#""exceptionMessage":"boom""#,
        r#""fault":"boom""#,
        r#""failureReason":"boom""#,
        r#""failed":true"#,
        r#""problem":"boom""#,
        r#""success":false"#,
        r#""isSuccess":false"#,
        r#""result":{"responseKey":"K"}"#,
        r#""details":[{"info":{"error":"boom"}}]"#,
    ] {
        for body in
            [format!(r#"{{"correlationId":"x",{error}}}"#), format!(r#"{{{error},"correlationId":"x"}}"#)]
        {
            let failure = verdict(200, &body, BodyEnd::Complete).unwrap_err();
            assert_eq!(failure.cause, Cause::MdssUnexpectedAnswer, "{body}");
            assert_eq!(failure.kind(), Config, "{body}");
        }
    }
}

#[test]
fn a_refusal_by_a_gateway_is_the_objects_while_others_are_accepted() {
    use Cause::{MdssObjectRefused, MdssRefused, MdssUnauthorized};
    let page = "<html><head><title>403 Forbidden</title></head></html>";
    let json = r#"{"title":"Unauthorized","status":401}"#;
    let (lately, long_ago) = (Some(Duration::from_secs(59)), Some(Duration::from_secs(60)));
    for (status, body, accepted_ago, cause) in [
        (403, page, lately, MdssObjectRefused),
        (403, "Request blocked. ID: 1", lately, MdssObjectRefused),
        (401, page, lately, MdssObjectRefused),
        (400, page, lately, MdssObjectRefused),
        (404, page, lately, MdssObjectRefused),
        (405, page, lately, MdssObjectRefused),
        (406, page, lately, MdssObjectRefused),
        // Nothing was accepted, or long ago: it may be the key, or the path.
        (403, page, None, MdssUnauthorized),
        (403, page, long_ago, MdssUnauthorized),
        (401, page, None, MdssUnauthorized),
        (405, page, None, MdssRefused),
        (406, page, long_ago, MdssRefused),
        // MDSS's own word, and what its framework says of a key that it does not know.
        (401, json, lately, MdssUnauthorized),
        (403, json, lately, MdssUnauthorized),
        (401, "", lately, MdssUnauthorized),
        (403, "", lately, MdssUnauthorized),
        (400, r#"{"responseKey":"K"}"#, lately, MdssRefused),
    ] {
        let failure = judged(status, body.as_bytes(), BodyEnd::Complete, accepted_ago).unwrap_err();
        assert_eq!((failure.cause, failure.kind()), (cause, Config), "{status} {body} {accepted_ago:?}");
    }
    // These have meanings of their own.
    for (status, cause) in [
        (407, Cause::MdssProxy),
        (408, Cause::MdssUnavailable),
        (413, Cause::MdssTooLarge),
        (429, Cause::MdssUnavailable),
        (503, Cause::MdssUnavailable),
    ] {
        let failure = judged(status, page.as_bytes(), BodyEnd::Complete, lately).unwrap_err();
        assert_eq!(failure.cause, cause, "{status}");
    }
}

#[test]
fn everything_else() {
    use BodyEnd::{Complete, Short, TooLong};
    let rtp = r#"{"responseKey":"REST_API_MSG_FAILED_STORAGE_RTP_NOT_ENABLED","responseMessage":"Real-Time Process is not enabled."}"#;
    let unknown_key = r#"{"responseKey":"SOMETHING_ELSE","responseMessage":"No."}"#;
    for (status, body, end, cause, kind) in [
        (200, rtp, Complete, Cause::MdssNotEnabled, Config),
        (500, rtp, Complete, Cause::MdssNotEnabled, Config),
        (401, rtp, Complete, Cause::MdssNotEnabled, Config),
        (
            400,
            r#"{"responseMessage":"the storage could not be found."}"#,
            Complete,
            Cause::MdssStorageNotFound,
            Config,
        ),
        (
            503,
            r#"{"responseMessage":"Real-Time Process is enabled, but it is not set to Event Based."}"#,
            Complete,
            Cause::MdssNotEventBased,
            Config,
        ),
        (200, unknown_key, Complete, Cause::MdssUnexpectedAnswer, Config),
        (500, unknown_key, Complete, Cause::MdssUnavailable, Transient),
        (400, unknown_key, Complete, Cause::MdssRefused, Config),
        // A response key takes the proof away, whatever else is there.
        (200, r#"{"correlationId":"x","responseKey":"K"}"#, Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, r#"{"correlationId":""}"#, Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, r#"{"correlationId":7}"#, Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, "{}", Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, "[]", Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, r#"["67ea"]"#, Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, r#"["67ea",null,null]"#, Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, r#""67ea""#, Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, "<!doctype html><p>MDSS", Complete, Cause::MdssUnexpectedAnswer, Config),
        (200, "<!doctype html>", TooLong, Cause::MdssUnexpectedAnswer, Config),
        (200, "", Complete, Cause::MdssHalfAnswer, Transient),
        (200, " \n", Complete, Cause::MdssHalfAnswer, Transient),
        (200, r#"{"correlationId":"67"#, Short, Cause::MdssHalfAnswer, Transient),
        // No length was announced, and the connection ended in the middle.
        (200, r#"{"correlationId":"67"#, Complete, Cause::MdssHalfAnswer, Transient),
        (200, r#"{"correlationId":"67ea""#, Complete, Cause::MdssHalfAnswer, Transient),
        (201, "{", Complete, Cause::MdssHalfAnswer, Transient),
        (403, r#"{"responseKey":"K"#, Complete, Cause::MdssUnauthorized, Config),
        (200, r#"{"correlationId":"67"} x"#, Complete, Cause::MdssUnexpectedAnswer, Config),
        // Even if what came happens to be whole JSON: more was announced.
        (200, r#"{"correlationId":"67"}"#, Short, Cause::MdssHalfAnswer, Transient),
        (408, "", Complete, Cause::MdssUnavailable, Transient),
        (429, "", Complete, Cause::MdssUnavailable, Transient),
        (500, "", Complete, Cause::MdssUnavailable, Transient),
        (503, "<html>", Complete, Cause::MdssUnavailable, Transient),
        (599, "", Short, Cause::MdssUnavailable, Transient),
        (401, "", Complete, Cause::MdssUnauthorized, Config),
        (403, "<html>", Short, Cause::MdssUnauthorized, Config),
        (404, "", Complete, Cause::MdssRefused, Config),
        (413, "<html>", Complete, Cause::MdssTooLarge, Permanent),
        (302, "", Complete, Cause::MdssRedirected, Config),
        (304, "", Complete, Cause::MdssRedirected, Config),
        (101, "", Complete, Cause::MdssRefused, Config),
    ] {
        let failure = verdict(status, body, end).unwrap_err();
        assert_eq!((failure.cause, failure.kind()), (cause, kind), "{status} {body} {end:?}: {failure}");
    }
}

#[test]
fn a_repeated_secret_is_masked_before_it_is_clipped_or_quoted() {
    let long = format!(r#"{{"responseMessage":"{}s3cret"}}"#, "p".repeat(197));
    let failure = verdict(400, &long, BodyEnd::Complete).unwrap_err();
    assert!(!failure.detail.contains("s3"), "{failure}");
    let id = verdict(200, r#"{"correlationId":"key-s3cret"}"#, BodyEnd::Complete).unwrap();
    assert_eq!(id.as_str(), "key-[redacted]");
    for error in [r#""s3cret""#, r#"{"of":"s3cret"}"#] {
        let body = format!(r#"{{"correlationId":"x","error s3cret":{error}}}"#);
        let failure = verdict(200, &body, BodyEnd::Complete).unwrap_err();
        assert!(!failure.detail.contains("s3c"), "{failure}");
    }
}

#[test]
fn sentences() {
    let say = |status, body| verdict(status, body, BodyEnd::Complete).unwrap_err().to_string();
    insta::assert_snapshot!(
        say(400, r#"{"responseMessage":"The storage could not be found"}"#),
        @"mdss_storage_not_found: MDSS answered 400: The storage could not be found (no response key); verify the storage client id and that the storage is configured in MDSS"
    );
    insta::assert_snapshot!(
        say(200, "<html></html>"),
        @"mdss_unexpected_answer: MDSS answered 200 and sent HTML or XML, expected a correlationId; check that the endpoint is MDSS's webhook URL (…/api/webhook/realtime)"
    );
    insta::assert_snapshot!(say(200, ""), @"mdss_half_answer: MDSS answered 200 and an empty body, expected a body with a correlationId");
    insta::assert_snapshot!(
        say(405, "<html></html>"),
        @"mdss_refused: MDSS answered 405 and sent HTML or XML; check that the endpoint is MDSS's webhook URL (…/api/webhook/realtime)"
    );
    insta::assert_snapshot!(
        say(200, r#"{"correlationId":"x","errorCode":"E5"}"#),
        @r#"mdss_unexpected_answer: MDSS answered 200 and said errorCode: "E5", expected a correlationId and no error beside it"#
    );
    insta::assert_snapshot!(
        say(200, r#"{"correlationId":"a b"}"#),
        @"mdss_unexpected_answer: MDSS answered 200 and sent a correlationId that is no word, expected one correlationId, a word; check that the endpoint is MDSS's webhook URL (…/api/webhook/realtime)"
    );
    insta::assert_snapshot!(say(418, r#"{"responseKey":"A","responseMessage":"b"}"#), @r#"mdss_refused: MDSS answered 418 and said A: "b""#);
}
