//! Azure Blob Storage: which write is which, whose container it is, and what is no handshake.

use super::*;

fn event(name: &str, data: &Value) -> Value {
    json!({ "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/relaydemo",
            "subject": format!("/blobServices/default/containers/inbox/blobs/{name}"),
            "eventType": "Microsoft.Storage.BlobCreated", "eventTime": "2026-03-04T08:15:42.4170031Z", "id": "831e1650",
            "data": data, "dataVersion": "", "metadataVersion": "1" })
}

fn cloud_event(event: &Value) -> Value {
    json!({ "specversion": "1.0", "source": event["topic"], "subject": event["subject"], "type": event["eventType"],
            "time": event["eventTime"], "id": event["id"], "data": event["data"] })
}

#[test]
fn a_write_is_known_by_its_sequencer_in_either_schema() {
    let data = |sequencer: &str| {
        json!({ "api": "PutBlob", "requestId": "831e", "eTag": "\"0x8D4BCC2E4835CD0\"", "contentLength": 3,
                "blobType": "BlockBlob", "sequencer": sequencer })
    };
    let mark = |body: &Value| planned(body.to_string()).records[0].write_mark(Some("azure")).unwrap();
    let (first, second) = (event("k", &data("01")), event("k", &data("02")));
    assert_eq!(mark(&first), mark(&first));
    assert_ne!(mark(&first), mark(&second));
    // A second subscription with the other schema tells of the same write.
    assert_eq!(mark(&first), mark(&cloud_event(&first)));
    let mut elsewhere = first.clone();
    elsewhere["topic"] =
        json!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/another");
    assert_ne!(mark(&first), mark(&elsewhere), "the same container of another account");
}

#[test]
fn the_account_is_the_namespace_of_a_route() {
    let config = "[[route]]\nbucket = \"inbox\"\nnamespace = \"relay*\"\nstorage_client_id = \"u\"\n";
    let vars = [(OsString::from("RELAY_CONFIG_TOML"), OsString::from(config))];
    let settings = Settings::read(vars, Role::Explain).finish().unwrap();
    let verdict_of = |event: &Value| {
        let delivery = Delivery::from_function(event.to_string(), "");
        verdict(&plan(&settings.rules, &delivery).records[0])
    };
    let mut event = event("k", &json!({ "api": "PutBlob" }));
    assert_eq!((verdict_of(&event), verdict_of(&cloud_event(&event))), ("send", "send"));
    event["topic"] =
        json!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/other");
    assert_eq!(
        (verdict_of(&event), verdict_of(&cloud_event(&event))),
        ("unmapped_bucket", "unmapped_bucket")
    );
}

#[test]
fn what_names_objects_is_no_mere_handshake() {
    let validation = json!({ "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": { "validationCode": "c" } });
    let with = |more: Value| {
        let mut validation = validation.clone();
        validation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        validation
    };
    let kind = [("aeg-event-type", "SubscriptionValidation")];
    for (body, want) in [
        (json!([validation]), "handshake"),
        (validation.clone(), "handshake"),
        (json!([]), "unreadable"),
        (json!([validation, validation]), "unreadable"),
        (json!(["text"]), "unreadable"),
        (json!([event("k", &json!({}))]), "unreadable"),
        (with(json!({ "Records": [] })), "unreadable"),
        (with(json!({ "detail-type": "Object Created" })), "unreadable"),
    ] {
        let plan = http(Some(Dialect::AzureBlob), &kind, body.to_string().as_bytes());
        assert_eq!((verdicts(&plan), plan.reply.is_some()), (vec![want], want == "handshake"), "{body}");
    }
    for body in ["", "x", "{", "\u{feff}[]"] {
        let plan = http(Some(Dialect::AzureBlob), &kind, body.as_bytes());
        assert_eq!((verdicts(&plan), plan.reply.is_none()), (vec!["unreadable"], true), "{body}");
    }
    // The type twice: two readers would understand two things.
    let twice = r#"[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","eventType":"x","data":{"validationCode":"c"}}]"#;
    assert_eq!(verdicts(&http(None, &kind, twice.as_bytes())), ["unreadable"]);
}

/// Only an OPTIONS is granted anything: a POST with the same header holds an event.
#[test]
fn permission_is_what_an_options_asks_for() {
    let headers = [("WebHook-Request-Origin", "eventgrid.azure.net")];
    let body = event("k", &json!({ "api": "PutBlob" })).to_string();
    let plan = http(Some(Dialect::AzureBlob), &headers, body.as_bytes());
    assert_eq!((verdicts(&plan), plan.reply.is_none()), (vec!["send"], true));
}

#[test]
fn base64_is_unpacked_under_every_pin_and_holds_what_the_pin_says() {
    let body = event("a b.pdf", &json!({ "api": "PutBlob" })).to_string();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body);
    for (dialect, want) in
        [(None, "send"), (Some(Dialect::AzureBlob), "send"), (Some(Dialect::Minio), "unreadable")]
    {
        assert_eq!(verdicts(&http(dialect, &[], text.as_bytes())), [want], "{dialect:?}");
    }
    let plan = planned(text);
    assert_eq!((plan.dialect, plan.records[0].dialect), (Some(Dialect::AzureBlob), Some(Dialect::AzureBlob)));
}
