//! One request: read, recorded, then answered by the script, or else by the contract.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

use crate::config::{Config, Date, StorageList};
use crate::control;
use crate::ending::{Ending, Visit};
use crate::file_api;
use crate::judge::{Glimpse, Object, Objection, Rules, judge, knows_bearer, knows_key};
use crate::notifier;
use crate::recorder::Recorded;
use crate::reply::Reply;
use crate::shared::Shared;
use crate::step::Step;

/// nginx's default `client_max_body_size`, which the proxy before MDSS leaves as it is
/// (`OPSWAT/metadefender-k8s`, `config-template.yml`).
const BODY_LIMIT: usize = 1024 * 1024;

/// A clock is at most so wrong: ten years.
const FAR: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// Answers one request, or says how its connection ends.
pub(crate) async fn attend(
    shared: &Arc<Shared>,
    visit: Visit,
    request: Request<Incoming>,
) -> Result<Reply, Ending> {
    let reply = answer(shared, visit, request).await?;
    Ok(match shared.config.date {
        // A date that is there already is not replaced, and a script may send its own.
        Date::Off(by) if !reply.headers.contains_key(header::DATE) => {
            let by = by.clamp(-FAR, FAR);
            reply.with(header::DATE, http_date((Timestamp::now() + by).into()))
        }
        // hyper writes one, or has been told to write none.
        Date::Off(_) | Date::Now | Date::Absent => reply,
    })
}

async fn answer(shared: &Arc<Shared>, visit: Visit, request: Request<Incoming>) -> Result<Reply, Ending> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let body = match read(body).await {
        Ok(body) => Some(body),
        // A client that left in the middle of its body has not made a request.
        Err(Unread::Gone) => return Err(Ending::reset()),
        Err(Unread::TooLarge) => None,
    };
    if control::owns(path) {
        return body.map_or_else(too_large, |body| Ok(control::answer(shared, &head.method, path, &body)));
    }
    let sent = body.as_deref().unwrap_or_default();
    let glimpse = Glimpse::of(sent);
    let authorized = knows_key(&head.headers, &shared.config.api_key);
    let number = shared.recorder().record(Recorded {
        time: SystemTime::now(),
        connection: visit.connection,
        remote_port: visit.peer.port(),
        method: head.method.to_string(),
        path: path.to_owned(),
        authorized,
        storage_client_id: glimpse.storage_client_id,
        key: glimpse.key.clone(),
        scan_id: glimpse.scan_id,
        // A copy: hyper's bytes would keep its whole read buffer alive for as long as the record.
        body: Bytes::copy_from_slice(sent),
        status: None,
    });

    let rules = Rules {
        units: &shared.config.units,
        any_unit: shared.config.any_unit,
        key_check: shared.config.key_check,
    };
    let outcome = if body.is_none() {
        too_large()
    } else if path != shared.config.webhook_path() || head.method != Method::POST {
        Ok(elsewhere(shared, &head.method, &head.uri, &head.headers))
    } else if !shared.within_rate(visit.peer.ip()) {
        Ok(Reply::unavailable())
    } else {
        if let Some(turn) = shared.turn() {
            tokio::time::sleep_until(turn.into()).await;
        }
        let step = shared.script().next(glimpse.key.as_deref());
        let decide = || decide(shared, judge(rules, authorized, &head.headers, sent));
        perform(step, decide).await
    };
    let status = match &outcome {
        Ok(reply) => Some(reply.status),
        Err(ending) => ending.status,
    };
    shared.recorder().answered(number, status);
    outcome
}

