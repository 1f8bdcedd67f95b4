//! A storage unit: what an operator registered in MDSS, and in which state its real-time scan is.

use std::fmt;
use std::str::FromStr;

/// One storage unit that exists in the stand-in.
///
/// Its text form, which the command line uses, is `ID=TYPE[:STATE[:SCANID]]`:
///
/// ```
/// use mdss_sim::{StorageType, Unit, UnitState};
///
/// let unit: Unit = "u-1=oracle:polling".parse().unwrap();
/// assert_eq!((unit.storage_type, unit.state), (StorageType::Oracle, UnitState::Polling));
/// // A scan id needs the state before it, so that a misspelt state never becomes a scan id.
/// assert!("u-1=oracle:poling".parse::<Unit>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The storage client id, compared as it is. A UUID in MDSS; any text here.
    pub storage_client_id: String,
    /// How the unit is registered, which decides the shape of `metadata`.
    pub storage_type: StorageType,
    /// The state of its real-time scan.
    pub state: UnitState,
    /// The id every request must carry while a partition scan is active; without one, `scanId` is refused.
    pub scan_id: Option<String>,
}

impl Unit {
    /// A unit in the normal state: event based, without partition scans.
    pub fn new(storage_client_id: impl Into<String>, storage_type: StorageType) -> Self {
        Self {
            storage_client_id: storage_client_id.into(),
            storage_type,
            state: UnitState::EventBased,
            scan_id: None,
        }
    }
}

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, rest) = text
            .split_once('=')
            .filter(|(id, _)| !id.is_empty())
            .ok_or_else(|| format!("{text:?}, expected ID=TYPE[:STATE[:SCANID]]"))?;
        let mut parts = rest.splitn(3, ':');
        let mut unit = Self::new(id, parts.next().unwrap_or_default().parse()?);
        if let Some(state) = parts.next() {
            unit.state = state.parse()?;
        }
        if let Some(scan_id) = parts.next() {
            if scan_id.is_empty() {
                return Err(format!("{text:?} has an empty scan id, expected one, or no colon before it"));
            }
            unit.scan_id = Some(scan_id.to_owned());
        }
        Ok(unit)
    }
}

/// The state of a unit's real-time scan.
///
/// Source: OPSWAT, "Event-Based request format", table "Common error responses".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// Real-time processing runs in event-based mode: objects are accepted.
    EventBased,
    /// Real-time processing is off.
    NotEnabled,
    /// Real-time processing polls.
    Polling,
}

impl UnitState {
    const ALL: [Self; 3] = [Self::EventBased, Self::NotEnabled, Self::Polling];

    /// `event-based`, `not-enabled` or `polling`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventBased => "event-based",
            Self::NotEnabled => "not-enabled",
            Self::Polling => "polling",
        }
    }
}

impl FromStr for UnitState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("unit state", &Self::ALL, Self::name, text)
    }
}

/// How a storage unit is registered in MDSS: the types whose webhook format is published.
///
/// Source: OPSWAT, "Event-Based request format". SharePoint Online supports events, but its format is
/// not published; Box posts a body of its own to another URL. Neither exists here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageType {
    /// Amazon S3.
    AmazonS3,
    /// S3 Compatible.
    S3Compatible,
    /// Alibaba Cloud.
    Alibaba,
    /// OracleSdk.
    Oracle,
    /// Google Cloud.
    Google,
    /// Azure Blob.
    AzureBlob,
    /// SMB Compatible.
    Smb,
    /// NFS.
    Nfs,
    /// SFTP.
    Sftp,
    /// FTP.
    Ftp,
    /// NetApp ONTAP.
    NetappOntap,
}

impl StorageType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::AmazonS3,
        Self::S3Compatible,
        Self::Alibaba,
        Self::Oracle,
        Self::Google,
        Self::AzureBlob,
        Self::Smb,
        Self::Nfs,
        Self::Sftp,
        Self::Ftp,
        Self::NetappOntap,
    ];

    /// The name settings use, such as `s3-compatible`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AmazonS3 => "amazon-s3",
            Self::S3Compatible => "s3-compatible",
            Self::Alibaba => "alibaba",
            Self::Oracle => "oracle",
            Self::Google => "google",
            Self::AzureBlob => "azure-blob",
            Self::Smb => "smb",
            Self::Nfs => "nfs",
            Self::Sftp => "sftp",
            Self::Ftp => "ftp",
            Self::NetappOntap => "netapp-ontap",
        }
    }

    /// MDSS's own number for it, as far as it is published (`OPSWAT/metadefender-k8s`,
    /// `terraform/mdss-tf-config-examples/main.tf`, a list from before OracleSdk).
    pub(crate) fn vendor_number(self) -> Option<u8> {
        match self {
            Self::AmazonS3 => Some(0),
            Self::Smb => Some(5),
            Self::S3Compatible => Some(6),
            Self::AzureBlob => Some(7),
            Self::Alibaba => Some(8),
            Self::Google => Some(9),
            Self::Oracle | Self::Nfs | Self::Sftp | Self::Ftp | Self::NetappOntap => None,
        }
    }

    /// Where the object's key stands in `metadata`, from the outside in.
    pub(crate) fn key_path(self) -> &'static [&'static str] {
        match self {
            Self::AmazonS3 | Self::S3Compatible => &["s3", "object", "key"],
            Self::Alibaba => &["oss", "object", "key"],
            Self::Oracle
            | Self::Google
            | Self::AzureBlob
            | Self::Smb
            | Self::Nfs
            | Self::Sftp
            | Self::Ftp
            | Self::NetappOntap => &["Name"],
        }
    }

    /// Whether `metadata` may hold more than the key. The vendor's own samples for AWS (OPSWAT,
    /// "S3 event-based handling") and Azure (`OPSWAT/metadefender-k8s`,
    /// `terraform/CloudFunctions/Azure/webhook-notification`) send the whole event; for the other
    /// types nothing shows that more is tolerated.
    pub(crate) fn tolerates_more(self) -> bool {
        matches!(self, Self::AmazonS3 | Self::S3Compatible | Self::AzureBlob)
    }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StorageType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("storage type", &Self::ALL, Self::name, text)
    }
}

