//! A function behind an HTTP gateway. It shows every request as it got it, unless the body asks for something
//! else:
//!
//! | body of the request | answer |
//! | --- | --- |
//! | `{"reply":…}` | what is there, as the handler's response |
//! | `{"fail":"…"}` | 502, that text in the body |
//! | any other | 200, the event as JSON |
//!
//! A call that is no HTTP request gets its payload back.
//!
//! ```sh
//! FN_LISTENER=unix:/tmp/http.sock cargo run -p fn-shim --example http &
//! curl -i --unix-socket /tmp/http.sock -H 'Fn-Intent: httprequest' -H 'Fn-Http-Method: PUT' \
//!     -H 'Fn-Http-Request-Url: /a/b?c=d' -H 'Fn-Http-H-Accept: text/plain' -d hello http://localhost/call
//! ```

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fn_shim::Error> {
    fn_shim::run_http(service_fn(answer)).await
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let request = event.payload;
    if request["version"] != "2.0" {
        return Ok(request);
    }
    let wish: Value =
        request["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    if let Some(reply) = wish.get("reply") {
        return Ok(reply.clone());
    }
    if let Some(text) = wish["fail"].as_str() {
        return Err(Diagnostic { error_type: "Asked".to_owned(), error_message: text.to_owned() });
    }
    let headers = json!({"content-type": "application/json"});
    Ok(json!({"statusCode": 200, "headers": headers, "body": request.to_string()}))
}
