//! A handler in a custom runtime: `greet tencent` or `greet huawei`.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use poll_shim::{HUAWEI_FUNCTIONGRAPH, TENCENT_SCF};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let profile = match std::env::args().nth(1).as_deref() {
        Some("huawei") => &HUAWEI_FUNCTIONGRAPH,
        _ => &TENCENT_SCF,
    };
    match poll_shim::run(profile, service_fn(greet)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn greet(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let name = event.payload["name"].as_str().unwrap_or("world");
    Ok(json!({ "hello": name }))
}
