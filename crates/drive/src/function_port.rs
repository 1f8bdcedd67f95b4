//! Platforms that call a function over a TCP port.
//!
//! What is played is one call: its method, path and headers, and what the platform makes of the answer. Each fact has its source in
//! `port-shim`, where it is the function's side.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::answer::Answer;
use crate::error::DriveError;
use crate::http_poster::HttpPoster;
use crate::id;

/// A platform whose functions listen on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortPlatform {
    /// Alibaba Cloud's Function Compute, an event function in a custom runtime or container.
    AlibabaFc,
    /// Tencent Cloud's SCF, an event function from an image.
    TencentScf,
    /// Huawei Cloud's FunctionGraph, an event function from an image.
    HuaweiFunctionGraph,
    /// Volcengine's veFaaS, runtime `native/v1`, an event of TOS.
    VolcengineFaas,
}

/// What a platform does after a call.
#[derive(Clone, Debug)]
pub struct PortAnswer {
    /// What the function answered.
    pub answer: Answer,
    /// Whether the platform takes the call for failed, and so repeats it or keeps its event. It may think otherwise than the status looks.
    pub failed: bool,
}

/// The platform's side of such a function: it calls, and hears whether the call has failed.
#[derive(Clone, Debug)]
pub struct FunctionPort {
    platform: PortPlatform,
    address: SocketAddr,
    poster: HttpPoster,
    limit: Duration,
}

impl FunctionPort {
    /// `limit` is the function's time-out: what it is told, where the platform tells it, and how long its answer is waited for.
    #[must_use]
    pub fn new(platform: PortPlatform, address: SocketAddr, limit: Duration) -> Self {
        // A function that ends in time is heard.
        let poster = HttpPoster::new(limit + Duration::from_secs(1));
        Self { platform, address, poster, limit }
    }

    /// Calls with an event. `more` are headers, in place of the platform's own where they have the same name: attributes of a CloudEvent.
    ///
    /// # Errors
    ///
    /// As [`HttpPoster::send`].
    pub async fn call(
        &self,
        event: impl Into<Bytes>,
        more: &[(&str, &str)],
    ) -> Result<PortAnswer, DriveError> {
        let url = format!("http://{}{}", self.address, self.platform.path());
        let own = self.platform.headers(self.limit);
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let own = own.filter(|(name, _)| !more.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        let headers: Vec<_> = own.chain(more.iter().copied()).collect();
        let answer = self.poster.send("POST", &url, &headers, event).await?;
        Ok(PortAnswer { failed: self.platform.takes_for_failed(&answer), answer })
    }
}

impl PortPlatform {
    fn path(self) -> &'static str {
        match self {
            Self::AlibabaFc | Self::HuaweiFunctionGraph => "/invoke",
            Self::TencentScf => "/event-invoke",
            Self::VolcengineFaas => "/",
        }
    }

    /// What the platform sends with an event, and the credentials that it hands to a function, which are made up.
    fn headers(self, limit: Duration) -> Vec<(&'static str, String)> {
        let (id, name) = (id::uuid(), "driven".to_owned());
        let fixed = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
        };
        let mut headers = match self {
            Self::AlibabaFc => fixed(&[
                ("content-type", "application/octet-stream"),
                ("x-fc-control-path", "/invoke"),
                ("x-fc-access-key-id", "driven-access-key-id"),
                ("x-fc-access-key-secret", "driven-access-key-secret"),
                ("x-fc-security-token", "driven-security-token"),
            ]),
            Self::TencentScf => fixed(&[
                ("content-type", "application/json"),
                ("x-scf-secret-id", "driven-secret-id"),
                ("x-scf-secret-key", "driven-secret-key"),
                ("x-scf-session-token", "driven-session-token"),
            ]),
            Self::HuaweiFunctionGraph => fixed(&[
                ("content-type", "application/json"),
                ("x-cff-func-name", "driven"),
                ("x-cff-security-access-key", "driven-access-key"),
                ("x-cff-security-secret-key", "driven-secret-key"),
                ("x-cff-auth-token", "driven-auth-token"),
            ]),
            Self::VolcengineFaas => fixed(&[
                ("content-type", "application/json"),
                ("x-faas-event-type", "cloudevent"),
                ("ce-specversion", "1.0"),
                ("ce-type", "faas.tos.event"),
                ("ce-source", "tos"),
                ("ce-id", "driven"),
            ]),
        };
        match self {
            Self::AlibabaFc => headers.extend([
                ("x-fc-request-id", id),
                ("x-fc-function-name", name),
                ("x-fc-function-timeout", limit.as_secs().to_string()),
            ]),
            Self::TencentScf => headers.extend([
                ("x-scf-request-id", id),
                ("x-scf-name", name),
                ("x-scf-timeout", limit.as_millis().to_string()),
            ]),
            Self::HuaweiFunctionGraph => headers.push(("x-cff-request-id", id)),
            Self::VolcengineFaas => headers.push(("x-faas-request-id", id)),
        }
        headers
    }

    /// Function Compute looks at a header and at nothing else: without it a call has succeeded. The others look at the status.
    fn takes_for_failed(self, answer: &Answer) -> bool {
        let failed = |status: u16| !(200..300).contains(&status);
        match self {
            Self::AlibabaFc => {
                answer.header("x-fc-status").and_then(|status| status.parse().ok()).is_some_and(failed)
            }
            Self::TencentScf | Self::HuaweiFunctionGraph | Self::VolcengineFaas => failed(answer.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Answer { status, headers, body: Bytes::new(), elapsed: Duration::ZERO }
    }

    #[test]
    fn a_status_alone_is_no_failure_on_function_compute() {
        let failed =
            |status, headers: &[_]| PortPlatform::AlibabaFc.takes_for_failed(&answer(status, headers));
        assert!(failed(404, &[("x-fc-status", "404")]));
        assert!(!failed(404, &[]));
        assert!(!failed(200, &[("x-fc-status", "200")]));
        for platform in
            [PortPlatform::TencentScf, PortPlatform::HuaweiFunctionGraph, PortPlatform::VolcengineFaas]
        {
            assert!(
                platform.takes_for_failed(&answer(500, &[])) && !platform.takes_for_failed(&answer(204, &[]))
            );
        }
    }

    #[tokio::test]
    async fn a_call_has_the_platforms_path_and_headers_and_those_of_its_caller_in_their_place() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&head[..length]).to_lowercase()
        });
        let port = FunctionPort::new(PortPlatform::VolcengineFaas, address, Duration::from_secs(20));
        let answer = port.call("{}", &[("Ce-Type", "faas.timer.event")]).await.unwrap();
        assert!(!answer.failed);
        let head = seen.await.unwrap();
        assert!(
            head.starts_with("post / http/1.1") && head.contains("x-faas-event-type: cloudevent"),
            "{head}"
        );
        assert!(head.contains("ce-type: faas.timer.event") && !head.contains("faas.tos.event"), "{head}");
    }
}
