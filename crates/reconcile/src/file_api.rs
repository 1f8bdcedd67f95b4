//! MDSS's file API, which can be asked what became of one file.
//!
//! Documented is how it filters: OPSWAT, "Advanced File API Filtering and Sorting",
//! <https://www.opswat.com/docs/mdss/4.5.0/knowledge-base/advanced-file-api-filtering-and-sorting> (read 2026-11): `storageId`, `search`, and the numbers of `processingState` (0 in
//! progress, 1 failed, 2 canceled, 3 available) and `result` (0 allowed, 1 blocked, 2 processing). **Everything else is inferred, and stands in this file alone**: its
//! path (a setting without a default), how it pages, whether `storageId` is the storage client id and `search` looks into names, and what the members of its answer are
//! called. Whoever knows better says so in `RELAY_LOOP_FILE_API_NAMES`.

use mdss_relay_core::{FileApiSettings, Mistake};
use mdss_relay_ledger::{Moment, Question, Verdict};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

/// Files that are asked for at once.
const PAGE: usize = 100;

/// Names that are not documented, in the order of [`Names::KNOWN`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names([String; 8]);

impl Names {
    /// What can be named, and what is taken for its name. Paging has the names that the audit's API has (`GET /api/audit/{startIndex}/{count}`), the list that of the
    /// core pools (`OPSWAT/metadefender-k8s`, `terraform/mdss-tf-config-examples/main.tf`), and the members are the notification's in the API's own spelling.
    const KNOWN: [(&'static str, &'static str); 8] = [
        ("start", "startIndex"),
        ("count", "count"),
        ("list", "entries"),
        ("path", "filePath"),
        ("id", "fileId"),
        ("state", "processingState"),
        ("result", "result"),
        ("time", "scanCompletedTimestamp"),
    ];

    fn get(&self, what: &str) -> &str {
        let at = Self::KNOWN.iter().position(|(known, _)| *known == what);
        at.and_then(|at| self.0.get(at)).map_or("", String::as_str)
    }
}

/// How the file API is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileApi {
    path: String,
    names: Names,
}

/// What one page says of the object that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was scanned after it was accepted.
    Scanned {
        /// What MDSS calls the file.
        file_id: Option<String>,
        /// What it has found.
        verdict: Verdict,
        /// When the scan ended.
        at: Moment,
    },
    /// MDSS is at it.
    UnderWay,
    /// It is not among these files; whether there may be more.
    NotThere {
        /// Whether there may be more files.
        more: bool,
    },
    /// A file of its name is among them, whose path is not its own: that may be another file, or this one in a form that is not known. So nobody can say that it is not there.
    Unclear {
        /// Whether there may be more files.
        more: bool,
    },
}

impl FileApi {
    /// As the settings say; `None` if MDSS is not to be asked.
    ///
    /// # Errors
    /// The mistake in the names.
    pub fn of(settings: &FileApiSettings) -> Result<Option<Self>, Mistake> {
        let Some(path) = &settings.path else { return Ok(None) };
        match Self::new(path, &settings.names.texts) {
            Ok(api) => Ok(Some(api)),
            Err(expected) => {
                Err(Mistake::found(settings.names.name.clone(), &settings.names.texts.join(","), expected))
            }
        }
    }

    /// `path` is a path of MDSS's host; `names` are texts such as `path=filePath`.
    ///
    /// # Errors
    /// What was expected of a name.
    fn new(path: &str, names: &[String]) -> Result<Self, String> {
        let mut all = Names(Names::KNOWN.map(|(_, name)| name.to_owned()));
        for text in names {
            let named = text.split_once('=').and_then(|(what, name)| {
                let at = Names::KNOWN.iter().position(|(known, _)| *known == what.trim())?;
                Some((at, name.trim())).filter(|(_, name)| !name.is_empty())
            });
            let Some((at, name)) = named else {
                let known: Vec<_> =
                    Names::KNOWN.iter().map(|(known, name)| format!("{known}={name}")).collect();
                return Err(format!("names such as {}", known.join(",")));
            };
            name.clone_into(&mut all.0[at]);
        }
        Ok(Self { path: path.to_owned(), names: all })
    }

    /// The path and query that ask for the files of an object's name in its unit, from the one with this number on.
    pub fn ask(&self, question: &Question, start: usize) -> String {
        format!(
            "{}?storageId={}&search={}&{}={start}&{}={PAGE}",
            self.path,
            value(question.unit.as_deref().unwrap_or_default()),
            value(name_of(question)),
            self.names.get("start"),
            self.names.get("count"),
        )
    }

    /// The number of the first file of the next page.
    pub fn after(start: usize) -> usize {
        start + PAGE
    }

