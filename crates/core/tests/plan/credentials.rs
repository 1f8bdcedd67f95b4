//! What a store writes into its events beside the object: the uploader's credentials, which show up nowhere.

use mdss_relay_core::subjects;

use super::*;

const SIGNED: &str = "q-sign-algorithm=sha1&q-ak=AKIDmadeup";

#[test]
fn what_an_uploader_has_signed_with_is_in_no_plan_and_in_no_subject_of_a_condition() {
    let record = |extra: &str| {
        format!(
            r#"{{"cos":{{"cosBucket":{{"name":"b","appid":"1"}},"cosObject":{{"key":"/1/b/k"{extra}}}}},"event":{{"eventName":"cos:ObjectCreated:Put","requestParameters":{{"requestHeaders":{{"Authorization":"{SIGNED}"}}}}}}}}"#
        )
    };
    let good = record("");
    let condition = r#"
        [[route]]
        bucket = "b-*"
        condition = { event = { requestParameters = { requestHeaders = { Authorization = "x" } } } }
        storage_client_id = "u"
    "#;
    let vars = [("RELAY_CONFIG_TOML".into(), condition.into())];
    let conditional = Settings::read(vars, Role::Explain).finish().unwrap();
    for body in [
        format!(r#"{{"Records":[{good}]}}"#),
        format!(r#"{{"specversion":"1.0","type":"cos:created:object","data":{good}}}"#),
        // What cannot be read shows no more.
        format!(r#"{{"Records":[{}]}}"#, record(r#","key":"twice""#)),
        format!(r#"{{"Records":[{}]}}"#, good.replacen("\"cos\"", "\"cos\":{},\"cos\"", 1)),
        format!(r#"{{"Records":[{}]}}"#, good.replacen("\"cos\"", "\"other\"", 1)),
        format!(r#"{{"Records":[{good}],"Records":[{good}]}}"#),
        format!(r#"{{"Records":[{good}],"events":[]}}"#),
        format!(r#"{{"specversion":"1.0","type":"x","data":{good},"data_base64":"eA=="}}"#),
        format!(r#"{{"Something":[{good}]}}"#),
        format!(r"[{good}]"),
        good.clone(),
    ] {
        let delivery = Delivery::from_function(body.as_str(), "");
        for settings in [&conditional, &settings()] {
            let plan = plan(&settings.rules, &delivery);
            let shown = format!("{plan:?} {}", explain("f", &Door::Open(&plan)));
            assert!(!shown.contains("q-sign"), "{body}: {shown}");
        }
        for subject in subjects(&delivery) {
            let shown = format!("{:?}", subject.event);
            assert!(!shown.contains("q-sign"), "{body}: {shown}");
        }
    }
}
