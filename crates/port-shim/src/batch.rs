//! Several CloudEvents in one body, as veFaaS writes them: their number, and of each the length of its headers, its headers (lines of
//! `name:value` with CRLF), the length of its data, its data; numbers have four bytes, the first one being the largest
//! (volcengine/vefaas-golang-runtime, `utils/http_event.go` in versions with batches, `TransformRawBodyToBatchCloudEvents`).
//!
//! That code is told to trust what it gets. Here everything has to fit to the last byte, or the whole body is refused: an event that was
//! not understood would be lost in a call that succeeded.

use shim::Refusal;

use crate::cloudevent;

/// The one version of the form.
const VERSION: &[u8] = b"1.0";

/// The events of a body, as a list in JSON.
///
/// ```
/// let headers = b"ce-specversion:1.0\r\nce-type:faas.tos.event\r\n";
/// let mut body = 1_u32.to_be_bytes().to_vec();
/// for part in [&headers[..], b"{}"] {
///     body.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
///     body.extend(part);
/// }
/// let events = port_shim::unpack(b"1.0", &body).unwrap();
/// assert_eq!(events, r#"[{"specversion":"1.0","type":"faas.tos.event","data":{}}]"#);
/// ```
///
/// # Errors
///
/// A refusal with a sentence, if the version is another one, or anything is not as it should be.
pub fn unpack(version: &[u8], body: &[u8]) -> Result<String, Refusal> {
    if version != VERSION {
        return Err(refusal("its version is not 1.0"));
    }
    let mut rest = body;
    let count = number(&mut rest)?;
    if count == 0 {
        return Err(refusal("it has no events"));
    }
    let mut events = String::from("[");
    for index in 0..count {
        if index > 0 {
            events.push(',');
        }
        let head = part(&mut rest)?;
        let data = part(&mut rest)?;
        events.push_str(&event(head, data)?);
    }
    events.push(']');
    if rest.is_empty() { Ok(events) } else { Err(refusal("something follows its last event")) }
}

/// One event as JSON.
fn event(head: &[u8], data: &[u8]) -> Result<String, Refusal> {
    let head = str::from_utf8(head).map_err(|_| refusal("headers in it are no text"))?;
    let mut headers = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| refusal("a header in it has no value"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().as_bytes()));
    }
    let event =
        cloudevent::event(headers.iter().map(|(name, value)| (name.as_str(), *value)), data.to_vec())?;
    // Without attributes the data is the event, which nobody has looked at yet.
    serde_json::from_str::<&serde_json::value::RawValue>(&event)
        .map(|json| json.get().to_owned())
        .map_err(|_| refusal("an event in it is not JSON"))
}

/// The next number.
fn number(rest: &mut &[u8]) -> Result<u32, Refusal> {
    let (bytes, after) = rest.split_first_chunk().ok_or_else(|| refusal("it ends early"))?;
    *rest = after;
    Ok(u32::from_be_bytes(*bytes))
}

/// The next part, behind its length.
fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let length = usize::try_from(number(rest)?).unwrap_or(usize::MAX);
    let (part, after) = rest.split_at_checked(length).ok_or_else(|| refusal("it ends early"))?;
    *rest = after;
    Ok(part)
}

fn refusal(why: &str) -> Refusal {
    Refusal::NotWrapped(format!("the body is no batch of events: {why}"))
}
