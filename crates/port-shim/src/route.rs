//! What a request is: a call, one of the platform's own questions, or nothing that is served. And what its head says of a call.

use std::collections::BTreeSet;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method};

use crate::environment::{Environment, time_of};
use crate::profile::{Body, Calls, Hook, Marks, Profile, Time};

/// As many characters of a call's id are taken: twice what any platform's has.
const LONGEST_ID: usize = 128;

/// What a request is.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Something that is answered at once.
    Hook(&'static Hook),
    /// A call.
    Call,
    /// A call, in which the platform does not say where it belongs.
    CallWithoutControl,
    /// Neither.
    Nothing,
}

/// What a request with this head is.
pub(crate) fn asked(environment: &Environment, head: &Parts) -> Asked {
    let profile = environment.profile;
    if let Some(hook) = profile.hooks.iter().find(|hook| is_hook(hook, head)) {
        return if belongs(profile, hook.path, &head.headers) { Asked::Hook(hook) } else { Asked::Nothing };
    }
    if head.method != Method::POST {
        return Asked::Nothing;
    }
    let path = head.uri.path();
    let is_call = match &profile.calls {
        Calls::Functions { .. } => is_function(environment.functions.as_ref(), path),
        Calls::Path { path: served, control: None } => path == *served,
        Calls::Path { path: served, control: Some(control) } => {
            if path == *served && !head.headers.contains_key(*control) {
                return Asked::CallWithoutControl;
            }
            path == *served && belongs(profile, served, &head.headers)
        }
        Calls::Marked(marks) => is_marked(profile, marks, &head.headers),
    };
    if is_call { Asked::Call } else { Asked::Nothing }
}

fn is_hook(hook: &Hook, head: &Parts) -> bool {
    let marked = hook.mark.is_none_or(|(name, value)| says(&head.headers, name, |given| given == value));
    marked && hook.path == head.uri.path() && hook.methods.contains(&head.method)
}

/// Whether a platform that says in a header to which of its own paths a request belongs says this one, or nothing. Of several values none may be
/// another one. The root is asked by consoles and health checks, on whatever way: it says nothing, and nothing happens.
fn belongs(profile: &Profile, path: &str, headers: &HeaderMap) -> bool {
    match profile.calls {
        Calls::Path { control: Some(control), .. } if path != "/" && headers.contains_key(control) => {
            says(headers, control, |value| value == path)
        }
        Calls::Path { .. } | Calls::Functions { .. } | Calls::Marked(_) => true,
    }
}

/// Whether a header is there and each of its values is right.
fn says(headers: &HeaderMap, name: &str, right: impl Fn(&str) -> bool) -> bool {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek().is_some() && values.all(|value| value.to_str().is_ok_and(&right))
}

fn is_function(functions: Option<&BTreeSet<String>>, path: &str) -> bool {
    let Some(name) = path.strip_prefix('/') else { return false };
    functions.map_or_else(|| is_name(name), |functions| functions.contains(name))
}

/// Whether a text can be a function's name (Azure/azure-functions-host, `src/WebJobs.Script/Utility.cs`, `FunctionNameValidationRegex`).
fn is_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(rest)
}

fn is_marked(profile: &Profile, marks: &Marks, headers: &HeaderMap) -> bool {
    let (internal, of_its_own) = marks.internal;
    if headers.get_all(internal).iter().any(|value| value == of_its_own) {
        return false;
    }
    // What several events are called is not known: anything, as long as it is no request of somebody else.
    let several = batch(&profile.body, headers).is_some();
    says(headers, marks.kind, |kind| {
        kind == marks.event || (several && !kind.is_empty() && kind != marks.request)
    })
}

/// The version of the form in which a body has several events, if it has.
pub(crate) fn batch<'a>(body: &Body, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    match body {
        Body::CloudEvent { batch } => {
            let given = batch.iter().filter_map(|name| headers.get(*name)).map(AsRef::as_ref);
            // An empty one says no more than none.
            given.into_iter().find(|version: &&[u8]| !version.is_empty())
        }
        Body::Bare | Body::CustomHandler => None,
    }
}

/// The platform's id of what is asked; empty without one. A line of the log may hold it.
pub(crate) fn id(profile: &Profile, headers: &HeaderMap) -> String {
    let Some(id) = profile.request_id.iter().find_map(|name| headers.get(*name)) else {
        return String::new();
    };
    let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' };
    id.as_bytes().iter().take(LONGEST_ID).map(shown).collect()
}

/// How long a call may take.
pub(crate) fn time(environment: &Environment, headers: &HeaderMap) -> Option<Duration> {
    match environment.profile.time {
        Time::Header { name, read } => headers.get(name)?.to_str().ok().and_then(|text| time_of(text, read)),
        Time::Unsaid | Time::Span { .. } | Time::Seconds { .. } => environment.time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_version_is_none_and_of_two_the_runtime_for_go_s_first_one_counts() {
        const OLDER: &str = "x-bytefaas-batch-events-version";
        const NEWER: &str = "x-faas-batch-events-version";
        for (given, want) in [
            (&[][..], None),
            (&[(NEWER, "")], None),
            (&[(NEWER, "1.0")], Some(&b"1.0"[..])),
            (&[(OLDER, ""), (NEWER, "1.0")], Some(b"1.0")),
            (&[(NEWER, "2.0"), (OLDER, "1.0")], Some(b"1.0")),
        ] {
            let header = |(name, value): &(&'static str, &'static str)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            };
            let headers = given.iter().map(header).collect();
            assert_eq!(batch(&crate::VOLCENGINE_FAAS.body, &headers), want, "{given:?}");
        }
    }

    #[test]
    fn what_can_be_a_function() {
        let longest = format!("a{}", "b".repeat(127));
        for name in ["ScanEvent", "a", "a-b_1", &longest] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1a", "_a", "api/x", "a.b", "a%20b", "é", "admin/host/ping", &format!("{longest}b")]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
