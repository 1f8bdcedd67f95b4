//! What both tests have in common: the function's variables, events of OBS, and what must not be told.

#![allow(clippy::unwrap_used, reason = "support of tests, which clippy takes for production code")]

use std::path::PathBuf;
use std::time::Duration;

use drive::{Process, Program};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};
use serde_json::{Value, json};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The function: the one just built, or the one that is shipped.
pub(crate) fn path() -> PathBuf {
    drive::binary(env!("CARGO_BIN_EXE_mdss-relay-huawei-functiongraph"))
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

/// An event of EventGrid about an object, whose key stands there as it is given.
pub(crate) fn created(key: &str) -> String {
    grid(key).to_string()
}

pub(crate) fn grid(key: &str) -> Value {
    json!({
        "id": "016801e187c2a368", "source": "HC.OBS.DWR", "specversion": "1.0", "type": "OBS:DWR:ObjectCreated:PUT",
        "subject": "in", "time": "2026-01-02T03:04:05Z", "datacontenttype": "application/json", "ttl": "4000",
        "data": {
            "eventVersion": "3.0", "eventSource": "OBS", "eventRegion": "cn-north-4", "eventTime": "2026-01-02T11:04:05.000Z",
            "eventName": "ObjectCreated:Put",
            "obs": {
                "configurationId": "c",
                "bucket": { "bucket": "in", "name": "in", "ownerIdentity": { "ID": "0" } },
                "object": {
                    "key": key, "eTag": "900150983cd24fb0d6963f7d28e17f72", "size": 3, "versionId": "null", "sequencer": "0",
                },
            },
        },
    })
}

/// Looks for credentials in all that a process has printed, and in what it has answered.
pub(crate) fn tells_no_secret(process: &Process, answered: &[u8], secrets: &[&str]) {
    let output = process.output();
    let answered = String::from_utf8_lossy(answered);
    for secret in secrets.iter().copied().chain(["planted-", DEFAULT_API_KEY]) {
        assert!(!output.contains(secret), "{secret}: {output}");
        assert!(!answered.contains(secret), "{secret}: {answered}");
    }
}
