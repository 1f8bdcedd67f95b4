//! What a file of the command line holds: a bare body, or a request with its headers and exact bytes.

use std::ffi::OsString;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{Delivery, Failure};
use mdss_relay_gate::RequestHead;
use mdss_relay_request::{Arrived, Carried};
use serde_json::{Map, Value};

/// The bytes of a file; `-` is standard input.
pub(crate) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

/// The variables of this process, with a configuration of the command line in the place of its own.
pub(crate) fn variables(config: Option<&Path>) -> Vec<(OsString, OsString)> {
    with_config(std::env::vars_os().collect(), config)
}

/// Variables, with a configuration of the command line in the place of theirs.
pub(crate) fn with_config(
    mut variables: Vec<(OsString, OsString)>,
    config: Option<&Path>,
) -> Vec<(OsString, OsString)> {
    if let Some(config) = config {
        variables.retain(|(name, _)| name != "RELAY_CONFIG" && name != "RELAY_CONFIG_TOML");
        variables.push(("RELAY_CONFIG".into(), config.into()));
    }
    variables
}

/// The delivery in a file, whoever may post it: no gate stands before it.
pub(crate) fn delivery(file: &Path) -> std::io::Result<Delivery> {
    Ok(match parse(read(file)?) {
        Input::Bare(body) => Delivery::from_function(body, ""),
        Input::Wrapped(request) => Delivery {
            method: request.method,
            headers: request.headers,
            body: request.body,
            ..Delivery::default()
        },
    })
}

/// A file, understood.
pub(crate) enum Input {
    /// The body of a function's call, or of a request whose head does not matter.
    Bare(Vec<u8>),
    /// A whole request.
    Wrapped(Request),
}

/// An HTTP request written down.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Where it comes from, if that is written down, too.
    pub(crate) client: Option<IpAddr>,
}

impl Request {
    /// The request that a function's platform has put into an event; `None` if the body is no such event.
    ///
    /// # Errors
    /// Why it cannot be taken out.
    pub(crate) fn carried(body: &[u8]) -> Option<Result<Self, Failure>> {
        let carried = Carried::of(std::str::from_utf8(body).ok()?)?;
        Some(carried.map(|Carried { request, .. }| {
            let Arrived { method, target, headers, client, body } = request;
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            let headers = headers.into_iter().map(|(name, value)| (name, text(value))).collect();
            Self { method, path: target, headers, body, client }
        }))
    }

    /// The headers as the gate looks at them.
    pub(crate) fn headers(&self) -> Vec<(&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    /// The head, with these headers, of a request that comes from `client`, unless it says itself where it comes from.
    pub(crate) fn head<'r>(
        &'r self,
        headers: &'r [(&'r str, &'r [u8])],
        client: Option<IpAddr>,
    ) -> RequestHead<'r> {
        RequestHead { method: &self.method, target: &self.path, headers, client: self.client.or(client) }
    }
}

/// The wrapped form is an object with a string `method`, a string `body` or `body_base64`, and no other members than
/// `path` and `headers`. Everything else is a bare body: no provider's event looks like that.
pub(crate) fn parse(bytes: Vec<u8>) -> Input {
    match serde_json::from_slice::<Map<String, Value>>(&bytes).ok().and_then(request) {
        Some(request) => Input::Wrapped(request),
        None => Input::Bare(bytes),
    }
}

fn request(mut members: Map<String, Value>) -> Option<Request> {
    let mut text = |name: &str| match members.remove(name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text)),
        Some(_) => None,
    };
    let method = text("method")??;
    let path = text("path")?.unwrap_or_default();
    let body = match (text("body")?, text("body_base64")?) {
        (Some(body), None) => body.into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).ok()?,
        _ => return None,
    };
    let mut headers = Vec::new();
    match members.remove("headers") {
        None => {}
        Some(Value::Object(map)) => {
            for (name, value) in map {
                match value {
                    Value::String(value) => headers.push((name, value)),
                    // A header that is sent twice.
                    Value::Array(values) => {
                        for value in values {
                            headers.push((name.clone(), value.as_str()?.to_owned()));
                        }
                    }
                    _ => return None,
                }
            }
        }
        Some(_) => return None,
    }
    members.is_empty().then_some(Request { method, path, headers, body, client: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_a_request() {
        for (text, wrapped) in [
            (r#"{"method":"POST","body":"{}"}"#, true),
            (r#"{"method":"POST","path":"/a","headers":{"A":"b","C":["d","e"]},"body_base64":"/w=="}"#, true),
            (r#"{"method":"POST"}"#, false),
            (r#"{"body":"{}"}"#, false),
            (r#"{"method":1,"body":"{}"}"#, false),
            (r#"{"method":"POST","body":{}}"#, false),
            (r#"{"method":"POST","body":"","body_base64":""}"#, false),
            (r#"{"method":"POST","body_base64":"!"}"#, false),
            (r#"{"method":"POST","body":"","more":1}"#, false),
            (r#"{"method":"POST","body":"","headers":[]}"#, false),
            (r#"[]"#, false),
            ("", false),
        ] {
            assert_eq!(matches!(parse(text.into()), Input::Wrapped(_)), wrapped, "{text}");
        }
        let Input::Wrapped(request) =
            parse(br#"{"method":"POST","headers":{"C":["d","e"]},"body_base64":"/w=="}"#.to_vec())
        else {
            panic!("wrapped")
        };
        assert_eq!(request.body, [0xff]);
        assert_eq!(request.headers, [("C".to_owned(), "d".to_owned()), ("C".to_owned(), "e".to_owned())]);
    }
}
