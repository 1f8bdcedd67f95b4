//! Whom the deliveries are sent to.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use drive::{
    DriveError, FnClient, FunctionPort, HttpPoster, Invocation, Outcome, PortPlatform, Runtime, RuntimeApi,
};
use mdss_relay_core::{MOST_FILE_BYTES, plain_file, public_tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::input::{Input, Request};
use crate::replay::outcome::Delivered;

/// A running adapter.
pub(super) enum Target {
    Http { poster: HttpPoster, url: String, token: Option<String> },
    Function { client: FnClient, limit: Duration },
    RuntimeApi { runtime: Runtime, api: RuntimeApi, limit: Duration },
    Port { platform: PortPlatform, function: FunctionPort },
}

impl Target {
    pub(super) fn http(url: &str, ca_file: Option<&Path>, limit: Duration) -> Result<Self, String> {
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            // A path may hold a secret.
            let place = url.split('/').next().unwrap_or_default();
            let meant = if url.contains("://") || place.is_empty() || place.contains('@') {
                String::new()
            } else {
                format!("; is http://{place}/… meant?")
            };
            return Err(format!("--url: expected a URL that begins with http:// or https://{meant}"));
        }
        let tls = public_tls(&ca_file.map_or_else(|| Ok(Vec::new()), certificates)?)?;
        // In a variable, because a command line is public on its machine.
        let token = std::env::var("RELAY_TOKEN").ok().filter(|t| !t.is_empty());
        Ok(Self::Http { poster: HttpPoster::with_tls(limit, tls), url: url.to_owned(), token })
    }

    pub(super) fn function(socket: &Path, limit: Duration) -> Self {
        Self::Function { client: FnClient::new(socket), limit }
    }

    pub(super) async fn runtime_api(
        runtime: Runtime,
        address: SocketAddr,
        limit: Duration,
    ) -> Result<Self, String> {
        let api = runtime.listen(address).await.map_err(|e| sentence(&e))?;
        Ok(Self::RuntimeApi { runtime, api, limit })
    }

    pub(super) fn port(platform: PortPlatform, address: SocketAddr, limit: Duration) -> Self {
        Self::Port { platform, function: FunctionPort::new(platform, address, limit) }
    }

    /// What a person has to do before anything can be sent.
    pub(super) fn invitation(&self) -> Option<String> {
        let Self::RuntimeApi { runtime, api, .. } = self else { return None };
        let binary = match runtime {
            Runtime::Lambda => "mdss-relay-lambda",
            Runtime::TencentScf => "mdss-relay-tencent-scf",
            Runtime::HuaweiFunctionGraph => "mdss-relay-huawei-functiongraph",
        };
        let mut words = format!("waiting for a function at http://{}; start {binary} with", api.address());
        for (name, value) in api.env() {
            words.push_str(&format!("\n  {name}='{value}'"));
        }
        Some(words)
    }

    /// What to look at when the relay did not let a request in.
    pub(super) fn about_401(&self) -> Option<String> {
        let Self::Http { token, .. } = self else { return None };
        let found = if token.is_some() {
            "RELAY_TOKEN is set here, and it is not what this source expects"
        } else {
            "RELAY_TOKEN is not set here, so no token was sent"
        };
        Some(format!(
            "401: the relay did not believe who posts. {found}. /events expects the relay's own RELAY_TOKEN; a [[source]] with `bearer` \
             expects what is in its token_file, so: RELAY_TOKEN=\"$(sudo cat FILE)\" mdss-relay replay …. A source with another check \
             expects a whole request, {{\"method\",\"path\",\"headers\",\"body\"}}, as its sender posts it; the relay's log names the \
             check that failed."
        ))
    }

    pub(super) async fn send(&self, file: &str, input: Input) -> Delivered {
        let started = Instant::now();
        match (self, input) {
            (Self::Http { poster, url, token }, input) => {
                // The server gets what a function's platform would have made the event of.
                let input = match input {
                    Input::Bare(body) => match Request::carried(&body) {
                        Some(Ok(request)) => Input::Wrapped(request),
                        _ => Input::Bare(body),
                    },
                    input => input,
                };
                http(poster, url, token.as_deref(), file, input).await
            }
            (Self::Port { platform: PortPlatform::VolcengineFaas, function }, Input::Wrapped(request))
                if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("ce-type")) =>
            {
                let attributes = request.headers.iter().filter(|(name, _)| is_attribute(name));
                let attributes: Vec<_> = attributes.map(|(n, v)| (n.as_str(), v.as_str())).collect();
                over_port(function, file, request.body.clone(), &attributes).await
            }
            (_, Input::Wrapped(_)) => {
                Delivered::left_out(file, "a whole request, as only the HTTP server gets it")
            }
            (Self::Function { client, limit }, Input::Bare(body)) => match client
                .call(body, *limit, &[])
                .await
            {
                Ok(answer) => Delivered::answered(file, Some(answer.status), &answer.body, answer.elapsed),
                Err(error) => Delivered::unanswered(file, sentence(&error)),
            },
            (Self::Port { function, .. }, Input::Bare(body)) => over_port(function, file, body, &[]).await,
            (Self::RuntimeApi { api, limit, .. }, Input::Bare(body)) => {
                // A function that is killed and started again is waited for.
                let invocation = Invocation::new(body, *limit).poll_within(*limit);
                match api.invoke_with(invocation).await {
                    Ok(Outcome::Response(body)) => Delivered::answered(file, None, &body, started.elapsed()),
                    // On some platforms the report is the body itself.
                    Ok(Outcome::Error { error_type, error_message, body }) if error_message.is_empty() => {
                        let body = String::from_utf8_lossy(&body);
                        Delivered::failed(file, &error_type, &body, started.elapsed())
                    }
                    Ok(Outcome::Error { error_type, error_message, .. }) => {
                        Delivered::failed(file, &error_type, &error_message, started.elapsed())
                    }
                    Err(error) => Delivered::unanswered(file, sentence(&error)),
                }
            }
        }
    }
}

