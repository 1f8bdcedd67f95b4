//! A function that answers with what it was sent, unless the event asks for something else. `repeat PLATFORM`, one of `azure-functions`,
//! `alibaba-fc`, `tencent-scf`, `huawei-functiongraph`, `volcengine-faas`, `yandex-containers`:
//!
//! ```sh
//! PORT_SHIM_LISTEN=127.0.0.1:9000 cargo run -p mdss-relay-port-shim --example repeat alibaba-fc &
//! curl -i -d '{"hello": "there"}' -H 'x-fc-control-path: /invoke' -H 'x-fc-request-id: 1' http://127.0.0.1:9000/invoke
//! curl -i -d '{"fail": "as you wish"}' http://127.0.0.1:9000/invoke
//! ```

use std::process::ExitCode;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use port_shim::{
    ALIBABA_FC, AZURE_FUNCTIONS, HUAWEI_FUNCTIONGRAPH, Profile, TENCENT_SCF, VOLCENGINE_FAAS,
    YANDEX_CONTAINERS,
};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let profile: &Profile = match std::env::args().nth(1).as_deref() {
        Some("azure-functions") => &AZURE_FUNCTIONS,
        Some("alibaba-fc") => &ALIBABA_FC,
        Some("tencent-scf") => &TENCENT_SCF,
        Some("huawei-functiongraph") => &HUAWEI_FUNCTIONGRAPH,
        Some("volcengine-faas") => &VOLCENGINE_FAAS,
        Some("yandex-containers") => &YANDEX_CONTAINERS,
        _ => return complain("expected the name of a platform"),
    };
    match port_shim::run(profile, service_fn(answer)).await {
        Ok(()) => ExitCode::from(profile.stopped),
        Err(error) => complain(&error.to_string()),
    }
}

#[expect(clippy::print_stderr, reason = "a function without a log has nothing else to say it with")]
fn complain(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::FAILURE
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    match event.payload["fail"].as_str() {
        Some(why) => Err(Diagnostic { error_type: "Asked".to_owned(), error_message: why.to_owned() }),
        None => Ok(event.payload),
    }
}
