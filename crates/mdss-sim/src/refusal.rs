//! The errors MDSS documents for this webhook, word by word.
//! Source: OPSWAT, "Event-Based request format" and (third row) "Event-Based Real-Time handling for Azure",
//! <https://www.opswat.com/docs/mdss/configuration/event-based-real-time-handling-for-azure>, table
//! "Common error responses".

use serde::Deserialize;

/// Why MDSS does not take an object it could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The storage client id does not exist.
    StorageNotFound,
    /// Real-time processing is off.
    NotEnabled,
    /// Real-time processing polls.
    NotEventBased,
    /// `scanId` is missing, unknown, or sent although no partition scan is active. Not a documented error:
    /// the page says `scanId` is required then, and nothing about what happens without it.
    ScanNotFound,
}

impl Refusal {
    /// The machine-readable `responseKey`. Only that of [`Refusal::NotEnabled`] is published; the others
    /// are invented in its style, so nothing should compare with them.
    pub fn response_key(self) -> &'static str {
        match self {
            Self::StorageNotFound => "REST_API_MSG_FAILED_STORAGE_NOT_FOUND", // invented
            Self::NotEnabled => "REST_API_MSG_FAILED_STORAGE_RTP_NOT_ENABLED", // published
            Self::NotEventBased => "REST_API_MSG_FAILED_STORAGE_RTP_NOT_EVENT_BASED", // invented
            Self::ScanNotFound => "REST_API_MSG_FAILED_SCAN_NOT_FOUND",       // invented
        }
    }

    /// The human-readable `responseMessage`, with its full stop or without, as published; the last one is
    /// invented.
    pub fn response_message(self) -> &'static str {
        match self {
            Self::StorageNotFound => "The storage could not be found",
            Self::NotEnabled => "Real-Time Process is not enabled.",
            Self::NotEventBased => "Real-Time Process is enabled, but it is not set to Event Based.",
            Self::ScanNotFound => "The scan could not be found", // invented
        }
    }
}
