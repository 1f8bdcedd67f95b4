//! MDSS's word about one file that it has scanned, as it is posted.
//!
//! Source: OPSWAT, "File scanned notifications", <https://www.opswat.com/docs/mdss/4.5.0/configuration/file-scanned-notifications> (read 2026-11): one JSON object
//! with `FileId`, `FileName`, `FilePath`, `FileStatus` (`Allowed`, `Blocked`), `CoreScanResult`, `FileState` (`Failed`, `Canceled`, `FailedRemediation`, `Available`, …),
//! `RemediationResult`, `ScanCompletedTimeStamp`, `WorkflowName`, `Rules`, `ExceptionDetails`, `RemediationErrors`, `WebhookNotificationType`. It names no
//! storage unit, no bucket, and nothing that we have sent.

use serde_json::{Map, Value};

use crate::hash::Hash;
use crate::moment::Moment;

/// The longest text that is kept of a member; what MDSS sends is far shorter.
const MOST_TEXT: usize = 1024;

/// What a scan has found is kept for ever, as three texts of so many bytes at most (before JSON's escapes).
const MOST_SHOWN: usize = 256;

/// The longest path: S3's keys have 1024 bytes at most, a share's path may have more, and a bucket's name may stand before.
const MOST_PATH: usize = 4096;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is wrong with it.
    Allowed,
    /// It is blocked.
    Blocked,
    /// MDSS has looked at it and has not judged it: the scan failed or was canceled. It is a result, and not a good one.
    Failed,
    /// MDSS says something that is not documented.
    Unknown,
}

impl Verdict {
    /// `allowed`, `blocked`, `failed` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// From `FileStatus` and `FileState`. A file that was not scanned to the end is never called allowed.
    fn of(status: &str, state: &str) -> Self {
        let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
        match status {
            status if is(status, "Blocked") => Self::Blocked,
            _ if is(state, "Failed") || is(state, "Canceled") => Self::Failed,
            status if is(status, "Allowed") => Self::Allowed,
            _ => Self::Unknown,
        }
    }
}

/// One notification, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// `FilePath`, as it is.
    pub(crate) path: String,
    /// `FileId`.
    pub(crate) file_id: Option<String>,
    /// What was found.
    pub(crate) verdict: Verdict,
    /// `FileState`, or `FileStatus` if that is not documented.
    pub(crate) state: Option<String>,
    /// `ScanCompletedTimeStamp`.
    pub(crate) scanned: Option<Moment>,
    /// What else is shown of it: a text of JSON without any path.
    pub(crate) detail: Option<String>,
    /// What makes two of them the same.
    pub(crate) digest: Hash,
}

/// What cannot be used of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotUsed {
    /// It is about something else, such as a whole scan that has ended.
    Other,
    /// It is not understood: lower case, no full stop, nothing of the body but its kind.
    Unreadable(String),
}