    /// The path and query that ask for the first files of a unit, whatever they are called: only a real file shows what its members are called.
    pub fn ask_for_any(&self, unit: &str) -> String {
        format!(
            "{}?storageId={}&{}=0&{}={PAGE}",
            self.path,
            value(unit),
            self.names.get("start"),
            self.names.get("count"),
        )
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Why it says nothing: a sentence without its contents.
    pub fn read(&self, question: &Question, body: &[u8]) -> Result<Said, String> {
        let list = self.list(body)?;
        let more = list.len() >= PAGE;
        let mut said = Said::NotThere { more };
        for file in &list {
            let path = self.path_of(file)?;
            if !question.is_about(path) {
                if said == (Said::NotThere { more }) && may_be(question, path) {
                    said = Said::Unclear { more };
                }
                continue;
            }
            match self.scan_of(file)? {
                None => said = Said::UnderWay,
                Some((verdict, at)) if question.was_seen_by(at) => {
                    let file_id = file[self.names.get("id")].as_str().map(str::to_owned);
                    return Ok(Said::Scanned { file_id, verdict, at });
                }
                Some(_) => {}
            }
        }
        Ok(said)
    }

    /// How many files an answer has, each of which is understood.
    ///
    /// # Errors
    /// As [`FileApi::read`].
    pub fn count(&self, body: &[u8]) -> Result<usize, String> {
        let list = self.list(body)?;
        for file in &list {
            self.path_of(file)?;
            self.scan_of(file)?;
        }
        Ok(list.len())
    }

    fn list(&self, body: &[u8]) -> Result<Vec<Value>, String> {
        let mut body: Value =
            serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
        let name = self.names.get("list");
        let list =
            if body.is_array() { body } else { body.get_mut(name).map(Value::take).unwrap_or_default() };
        match list {
            Value::Array(list) => Ok(list),
            _ => Err(format!("the answer has no list {name:?}")),
        }
    }

    fn path_of<'f>(&self, file: &'f Value) -> Result<&'f str, String> {
        let name = self.names.get("path");
        file[name].as_str().ok_or_else(|| format!("a file without a text {name:?}"))
    }

    /// What was found in a file, and when; `None` while MDSS is at it.
    fn scan_of(&self, file: &Value) -> Result<Option<(Verdict, Moment)>, String> {
        let (state, result) = (self.names.get("state"), self.names.get("result"));
        let verdict = match (file[state].as_u64(), file[result].as_u64()) {
            (Some(0), _) | (_, Some(2)) => return Ok(None),
            (Some(1 | 2), _) => Verdict::Failed,
            (_, Some(0)) => Verdict::Allowed,
            (_, Some(1)) => Verdict::Blocked,
            _ => return Err(format!("a file without a known number in {state:?} or {result:?}")),
        };
        let name = self.names.get("time");
        let at = file[name].as_str().and_then(Moment::read);
        Ok(Some((verdict, at.ok_or_else(|| format!("a file without a time {name:?}"))?)))
    }
}

/// The name of the object, without its folders.
fn name_of(question: &Question) -> &str {
    question.key.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&question.key)
}

