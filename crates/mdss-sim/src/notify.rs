//! What the stand-in tells about the files that it "has scanned", to whom, when, and with what in it.
//!
//! Sources: OPSWAT, "File scanned notifications",
//! <https://www.opswat.com/docs/mdss/4.5.0/configuration/file-scanned-notifications> (read 2026-11): destination address, POST or PUT,
//! free headers, all files or blocked ones only, and the members of the body. Not documented, and therefore switches here: how late
//! a notification comes, in which order, what `FilePath` is relative to, whether `FileId` is the `correlationId`.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};

use crate::unit::by_name;

/// Where notifications go and what they are like.
///
/// ```
/// use mdss_sim::{Config, Notify};
///
/// let notify = Notify::to("http://127.0.0.1:8080/results".parse().unwrap());
/// let config = Config { notify: Some(notify), ..Config::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Notify {
    /// The destination: `http://HOST:PORT/PATH`. The stand-in speaks no TLS to it.
    pub url: Uri,
    /// POST (the default) or PUT.
    pub method: NotifyMethod,
    /// Headers to send, as an operator may write any in MDSS. Never shown by `Debug`, which may be the reader's token.
    pub headers: NotifyHeaders,
    /// How long a scan takes: from the acceptance to `ScanCompletedTimeStamp`. Default not at all.
    pub scan: Duration,
    /// How long after the end of the scan the notification leaves. Default at once.
    pub delay: Duration,
    /// How often each notification is sent: 0 is never, 2 is twice. Default 1.
    pub times: u32,
    /// Holds back so many notifications, then sends them in the opposite order: the last one first. Default 1, which is the
    /// order of the scans.
    pub reversed: NonZeroUsize,
    /// What `FilePath` looks like, by unit: the first that fits. Default [`PathForm::Key`].
    pub paths: Vec<UnitPath>,
    /// What is found, by the end of the key: the first that fits. Default [`Finding::Allowed`].
    pub findings: Vec<Found>,
    /// Tells only of blocked files. Default off.
    pub blocked_only: bool,
    /// What `FileId` is. Default [`FileIdForm::Own`].
    pub file_id: FileIdForm,
}

impl Notify {
    /// One notification for each object, at once, by POST.
    pub fn to(url: Uri) -> Self {
        Self {
            url,
            method: NotifyMethod::Post,
            headers: NotifyHeaders::default(),
            scan: Duration::ZERO,
            delay: Duration::ZERO,
            times: 1,
            reversed: NonZeroUsize::MIN,
            paths: Vec::new(),
            findings: Vec::new(),
            blocked_only: false,
            file_id: FileIdForm::Own,
        }
    }

    pub(crate) fn mistake(&self) -> Option<String> {
        let plain = self.url.scheme_str() == Some("http") && self.url.host().is_some();
        (!plain).then(|| {
            "notify is not an address of plain HTTP, expected one such as http://127.0.0.1:8080/results"
                .into()
        })
    }

    pub(crate) fn path_of(&self, unit: &str, key: &str) -> String {
        let fits = |path: &&UnitPath| path.unit.as_deref().is_none_or(|only| only == unit);
        self.paths.iter().find(fits).map_or(&PathForm::Key, |path| &path.form).of(key)
    }

    pub(crate) fn finding_of(&self, key: &str) -> Finding {
        let fits = |found: &&Found| key.ends_with(&found.suffix);
        self.findings.iter().find(fits).map_or(Finding::Allowed, |found| found.finding)
    }
}

/// How a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyMethod {
    /// POST.
    Post,
    /// PUT.
    Put,
}

impl NotifyMethod {
    /// `post` or `put`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Put => "put",
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
        }
    }
}

impl FromStr for NotifyMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("notify method", &[Self::Post, Self::Put], |one| one.name(), text)
    }
}

/// Headers that cannot be printed.
#[derive(Clone, Default)]
pub struct NotifyHeaders(pub Vec<NotifyHeader>);

impl fmt::Debug for NotifyHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} redacted]", self.0.len())
    }
}

/// One header, `Name: value` as text.
#[derive(Clone)]
pub struct NotifyHeader(pub HeaderName, pub HeaderValue);

impl fmt::Debug for NotifyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [redacted]", self.0)
    }
}

impl FromStr for NotifyHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(name, value)| {
            Some(Self(name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        parsed.ok_or_else(|| "expected \"Name: value\"".to_owned())
    }
}

/// How `FilePath` is written for the objects of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPath {
    /// The storage client id; none: every unit.
    pub unit: Option<String>,
    /// The form.
    pub form: PathForm,
}

impl FromStr for UnitPath {
    type Err = String;

    /// `FORM`, or `UNIT=FORM`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((unit, form)) => Ok(Self { unit: Some(unit.to_owned()), form: form.parse()? }),
            None => Ok(Self { unit: None, form: text.parse()? }),
        }
    }
}

/// What `FilePath` is relative to. The documents say "relative path" and give `folder/file.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathForm {
    /// The key as it was submitted.
    Key,
    /// The key behind a slash.
    Slash,
    /// The key without the folder in which the unit begins: `inbox/` makes `a.txt` of `inbox/a.txt`.
    Below(String),
    /// The container (bucket, share) and a slash before the key.
    In(String),
}

impl PathForm {
    fn of(&self, key: &str) -> String {
        match self {
            Self::Key => key.to_owned(),
            Self::Slash => format!("/{key}"),
            Self::Below(folder) => key.strip_prefix(folder.as_str()).unwrap_or(key).to_owned(),
            Self::In(container) => format!("{container}/{key}"),
        }
    }
}

