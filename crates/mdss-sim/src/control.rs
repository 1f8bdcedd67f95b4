//! The endpoints below `/_sim/`: what the library's methods do, for another process.

use http::{Method, StatusCode};
use serde_json::json;

use crate::reply::Reply;
use crate::shared::Shared;
use crate::step::Batch;

/// Whether a path belongs to the stand-in itself. MDSS has none like it.
pub(crate) fn owns(path: &str) -> bool {
    path.starts_with("/_sim/")
}

pub(crate) fn answer(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Reply {
    match (method.as_str(), path) {
        ("GET", "/_sim/accepted") => Reply::json(StatusCode::OK, &shared.recorder().accepted()),
        ("GET", "/_sim/notified") => Reply::json(StatusCode::OK, &shared.scans().notified),
        ("GET", "/_sim/requests") => Reply::json(StatusCode::OK, &shared.recorder().requests()),
        ("DELETE", "/_sim/requests") => {
            shared.recorder().forget();
            Reply::empty(StatusCode::NO_CONTENT)
        }
        ("POST", "/_sim/script") => match String::from_utf8_lossy(body).parse::<Batch>() {
            Ok(batch) => {
                let mut script = shared.script();
                script.push(batch);
                Reply::json(StatusCode::OK, &json!({ "queued": script.len() }))
            }
            Err(mistake) => Reply::message(StatusCode::BAD_REQUEST, &mistake),
        },
        ("DELETE", "/_sim/script") => {
            *shared.script() = Default::default();
            Reply::empty(StatusCode::NO_CONTENT)
        }
        _ => Reply::message(
            StatusCode::NOT_FOUND,
            "expected GET /_sim/accepted or /_sim/notified, GET or DELETE /_sim/requests, POST or DELETE /_sim/script",
        ),
    }
}
