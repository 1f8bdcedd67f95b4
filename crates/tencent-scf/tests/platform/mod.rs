//! What both tests have in common: the function's variables, events of COS, and what must not be told.

#![allow(clippy::unwrap_used, reason = "support of tests, which clippy takes for production code")]

use std::path::PathBuf;
use std::time::Duration;

use drive::{Process, Program};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};
use serde_json::{Value, json};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What the store puts into an event of whoever uploaded the object.
pub(crate) const AUTHORIZATION: &str = "q-sign-algorithm=sha1&q-ak=planted-ak&q-signature=planted-signature";

/// The function: the one just built, or the one that is shipped.
pub(crate) fn path() -> PathBuf {
    drive::binary(env!("CARGO_BIN_EXE_mdss-relay-tencent-scf"))
}

pub(crate) fn program(sim: &Sim, more: &[(&str, &str)]) -> Program {
    Program::new(path())
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_ATTEMPTS", "2")
        // Everything that there is to tell.
        .env("RELAY_LOG", "trace")
        .envs(more.iter().copied())
}

/// One record of a COS trigger, about an object whose key is written as `/appid/bucket/key`.
pub(crate) fn record(key: &str) -> Value {
    json!({
        "cos": {
            "cosSchemaVersion": "1.0",
            "cosObject": {
                "url": "http://in-1250000000.cos.ap-guangzhou.myqcloud.com/a%20b.bin",
                "meta": { "x-cos-request-id": "r", "Content-Type": "", "ETag": "\"900150983cd24fb0d6963f7d28e17f72\"" },
                "vid": "", "key": key, "size": 3,
            },
            "cosBucket": {
                "region": "gz", "name": "in", "appid": "1250000000", "cosRegion": "ap-guangzhou", "s3Region": "ap-guangzhou",
            },
            "cosNotificationId": "unkown",
        },
        "event": {
            "eventName": "cos:ObjectCreated:Put", "eventVersion": "1.0", "eventTime": 1_767_323_045, "eventSource": "qcs::cos",
            "requestParameters": {
                "requestSourceIP": "192.0.2.1",
                "requestHeaders": { "Authorization": AUTHORIZATION, "x-cos-security-token": "planted-token" },
            },
            "eventQueue": "qcs:0:scf:ap-guangzhou:appid/1250000000:default.relay.$LATEST", "reservedInfo": "", "reqid": 0,
        },
    })
}

pub(crate) fn created(keys: &[&str]) -> String {
    let records: Vec<_> = keys.iter().map(|key| record(&format!("/1250000000/in/{key}"))).collect();
    json!({ "Records": records }).to_string()
}

/// Looks for credentials in all that a process has printed, and in what it has answered.
pub(crate) fn tells_no_secret(process: &Process, answered: &[u8], secrets: &[&str]) {
    let output = process.output();
    let answered = String::from_utf8_lossy(answered);
    for secret in secrets.iter().copied().chain([AUTHORIZATION, "planted-", DEFAULT_API_KEY]) {
        assert!(!output.contains(secret), "{secret}: {output}");
        assert!(!answered.contains(secret), "{secret}: {answered}");
    }
}