impl FromStr for PathForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "key" => Ok(Self::Key),
            None if text == "slash" => Ok(Self::Slash),
            Some(("below", folder)) if !folder.is_empty() => Ok(Self::Below(folder.to_owned())),
            Some(("in", container)) if !container.is_empty() => Ok(Self::In(container.to_owned())),
            _ => Err(format!("path form {text:?}, expected key, slash, below:FOLDER/ or in:CONTAINER")),
        }
    }
}

/// What is found in the objects whose keys end in something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The end of the key; empty fits every key.
    pub suffix: String,
    /// What is found in it.
    pub finding: Finding,
}

impl FromStr for Found {
    type Err = String;

    /// `SUFFIX=FINDING`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (suffix, finding) = text
            .rsplit_once('=')
            .ok_or_else(|| format!("{text:?}, expected SUFFIX=FINDING, such as .exe=blocked"))?;
        Ok(Self { suffix: suffix.to_owned(), finding: finding.parse()? })
    }
}

/// What a scan ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// `Allowed`, `Available`.
    Allowed,
    /// `Blocked`, `Available`.
    Blocked,
    /// The scan failed: `FileState` is `Failed`.
    Failed,
    /// It was canceled.
    Canceled,
    /// It was judged, and what should have been done about it was not.
    FailedRemediation,
    /// There is no scan and no notification, although the object was accepted.
    Never,
}

impl Finding {
    const ALL: [Self; 6] =
        [Self::Allowed, Self::Blocked, Self::Failed, Self::Canceled, Self::FailedRemediation, Self::Never];

    /// `allowed`, `blocked`, `failed`, `canceled`, `failed-remediation` or `never`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::FailedRemediation => "failed-remediation",
            Self::Never => "never",
        }
    }

    /// `FileStatus`; what it is of a scan that failed is not documented, so it is left empty.
    pub(crate) fn file_status(self) -> &'static str {
        match self {
            Self::Allowed => "Allowed",
            Self::Blocked | Self::FailedRemediation => "Blocked",
            Self::Failed | Self::Canceled | Self::Never => "",
        }
    }

    /// `FileState`.
    pub(crate) fn file_state(self) -> &'static str {
        match self {
            Self::Allowed | Self::Blocked => "Available",
            Self::Failed | Self::Never => "Failed",
            Self::Canceled => "Canceled",
            Self::FailedRemediation => "FailedRemediation",
        }
    }

    /// `CoreScanResult`.
    pub(crate) fn core_scan_result(self) -> &'static str {
        match self {
            Self::Allowed => "No Threat Detected",
            Self::Blocked | Self::FailedRemediation => "Infected",
            Self::Failed | Self::Canceled | Self::Never => "",
        }
    }
}

impl FromStr for Finding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("finding", &Self::ALL, |one| one.name(), text)
    }
}

/// What `FileId` is. Its example is a UUID, that of `correlationId` has 24 hex digits; whether the two are ever equal is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileIdForm {
    /// A UUID of the file's own.
    Own,
    /// The `correlationId` of the submission.
    Correlation,
}

impl FileIdForm {
    /// `own` or `correlation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Correlation => "correlation",
        }
    }
}

impl FromStr for FileIdForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name("file id", &[Self::Own, Self::Correlation], |one| one.name(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_forms_by_unit() {
        let mut notify = Notify::to("http://127.0.0.1:1/r".parse().unwrap());
        assert_eq!(notify.path_of("u", "in/a"), "in/a");
        notify.paths = ["u=below:in/", "v=in:bucket", "slash"].map(|text| text.parse().unwrap()).to_vec();
        for (unit, want) in [("u", "a"), ("v", "bucket/in/a"), ("w", "/in/a")] {
            assert_eq!(notify.path_of(unit, "in/a"), want);
        }
        for text in ["", "below:", "in", "u=keys"] {
            let mistake = text.parse::<UnitPath>().unwrap_err();
            assert!(mistake.contains("expected key, slash, below:FOLDER/ or in:CONTAINER"), "{mistake}");
        }
    }

    #[test]
    fn findings_by_the_end_of_the_key() {
        let mut notify = Notify::to("http://127.0.0.1:1/r".parse().unwrap());
        notify.findings = [".exe=blocked", "a=b=never", "=failed"].map(|text| text.parse().unwrap()).to_vec();
        for (key, want) in [("x.exe", Finding::Blocked), ("a=b", Finding::Never), ("c", Finding::Failed)] {
            assert_eq!(notify.finding_of(key), want, "{key}");
        }
        assert!(".exe".parse::<Found>().is_err());
        assert!(".exe=infected".parse::<Found>().unwrap_err().contains("failed-remediation"));
    }

    #[test]
    fn headers_are_never_printed() {
        let header: NotifyHeader = "Authorization: Bearer secret".parse().unwrap();
        let notify = Notify {
            headers: NotifyHeaders(vec![header.clone()]),
            ..Notify::to("http://127.0.0.1:1/r".parse().unwrap())
        };
        assert!(!format!("{notify:?}{header:?}").contains("secret"));
        assert!("no colon".parse::<NotifyHeader>().is_err());
        assert!(Notify::to("https://mdss/r".parse().unwrap()).mistake().is_some());
        assert!(Notify::to("/r".parse().unwrap()).mistake().is_some());
        assert_eq!(notify.mistake(), None);
    }
}
