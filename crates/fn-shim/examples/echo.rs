//! A function that answers with what it was sent, unless the payload asks for something else:
//!
//! | payload | answer |
//! | --- | --- |
//! | `{"behave":"context"}` | 200, the `lambda_runtime::Context` the handler was given |
//! | `{"behave":"nothing"}` | 200, `null` |
//! | `{"behave":"sleep","ms":500}` | 200 after that time, if the deadline allows; says `asleep` on stderr when it begins |
//! | `{"behave":"fail"}` | 502, `{"errorType":"Asked","errorMessage":"as you wish"}` |
//! | `{"behave":"report"}` | 502, the JSON object that the handler chose |
//! | `{"behave":"late"}` | 504 |
//! | `{"behave":"panic"}` | 502, and the process lives on |
//! | any other JSON | 200, the same bytes |
//!
//! ```sh
//! FN_LISTENER=unix:/tmp/echo.sock cargo run -p fn-shim --example echo &
//! curl --unix-socket /tmp/echo.sock -d '{"hello": "there"}' http://localhost/call
//! ```

use std::error::Error as _;
use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

// One thread is enough for one call at a time, and a function has a tenth of a processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = fn_shim::run(service_fn(answer)).await else { return ExitCode::SUCCESS };
    complain(&error);
    // 2 is for settings, as far as this program is concerned; what Fn asks for is any code but 0.
    ExitCode::from(if matches!(error, fn_shim::Error::Settings(_)) { 2 } else { 1 })
}

fn complain(error: &fn_shim::Error) {
    match error.source() {
        Some(source) => say(&format!("{error}: {source}")),
        None => say(&error.to_string()),
    }
}

#[expect(clippy::print_stderr, reason = "a function without a log has nothing else to say it with")]
fn say(sentence: &str) {
    eprintln!("{sentence}");
}

#[derive(Deserialize)]
struct Wish {
    behave: String,
    #[serde(default)]
    ms: u64,
}

async fn answer(event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
    let (payload, context) = event.into_parts();
    let Ok(wish) = serde_json::from_str::<Wish>(payload.get()) else { return Ok(payload) };
    let failure = |error_type: &str, error_message: &str| {
        Err(Diagnostic { error_type: error_type.to_owned(), error_message: error_message.to_owned() })
    };
    let response = match wish.behave.as_str() {
        "context" => to_raw_value(&context),
        "nothing" => to_raw_value(&()),
        "sleep" => {
            say("asleep");
            tokio::time::sleep(Duration::from_millis(wish.ms)).await;
            return Ok(payload);
        }
        "fail" => return failure("Asked", "as you wish"),
        "report" => return failure("Asked", r#"{"outcome": "as you wish"}"#),
        "late" => return failure(fn_shim::DEADLINE, "there was no time"),
        "panic" => wishes_granted(&[]),
        _ => return Ok(payload),
    };
    response
        .map_err(|error| Diagnostic { error_type: "Unwritable".to_owned(), error_message: error.to_string() })
}

/// Panics when nothing was granted.
fn wishes_granted(wishes: &[u8]) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&wishes[0])
}