/// Whether a header is an attribute of a CloudEvent, or what says how many there are.
fn is_attribute(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("ce-") || name.starts_with("x-faas-") || name == "content-type"
}

async fn over_port(
    function: &FunctionPort,
    file: &str,
    body: Vec<u8>,
    headers: &[(&str, &str)],
) -> Delivered {
    match function.call(body, headers).await {
        Ok(answered) => {
            let answer = answered.answer;
            let delivered = Delivered::answered(file, Some(answer.status), &answer.body, answer.elapsed);
            if answered.failed || delivered.is_good() {
                return delivered;
            }
            let what = format!("a failure that the platform takes for done: {}", answer.text());
            Delivered::failed(file, "taken_for_done", &what, answer.elapsed)
        }
        Err(error) => Delivered::unanswered(file, sentence(&error)),
    }
}

async fn http(poster: &HttpPoster, url: &str, token: Option<&str>, file: &str, input: Input) -> Delivered {
    // A token of two words says its own scheme, as in MinIO's auth_token.
    let bearer = token.map(|t| if t.contains(' ') { t.to_owned() } else { format!("Bearer {t}") });
    let sent = match &input {
        Input::Bare(body) => {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
            poster.send("POST", url, &headers, body.clone()).await
        }
        Input::Wrapped(request) => {
            // How the body travels is this connection's matter.
            let travels = |name: &str| {
                ["content-length", "transfer-encoding", "connection"]
                    .iter()
                    .any(|n| name.eq_ignore_ascii_case(n))
            };
            let headers = request.headers.iter().filter(|(name, _)| !travels(name));
            let headers: Vec<_> = headers.map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let target = beside(url, &request.path);
            poster.send(&request.method, &target, &headers, request.body.clone()).await
        }
    };
    match sent {
        Ok(answer) => Delivered::answered(file, Some(answer.status), &answer.body, answer.elapsed),
        Err(error) => Delivered::unanswered(file, sentence(&error)),
    }
}

/// `path` on the host of `url`; `url` itself without a path.
fn beside(url: &str, path: &str) -> String {
    if path.is_empty() {
        return url.to_owned();
    }
    let scheme = url.find("://").map_or(0, |at| at + "://".len());
    let host_end = url[scheme..].find('/').map_or(url.len(), |n| n + scheme);
    format!("{}{path}", &url[..host_end])
}

/// The certificates in a file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let expected =
        |found: &str| format!("--ca-file {}: expected certificates in PEM ({found})", file.display());
    let pem = plain_file(file, MOST_FILE_BYTES).map_err(|e| expected(&e.to_string()))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(|e| expected(&e.to_string()))? {
        none if none.is_empty() => Err(expected("there is none in it")),
        found => Ok(found),
    }
}

/// An error with its causes, on one line, and what would help where that is known.
fn sentence(error: &DriveError) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    let mut hint = "";
    while let Some(cause) = next {
        words.push_str(&format!(": {cause}"));
        hint = hint_for(cause).unwrap_or(hint);
        next = cause.source();
    }
    words.replace('\n', " ") + hint
}

fn hint_for(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = cause;
    // An error of the system shows its own cause as the next one, and passes over what it holds.
    while let Some(held) = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
        cause = held;
    }
    let tls = cause.downcast_ref::<rustls::Error>()?;
    match tls {
        rustls::Error::InvalidCertificate(_) => {
            Some("; --ca-file trusts a private authority, or the server's own certificate")
        }
        rustls::Error::InvalidMessage(_) => Some("; the port answers without TLS: is http:// meant?"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn a_request_goes_to_its_own_path_on_the_same_host() {
        for (url, path, want) in [
            ("http://127.0.0.1:1/events", "/jd", "http://127.0.0.1:1/jd"),
            ("https://relay.example/minio/s3cret", "/jd", "https://relay.example/jd"),
            ("http://127.0.0.1:1", "/jd?x", "http://127.0.0.1:1/jd?x"),
            ("http://127.0.0.1:1/events", "", "http://127.0.0.1:1/events"),
        ] {
            assert_eq!(beside(url, path), want);
        }
    }
}