/// The one of that name, or a sentence with all names.
pub(crate) fn by_name<T: Copy>(
    what: &str,
    all: &[T],
    name: fn(T) -> &'static str,
    text: &str,
) -> Result<T, String> {
    all.iter().copied().find(|&one| name(one) == text).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|&one| name(one)).collect();
        format!("{what} {text:?}, expected one of {}", known.join(", "))
    })
}

/// The units every stand-in has unless it is told otherwise: one of each type, and the odd ones.
pub mod units {
    use super::{StorageType, Unit, UnitState};

    /// Amazon S3. The id is the example of OPSWAT's page "Event-Based request format".
    pub const AMAZON_S3: &str = "0c5454e3-d576-44c5-8ce4-cdc078011d0b";
    /// S3 Compatible.
    pub const S3_COMPATIBLE: &str = "00000000-0000-4000-8000-000000000002";
    /// Alibaba Cloud.
    pub const ALIBABA: &str = "00000000-0000-4000-8000-000000000003";
    /// OracleSdk.
    pub const ORACLE: &str = "00000000-0000-4000-8000-000000000004";
    /// Google Cloud.
    pub const GOOGLE: &str = "00000000-0000-4000-8000-000000000005";
    /// Azure Blob.
    pub const AZURE_BLOB: &str = "00000000-0000-4000-8000-000000000006";
    /// SMB Compatible.
    pub const SMB: &str = "00000000-0000-4000-8000-000000000007";
    /// NFS.
    pub const NFS: &str = "00000000-0000-4000-8000-000000000008";
    /// SFTP.
    pub const SFTP: &str = "00000000-0000-4000-8000-000000000009";
    /// FTP.
    pub const FTP: &str = "00000000-0000-4000-8000-00000000000a";
    /// NetApp ONTAP.
    pub const NETAPP_ONTAP: &str = "00000000-0000-4000-8000-00000000000b";
    /// OracleSdk, real-time processing off.
    pub const NOT_ENABLED: &str = "00000000-0000-4000-8000-0000000000e1";
    /// OracleSdk, polling.
    pub const POLLING: &str = "00000000-0000-4000-8000-0000000000e2";
    /// OracleSdk with a partition scan: wants [`SCAN_ID`].
    pub const PARTITIONED: &str = "00000000-0000-4000-8000-0000000000e3";
    /// The scan id [`PARTITIONED`] wants.
    pub const SCAN_ID: &str = "01987f90-870a-7826-9115-18d96a1a4ae0";

    /// All of them.
    pub fn all() -> Vec<Unit> {
        let odd = |id| Unit::new(id, StorageType::Oracle);
        vec![
            Unit::new(AMAZON_S3, StorageType::AmazonS3),
            Unit::new(S3_COMPATIBLE, StorageType::S3Compatible),
            Unit::new(ALIBABA, StorageType::Alibaba),
            Unit::new(ORACLE, StorageType::Oracle),
            Unit::new(GOOGLE, StorageType::Google),
            Unit::new(AZURE_BLOB, StorageType::AzureBlob),
            Unit::new(SMB, StorageType::Smb),
            Unit::new(NFS, StorageType::Nfs),
            Unit::new(SFTP, StorageType::Sftp),
            Unit::new(FTP, StorageType::Ftp),
            Unit::new(NETAPP_ONTAP, StorageType::NetappOntap),
            Unit { state: UnitState::NotEnabled, ..odd(NOT_ENABLED) },
            Unit { state: UnitState::Polling, ..odd(POLLING) },
            Unit { scan_id: Some(SCAN_ID.into()), ..odd(PARTITIONED) },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms() {
        let plain = Unit::new("u", StorageType::NetappOntap);
        let rows = [
            ("u=netapp-ontap", Ok(plain.clone())),
            ("u=netapp-ontap:event-based", Ok(plain.clone())),
            ("u=netapp-ontap:not-enabled", Ok(Unit { state: UnitState::NotEnabled, ..plain.clone() })),
            ("u=netapp-ontap:event-based:s:1", Ok(Unit { scan_id: Some("s:1".into()), ..plain })),
            ("u", Err("\"u\", expected ID=TYPE[:STATE[:SCANID]]")),
            ("=oracle", Err("\"=oracle\", expected ID=TYPE[:STATE[:SCANID]]")),
            ("u=oracle:on", Err("unit state \"on\", expected one of event-based, not-enabled, polling")),
            (
                "u=oracle:polling:",
                Err("\"u=oracle:polling:\" has an empty scan id, expected one, or no colon before it"),
            ),
        ];
        for (text, want) in rows {
            assert_eq!(text.parse::<Unit>(), want.map_err(str::to_owned), "{text}");
        }
        let unknown = "u=s3".parse::<Unit>().unwrap_err();
        assert!(
            unknown.starts_with("storage type \"s3\", expected one of amazon-s3, s3-compatible"),
            "{unknown}"
        );
    }
}
