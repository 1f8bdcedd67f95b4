//! HTTP requests that a platform hands to a function as an event: recognised here, and no more. Who may post is the gate's matter,
//! and the platform's form is its adapter's.

use crate::plain::json;

json::members! {
    struct Marks {
        request_context = "requestContext",
        raw_path = "rawPath",
        http_method = "httpMethod",
        request_payload = "requestPayload",
        data = "Data",
        metadata = "Metadata",
    }
}

/// Whether a function's event is a whole HTTP request: from a function URL, API Gateway (both payload formats), or a load balancer
/// (Amazon, "Using AWS Lambda with Amazon API Gateway" and "Lambda functions as targets"), or from an `httpTrigger` of the Azure
/// Functions host (Azure/azure-functions-host, `HttpRequestExtensions.cs`, `GetRequestAsJObject`). Nothing that a sender of such
/// a request chooses decides it.
pub fn is_http_request(event: &str) -> bool {
    let Ok(marks) = json::object_in::<Marks<'_>>(event, "") else { return false };
    if marks.request_context.is_some_and(|raw| raw.get().starts_with('{')) {
        let names_request = marks.raw_path.is_some() || marks.http_method.is_some();
        return names_request && marks.request_payload.is_none();
    }
    let Some(data) = marks.data.filter(|_| marks.metadata.is_some()) else { return false };
    let mut found = false;
    let read = json::each_member(data.get(), |_, binding| {
        found |= json::member(binding, "Url").is_some() && json::member(binding, "Method").is_some();
    });
    read.is_ok() && found
}
