//! Requests to the services beside a store, and what their refusals mean.

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use serde_json::Value;

use crate::sign::Service;
use crate::store::Store;
use crate::trouble::{Trouble, TroubleKind, words};

/// `GET` of a JSON document.
///
/// # Errors
/// No answer, none that is JSON, or a refusal; with the permission's name if it is one of rights.
pub(crate) async fn json(
    store: &Store,
    service: Service<'_>,
    address: &str,
    bucket: &str,
    permission: &'static str,
) -> Result<Value, Trouble> {
    let request = Request::get(address).body(Bytes::new()).map_err(|_| odd(store, bucket))?;
    read(store, service, request, bucket, permission).await
}

/// A call of Amazon's JSON protocol.
/// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
///
/// # Errors
/// As [`json`].
pub(crate) async fn call(
    store: &Store,
    service: Service<'_>,
    address: &str,
    (version, target): (&str, &str),
    body: &Value,
    bucket: &str,
    permission: &'static str,
) -> Result<Value, Trouble> {
    let request = Request::post(address)
        .header(CONTENT_TYPE, format!("application/x-amz-json-{version}"))
        .header("x-amz-target", target)
        .body(Bytes::from(body.to_string()))
        .map_err(|_| odd(store, bucket))?;
    read(store, service, request, bucket, permission).await
}

async fn read(
    store: &Store,
    service: Service<'_>,
    request: Request<Bytes>,
    bucket: &str,
    permission: &'static str,
) -> Result<Value, Trouble> {
    let answer = store.send(service, request).await.map_err(|trouble| trouble.of(bucket))?;
    let said = serde_json::from_slice::<Value>(&answer.body);
    match store.judge(answer, Some(bucket), permission) {
        Ok(_) => said.map_err(|e| unreadable(store, bucket, &format!("what is no JSON: {e}"))),
        Err(mut trouble) => {
            // Amazon's JSON protocols say everything with 400, and what it is in `__type`.
            let kind = said.as_ref().ok().and_then(|said| said.get("__type")?.as_str());
            if let Some(kind) = kind {
                let code = words(kind.rsplit('#').next().unwrap_or(kind));
                if code.contains("AccessDenied") || code.contains("NotAuthorized") {
                    (trouble.kind, trouble.permission) = (TroubleKind::Denied, Some(permission));
                }
                if code.contains("NonExistent") || code.contains("DoesNotExist") || code.contains("NotFound")
                {
                    trouble.kind = TroubleKind::Missing;
                }
                trouble.code = Some(code.into());
            }
            Err(trouble)
        }
    }
}

pub(crate) fn unreadable(store: &Store, bucket: &str, what: &str) -> Trouble {
    Trouble::new(TroubleKind::Unreadable, &store.settings().name, format!("answers with {what}")).of(bucket)
}

fn odd(store: &Store, bucket: &str) -> Trouble {
    Trouble::new(TroubleKind::Refused, &store.settings().name, "no address can be made of this name")
        .of(bucket)
}

/// The text of a member.
pub(crate) fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str().filter(|text| !text.is_empty())
}

/// The elements of a member; none, if it is not a list.
pub(crate) fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts in a member.
pub(crate) fn texts(value: &Value, member: &str) -> Vec<String> {
    list(value, member).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