/// Does what the step says; `decide` is the contract's own answer, with its consequences.
async fn perform(step: Option<Step>, decide: impl FnOnce() -> Reply) -> Result<Reply, Ending> {
    // An id that was never given out, for answers that do not arrive whole.
    let torn = || Reply::accepted(StatusCode::OK, "000000000000000000000000");
    match step {
        // A slow handshake has happened before a request can be read.
        None | Some(Step::Accept | Step::SlowHandshake { .. }) => Ok(decide()),
        Some(Step::Answer { status, headers, body }) => Ok(Reply { status, headers, body }),
        Some(Step::RetryAfter { status, seconds }) => {
            Ok(Reply::message(status, "slow down").with(header::RETRY_AFTER, seconds.into()))
        }
        Some(Step::RetryAfterDate { status, seconds }) => {
            let date = http_date(SystemTime::now() + Duration::from_secs(seconds.into()));
            Ok(Reply::message(status, "slow down").with(header::RETRY_AFTER, date))
        }
        Some(Step::Unavailable) => Ok(Reply::unavailable()),
        Some(Step::WebPage) => Ok(Reply::web_page()),
        Some(Step::OkButRefused(refusal)) => Ok(Reply::refused(StatusCode::OK, refusal)),
        Some(Step::EmptyObject) => Ok(Reply::json(StatusCode::OK, &serde_json::json!({}))),
        Some(Step::EmptyBody) => Ok(Reply::empty(StatusCode::OK)),
        Some(Step::HalfBody) => Err(Ending::close_after(&torn(), torn().body.len() / 2)),
        Some(Step::Redirect { status, location }) => {
            Ok(Reply::empty(status).with(header::LOCATION, location))
        }
        // hyper notices when the client leaves and drops this future.
        Some(Step::Hang) => std::future::pending().await,
        Some(Step::Reset) => Err(Ending::reset()),
        Some(Step::ResetAfterHeaders) => Err(Ending::reset_after(&torn(), 0)),
        Some(Step::ResetAfterHalfBody) => Err(Ending::reset_after(&torn(), torn().body.len() / 2)),
        Some(Step::Delay { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(decide())
        }
        Some(Step::AcceptAndDrop) => {
            decide();
            Err(Ending::reset())
        }
    }
}

/// The contract's answer. From here on an accepted object counts.
fn decide(shared: &Arc<Shared>, verdict: Result<Object, Objection>) -> Reply {
    let statuses = &shared.config.statuses;
    match verdict {
        Ok(object) => {
            let id = shared.ids.next(SystemTime::now());
            match shared.accept(object.storage_client_id.clone(), object.key.clone(), &id) {
                Ok(()) => {
                    notifier::scanned(shared, &object.storage_client_id, &object.key, &id);
                    Reply::accepted(statuses.accepted, &id)
                }
                Err(_) => Reply::unavailable(),
            }
        }
        Err(Objection::Unauthorized) => Reply::message(statuses.unauthorized, "Unauthorized"),
        Err(Objection::Malformed(sentence)) => Reply::message(statuses.malformed, &sentence),
        Err(Objection::Refused(refusal)) => Reply::refused(statuses.refused, refusal),
    }
}

/// What the rest of MDSS answers: the web interface to a GET of anything, as a forwarder with a wrong URL
/// finds it; below `/api` the REST API, which knows two other paths here.
fn elsewhere(shared: &Shared, method: &Method, uri: &Uri, headers: &HeaderMap) -> Reply {
    let (config, path) = (&shared.config, uri.path());
    // Its framework compares paths without regard to case (ASP.NET Core, "Routing").
    if method == Method::GET && path.eq_ignore_ascii_case(&config.storages_path()) {
        return storages(config, headers);
    }
    if config.file_api && method == Method::GET && path.eq_ignore_ascii_case(&config.files_path()) {
        return if knows_key(headers, &config.api_key) {
            file_api::answer(shared, uri.query().unwrap_or_default())
        } else {
            Reply::message(config.statuses.unauthorized, "Unauthorized")
        };
    }
    let below = path.strip_prefix(&config.prefix);
    let in_api = below.is_some_and(|below| below == "/api" || below.starts_with("/api/"));
    if method == Method::GET || method == Method::HEAD {
        Reply::web_page()
    } else if in_api && path != config.webhook_path() {
        Reply::message(StatusCode::NOT_FOUND, "Not Found")
    } else {
        Reply::not_allowed()
    }
}

/// The list of storage units, for those who may have it.
fn storages(config: &Config, headers: &HeaderMap) -> Reply {
    let by_key = knows_key(headers, &config.api_key);
    let by_bearer = knows_bearer(headers, &config.api_key);
    let allowed = match config.storage_list {
        StorageList::KeyOrBearer => by_key || by_bearer,
        StorageList::Key => by_key,
        StorageList::Bearer => by_bearer,
        StorageList::Forbidden if by_key || by_bearer => {
            return Reply::message(StatusCode::FORBIDDEN, "Forbidden");
        }
        StorageList::Forbidden => false,
        StorageList::WebPage => return Reply::web_page(),
    };
    if allowed {
        Reply::storages(&config.units)
    } else {
        Reply::message(config.statuses.unauthorized, "Unauthorized")
    }
}

/// nginx closes the connection after this one (`ngx_http_special_response_handler` in
/// `src/http/ngx_http_special_response.c`).
fn too_large() -> Result<Reply, Ending> {
    let reply = Reply::too_large().with(header::CONNECTION, HeaderValue::from_static("close"));
    Err(Ending::close_after(&reply, reply.body.len()))
}

enum Unread {
    TooLarge,
    Gone,
}

/// Reads the body up to the limit. One that announces more is not read at all.
async fn read(body: Incoming) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return Err(Unread::TooLarge);
    }
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Err(_) => Err(Unread::Gone),
    }
}

/// `Retry-After` as a date has the form of RFC 9110, section 5.6.7.
fn http_date(time: SystemTime) -> HeaderValue {
    Timestamp::try_from(time)
        .and_then(|time| DateTimePrinter::new().timestamp_to_rfc9110_string(&time))
        .ok()
        .and_then(|date| HeaderValue::try_from(date).ok())
        .expect("136 years from now, the most a step can ask for, is a date")
}