impl Notice {
    /// Reads a body.
    ///
    /// # Errors
    /// [`NotUsed`].
    pub(crate) fn read(body: &[u8]) -> Result<Self, NotUsed> {
        let unreadable = |why: &str| NotUsed::Unreadable(why.to_owned());
        let members = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(unreadable("JSON, but not an object")),
            Err(_) => return Err(unreadable("not JSON")),
        };
        match text(&members, "WebhookNotificationType")? {
            Some(kind) if !kind.eq_ignore_ascii_case("FileScanned") => return Err(NotUsed::Other),
            _ => {}
        }
        let path = text(&members, "FilePath")?.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| unreadable("no FilePath"))?;
        if path.len() > MOST_PATH {
            return Err(unreadable("a FilePath of more than 4096 bytes"));
        }
        let short = |name| {
            Ok::<_, NotUsed>(
                text(&members, name)?.map(|text| cut(&text, MOST_TEXT)).filter(|text| !text.is_empty()),
            )
        };
        let (status, state) = (short("FileStatus")?.unwrap_or_default(), short("FileState")?);
        let verdict = Verdict::of(&status, state.as_deref().unwrap_or_default());
        let at = short("ScanCompletedTimeStamp")?;
        let file_id = short("FileId")?;
        let mut shown = Map::new();
        for name in ["CoreScanResult", "WorkflowName", "RemediationResult"] {
            // A name that stands in the chain could not be forgotten.
            if let Some(text) = short(name)?.filter(|text| !names(text, &path)) {
                shown.insert(name.to_owned(), Value::String(cut(&text, MOST_SHOWN)));
            }
        }
        let parts = [Some(&path), file_id.as_ref(), Some(&status), state.as_ref(), at.as_ref()];
        let mut hashed = Vec::new();
        for part in parts {
            let part = part.map_or("", |part| part.as_str());
            hashed.extend((part.len() as u64).to_be_bytes());
            hashed.extend(part.as_bytes());
        }
        Ok(Self {
            verdict,
            state: if verdict == Verdict::Unknown {
                state.or(Some(status).filter(|s| !s.is_empty()))
            } else {
                state
            },
            // MDSS writes UTC; a text without a zone is taken for it.
            scanned: at.and_then(|at| Moment::read(&at).or_else(|| Moment::read(&format!("{at}Z")))),
            detail: (!shown.is_empty()).then(|| Value::Object(shown).to_string()),
            digest: Hash::of(&[&hashed]),
            path,
            file_id,
        })
    }

    /// What is kept of it: a body that reads the same, without its path if that may not be known.
    pub(crate) fn kept(&self, clear: bool) -> Vec<u8> {
        let mut members: Map<String, Value> =
            self.detail.as_deref().and_then(|detail| serde_json::from_str(detail).ok()).unwrap_or_default();
        let mut put =
            |name: &str, text: &str| members.insert(name.to_owned(), Value::String(text.to_owned()));
        put("FilePath", if clear { &self.path } else { "-" });
        put(
            "FileStatus",
            match self.verdict {
                Verdict::Allowed => "Allowed",
                Verdict::Blocked => "Blocked",
                Verdict::Failed | Verdict::Unknown => "",
            },
        );
        for (name, text) in [("FileId", &self.file_id), ("FileState", &self.state)] {
            if let Some(text) = text {
                put(name, text);
            }
        }
        if let Some(scanned) = self.scanned {
            put("ScanCompletedTimeStamp", &scanned.to_string());
        }
        Value::Object(members).to_string().into_bytes()
    }

    /// When it was scanned, for comparisons with writes: never later than it was heard of, so that a wrong clock closes nothing in advance.
    pub(crate) fn moment(&self, heard: Moment) -> Moment {
        self.scanned.map_or(heard, |scanned| scanned.min(heard))
    }
}

/// A member by its name, whatever its capitals: ASP.NET, which MDSS is written in, can be told to write either.
fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, NotUsed> {
    let mut found = members.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (None, _) | (Some((_, Value::Null)), None) => Ok(None),
        (Some((_, Value::String(text))), None) => Ok(Some(text.clone())),
        (Some(_), None) => Err(NotUsed::Unreadable(format!("{name} is no text"))),
        (Some(_), Some(_)) => Err(NotUsed::Unreadable(format!("{name} stands there twice"))),
    }
}

/// Whether the name of the file of this path stands in a text, as a word of its own. `-` is a path that is not kept.
fn names(text: &str, path: &str) -> bool {
    let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    !matches!(name, "" | "-")
        && text.match_indices(name).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
        })
}

fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({
            "FileId": "0198f02f-0000-7000-8000-000000000001", "FileName": "file.txt", "FilePath": "folder/file.txt", "FileStatus": "Allowed",
            "CoreScanResult": "No Threat Detected", "FileState": "Available", "RemediationResult": "AllowedKept: Applied",
            "ScanCompletedTimeStamp": "2025-08-28T10:00:00.123456Z", "WorkflowName": "w", "Rules": [], "ExceptionDetails": "",
            "RemediationErrors": [], "WebhookNotificationType": "FileScanned"
        })
    }

    fn read(value: &Value) -> Result<Notice, NotUsed> {
        Notice::read(value.to_string().as_bytes())
    }

    #[test]
    fn the_documented_body_is_read() {
        let notice = read(&body()).unwrap();
        assert_eq!((notice.path.as_str(), notice.verdict), ("folder/file.txt", Verdict::Allowed));
        assert_eq!(notice.scanned.unwrap().to_string(), "2025-08-28T10:00:00.123Z");
        assert_eq!(
            notice.detail.as_deref(),
            Some(
                r#"{"CoreScanResult":"No Threat Detected","RemediationResult":"AllowedKept: Applied","WorkflowName":"w"}"#
            )
        );
        assert!(!notice.detail.unwrap().contains("file.txt"));
    }

    #[test]
    fn what_is_said_of_a_scan_is_short_and_names_no_file() {
        let mut body = body();
        body["CoreScanResult"] = "ä".repeat(1000).into();
        body["WorkflowName"] = "w of file.txt".into();
        body["RemediationResult"] = "MovedTo: folder/file.txt".into();
        let detail = read(&body).unwrap().detail.unwrap();
        assert_eq!(detail, format!(r#"{{"CoreScanResult":"{}"}}"#, "ä".repeat(128)));
    }

    #[test]
    fn a_scan_that_failed_is_a_result_and_never_good_news() {
        for (status, state, want) in [
            ("Allowed", "Available", Verdict::Allowed),
            ("Blocked", "Available", Verdict::Blocked),
            ("Blocked", "FailedRemediation", Verdict::Blocked),
            ("Allowed", "FailedRemediation", Verdict::Allowed),
            ("Allowed", "Failed", Verdict::Failed),
            ("", "Canceled", Verdict::Failed),
            ("", "Available", Verdict::Unknown),
            ("Sanitized", "", Verdict::Unknown),
        ] {
            let mut body = body();
            (body["FileStatus"], body["FileState"]) = (status.into(), state.into());
            assert_eq!(read(&body).unwrap().verdict, want, "{status} {state}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_without_its_contents() {
        let with = |name: &str, value: Value| {
            let mut body = body();
            body[name] = value;
            body.to_string()
        };
        for (body, want) in [
            ("secret".to_owned(), "not JSON"),
            ("[1]".to_owned(), "JSON, but not an object"),
            ("{}".to_owned(), "no FilePath"),
            (with("FilePath", 7.into()), "FilePath is no text"),
            (with("filepath", "x".into()), "FilePath stands there twice"),
            (with("FilePath", "x".repeat(5000).into()), "a FilePath of more than 4096 bytes"),
        ] {
            assert_eq!(Notice::read(body.as_bytes()), Err(NotUsed::Unreadable(want.into())), "{body}");
        }
        assert_eq!(
            Notice::read(with("WebhookNotificationType", "ScanCompleted".into()).as_bytes()),
            Err(NotUsed::Other)
        );
        // Older versions, and other capitals.
        let camel =
            r#"{"filePath":"a","fileStatus":"Blocked","scanCompletedTimeStamp":"2025-08-28T10:00:00"}"#;
        let notice = Notice::read(camel.as_bytes()).unwrap();
        assert_eq!((notice.verdict, notice.scanned.is_some()), (Verdict::Blocked, true));
    }

    #[test]
    fn the_same_twice_is_the_same_and_another_scan_is_not() {
        let digest = |body: &Value| read(body).unwrap().digest;
        let (one, mut other) = (body(), body());
        other["WorkflowName"] = "renamed".into();
        assert_eq!(digest(&one), digest(&other));
        other["ScanCompletedTimeStamp"] = "2025-08-28T10:00:01Z".into();
        assert_ne!(digest(&one), digest(&other));
    }

    #[test]
    fn what_is_kept_reads_the_same() {
        for (status, state) in
            [("Allowed", "Available"), ("Blocked", "FailedRemediation"), ("", "Failed"), ("Odd", "Available")]
        {
            let mut body = body();
            (body["FileStatus"], body["FileState"]) = (status.into(), state.into());
            let notice = read(&body).unwrap();
            let again = Notice::read(&notice.kept(true)).unwrap();
            assert_eq!(Notice { digest: notice.digest, ..again }, notice, "{status} {state}");
            let hidden = notice.kept(false);
            assert!(!String::from_utf8(hidden).unwrap().contains("folder"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Notice::read(&body);
        }

        #[test]
        fn no_members_panic(name in "[Ff]ile(Path|Id|Status|State)|ScanCompletedTimeStamp", value in "\\PC{0,2000}") {
            let _ = read(&json!({ "FilePath": "p", name: value }));
        }
    }
}
