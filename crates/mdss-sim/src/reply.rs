//! The answers MDSS and the nginx before it give, and how they look on the wire when they are cut short.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

use crate::refusal::Refusal;
use crate::unit::{Unit, UnitState};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { body: body.into(), ..Self::empty(status) }
                .with(header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            Err(error) => Self::message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// An error no page documents; the form `{"message": …}` is invented.
    pub(crate) fn message(status: StatusCode, sentence: &str) -> Self {
        Self::json(status, &json!({ "message": sentence }))
    }

    /// Source: OPSWAT, "Event-Based request format", "Success".
    pub(crate) fn accepted(status: StatusCode, correlation_id: &str) -> Self {
        Self::json(status, &json!({ "correlationId": correlation_id }))
    }

    pub(crate) fn refused(status: StatusCode, refusal: Refusal) -> Self {
        Self::json(
            status,
            &json!({ "responseKey": refusal.response_key(), "responseMessage": refusal.response_message() }),
        )
    }

    /// The list of storage units. No page shows one: the members are invented in the style of the API's others, and the list
    /// stands in `entries`, as that of the core pools does (`OPSWAT/metadefender-k8s`, `terraform/mdss-tf-config-examples/main.tf`).
    pub(crate) fn storages(units: &[Unit]) -> Self {
        let entry = |unit: &Unit| {
            json!({
                "storageClientId": unit.storage_client_id,
                "storageVendorType": unit.storage_type.vendor_number(),
                "isRealTimeProcessingEnabled": unit.state != UnitState::NotEnabled,
            })
        };
        let entries: Vec<_> = units.iter().map(entry).collect();
        Self::json(StatusCode::OK, &json!({ "totalCount": entries.len(), "entries": entries }))
    }

    /// nginx's own error page, from `src/http/ngx_http_special_response.c` with `server_tokens off`.
    fn nginx(status: StatusCode, title: &str) -> Self {
        Self::html(
            status,
            format!(
                "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
                 <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            ),
        )
    }

    /// `client_max_body_size` is not set before MDSS, so nginx's default holds.
    pub(crate) fn too_large() -> Self {
        Self::nginx(StatusCode::PAYLOAD_TOO_LARGE, "413 Request Entity Too Large")
    }

    /// `limit_req_status` is not set before MDSS, so a refusal is nginx's default, 503 and not 429.
    pub(crate) fn unavailable() -> Self {
        Self::nginx(StatusCode::SERVICE_UNAVAILABLE, "503 Service Temporarily Unavailable")
    }

    pub(crate) fn not_allowed() -> Self {
        Self::nginx(StatusCode::METHOD_NOT_ALLOWED, "405 Not Allowed")
    }

    /// The web interface. Any path gets it, with 200: `try_files … /index.html`
    /// (`OPSWAT/metadefender-k8s`, `config-template.yml`).
    pub(crate) fn web_page() -> Self {
        Self::html(
            StatusCode::OK,
            "<!doctype html>\n<html lang=\"en\">\n<head><title>MetaDefender Storage Security</title></head>\n\
             <body><app-root></app-root></body>\n</html>\n"
                .to_owned(),
        )
    }

    fn html(status: StatusCode, page: String) -> Self {
        Self { body: page.into(), ..Self::empty(status) }
            .with(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Status line, headers, and the first `sent` bytes of the body the headers announce.
    pub(crate) fn to_wire(&self, sent: usize) -> Vec<u8> {
        let mut wire = format!("HTTP/1.1 {}\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            wire.extend_from_slice(name.as_str().as_bytes());
            wire.extend_from_slice(b": ");
            wire.extend_from_slice(value.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        wire.extend_from_slice(&self.body[..sent.min(self.body.len())]);
        wire
    }
}

impl From<Reply> for Response<Full<Bytes>> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(Full::new(reply.body));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        // hyper frames the body; in debug builds it panics on a length that contradicts it.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        response
    }
}
