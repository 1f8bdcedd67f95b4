//! What has been given, before it is put together: the fields that the rows fill.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::model::event::UnknownEvents;
use crate::model::unit::{ObjectName, StorageClientId, StorageType};
use crate::plain::secret::Secret;
use crate::settings::groups::{
    FileApiSettings, FunctionSettings, HttpSettings, LedgerKeys, Listed, MdssSettings,
};

/// Every field that a row fills, whoever reads the settings.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) configuration: Configuration,
    pub(super) mdss: MdssSettings,
    pub(super) unit: Unit,
    pub(super) unknown_events: UnknownEvents,
    pub(super) seaweedfs_buckets: String,
    pub(super) function: FunctionSettings,
    pub(super) http: HttpSettings,
    /// Where the token of `/events` stands, if not in a variable.
    pub(super) token_file: Option<PathBuf>,
    /// Whether a spool is wanted; `spool` says the rest.
    pub(super) spooled: bool,
    pub(super) spool: Spool,
    pub(super) ledger: Ledger,
    pub(super) log: String,
}

/// What is said of the spool: it is in a directory or in a database.
#[derive(Debug, Default)]
pub(super) struct Spool {
    pub(super) dir: Option<PathBuf>,
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) replicated: bool,
    pub(super) migrate: bool,
    pub(super) limit: u64,
    pub(super) rate: u32,
    pub(super) park_after: Option<Duration>,
}

/// What is said of the ledger.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) on: bool,
    pub(super) dir: Option<PathBuf>,
    pub(super) keys: LedgerKeys,
    pub(super) days: u32,
    pub(super) limit: u64,
}

/// Where the TOML stands: one of the two.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) file: Option<PathBuf>,
    /// It may hold secrets.
    pub(super) text: Option<Secret>,
}

/// The unit that takes every object, where there is no `[[route]]`.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) id: Option<StorageClientId>,
    pub(super) storage_type: Option<StorageType>,
    pub(super) scan_id: Option<String>,
    pub(super) object_name: ObjectName,
}

impl Given {
    /// Nothing yet: the rows fill in what holds without a value, too.
    pub(super) fn blank() -> Self {
        Self {
            configuration: Configuration::default(),
            mdss: MdssSettings::default(),
            unit: Unit::default(),
            unknown_events: UnknownEvents::default(),
            seaweedfs_buckets: String::new(),
            function: FunctionSettings::default(),
            http: HttpSettings {
                listen: SocketAddr::from(([0, 0, 0, 0], 0)),
                admin_listen: None,
                body_limit: 0,
                token: None,
                open: false,
                sources: Vec::new(),
                results: Vec::new(),
                file_api: FileApiSettings::default(),
                trusted_proxies: Listed::default(),
                text_log: false,
                check_every: None,
                spool: None,
            },
            token_file: None,
            spooled: false,
            spool: Spool::default(),
            ledger: Ledger::default(),
            log: String::new(),
        }
    }
}
