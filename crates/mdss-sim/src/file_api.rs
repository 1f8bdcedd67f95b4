//! The file API, as far as it is documented: which filters there are.
//!
//! Source: OPSWAT, "Advanced File API Filtering and Sorting",
//! <https://www.opswat.com/docs/mdss/4.5.0/knowledge-base/advanced-file-api-filtering-and-sorting> (read 2026-11). It gives the names of the
//! query parameters and their numbers. **Of the stand-in's own making**: the path, paging by `startIndex` and `count` (the names that
//! `GET /api/audit/{startIndex}/{count}` has), that `search` is a part of `filePath`, that the dates limit the end of the scan, that
//! `storageId` is the storage client id, and every member of the answer.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use http::StatusCode;

use crate::notifier::Scan;
use crate::notify::Finding;
use crate::reply::Reply;
use crate::shared::Shared;

/// As many files as one answer has at most.
const PAGE: usize = 100;

/// `scanType`: 2 is real-time. The stand-in makes no other scans.
const REAL_TIME: u8 = 2;

/// The files that the query asks for, the oldest scan first.
pub(crate) fn answer(shared: &Shared, query: &str) -> Reply {
    let filter = match Filter::read(query) {
        Ok(filter) => filter,
        Err(sentence) => return Reply::message(StatusCode::BAD_REQUEST, &sentence),
    };
    let now = Timestamp::now();
    let notify = shared.config.notify.as_ref();
    let path =
        |scan: &Scan| notify.map_or_else(|| scan.key.clone(), |all| all.path_of(&scan.unit, &scan.key));
    let scans = shared.scans();
    let fitting: Vec<_> = scans.done.iter().filter(|scan| filter.takes(scan, &path(scan), now)).collect();
    let entries: Vec<_> = fitting.iter().skip(filter.start).take(filter.count).map(|scan| {
        let done = scan.completed <= now;
        json!({
            "fileId": scan.file_id,
            "fileName": scan.key.rsplit('/').next(),
            "filePath": path(scan),
            "storageId": scan.unit,
            "scanType": REAL_TIME,
            "processingState": processing_state(scan, now),
            "result": result(scan, now),
            "scanCompletedTimestamp": if done { json!(format!("{:.6}", scan.completed)) } else { Value::Null },
        })
    }).collect();
    Reply::json(StatusCode::OK, &json!({ "totalCount": fitting.len(), "entries": entries }))
}

/// Documented numbers: 0 in progress, 1 failed, 2 canceled, 3 available.
fn processing_state(scan: &Scan, now: Timestamp) -> u8 {
    match scan.finding {
        _ if scan.completed > now => 0,
        Finding::Failed | Finding::Never => 1,
        Finding::Canceled => 2,
        Finding::Allowed | Finding::Blocked | Finding::FailedRemediation => 3,
    }
}

/// Documented numbers: 0 allowed, 1 blocked, 2 processing. What a failed scan has is not said; here it has none.
fn result(scan: &Scan, now: Timestamp) -> Option<u8> {
    match scan.finding {
        _ if scan.completed > now => Some(2),
        Finding::Allowed => Some(0),
        Finding::Blocked | Finding::FailedRemediation => Some(1),
        Finding::Failed | Finding::Canceled | Finding::Never => None,
    }
}

struct Filter {
    storages: Vec<String>,
    search: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    scan_types: Vec<u8>,
    states: Vec<u8>,
    results: Vec<u8>,
    start: usize,
    count: usize,
}

impl Filter {
    fn read(query: &str) -> Result<Self, String> {
        let mut filter = Self {
            storages: Vec::new(),
            search: None,
            from: None,
            to: None,
            scan_types: Vec::new(),
            states: Vec::new(),
            results: Vec::new(),
            start: 0,
            count: PAGE,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let wrong = |_| format!("query parameter {name} is {value:?}, which it cannot be");
            let list =
                || value.split(',').map(|one| one.parse().map_err(wrong)).collect::<Result<Vec<u8>, _>>();
            match &*name {
                "storageId" => filter.storages = value.split(',').map(str::to_owned).collect(),
                "search" => filter.search = Some(value.into_owned()),
                "startDate" => filter.from = Some(value.parse().map_err(|_| format!("startDate {value:?}"))?),
                "endDate" => filter.to = Some(value.parse().map_err(|_| format!("endDate {value:?}"))?),
                "scanType" => filter.scan_types = list()?,
                "processingState" => filter.states = list()?,
                "result" => filter.results = list()?,
                "startIndex" => filter.start = value.parse().map_err(wrong)?,
                "count" => filter.count = value.parse::<usize>().map_err(wrong)?.min(PAGE),
                "sortBy" | "sortDirection" => {}
                _ => return Err(format!("query parameter {name:?} is not known")),
            }
        }
        Ok(filter)
    }

    fn takes(&self, scan: &Scan, path: &str, now: Timestamp) -> bool {
        let any = |list: &[u8], value: Option<u8>| {
            list.is_empty() || value.is_some_and(|value| list.contains(&value))
        };
        (self.storages.is_empty() || self.storages.contains(&scan.unit))
            && self.search.as_deref().is_none_or(|part| path.contains(part))
            && self.from.is_none_or(|from| scan.completed >= from)
            && self.to.is_none_or(|to| scan.completed <= to)
            && any(&self.scan_types, Some(REAL_TIME))
            && any(&self.states, Some(processing_state(scan, now)))
            && any(&self.results, result(scan, now))
            && scan.accepted <= now
    }
}
