//! Requests at the gate: nobody is let in without the credential, whatever else the request holds.

use std::sync::LazyLock;

use jiff::Timestamp;
use mdss_relay_gate::{Head, Keys, Policy, Request, Verdict};

use crate::head;

/// Whether a request holds what a policy asks for, judged without the gate's own code.
///
/// It may say yes too often (the token stands in the wrong header), never no to a request that is rightly let in. For a signature:
/// the request is one of those that were signed, because nobody makes up another.
pub type Proof = fn(&Request<'_>) -> bool;

/// The `auth` texts that are tried, each with its proof.
pub const POLICIES: &[(&str, Proof)] = &[
    ("none", |_| true),
    ("{ bearer = { token = 'b34rer-t0ken' } }", |request| in_header(request, b"b34rer-t0ken")),
    ("{ bearer = { token_file = '/two-words' } }", |request| in_header(request, b"Token two-w0rds")),
    ("{ basic = { user = 'user', password = 'pa:ss w0rd' } }", |request| {
        // base64 of "user:pa:ss w0rd".
        in_header(request, b"dXNlcjpwYTpzcyB3MHJk")
    }),
    ("{ path_secret = { secret = 'path-s3cret-0123' } }", |request| in_path(request, b"path-s3cret-0123")),
    ("{ path_secret = { secret = 'path-s3cret-0123' }, bearer = { token = 'b34rer-t0ken' } }", |request| {
        in_path(request, b"path-s3cret-0123") && in_header(request, b"b34rer-t0ken")
    }),
];

/// The files that the texts above name.
fn file(path: &str) -> Result<String, String> {
    match path {
        "/two-words" => Ok("Token two-w0rds\n".into()),
        _ => Err("no such file".into()),
    }
}

static PARSED: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let parse = |(text, _): &(&str, Proof)| {
        Policy::parse_text(text, "auth", &mut file).expect("the texts above are good")
    };
    POLICIES.iter().map(parse).collect()
});

/// Which of [`POLICIES`] let a request in, by their place in the list.
pub type Admitted = Vec<usize>;

/// Sends a request past every policy.
///
/// The first line is the method, the path, what comes behind the source's path, and the client's address, with single
/// spaces between them, the last three optional; headers follow up to an empty line, then the body. The body is also read as an
/// `auth` text, and kept as the key if a check asks for one.
pub fn gate(bytes: &[u8]) -> Admitted {
    let Some(parts) = head::split(bytes) else { return Vec::new() };
    let mut words = parts.first.split(' ');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let (method, path, path_rest) = (word().unwrap_or("POST"), word().unwrap_or("/"), word());
    let client = word().and_then(|address| address.parse().ok());
    let head = Head { method, path, path_rest, headers: &parts.headers, client };
    let request = Request { head, body: parts.body };

    let mut admitted = Vec::new();
    for (index, (policy, (text, proof))) in PARSED.iter().zip(POLICIES).enumerate() {
        if passes(policy, &request) {
            assert!(proof(&request), "let in by {text} without the credential: {request:?}");
            admitted.push(index);
        }
    }

    if let Ok(text) = str::from_utf8(parts.body) {
        match Policy::parse_text(text, "auth", &mut file) {
            // TOML can write a letter as an escape.
            Ok(policy) => {
                let written = text.contains("none") || text.contains('\\');
                assert!(!policy.is_none() || written, "opened to everybody by {text:?}");
            }
            Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a reason: {text:?}"),
        }
    }
    admitted
}

/// Both halves of the gate, with one fetch in between for a check that needs a key.
fn passes(policy: &Policy, request: &Request<'_>) -> bool {
    let now: Timestamp = Timestamp::from_second(1_772_612_142).expect("2026 is in range");
    let mut keys = Keys::new();
    if !matches!(policy.check_head(&request.head), Verdict::Admitted(_)) {
        return false;
    }
    match policy.check_body(request, now, &keys) {
        Verdict::Admitted(_) => true,
        Verdict::Refused(_) | Verdict::Unavailable(_) => false,
        Verdict::NeedKey(url) => {
            // Whether it is a key, and whose, is what the checks have to find out.
            let _ = keys.store(&url, request.body, now);
            matches!(policy.check_body(request, now, &keys), Verdict::Admitted(_))
        }
    }
}

fn in_header(request: &Request<'_>, secret: &[u8]) -> bool {
    request.head.headers.iter().any(|(_, value)| holds(value, secret))
}

fn in_path(request: &Request<'_>, secret: &[u8]) -> bool {
    request.head.path_rest.is_some_and(|rest| holds(rest.as_bytes(), secret))
}

fn holds(text: &[u8], secret: &[u8]) -> bool {
    text.windows(secret.len()).any(|part| part == secret)
}