/// Whether a path that is not the object's may be its own in another form: with a slash, a bucket or a host in front, another separator, or percent-encoded. Then its last part
/// is the object's name, and more is not demanded: whoever looks for known forms alone takes the next one for another file.
fn may_be(question: &Question, path: &str) -> bool {
    let name = name_of(question);
    let ends = |path: &str| {
        let path = path.trim_end_matches(['/', '\\']);
        let folder = path.strip_suffix(name.trim_end_matches('\\'));
        folder.is_some_and(|folder| folder.is_empty() || folder.ends_with(['/', '\\', ':']))
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    ends(path) || ends(&decoded(path)) || ends(&decoded(&path.replace('+', " ")))
}

/// A value of a query.
fn value(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question() -> Question {
        Question {
            early: false,
            seq: 1,
            unit: Some("u 1".into()),
            bucket: Some("b".into()),
            key: "in/a&b.txt".into(),
            accepted: Moment::read("2026-11-27T10:00:00Z").unwrap(),
            form: None,
        }
    }

    fn file(path: &str, state: u64, result: Option<u64>, at: &str) -> Value {
        json!({ "fileId": "f", "filePath": path, "processingState": state, "result": result, "scanCompletedTimestamp": at })
    }

    #[test]
    fn the_documented_filters_ask_for_one_name_in_one_unit() {
        let api = FileApi::new("/api/files", &[]).unwrap();
        assert_eq!(
            api.ask(&question(), 100),
            "/api/files?storageId=u%201&search=a%26b%2Etxt&startIndex=100&count=100"
        );
        let api = FileApi::new("/api/v2/file", &["start=skip".into(), "count = take".into()]).unwrap();
        assert!(api.ask(&question(), 0).ends_with("&skip=0&take=100"));
        for name in ["start", "color=x", "list="] {
            assert!(
                FileApi::new("/x", &[name.into()])
                    .unwrap_err()
                    .starts_with("names such as start=startIndex,")
            );
        }
    }

    #[test]
    fn every_file_of_an_answer_has_to_be_understood_to_count() {
        let api = FileApi::new("/api/files", &[]).unwrap();
        assert_eq!(api.ask_for_any("u 1"), "/api/files?storageId=u%201&startIndex=0&count=100");
        let good = [file("a", 3, Some(0), "2026-11-27T10:00:00Z"), file("b", 0, Some(2), "")];
        for (files, want) in [(json!([]), 0), (json!(good), 2)] {
            for body in [json!({ "entries": files }), files] {
                assert_eq!(api.count(body.to_string().as_bytes()), Ok(want), "{body}");
            }
        }
        let words = json!({ "filePath": "c", "processingState": "Available", "result": "Allowed" });
        for (files, why) in [
            (json!([good[0], words]), "without a known number"),
            (json!([{ "name": "c" }]), "without a text \"filePath\""),
            (json!([file("c", 3, Some(0), "yesterday")]), "without a time"),
            (json!({ "files": [] }), "no list \"entries\""),
        ] {
            assert!(api.count(files.to_string().as_bytes()).unwrap_err().contains(why), "{files}");
        }
    }

    #[test]
    fn what_an_answer_says() {
        let api = FileApi::new("/api/files", &[]).unwrap();
        let (key, before, after) = ("in/a&b.txt", "2026-11-27T09:59:00Z", "2026-11-27T10:01:00Z");
        let scanned =
            |verdict| Said::Scanned { file_id: Some("f".into()), verdict, at: Moment::read(after).unwrap() };
        for (files, want) in [
            (json!([]), Said::NotThere { more: false }),
            (json!([file(key, 3, Some(0), after)]), scanned(Verdict::Allowed)),
            (json!([file(key, 3, Some(1), after)]), scanned(Verdict::Blocked)),
            (json!([file(key, 1, None, after)]), scanned(Verdict::Failed)),
            (json!([file(key, 3, Some(0), before)]), Said::NotThere { more: false }),
            (json!([file("in/other", 3, Some(0), after)]), Said::NotThere { more: false }),
            (json!([file(key, 0, Some(2), before)]), Said::UnderWay),
            (json!(vec![file("x", 3, Some(0), after); 100]), Said::NotThere { more: true }),
        ] {
            let body = json!({ "entries": files }).to_string();
            assert_eq!(api.read(&question(), body.as_bytes()), Ok(want), "{files}");
        }
        for path in [
            "/in/a&b.txt",
            "b/in/a&b.txt",
            "s3://b/in/a&b.txt",
            "in%2Fa%26b.txt",
            "b/in/a%26b.txt",
            "IN/a&b.txt",
            "b\\in\\a&b.txt",
            "a&b.txt",
            "another/folder/a&b.txt",
        ] {
            let here =
                |files: Value| api.read(&question(), json!({ "entries": files }).to_string().as_bytes());
            let other = file(path, 3, Some(0), after);
            assert_eq!(here(json!([other])), Ok(Said::Unclear { more: false }), "{path}");
            assert_eq!(here(json!(vec![other.clone(); 100])), Ok(Said::Unclear { more: true }), "{path}");
            // Its own path says more, wherever it stands.
            for own in
                [json!([other, file(key, 3, Some(0), after)]), json!([file(key, 3, Some(0), after), other])]
            {
                assert_eq!(here(own), Ok(scanned(Verdict::Allowed)), "{path}");
            }
            for own in
                [json!([other, file(key, 0, Some(2), before)]), json!([file(key, 0, Some(2), before), other])]
            {
                assert_eq!(here(own), Ok(Said::UnderWay), "{path}");
            }
        }
        for path in ["in/xa&b.txt", "in/a&b.txt.old", "in/a&b.txt/other"] {
            let body = json!([file(path, 3, Some(0), after)]).to_string();
            assert_eq!(api.read(&question(), body.as_bytes()), Ok(Said::NotThere { more: false }), "{path}");
        }
        let spaces = Question { key: "in/a b".into(), ..question() };
        for path in ["x/a+b", "x/a%20b", "in%2Fa+b"] {
            let body = json!([file(path, 3, Some(0), after)]).to_string();
            assert_eq!(api.read(&spaces, body.as_bytes()), Ok(Said::Unclear { more: false }), "{path}");
        }
        let words = json!({ "entries": [{ "filePath": key, "processingState": "Available", "result": "Allowed", "scanCompletedTimestamp": after }] });
        assert!(api.read(&question(), words.to_string().as_bytes()).is_err(), "words are no numbers");
        for body in ["<html>", "{}", "{\"entries\": [{}]}", "{\"entries\": [{\"filePath\": \"in/a&b.txt\"}]}"]
        {
            assert!(api.read(&question(), body.as_bytes()).is_err(), "{body}");
        }
    }
}
